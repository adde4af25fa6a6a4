//! Jobs on a real Flink cluster: our executables behind the bridge, beside the same in Java, on the same JobManager and TaskManagers.
//!
//! ```text
//! cargo bench -p tidegate --features flink --bench on_cluster -- --flink-home pyflink
//! cargo bench -p tidegate --features flink --bench on_cluster -- --flink-home pyflink --only q5 --events 2000000 --repetitions 1
//! ```
//!
//! A running count, beside Java's on the heap and on RocksDB, whose sums must be right; and Nexmark's q5, whose rows must be the same.
//! All are jars that Flink's own client submits and waits for, and make their records as they read them. A run is a job with many records
//! less one with few: how long it takes to submit and to deploy them is in neither. A job ends with a checkpoint, for which it waits up
//! to a second: so it is to work for many seconds, and where Java counts, which is slower, it has fewer records. The CPU time is that of
//! the JobManager and the TaskManagers, with the processes that they start.
//!
//! This executable is the job that counts, too: the cluster starts it with `flink serve`. That of q5 is the example `nexmark`, which cargo
//! builds first.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use cluster::{Cluster, Taken};
use count::{Backend, Counted};
use q5::HotItems;
use support::flink::{COUNT, Jar, NEXMARK};
use support::{Pairs, heading, nanos_of, say};
use tidegate::prelude::*;

mod cluster;
mod count;
mod q5;
#[path = "../support/mod.rs"]
mod support;

/// Runs jobs on a Flink cluster, beside Java
#[derive(Parser, Debug)]
struct Args {
    /// Where Flink is, with its jars in lib; nothing is fetched
    #[arg(long, env = "FLINK_HOME", value_name = "DIR")]
    flink_home: PathBuf,

    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "heap,rocksdb,q5")]
    only: Vec<What>,

    /// Number of keys that are counted
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,

    /// Records that we count behind the first of each key; Java an eighth of them, on RocksDB a sixty-fourth
    #[arg(long, default_value_t = 160_000_000)]
    records: u64,

    /// Events of q5, for both
    #[arg(long, default_value_t = 30_000_000)]
    events: u64,

    /// Events in a second of event time
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,

    /// The example nexmark, built with the feature flink [default: cargo builds it]
    #[arg(long, value_name = "EXECUTABLE")]
    nexmark: Option<PathBuf>,

    /// Subtasks
    #[arg(long, default_value_t = 1)]
    parallelism: u32,

    /// Pairs of runs
    #[arg(long, default_value_t = 3)]
    repetitions: usize,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    /// A count, beside Java's on the heap
    Heap,
    /// The same with a value of 8 bytes, beside RocksDB with incremental checkpoints
    Rocksdb,
    /// Nexmark's q5, beside Java's on the heap
    Q5,
}

/// How much of the records the short job has.
const SHORT: u64 = 4;

/// What a job with so many records takes less one with few: for a million of them.
fn difference(records: u64, mut run: impl FnMut(u64) -> Result<Taken>) -> Result<Taken> {
    let few = records / SHORT;
    let (short, long) = (run(few)?, run(records)?);
    let of_a_million = |short: f64, long: f64| (long - short).max(0.0) * 1e6 / (records - few) as f64;
    Ok(Taken {
        seconds: of_a_million(short.seconds, long.seconds),
        cpu_seconds: of_a_million(short.cpu_seconds, long.cpu_seconds),
    })
}

/// Pairs of runs, and their CPU time.
struct Beside {
    pairs: Pairs,
    our_cpu: Vec<f64>,
    their_cpu: Vec<f64>,
}

impl Beside {
    /// Runs both so many times; each says what it took for a million records, and what came out of it, which must be the same.
    fn run(
        repetitions: usize,
        mut ours: impl FnMut() -> Result<(Taken, u64)>,
        mut theirs: impl FnMut() -> Result<(Taken, u64)>,
    ) -> Result<Beside> {
        let (mut our_cpu, mut their_cpu) = (Vec::new(), Vec::new());
        let noted = |cpu: &mut Vec<f64>, (taken, answer): (Taken, u64)| {
            cpu.push(nanos_of(1_000_000)(taken.cpu_seconds));
            (Duration::from_secs_f64(taken.seconds), answer)
        };
        let pairs = Pairs::run(
            repetitions,
            || Ok(noted(&mut our_cpu, ours()?)),
            || Ok(noted(&mut their_cpu, theirs()?)),
        )?;
        Ok(Beside { pairs, our_cpu, their_cpu })
    }

    /// Two rows: by the clock, and CPU time.
    fn show(self, what: &str) {
        self.pairs.show(what, nanos_of(1_000_000));
        let (ours, theirs) = (support::median(self.our_cpu), support::median(self.their_cpu));
        say(&format!("{:<34} {ours:>12.1} {theirs:>10.1} {:>6.2}", "  CPU time", theirs / ours));
    }
}

/// Has an executable make the jar of the job that it is.
fn package(executable: &Path, jar: PathBuf, home: &Path) -> Result<PathBuf> {
    let mut package = Command::new(executable);
    package.args(["flink", "package", "--out"]).arg(&jar).arg("--flink-home").arg(home);
    match package.stdout(Stdio::null()).status()?.success() {
        true => Ok(jar),
        false => Err(Error::failure(format!("{} could not be packaged", executable.display()))),
    }
}

fn run(args: &Args) -> Result<()> {
    let directory = support::scratch("jars", None)?;
    let (home, path) = (&args.flink_home, |name: &str| directory.path().join(name));
    let ours = package(&std::env::current_exe()?, path("count.jar"), home)?;
    let java = Jar::make(&COUNT, home, &path("count-java.jar"))?;
    let q5 = args.only.contains(&What::Q5).then(|| {
        let executable = args.nexmark.clone().map_or_else(q5::executable, Ok)?;
        let ours = package(&executable, path("nexmark.jar"), home)?;
        Ok::<_, Error>((ours, Jar::make(&NEXMARK, home, &path("nexmark-java.jar"))?))
    });
    let q5 = q5.transpose()?;
    let cluster = Cluster::start(home)?;
    heading("on a cluster", "ns/record");
    for what in &args.only {
        let count = |backend| Counted { args, cluster: &cluster, backend }.compare(&ours, &java);
        match (what, &q5) {
            (What::Heap, _) => count(Backend::Heap)?,
            (What::Rocksdb, _) => count(Backend::Rocksdb)?,
            (What::Q5, Some((ours, java))) => HotItems { args, cluster: &cluster }.compare(ours, java)?,
            (What::Q5, None) => {}
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "flink") {
        return count::job::run();
    }
    support::end(run(&Args::parse()))
}
