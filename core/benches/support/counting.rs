//! The job of the benchmarks with much state: it counts updates of keys that each carry a value.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tidegate::job::progress::{Outcome, Summary};
use tidegate::job::signals::Signals;
use tidegate::job::{RunOptions, run};
use tidegate::prelude::*;
use tidegate::source::Source;

use super::updates::Count;

/// Counts updates; started as any job is, by [`run`](tidegate::job::run::run).
pub struct Counting {
    pub value_bytes: usize,
    /// Ctrl-C ends it.
    pub signals: Signals,
}

impl Counting {
    /// Runs it on the records of a source. One that has another name than in the snapshot begins at its beginning. `each` is
    /// called with every result.
    ///
    /// # Errors
    /// If it fails or is stopped, or if what it emitted does not come to `expected`.
    pub fn run<S, E>(
        &self,
        options: &RunOptions,
        name: &str,
        source: S,
        each: E,
        expected: u64,
    ) -> Result<Summary>
    where
        S: Source<Item = u64>,
        E: Fn() + Send + Sync + 'static,
    {
        let sum = Arc::new(AtomicU64::new(0));
        let (job, emitted, each) = (Job::new("counting"), Arc::clone(&sum), Arc::new(each));
        job.source(name, source)
            .key_by(|key: &u64| *key)
            .process("count", Count { value_bytes: self.value_bytes })
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
}
