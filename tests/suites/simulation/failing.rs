//! Snapshots that fail: the job goes on, and what it shows in the end is exact.

use tidegate::prelude::*;
use tidegate::testing::TestRun;

use super::keyed::{SumUp, entries, read_sums, sums};
use super::{Dribble, Random, Scenario, assert_same, under_seeds};

/// Sums entries up, into two sinks; what they show must be exact.
fn sum_up(random: &mut Random, scenario: &Scenario) -> TestRun {
    let splits = entries(random);
    let (results, dir) = (Collect::new(), tempfile::tempdir().unwrap());
    let run = scenario.run(|job| {
        let (sums, copies) = job
            .source("entries", Dribble::of(splits.clone(), scenario.seed))
            .key_by_ref(|entry| &entry.key)
            .process("sum-up", SumUp)
            .tee();
        sums.sink("sums", results.clone());
        copies.sink("copies", JsonLines::write(dir.path()));
        Ok(())
    });
    assert_same(results.take(), sums(&splits));
    assert_same(read_sums(dir.path()), sums(&splits));
    run
}

#[test]
fn results_are_exact_though_the_snapshot_directory_is_gone_again_and_again() {
    let total = under_seeds("results_are_exact_though_the_snapshot_directory", 12, |random, scenario| {
        let away_every = Some(2 + random.below(60) as usize);
        sum_up(random, &Scenario { away_every, ..scenario.clone() })
    });
    // A seed that is rerun alone need not be one of those in which one fails.
    assert!(total.failed_snapshots > 0 || std::env::var_os("TIDEGATE_SEED").is_some(), "no snapshot failed");
}

#[test]
fn results_are_exact_though_snapshots_take_too_long() {
    let total = under_seeds("results_are_exact_though_snapshots_take_too_long", 8, |random, scenario| {
        let timeout_ms = 2 + random.below(12);
        sum_up(random, &Scenario { timeout_ms, ..scenario.clone() })
    });
    // A seed that is rerun alone need not be one of those in which one fails.
    assert!(total.failed_snapshots > 0 || std::env::var_os("TIDEGATE_SEED").is_some(), "no snapshot failed");
}
