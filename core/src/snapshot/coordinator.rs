//! The coordinator of barrier snapshots: when a snapshot begins, when it is complete, and when the job is over.
//!
//! Enter the facts: time has passed, a source has ended, the user wants to stop, a subtask has acknowledged or committed.
//! Leave decisions, as [`Action`]s: inject a barrier, complete the snapshot, commit it, finish. It follows Flink's
//! asynchronous barrier snapshotting (Carbone et al. 2015) with two-phase commit, one snapshot at a time.
//!
//! What always holds: at most one snapshot is in flight; no id is injected, completed or committed twice; every run ends
//! with a snapshot behind whose barrier nothing follows, and only when that one is committed everywhere the job finishes.
//! A fact that is told twice, or too late, changes nothing.
//!
//! Absent: a clock, files, threads and the snapshot's parts, which are the driver's; and failure. A run in which anything
//! failed is over, and the next one has a new coordinator.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::key::SubtaskIndex;
use crate::record::{Barrier, BarrierKind, SnapshotId};

/// What a coordinator is told when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// From the beginning of one snapshot to that of the next; [`Duration::MAX`] for none but the last one.
    pub interval: Duration,
    /// The number of the first snapshot: higher than any that was begun before, complete or not.
    pub first_id: SnapshotId,
    /// How many (stage, subtask) pairs must acknowledge a snapshot, and commit it.
    pub subtasks: usize,
    /// How many subtasks of sources there are.
    pub sources: usize,
}

/// What the driver is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Have every subtask of every source emit this barrier.
    Inject(Barrier),
    /// Every part is there: write the manifest, make the snapshot appear, and report it as completed.
    Complete(SnapshotId),
    /// The snapshot is complete: tell every subtask to commit.
    Commit(SnapshotId),
    /// The last snapshot is committed everywhere: the workers may end.
    Finish,
}

/// Why nothing will follow the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The input has ended, all of it, and everything that follows from it has been put out.
    Exhausted,
    /// The job was told to stop, and can go on from the last snapshot.
    Stopped,
}

/// Decides when snapshots begin, complete and commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Coordinator {
    interval: Duration,
    subtasks: usize,
    sources: usize,
    next_id: SnapshotId,
    /// When the next periodic snapshot is due; unknown until the first tick, from which the first interval counts.
    next_due: Option<Duration>,
    exhausted: BTreeSet<usize>,
    stopping: bool,
    state: State,
}

/// Where the coordinator stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    /// No snapshot is in flight; one begins when it is due, or when nothing more is to come.
    Idle,
    /// The barrier is on its way; some subtasks have acknowledged, the others are waited for.
    InFlight { barrier: Barrier, acknowledged: Parts },
    /// Every part is there; the driver writes the manifest and makes the snapshot appear.
    Completing { barrier: Barrier },
    /// The snapshot can't be lost any more; some subtasks have committed, the others are waited for.
    Committing { barrier: Barrier, committed: Parts },
    /// The last snapshot is committed everywhere; nothing that is told now matters.
    Done,
}

/// Which subtasks of which stages have answered. A set, not a count: an answer that is given twice must not stand for two.
type Parts = BTreeSet<(usize, SubtaskIndex)>;

impl Coordinator {
    /// A coordinator for one run of a job.
    pub fn new(config: CoordinatorConfig) -> Coordinator {
        Coordinator {
            interval: config.interval,
            subtasks: config.subtasks,
            sources: config.sources,
            next_id: config.first_id,
            next_due: None,
            exhausted: BTreeSet::new(),
            stopping: false,
            state: State::Idle,
        }
    }

    /// The time is `now`, on a clock that never goes back. The first interval begins with the first tick.
    pub fn tick(&mut self, now: Duration) -> Option<Action> {
        let due = *self.next_due.get_or_insert(now.saturating_add(self.interval));
        if self.state != State::Idle || now < due {
            return None;
        }
        // Counted from this beginning, not from when it was due: a snapshot that took long is not followed by a burst.
        self.next_due = Some(now.saturating_add(self.interval));
        Some(self.inject(BarrierKind::Periodic))
    }

    /// The input of the source subtask with this number (among all source subtasks of the job) has ended.
    pub fn exhausted(&mut self, source: usize) -> Option<Action> {
        self.exhausted.insert(source);
        self.end_if_idle()
    }

    /// The job is to stop, with a snapshot.
    pub fn stop(&mut self) -> Option<Action> {
        // Once all input has ended the job finishes anyway, and was not stopped.
        self.stopping |= !self.input_has_ended();
        self.end_if_idle()
    }

    /// A subtask of a stage has put down its part of snapshot `id`.
    pub fn acknowledged(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex) -> Option<Action> {
        let State::InFlight { barrier, acknowledged } = &mut self.state else { return None };
        if barrier.snapshot != id {
            return None;
        }
        acknowledged.insert((stage, subtask));
        if acknowledged.len() < self.subtasks {
            return None;
        }
        self.state = State::Completing { barrier: *barrier };
        Some(Action::Complete(id))
    }

    /// The driver has made snapshot `id` appear: from now on it is the one to restore from.
    pub fn completed(&mut self, id: SnapshotId) -> Option<Action> {
        let State::Completing { barrier } = self.state else { return None };
        if barrier.snapshot != id {
            return None;
        }
        self.state = State::Committing { barrier, committed: Parts::new() };
        Some(Action::Commit(id))
    }

    /// A subtask of a stage has committed what it had pre-committed for snapshot `id`.
    pub fn committed(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex) -> Option<Action> {
        let State::Committing { barrier, committed } = &mut self.state else { return None };
        if barrier.snapshot != id {
            return None;
        }
        committed.insert((stage, subtask));
        if committed.len() < self.subtasks {
            return None;
        }
        match barrier.kind {
            BarrierKind::Periodic => {
                self.state = State::Idle;
                self.end_if_idle()
            }
            BarrierKind::Last => {
                self.state = State::Done;
                Some(Action::Finish)
            }
        }
    }

    /// How the job ends, as far as it can be told: `None` while more input is to come and nobody has asked to stop.
    pub fn ending(&self) -> Option<Ending> {
        match (self.stopping, self.input_has_ended()) {
            // Told to stop: a source may have ended since, but perhaps behind the last barrier.
            (true, _) => Some(Ending::Stopped),
            (false, true) => Some(Ending::Exhausted),
            (false, false) => None,
        }
    }

    fn input_has_ended(&self) -> bool {
        self.exhausted.len() >= self.sources
    }

    /// Begins the last snapshot if it is time for it. One that is in flight is waited for: it may be half aligned.
    fn end_if_idle(&mut self) -> Option<Action> {
        let ending = self.stopping || self.input_has_ended();
        (ending && self.state == State::Idle).then(|| self.inject(BarrierKind::Last))
    }

    fn inject(&mut self, kind: BarrierKind) -> Action {
        let barrier = Barrier { snapshot: self.next_id, kind };
        self.next_id = SnapshotId(self.next_id.0 + 1);
        self.state = State::InFlight { barrier, acknowledged: Parts::new() };
        Action::Inject(barrier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::secs;

    const STAGES: usize = 2;
    const SUBTASKS: u32 = 2;
    const SOURCES: usize = 2;

    fn coordinator() -> Coordinator {
        Coordinator::new(CoordinatorConfig {
            interval: secs(10),
            first_id: SnapshotId(7),
            subtasks: STAGES * SUBTASKS as usize,
            sources: SOURCES,
        })
    }

    fn inject(id: u64, kind: BarrierKind) -> Option<Action> {
        Some(Action::Inject(Barrier { snapshot: SnapshotId(id), kind }))
    }

    fn parts() -> impl Iterator<Item = (usize, SubtaskIndex)> {
        (0..STAGES).flat_map(|stage| (0..SUBTASKS).map(move |subtask| (stage, SubtaskIndex(subtask))))
    }

    /// Tells all subtasks' answers; the last one's action.
    fn all(mut tell: impl FnMut(usize, SubtaskIndex) -> Option<Action>) -> Option<Action> {
        let actions: Vec<_> = parts().map(|(stage, subtask)| tell(stage, subtask)).collect();
        let (last, others) = actions.split_last().unwrap();
        assert!(others.iter().all(Option::is_none));
        *last
    }

    fn take(coordinator: &mut Coordinator, id: u64) -> Option<Action> {
        let id = SnapshotId(id);
        assert_eq!(
            all(|stage, subtask| coordinator.acknowledged(id, stage, subtask)),
            Some(Action::Complete(id))
        );
        assert_eq!(coordinator.completed(id), Some(Action::Commit(id)));
        all(|stage, subtask| coordinator.committed(id, stage, subtask))
    }

    #[test]
    fn the_next_snapshot_is_due_an_interval_after_the_last_one_began() {
        let mut coordinator = coordinator();
        assert_eq!(coordinator.tick(secs(5)), None);
        assert_eq!(coordinator.tick(secs(14)), None);
        assert_eq!(coordinator.tick(secs(16)), inject(7, BarrierKind::Periodic));
        assert_eq!(take(&mut coordinator, 7), None);
        assert_eq!(coordinator.tick(secs(25)), None);
        assert_eq!(coordinator.tick(secs(26)), inject(8, BarrierKind::Periodic));
    }

    #[test]
    fn a_snapshot_that_takes_longer_than_the_interval_delays_the_next_one_and_causes_no_burst() {
        let mut coordinator = coordinator();
        coordinator.tick(secs(0));
        assert_eq!(coordinator.tick(secs(10)), inject(7, BarrierKind::Periodic));
        assert_eq!(coordinator.tick(secs(20)), None);
        assert_eq!(coordinator.tick(secs(55)), None);
        assert_eq!(take(&mut coordinator, 7), None);
        assert_eq!(coordinator.tick(secs(55)), inject(8, BarrierKind::Periodic));
        assert_eq!(take(&mut coordinator, 8), None);
        assert_eq!(coordinator.tick(secs(64)), None);
        assert_eq!(coordinator.tick(secs(65)), inject(9, BarrierKind::Periodic));
    }

    #[test]
    fn the_last_snapshot_begins_when_every_source_subtask_is_exhausted() {
        let mut coordinator = coordinator();
        assert_eq!(coordinator.exhausted(1), None);
        assert_eq!(coordinator.exhausted(1), None);
        assert_eq!(coordinator.ending(), None);
        assert_eq!(coordinator.exhausted(0), inject(7, BarrierKind::Last));
        assert_eq!(take(&mut coordinator, 7), Some(Action::Finish));
        assert_eq!(coordinator.ending(), Some(Ending::Exhausted));
        assert_eq!(coordinator.tick(secs(100)), None);
    }

    #[test]
    fn a_stop_waits_for_the_periodic_snapshot_in_flight() {
        let mut coordinator = coordinator();
        coordinator.tick(secs(0));
        assert_eq!(coordinator.tick(secs(10)), inject(7, BarrierKind::Periodic));
        assert_eq!(coordinator.stop(), None);
        assert_eq!(take(&mut coordinator, 7), inject(8, BarrierKind::Last));
        assert_eq!(coordinator.stop(), None);
        assert_eq!(take(&mut coordinator, 8), Some(Action::Finish));
        assert_eq!(coordinator.ending(), Some(Ending::Stopped));
    }

    #[test]
    fn a_stop_after_the_end_of_the_input_leaves_the_job_finished_and_not_stopped() {
        let mut coordinator = coordinator();
        coordinator.exhausted(0);
        coordinator.exhausted(1);
        assert_eq!(coordinator.stop(), None);
        assert_eq!(coordinator.ending(), Some(Ending::Exhausted));
    }

    #[test]
    fn an_acknowledgement_that_is_given_twice_does_not_stand_for_two() {
        let mut coordinator = coordinator();
        assert_eq!(coordinator.stop(), inject(7, BarrierKind::Last));
        for _ in 0..2 * STAGES * SUBTASKS as usize {
            assert_eq!(coordinator.acknowledged(SnapshotId(7), 0, SubtaskIndex(0)), None);
        }
        assert_eq!(coordinator.acknowledged(SnapshotId(6), 0, SubtaskIndex(1)), None);
        assert_eq!(take(&mut coordinator, 7), Some(Action::Finish));
    }

    #[test]
    fn without_an_interval_only_the_last_snapshot_is_taken() {
        let mut coordinator = Coordinator::new(CoordinatorConfig {
            interval: Duration::MAX,
            first_id: SnapshotId(1),
            subtasks: 1,
            sources: 1,
        });
        assert_eq!(coordinator.tick(secs(3)), None);
        assert_eq!(coordinator.tick(secs(1 << 40)), None);
        assert_eq!(coordinator.exhausted(0), inject(1, BarrierKind::Last));
    }
}

/// Every history of a small job, in every order in which its facts can be told.
#[cfg(test)]
mod every_history {
    use std::collections::HashSet;

    use super::*;
    use crate::time::secs;

    const PARTS: [(usize, SubtaskIndex); 4] =
        [(0, SubtaskIndex(0)), (0, SubtaskIndex(1)), (1, SubtaskIndex(0)), (1, SubtaskIndex(1))];

    /// A job of two stages at parallelism 2, and what its coordinator has made of it so far.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct World {
        coordinator: Coordinator,
        /// How often the interval has passed.
        ticks: u64,
        exhausted: [bool; 2],
        stopped: bool,
        /// The barrier that the subtasks have seen, and who has acknowledged it.
        barrier: Option<Barrier>,
        acknowledged: [bool; 4],
        /// Whether the manifest of `barrier` is to be written, and has been.
        complete: Option<bool>,
        /// Who has committed, once that was asked for.
        committed: Option<[bool; 4]>,
        injected: Vec<u64>,
        completed: Vec<u64>,
        commit_asked: Vec<u64>,
        finished: bool,
    }

    #[derive(Clone, Copy, Debug)]
    enum Fact {
        Tick,
        Exhausted(usize),
        Stop,
        Acknowledged(u64, usize),
        Completed(u64),
        Committed(u64, usize),
    }

    const TICKS_MAX: u64 = 3;

    impl World {
        fn new() -> World {
            let config =
                CoordinatorConfig { interval: secs(1), first_id: SnapshotId(1), subtasks: 4, sources: 2 };
            World {
                coordinator: Coordinator::new(config),
                ticks: 0,
                exhausted: [false; 2],
                stopped: false,
                barrier: None,
                acknowledged: [false; 4],
                complete: None,
                committed: None,
                injected: Vec::new(),
                completed: Vec::new(),
                commit_asked: Vec::new(),
                finished: false,
            }
        }

        /// What may happen next, each of which brings the world forward.
        fn possible(&self) -> Vec<Fact> {
            let mut facts = Vec::new();
            if self.ticks < TICKS_MAX {
                facts.push(Fact::Tick);
            }
            facts.extend((0..2).filter(|&source| !self.exhausted[source]).map(Fact::Exhausted));
            if !self.stopped {
                facts.push(Fact::Stop);
            }
            if let Some(barrier) = self.barrier {
                let id = barrier.snapshot.0;
                let silent = (0..4).filter(|&part| !self.acknowledged[part]);
                facts.extend(silent.map(|part| Fact::Acknowledged(id, part)));
                if self.complete == Some(false) {
                    facts.push(Fact::Completed(id));
                }
                let waiting = (0..4).filter(|&part| self.committed.is_some_and(|committed| !committed[part]));
                facts.extend(waiting.map(|part| Fact::Committed(id, part)));
            }
            facts
        }

        /// What has been told before, and is told again.
        fn stale(&self) -> Vec<Fact> {
            let mut facts = Vec::new();
            facts.extend((0..2).filter(|&source| self.exhausted[source]).map(Fact::Exhausted));
            facts.extend(self.stopped.then_some(Fact::Stop));
            let current = self.barrier.map(|barrier| barrier.snapshot.0);
            for &id in &self.injected {
                for part in 0..4 {
                    if Some(id) != current || self.acknowledged[part] {
                        facts.push(Fact::Acknowledged(id, part));
                    }
                    let waiting = self.committed.is_some_and(|committed| !committed[part]);
                    if Some(id) != current || !waiting {
                        facts.push(Fact::Committed(id, part));
                    }
                }
                if Some(id) != current || self.complete != Some(false) {
                    facts.push(Fact::Completed(id));
                }
            }
            facts
        }

        fn tell(coordinator: &mut Coordinator, fact: Fact, ticks: u64) -> Option<Action> {
            match fact {
                Fact::Tick => coordinator.tick(secs(ticks)),
                Fact::Exhausted(source) => coordinator.exhausted(source),
                Fact::Stop => coordinator.stop(),
                Fact::Acknowledged(id, part) => {
                    coordinator.acknowledged(SnapshotId(id), PARTS[part].0, PARTS[part].1)
                }
                Fact::Completed(id) => coordinator.completed(SnapshotId(id)),
                Fact::Committed(id, part) => {
                    coordinator.committed(SnapshotId(id), PARTS[part].0, PARTS[part].1)
                }
            }
        }

        fn after(&self, fact: Fact) -> World {
            let mut world = self.clone();
            match fact {
                Fact::Tick => world.ticks += 1,
                Fact::Exhausted(source) => world.exhausted[source] = true,
                Fact::Stop => world.stopped = true,
                Fact::Acknowledged(_, part) => world.acknowledged[part] = true,
                Fact::Completed(_) => world.complete = Some(true),
                Fact::Committed(_, part) => {
                    world.committed.as_mut().expect("only what was asked to commit commits")[part] = true;
                }
            }
            let action = World::tell(&mut world.coordinator, fact, world.ticks);
            assert!(!world.finished || action.is_none(), "{action:?} after the end");
            match action {
                None => {}
                Some(Action::Inject(barrier)) => world.see_barrier(barrier),
                Some(Action::Complete(id)) => {
                    assert_eq!(world.barrier.map(|barrier| barrier.snapshot), Some(id));
                    assert_eq!(world.acknowledged, [true; 4], "complete without all parts");
                    assert!(!world.completed.contains(&id.0), "snapshot {id} was completed twice");
                    world.completed.push(id.0);
                    world.complete = Some(false);
                }
                Some(Action::Commit(id)) => {
                    assert_eq!(world.complete, Some(true), "a commit before the snapshot is complete");
                    assert!(!world.commit_asked.contains(&id.0), "snapshot {id} is committed twice");
                    world.commit_asked.push(id.0);
                    world.committed = Some([false; 4]);
                }
                Some(Action::Finish) => {
                    assert_eq!(world.barrier.map(|barrier| barrier.kind), Some(BarrierKind::Last));
                    assert_eq!(world.committed, Some([true; 4]), "the end before everything is committed");
                    world.finished = true;
                }
            }
            world
        }

        fn see_barrier(&mut self, barrier: Barrier) {
            let before = self.injected.last().copied().unwrap_or(0);
            assert_eq!(barrier.snapshot.0, before + 1, "ids count up");
            if let Some(previous) = self.barrier {
                assert_eq!(previous.kind, BarrierKind::Periodic, "nothing follows the last barrier");
                assert_eq!(self.committed, Some([true; 4]), "two snapshots are in flight");
            }
            if barrier.kind == BarrierKind::Last {
                assert!(self.stopped || self.exhausted == [true; 2], "the end came out of nowhere");
            }
            self.injected.push(barrier.snapshot.0);
            self.barrier = Some(barrier);
            self.acknowledged = [false; 4];
            self.complete = None;
            self.committed = None;
        }
    }

    #[test]
    fn ends_in_exactly_one_finish_and_no_snapshot_is_completed_twice() {
        let mut seen = HashSet::new();
        let mut lengths = BTreeSet::new();
        let mut open = vec![World::new()];
        while let Some(world) = open.pop() {
            for fact in world.stale() {
                let mut coordinator = world.coordinator.clone();
                assert_eq!(World::tell(&mut coordinator, fact, world.ticks), None, "{fact:?} was told twice");
                assert!(coordinator == world.coordinator, "{fact:?}, told twice, changed something");
            }
            let facts = world.possible();
            if facts.is_empty() {
                assert!(world.finished, "a history of {:?} never ends", world.injected);
                assert_eq!(world.injected, world.completed);
                assert_eq!(world.injected, world.commit_asked);
                assert!(world.coordinator.ending().is_some());
                lengths.insert(world.injected.len());
            }
            for fact in facts {
                let next = world.after(fact);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        assert!(seen.len() > 1_000, "only {} worlds: the enumeration has lost its grip", seen.len());
        // Three ticks: the first begins the first interval, so at most two periodic snapshots come before the last.
        assert_eq!(lengths, BTreeSet::from([1, 2, 3]));
    }
}
