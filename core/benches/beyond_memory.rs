//! State that is ten times what memory may hold of it, beside a loop that reads, changes and writes rows in fjall, and Flink on
//! RocksDB where there is one.
//!
//! ```text
//! cargo bench -p tidegate --bench beyond_memory -- --keys 10000000 --distributions zipf,uniform
//! cargo bench -p tidegate --bench beyond_memory -- --flink-home pyflink
//! ```
//!
//! Counts of keys that each carry a value of 100 bytes, one worker, no snapshots. The keys are made first, on both sides, and that is not
//! timed. The job may have a tenth of their bytes in memory (`--state-memory`); the loop gives as much to fjall's cache,
//! encodes a row as the job does, by postcard, and never persists its journal. What else the page cache has of the files,
//! both may use. The loop does fewer updates, because it takes so long: figures are for one update.
//!
//! Beside Flink the job takes snapshots, as often as Flink incremental checkpoints, exactly once both. Flink has as much managed
//! memory as the job has for its state, in which RocksDB keeps its cache and what it writes; its heap is its own. It does fewer
//! updates, too, and making the keys has warmed it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use serde::{Deserialize, Serialize};
use support::counting::Counting;
use support::flink::{Counted, Flink, Value};
use support::updates::{Distribution, Keys, sum_of_counts, value};
use support::{median, say, time};
use tidegate::job::RunOptions;
use tidegate::job::signals::Signals;
use tidegate::prelude::*;
use tidegate::state::backend::StoreKind;
use tidegate::time::Clock;

mod support;

/// Measures state beyond memory beside raw fjall
#[derive(Parser, Debug)]
struct Args {
    /// Number of keys
    #[arg(long, default_value_t = 10_000_000)]
    keys: u64,

    /// Bytes of the value that every key carries
    #[arg(long, default_value_t = 100)]
    value_bytes: usize,

    /// How much memory for the state: a part of its bytes, one in so many
    #[arg(long, default_value_t = 10)]
    one_in: u64,

    /// How often which key comes
    #[arg(long, value_enum, value_delimiter = ',', default_value = "zipf,uniform")]
    distributions: Vec<Distribution>,

    /// Number of updates of the job
    #[arg(long, default_value_t = 10_000_000)]
    updates: u64,

    /// Number of updates of the loop
    #[arg(long, default_value_t = 1_000_000)]
    updates_by_hand: u64,

    /// Number of updates of Flink
    #[arg(long, default_value_t = 3_000_000)]
    updates_by_flink: u64,

    /// Time between two snapshots, beside Flink
    #[arg(long, value_parser = humantime::parse_duration, default_value = "10s")]
    snapshot_interval: Duration,

    /// Where Flink is, with its jars in lib; nothing is fetched
    #[arg(long, value_name = "DIR")]
    flink_home: Option<PathBuf>,

    /// Options of its JVM
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "-Xmx2g -XX:+UseParallelGC",
        allow_hyphen_values = true
    )]
    flink_jvm: String,

    /// Pairs of runs
    #[arg(long, default_value_t = 3)]
    repetitions: usize,

    /// Directory for the state, in a directory of its own that is removed [default: the temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What a row has besides its value: its key, and its count.
const BYTES_BESIDES: u64 = 16;

impl Args {
    fn memory_bytes(&self) -> u64 {
        self.keys * (self.value_bytes as u64 + BYTES_BESIDES) / self.one_in
    }
}

/// Every key once, and then as its distribution says.
#[derive(Clone, Copy)]
struct Script(Keys);

impl Script {
    fn key(self, number: u64) -> u64 {
        if number < self.0.count { number } else { self.0.of_update(number - self.0.count) }
    }

    fn sum(self, updates: u64) -> u64 {
        sum_of_counts(self.0.count, (0..self.0.count + updates).map(|number| self.key(number)))
    }
}

/// How long the updates take, with snapshots or without.
fn job(args: &Args, script: Script, directory: &Path, with_snapshots: bool) -> Result<Duration> {
    let options = RunOptions {
        store: StoreKind::Fjall,
        state_memory_bytes: args.memory_bytes(),
        state_dir: Some(directory.join("state")),
        snapshot_dir: with_snapshots.then(|| directory.join("snapshots")),
        snapshot_interval: args.snapshot_interval,
        ..support::on_the_heap(1)?
    };
    let (keys, clock) = (args.keys, Clock::system());
    let began = Arc::new(Mutex::new(Duration::ZERO));
    let (noted, timer) = (Arc::clone(&began), clock.clone());
    let record = move |number: u64| {
        if number == keys {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = timer.monotonic();
        }
        script.key(number)
    };
    let counting = Counting { value_bytes: args.value_bytes, signals: Signals::by_hand() };
    let records = Generate::new(keys + args.updates, record);
    counting.run(&options, "updates", records, || (), script.sum(args.updates))?;
    let took = clock.monotonic() - *began.lock().unwrap_or_else(PoisonError::into_inner);
    options.snapshot_dir.as_deref().map_or(Ok(()), support::remove)?;
    Ok(took)
}

#[derive(Serialize, Deserialize)]
struct Row {
    updates: u64,
    value: Vec<u8>,
}

/// Rows in a keyspace of fjall.
struct ByHand {
    rows: fjall::Keyspace,
    value_bytes: usize,
    emitted: u64,
}

impl ByHand {
    fn update(&mut self, key: u64) -> Result<()> {
        let name = key.to_be_bytes();
        let mut row = match self.rows.get(name)? {
            Some(bytes) => postcard::from_bytes(&bytes)?,
            None => Row { updates: 0, value: value(key, self.value_bytes) },
        };
        row.updates += 1;
        if let Some(byte) = row.value.first_mut() {
            *byte = row.updates as u8;
        }
        self.emitted += row.updates;
        Ok(self.rows.insert(name, postcard::to_stdvec(&row)?)?)
    }
}

/// How long the updates take.
fn by_hand(args: &Args, script: Script, directory: &Path) -> Result<Duration> {
    let database = fjall::Database::builder(directory.join("by-hand"))
        .temporary(true)
        .manual_journal_persist(true)
        .cache_size(args.memory_bytes())
        .open()?;
    let rows = database.keyspace("rows", fjall::KeyspaceCreateOptions::default)?;
    let mut by_hand = ByHand { rows, value_bytes: args.value_bytes, emitted: 0 };
    (0..args.keys).try_for_each(|number| by_hand.update(script.key(number)))?;
    let updates = args.keys..args.keys + args.updates_by_hand;
    let (took, updated) =
        time(|| updates.into_iter().try_for_each(|number| by_hand.update(script.key(number))));
    updated?;
    match (by_hand.emitted, script.sum(args.updates_by_hand)) {
        (emitted, expected) if emitted == expected => Ok(took),
        (emitted, expected) => Err(Error::failure(format!("the loop emits {emitted}, {expected} is right"))),
    }
}

/// How long the updates take, on RocksDB.
fn by_flink(args: &Args, script: Script, flink: &Flink, directory: &Path) -> Result<Duration> {
    let value = Value {
        bytes: args.value_bytes,
        memory_bytes: args.memory_bytes(),
        interval: args.snapshot_interval,
    };
    let Keys { count: keys, distribution } = script.0;
    let counted =
        Counted { workers: 1, keys, updates: args.updates_by_flink, distribution, value: Some(value) };
    let (took, emitted) = flink.start(&counted, &directory.join("flink"))?.run()?;
    match script.sum(args.updates_by_flink) {
        expected if emitted == expected => Ok(took),
        expected => Err(Error::failure(format!("Flink emits {emitted}, {expected} is right"))),
    }
}

/// What the job is beside.
#[derive(Clone, Copy)]
enum Beside<'f> {
    Fjall,
    Flink(&'f Flink),
}

fn measure(args: &Args, distribution: Distribution, beside: Beside<'_>) -> Result<()> {
    let script = Script(Keys { count: args.keys, distribution });
    let rate = |updates: u64, took: Duration| updates as f64 / took.as_secs_f64();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.repetitions {
        let directory = support::scratch("beyond-memory", args.dir.as_deref())?;
        let with_snapshots = matches!(beside, Beside::Flink(_));
        ours.push(rate(args.updates, job(args, script, directory.path(), with_snapshots)?));
        theirs.push(match beside {
            Beside::Fjall => rate(args.updates_by_hand, by_hand(args, script, directory.path())?),
            Beside::Flink(flink) => {
                rate(args.updates_by_flink, by_flink(args, script, flink, directory.path())?)
            }
        });
        directory.close()?;
    }
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(0.0, f64::max);
    let (ours, theirs, ratio) = (median(ours) / 1e3, median(theirs) / 1e3, median(ratios));
    let keys = format!("{distribution:?}").to_lowercase();
    let name = match beside {
        Beside::Fjall => "fjall",
        Beside::Flink(_) => "Flink",
    };
    say(&format!("{keys:<12} {name:<8} {ours:>14.0} {theirs:>10.0} {ratio:>6.2}  {least:.2} .. {most:.2}"));
    Ok(())
}

fn run(args: &Args) -> Result<()> {
    let flink = Flink::at(args.flink_home.as_deref(), &args.flink_jvm)?;
    let (state, memory) = (args.memory_bytes() * args.one_in / 1_000_000, args.memory_bytes() / 1_000_000);
    say(&format!("{} keys, {state} MB of state, {memory} MB of memory for it", args.keys));
    say(&format!(
        "{:<12} {:<8} {:>14} {:>10} {:>6}  spread",
        "keys", "beside", "k updates/s", "beside", "ratio"
    ));
    for &distribution in &args.distributions {
        measure(args, distribution, Beside::Fjall)?;
        flink.as_ref().map_or(Ok(()), |flink| measure(args, distribution, Beside::Flink(flink)))?;
    }
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
