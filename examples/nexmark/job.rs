//! The job: reads events, or makes them up, and answers one query.

use std::path::PathBuf;
use std::process::ExitCode;

use tidegate::prelude::*;

use super::event::Event;
use super::generator::Generator;
use super::output::{Format, Output};
use super::queries::Query;
use super::reader::Events;

/// Runs the job as the command line says.
pub fn run() -> ExitCode {
    main()
}

/// Answers queries over the events of an auction house
#[job]
fn nexmark(job: &Job, args: Args) -> Result<()> {
    let Args { query, input, events, rate, seed, output, format } = args;
    let source = match events {
        Some(count) => Events::generated(count, Generator { seed, rate }),
        None => Events::Files(Lines::open(input)),
    };
    let out = Output::new(output, format)?;
    if query == Query::Events && matches!(out, Output::Csv(_)) {
        return Err(Error::usage("--format csv is for rows of one kind, and events are of three")
            .hint("leave --format out for JSON lines"));
    }
    let (events, bad_lines) = job.source("events", source).try_map(|event| event);
    out.rejects(bad_lines);
    query.wire(events.event_time(Event::at, Watermarks::bounded(secs(4))), &out);
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// What to ask; or `bench`, which measures (see `bench --help`)
    #[arg(value_enum)]
    query: Query,
    /// Events, a JSON object a line: files, patterns, .gz, .zst, or - for the standard input
    #[arg(long, value_name = "PATH", num_args = 1.., required_unless_present = "events", conflicts_with = "events")]
    input: Vec<PathBuf>,
    /// Make up so many events instead
    #[arg(long, value_name = "N")]
    events: Option<u64>,
    /// Made-up events in a second of event time (--max-rate paces the job itself)
    #[arg(
        long, value_name = "N", default_value_t = 10_000, conflicts_with = "input",
        value_parser = clap::value_parser!(u64).range(1..),
    )]
    rate: u64,
    /// Which events are made up
    #[arg(long, value_name = "NUMBER", default_value_t = 0, conflicts_with = "input")]
    seed: u64,
    /// Directory for the answer, and for lines that are no events [default: the standard output, and the error]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// How the answer is written
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}
