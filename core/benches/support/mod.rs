//! What the benchmarks share: records that are given away from memory, pairs of runs, medians.

// Every benchmark compiles this file for itself and needs a part of it.
#![allow(dead_code, unused_imports)]

pub mod counting;
pub mod figures;
pub mod flink;
mod given;
#[path = "../../../examples/nexmark/bench/java.rs"]
mod java;
#[path = "../../../examples/nexmark/bench/jvm.rs"]
mod jvm;
mod pairs;
mod summed;
#[path = "../../../examples/big_state/updates.rs"]
pub mod updates;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

pub use given::{Given, Marks};
pub use pairs::{Pairs, Ran, heading, megabytes_of, nanos_of};
pub use summed::Summed;
pub use tidegate::job::RunOptions;
use tidegate::job::signals::Signals;
use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;
use tidegate::state::backend::StoreKind;
use tidegate::time::Clock;
pub use updates::{scatter, uniform};

/// A job with its state on the heap.
///
/// # Errors
/// If there are more workers than key groups, or none.
pub fn on_the_heap(workers: u32) -> Result<RunOptions> {
    let parallelism = Parallelism::new(workers, MaxParallelism::DEFAULT)
        .ok_or_else(|| Error::usage("there is at least one worker, and there are no more than key groups"))?;
    Ok(RunOptions { parallelism, store: StoreKind::Heap, ..RunOptions::default() })
}

/// Wires a job and runs it to its end.
pub fn run(options: &RunOptions, wire: impl FnOnce(&Job)) -> Result<()> {
    let job = Job::new("bench");
    wire(&job);
    tidegate::job::run::run(job.finish()?, options, &Signals::by_hand())?;
    Ok(())
}

/// How long something takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let clock = Clock::system();
    let began = clock.monotonic();
    let made = work();
    (clock.monotonic() - began, made)
}

/// What the calling thread has had of a CPU, where the system says it.
pub fn thread_cpu() -> Option<Duration> {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    schedule.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The median.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line on the standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// How a benchmark ends.
pub fn end(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// A directory of one's own, in `parent` or the temporary one, that goes with its value.
///
/// # Errors
/// If it can't be made.
pub fn scratch(name: &str, parent: Option<&Path>) -> Result<tempfile::TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
    std::fs::create_dir_all(&parent)?;
    Ok(tempfile::Builder::new().prefix(&format!("tidegate-{name}-")).tempdir_in(&parent)?)
}

const REMOVING_TRIES_MAX: u32 = 100;
const REMOVING_PAUSE: Duration = Duration::from_millis(100);

/// Removes a job's snapshots. A compaction may still be at work for it, and make a file meanwhile.
///
/// # Errors
/// If there are files in it again and again.
pub fn remove(directory: &Path) -> Result<()> {
    let mut tries = 0..REMOVING_TRIES_MAX;
    loop {
        match std::fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(error) if tries.next().is_none() => return Err(error.into()),
            Err(_) => std::thread::sleep(REMOVING_PAUSE),
        }
    }
}
