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

use clap::{Parser, ValueEnum};
use tidegate::job::progress::Outcome;
use tidegate::job::signals::Signals;
use tidegate::job::{JobFlags, run};
use tidegate::key::Parallelism;
use tidegate::prelude::*;

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

    /// How often which key comes: all as often, or the key of rank r in proportion to 1/r
    #[arg(long, value_enum, default_value_t)]
    keys_dist: Distribution,

    #[command(flatten)]
    flags: JobFlags,
}

#[derive(ValueEnum, Clone, Copy, Debug, Default)]
enum Distribution {
    #[default]
    Uniform,
    Zipf,
}

/// Which key an update is of: a function of its number.
#[derive(Clone, Copy)]
struct Keys {
    count: u64,
    distribution: Distribution,
}

impl Keys {
    fn of_update(self, number: u64) -> u64 {
        let random = scatter(number);
        match self.distribution {
            Distribution::Uniform => ((u128::from(random) * u128::from(self.count)) >> 64) as u64,
            Distribution::Zipf => {
                // The logarithm of a rank that comes in proportion to 1/rank is uniform.
                let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
                let rank = (self.count as f64).powf(uniform) as u64 - 1;
                // Ranks lie scattered among the keys, as hot keys do.
                scatter(rank) % self.count
            }
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// What is kept of a key.
#[state(key = u64)]
#[derive(Default)]
struct Tally {
    updates: u64,
    value: Vec<u8>,
}

struct Count {
    value_bytes: usize,
}

#[operator]
impl Count {
    fn on_event(&self, key: u64, tally: &mut Tally, out: &mut impl Emit<u64>) {
        if tally.value.is_empty() {
            tally.value = (0..self.value_bytes as u64).map(|place| scatter(key ^ place) as u8).collect();
        }
        tally.updates += 1;
        if let Some(byte) = tally.value.first_mut() {
            *byte = tally.updates as u8;
        }
        out.emit(tally.updates);
    }
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
    let is_right = in_sequence.then(|| sum == expected_sum(keys, summary.records));
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

/// What all updates of all keys together emit.
fn expected_sum(keys: Keys, updates: u64) -> u64 {
    let mut counts = vec![0u32; keys.count as usize];
    for number in 0..updates {
        counts[keys.of_update(number) as usize] += 1;
    }
    counts.into_iter().map(u64::from).map(|n| n * (n + 1) / 2).sum()
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
    use super::*;

    #[test]
    fn every_key_is_among_the_keys_and_hot_ones_are_hot() {
        for distribution in [Distribution::Uniform, Distribution::Zipf] {
            let keys = Keys { count: 1000, distribution };
            let mut counts = vec![0; 1000];
            (0..100_000).for_each(|number| counts[keys.of_update(number) as usize] += 1);
            let hottest = counts.iter().max().copied().unwrap_or(0);
            match distribution {
                Distribution::Uniform => assert!(hottest < 200, "{hottest}"),
                Distribution::Zipf => assert!(hottest > 5_000, "{hottest}"),
            }
        }
    }

    #[test]
    fn the_expected_sum_is_that_of_every_keys_first_counts() {
        let keys = Keys { count: 1, distribution: Distribution::Uniform };
        assert_eq!(expected_sum(keys, 4), 1 + 2 + 3 + 4);
    }
}
