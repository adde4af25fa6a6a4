//! Several versions of one job: it counts words, and what it remembers of them changes from one version to the next.
//!
//! | `--program` | what has become of the first version's state                                              |
//! |-------------|---------------------------------------------------------------------------------------------|
//! | first       |                                                                                               |
//! | carried     | a field has another name and is wider, one is gone, one is new                              |
//! | migrated    | another key and another state, with the code that makes them of the first version's          |
//! | refused     | a number has become narrower                                                                |

use std::path::PathBuf;

use tidegate::prelude::*;

/// Counts words, and remembers them as this version of it does
#[job]
fn evolving(job: &Job, args: Args) -> Result<()> {
    let words = job.source("words", Lines::open(args.input)).map(|line| line.text_lossy().into_owned());
    let words = words.event_time(|_| EventTime::MIN, Watermarks::monotonous());
    let counts = JsonLines::write(args.output);
    match args.program {
        Version::First => {
            words.key_by_ref(|word: &String| word).process("count", CountFirst).sink("counts", counts)
        }
        Version::Carried => {
            words.key_by_ref(|word: &String| word).process("count", CountCarried).sink("counts", counts)
        }
        Version::Migrated => words
            .key_by(|word: &String| Word::from(word.clone()))
            .process("count", CountMigrated)
            .sink("counts", counts),
        Version::Refused => {
            words.key_by_ref(|word: &String| word).process("count", CountRefused).sink("counts", counts)
        }
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a word a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Directory for the counts
    #[arg(long)]
    output: PathBuf,
    /// Which version of the job
    #[arg(long, value_enum)]
    program: Version,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Version {
    First,
    Carried,
    Migrated,
    Refused,
}

#[state(key = String)]
#[derive(Default)]
struct Seen {
    times: u32,
    short: bool,
}

#[operator]
fn count_first(word: String, seen: &mut Seen) -> (String, u64, String) {
    seen.times += 1;
    seen.short = word.len() < 5;
    (word, seen.times.into(), String::new())
}

#[state(key = String, name = "Seen")]
struct SeenCarried {
    note: String,
    #[state(was = "times")]
    count: u64,
}

impl Default for SeenCarried {
    fn default() -> SeenCarried {
        SeenCarried { note: "from the first version, or new".to_string(), count: 0 }
    }
}

#[operator]
fn count_carried(word: String, seen: &mut SeenCarried) -> (String, u64, String) {
    seen.count += 1;
    (word, seen.count, seen.note.clone())
}

#[key]
struct Word {
    letters: u32,
    text: String,
}

impl From<String> for Word {
    fn from(text: String) -> Word {
        Word { letters: text.len() as u32, text }
    }
}

#[state(key = Word, name = "Seen", version = 2, from = Seen)]
#[derive(Default)]
struct SeenMigrated {
    count: u64,
    note: Option<String>,
}

impl From<Seen> for SeenMigrated {
    fn from(seen: Seen) -> SeenMigrated {
        let note = if seen.short { "short" } else { "long" };
        SeenMigrated { count: seen.times.into(), note: Some(note.to_string()) }
    }
}

#[operator]
fn count_migrated(word: String, seen: &mut SeenMigrated) -> (String, u64, String) {
    seen.count += 1;
    (word, seen.count, seen.note.clone().unwrap_or_default())
}

#[state(key = String, name = "Seen")]
#[derive(Default)]
struct SeenRefused {
    times: u16,
    short: bool,
}

#[operator]
fn count_refused(word: String, seen: &mut SeenRefused) -> (String, u64, String) {
    seen.times += 1;
    seen.short |= word.is_empty();
    (word, seen.times.into(), String::new())
}
