//! What snapshots cost a job with a large state, and how fast it comes back from one.
//!
//! ```text
//! cargo bench -p tidegate --bench snapshot_cost -- --keys 10000000 --value-bytes 100 --stores heap,fjall
//! ```
//!
//! The job counts updates of keys that each carry a value, in one worker: of two cores the other one sorts, compresses and
//! writes. It is started as any job is, by [`run`](tidegate::job::run::run). Its records are a function of their number:
//!
//! | records           | of which keys                        | what for                                              |
//! |-------------------|--------------------------------------|-------------------------------------------------------|
//! | `--keys`          | each once                            | afterwards all keys exist                             |
//! |                   |                                      | a pause until a snapshot has all of them, most in one layer |
//! | 4,096,000         | a hundredth of all                   | not measured: the job is under way again              |
//! | `--updates`       | *1 % of keys*: uniform over a hundredth of all | measured                                    |
//! | `--updates`       | *zipf*: that of rank r in proportion to 1/r    | measured                                    |
//! | `--updates`       | *uniform*: all as often              | measured                                              |
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
//! **Bytes.** A job makes all keys and ends with a snapshot: the full one. Another goes on from it, updates every hundredth
//! key once, and ends with a snapshot: the small one. The bytes are those of the state files.
//!
//! **Restore.** A job with as many workers as there are CPUs starts from the full snapshot; its input has one key of each key
//! group, so that all are loaded. From the call of `run` it takes some time until the operator has emitted its first
//! result, and until the last, when everything is in memory. Before that the files are read as they are, by one thread, with
//! nothing done to the bytes. Before both, they are put out of the page cache (`dd iflag=nocache`); where that can't be done
//! both read from memory, and it is said.
//!
//! What every job emits is checked against a plain loop. The restored state is, too: a last job goes on from the small
//! snapshot and updates every key.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use clap::{Parser, ValueEnum};
use serde_json::json;
use tidegate::job::progress::{Outcome, Summary};
use tidegate::job::signals::Signals;
use tidegate::job::{RunOptions, run};
use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;
use tidegate::snapshot::part::LayerKind;
use tidegate::snapshot::{Manifest, RestoreTarget, StateFile};
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};
use tidegate::state::backend::StoreKind;
use tidegate::time::Clock;

/// Measures what snapshots of a large state cost, and how long a restore takes
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

    /// Pairs of jobs with and without snapshots, and restores
    #[arg(long, default_value_t = 3)]
    repetitions: usize,

    /// What to measure
    #[arg(long, value_enum, value_delimiter = ',', default_value = "throughput,restore")]
    measure: Vec<Measure>,

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

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum Measure {
    /// Pauses and throughput.
    Throughput,
    /// Bytes of a small snapshot, and restore.
    Restore,
}

/// How many updates come between the making of the keys and the first that is measured.
const SETTLING: u64 = 4_096_000;

const REMOVING_TRIES_MAX: u32 = 100;
const REMOVING_PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distribution {
    OneInAHundred,
    Zipf,
    Uniform,
}

const MEASURED: [Distribution; 3] = [Distribution::OneInAHundred, Distribution::Zipf, Distribution::Uniform];

impl Distribution {
    fn name(self) -> &'static str {
        match self {
            Distribution::OneInAHundred => "1 % of keys",
            Distribution::Zipf => "zipf",
            Distribution::Uniform => "uniform",
        }
    }

    fn key(self, number: u64, keys: u64) -> u64 {
        let random = scatter(number);
        let uniform = |keys: u64| ((u128::from(random) * u128::from(keys)) >> 64) as u64;
        match self {
            // Every hundredth key, so that they lie among all others.
            Distribution::OneInAHundred => uniform(keys.div_ceil(100)) * 100 % keys,
            Distribution::Zipf => {
                // The logarithm of a rank that comes in proportion to 1/rank is uniform.
                let uniform = (random >> 11) as f64 / (1u64 << 53) as f64;
                let rank = (keys as f64).powf(uniform) as u64 - 1;
                scatter(rank) % keys
            }
            Distribution::Uniform => uniform(keys),
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

/// Which key a record is of, and which part of the records it belongs to.
#[derive(Clone, Copy)]
struct Script {
    keys: u64,
    updates: u64,
}

/// A part of the records of a script, and the number of a record in it.
enum Part {
    Making(u64),
    Settling,
    Measured(Distribution, u64),
}

impl Script {
    fn records(self) -> u64 {
        self.keys + SETTLING + self.updates * MEASURED.len() as u64
    }

    fn part(self, record: u64) -> Part {
        if record < self.keys {
            return Part::Making(record);
        }
        let update = record - self.keys;
        if update < SETTLING {
            return Part::Settling;
        }
        let (part, number) = ((update - SETTLING) / self.updates, (update - SETTLING) % self.updates);
        Part::Measured(MEASURED[part as usize], number)
    }

    fn key(self, record: u64) -> u64 {
        match self.part(record) {
            Part::Making(number) => number,
            Part::Settling => Distribution::OneInAHundred.key(record, self.keys),
            Part::Measured(distribution, _) => distribution.key(record, self.keys),
        }
    }

    /// What all records together emit: a key that comes n times emits 1, 2, .. n.
    fn sum(self) -> u64 {
        let mut counts = vec![0u32; self.keys as usize];
        (0..self.records()).for_each(|record| counts[self.key(record) as usize] += 1);
        counts.into_iter().map(u64::from).map(|n| n * (n + 1) / 2).sum()
    }
}

/// When a part of the records began.
#[derive(Clone, Copy)]
struct Mark {
    at: Duration,
    /// What the worker's thread has had of a CPU.
    cpu: Option<Duration>,
}

impl Mark {
    fn now(clock: &Clock) -> Mark {
        let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let nanos = schedule.and_then(|text| text.split(' ').next()?.parse().ok());
        Mark { at: clock.monotonic(), cpu: nanos.map(Duration::from_nanos) }
    }
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

struct Bench {
    args: Args,
    directory: PathBuf,
    signals: Signals,
    clock: Clock,
}

/// Which records a job has, how many, and what it does with a result, beside summing up.
struct Load<R, E> {
    /// The name of the source: one of another name begins at its beginning.
    source: &'static str,
    records: u64,
    record: R,
    each: E,
    pause: Option<Pause>,
}

/// From record number `at` on there is nothing to read for a time.
#[derive(Clone)]
struct Pause {
    at: u64,
    is_over: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Generated records, with a pause: the operator goes on with its snapshots meanwhile.
struct Paused<F> {
    records: Generate<F>,
    pause: Option<Pause>,
}

struct PausedReader<R> {
    records: R,
    pause: Option<Pause>,
}

impl<F: Fn(u64) -> u64 + Send + Sync + 'static> Source for Paused<F> {
    type Item = u64;
    type Reader = PausedReader<<Generate<F> as Source>::Reader>;

    fn describe(&self) -> String {
        self.records.describe()
    }

    fn replay(&self) -> Replay {
        self.records.replay()
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Source::splits(&self.records)
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<Self::Reader> {
        Ok(PausedReader { records: self.records.open(split, from)?, pause: self.pause.clone() })
    }
}

impl<R: SplitReader<Item = u64>> SplitReader for PausedReader<R> {
    type Item = u64;

    fn read(&mut self, max: usize, each: &mut impl FnMut(u64)) -> Result<ReadStatus> {
        let Some(Pause { at, is_over }) = &self.pause else { return self.records.read(max, each) };
        let before = at.saturating_sub(self.records.offset().records);
        if before == 0 && !is_over() {
            return Ok(ReadStatus::Idle);
        }
        if before == 0 {
            self.pause = None;
            return self.records.read(max, each);
        }
        self.records.read(usize::try_from(before).map_or(max, |before| before.min(max)), each)
    }

    fn offset(&self) -> Offset {
        self.records.offset()
    }
}

impl Bench {
    fn options(&self, store: StoreKind) -> RunOptions {
        RunOptions {
            store,
            state_memory_bytes: self.args.state_memory.as_u64(),
            state_dir: Some(self.directory.join("state")),
            snapshot_interval: Duration::from_secs(3600),
            // The sources of the jobs before.
            allow_dropped_state: true,
            ..RunOptions::default()
        }
    }

    /// Runs the job. The sum of what it emitted must be `expected`.
    fn run<R, E>(&self, options: &RunOptions, load: Load<R, E>, expected: u64) -> Result<Summary>
    where
        R: Fn(u64) -> u64 + Send + Sync + 'static,
        E: Fn() + Send + Sync + 'static,
    {
        let Load { source, records, record, each, pause } = load;
        let splits = options.parallelism.get();
        let records = Paused { records: Generate::new(records, record).splits(splits), pause };
        let sum = Arc::new(AtomicU64::new(0));
        let (job, emitted, each) = (Job::new("snapshot-cost"), Arc::clone(&sum), Arc::new(each));
        job.source(source, records)
            .key_by(|key: &u64| *key)
            .process("count", Count { value_bytes: self.args.value_bytes })
            .map(move |updates: u64| {
                each();
                emitted.fetch_add(updates, Ordering::Relaxed)
            })
            .discard();
        let summary = run::run(job.finish()?, options, &self.signals)?;
        let sum = sum.load(Ordering::Relaxed);
        if summary.outcome == Outcome::Stopped {
            return Err(Error::failure("stopped"));
        }
        if sum != expected {
            return Err(Error::failure(format!("the job emitted {sum} in all, and {expected} is right")));
        }
        Ok(summary)
    }

    // --- pauses and throughput ---

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
        let pause = Pause {
            at: keys,
            is_over: Arc::new(move || {
                snapshots.as_deref().is_none_or(|snapshots| has_settled(snapshots, keys))
            }),
        };
        let load = Load { source: "updates", records, record, each: || (), pause: Some(pause) };
        let summary = self.run(options, load, sum)?;
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
                    remove(&snapshots)?;
                }
                runs[with] = Some(marks);
                self.say(&format!("{store:?}: pair {}, {}", repetition + 1, ["without", "with"][with]));
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
        for (place, distribution) in MEASURED.into_iter().enumerate() {
            let took = |marks: &[Mark]| (marks[place + 1].at - marks[place].at).as_secs_f64();
            let cpu = |marks: &[Mark]| Some((marks[place + 1].cpu? - marks[place].cpu?).as_secs_f64());
            let rate = |took: f64| script.updates as f64 / took / 1e6;
            let ratios: Vec<f64> = pairs.iter().map(|(without, with)| took(without) / took(with)).collect();
            let of_cpu = pairs.iter().filter_map(|(without, with)| Some(cpu(without)? / cpu(with)?));
            figures.push(Figure {
                what: "throughput",
                store,
                columns: vec![
                    ("keys", json!(distribution.name())),
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

    // --- bytes and restore ---

    fn restore(&self, store: StoreKind) -> Result<Vec<Figure>> {
        let (keys, hundredth) = (self.args.keys, self.args.keys.div_ceil(100));
        let snapshots = self.directory.join("snapshots");
        let kept = RunOptions { snapshot_dir: Some(snapshots.clone()), retain: 9, ..self.options(store) };
        let full = self.run(
            &kept,
            Load { source: "keys", records: keys, record: |i| i, each: || (), pause: None },
            keys,
        )?;
        let restored = RunOptions { restore: Some(RestoreTarget::Latest), ..kept.clone() };
        let few = Load { source: "few", records: hundredth, record: |i| i * 100, each: || (), pause: None };
        let small = self.run(&restored, few, 2 * hundredth)?;
        let bytes = |summary: &Summary| summary.snapshots.last.map_or(0, |last| last.bytes);
        let mut figures = vec![Figure {
            what: "bytes when 1 % of keys changed",
            store,
            columns: vec![
                ("full_mb", json!(round(bytes(&full) as f64 / 1e6))),
                ("small_mb", json!(round(bytes(&small) as f64 / 1e6))),
                ("share", json!(round(bytes(&small) as f64 / bytes(&full) as f64))),
            ],
        }];
        self.say(&format!("{store:?}: snapshots written"));

        let id = |summary: &Summary| summary.snapshots.last.map(|last| last.id);
        let Some((full_id, small_id)) = id(&full).zip(id(&small)) else {
            return Err(Error::failure("the job took no snapshot"));
        };
        let files = files_in(&snapshots.join("state"))?;
        // The files of the small snapshot are read only by the last job.
        let largest = files.iter().max_by_key(|(_, bytes)| *bytes).cloned();
        let files: Vec<(PathBuf, u64)> = largest.into_iter().collect();
        let file_bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
        if file_bytes != bytes(&full) {
            return Err(Error::failure(format!("the full snapshot has {} bytes in files", bytes(&full))));
        }
        let workers = std::thread::available_parallelism().map_or(1, NonZero::get) as u32;
        let parallelism = Parallelism::new(workers, MaxParallelism::DEFAULT).unwrap_or(Parallelism::ONE);
        let rate = |seconds: f64| file_bytes as f64 / seconds / 1e6;
        let one_of_each = one_of_each_group(keys);
        let (mut plain, mut first, mut loaded, mut cold) = (Vec::new(), Vec::new(), Vec::new(), true);
        for repetition in 0..self.args.repetitions {
            cold &= files.iter().all(|(path, _)| put_out_of_cache(path));
            let began = self.clock.monotonic();
            files.iter().try_for_each(|(path, _)| read_through(path))?;
            plain.push((self.clock.monotonic() - began).as_secs_f64());

            cold &= files.iter().all(|(path, _)| put_out_of_cache(path));
            let options = RunOptions {
                parallelism,
                restore: Some(RestoreTarget::Path(snapshots.join(format!("snapshot-{:010}", full_id.0)))),
                ..self.options(store)
            };
            let results = Arc::new(Results::new(self.clock.clone(), one_of_each.len()));
            let (noted, input) = (Arc::clone(&results), one_of_each.clone());
            let count = input.len() as u64;
            let record = move |i: u64| input[i as usize];
            let load =
                Load { source: "groups", records: count, record, each: move || noted.note(), pause: None };
            let began = self.clock.monotonic();
            self.run(&options, load, 2 * count)?;
            let (first_at, last_at) = results.instants();
            first.push((first_at - began).as_secs_f64());
            loaded.push((last_at - began).as_secs_f64());
            self.say(&format!("{store:?}: restore {}", repetition + 1));
        }
        let share = plain.iter().zip(&loaded).map(|(plain, loaded)| plain / loaded);
        figures.push(Figure {
            what: "restore",
            store,
            columns: vec![
                ("files_mb", json!(round(file_bytes as f64 / 1e6))),
                ("cache", json!(if cold { "cold" } else { "warm" })),
                ("plain_read_s", rounded(plain.iter().copied())),
                ("plain_mb_per_s", rounded(plain.iter().map(|&seconds| rate(seconds)))),
                ("first_record_s", rounded(first.iter().copied())),
                ("loaded_s", rounded(loaded.iter().copied())),
                ("loaded_mb_per_s", rounded(loaded.iter().map(|&seconds| rate(seconds)))),
                ("share_of_plain", rounded(share)),
            ],
        });

        let path = snapshots.join(format!("snapshot-{:010}", small_id.0));
        let options = RunOptions { restore: Some(RestoreTarget::Path(path)), ..self.options(store) };
        let all = Load { source: "all", records: keys, record: |i| i, each: || (), pause: None };
        self.run(&options, all, 2 * keys + hundredth)?;
        remove(&snapshots)?;
        Ok(figures)
    }

    fn script(&self) -> Script {
        Script { keys: self.args.keys, updates: self.args.updates }
    }

    /// Shows figures while others are still to come.
    fn told(&self, figures: Vec<Figure>) -> Vec<Figure> {
        figures.iter().for_each(|figure| self.say(&figure.json().to_string()));
        figures
    }

    fn say(&self, progress: &str) {
        let _ = writeln!(std::io::stderr(), "{progress}");
    }
}

/// When the first and the last result came.
struct Results {
    clock: Clock,
    expected: usize,
    instants: Mutex<Vec<Duration>>,
}

impl Results {
    fn new(clock: Clock, expected: usize) -> Results {
        Results { clock, expected, instants: Mutex::default() }
    }

    fn note(&self) {
        self.instants.lock().unwrap_or_else(PoisonError::into_inner).push(self.clock.monotonic());
    }

    fn instants(&self) -> (Duration, Duration) {
        let instants = self.instants.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(instants.len(), self.expected, "every record has a result");
        (instants[0], instants[instants.len() - 1])
    }
}

/// A key of each key group, as far as there are any.
fn one_of_each_group(keys: u64) -> Vec<u64> {
    let mut of_group = vec![None; MaxParallelism::DEFAULT.get() as usize];
    for key in 0..keys {
        let group = usize::from(key.hash().group(MaxParallelism::DEFAULT).0);
        of_group[group].get_or_insert(key);
        if key % 1024 == 0 && of_group.iter().all(Option::is_some) {
            break;
        }
    }
    of_group.into_iter().flatten().collect()
}

/// Whether a snapshot is complete.
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

fn files_in(directory: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        files.push((entry.path(), entry.metadata()?.len()));
    }
    Ok(files)
}

/// Has the system forget what it has of a file in memory. Whether it could be told to.
fn put_out_of_cache(path: &Path) -> bool {
    let mut dd = Command::new("dd");
    dd.arg(format!("if={}", path.display())).args(["iflag=nocache", "count=0"]);
    dd.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn read_through(path: &Path) -> Result<()> {
    let (mut file, mut buffer) = (File::open(path)?, vec![0; 1 << 20]);
    while file.read(&mut buffer)? > 0 {
        std::hint::black_box(&buffer);
    }
    Ok(())
}

/// Removes a job's snapshots. A compaction may still be at work for it, and make a file meanwhile.
fn remove(directory: &Path) -> Result<()> {
    let mut tries = 0..REMOVING_TRIES_MAX;
    loop {
        match std::fs::remove_dir_all(directory) {
            Ok(()) => return Ok(()),
            Err(error) if tries.next().is_none() => return Err(error.into()),
            Err(_) => std::thread::sleep(REMOVING_PAUSE),
        }
    }
}

// --- figures ---

/// What was measured of a store.
struct Figure {
    what: &'static str,
    store: StoreKind,
    columns: Vec<(&'static str, serde_json::Value)>,
}

fn round(figure: f64) -> f64 {
    if figure >= 100.0 { figure.round() } else { (figure * 1000.0).round() / 1000.0 }
}

/// The median.
fn rounded(figures: impl Iterator<Item = f64>) -> serde_json::Value {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).map_or(serde_json::Value::Null, |&median| json!(round(median)))
}

fn millis_of(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3)
}

impl Figure {
    fn json(&self) -> serde_json::Value {
        let mut line = json!({"what": self.what, "store": format!("{:?}", self.store).to_lowercase()});
        for (name, value) in &self.columns {
            line[*name] = value.clone();
        }
        line
    }
}

/// Figures of one kind, one below the other.
fn table(figures: &[&Figure]) -> String {
    let Some(first) = figures.first() else { return String::new() };
    let heads = ["store"].into_iter().chain(first.columns.iter().map(|(name, _)| *name));
    let mut rows: Vec<Vec<String>> = vec![heads.map(str::to_string).collect()];
    for figure in figures {
        let text =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let store = format!("{:?}", figure.store).to_lowercase();
        rows.push([store].into_iter().chain(figure.columns.iter().map(|(_, value)| text(value))).collect());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut table = format!("\n{}\n", first.what);
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(table, "  {cell:>0$}", width(column));
        }
        table.push('\n');
    }
    table
}

fn measure(args: Args) -> Result<()> {
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    std::fs::create_dir_all(&parent)?;
    let directory = tempfile::Builder::new().prefix("tidegate-snapshot-cost-").tempdir_in(&parent)?;
    let signals = Signals::install()?;
    let bench = Bench { args, directory: directory.path().to_path_buf(), signals, clock: Clock::system() };
    let mut figures = Vec::new();
    if bench.args.measure.contains(&Measure::Throughput) {
        let sum = bench.script().sum();
        for &store in &bench.args.stores {
            figures.extend(bench.told(bench.throughput(store, sum)?));
        }
    }
    if bench.args.measure.contains(&Measure::Restore) {
        for &store in &bench.args.stores {
            figures.extend(bench.told(bench.restore(store)?));
        }
    }
    let mut out = String::new();
    if bench.args.json {
        figures.iter().for_each(|figure| out += &format!("{}\n", figure.json()));
    } else {
        let mut kinds: Vec<&str> = Vec::new();
        figures.iter().for_each(|figure| {
            if !kinds.contains(&figure.what) {
                kinds.push(figure.what)
            }
        });
        for kind in kinds {
            out += &table(&figures.iter().filter(|figure| figure.what == kind).collect::<Vec<_>>());
        }
    }
    let _ = std::io::stdout().write_all(out.as_bytes());
    Ok(directory.close()?)
}

fn main() -> ExitCode {
    match measure(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::from(error.exit_code())
        }
    }
}
