//! A running count on a real Flink cluster: our executable behind the bridge, beside the same count in Java, on the same
//! JobManager and TaskManagers.
//!
//! ```text
//! cargo bench -p tidegate --features flink --bench on_cluster -- --flink-home pyflink
//! ```
//!
//! Both are jars that Flink's own client submits and waits for; both make their keys as they read them, and sum up what is
//! emitted in files, and the sums must be right. A run is a job with many records less one with few: how long it takes to
//! submit and to deploy them is in neither. A job ends with a checkpoint, for which it waits up to a second: so it is to work for
//! many seconds, and Java, which is slower, has fewer records. The CPU time is that of the TaskManagers, with the processes that
//! they start.
//!
//! This executable is the job, too: the cluster starts it with `flink serve`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use clap::{Parser, ValueEnum};
use support::flink::Jar;
use support::updates::{Count, Distribution, Keys, sum_of_counts};
use support::{Pairs, Ran, heading, nanos_of, say};
use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};

mod support;

/// Counts on a Flink cluster, beside Java
#[derive(Parser, Debug)]
struct Args {
    /// Where Flink is, with its jars in lib; nothing is fetched
    #[arg(long, env = "FLINK_HOME", value_name = "DIR")]
    flink_home: PathBuf,

    /// Number of keys
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,

    /// Records that we count behind the first of each key; Java an eighth of them, on RocksDB a sixty-fourth
    #[arg(long, default_value_t = 160_000_000)]
    records: u64,

    /// Where Java has its state
    #[arg(long, value_enum, value_delimiter = ',', default_value = "heap,rocksdb")]
    beside: Vec<Backend>,

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
enum Backend {
    Heap,
    /// A value of 8 bytes beside each count, incremental checkpoints
    Rocksdb,
}

/// The job, as the cluster has it.
mod job {
    use super::*;

    pub fn run() -> ExitCode {
        main()
    }

    /// Counts updates of keys
    #[job]
    fn on_cluster(job: &Job, wanted: Wanted) -> Result<()> {
        let keys = Keys { count: wanted.keys, distribution: Distribution::Uniform };
        let (first, count) = (wanted.keys, wanted.keys + wanted.updates);
        let key = move |number| if number < first { number } else { keys.of_update(number - first) };
        job.source("keys", Generate::new(count, key).splits(wanted.splits))
            .key_by(|key: &u64| *key)
            .process("count", Count { value_bytes: wanted.value_bytes })
            .sink("sum", Sums { directory: wanted.directory });
        Ok(())
    }

    #[derive(clap::Args)]
    struct Wanted {
        #[arg(long)]
        splits: u32,
        #[arg(long)]
        keys: u64,
        #[arg(long)]
        updates: u64,
        #[arg(long)]
        value_bytes: usize,
        #[arg(long)]
        directory: PathBuf,
    }
}

/// A sink that sums up, and shows the sums of transactions as files.
#[derive(Clone)]
struct Sums {
    directory: PathBuf,
}

impl Settle for Sums {
    fn describe(&self) -> String {
        format!("sums in {}", self.directory.display())
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    /// A run has a directory of its own and is not restored.
    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl Sink<u64> for Sums {
    type Writer = SumsWriter;

    fn open(&self, cx: &SinkContext) -> Result<SumsWriter> {
        Ok(SumsWriter { directory: self.directory.clone(), subtask: cx.subtask.0, sum: 0 })
    }
}

struct SumsWriter {
    directory: PathBuf,
    subtask: u32,
    sum: u64,
}

impl SinkWriter<u64> for SumsWriter {
    fn write(&mut self, count: u64) -> Result<()> {
        self.sum += count;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        let transaction = format!("sum-{}-{}", self.subtask, snapshot.0);
        let sum = std::mem::take(&mut self.sum).to_string();
        fs::write(self.directory.join(format!(".{transaction}")), sum)?;
        Ok(Some(Pending { transaction }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        let (hidden, shown) = (format!(".{}", pending.transaction), &pending.transaction);
        match fs::rename(self.directory.join(hidden), self.directory.join(shown)) {
            Err(_) if self.directory.join(shown).exists() => Ok(()),
            renamed => Ok(renamed?),
        }
    }
}

/// A JobManager and two TaskManagers.
struct Cluster {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
    home: PathBuf,
}

impl Cluster {
    fn start(home: &Path) -> Result<Cluster> {
        let directory = support::scratch("on-cluster", None)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut local = Command::new(std::env::current_exe()?);
        local.args(["flink", "local", "--rest-port", &port, "--slots", "2", "--directory"]);
        local.arg(directory.path()).arg("--flink-home").arg(home);
        // What RocksDB has its cache and its write buffers in.
        local.args(["--set", "taskmanager.memory.managed.size=512m"]);
        local.args(["--set", "execution.checkpointing.interval=1s"]);
        let mut process = local.stderr(Stdio::piped()).spawn()?;
        let said = process.stderr.take().map(|said| BufReader::new(said).lines());
        let mut said = said.ok_or_else(|| Error::failure("the cluster has no voice"))?;
        let address = format!("localhost:{port}");
        let cluster = Cluster { process, address, directory, home: home.to_path_buf() };
        match said.find(|line| line.as_ref().map_or(true, |line| line.contains("is ready"))) {
            Some(Ok(_)) => {}
            _ => return Err(Error::failure("the cluster has not started")),
        }
        // It must be able to speak on.
        std::thread::Builder::new().spawn(move || said.for_each(drop))?;
        Ok(cluster)
    }

    /// Runs a jar to its end: how long it ran, by Flink.
    fn run(&self, jar: &Path, parallelism: u32, words: &[String]) -> Result<Duration> {
        let mut client = Command::new("java");
        client.env("FLINK_CONF_DIR", self.directory.path().join("conf"));
        client.args([
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
        ]);
        client.arg("-cp").arg(format!("{}/lib/*", self.home.display()));
        client.args(["org.apache.flink.client.cli.CliFrontend", "run", "-m", &self.address]);
        client.args(["-p", &parallelism.to_string()]).arg(jar).args(words);
        let output = client.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let millis = said.lines().find_map(|line| line.strip_prefix("Job Runtime: ")?.strip_suffix(" ms"));
        let millis = millis.and_then(|millis| millis.parse().ok()).ok_or_else(|| {
            let complained = String::from_utf8_lossy(&output.stderr);
            Error::failure(format!("Flink's client has ended without a result:\n{said}{complained}"))
        })?;
        Ok(Duration::from_millis(millis))
    }

    /// What the TaskManagers have had of the CPUs, and the processes that they started and that have ended.
    fn cpu(&self) -> Result<f64> {
        let mut ticks = 0;
        for number in 1..=2 {
            let pid = fs::read_to_string(self.directory.path().join(format!("taskmanager-{number}.pid")))?;
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()))?;
            let figures = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            ticks += figures.skip(11).take(4).filter_map(|figure| figure.parse::<u64>().ok()).sum::<u64>();
        }
        /// Of the kernel's clock, as every Linux has it for its readers.
        const TICKS_A_SECOND: f64 = 100.0;
        Ok(ticks as f64 / TICKS_A_SECOND)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let terminated = Command::new("kill").arg(self.process.id().to_string()).status();
        if terminated.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// What is counted, and by whom.
struct Counted<'a> {
    args: &'a Args,
    cluster: &'a Cluster,
    backend: Backend,
}

/// How much of the records the short job has.
const SHORT: u64 = 4;

impl Counted<'_> {
    /// Runs a job: how long it took, and what CPU time. The sum of what it emitted must be right.
    fn job(&self, jar: &Path, updates: u64, words: &[String], directory: &Path) -> Result<(f64, f64)> {
        let before = self.cluster.cpu()?;
        let took = self.cluster.run(jar, self.args.parallelism, words)?;
        let cpu = self.cluster.cpu()? - before;
        let mut sum = 0;
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with("sum-") {
                let text = fs::read_to_string(entry.path())?;
                sum += text.parse::<u64>().map_err(|_| Error::failure(format!("{text} is no sum")))?;
            }
        }
        let keys = Keys { count: self.args.keys, distribution: Distribution::Uniform };
        let all = (0..keys.count).chain((0..updates).map(|number| keys.of_update(number)));
        let expected = sum_of_counts(keys.count, all);
        if sum != expected {
            return Err(Error::failure(format!("{} emits {sum}, and {expected} is right", jar.display())));
        }
        Ok((took.as_secs_f64(), cpu))
    }

    /// A job with so many records less one with few: how long it takes for a million, and the CPU time of one in nanoseconds.
    fn difference(
        &self,
        jar: &Path,
        records: u64,
        words: impl Fn(u64, &Path) -> Vec<String>,
    ) -> Result<(Duration, f64)> {
        let run = |updates: u64| {
            let directory = support::scratch("sums", None)?;
            self.job(jar, updates, &words(updates, directory.path()), directory.path())
        };
        let few = records / SHORT;
        let ((short, short_cpu), (long, long_cpu)) = (run(few)?, run(records)?);
        let nanos = |short: f64, long: f64| (long - short).max(0.0) * 1e9 / (records - few) as f64;
        Ok((Duration::from_secs_f64(nanos(short, long) / 1e3), nanos(short_cpu, long_cpu)))
    }

    fn compare(&self, ours: &Path, java: &Path) -> Result<()> {
        let Args { keys, records, parallelism, repetitions, .. } = self.args;
        let (bytes, javas) = match self.backend {
            Backend::Heap => (0, records / 8),
            Backend::Rocksdb => (8, records / 64),
        };
        let (mut our_cpu, mut java_cpu) = (Vec::new(), Vec::new());
        let our_words = |updates: u64, directory: &Path| {
            let words =
                format!("--splits {parallelism} --keys {keys} --updates {updates} --value-bytes {bytes}");
            let words = words.split(' ').map(String::from);
            words.chain(["--directory".to_string(), directory.display().to_string()]).collect()
        };
        let java_words = |updates: u64, directory: &Path| {
            let words = format!("{parallelism} {keys} {updates} uniform {bytes} 0 1000");
            let words = words.split(' ').map(String::from);
            words.chain([directory.display().to_string(), "cluster".to_string()]).collect()
        };
        // Every job's sum was held against what is right; between the two there is nothing left to compare.
        let noted = |cpu: &mut Vec<f64>, (took, nanos): (Duration, f64)| -> Ran {
            cpu.push(nanos);
            (took, 0)
        };
        let pairs = Pairs::run(
            *repetitions,
            || Ok(noted(&mut our_cpu, self.difference(ours, *records, our_words)?)),
            || Ok(noted(&mut java_cpu, self.difference(java, javas, java_words)?)),
        )?;
        let backend = format!("{:?}", self.backend).to_lowercase();
        pairs.show(&format!("{keys} keys, beside {backend}"), nanos_of(1_000_000));
        let (ours, theirs) = (support::median(our_cpu), support::median(java_cpu));
        say(&format!("{:<34} {ours:>12.1} {theirs:>10.1} {:>6.2}", "  CPU time", theirs / ours));
        Ok(())
    }
}

fn run(args: &Args) -> Result<()> {
    let directory = support::scratch("jars", None)?;
    let ours = directory.path().join("ours.jar");
    let mut package = Command::new(std::env::current_exe()?);
    package.args(["flink", "package", "--out"]).arg(&ours).arg("--flink-home").arg(&args.flink_home);
    if !package.stdout(Stdio::null()).status()?.success() {
        return Err(Error::failure("the job could not be packaged"));
    }
    let java = Jar::make(&args.flink_home, &directory.path().join("java.jar"))?;
    let cluster = Cluster::start(&args.flink_home)?;
    heading("running count on a cluster", "ns/record");
    for &backend in &args.beside {
        Counted { args, cluster: &cluster, backend }.compare(&ours, &java)?;
    }
    Ok(())
}

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == "flink") {
        return job::run();
    }
    support::end(run(&Args::parse()))
}
