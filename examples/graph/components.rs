//! Connected components: which nodes of a graph hang together.
//!
//! Reads edges, two numbers of nodes a line, and writes for every node the least number in its component, when all edges have
//! been read and nobody has anything new to tell. A node tells its neighbours the least number that it has heard of; who hears of
//! a lesser one than its own tells it on. Numbers only ever fall, so this comes to an end.
//!
//! ```text
//! cargo run --release --example components
//! cargo run --release --example components -- --edges edges.txt --output components --rejects rejects --snapshot-dir snapshots
//! ```

use std::path::PathBuf;

use tidegate::prelude::*;

/// Writes for every node of a graph the least number in its connected component
#[job]
fn components(job: &Job, args: Args) -> Result<()> {
    let (edges, bad_lines) = job.source("edges", Lines::open(args.edges)).try_map(edge);
    let members = edges
        .flat_map(|(a, b)| [Message { to: a, what: What::Edge(b) }, Message { to: b, what: What::Edge(a) }])
        .key_by_ref(|message| &message.to)
        .iterate(|messages| messages.process_with_side("least-number", LeastNumber));
    match args.output {
        Some(dir) => members.sink("members", JsonLines::write(dir)),
        None => members.sink("members", Stdout::json()),
    }
    match args.rejects {
        Some(dir) => bad_lines.sink("rejects", JsonLines::write(dir)),
        None => bad_lines.sink("rejects", Stderr::json()),
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Edges, two numbers a line: files, patterns, .gz, or - [default: those beside this example]
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = SAMPLE, hide_default_value = true)]
    edges: Vec<PathBuf>,
    /// Directory for the nodes and their components, as JSON lines [default: the standard output]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Directory for the lines that are no edges, as JSON lines [default: the standard error]
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/graph/edges.txt");

fn edge(line: Line) -> Result<(u64, u64), BadLine> {
    let numbers: Vec<u64> = line.parse(|text| text.split_whitespace().map(str::parse).collect())?;
    match numbers[..] {
        [a, b] => Ok((a, b)),
        _ => Err(line.reject("these are not two numbers")),
    }
}

/// What is told to a node.
#[event]
#[derive(Clone)]
struct Message {
    to: u64,
    what: What,
}

#[event]
#[derive(Clone)]
enum What {
    /// It has this neighbour.
    Edge(u64),
    /// A neighbour has heard of this number.
    Least(u64),
}

/// A node and its component.
#[event]
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Member {
    node: u64,
    component: u64,
}

#[state(key = u64)]
#[derive(Default)]
struct Node {
    /// The least number that it has heard of; nothing before its first message.
    least: Option<u64>,
    #[state(unbounded)]
    neighbours: List<u64>,
}

struct LeastNumber;

#[operator]
impl LeastNumber {
    fn on_event(
        &self,
        message: Message,
        node: &mut Node,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Message>,
        _members: &mut impl Emit<Member>,
    ) {
        let known = *node.least.get_or_insert_with(|| {
            // When nobody has anything to tell any more.
            cx.set_timer(EventTime::MAX, ());
            message.to
        });
        match message.what {
            What::Edge(neighbour) => {
                node.neighbours.push(neighbour);
                out.emit(Message { to: neighbour, what: What::Least(known) });
            }
            What::Least(least) if least < known => {
                node.least = Some(least);
                for neighbour in node.neighbours.iter() {
                    out.emit(Message { to: *neighbour, what: What::Least(least) });
                }
            }
            What::Least(_) => {}
        }
    }

    fn on_timer(
        &self,
        _: (),
        node: &mut Node,
        cx: &mut Context<Self>,
        _out: &mut impl Emit<Message>,
        members: &mut impl Emit<Member>,
    ) {
        members.emit(Member { node: *cx.key(), component: node.least.unwrap_or(*cx.key()) });
    }
}
