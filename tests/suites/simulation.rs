//! Whole jobs under crash and restore, in one thread and under virtual time, held against plain loops.
//!
//! Every job here runs under many seeds. A seed decides the input, how it is read, the interleaving of the workers, how
//! many there are, when they are killed and whether snapshots are aligned. What the job has committed in the end must be what a loop over the input says,
//! as a multiset: nothing lost, nothing twice. A seed that fails is printed with the command that reruns it.

mod async_io;
mod backpressure;
mod batch;
mod broadcast;
mod clock;
mod dribble;
mod event_time;
mod failing;
mod iteration;
mod joins;
mod keyed;
mod patterns;
mod rekeyed;
mod table;
mod unkeyed;
mod watermarks;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tidegate::Result;
use tidegate::job::Job;
use tidegate::snapshot::SnapshotMode;
use tidegate::testing::{TestJob, TestRun};
use tidegate::time::millis;

pub use crate::support::Random;
pub use dribble::Dribble;

/// How a seed runs a job.
#[derive(Clone, Debug)]
pub struct Scenario {
    pub seed: u64,
    /// The number of workers at first and after each crash.
    pub workers: Vec<u32>,
    /// After how many turns the job is killed, each time anew.
    pub crashes: Vec<usize>,
    pub interval_ms: u64,
    /// What becomes of records in flight.
    pub mode: SnapshotMode,
    /// How often it is killed after that, each time just when a snapshot is complete.
    pub at_snapshots: usize,
    /// About how many turns the snapshot directory is there, and then is not, if it is ever away.
    pub away_every: Option<usize>,
    /// How long a snapshot may take.
    pub timeout_ms: u64,
}

impl Scenario {
    fn of(random: &mut Random, seed: u64) -> Scenario {
        let crashes: Vec<usize> = (0..1 + random.below(4))
            .map(|_| {
                // A crash at once, one before the first snapshot, one in the midst of things, one near the end.
                let most = [20, 100, 300, 700][random.below(4) as usize];
                random.below(most) as usize
            })
            .collect();
        let workers = (0..=crashes.len()).map(|_| 1 + random.below(4) as u32).collect();
        let interval_ms = 3 + random.below(20);
        let at_snapshots = random.below(3) as usize;
        let modes = [
            SnapshotMode::Aligned,
            SnapshotMode::Unaligned,
            SnapshotMode::Auto { alignment_timeout: millis(2) },
        ];
        let mode = *random.one_of(&modes);
        Scenario {
            seed,
            workers,
            crashes,
            interval_ms,
            mode,
            at_snapshots,
            away_every: None,
            timeout_ms: 600_000,
        }
    }

    /// Runs the job that `wire` wires.
    pub fn run(&self, wire: impl FnOnce(&Job) -> Result<()>) -> TestRun {
        let mut job = TestJob::new("simulated", wire).unwrap();
        if let Some(turns) = self.away_every {
            job = job.snapshots_away_every(turns);
        }
        job.seed(self.seed)
            .parallelism(self.workers.iter().copied())
            .crash_after(self.crashes.iter().copied())
            .crash_at_snapshots(self.at_snapshots)
            .snapshot_interval(millis(self.interval_ms))
            .snapshot_mode(self.mode)
            .snapshot_timeout(millis(self.timeout_ms))
            .run()
            .unwrap()
    }
}

/// Runs `body` under every seed below `seeds`, or only under the one that `TIDEGATE_SEED` names. `TIDEGATE_SEEDS=100` makes
/// it a hundred times as many seeds, for a night.
///
/// `body` runs a job and compares; it is run twice under some seeds, which must give one and the same run.
pub fn under_seeds(test: &str, seeds: u64, body: impl Fn(&mut Random, &Scenario) -> TestRun) -> TestRun {
    let total = run_under_seeds(test, seeds, body);
    assert!(total.in_flight > 0 || is_one_seed(), "nothing was ever in flight");
    total
}

/// [`under_seeds`] for a job in which no barrier can overtake: nothing is keyed, or every keyed operator is told something by
/// broadcast.
pub fn under_seeds_all_aligned(
    test: &str,
    seeds: u64,
    body: impl Fn(&mut Random, &Scenario) -> TestRun,
) -> TestRun {
    let total = run_under_seeds(test, seeds, body);
    assert_eq!(total.in_flight, 0, "a barrier has overtaken where none can");
    total
}

fn is_one_seed() -> bool {
    std::env::var_os("TIDEGATE_SEED").is_some()
}

fn run_under_seeds(test: &str, seeds: u64, body: impl Fn(&mut Random, &Scenario) -> TestRun) -> TestRun {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse::<u64>().expect(variable));
    let (named, seeds) = (number("TIDEGATE_SEED"), seeds * number("TIDEGATE_SEEDS").unwrap_or(1));
    let mut total = TestRun::default();
    for seed in named.map_or(0..seeds, |seed| seed..seed + 1) {
        let scenario = Scenario::of(&mut Random::seeded(!seed), seed);
        let attempt = || {
            let run = body(&mut Random::seeded(seed), &scenario);
            if seed % 8 == 0 {
                let again = body(&mut Random::seeded(seed), &scenario);
                assert_eq!(again, run, "one seed run twice gives one run");
            }
            run
        };
        match catch_unwind(AssertUnwindSafe(attempt)) {
            Ok(run) => {
                total.crashes += run.crashes;
                total.restores += run.restores;
                total.snapshots += run.snapshots;
                total.failed_snapshots += run.failed_snapshots;
                total.restarts += run.restarts;
                total.turns += run.turns;
                total.in_flight += run.in_flight;
            }
            Err(panic) => {
                println!("{scenario:?}");
                println!(
                    "rerun with: TIDEGATE_SEED={seed} cargo test -p tidegate-tests --test suites {test}"
                );
                resume_unwind(panic);
            }
        }
    }
    if !is_one_seed() {
        // A simulation in which nothing happens proves nothing.
        assert!(total.crashes as u64 > seeds / 2, "only {} crashes", total.crashes);
        assert!(total.restores as u64 > seeds / 3, "only {} restores from a snapshot", total.restores);
    }
    total
}

/// Compares two multisets.
pub fn assert_same<T: Ord + std::fmt::Debug>(mut committed: Vec<T>, mut expected: Vec<T>) {
    committed.sort();
    expected.sort();
    let different = committed.iter().zip(&expected).position(|(committed, expected)| committed != expected);
    let first = different.unwrap_or(committed.len().min(expected.len()));
    assert!(
        committed == expected,
        "{} records were committed, {} expected; in order, number {first} is {:?} and should be {:?}",
        committed.len(),
        expected.len(),
        committed.get(first),
        expected.get(first),
    );
}
