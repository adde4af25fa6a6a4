//! The same operator in a whole job, which is killed and restored at other parallelisms: its state goes through files, chains
//! of them, and compaction. What was committed says when each visit took place; the model must agree with what it saw then.

use std::cell::Cell;
use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;
use tidegate::prelude::*;
use tidegate::snapshot::SnapshotMode;
use tidegate::testing::{TestJob, TestRun};

use super::model::Model;
use super::operator::{Everything, Seen, Visit};
use super::sequence::visit;
use super::under_seeds;
use crate::simulation::Dribble;

/// How a job is run.
#[derive(Clone, Debug)]
struct Scenario {
    visits: Vec<Visit>,
    seed: u64,
    interval_ms: u64,
    mode: SnapshotMode,
    workers: Vec<u32>,
    crashes: Vec<usize>,
    crashes_at_snapshots: usize,
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    let crashes = vec(prop_oneof![0..40usize, 0..400usize], 0..4);
    let visits = vec(visit(false), 1..400);
    let auto = SnapshotMode::Auto { alignment_timeout: millis(1) };
    let modes = prop_oneof![Just(SnapshotMode::Aligned), Just(SnapshotMode::Unaligned), Just(auto)];
    let snapshots = (2..9u64, modes);
    (visits, any::<u64>(), snapshots, vec(1..4u32, 4), crashes, 0..3usize).prop_map(
        |(mut visits, seed, (interval_ms, mode), workers, crashes, crashes_at_snapshots)| {
            // Event time goes on, and some visits are late.
            for (place, visit) in visits.iter_mut().enumerate() {
                visit.at += place as i64 * 2;
            }
            Scenario { visits, seed, interval_ms, mode, workers, crashes, crashes_at_snapshots }
        },
    )
}

fn hold(scenario: &Scenario) -> Result<TestRun> {
    let committed = Collect::new();
    let job = TestJob::new("any-state", |job| {
        job.source("visits", Dribble::of(vec![scenario.visits.clone()], scenario.seed))
            .event_time(|visit: &Visit| EventTime::from_millis(visit.at), Watermarks::bounded(millis(15)))
            .key_by(|visit| visit.key)
            .process("everything", Everything)
            .sink("seen", committed.clone());
        Ok(())
    })?;
    let run = job
        .seed(scenario.seed)
        .snapshot_interval(millis(scenario.interval_ms))
        .snapshot_mode(scenario.mode)
        .parallelism(scenario.workers.iter().copied())
        .crash_after(scenario.crashes.iter().copied())
        .crash_at_snapshots(scenario.crashes_at_snapshots)
        .run()?;
    let mut by_key = BTreeMap::<u64, Vec<Seen>>::new();
    for seen in committed.take() {
        by_key.entry(seen.key).or_default().push(seen);
    }
    for (key, all_seen) in by_key {
        let mut visits = scenario.visits.iter().filter(|visit| visit.key == key);
        let mut model = Model::default();
        for seen in all_seen {
            model.times.watermark = seen.watermark;
            model.times.processing = seen.processing_time;
            let expected = match seen.due {
                None => visits.next().map(|visit| model.visit(visit, visit.at)),
                Some(at) => model.fire_any(key, at, &seen.saw),
            };
            if expected.as_ref() != Some(&seen) {
                return Err(Error::failure(format!(
                    "the operator saw\n{seen:?}, and should have seen\n{expected:?}"
                )));
            }
        }
        if visits.next().is_some() || model.awaits_event_time() {
            return Err(Error::failure(format!(
                "a visit of key {key} was not seen, or a timer did not fire"
            )));
        }
    }
    Ok(run)
}

#[test]
fn any_job_that_is_killed_and_rescaled_commits_what_the_model_says() {
    let total = Cell::new((0, 0, 0));
    under_seeds("any_job_that_is_killed_and_rescaled_commits", 200, &scenarios(), |scenario| {
        let run = hold(scenario)?;
        let (snapshots, restores, in_flight) = total.get();
        total.set((snapshots + run.snapshots, restores + run.restores, in_flight + run.in_flight));
        Ok(())
    });
    let (snapshots, restores, in_flight) = total.get();
    // Jobs that are never restored prove nothing.
    assert!(
        restores > 50 && in_flight > 0 || std::env::var_os("TIDEGATE_SEED").is_some(),
        "{restores} restores, {snapshots} snapshots, {in_flight} records in flight"
    );
}
