//! The coordinator of barrier snapshots: when a snapshot begins, when it is complete, when it is given up, and when the job
//! is over.
//!
//! Enter the facts: time has passed, a source has ended, the user wants to stop or wants a snapshot, a subtask has
//! acknowledged, failed to write its part, or committed. Leave decisions, as [`Action`]s: inject a barrier, complete the
//! snapshot, commit it, give it up, finish. It follows Flink's asynchronous barrier snapshotting (Carbone et al. 2015) with
//! two-phase commit, one snapshot at a time.
//!
//! What always holds: at most one barrier is on its way, because one that was given up is waited for until every subtask has
//! answered; no id is injected, completed, committed or given up twice; a snapshot is completed or given up, never both.
//! Every run ends with a snapshot behind whose barrier nothing follows, and only when that one is committed everywhere the
//! job finishes. A fact that is told twice, or too late, changes nothing.
//!
//! Absent: a clock, files, threads and the snapshot's parts, which are the driver's; and the failure of a task. A run in
//! which a task failed is over, and the next one has a new coordinator. That a *snapshot* failed is borne, within the limits
//! that the user sets: what sinks have pre-committed for it stays pending until another is complete.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::key::SubtaskIndex;
use crate::record::{Barrier, BarrierKind, SnapshotId};

/// What a coordinator is told when a run begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoordinatorConfig {
    /// From the beginning of one snapshot to that of the next; [`Duration::MAX`] for none but the last one.
    pub interval: Duration,
    /// From the end of one snapshot, completed or given up, to the beginning of the next periodic one.
    pub min_pause: Duration,
    /// From the beginning of a snapshot to when it is given up. The last one has as long as it takes.
    pub timeout: Duration,
    /// How many snapshots in a row may fail; one more fails the run.
    pub failures_tolerated: u32,
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
    /// Have every subtask of every source emit this barrier; or report the snapshot as not begun.
    Inject(Barrier),
    /// Every part is there: write the manifest, make the snapshot appear, and report it as completed or as not completed.
    Complete(SnapshotId),
    /// The snapshot is complete: tell every subtask to commit.
    Commit(SnapshotId),
    /// The snapshot will never be complete: say so. Some subtasks may still be writing their parts.
    GiveUp(SnapshotId, Consequence),
    /// Nobody writes for this snapshot any more, which was given up: remove what there is of it.
    Discard(SnapshotId),
    /// The last snapshot is committed everywhere: the workers may end.
    Finish,
}

/// What the failure of a snapshot means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    /// It goes on; the next snapshot covers what this one would have.
    GoOn,
    /// It has failed: it was the last snapshot, behind which nothing comes, or one failure more than is tolerated.
    Fail,
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
    min_pause: Duration,
    timeout: Duration,
    failures_tolerated: u32,
    subtasks: usize,
    sources: usize,
    next_id: SnapshotId,
    /// When the next periodic snapshot is due; unknown until the first tick after a snapshot began, or the run did.
    next_due: Option<Duration>,
    /// How many snapshots in a row have failed.
    failures: u32,
    exhausted: BTreeSet<usize>,
    stopping: bool,
    /// Whether a snapshot is to begin as soon as can be.
    triggered: bool,
    /// The last snapshot that is committed everywhere.
    settled: Option<SnapshotId>,
    state: State,
}

/// Where the coordinator stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    /// No snapshot is in flight; one begins when it is due, when it is asked for, or when nothing more is to come. A
    /// periodic one not before the pause is over: that is unknown until the first tick.
    Idle { paused_until: Option<Duration> },
    /// The barrier is on its way; some subtasks have acknowledged, the others are waited for, up to the deadline. That is
    /// unknown until the first tick.
    InFlight { barrier: Barrier, deadline: Option<Duration>, acknowledged: Parts },
    /// It was given up, but its barrier is still on its way. Who has not answered yet is waited for, so that a stage never
    /// meets a barrier while it works on another.
    GivenUp { snapshot: SnapshotId, answered: Parts },
    /// Every part is there; the driver writes the manifest and makes the snapshot appear.
    Completing { barrier: Barrier },
    /// The snapshot can't be lost any more; some subtasks have committed, the others are waited for.
    Committing { barrier: Barrier, committed: Parts },
    /// The last snapshot is committed everywhere, or the run has failed; nothing that is told now matters.
    Done,
}

/// Which subtasks of which stages have answered. A set, not a count: an answer that is given twice must not stand for two.
type Parts = BTreeSet<(usize, SubtaskIndex)>;

impl Coordinator {
    /// A coordinator for one run of a job.
    pub fn new(config: CoordinatorConfig) -> Coordinator {
        Coordinator {
            interval: config.interval,
            min_pause: config.min_pause,
            timeout: config.timeout,
            failures_tolerated: config.failures_tolerated,
            subtasks: config.subtasks,
            sources: config.sources,
            next_id: config.first_id,
            next_due: None,
            failures: 0,
            exhausted: BTreeSet::new(),
            stopping: false,
            triggered: false,
            settled: None,
            state: State::Idle { paused_until: Some(Duration::ZERO) },
        }
    }

    /// The time is `now`, on a clock that never goes back. The first interval begins with the first tick.
    pub fn tick(&mut self, now: Duration) -> Option<Action> {
        let due = *self.next_due.get_or_insert(now.saturating_add(self.interval));
        match &mut self.state {
            State::Idle { paused_until } => {
                let paused_until = *paused_until.get_or_insert(now.saturating_add(self.min_pause));
                if let Some(action) = self.begin_if_idle() {
                    return Some(action);
                }
                (now >= due.max(paused_until)).then(|| self.inject(BarrierKind::Periodic, Some(now)))
            }
            State::InFlight { barrier, deadline, acknowledged } if barrier.kind == BarrierKind::Periodic => {
                let deadline = *deadline.get_or_insert(now.saturating_add(self.timeout));
                if now < deadline {
                    return None;
                }
                let (barrier, answered) = (*barrier, std::mem::take(acknowledged));
                Some(self.give_up(barrier, State::GivenUp { snapshot: barrier.snapshot, answered }))
            }
            State::GivenUp { snapshot, answered } if answered.len() >= self.subtasks => {
                let snapshot = *snapshot;
                self.state = State::Idle { paused_until: None };
                Some(Action::Discard(snapshot))
            }
            State::InFlight { .. }
            | State::GivenUp { .. }
            | State::Completing { .. }
            | State::Committing { .. }
            | State::Done => None,
        }
    }

    /// The input of the source subtask with this number (among all source subtasks of the job) has ended.
    pub fn exhausted(&mut self, source: usize) -> Option<Action> {
        if self.exhausted.insert(source) { self.begin_if_idle() } else { None }
    }

    /// The job is to stop, with a snapshot.
    pub fn stop(&mut self) -> Option<Action> {
        // Once all input has ended the job finishes anyway, and was not stopped.
        if self.stopping || self.input_has_ended() {
            return None;
        }
        self.stopping = true;
        self.begin_if_idle()
    }

    /// A snapshot is wanted that begins after now, as soon as can be: pauses are not waited for, one in flight is.
    pub fn trigger(&mut self) -> Option<Action> {
        self.triggered = true;
        self.begin_if_idle()
    }

    /// Snapshot `id` could not begin: nobody has been told of its barrier.
    pub fn not_begun(&mut self, id: SnapshotId) -> Option<Action> {
        match self.state {
            State::InFlight { barrier, .. } if barrier.snapshot == id => {
                Some(self.give_up(barrier, State::Idle { paused_until: None }))
            }
            _ => None,
        }
    }

    /// A subtask of a stage has put down its part of snapshot `id`.
    pub fn acknowledged(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex) -> Option<Action> {
        match &mut self.state {
            State::InFlight { barrier, acknowledged, .. } if barrier.snapshot == id => {
                acknowledged.insert((stage, subtask));
                if acknowledged.len() < self.subtasks {
                    return None;
                }
                self.state = State::Completing { barrier: *barrier };
                Some(Action::Complete(id))
            }
            State::GivenUp { snapshot, answered } if *snapshot == id => {
                answered.insert((stage, subtask));
                None
            }
            _ => None,
        }
    }

    /// A subtask of a stage has passed the barrier of snapshot `id`, and could not put down its part.
    pub fn part_failed(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex) -> Option<Action> {
        match &mut self.state {
            State::InFlight { barrier, acknowledged, .. }
                if barrier.snapshot == id && !acknowledged.contains(&(stage, subtask)) =>
            {
                let (barrier, mut answered) = (*barrier, std::mem::take(acknowledged));
                answered.insert((stage, subtask));
                Some(self.give_up(barrier, State::GivenUp { snapshot: id, answered }))
            }
            State::GivenUp { snapshot, answered } if *snapshot == id => {
                answered.insert((stage, subtask));
                None
            }
            _ => None,
        }
    }

    /// The driver has made snapshot `id` appear: from now on it is the one to restore from.
    pub fn completed(&mut self, id: SnapshotId) -> Option<Action> {
        let State::Completing { barrier } = self.state else { return None };
        if barrier.snapshot != id {
            return None;
        }
        self.failures = 0;
        self.state = State::Committing { barrier, committed: Parts::new() };
        Some(Action::Commit(id))
    }

    /// The driver could not make snapshot `id` appear, and nothing of it is left.
    pub fn not_completed(&mut self, id: SnapshotId) -> Option<Action> {
        match self.state {
            State::Completing { barrier } if barrier.snapshot == id => {
                Some(self.give_up(barrier, State::Idle { paused_until: None }))
            }
            _ => None,
        }
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
        self.settled = Some(id);
        match barrier.kind {
            BarrierKind::Periodic => {
                self.state = State::Idle { paused_until: None };
                self.begin_if_idle()
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

    /// The last snapshot that is committed everywhere: nothing that it names is pending any more.
    pub fn settled(&self) -> Option<SnapshotId> {
        self.settled
    }

    /// How many snapshots in a row have failed.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    fn input_has_ended(&self) -> bool {
        self.exhausted.len() >= self.sources
    }

    /// Begins a snapshot that need not wait for its time. One that is in flight is waited for: it may be half aligned.
    fn begin_if_idle(&mut self) -> Option<Action> {
        if !matches!(self.state, State::Idle { .. }) {
            return None;
        }
        if self.stopping || self.input_has_ended() {
            return Some(self.inject(BarrierKind::Last, None));
        }
        self.triggered.then(|| self.inject(BarrierKind::Periodic, None))
    }

    /// `now` is known if it is the time that has the snapshot begin; otherwise the next tick tells.
    fn inject(&mut self, kind: BarrierKind, now: Option<Duration>) -> Action {
        let barrier = Barrier { snapshot: self.next_id, kind };
        self.next_id = SnapshotId(self.next_id.0 + 1);
        self.triggered = false;
        // Counted from this beginning, not from when it was due: a snapshot that took long is not followed by a burst.
        self.next_due = now.map(|now| now.saturating_add(self.interval));
        let deadline = now.map(|now| now.saturating_add(self.timeout));
        self.state = State::InFlight { barrier, deadline, acknowledged: Parts::new() };
        Action::Inject(barrier)
    }

    fn give_up(&mut self, barrier: Barrier, then: State) -> Action {
        self.failures = self.failures.saturating_add(1);
        let borne = barrier.kind == BarrierKind::Periodic && self.failures <= self.failures_tolerated;
        let (state, consequence) =
            if borne { (then, Consequence::GoOn) } else { (State::Done, Consequence::Fail) };
        self.state = state;
        Action::GiveUp(barrier.snapshot, consequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    const STAGES: usize = 2;
    const SUBTASKS: u32 = 2;
    const SOURCES: usize = 2;

    /// A snapshot every 10 s, and nothing else that would ever happen by itself.
    const CONFIG: CoordinatorConfig = CoordinatorConfig {
        interval: secs(10),
        min_pause: Duration::ZERO,
        timeout: Duration::MAX,
        failures_tolerated: u32::MAX,
        first_id: SnapshotId(7),
        subtasks: STAGES * SUBTASKS as usize,
        sources: SOURCES,
    };

    fn coordinator() -> Coordinator {
        Coordinator::new(CONFIG)
    }

    /// With a snapshot, 7, that has begun after 10 s.
    fn begun(config: CoordinatorConfig) -> Coordinator {
        let mut coordinator = Coordinator::new(config);
        coordinator.tick(secs(0));
        assert_eq!(coordinator.tick(secs(10)), inject(7, BarrierKind::Periodic));
        coordinator
    }

    fn inject(id: u64, kind: BarrierKind) -> Option<Action> {
        Some(Action::Inject(Barrier { snapshot: SnapshotId(id), kind }))
    }

    fn give_up(id: u64, consequence: Consequence) -> Option<Action> {
        Some(Action::GiveUp(SnapshotId(id), consequence))
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

    fn acknowledge(coordinator: &mut Coordinator, id: u64) -> Option<Action> {
        all(|stage, subtask| coordinator.acknowledged(SnapshotId(id), stage, subtask))
    }

    fn take(coordinator: &mut Coordinator, id: u64) -> Option<Action> {
        assert_eq!(acknowledge(coordinator, id), Some(Action::Complete(SnapshotId(id))));
        assert_eq!(coordinator.completed(SnapshotId(id)), Some(Action::Commit(SnapshotId(id))));
        all(|stage, subtask| coordinator.committed(SnapshotId(id), stage, subtask))
    }

    fn fail_part(coordinator: &mut Coordinator, id: u64) -> Option<Action> {
        coordinator.part_failed(SnapshotId(id), 0, SubtaskIndex(1))
    }

    #[test]
    fn the_next_snapshot_is_due_an_interval_after_the_last_one_began() {
        let mut coordinator = coordinator();
        assert_eq!(coordinator.tick(secs(5)), None);
        assert_eq!(coordinator.tick(secs(14)), None);
        assert_eq!(coordinator.tick(secs(16)), inject(7, BarrierKind::Periodic));
        assert_eq!(coordinator.settled(), None);
        assert_eq!(take(&mut coordinator, 7), None);
        assert_eq!(coordinator.settled(), Some(SnapshotId(7)));
        assert_eq!(coordinator.tick(secs(25)), None);
        assert_eq!(coordinator.tick(secs(26)), inject(8, BarrierKind::Periodic));
    }

    #[test]
    fn a_snapshot_that_takes_longer_than_the_interval_delays_the_next_one_and_causes_no_burst() {
        let mut coordinator = begun(CONFIG);
        assert_eq!(coordinator.tick(secs(20)), None);
        assert_eq!(coordinator.tick(secs(55)), None);
        assert_eq!(take(&mut coordinator, 7), None);
        assert_eq!(coordinator.tick(secs(55)), inject(8, BarrierKind::Periodic));
        assert_eq!(take(&mut coordinator, 8), None);
        assert_eq!(coordinator.tick(secs(64)), None);
        assert_eq!(coordinator.tick(secs(65)), inject(9, BarrierKind::Periodic));
    }

    #[test]
    fn a_pause_is_kept_between_the_end_of_one_snapshot_and_the_beginning_of_the_next() {
        let mut coordinator = begun(CoordinatorConfig { min_pause: secs(5), ..CONFIG });
        assert_eq!(take(&mut coordinator, 7), None);
        for (now, action) in [(18, None), (20, None), (22, None), (23, inject(8, BarrierKind::Periodic))] {
            assert_eq!(coordinator.tick(secs(now)), action, "{now}");
        }
        // One that fails ends, too.
        assert_eq!(coordinator.not_begun(SnapshotId(8)), give_up(8, Consequence::GoOn));
        for (now, action) in [(30, None), (34, None), (35, inject(9, BarrierKind::Periodic))] {
            assert_eq!(coordinator.tick(secs(now)), action, "{now}");
        }
    }

    #[test]
    fn a_snapshot_that_is_asked_for_and_the_last_one_wait_for_no_pause() {
        let mut coordinator = begun(CoordinatorConfig { min_pause: secs(500), ..CONFIG });
        assert_eq!(coordinator.trigger(), None, "one is in flight, and may be half aligned");
        assert_eq!(take(&mut coordinator, 7), inject(8, BarrierKind::Periodic));
        assert_eq!(coordinator.trigger(), None);
        assert_eq!(coordinator.stop(), None);
        assert_eq!(take(&mut coordinator, 8), inject(9, BarrierKind::Last), "which answers to both");
        assert_eq!(take(&mut coordinator, 9), Some(Action::Finish));
    }

    #[test]
    fn a_snapshot_that_is_asked_for_begins_at_once_and_the_interval_is_counted_from_it() {
        let mut coordinator = coordinator();
        coordinator.tick(secs(0));
        assert_eq!(coordinator.trigger(), inject(7, BarrierKind::Periodic));
        assert_eq!(coordinator.tick(secs(4)), None);
        assert_eq!(take(&mut coordinator, 7), None);
        assert_eq!(coordinator.tick(secs(10)), None);
        assert_eq!(coordinator.tick(secs(14)), inject(8, BarrierKind::Periodic));
    }

    #[test]
    fn a_snapshot_is_given_up_when_its_time_is_over_and_its_stragglers_are_waited_for() {
        let mut coordinator = begun(CoordinatorConfig { timeout: secs(60), ..CONFIG });
        assert_eq!(coordinator.acknowledged(SnapshotId(7), 0, SubtaskIndex(0)), None);
        assert_eq!(coordinator.tick(millis(69_999)), None);
        assert_eq!(coordinator.tick(secs(70)), give_up(7, Consequence::GoOn));
        assert_eq!(coordinator.tick(secs(80)), None, "its barrier is still on its way");
        assert_eq!(acknowledge(&mut coordinator, 7), None, "too late");
        assert_eq!(coordinator.tick(secs(80)), Some(Action::Discard(SnapshotId(7))));
        assert_eq!(coordinator.tick(secs(80)), inject(8, BarrierKind::Periodic));
        assert_eq!(take(&mut coordinator, 8), None);
    }

    #[test]
    fn the_time_of_a_snapshot_that_was_asked_for_is_counted_from_the_next_tick() {
        let mut coordinator = Coordinator::new(CoordinatorConfig { timeout: secs(60), ..CONFIG });
        assert_eq!(coordinator.trigger(), inject(7, BarrierKind::Periodic));
        assert_eq!(coordinator.tick(secs(5)), None);
        assert_eq!(coordinator.tick(secs(64)), None);
        assert_eq!(coordinator.tick(secs(65)), give_up(7, Consequence::GoOn));
    }

    #[test]
    fn the_last_snapshot_has_as_long_as_it_takes_and_its_failure_fails_the_run() {
        for fail in [Coordinator::not_begun, |coordinator: &mut Coordinator, id| {
            coordinator.part_failed(id, 0, SubtaskIndex(0))
        }] {
            let mut coordinator = Coordinator::new(CoordinatorConfig { timeout: secs(60), ..CONFIG });
            assert_eq!(coordinator.stop(), inject(7, BarrierKind::Last));
            assert_eq!(coordinator.tick(secs(0)), None);
            assert_eq!(coordinator.tick(secs(1_000)), None);
            assert_eq!(fail(&mut coordinator, SnapshotId(7)), give_up(7, Consequence::Fail));
            assert_eq!(coordinator.tick(secs(2_000)), None);
        }
        let mut coordinator = coordinator();
        coordinator.stop();
        assert_eq!(acknowledge(&mut coordinator, 7), Some(Action::Complete(SnapshotId(7))));
        assert_eq!(coordinator.not_completed(SnapshotId(7)), give_up(7, Consequence::Fail));
    }

    #[test]
    fn a_snapshot_fails_once_however_many_of_its_parts_do() {
        let mut coordinator = begun(CONFIG);
        assert_eq!(coordinator.acknowledged(SnapshotId(7), 0, SubtaskIndex(0)), None);
        assert_eq!(fail_part(&mut coordinator, 7), give_up(7, Consequence::GoOn));
        for (stage, subtask) in parts() {
            assert_eq!(coordinator.part_failed(SnapshotId(7), stage, subtask), None);
        }
        assert_eq!(coordinator.failures(), 1);
        assert_eq!(coordinator.tick(secs(11)), Some(Action::Discard(SnapshotId(7))));
        assert_eq!(coordinator.tick(secs(20)), inject(8, BarrierKind::Periodic));
    }

    #[test]
    fn as_many_failures_in_a_row_are_borne_as_are_tolerated_and_a_complete_snapshot_begins_the_count_anew() {
        let mut coordinator = begun(CoordinatorConfig { failures_tolerated: 2, ..CONFIG });
        assert_eq!(coordinator.not_begun(SnapshotId(7)), give_up(7, Consequence::GoOn));
        assert_eq!(coordinator.trigger(), inject(8, BarrierKind::Periodic));
        assert_eq!(acknowledge(&mut coordinator, 8), Some(Action::Complete(SnapshotId(8))));
        assert_eq!(coordinator.not_completed(SnapshotId(8)), give_up(8, Consequence::GoOn));
        assert_eq!(coordinator.trigger(), inject(9, BarrierKind::Periodic));
        assert_eq!(take(&mut coordinator, 9), None);
        for (id, consequence) in [(10, Consequence::GoOn), (11, Consequence::GoOn), (12, Consequence::Fail)] {
            assert_eq!(coordinator.trigger(), inject(id, BarrierKind::Periodic));
            assert_eq!(coordinator.not_begun(SnapshotId(id)), give_up(id, consequence));
        }
        assert_eq!(coordinator.trigger(), None);
        let mut strict = begun(CoordinatorConfig { failures_tolerated: 0, ..CONFIG });
        assert_eq!(fail_part(&mut strict, 7), give_up(7, Consequence::Fail));
    }

    #[test]
    fn a_stop_while_a_snapshot_is_being_given_up_waits_for_its_stragglers() {
        let mut coordinator = begun(CONFIG);
        assert_eq!(fail_part(&mut coordinator, 7), give_up(7, Consequence::GoOn));
        assert_eq!(coordinator.stop(), None);
        assert_eq!(coordinator.tick(secs(11)), None);
        assert_eq!(acknowledge(&mut coordinator, 7), None);
        assert_eq!(coordinator.tick(secs(11)), Some(Action::Discard(SnapshotId(7))));
        assert_eq!(coordinator.tick(secs(11)), inject(8, BarrierKind::Last));
        assert_eq!(take(&mut coordinator, 8), Some(Action::Finish));
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
        let mut coordinator = begun(CONFIG);
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
        let mut coordinator =
            Coordinator::new(CoordinatorConfig { interval: Duration::MAX, sources: 1, ..CONFIG });
        assert_eq!(coordinator.tick(secs(3)), None);
        assert_eq!(coordinator.tick(secs(1 << 40)), None);
        assert_eq!(coordinator.exhausted(0), inject(7, BarrierKind::Last));
    }
}

/// Every history of a small job, in every order in which its facts can be told.
#[cfg(test)]
mod every_history {
    use std::collections::HashSet;

    use super::*;
    use crate::time::secs;

    /// A source, and what is behind it: two subtasks that answer.
    const PARTS: [(usize, SubtaskIndex); 2] = [(0, SubtaskIndex(0)), (1, SubtaskIndex(0))];

    /// How a part of the snapshot in flight stands.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Part {
        Silent,
        Acknowledged,
        Failed,
    }

    /// How the snapshot in flight stands, as the driver knows it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Stand {
        /// The driver is to begin it.
        Beginning,
        /// The barrier is on its way.
        OnItsWay,
        /// The driver is to write the manifest.
        Completing,
        /// Who has committed, of those that were asked to.
        Committing([bool; 2]),
        /// It was given up, and parts may still answer.
        GivenUp,
        /// Nothing of it is left to do.
        Over,
    }

    /// A small job, and what its coordinator has made of it so far.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct World {
        coordinator: Coordinator,
        tolerated: u32,
        /// How many seconds have passed.
        seconds: u64,
        exhausted: [bool; 2],
        stopped: bool,
        /// Whether a snapshot was asked for, and which was the last to begin before.
        triggered: Option<u64>,
        barrier: Option<Barrier>,
        parts: [Part; 2],
        stand: Stand,
        failures_in_a_row: u32,
        injected: u64,
        completed: Vec<u64>,
        given_up: Vec<u64>,
        end: End,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum End {
        None,
        Finished,
        Failed,
    }

    #[derive(Clone, Copy, Debug)]
    enum Fact {
        /// A second has passed, or no time at all.
        Tick(u64),
        Exhausted(usize),
        Stop,
        Trigger,
        /// The driver has sent the barrier out. The coordinator is not told.
        Begun,
        NotBegun(u64),
        Acknowledged(u64, usize),
        PartFailed(u64, usize),
        Completed(u64),
        NotCompleted(u64),
        Committed(u64, usize),
    }

    const SECONDS_MAX: u64 = 4;

    impl World {
        fn new(tolerated: u32) -> World {
            let config = CoordinatorConfig {
                interval: secs(1),
                min_pause: secs(1),
                timeout: secs(1),
                failures_tolerated: tolerated,
                first_id: SnapshotId(1),
                subtasks: 2,
                sources: 2,
            };
            World {
                coordinator: Coordinator::new(config),
                tolerated,
                seconds: 0,
                exhausted: [false; 2],
                stopped: false,
                triggered: None,
                barrier: None,
                parts: [Part::Silent; 2],
                stand: Stand::Over,
                failures_in_a_row: 0,
                injected: 0,
                completed: Vec::new(),
                given_up: Vec::new(),
                end: End::None,
            }
        }

        /// What may happen next, each of which brings the world forward.
        fn possible(&self) -> Vec<Fact> {
            let mut facts = Vec::new();
            let id = self.injected;
            match self.stand {
                // The driver does at once what it is asked for: nothing comes between.
                Stand::Beginning => return vec![Fact::Begun, Fact::NotBegun(id)],
                Stand::Completing => return vec![Fact::Completed(id), Fact::NotCompleted(id)],
                Stand::OnItsWay | Stand::GivenUp => {
                    let silent = || (0..2).filter(|&part| self.parts[part] == Part::Silent);
                    facts.extend(silent().map(|part| Fact::Acknowledged(id, part)));
                    facts.extend(silent().map(|part| Fact::PartFailed(id, part)));
                }
                Stand::Committing(committed) => {
                    let waiting = (0..2).filter(|&part| !committed[part]);
                    facts.extend(waiting.map(|part| Fact::Committed(id, part)));
                }
                Stand::Over => {}
            }
            if self.end != End::None {
                return facts;
            }
            if self.seconds < SECONDS_MAX {
                facts.push(Fact::Tick(1));
            }
            let mut ticked = self.coordinator.clone();
            if World::tell(&mut ticked, Fact::Tick(0), self.seconds).is_some() {
                facts.push(Fact::Tick(0));
            }
            facts.extend((0..2).filter(|&source| !self.exhausted[source]).map(Fact::Exhausted));
            facts.extend((!self.stopped).then_some(Fact::Stop));
            facts.extend(self.triggered.is_none().then_some(Fact::Trigger));
            facts
        }

        /// What has been told before, or belongs to what is over, and is told again.
        fn stale(&self) -> Vec<Fact> {
            let mut facts = Vec::new();
            facts.extend((0..2).filter(|&source| self.exhausted[source]).map(Fact::Exhausted));
            facts.extend(self.stopped.then_some(Fact::Stop));
            for id in 1..=self.injected {
                let is_current = id == self.injected;
                let awaits = |stand| is_current && self.stand == stand;
                for part in 0..2 {
                    let answers =
                        awaits(Stand::OnItsWay) || awaits(Stand::GivenUp) || awaits(Stand::Beginning);
                    if !answers || self.parts[part] != Part::Silent {
                        facts.push(Fact::Acknowledged(id, part));
                        facts.push(Fact::PartFailed(id, part));
                    }
                    let commits =
                        matches!(self.stand, Stand::Committing(committed) if is_current && !committed[part]);
                    if !commits {
                        facts.push(Fact::Committed(id, part));
                    }
                }
                if !awaits(Stand::Completing) {
                    facts.extend([Fact::Completed(id), Fact::NotCompleted(id)]);
                }
                if !awaits(Stand::Beginning) && !awaits(Stand::OnItsWay) {
                    facts.push(Fact::NotBegun(id));
                }
            }
            facts
        }

        fn tell(coordinator: &mut Coordinator, fact: Fact, seconds: u64) -> Option<Action> {
            match fact {
                Fact::Tick(_) => coordinator.tick(secs(seconds)),
                Fact::Exhausted(source) => coordinator.exhausted(source),
                Fact::Stop => coordinator.stop(),
                Fact::Trigger => coordinator.trigger(),
                Fact::Begun => None,
                Fact::NotBegun(id) => coordinator.not_begun(SnapshotId(id)),
                Fact::Acknowledged(id, part) => {
                    coordinator.acknowledged(SnapshotId(id), PARTS[part].0, PARTS[part].1)
                }
                Fact::PartFailed(id, part) => {
                    coordinator.part_failed(SnapshotId(id), PARTS[part].0, PARTS[part].1)
                }
                Fact::Completed(id) => coordinator.completed(SnapshotId(id)),
                Fact::NotCompleted(id) => coordinator.not_completed(SnapshotId(id)),
                Fact::Committed(id, part) => {
                    coordinator.committed(SnapshotId(id), PARTS[part].0, PARTS[part].1)
                }
            }
        }

        fn after(&self, fact: Fact) -> World {
            let mut world = self.clone();
            match fact {
                Fact::Tick(seconds) => world.seconds += seconds,
                Fact::Exhausted(source) => world.exhausted[source] = true,
                Fact::Stop => world.stopped = true,
                Fact::Trigger => {
                    // The last snapshot is as good an answer as one that begins behind it, which none does.
                    let is_last = world.barrier.is_some_and(|barrier| barrier.kind == BarrierKind::Last);
                    world.triggered = Some(world.injected - u64::from(is_last));
                }
                Fact::Begun => world.stand = Stand::OnItsWay,
                Fact::Acknowledged(_, part) => world.parts[part] = Part::Acknowledged,
                Fact::PartFailed(_, part) => world.parts[part] = Part::Failed,
                Fact::Completed(_) => {
                    world.completed.push(world.injected);
                    world.failures_in_a_row = 0;
                }
                Fact::NotBegun(_) | Fact::NotCompleted(_) => world.stand = Stand::Over,
                Fact::Committed(_, part) => {
                    let Stand::Committing(committed) = &mut world.stand else { unreachable!() };
                    committed[part] = true;
                    if *committed == [true; 2] {
                        world.stand = Stand::Over;
                    }
                }
            }
            let action = World::tell(&mut world.coordinator, fact, world.seconds);
            assert!(world.end == End::None || action.is_none(), "{action:?} after the end");
            match action {
                None => {}
                Some(Action::Inject(barrier)) => world.see_barrier(barrier),
                Some(Action::Complete(id)) => {
                    assert_eq!((id.0, world.stand), (world.injected, Stand::OnItsWay));
                    assert_eq!(world.parts, [Part::Acknowledged; 2], "complete without all parts");
                    world.stand = Stand::Completing;
                }
                Some(Action::Commit(id)) => {
                    assert_eq!(
                        world.completed.last(),
                        Some(&id.0),
                        "a commit before the snapshot is complete"
                    );
                    assert_eq!(world.stand, Stand::Completing, "snapshot {id} is committed twice");
                    world.stand = Stand::Committing([false; 2]);
                }
                Some(Action::GiveUp(id, consequence)) => world.see_failure(id, consequence),
                Some(Action::Discard(id)) => {
                    assert_eq!((id.0, world.stand), (world.injected, Stand::GivenUp));
                    assert!(!world.parts.contains(&Part::Silent), "somebody still writes");
                    world.stand = Stand::Over;
                }
                Some(Action::Finish) => {
                    assert_eq!(world.barrier.map(|barrier| barrier.kind), Some(BarrierKind::Last));
                    assert_eq!(world.stand, Stand::Over, "the end before everything is committed");
                    assert_eq!(world.completed.last(), Some(&world.injected));
                    world.end = End::Finished;
                }
            }
            world
        }

        fn see_barrier(&mut self, barrier: Barrier) {
            assert_eq!(barrier.snapshot.0, self.injected + 1, "ids count up");
            assert_eq!(self.stand, Stand::Over, "two snapshots are in flight");
            if let Some(previous) = self.barrier {
                assert_eq!(previous.kind, BarrierKind::Periodic, "nothing follows the last barrier");
            }
            if barrier.kind == BarrierKind::Last {
                assert!(self.stopped || self.exhausted == [true; 2], "the end came out of nowhere");
            }
            self.injected += 1;
            self.barrier = Some(barrier);
            self.parts = [Part::Silent; 2];
            self.stand = Stand::Beginning;
        }

        fn see_failure(&mut self, id: SnapshotId, consequence: Consequence) {
            assert_eq!(id.0, self.injected);
            assert!(!self.given_up.contains(&id.0), "snapshot {id} was given up twice");
            assert!(!self.completed.contains(&id.0), "snapshot {id} was completed, and then given up");
            self.given_up.push(id.0);
            self.failures_in_a_row += 1;
            let is_last = self.barrier.is_some_and(|barrier| barrier.kind == BarrierKind::Last);
            let is_fatal = is_last || self.failures_in_a_row > self.tolerated;
            assert_eq!(consequence == Consequence::Fail, is_fatal, "{} failures", self.failures_in_a_row);
            if is_fatal {
                self.end = End::Failed;
            }
            if self.stand == Stand::OnItsWay {
                self.stand = Stand::GivenUp;
            }
        }
    }

    #[test]
    fn ends_in_one_finish_or_failure_and_every_snapshot_is_completed_or_given_up_but_never_both() {
        let mut seen = HashSet::new();
        let mut lengths = BTreeSet::new();
        let mut ends = HashSet::new();
        let mut open = vec![World::new(u32::MAX), World::new(1), World::new(0)];
        while let Some(world) = open.pop() {
            for fact in world.stale() {
                let mut coordinator = world.coordinator.clone();
                assert_eq!(
                    World::tell(&mut coordinator, fact, world.seconds),
                    None,
                    "{fact:?} came too late"
                );
                assert!(coordinator == world.coordinator, "{fact:?} came too late, and changed something");
            }
            let facts = world.possible();
            if facts.is_empty() {
                assert_ne!(world.end, End::None, "a history of {} snapshots never ends", world.injected);
                let mut told: Vec<_> = world.completed.iter().chain(&world.given_up).copied().collect();
                told.sort_unstable();
                assert!(told.into_iter().eq(1..=world.injected), "the fate of a snapshot is not known");
                if world.end == End::Finished {
                    assert!(world.coordinator.ending().is_some());
                    let asked = world.triggered.is_none_or(|before| world.injected > before);
                    assert!(asked, "a snapshot was asked for, and none began");
                }
                lengths.insert(world.injected);
                ends.insert(world.end);
            }
            for fact in facts {
                let next = world.after(fact);
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        assert!(seen.len() > 10_000, "only {} worlds: the enumeration has lost its grip", seen.len());
        assert_eq!(ends, HashSet::from([End::Finished, End::Failed]));
        assert_eq!((lengths.first(), lengths.last().is_some_and(|most| *most > 3)), (Some(&1), true));
    }
}
