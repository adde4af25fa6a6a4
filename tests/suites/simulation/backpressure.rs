//! Back-pressure: more comes in than is worked off, so that every channel is full when a snapshot is to be taken.

use tidegate::prelude::*;
use tidegate::snapshot::SnapshotMode;
use tidegate::testing::{TestJob, TestRun};

use super::{Dribble, Random, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Drop {
    key: u64,
    n: u64,
}

#[state(key = u64)]
#[derive(Default)]
struct Level {
    drops: u64,
    sum: u64,
}

#[operator]
fn fill(drop: Drop, level: &mut Level) -> (u64, u64, u64) {
    level.drops += 1;
    level.sum += drop.n;
    (drop.key, level.drops, level.sum)
}

/// Two splits for each of four workers, and with every read something for each of them.
const SPLITS: u64 = 8;
const RECORDS: u64 = 1_000;
const COPIES: u64 = 8;

/// All that comes of the record `n` of a split: with keys that only this split has, so that their order is its own.
fn copies((split, n): (u64, u64)) -> impl Iterator<Item = Drop> + use<> {
    (0..COPIES).map(move |copy| Drop { key: COPIES * split + copy, n })
}

fn splits() -> Vec<Vec<(u64, u64)>> {
    (0..SPLITS).map(|split| (0..RECORDS).map(|n| (split, n)).collect()).collect()
}

fn expected() -> Vec<(u64, u64, u64)> {
    let keys = 0..SPLITS * COPIES;
    keys.flat_map(|key| (0..RECORDS).map(move |n| (key, n + 1, n * (n + 1) / 2))).collect()
}

/// Several times what the workers can work off: with every read of one, a batch and a watermark for each, who takes one a
/// turn.
fn flooded(
    results: &Collect<(u64, u64, u64)>,
    run: impl FnOnce(TestJob) -> tidegate::Result<TestRun>,
) -> TestRun {
    let job = TestJob::new("flooded", |job| {
        job.source("drops", Dribble::of(splits(), 7))
            .event_time(|(_, n)| EventTime::from_millis(*n as i64), Watermarks::monotonous())
            .flat_map(copies)
            .key_by(|drop| drop.key)
            .process("fill", Fill)
            .sink("levels", results.clone());
        Ok(())
    });
    run(job.unwrap()).unwrap()
}

#[test]
fn under_back_pressure_an_unaligned_snapshot_is_complete_long_before_an_aligned_one_could_be() {
    const WORKERS: usize = 4;
    let turns = |mode: SnapshotMode| {
        let results = Collect::new();
        let run = flooded(&results, |job| {
            job.parallelism([WORKERS as u32]).snapshot_interval(millis(40)).snapshot_mode(mode).run()
        });
        assert_same(results.take(), expected());
        assert!(run.snapshots > 2, "{mode:?}: {run:?}");
        run
    };
    let aligned = turns(SnapshotMode::Aligned);
    let unaligned = turns(SnapshotMode::Unaligned);
    // A worker has a channel from every worker, with 8 batches and watermarks in each, and works off a batch in a turn.
    assert!(aligned.snapshot_turns_max > 4 * WORKERS * WORKERS, "{aligned:?}");
    assert_eq!(aligned.in_flight, 0);
    // Every worker needs a turn to cut, one to send its barriers and one to receive them.
    assert!(unaligned.snapshot_turns_max < 8 * WORKERS, "{unaligned:?}");
    assert!(unaligned.in_flight > 1_000, "{unaligned:?}");
    let timeout = millis(10);
    let auto = turns(SnapshotMode::Auto { alignment_timeout: timeout });
    let waited = timeout.as_millis() as usize * WORKERS;
    assert!(auto.snapshot_turns_max > waited, "{auto:?}");
    assert!(auto.snapshot_turns_max < waited + 8 * WORKERS, "{auto:?}");
    assert!(auto.in_flight > 1_000, "{auto:?}");
}

#[test]
fn records_that_were_in_flight_are_worked_off_once_and_in_order_however_the_job_is_killed_and_rescaled() {
    under_seeds("records_that_were_in_flight", 8, |random: &mut Random, scenario| {
        let results = Collect::new();
        let workers: Vec<u32> = (0..5).map(|_| 2 + random.below(4) as u32).collect();
        // Killed behind unaligned snapshots, again and again before what was in flight is worked off.
        let run = flooded(&results, |job| {
            job.seed(scenario.seed)
                .parallelism(workers)
                .snapshot_interval(millis(2 + random.below(9)))
                .snapshot_mode(SnapshotMode::Unaligned)
                .crash_after([40 + random.below(60) as usize])
                .crash_at_snapshots(4)
                .run()
        });
        assert_same(results.take(), expected());
        assert!(run.in_flight > 1_000, "{run:?}");
        run
    });
}

/// How often it was looked at a key, and how far event time had come then.
type Look = (u64, u64, i64);

#[state(key = u64)]
#[derive(Default)]
struct Looks {
    taken: u64,
}

impl Looks {
    fn take(&mut self, key: u64, watermark: EventTime) -> Look {
        self.taken += 1;
        (key, self.taken, watermark.as_millis())
    }
}

/// Looks at a key when something comes, and again by the clock.
struct LookAgain;

#[operator]
impl LookAgain {
    fn on_event(&self, drop: Drop, looks: &mut Looks, cx: &mut Context<Self>, out: &mut impl Emit<Look>) {
        out.emit(looks.take(drop.key, cx.watermark()));
        cx.set_processing_timer(cx.processing_time() + millis(drop.n % 7), ());
    }

    fn on_timer(&self, _: (), looks: &mut Looks, cx: &mut Context<Self>, out: &mut impl Emit<Look>) {
        out.emit(looks.take(*cx.key(), cx.watermark()));
    }
}

#[test]
fn a_timer_by_the_clock_never_sees_event_time_go_back_behind_what_was_in_flight() {
    // Subtasks cut at different watermarks, and one that takes over the keys of another began at the least of all. A timer by
    // the clock that was due in the meantime saw that one.
    under_seeds("a_timer_by_the_clock_never_sees_event_time_go_back", 8, |random: &mut Random, scenario| {
        let results = Collect::new();
        let job = TestJob::new("looks", |job| {
            job.source("drops", Dribble::of(splits(), 7))
                .event_time(|(_, n)| EventTime::from_millis(*n as i64), Watermarks::monotonous())
                .flat_map(copies)
                .key_by(|drop| drop.key)
                .process("look-again", LookAgain)
                .sink("looks", results.clone());
            Ok(())
        });
        let run = job
            .unwrap()
            .seed(scenario.seed)
            .parallelism((0..5).map(|_| 2 + random.below(4) as u32).collect::<Vec<_>>())
            .snapshot_interval(millis(2 + random.below(9)))
            .snapshot_mode(SnapshotMode::Unaligned)
            .crash_after([40 + random.below(60) as usize])
            .crash_at_snapshots(4)
            .run()
            .unwrap();
        let mut looks = results.take();
        looks.sort_unstable();
        for pair in looks.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
            assert!(pair[0].1 < pair[1].1, "looked at twice: {pair:?}");
            assert!(pair[0].2 <= pair[1].2, "event time went back: {pair:?}");
        }
        run
    });
}
