//! PageRank: how likely one is to be on a page who follows links, and now and then begins anew.
//!
//! Reads pages, a line each: the number of the page, and of those that it links to. Writes the rank of every page, in
//! millionths, when no rank changes any more by more than `--tolerance`.
//!
//! There are no rounds in which all pages wait for each other. Ranks are sums, and a page only passes on what was *added* to its
//! own since it last did (Zhang, Gao, Gao and Wang, *Accumulative computation without synchronisation*, 2011: "Maiter"), in
//! whatever order it comes. What it is given it gathers, until a note to itself has come round: by then many have given.
//! What is below the tolerance stays where it is, so the ranks are a little too low: those of all pages together by no
//! more than the tolerance times the number of pages, times `damping / (1 - damping)`. A page without links keeps what it has.
//!
//! ```text
//! cargo run --release --example pagerank
//! cargo run --release --example pagerank -- --pages pages.txt --output ranks --rejects rejects --snapshot-dir snapshots
//! ```

use std::path::PathBuf;

use tidegate::prelude::*;

/// Writes the rank of every page of a web of links
#[job]
fn pagerank(job: &Job, args: Args) -> Result<()> {
    // A rank would go round for ever.
    if args.tolerance.is_nan() || args.tolerance <= 0.0 {
        return Err(Error::usage(format!("--tolerance {} is never reached", args.tolerance))
            .hint("give it a small number above 0; the smaller it is, the closer the ranks, and the longer it takes"));
    }
    let (pages, bad_lines) = job.source("pages", Lines::open(args.pages)).try_map(page);
    let ranks = pages
        .key_by_ref(|message| &message.to)
        .iterate(|messages| messages.process_with_side("rank", Rank { tolerance: args.tolerance }));
    match args.output {
        Some(dir) => ranks.sink("ranks", JsonLines::write(dir)),
        None => ranks.sink("ranks", Stdout::json()),
    }
    match args.rejects {
        Some(dir) => bad_lines.sink("rejects", JsonLines::write(dir)),
        None => bad_lines.sink("rejects", Stderr::json()),
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Pages and their links, numbers in a line: files, patterns, .gz, or - [default: those beside this example]
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = SAMPLE, hide_default_value = true)]
    pages: Vec<PathBuf>,
    /// Of how much rank a page does not speak, where 1 is what a page has of itself and of others on average
    #[arg(long, value_name = "RANK", default_value_t = 1e-7)]
    tolerance: f64,
    /// Directory for the ranks, as JSON lines [default: the standard output]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Directory for the lines that are no pages, as JSON lines [default: the standard error]
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/graph/pages.txt");

/// How often one follows a link, and does not begin anew.
const DAMPING: f64 = 0.85;

fn page(line: Line) -> Result<Message, BadLine> {
    let numbers: Vec<u64> = line.parse(|text| text.split_whitespace().map(str::parse).collect())?;
    let (page, links) = numbers.split_first().ok_or_else(|| line.reject("there is no page"))?;
    Ok(Message { to: *page, what: What::Links(links.to_vec()) })
}

/// What is told to a page.
#[event]
#[derive(Clone)]
struct Message {
    to: u64,
    what: What,
}

#[event]
#[derive(Clone)]
enum What {
    /// It is one, with these links.
    Links(Vec<u64>),
    /// Somebody who links to it has more rank.
    Added(f64),
    /// Its note to itself: time to pass on what it was given.
    PassOn,
}

/// A page and its rank, in millionths.
#[event]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    page: u64,
    rank: u64,
}

#[state(key = u64)]
#[derive(Default)]
struct Page {
    /// Nothing as long as its line has not been read.
    links: Option<Vec<u64>>,
    rank: f64,
    /// What was added to its rank that it has not passed on.
    gathered: f64,
    /// Whether a note to itself is under way.
    noted: bool,
}

struct Rank {
    tolerance: f64,
}

#[operator]
impl Rank {
    fn on_event(
        &self,
        message: Message,
        page: &mut Page,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Message>,
        _ranks: &mut impl Emit<Ranked>,
    ) {
        match message.what {
            What::Links(links) => {
                cx.set_timer(EventTime::MAX, ());
                page.links = Some(links);
                page.add(1.0 - DAMPING);
            }
            What::Added(rank) => page.add(rank),
            What::PassOn => {
                page.noted = false;
                let links = page.links.iter().flatten();
                let each = DAMPING * std::mem::take(&mut page.gathered) / links.clone().count().max(1) as f64;
                links.for_each(|link| out.emit(Message { to: *link, what: What::Added(each) }));
            }
        }
        if page.links.is_some() && page.gathered > self.tolerance && !page.noted {
            page.noted = true;
            out.emit(Message { to: message.to, what: What::PassOn });
        }
    }

    fn on_timer(
        &self,
        _: (),
        page: &mut Page,
        cx: &mut Context<Self>,
        _out: &mut impl Emit<Message>,
        ranks: &mut impl Emit<Ranked>,
    ) {
        ranks.emit(Ranked { page: *cx.key(), rank: (page.rank * 1e6).round() as u64 });
    }
}

impl Page {
    fn add(&mut self, rank: f64) {
        self.rank += rank;
        self.gathered += rank;
    }
}
