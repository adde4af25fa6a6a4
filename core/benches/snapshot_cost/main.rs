//! What snapshots cost a job with a large state.
//!
//! ```text
//! cargo bench -p tidegate --bench snapshot_cost -- --keys 10000000 --value-bytes 100 --stores heap,fjall
//! ```
//!
//! The job counts updates of keys that each carry a value, in one worker: of two cores the other one sorts, compresses and
//! writes. `script.rs` says which key comes when.
//!
//! **Throughput.** Jobs with a snapshot every `--interval` and jobs without any (no snapshot directory, so changes are not
//! even noted) run in turn in this process, which of a pair comes first changing from pair to pair. When a part of the records
//! begins and ends is noted where the source makes them: the time, and the CPU time that the worker's thread has taken
//! (`/proc/thread-self/schedstat`). Of every pair there is the ratio with / without; the median of the pairs counts. The
//! first ratio has everything in it, the disk and whoever else uses the machine; the second has what the worker itself does for
//! snapshots. The jobs' compactions are part of it.
//!
//! **Pauses** are those of the jobs with snapshots, over their whole runs, as the run's summary has them: for how long a task
//! stood still at a barrier. Each barrier stops two tasks, the source and the keyed operator.
//!
//! What every job emits is checked against a plain loop.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use paused::{Pause, Paused};
use script::{MEASURED, Mark, Part, Script};
use serde_json::json;
use support::counting::Counting;
use support::figures::{Figure, millis_of, round, rounded, show, tell};
use tidegate::job::RunOptions;
use tidegate::job::progress::Summary;
use tidegate::job::signals::Signals;
use tidegate::prelude::*;
use tidegate::snapshot::part::LayerKind;
use tidegate::snapshot::{Manifest, StateFile};
use tidegate::state::backend::StoreKind;
use tidegate::time::Clock;

mod paused;
mod script;
#[path = "../support/mod.rs"]
mod support;

/// Measures what snapshots of a large state cost
#[derive(Parser, Debug)]
struct Args {
    /// Number of keys
    #[arg(long, default_value_t = 10_000_000)]
    keys: u64,

    /// Bytes of the value that every key carries
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,

    /// Stores to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "heap,fjall")]
    stores: Vec<StoreKind>,

    /// Number of updates of each distribution
    #[arg(long, default_value_t = 10_000_000)]
    updates: u64,

    /// Pairs of jobs with and without snapshots
    #[arg(long, default_value_t = 3)]
    repetitions: usize,

    /// Time between two snapshots
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    interval: Duration,

    /// Memory for the state, where the store asks for it
    #[arg(long, default_value = "8GiB")]
    state_memory: ByteSize,

    /// Directory for snapshots and state, in a directory of its own that is removed [default: the temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,

    /// Print a line of JSON for every figure instead of tables
    #[arg(long)]
    json: bool,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

struct Bench {
    args: Args,
    directory: PathBuf,
    counting: Counting,
    clock: Clock,
}

impl Bench {
    /// Runs the whole script. When each measured part began, and the last ended.
    fn run_script(&self, options: &RunOptions, script: Script, sum: u64) -> Result<(Summary, Vec<Mark>)> {
        let (marks, clock) = (Arc::new(Mutex::new(Vec::new())), self.clock.clone());
        let (noted, records) = (Arc::clone(&marks), script.records());
        let note = move || noted.lock().unwrap_or_else(PoisonError::into_inner).push(Mark::now(&clock));
        let record = move |record: u64| {
            if matches!(script.part(record), Part::Measured(_, 0)) || record + 1 == records {
                note();
            }
            script.key(record)
        };
        let (keys, snapshots) = (script.keys, options.snapshot_dir.clone());
        let is_over =
            Arc::new(move || snapshots.as_deref().is_none_or(|snapshots| has_settled(snapshots, keys)));
        let pause = Pause { at: keys, is_over };
        let source = Paused { records: Generate::new(records, record), pause };
        let summary = self.counting.run(options, "updates", source, || (), sum)?;
        let marks = std::mem::take(&mut *marks.lock().unwrap_or_else(PoisonError::into_inner));
        Ok((summary, marks))
    }

    fn throughput(&self, store: StoreKind, sum: u64) -> Result<Vec<Figure>> {
        let script = self.script();
        let mut pairs = Vec::new();
        let mut pauses = Vec::new();
        for repetition in 0..self.args.repetitions {
            let mut runs = [None, None];
            for with in [repetition % 2, 1 - repetition % 2] {
                let snapshots = self.directory.join("snapshots");
                let options = RunOptions {
                    snapshot_dir: (with == 1).then(|| snapshots.clone()),
                    snapshot_interval: self.args.interval,
                    ..self.options(store)
                };
                let (summary, marks) = self.run_script(&options, script, sum)?;
                if with == 1 {
                    pauses.push(summary.snapshots);
                    support::remove(&snapshots)?;
                }
                runs[with] = Some(marks);
                tell(&format!("{store:?}: pair {}, {}", repetition + 1, ["without", "with"][with]));
            }
            let [Some(without), Some(with)] = runs else { continue };
            pairs.push((without, with));
        }
        let mut figures = vec![Figure {
            what: "pause at the barrier",
            store,
            columns: vec![
                ("snapshots", json!(pauses.iter().map(|run| run.completed).sum::<u64>())),
                ("failed", json!(pauses.iter().map(|run| run.failed).sum::<u64>())),
                ("p99_ms", rounded(pauses.iter().map(|run| millis_of(run.pauses.p99)))),
                ("max_ms", json!(pauses.iter().map(|run| millis_of(run.pauses.max)).fold(0.0, f64::max))),
                ("snapshot_s_max", rounded(pauses.iter().map(|run| run.duration_max.as_secs_f64()))),
                ("mb_per_run", rounded(pauses.iter().map(|run| run.bytes as f64 / 1e6))),
            ],
        }];
        for (place, (_, name)) in MEASURED.into_iter().enumerate() {
            let took = |marks: &[Mark]| (marks[place + 1].at - marks[place].at).as_secs_f64();
            let cpu = |marks: &[Mark]| Some((marks[place + 1].cpu? - marks[place].cpu?).as_secs_f64());
            let rate = |took: f64| script.updates as f64 / took / 1e6;
            let ratios: Vec<f64> = pairs.iter().map(|(without, with)| took(without) / took(with)).collect();
            let of_cpu = pairs.iter().filter_map(|(without, with)| Some(cpu(without)? / cpu(with)?));
            figures.push(Figure {
                what: "throughput",
                store,
                columns: vec![
                    ("keys", json!(name)),
                    ("without_m_per_s", rounded(pairs.iter().map(|(without, _)| rate(took(without))))),
                    ("with_m_per_s", rounded(pairs.iter().map(|(_, with)| rate(took(with))))),
                    ("ratio", rounded(ratios.iter().copied())),
                    ("ratio_min", json!(round(ratios.iter().copied().fold(f64::INFINITY, f64::min)))),
                    ("ratio_max", json!(round(ratios.iter().copied().fold(0.0, f64::max)))),
                    ("worker_cpu_ratio", rounded(of_cpu)),
                ],
            });
        }
        Ok(figures)
    }

    fn options(&self, store: StoreKind) -> RunOptions {
        RunOptions {
            store,
            state_memory_bytes: self.args.state_memory.as_u64(),
            state_dir: Some(self.directory.join("state")),
            ..RunOptions::default()
        }
    }

    fn script(&self) -> Script {
        Script { keys: self.args.keys, updates: self.args.updates }
    }
}

/// Whether a snapshot has this many rows, each of which was written once, and of which most are in the lowest layer.
fn has_settled(snapshots: &Path, rows: u64) -> bool {
    let entries = std::fs::read_dir(snapshots).into_iter().flatten().flatten();
    // One that is incomplete, or has just been removed, has no manifest.
    let manifests = entries.filter_map(|entry| std::fs::read(entry.path().join("manifest.json")).ok());
    manifests.filter_map(|bytes| serde_json::from_slice::<Manifest>(&bytes).ok()).any(|manifest| {
        let files = manifest.operators.iter().flat_map(|operator| &operator.files);
        let (base, deltas): (Vec<_>, Vec<_>) = files.partition(|file| file.layer == LayerKind::Base);
        let rows_of = |files: &[&StateFile]| files.iter().map(|file| file.rows).sum::<u64>();
        rows_of(&base) + rows_of(&deltas) == rows && rows_of(&deltas) <= rows_of(&base) / 2
    })
}

fn measure(args: Args) -> Result<()> {
    let directory = support::scratch("snapshot-cost", args.dir.as_deref())?;
    let counting = Counting { value_bytes: args.value_bytes, signals: Signals::install()? };
    let bench = Bench { args, directory: directory.path().to_path_buf(), counting, clock: Clock::system() };
    let (mut figures, sum) = (Vec::new(), bench.script().sum());
    for &store in &bench.args.stores {
        figures.extend(bench.throughput(store, sum)?);
    }
    show(&figures, bench.args.json);
    Ok(directory.close()?)
}

fn main() -> ExitCode {
    support::end(measure(Args::parse()))
}
