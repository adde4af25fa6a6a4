//! Runs a whole job in the calling thread, under virtual time, with an interleaving that a seed decides.
//!
//! The workers are the same as in a running job; only their turns are given by hand, one at a time, in an order that the
//! seed decides. The clock advances with their turns. One seed run twice gives the same run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::attempt::{Attempt, Restored, Setting};
use crate::job::figures::EventTimeFigures;
use crate::job::{Graph, Job, RunOptions};
use crate::key::Parallelism;
use crate::snapshot::{RestoreTarget, SnapshotDirectory, SnapshotMode};
use crate::state::backend::{StateBackend, StoreKind};
use crate::state::fjall::StateDirectory;
use crate::state::memory::StateMemory;
use crate::task::mode::Mode;
use crate::task::worker::{Step, Worker};
use crate::time::{Clock, EventTime, millis};

/// A job under test.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// let odd = Collect::new();
/// let run = TestJob::new("odd", |job| {
///     job.source("numbers", Memory::of((0..10u64).collect())).filter(|n| n % 2 == 1).sink("odd", odd.clone());
///     Ok(())
/// })?
/// .seed(7)
/// .crash_after([2, 2])
/// .run()?;
/// assert_eq!(run.crashes, 2);
/// assert_eq!(odd.take(), [1, 3, 5, 7, 9]);
/// # Ok::<(), tidegate::Error>(())
/// ```
pub struct TestJob {
    graph: Graph,
    options: RunOptions,
    seed: u64,
    crashes: Vec<usize>,
    crashes_at_snapshots: usize,
    absences_every: Option<usize>,
    parallelisms: Vec<Parallelism>,
    store: Option<StoreKind>,
}

/// A job that has not ended after so many turns of its workers never will.
const TURNS_MAX: usize = 10_000_000;

/// What a test run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestRun {
    /// Snapshots that were completed.
    pub snapshots: u64,
    /// Snapshots that failed, and were given up.
    pub failed_snapshots: u64,
    /// How often the job was killed.
    pub crashes: usize,
    /// How often it started again by itself, because its last snapshot failed, or the one it was restored from was gone.
    pub restarts: usize,
    /// How often it was restored from a snapshot; after the other crashes there was none yet, and it began anew.
    pub restores: usize,
    /// How many turns the workers had.
    pub turns: usize,
    /// Records that were in flight at the cuts of the completed snapshots, and so are part of them.
    pub in_flight: u64,
    /// The most turns that a snapshot took from its beginning until it was complete, but for the last.
    pub snapshot_turns_max: usize,
    /// How far event time has come in the end, and how many records were late. What was read again after a crash counts again.
    pub event_time: EventTimeFigures,
}

/// How far the clock advances in a round: as many turns as there are workers.
const ROUND: Duration = millis(1);

impl TestJob {
    /// A job that `wire` wires, with one worker, seed 0, a snapshot every 5 ms of virtual time, and no crash.
    ///
    /// # Errors
    /// If the job can't be wired.
    pub fn new(name: &str, wire: impl FnOnce(&Job) -> Result<()>) -> Result<TestJob> {
        let job = Job::new(name);
        wire(&job)?;
        let options = RunOptions { snapshot_interval: millis(5), ..RunOptions::default() };
        Ok(TestJob {
            graph: job.finish()?,
            options,
            seed: 0,
            crashes: Vec::new(),
            crashes_at_snapshots: 0,
            absences_every: None,
            parallelisms: vec![Parallelism::ONE],
            store: None,
        })
    }

    /// Decides the interleaving of the workers' turns.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> TestJob {
        self.seed = seed;
        self
    }

    /// The number of workers; after each crash the next number is taken, and the last one stays.
    ///
    /// # Panics
    /// If one is 0 or above 128.
    #[must_use]
    pub fn parallelism(mut self, workers: impl IntoIterator<Item = u32>) -> TestJob {
        let max = self.options.max_parallelism;
        let valid =
            |workers| Parallelism::new(workers, max).expect("the parallelism of a test job is from 1 to 128");
        self.parallelisms = workers.into_iter().map(valid).collect();
        self
    }

    /// Where keyed state lies. If nothing is said the seed decides, for each attempt anew.
    #[must_use]
    pub fn store(mut self, store: StoreKind) -> TestJob {
        self.store = Some(store);
        self
    }

    /// Virtual time between two snapshots. The clock advances by 1 ms with every round: as many turns as there are workers.
    #[must_use]
    pub fn snapshot_interval(mut self, interval: Duration) -> TestJob {
        self.options.snapshot_interval = interval;
        self
    }

    /// Runs it as a batch: without snapshots, and from the beginning after each crash.
    #[must_use]
    pub fn batch(mut self) -> TestJob {
        self.options.mode = Mode::Batch;
        self
    }

    /// What becomes of records in flight when a snapshot is taken; they are worked off if nothing is said.
    #[must_use]
    pub fn snapshot_mode(mut self, mode: SnapshotMode) -> TestJob {
        self.options.snapshot_mode = mode;
        self
    }

    /// Kills the job after so many turns, restores it from the last complete snapshot, kills it again, ...
    #[must_use]
    pub fn crash_after(mut self, turns: impl IntoIterator<Item = usize>) -> TestJob {
        self.crashes = turns.into_iter().collect();
        self
    }

    /// After the crashes of [`crash_after`](TestJob::crash_after), kills the job so many times just when a snapshot is
    /// complete and no sink has committed, and restores it from that snapshot.
    #[must_use]
    pub fn crash_at_snapshots(mut self, times: usize) -> TestJob {
        self.crashes_at_snapshots = times;
        self
    }

    /// Virtual time after which a snapshot that is not complete is given up.
    #[must_use]
    pub fn snapshot_timeout(mut self, timeout: Duration) -> TestJob {
        self.options.snapshot_timeout = timeout;
        self
    }

    /// Takes the snapshot directory away and puts it back, again and again, each time after so many turns or so: snapshots
    /// fail that begin, or write, or complete in between.
    #[must_use]
    pub fn snapshots_away_every(mut self, turns: usize) -> TestJob {
        self.absences_every = Some(turns);
        self
    }

    /// Runs the job to the end of its input.
    ///
    /// # Errors
    /// What a running job would fail with; or if it has not come to an end after ten million turns.
    pub fn run(mut self) -> Result<TestRun> {
        let scratch = Scratch::new()?;
        let state = Arc::new(StateDirectory::temporary()?);
        let snapshots = SnapshotDirectory::open(&scratch.snapshots())?;
        let clock = Clock::virtual_at(EventTime::from_millis(0));
        let graph = Arc::new(self.graph);
        let mut random = Random(self.seed);
        let mut run = TestRun::default();
        let mut crashes = self.crashes.into_iter();
        let mut parallelisms = self.parallelisms.into_iter();
        let mut absence = Absence { every: self.absences_every, scratch: &scratch, is_away: false };
        loop {
            self.options.parallelism = parallelisms.next().unwrap_or(self.options.parallelism);
            let kept = (self.options.mode == Mode::Streaming).then_some(&snapshots);
            let restored = match kept {
                Some(snapshots) => snapshots.resolve(&RestoreTarget::Latest)?,
                None => None,
            };
            run.restores += usize::from(restored.is_some());
            let setting = Setting {
                graph: Arc::clone(&graph),
                options: &self.options,
                clock: clock.clone(),
                snapshots: kept,
                first_snapshot: snapshots.next_id(),
                restored: restored.map(|snapshot| Arc::new(Restored::from(snapshot))),
                state: Arc::new(store(self.store, &state, &mut random).inline()),
                savepoints: None,
                pauses: Arc::default(),
            };
            let (mut attempt, seeds) = Attempt::prepare(setting, true)?;
            let workers = seeds.into_iter().map(|seed| seed.grow()).collect::<Result<Vec<_>>>()?;
            let crash = match crashes.next() {
                Some(turns) => Crash::AfterTurns(turns),
                None if self.crashes_at_snapshots > 0 => {
                    self.crashes_at_snapshots -= 1;
                    Crash::AtSnapshot
                }
                None => Crash::Never,
            };
            let ended = drive(&mut attempt, workers, crash, &clock, &mut random, &mut absence, &mut run);
            run.snapshots += attempt.figures.completed;
            run.failed_snapshots += attempt.figures.failed;
            run.in_flight += attempt.figures.in_flight;
            run.event_time = run.event_time.followed_by(attempt.event_time.read(clock.now()));
            attempt.end();
            match ended {
                Ok(Ended::Finished) => return Ok(run),
                Ok(Ended::Crashed) => run.crashes += 1,
                // Without its last snapshot a job can't end, and without the one that it was restored from it may be unable
                // to go on. It goes back to the newest that there is, as a running job would.
                Ok(Ended::WithoutSnapshot) => run.restarts += 1,
                Err(error) => return Err(error),
            }
            absence.end()?;
        }
    }
}

/// The store that was asked for, or some one: which it is is nothing that a job could notice.
fn store(kind: Option<StoreKind>, directory: &Arc<StateDirectory>, random: &mut Random) -> StateBackend {
    match kind {
        Some(StoreKind::Heap) => return StateBackend::heap(),
        Some(StoreKind::Fjall) => {
            return StateBackend::fjall(Arc::clone(directory), StateMemory::unlimited());
        }
        None => {}
    }
    match random.below(8) {
        // Every such store makes a database, which takes a while.
        0 => StateBackend::fjall(Arc::clone(directory), StateMemory::of(random.below(4096) as u64)),
        1..4 => StateBackend::fjall(Arc::clone(directory), StateMemory::unlimited()),
        _ => StateBackend::heap(),
    }
}

/// When an attempt is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// It may run to its end.
    Never,
    /// After so many turns.
    AfterTurns(usize),
    /// When a snapshot is complete, unless it is the last: behind that one there is nothing to lose.
    AtSnapshot,
}

/// How an attempt ended.
enum Ended {
    Finished,
    Crashed,
    /// A snapshot failed or was gone without which it could not go on.
    WithoutSnapshot,
}

/// Gives turns until the job has ended or is to be killed.
fn drive(
    attempt: &mut Attempt<'_>,
    mut workers: Vec<Worker>,
    crash: Crash,
    clock: &Clock,
    random: &mut Random,
    absence: &mut Absence<'_>,
    run: &mut TestRun,
) -> Result<Ended> {
    let round = workers.len().max(1);
    let mut snapshot_turns = 0;
    for turn in 1..=TURNS_MAX {
        run.turns += 1;
        if turn % round == 0 {
            clock.set(clock.now() + ROUND);
        }
        if !workers.is_empty() {
            let worker = random.below(workers.len());
            match workers[worker].step() {
                Ok(Step::Done) => drop(workers.swap_remove(worker)),
                Ok(_) => {}
                // State that it needs just now is still in the snapshot that it was restored from.
                Err(_) if absence.is_away => return Ok(Ended::WithoutSnapshot),
                Err(error) => return Err(error),
            }
        }
        absence.turn(random)?;
        let failed = attempt.figures.failed;
        match attempt.drive(Duration::ZERO) {
            Err(_) if attempt.figures.failed > failed => return Ok(Ended::WithoutSnapshot),
            driven => driven?,
        }
        let snapshot_is_taken = attempt.is_gathering() && attempt.ending().is_none();
        snapshot_turns = if snapshot_is_taken { snapshot_turns + 1 } else { 0 };
        run.snapshot_turns_max = run.snapshot_turns_max.max(snapshot_turns);
        if attempt.is_finished() && workers.is_empty() {
            return Ok(Ended::Finished);
        }
        let crashes = match crash {
            Crash::Never => false,
            Crash::AfterTurns(turns) => turn >= turns,
            Crash::AtSnapshot => attempt.figures.completed > 0 && attempt.ending().is_none(),
        };
        if crashes {
            return Ok(Ended::Crashed);
        }
    }
    Err(Error::failure(format!("the job has not come to an end after {TURNS_MAX} turns")))
}

/// Whether the snapshot directory is there.
struct Absence<'a> {
    every: Option<usize>,
    scratch: &'a Scratch,
    is_away: bool,
}

impl Absence<'_> {
    fn turn(&mut self, random: &mut Random) -> Result<()> {
        match self.every {
            Some(turns) if random.below(turns) == 0 => self.toggle(),
            _ => Ok(()),
        }
    }

    fn end(&mut self) -> Result<()> {
        if self.is_away { self.toggle() } else { Ok(()) }
    }

    fn toggle(&mut self) -> Result<()> {
        let (there, away) = (self.scratch.snapshots(), self.scratch.0.join("away"));
        let (from, to) = if self.is_away { (away, there) } else { (there, away) };
        std::fs::rename(from, to)?;
        self.is_away = !self.is_away;
        Ok(())
    }
}

/// SplitMix64: a generator that a seed decides.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound.max(1) as u64) as usize
    }
}

/// A directory of its own for one run, removed when the run is over.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Scratch> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tidegate-test-job-{}-{run}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    fn snapshots(&self) -> PathBuf {
        self.0.join("snapshots")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It is in the directory for temporary files: what can't be removed now is removed by the system some day.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
