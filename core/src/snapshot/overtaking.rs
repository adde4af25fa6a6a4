//! Whether and when a snapshot's barrier overtakes the records in flight, and when a subtask's part is whole then. Pure.
//!
//! Enter facts: a snapshot has begun, time has passed, a subtask has cut early, it is done with its state, or with what was in
//! flight to it. Leave decisions: tell the workers that the barrier overtakes; tell the coordinator that a part is done.
//! A subtask that was aligned has one thing to write, one that cut early has two, which are ready in any order. The head of a
//! loop cuts early in every snapshot, whether barriers overtake or not, for its own records are in flight to it.
//!
//! Always: the last barrier is aligned. So what is in the snapshot of a job that has ended or was stopped is state alone, and
//! what goes round in its loops.
//! Whether a half was written or could not be is the same here: a snapshot that failed is waited for as long as any other.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::key::SubtaskIndex;
use crate::record::{Barrier, BarrierKind, SnapshotId};
use crate::time::secs;

/// What becomes of the records that are on their way between two subtasks when a snapshot is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SnapshotMode {
    /// They are worked off before the snapshot is: the barrier waits behind them.
    #[default]
    Aligned,
    /// They become part of the snapshot: the barrier overtakes them.
    Unaligned,
    /// The one, or the other if the snapshot is not complete so long after it began: Flink's
    /// `aligned-checkpoint-timeout`.
    Auto {
        /// How long barriers may wait.
        alignment_timeout: Duration,
    },
}

/// How long barriers may wait in [`SnapshotMode::Auto`] if nobody says: a tenth of the interval that snapshots have then.
pub const DEFAULT_ALIGNMENT_TIMEOUT: Duration = secs(1);

/// Decides when barriers overtake.
#[derive(Clone, Debug)]
pub(crate) struct Overtaking {
    mode: SnapshotMode,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    /// No snapshot is in flight.
    Idle,
    /// The barrier is on its way. If it is still to overtake, it is `due` then. Of the parts of those that have cut early this
    /// half, if any, is done.
    InFlight { barrier: Barrier, due: Option<Duration>, parts: BTreeMap<Part, Option<Half>> },
}

/// A stage and a subtask of it.
type Part = (usize, SubtaskIndex);

/// One of the two things that a subtask has to write which cut early. One that was aligned has only its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Its state.
    State,
    /// What was in flight to it.
    Channels,
}

impl Overtaking {
    pub fn new(mode: SnapshotMode) -> Overtaking {
        Overtaking { mode, state: State::Idle }
    }

    /// The barrier of a snapshot has been injected.
    pub fn begin(&mut self, barrier: Barrier, now: Duration) {
        let wait = match self.mode {
            SnapshotMode::Aligned => None,
            SnapshotMode::Unaligned => Some(Duration::ZERO),
            SnapshotMode::Auto { alignment_timeout } => Some(alignment_timeout),
        };
        let wait = wait.filter(|_| barrier.kind == BarrierKind::Periodic);
        let due = wait.map(|wait| now.saturating_add(wait));
        self.state = State::InFlight { barrier, due, parts: BTreeMap::new() };
    }

    /// The barrier of a snapshot has been injected, which is not to overtake.
    pub fn begin_aligned(&mut self, barrier: Barrier) {
        self.state = State::InFlight { barrier, due: None, parts: BTreeMap::new() };
    }

    /// The time is `now`. The barrier that is to overtake, if it is due.
    pub fn tick(&mut self, now: Duration) -> Option<Barrier> {
        match &mut self.state {
            State::InFlight { barrier, due, .. } if due.is_some_and(|due| due <= now) => {
                *due = None;
                Some(*barrier)
            }
            State::Idle | State::InFlight { .. } => None,
        }
    }

    /// Nobody writes for the snapshot any more. One that was given up is not over yet: its barrier is on
    /// its way, and its parts are waited for.
    pub fn end(&mut self) {
        self.state = State::Idle;
    }

    /// A subtask has cut before it was aligned. Told before anything of it is written.
    pub fn cut_early(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex) {
        if let Some(parts) = self.parts(id) {
            parts.insert((stage, subtask), None);
        }
    }

    /// A subtask is done with one half of its part: it is written, or never will be. Whether nothing more comes of it.
    pub fn answered(&mut self, id: SnapshotId, stage: usize, subtask: SubtaskIndex, half: Half) -> bool {
        match self.parts(id).and_then(|parts| parts.get_mut(&(stage, subtask))) {
            Some(done) => *done.get_or_insert(half) != half,
            // It was aligned: there is no other half.
            None => true,
        }
    }

    /// The parts of snapshot `id`, if it is the one in flight; of an older one there are none.
    fn parts(&mut self, id: SnapshotId) -> Option<&mut BTreeMap<Part, Option<Half>>> {
        match &mut self.state {
            State::InFlight { barrier, parts, .. } if barrier.snapshot == id => Some(parts),
            State::Idle | State::InFlight { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: SnapshotId = SnapshotId(4);

    fn barrier(kind: BarrierKind) -> Barrier {
        Barrier { snapshot: ID, kind }
    }

    const AUTO: SnapshotMode = SnapshotMode::Auto { alignment_timeout: secs(3) };
    const PART: Part = (1, SubtaskIndex(0));

    #[test]
    fn an_unaligned_snapshot_overtakes_at_once_and_an_automatic_one_when_its_time_is_up_each_once() {
        for (mode, due) in [(SnapshotMode::Unaligned, 7), (AUTO, 10)] {
            let mut overtaking = Overtaking::new(mode);
            assert_eq!(overtaking.tick(secs(6)), None);
            overtaking.begin(barrier(BarrierKind::Periodic), secs(7));
            for now in 7..14 {
                let expected = (now == due).then_some(barrier(BarrierKind::Periodic));
                assert_eq!(overtaking.tick(secs(now)), expected, "{mode:?} at {now} s");
            }
        }
    }

    #[test]
    fn neither_the_barrier_of_an_aligned_snapshot_nor_the_last_one_nor_that_of_a_complete_one_overtakes() {
        for mode in [SnapshotMode::Aligned, SnapshotMode::Unaligned, AUTO] {
            let mut overtaking = Overtaking::new(mode);
            overtaking.begin(barrier(BarrierKind::Last), secs(0));
            assert_eq!(overtaking.tick(secs(100)), None, "{mode:?}");
            overtaking.begin(barrier(BarrierKind::Periodic), secs(100));
            overtaking.end();
            assert_eq!(overtaking.tick(secs(200)), None, "{mode:?}");
        }
        let mut overtaking = Overtaking::new(SnapshotMode::Aligned);
        overtaking.begin(barrier(BarrierKind::Periodic), secs(0));
        assert_eq!(overtaking.tick(secs(100)), None);
        let mut overtaking = Overtaking::new(SnapshotMode::Unaligned);
        overtaking.begin_aligned(barrier(BarrierKind::Periodic));
        assert_eq!(overtaking.tick(secs(100)), None, "a savepoint is to be made of it");
    }

    #[test]
    fn the_part_of_a_subtask_that_cut_early_is_whole_when_both_are_written_in_whatever_order() {
        let (stage, subtask) = PART;
        let kinds = [BarrierKind::Periodic, BarrierKind::Last];
        let modes = [SnapshotMode::Aligned, SnapshotMode::Unaligned];
        let cases = modes.into_iter().flat_map(|mode| kinds.map(|kind| (mode, kind)));
        for ((mode, kind), state_first) in cases.flat_map(|case| [(case, true), (case, false)]) {
            let mut overtaking = Overtaking::new(mode);
            overtaking.begin(barrier(kind), secs(0));
            overtaking.tick(secs(0));
            overtaking.cut_early(ID, stage, subtask);
            overtaking.answered(SnapshotId(3), stage, subtask, Half::Channels);
            let (first, second) =
                if state_first { (Half::State, Half::Channels) } else { (Half::Channels, Half::State) };
            assert!(!overtaking.answered(ID, stage, subtask, first));
            assert!(
                !overtaking.answered(ID, stage, subtask, first),
                "told twice, it does not stand for both"
            );
            assert!(overtaking.answered(ID, stage, subtask, second));
            assert!(
                overtaking.answered(ID, 0, subtask, Half::State),
                "an aligned one has only its state to write"
            );
        }
    }
}
