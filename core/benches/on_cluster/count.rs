//! A running count by key.

use std::fs;
use std::path::{Path, PathBuf};

use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};

use super::cluster::{Cluster, Taken};
use super::support::updates::{Count, Distribution, Keys, sum_of_counts};
use super::{Args, Beside, difference, support};

/// The job, as the cluster has it.
pub mod job {
    use std::process::ExitCode;

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

/// Where Java has its state.
#[derive(Clone, Copy, Debug)]
pub enum Backend {
    Heap,
    /// A value of 8 bytes beside each count, incremental checkpoints.
    Rocksdb,
}

/// What is counted, and by whom.
pub struct Counted<'a> {
    pub args: &'a Args,
    pub cluster: &'a Cluster,
    pub backend: Backend,
}

impl Counted<'_> {
    /// Runs a job, and the sum of what it emitted must be right.
    fn job(&self, jar: &Path, updates: u64, words: &[String], directory: &Path) -> Result<Taken> {
        let taken = self.cluster.run(jar, self.args.parallelism, words)?;
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
        Ok(taken)
    }

    fn difference(
        &self,
        jar: &Path,
        records: u64,
        words: impl Fn(u64, &Path) -> Vec<String>,
    ) -> Result<Taken> {
        difference(records, |updates| {
            let directory = support::scratch("sums", None)?;
            self.job(jar, updates, &words(updates, directory.path()), directory.path())
        })
    }

    /// Runs both in turn, and says what they took.
    pub fn compare(&self, ours: &Path, java: &Path) -> Result<()> {
        let Args { keys, records, parallelism, repetitions, .. } = self.args;
        let (bytes, javas) = match self.backend {
            Backend::Heap => (0, records / 8),
            Backend::Rocksdb => (8, records / 64),
        };
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
        let backend = format!("{:?}", self.backend).to_lowercase();
        // Every job's sum was held against what is right; between the two there is nothing left to compare.
        Beside::run(
            *repetitions,
            || Ok((self.difference(ours, *records, our_words)?, 0)),
            || Ok((self.difference(java, javas, java_words)?, 0)),
        )?
        .show(&format!("{keys} keys, beside {backend}"));
        Ok(())
    }
}
