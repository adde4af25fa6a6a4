//! One run of one system, in a process that does nothing else.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate::job::RunOptions;
use tidegate::job::run;
use tidegate::job::signals::Signals;
use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;
use tidegate::state::backend::StoreKind;

use super::super::event::Event;
use super::super::queries::Query;
use super::System;
use super::by_hand;
use super::clock::{Stopwatch, peak_rss_mb};
use super::replay::{Began, Events, ReplaySource, Script};
use super::tally::{Check, Tally, TallySink, Total};

/// What is run.
#[derive(Clone, Copy)]
pub struct OneRun {
    pub system: System,
    pub query: Query,
    pub parallelism: u32,
    pub script: Script,
    pub check: Check,
    pub store: StoreKind,
    pub interval: Duration,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// From the first event to the last row.
    pub seconds: f64,
    /// What the process had of all CPUs in that time.
    pub cpu_seconds: f64,
    /// The most memory that the process had, the events that wait in it included.
    pub peak_rss_mb: Option<f64>,
    pub total: Total,
    /// How many snapshots were completed.
    pub snapshots: u64,
}

impl OneRun {
    pub fn measure(self) -> Result<Measured> {
        match self.system {
            System::Tidegate => self.tidegate(false),
            System::TidegateWithSnapshots => self.tidegate(true),
            System::Loop => Ok(self.by_hand()),
            #[cfg(feature = "timely")]
            System::Timely => super::dataflows::measure(self),
            #[cfg(not(feature = "timely"))]
            System::Timely => Err(super::without_timely()),
            System::Flink | System::FlinkWithCheckpoints => {
                Err(Error::usage("Flink runs in a JVM, not in this process"))
            }
        }
    }

    fn tidegate(self, with_snapshots: bool) -> Result<Measured> {
        let parallelism = Parallelism::new(self.parallelism, MaxParallelism::DEFAULT)
            .ok_or_else(|| Error::usage("there are more workers than key groups"))?;
        let scratch = tempfile::Builder::new().prefix("tidegate-nexmark-bench-").tempdir()?;
        let options = RunOptions {
            parallelism,
            store: self.store,
            state_dir: Some(scratch.path().join("state")),
            snapshot_dir: with_snapshots.then(|| scratch.path().join("snapshots")),
            snapshot_interval: self.interval,
            ..RunOptions::default()
        };
        let stopwatch = Stopwatch::start();
        let began = Arc::new(Began::new(stopwatch.clone(), self.parallelism));
        let source = ReplaySource::new(self.script, self.parallelism, Arc::clone(&began));
        let rows = TallySink::new(self.check, self.query, self.parallelism, stopwatch.clone());
        let job = Job::new("nexmark-bench");
        let events = job.source("events", source).event_time(Event::at, Watermarks::bounded(secs(4)));
        self.query.wire(events, &rows);
        let summary = run::run(job.finish()?, &options, &Signals::by_hand())?;
        let began = began.at().ok_or_else(|| Error::failure("the job has read nothing"))?;
        let ended = rows.ended().ok_or_else(|| Error::failure("the job has committed nothing"))?;
        let (seconds, cpu_seconds) = ended.since(began);
        let peak_rss_mb = peak_rss_mb();
        let snapshots = if with_snapshots { summary.snapshots.completed } else { 0 };
        scratch.close()?;
        Ok(Measured { seconds, cpu_seconds, peak_rss_mb, total: rows.total(), snapshots })
    }

    fn by_hand(self) -> Measured {
        let stopwatch = Stopwatch::start();
        let events = self.script.split(0, 1);
        let mut tally = Tally::new(self.check, self.query, 1);
        let began = stopwatch.lap();
        // A loop of its own for each of the two: which one it is must not be asked of every event.
        match events {
            Events::Made(events) => by_hand::answer(self.query, events, &mut tally),
            Events::ToMake { generator, numbers } => {
                let events = numbers.map(|number| generator.event(number));
                by_hand::answer(self.query, events, &mut tally);
            }
        }
        let (seconds, cpu_seconds) = stopwatch.lap().since(began);
        Measured { seconds, cpu_seconds, peak_rss_mb: peak_rss_mb(), total: tally.total(), snapshots: 0 }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::super::replay::Generation;
    use super::*;
    use crate::generator::Generator;

    fn total(system: System, query: Query, parallelism: u32, generation: Generation) -> Total {
        let generator = Generator { seed: 11, rate: 400 };
        let run = OneRun {
            system,
            query,
            parallelism,
            script: Script { generator, count: 10_000, generation },
            check: Check::Sum,
            store: StoreKind::Heap,
            interval: secs(1),
        };
        run.measure().unwrap().total
    }

    /// Twenty-five seconds: several windows, and auctions that are over.
    #[test]
    fn the_loop_of_a_query_answers_as_the_job_does() {
        for query in Query::value_variants().iter().copied().filter(|query| by_hand::answers(*query)) {
            let by_hand = total(System::Loop, query, 1, Generation::Before);
            assert!(by_hand.rows > 0, "{query:?} has an answer");
            assert_eq!(by_hand, total(System::Loop, query, 1, Generation::Within), "{query:?}");
            assert_eq!(
                by_hand,
                total(System::TidegateWithSnapshots, query, 1, Generation::Before),
                "{query:?}"
            );
            let alone = [Query::Q18, Query::Q19].contains(&query);
            let at_two = total(System::Tidegate, query, 2, Generation::Within);
            assert!(by_hand == at_two || (alone && by_hand.rows == at_two.rows), "{query:?}");
            #[cfg(feature = "timely")]
            for parallelism in [1, 2] {
                let timely = total(System::Timely, query, parallelism, Generation::Before);
                let beside = if parallelism == 1 { by_hand } else { at_two };
                assert_eq!(timely, beside, "{query:?} at {parallelism}");
            }
        }
    }
}
