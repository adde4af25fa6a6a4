//! `nexmark bench`: how fast a query is answered here, and beside it by others, in one run.
//!
//! ```text
//! cargo run --release --example nexmark -- bench
//! cargo run --release --example nexmark -- bench --queries q5,q8 --parallelism 1,2 --generation before --plot q5-q8.svg
//! cargo run --release --example nexmark --features timely -- bench --against loop,timely --json
//! cargo run --release --example nexmark -- bench --against flink,flink+checkpoints --flink-home pyflink
//! ```
//!
//! What is measured: from the first event that is read to the last row, and, with snapshots, to the end of the last one. Not
//! measured: the start of the program. Before anything is timed, every system answers once with its rows summed up, and the
//! sums must be equal; then they run in turn, `--repetitions` times, each run in a process of its own, with rows that are made
//! and counted. `docs/nexmark.md` says how to read the figures.

mod by_hand;
mod clock;
#[cfg(feature = "timely")]
mod dataflows;
mod flink;
mod java;
mod jvm;
mod machine;
mod one_run;
mod plot;
mod replay;
mod report;
mod summary;
mod tally;

use std::hint::black_box;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;
use tidegate::prelude::*;
use tidegate::state::backend::StoreKind;

use super::generator::Generator;
use super::queries::Query;
use flink::Flink;
use machine::Machine;
use one_run::{Measured, OneRun};
use replay::{Generation, Script};
use report::{Cell, Report, Samples};
use tally::Check;

/// Who answers.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum System {
    /// Without snapshots
    Tidegate,
    /// Exactly once, with snapshots
    #[value(name = "tidegate+snapshots")]
    TidegateWithSnapshots,
    /// A loop written by hand, on one thread
    Loop,
    /// Timely dataflow, where it is compiled in
    Timely,
    /// Apache Flink, where there is one, without checkpoints
    Flink,
    /// Exactly once, with checkpoints as often as ours
    #[value(name = "flink+checkpoints")]
    FlinkWithCheckpoints,
}

impl System {
    pub fn name(self) -> &'static str {
        match self {
            System::Tidegate => "tidegate",
            System::TidegateWithSnapshots => "tidegate+snapshots",
            System::Loop => "loop",
            System::Timely => "timely",
            System::Flink => "flink",
            System::FlinkWithCheckpoints => "flink+checkpoints",
        }
    }

    fn is_flink(self) -> bool {
        matches!(self, System::Flink | System::FlinkWithCheckpoints)
    }
}

#[cfg_attr(feature = "timely", allow(dead_code))]
fn without_timely() -> Error {
    Error::usage("timely dataflow is not compiled in")
        .hint("cargo run --release --example nexmark --features timely -- bench --against loop,timely")
}

/// Measures how fast queries are answered, here and by others
#[derive(Parser, Debug)]
#[command(name = "nexmark bench")]
struct Args {
    /// Queries; all that have a loop, if nothing is said
    #[arg(long, value_enum, value_delimiter = ',', value_name = "QUERY,..")]
    queries: Vec<Query>,

    /// Numbers of workers
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "N,..")]
    parallelism: Vec<NonZero<u32>>,

    /// Who answers besides; ratios are to the first of them
    #[arg(long, value_enum, value_delimiter = ',', default_value = "loop", value_name = "SYSTEM,..")]
    against: Vec<System>,

    /// When events are made: before the clock starts, or within the time; a table for each
    #[arg(long, value_enum, value_delimiter = ',', default_value = "before,within", value_name = "WHEN,..")]
    generation: Vec<Generation>,

    /// Number of events
    #[arg(long, default_value_t = 2_000_000, value_name = "N")]
    events: u64,

    /// Events in a second of event time
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,

    /// Which events are made
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Runs of every system
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    repetitions: u32,

    /// Where keyed state lies
    #[arg(long, value_enum, default_value = "heap")]
    state: StoreKind,

    /// Time between two snapshots, where there are any
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s", value_name = "DURATION")]
    snapshot_interval: Duration,

    /// Where Flink is, with its jars in lib; nothing is fetched
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,

    /// Options of its JVMs; there is one for each number of workers, and for checkpoints
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "-Xmx4g -XX:+UseParallelGC",
        allow_hyphen_values = true
    )]
    flink_jvm: String,

    /// Print a line of JSON for every query and system instead of tables
    #[arg(long)]
    json: bool,

    /// Draw a picture of it, besides
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,

    /// One run in this process
    #[arg(long, hide = true)]
    one: Option<System>,

    /// What becomes of its rows
    #[arg(long, hide = true, value_enum, default_value = "count")]
    check: Check,

    /// Write to so much memory, and end
    #[arg(long, hide = true, value_name = "MB")]
    touch: Option<usize>,
}

/// Measures as the command line says.
pub fn run() -> ExitCode {
    let words = std::env::args_os().enumerate().filter(|(place, _)| *place != 1).map(|(_, word)| word);
    let args = match Args::try_parse_from(words) {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let outcome = match (args.touch, args.one) {
        (Some(megabytes), _) => {
            drop(black_box(vec![1u8; megabytes * 1_000_000]));
            Ok(())
        }
        (None, Some(system)) => args.one_run(system),
        (None, None) => args.bench(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A line on the standard output.
pub(crate) fn print(line: &str) -> Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

fn name_of(value: &impl ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_string()).unwrap_or_default()
}

impl Args {
    /// Measures once and says so as JSON: what the other process reads.
    fn one_run(&self, system: System) -> Result<()> {
        let ([query], [parallelism], [generation]) =
            (&self.queries[..], &self.parallelism[..], &self.generation[..])
        else {
            return Err(Error::usage("one run is of one query, with one number of workers"));
        };
        let run = OneRun {
            system,
            query: *query,
            parallelism: parallelism.get(),
            script: self.script(*generation),
            check: self.check,
            store: self.state,
            interval: self.snapshot_interval,
        };
        print(&json_line(&run.measure()?)?)
    }

    fn script(&self, generation: Generation) -> Script {
        let generator = Generator { seed: self.seed, rate: self.rate };
        Script { generator, count: self.events, generation }
    }

    /// Measures once in another process.
    fn apart(&self, flink: Option<&Flink>, cell: &Cell, check: Check) -> Result<Measured> {
        if let (true, Some(flink)) = (cell.system.is_flink(), flink) {
            return flink.measure(cell, self.script(cell.generation), check);
        }
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.args(["bench", "--one", cell.system.name(), "--check", &name_of(&check)]);
        command.args(["--queries", &name_of(&cell.query), "--parallelism", &cell.parallelism.to_string()]);
        command.args(["--generation", &name_of(&cell.generation), "--state", &name_of(&self.state)]);
        for (flag, number) in [("--events", self.events), ("--rate", self.rate), ("--seed", self.seed)] {
            command.args([flag, &number.to_string()]);
        }
        let interval = humantime::format_duration(self.snapshot_interval).to_string();
        command.args(["--snapshot-interval", &interval.replace(' ', "")]);
        // The allocator, which is the same for all, would give back the memory of events that are gone, and have to ask for it
        // again: that is how events wait in memory here, and nobody's work.
        command.env("MIMALLOC_PURGE_DELAY", "-1");
        let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err(Error::failure(format!("{cell} has ended with {}", output.status)));
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|error| Error::failure(format!("{cell} has not said what it measured")).caused_by(error))
    }

    /// Has the machine get ready as much memory as a run needs. A virtual one may have given back what it did not need for a
    /// while, and gets it anew a page at a time, which takes longer than the query does.
    fn get_memory_ready(peak_rss_mb: f64) -> Result<()> {
        let megabytes = (peak_rss_mb * 1.25).ceil().to_string();
        let status =
            Command::new(std::env::current_exe()?).args(["bench", "--touch", &megabytes]).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::failure(format!("the machine has no {megabytes} MB of memory for a run"))
                .hint("measure with fewer --events")),
        }
    }

    /// What runs in turn, for one query.
    fn cells(&self, query: Query, generation: Generation) -> Vec<Cell> {
        let mut systems = vec![System::Tidegate, System::TidegateWithSnapshots];
        systems.extend(&self.against);
        systems.dedup();
        let mut cells = Vec::new();
        for system in systems {
            for parallelism in &self.parallelism {
                let parallelism = if system == System::Loop { 1 } else { parallelism.get() };
                let cell = Cell { query, system, parallelism, generation };
                if !cells.contains(&cell) {
                    cells.push(cell);
                }
            }
        }
        cells
    }

    /// Has every system answer once, and compares. The most memory that one of them took here, in MB.
    fn check(&self, flink: Option<&Flink>, cells: &[Cell]) -> Result<f64> {
        // What chance decides is left out at more than one worker, so answers are compared with those at as many.
        let mut expected: Vec<(bool, &Cell, tally::Total)> = Vec::new();
        let mut most_memory = 0.0;
        for cell in cells {
            let several = cell.parallelism > 1;
            let Measured { total, peak_rss_mb, .. } = self.apart(flink, cell, Check::Sum)?;
            if !cell.system.is_flink() {
                most_memory = peak_rss_mb.map_or(most_memory, |mb| mb.max(most_memory));
            }
            match expected
                .iter()
                .find(|(other, ..)| *other == several || !tally::depends_on_order(cell.query))
            {
                None => expected.push((several, cell, total)),
                Some((_, _, other)) if *other == total => {}
                Some((_, other_cell, other)) => {
                    return Err(Error::failure(format!(
                        "{cell} answers with {} rows that sum up to {:016x}, {other_cell} with {} and {:016x}",
                        total.rows, total.sum, other.rows, other.sum
                    ))
                    .hint("figures of different answers can't be compared"));
                }
            }
        }
        Ok(most_memory)
    }

    fn measure(&self, flink: Option<&Flink>, cells: &[Cell], memory_mb: f64) -> Result<Vec<Samples>> {
        for cell in cells.iter().filter(|cell| cell.system.is_flink()) {
            flink.map_or(Ok(()), |flink| flink.warm_up(cell, self.script(cell.generation)))?;
        }
        let mut samples: Vec<Samples> = cells.iter().map(|cell| Samples::of(*cell, self.events)).collect();
        for repetition in 0..self.repetitions as usize {
            // Who comes first changes, so that nobody always runs on a machine that has just been idle.
            for turn in 0..cells.len() {
                let samples = &mut samples[(turn + repetition) % cells.len()];
                if !samples.cell.system.is_flink() {
                    Self::get_memory_ready(memory_mb)?;
                }
                let measured = self.apart(flink, &samples.cell, Check::Count)?;
                samples.push(measured)?;
            }
        }
        Ok(samples)
    }

    fn bench(&self) -> Result<()> {
        if self.against.contains(&System::Timely) && !cfg!(feature = "timely") {
            return Err(without_timely());
        }
        let flink = self.against.iter().any(|system| system.is_flink());
        let flink =
            flink.then(|| Flink::at(self.flink_home.as_deref(), &self.flink_jvm, self.snapshot_interval));
        let flink = flink.transpose()?;
        let all: Vec<Query> =
            Query::value_variants().iter().copied().filter(|&q| by_hand::answers(q)).collect();
        let queries = if self.queries.is_empty() { &all } else { &self.queries };
        if let Some(query) = queries.iter().find(|query| !by_hand::answers(**query)) {
            return Err(Error::usage(format!(
                "{} is not one of the queries that are measured",
                name_of(query)
            ))
            .hint("q0 to q5, q7 to q9, q11, q12, q14 to q22"));
        }
        let machine = Machine::here(&self.against, flink.as_ref().map(Flink::versions).unwrap_or_default());
        let mut report = Report::new(self.against.first().copied(), machine, self.json);
        for &generation in &self.generation {
            report.begin(generation)?;
            for &query in queries {
                let cells = self.cells(query, generation);
                let memory_mb = self.check(flink.as_ref(), &cells)?;
                report.add(self.measure(flink.as_ref(), &cells, memory_mb)?)?;
            }
            report.end(generation)?;
        }
        self.plot.as_ref().map_or(Ok(()), |plot| Ok(std::fs::write(plot, report.picture())?))
    }
}

fn json_line(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::failure("not written as JSON").caused_by(error))
}
