//! State that is larger than memory: counts updates of keys that each carry a value of some bytes, and prints what it took.
//!
//! ```text
//! cargo run --release --example big_state -- --keys 10000000 --value-bytes 100 --updates 20000000 --state-memory 128MiB
//! ```
//!
//! One line of JSON comes out. The sum of all counts that were emitted is checked: a key that was updated n times has emitted
//! 1, 2, .. n, so it adds n (n + 1) / 2, and how often every key comes is counted again in a plain loop.

use std::io::Write;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use tidegate::job::progress::Outcome;
use tidegate::job::signals::Signals;
use tidegate::job::{JobFlags, run};
use tidegate::key::Parallelism;
use tidegate::prelude::*;
use updates::{Count, Distribution, Keys, sum_of_counts};

mod updates;

/// Counts updates of many keys, each with a value of some bytes, and says what it took
#[derive(Parser, Debug)]
struct Args {
    /// Number of keys
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,

    /// Bytes of the value that every key carries
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,

    /// Number of updates
    #[arg(long, default_value_t = 10_000_000)]
    updates: u64,

    /// How often which key comes
    #[arg(long, value_enum, default_value_t)]
    keys_dist: Distribution,

    #[command(flatten)]
    flags: JobFlags,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run_job(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Whether the sum was right, as far as that can be told.
fn run_job(args: &Args) -> Result<bool> {
    let cpus = std::thread::available_parallelism().map_or(1, NonZero::get);
    let options = args.flags.options(cpus)?;
    let keys = Keys { count: args.keys.max(1), distribution: args.keys_dist };
    let sum = Arc::new(AtomicU64::new(0));
    let (job, emitted) = (Job::new("big-state"), Arc::clone(&sum));
    job.source(
        "updates",
        Generate::new(args.updates, move |i| keys.of_update(i)).splits(options.parallelism.get()),
    )
    .key_by(|key: &u64| *key)
    .process("count", Count { value_bytes: args.value_bytes })
    .map(move |updates: u64| emitted.fetch_add(updates, Ordering::Relaxed))
    .discard();
    let summary = run::run(job.finish()?, &options, &Signals::install()?)?;
    let peak_rss_bytes = peak_rss_bytes();
    let sum = sum.load(Ordering::Relaxed);
    // Of a job that was stopped, it is known which updates there were only if they came in one sequence.
    let in_sequence = summary.outcome == Outcome::Finished || options.parallelism == Parallelism::ONE;
    let is_right = in_sequence
        .then(|| sum == sum_of_counts(keys.count, (0..summary.records).map(|number| keys.of_update(number))));
    let seconds = summary.elapsed.max(Duration::from_nanos(1)).as_secs_f64();
    let snapshots = &summary.snapshots;
    let line = serde_json::json!({
        "keys": args.keys,
        "value_bytes": args.value_bytes,
        "updates": summary.records,
        "seconds": seconds,
        "updates_per_second": (summary.records as f64 / seconds) as u64,
        "peak_rss_bytes": peak_rss_bytes,
        "state_disk_bytes": summary.state_disk_bytes,
        "snapshots": {
            "completed": snapshots.completed,
            "failed": snapshots.failed,
            "bytes": snapshots.bytes,
            "last_bytes": snapshots.last.map(|last| last.bytes),
            "seconds_max": snapshots.duration_max.as_secs_f64(),
            "pause_p99_ms": snapshots.pauses.p99.as_secs_f64() * 1e3,
            "pause_max_ms": snapshots.pauses.max.as_secs_f64() * 1e3,
        },
        "sum": sum,
        "sum_is_right": is_right,
    });
    let _ = writeln!(std::io::stdout(), "{line}");
    Ok(is_right != Some(false))
}

/// The most memory that the process has had resident; unknown where there is no `/proc`.
fn peak_rss_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_key_is_among_the_keys_and_hot_ones_are_hot() {
        for &distribution in Distribution::value_variants() {
            let keys = Keys { count: 1000, distribution };
            let mut counts = vec![0; 1000];
            (0..100_000).for_each(|number| counts[keys.of_update(number) as usize] += 1);
            let hottest = counts.iter().max().copied().unwrap_or(0);
            match distribution {
                Distribution::Uniform => assert!(hottest < 200, "{hottest}"),
                Distribution::Zipf | Distribution::Hundredth => assert!(hottest > 5_000, "{hottest}"),
            }
        }
    }

    #[test]
    fn the_expected_sum_is_that_of_every_keys_first_counts() {
        assert_eq!(sum_of_counts(2, [0, 0, 1, 0, 0]), 1 + 2 + 3 + 4 + 1);
    }
}
