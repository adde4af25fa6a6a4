//! A job with state that belongs to no key: it gathers words in fours, and says with each word its price, which another file
//! tells to all subtasks.
//!
//! A price is a line: `word cents`. Words that are not yet four stay where they are, also at the end of the input.
//!
//! | `--program` | what has become of the first version's state                       |
//! |-------------|----------------------------------------------------------------------|
//! | first       |                                                                      |
//! | carried     | what a subtask holds has another name, and the prices are wider      |
//! | refused     | what a subtask holds are numbers                                     |
//! | plain       | there is none: words have no price, and are not gathered             |

use std::collections::BTreeMap;
use std::path::PathBuf;

use tidegate::prelude::*;

/// Says what words cost
#[job]
fn priced(job: &Job, args: Args) -> Result<()> {
    let text = |line: Line| line.text_lossy().into_owned();
    let words = job.source("words", Lines::open(args.input)).map(text);
    let prices = job.source("prices", Lines::open(args.prices)).map(text);
    let out = JsonLines::write(args.output);
    match args.program {
        Version::First => words
            .process("fours", Fours)
            .flat_map(|four| four)
            .key_by_ref(|word: &String| word)
            .connect_broadcast(prices)
            .process("price", Price)
            .sink("prices", out),
        Version::Carried => words
            .process("fours", FoursCarried)
            .flat_map(|four| four)
            .key_by_ref(|word: &String| word)
            .connect_broadcast(prices)
            .process("price", PriceCarried)
            .sink("prices", out),
        Version::Refused => {
            prices.discard();
            words.process("fours", FoursRefused).sink("prices", out);
        }
        Version::Plain => {
            prices.discard();
            words.key_by_ref(|word: &String| word).process("price", Count).sink("prices", out);
        }
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a word a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Files with a price a line
    #[arg(long, num_args = 1.., required = true)]
    prices: Vec<PathBuf>,
    /// Directory for the results
    #[arg(long)]
    output: PathBuf,
    /// Which version of the job
    #[arg(long, value_enum, default_value = "first")]
    program: Version,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Version {
    First,
    Carried,
    Refused,
    Plain,
}

#[state(unkeyed)]
#[derive(Default)]
struct Held {
    words: DealtList<String>,
}

#[operator(unkeyed)]
fn fours(word: String, held: &mut Held) -> Option<Vec<String>> {
    held.words.push(word);
    (held.words.len() >= 4).then(|| held.words.drain(..4).collect())
}

#[state(unkeyed, name = "Held")]
#[derive(Default)]
struct HeldCarried {
    #[state(was = "words")]
    rest: DealtList<String>,
}

#[operator(unkeyed)]
fn fours_carried(word: String, held: &mut HeldCarried) -> Option<Vec<String>> {
    held.rest.push(word);
    (held.rest.len() >= 4).then(|| held.rest.drain(..4).collect())
}

#[state(unkeyed, name = "Held")]
#[derive(Default)]
struct HeldRefused {
    words: DealtList<u64>,
}

#[operator(unkeyed)]
fn fours_refused(_: String, held: &mut HeldRefused) -> usize {
    held.words.len()
}

#[state(key = String)]
#[derive(Default)]
struct Seen {
    times: u32,
}

#[state(broadcast)]
#[derive(Default)]
struct Prices {
    cents: BTreeMap<String, u32>,
}

struct Price;

#[operator]
impl Price {
    fn on_event(&self, word: String, seen: &mut Seen, prices: &Prices) -> (String, u32, Option<u64>) {
        seen.times += 1;
        let cents = prices.cents.get(&word).copied().map(u64::from);
        (word, seen.times, cents)
    }

    fn on_broadcast(&self, line: String, prices: &mut Prices) {
        let (word, cents) = parse(&line);
        prices.cents.insert(word, cents as u32);
    }
}

#[state(broadcast, name = "Prices")]
#[derive(Default)]
struct PricesCarried {
    cents: BTreeMap<String, u64>,
    currency: Option<String>,
}

struct PriceCarried;

#[operator]
impl PriceCarried {
    fn on_event(&self, word: String, seen: &mut Seen, prices: &PricesCarried) -> (String, u32, Option<u64>) {
        seen.times += 1;
        let cents = prices.cents.get(&word).copied();
        (word, seen.times, cents)
    }

    fn on_broadcast(&self, line: String, prices: &mut PricesCarried) {
        let (word, cents) = parse(&line);
        prices.cents.insert(word, cents);
    }
}

#[operator]
fn count(word: String, seen: &mut Seen) -> (String, u32, Option<u64>) {
    seen.times += 1;
    (word, seen.times, None)
}

fn parse(line: &str) -> (String, u64) {
    let price = line.split_once(' ').and_then(|(word, cents)| Some((word.to_string(), cents.parse().ok()?)));
    price.unwrap_or_else(|| panic!("{line:?} is no price"))
}
