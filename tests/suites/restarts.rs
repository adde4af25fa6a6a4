//! Jobs whose user's code panics: what is tried again, what is given up, and that the results are exact.
//!
//! The jobs run on real threads, inside of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use tidegate::job::RunOptions;
use tidegate::job::progress::Outcome;
use tidegate::job::restart::RestartStrategy;
use tidegate::job::signals::Signals;
use tidegate::prelude::*;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};

use crate::simulation::assert_same;
use crate::support::Random;
use crate::threads::{AddUp, Number, Sum, Total, kept_in, numbers, options, run_in_time, sums};

/// Panics the `n`-th time it is stepped on, over all threads and attempts; then never again.
#[derive(Clone)]
struct Trap(Arc<AtomicI64>);

impl Trap {
    fn after(steps: u64) -> Trap {
        Trap(Arc::new(AtomicI64::new(steps as i64)))
    }

    fn step(&self) {
        assert!(self.0.fetch_sub(1, Ordering::SeqCst) != 1, "the trap has sprung");
    }
}

struct Trapped {
    trap: Trap,
    timers: Trap,
}

#[operator]
impl Trapped {
    fn on_event(&self, number: Number, total: &mut Total, cx: &mut Context<Self>) -> Sum {
        self.trap.step();
        total.count += 1;
        total.sum += number.n;
        cx.set_processing_timer(cx.processing_time(), number.n);
        (number.key, total.count, total.sum)
    }

    fn on_timer(&self, _: u64, _: &mut Total, _: &mut Context<Self>) -> Option<Sum> {
        self.timers.step();
        None
    }
}

/// A sink whose writer has traps.
#[derive(Clone)]
struct TrappedSink {
    collect: Collect<Sum>,
    traps: Traps,
}

impl Settle for TrappedSink {
    fn describe(&self) -> String {
        self.collect.describe()
    }
    fn delivery(&self) -> Delivery {
        self.collect.delivery()
    }
    fn settle(&self, cx: &SettleContext<'_>) -> Result<()> {
        self.collect.settle(cx)
    }
}

impl Sink<Sum> for TrappedSink {
    type Writer = TrappedWriter;

    fn open(&self, cx: &SinkContext) -> Result<TrappedWriter> {
        Ok(TrappedWriter { writer: self.collect.open(cx)?, traps: self.traps.clone() })
    }
}

struct TrappedWriter {
    writer: <Collect<Sum> as Sink<Sum>>::Writer,
    traps: Traps,
}

impl SinkWriter<Sum> for TrappedWriter {
    fn write(&mut self, record: Sum) -> Result<()> {
        self.traps.step("write");
        self.writer.write(record)
    }
    fn flush(&mut self) -> Result<()> {
        self.traps.step("flush");
        self.writer.flush()
    }
    fn pre_commit(&mut self, snapshot: tidegate::record::SnapshotId) -> Result<Option<Pending>> {
        self.traps.step("pre-commit");
        let pending = self.writer.pre_commit(snapshot);
        self.traps.step("pre-commit, behind it");
        pending
    }
    fn commit(&mut self, pending: &Pending) -> Result<()> {
        self.traps.step("commit");
        self.writer.commit(pending)?;
        self.traps.step("commit, behind it");
        Ok(())
    }
}

/// One trap at one of many places.
#[derive(Clone)]
struct Traps {
    place: &'static str,
    trap: Trap,
}

impl Traps {
    fn step(&self, place: &str) {
        if place == self.place {
            self.trap.step();
        }
    }

    fn at(&self, place: &str) -> Trap {
        if place == self.place { self.trap.clone() } else { Trap::after(0) }
    }
}

#[test]
fn a_panic_anywhere_in_the_users_code_restarts_the_job_and_the_results_are_exact() {
    const COUNT: u64 = 12_000;
    let mut random = Random::of_test("a_panic_anywhere_in_the_users_code");
    let places = [
        ("generate", COUNT),
        ("map", COUNT),
        ("key", COUNT),
        ("operator", COUNT),
        ("timer", COUNT / 2),
        ("write", COUNT),
        ("flush", 20),
        ("pre-commit", 5),
        ("pre-commit, behind it", 5),
        ("commit", 3),
        ("commit, behind it", 3),
    ];
    for (place, steps) in places {
        for with_snapshots in [true, false] {
            let traps = Traps { place, trap: Trap::after(1 + random.below(steps)) };
            let sink = TrappedSink { collect: Collect::new(), traps: traps.clone() };
            let directory = tempfile::tempdir().unwrap();
            let workers = 1 + random.below(3) as u32;
            let options = RunOptions {
                restart: RestartStrategy::Fixed { attempts: 1, delay: Duration::ZERO },
                max_rate: std::num::NonZeroU64::new(60_000),
                ..if with_snapshots { kept_in(directory.path(), workers) } else { options(workers) }
            };
            let what = format!("{place}, after {:?}, {workers} workers, {with_snapshots}", traps.trap.0);
            let summary = run_in_time(options, &Signals::by_hand(), |job| {
                let traps = traps.clone();
                let (generate, map, key) = (traps.at("generate"), traps.at("map"), traps.at("key"));
                let generated = Generate::new(COUNT, move |n| {
                    generate.step();
                    Number { key: n % 4 + 4 * (n / 4 % 5), n }
                });
                job.source("numbers", generated.splits(4))
                    .map(move |number| {
                        map.step();
                        number
                    })
                    .key_by(move |number: &Number| {
                        key.step();
                        number.key
                    })
                    .process("add-up", Trapped { trap: traps.at("operator"), timers: traps.at("timer") })
                    .sink("sums", sink.clone());
                Ok(())
            });
            let summary = summary.unwrap_or_else(|error| panic!("{what}: {error:#}"));
            assert_eq!((summary.outcome, summary.restarts), (Outcome::Finished, 1), "{what}");
            println!("{what}");
            assert_same(sink.collect.take(), sums(COUNT));
        }
    }
}

#[test]
fn a_job_that_always_fails_is_given_up_says_where_it_failed_and_leaves_no_thread_behind() {
    for (restart, attempts) in
        [(RestartStrategy::None, 1), (RestartStrategy::Fixed { attempts: 3, delay: millis(5) }, 4)]
    {
        // Every stage holds one; who is left behind would still have it.
        let opened = Arc::new(AtomicU32::new(0));
        let witness = Arc::clone(&opened);
        let error = run_in_time(RunOptions { restart, ..options(3) }, &Signals::by_hand(), move |job| {
            let sink = Collect::new();
            job.source("numbers", numbers(50_000))
                .map(move |number| {
                    if number.n == 4_321 {
                        witness.fetch_add(1, Ordering::SeqCst);
                        panic!("4321 is an unlucky number");
                    }
                    number
                })
                .key_by(|number| number.key)
                .process("add-up", AddUp { slow_every: u64::MAX })
                .sink("sums", sink);
            Ok(())
        });
        let error = error.unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("source \"numbers\", 1 of 4, record 1081"), "{text}");
        assert!(text.contains("4321 is an unlucky number") && text.contains("restarts.rs:"), "{text}");
        assert_eq!(error.exit_code(), 1);
        assert_eq!(opened.load(Ordering::SeqCst), attempts, "{restart}");
        assert_eq!(Arc::strong_count(&opened), 1, "nothing of the job is left");
    }
}

#[test]
fn a_stop_ends_the_wait_for_a_restart() {
    let stop = Signals::by_hand();
    let restart = RestartStrategy::Fixed { attempts: 9, delay: secs(3600) };
    let asked = stop.clone();
    let error = run_in_time(RunOptions { restart, ..options(2) }, &stop, move |job| {
        let failing = move |number: Number| -> Number {
            asked.request_stop();
            panic!("no {}", number.n)
        };
        job.source("numbers", numbers(10)).map(failing).discard();
        Ok(())
    });
    assert!(error.unwrap_err().to_string().contains("no "));
}
