//! How fast a job comes back from a snapshot of a large state, with as many workers and with others.
//!
//! ```text
//! cargo bench -p tidegate --bench restore -- --keys 10000000 --value-bytes 100 --workers 1,2 --stores heap,fjall
//! ```
//!
//! The job counts updates of keys that each carry a value.
//!
//! **Bytes.** A job of one worker makes all keys and ends with a snapshot: the full one. Another goes on from it, updates every
//! hundredth key once, and ends with a snapshot: the small one. The bytes are those of the state files.
//!
//! **Restore.** A job starts from the full snapshot with each number of `--workers`, one of which may be the number that wrote
//! it; with the others it is rescaled. Its input has one key of each key group, so that all are loaded. From the call of `run` it
//! takes some time until the operator has emitted its first result, and until the last, when everything is in memory. Before
//! that the file is read as it is, by one thread, with nothing done to the bytes: what the disk, or the page cache, gives. Before
//! both, it is put out of the page cache (`dd iflag=nocache`); where that can't be done both read from memory, and it is said.
//!
//! What every job emits is checked. So is the restored state: a last job goes on from the small snapshot and updates every key.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use clap::Parser;
use serde_json::json;
use support::counting::Counting;
use support::figures::{Figure, round, rounded, show, tell};
use tidegate::job::RunOptions;
use tidegate::job::progress::Summary;
use tidegate::job::signals::Signals;
use tidegate::key::MaxParallelism;
use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::snapshot::RestoreTarget;
use tidegate::state::backend::StoreKind;
use tidegate::time::Clock;

mod support;

/// Measures how long a restore takes
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

    /// Numbers of workers that restore what one has written
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    workers: Vec<u32>,

    /// Restores of each
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

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

/// What has been written.
struct Written {
    full: SnapshotId,
    small: SnapshotId,
    /// The only file of the full snapshot.
    file: PathBuf,
    bytes: u64,
}

impl Bench {
    fn measure(&self, store: StoreKind) -> Result<Vec<Figure>> {
        let (written, bytes) = self.write(store)?;
        let mut figures = vec![bytes];
        for &workers in &self.args.workers {
            figures.push(self.restore(store, workers, &written)?);
        }
        self.check(store, written.small)?;
        support::remove(&self.snapshots())?;
        Ok(figures)
    }

    /// Writes the full snapshot and the small one.
    fn write(&self, store: StoreKind) -> Result<(Written, Figure)> {
        let (keys, hundredth) = (self.args.keys, self.args.keys.div_ceil(100));
        let kept = RunOptions { snapshot_dir: Some(self.snapshots()), retain: 9, ..self.options(store, 1)? };
        let full = self.counting.run(&kept, "keys", Generate::new(keys, |i| i), || (), keys)?;
        let restored = RunOptions { restore: Some(RestoreTarget::Latest), ..kept };
        let few = Generate::new(hundredth, |i| i * 100);
        let small = self.counting.run(&restored, "few", few, || (), 2 * hundredth)?;
        let last = |summary: &Summary| {
            summary.snapshots.last.ok_or_else(|| Error::failure("the job took no snapshot"))
        };
        let (full, small) = (last(&full)?, last(&small)?);
        // Those of the small snapshot are read only by the last job.
        let (file, bytes) = largest_in(&self.snapshots().join("state"))?;
        if bytes != full.bytes {
            return Err(Error::failure(format!(
                "the full snapshot has {} bytes, not in one file",
                full.bytes
            )));
        }
        tell(&format!("{store:?}: snapshots written"));
        let figure = Figure {
            what: "bytes when 1 % of keys changed",
            store,
            columns: vec![
                ("full_mb", json!(round(full.bytes as f64 / 1e6))),
                ("small_mb", json!(round(small.bytes as f64 / 1e6))),
                ("share", json!(round(small.bytes as f64 / full.bytes as f64))),
            ],
        };
        Ok((Written { full: full.id, small: small.id, file, bytes }, figure))
    }

    fn restore(&self, store: StoreKind, workers: u32, written: &Written) -> Result<Figure> {
        let Written { full, file, bytes, .. } = written;
        let input = one_of_each_group(self.args.keys);
        let (mut plain, mut first, mut loaded, mut cold) = (Vec::new(), Vec::new(), Vec::new(), true);
        for repetition in 0..self.args.repetitions {
            cold &= put_out_of_cache(file);
            let (took, read) = support::time(|| read_through(file));
            read?;
            plain.push(took.as_secs_f64());

            cold &= put_out_of_cache(file);
            let options = RunOptions { restore: Some(self.snapshot(*full)), ..self.options(store, workers)? };
            let results = Arc::new(Results::new(self.clock.clone(), input.len()));
            let (noted, keys, count) = (Arc::clone(&results), input.clone(), input.len() as u64);
            let groups = Generate::new(count, move |i| keys[i as usize]).splits(workers);
            let began = self.clock.monotonic();
            self.counting.run(&options, "groups", groups, move || noted.note(), 2 * count)?;
            let (first_at, last_at) = results.instants();
            first.push((first_at - began).as_secs_f64());
            loaded.push((last_at - began).as_secs_f64());
            tell(&format!("{store:?}, {workers} workers: restore {}", repetition + 1));
        }
        let rate = |seconds: &f64| *bytes as f64 / seconds / 1e6;
        let share = plain.iter().zip(&loaded).map(|(plain, loaded)| plain / loaded);
        Ok(Figure {
            what: "restore",
            store,
            columns: vec![
                ("workers", json!(workers)),
                ("file_mb", json!(round(*bytes as f64 / 1e6))),
                ("cache", json!(if cold { "cold" } else { "warm" })),
                ("plain_read_s", rounded(plain.iter().copied())),
                ("plain_mb_per_s", rounded(plain.iter().map(rate))),
                ("first_record_s", rounded(first.iter().copied())),
                ("loaded_s", rounded(loaded.iter().copied())),
                ("loaded_mb_per_s", rounded(loaded.iter().map(rate))),
                ("share_of_plain", rounded(share)),
            ],
        })
    }

    /// Every key has been updated once, every hundredth twice.
    fn check(&self, store: StoreKind, small: SnapshotId) -> Result<()> {
        let (keys, hundredth) = (self.args.keys, self.args.keys.div_ceil(100));
        let options = RunOptions { restore: Some(self.snapshot(small)), ..self.options(store, 1)? };
        let all = Generate::new(keys, |i| i);
        self.counting.run(&options, "all", all, || (), 2 * keys + hundredth).map(drop)
    }

    fn options(&self, store: StoreKind, workers: u32) -> Result<RunOptions> {
        Ok(RunOptions {
            store,
            state_memory_bytes: self.args.state_memory.as_u64(),
            state_dir: Some(self.directory.join("state")),
            // Only the one at the end.
            snapshot_interval: Duration::from_secs(3600),
            // The sources of the jobs before.
            allow_dropped_state: true,
            ..support::on_the_heap(workers)?
        })
    }

    fn snapshots(&self) -> PathBuf {
        self.directory.join("snapshots")
    }

    fn snapshot(&self, id: SnapshotId) -> RestoreTarget {
        RestoreTarget::Path(self.snapshots().join(format!("snapshot-{:010}", id.0)))
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
        let mut instants = self.instants.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(instants.len(), self.expected, "every record has a result");
        instants.sort_unstable();
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

fn largest_in(directory: &Path) -> Result<(PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        files.push((entry.path(), entry.metadata()?.len()));
    }
    let largest = files.into_iter().max_by_key(|(_, bytes)| *bytes);
    largest.ok_or_else(|| Error::failure(format!("{} is empty", directory.display())))
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

fn measure(args: Args) -> Result<()> {
    let directory = support::scratch("restore", args.dir.as_deref())?;
    let counting = Counting { value_bytes: args.value_bytes, signals: Signals::install()? };
    let bench = Bench { args, directory: directory.path().to_path_buf(), counting, clock: Clock::system() };
    let mut figures = Vec::new();
    for &store in &bench.args.stores {
        figures.extend(bench.measure(store)?);
    }
    show(&figures, bench.args.json);
    Ok(directory.close()?)
}

fn main() -> ExitCode {
    support::end(measure(Args::parse()))
}
