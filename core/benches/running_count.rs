//! A running count by key, beside a loop over a `hashbrown` map, and Flink where there is one: 1 k, 1 M and 10 M keys, `u64` and
//! `String`.
//!
//! ```text
//! cargo bench -p tidegate --bench running_count -- --keys 1000,1000000 --kinds u64,string --parallelism 1,2
//! cargo bench -p tidegate --bench running_count --features mimalloc -- --kinds u64 --flink-home pyflink
//! ```
//!
//! Records are made before the clock starts, and taken by value; keys are uniform. Before the clock starts every key has come
//! once, on both sides, so that nothing grows while it is timed. Every record emits a count; they are summed up, and the sums
//! must be the same. Job and loop run in turn; the figures are medians, the ratio is that of the pairs: how much faster the job
//! is. The hash of the loop is foldhash. Flink counts `u64` keys, with its state on the heap, object reuse and no checkpoints;
//! its JVM has counted twice before it is timed.

use std::hash::Hash;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use hashbrown::HashMap;
use support::flink::{Counted, Flink};
use support::updates::Distribution;
use support::{Given, Marks, Pairs, Ran, RunOptions, Summed, heading, nanos_of, time, uniform};
use tidegate::prelude::*;

mod support;

/// Measures a running count by key beside a loop
#[derive(Parser, Debug)]
struct Args {
    /// Numbers of keys
    #[arg(long, value_delimiter = ',', default_value = "1000,1000000,10000000")]
    keys: Vec<u64>,

    /// Types of keys
    #[arg(long, value_enum, value_delimiter = ',', default_value = "u64,string")]
    kinds: Vec<KeyKind>,

    /// Records that are counted, besides one of each key
    #[arg(long, default_value_t = 10_000_000)]
    records: u64,

    /// Numbers of workers
    #[arg(long, value_delimiter = ',', default_value = "1")]
    parallelism: Vec<u32>,

    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// Where Flink is, with its jars in lib; nothing is fetched
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,

    /// Options of its JVM
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "-Xmx4g -XX:+UseParallelGC",
        allow_hyphen_values = true
    )]
    flink_jvm: String,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum KeyKind {
    U64,
    /// Of sixteen characters
    String,
}

#[state(key = u64)]
#[derive(Default)]
struct Tally {
    count: u64,
}

struct Count;

#[operator]
impl Count {
    fn on_event(&self, _key: u64, tally: &mut Tally, out: &mut impl Emit<u64>) {
        tally.count += 1;
        out.emit(tally.count);
    }
}

#[state(key = String)]
#[derive(Default)]
struct NamedTally {
    count: u64,
}

struct NamedCount;

#[operator]
impl NamedCount {
    fn on_event(&self, _key: String, tally: &mut NamedTally, out: &mut impl Emit<u64>) {
        tally.count += 1;
        out.emit(tally.count);
    }
}

fn name(key: u64) -> String {
    format!("key-{key:012}")
}

/// Every key once, and then as it comes.
fn key(number: u64, keys: u64) -> u64 {
    if number < keys { number } else { uniform(number, keys) }
}

fn made<T>(records: std::ops::Range<u64>, keys: u64, splits: u32, make: fn(u64) -> T) -> Vec<Vec<T>> {
    let split = |split: u32| {
        let numbers = records.clone().skip(split as usize).step_by(splits as usize);
        numbers.map(|number| make(key(number, keys))).collect()
    };
    (0..splits).map(split).collect()
}

/// What the loop emits in all, and how long it takes behind the making of the keys.
fn by_hand<T: Hash + Eq>(keys: u64, records: u64, make: fn(u64) -> T) -> Ran {
    let mut counts: HashMap<T, u64, foldhash::fast::RandomState> = HashMap::default();
    let mut sum = 0;
    let mut count_all = |keys: Vec<T>| {
        for key in keys {
            let count = counts.entry(key).or_default();
            *count += 1;
            sum += *count;
        }
    };
    made(0..keys, keys, 1, make).into_iter().for_each(&mut count_all);
    let counted = made(keys..keys + records, keys, 1, make).remove(0);
    let (took, ()) = time(|| count_all(counted));
    (took, sum)
}

/// What a job emits in all, and how long it takes behind the making of the keys.
fn job(kind: KeyKind, keys: u64, records: u64, options: &RunOptions) -> Result<Ran> {
    let sum = Summed::default();
    let sink = sum.clone();
    let (all, splits) = (0..keys + records, options.parallelism.get());
    let marks = Marks::behind(keys / u64::from(splits));
    match kind {
        KeyKind::U64 => {
            let given = Given::of(made(all, keys, splits, |key| key), &marks);
            support::run(options, |job| {
                let counts = job.source("keys", given).key_by(|key: &u64| *key).process("count", Count);
                counts.sink("sum", sink);
            })?;
        }
        KeyKind::String => {
            let given = Given::of(made(all, keys, splits, name), &marks);
            support::run(options, |job| {
                let keyed = job.source("keys", given).key_by_ref(|key: &String| key);
                keyed.process("count", NamedCount).sink("sum", sink);
            })?;
        }
    }
    Ok((marks.time(), sum.sum()))
}

/// How often a JVM counts before it is timed: at first it is several times slower.
const WARM_UPS: usize = 2;

fn measure(args: &Args, flink: Option<&Flink>, kind: KeyKind, keys: u64, workers: u32) -> Result<()> {
    let options = support::on_the_heap(workers)?;
    let by_hand = || match kind {
        KeyKind::U64 => by_hand(keys, args.records, |key| key),
        KeyKind::String => by_hand(keys, args.records, name),
    };
    let job = || job(kind, keys, args.records, &options);
    let pairs = Pairs::run(args.repetitions, job, || Ok(by_hand()))?;
    let flink = flink.filter(|_| kind == KeyKind::U64);
    let kind = format!("{kind:?}").to_lowercase();
    let name = format!("{keys} {kind} keys, {workers} {}", if workers == 1 { "worker" } else { "workers" });
    pairs.show(&name, nanos_of(args.records));
    let Some(flink) = flink else { return Ok(()) };
    let distribution = Distribution::Uniform;
    let counted = Counted { workers, keys, updates: args.records, distribution, value: None };
    let mut jvm = flink.start(&counted, Path::new(""))?;
    let mut count = || jvm.run();
    (0..WARM_UPS).try_for_each(|_| count().map(drop))?;
    Pairs::run(args.repetitions, job, count)?.show("  beside Flink", nanos_of(args.records));
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    let flink = Flink::at(args.flink_home.as_deref(), &args.flink_jvm)?;
    heading("running count", "ns/record");
    for &kind in &args.kinds {
        for &keys in &args.keys {
            args.parallelism
                .iter()
                .try_for_each(|&workers| measure(args, flink.as_ref(), kind, keys, workers))?;
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
