//! What a run's snapshots came to, in figures: for the display, the summary, and benchmarks.

use std::time::Duration;

use crate::record::SnapshotId;
pub use crate::task::event_time::{EventTimeFigures, OperatorEventTime, SourceEventTime};
use crate::task::metrics::Pauses;

/// The figures of all snapshots of a run, over all its attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFigures {
    /// How many were completed.
    pub completed: u64,
    /// How many were begun, or were to begin, and given up.
    pub failed: u64,
    /// The bytes of state, and of records in flight, that were written for those that were completed.
    pub bytes: u64,
    /// How many records were in flight at the cuts of those that were completed, and so are part of them.
    pub in_flight: u64,
    /// The longest time from the barrier to the complete snapshot.
    pub duration_max: Duration,
    /// For how long tasks stood still at barriers.
    pub pauses: Pauses,
    /// The last one that was completed.
    pub last: Option<CompleteSnapshot>,
}

/// A complete snapshot in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompleteSnapshot {
    /// Its number.
    pub id: SnapshotId,
    /// The bytes of state, and of records in flight, that were written for it.
    pub bytes: u64,
    /// From the barrier to the complete snapshot.
    pub duration: Duration,
}

impl SnapshotFigures {
    /// Counts a snapshot that was completed.
    pub(crate) fn complete(&mut self, snapshot: CompleteSnapshot) {
        self.completed += 1;
        self.bytes += snapshot.bytes;
        self.duration_max = self.duration_max.max(snapshot.duration);
        self.last = Some(snapshot);
    }

    /// Adds those of a later attempt. Pauses are counted over all attempts as it is.
    pub(crate) fn add(&mut self, later: &SnapshotFigures) {
        self.completed += later.completed;
        self.failed += later.failed;
        self.bytes += later.bytes;
        self.in_flight += later.in_flight;
        self.duration_max = self.duration_max.max(later.duration_max);
        self.pauses = later.pauses;
        self.last = later.last.or(self.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;

    #[test]
    fn the_figures_of_attempts_add_up() {
        let snapshot =
            |id, bytes, duration| CompleteSnapshot { id: SnapshotId(id), bytes, duration: millis(duration) };
        let mut first = SnapshotFigures::default();
        first.complete(snapshot(1, 1_000, 70));
        first.complete(snapshot(2, 10, 5));
        let failed = SnapshotFigures { failed: 3, ..SnapshotFigures::default() };
        let mut all = SnapshotFigures::default();
        for attempt in [&first, &failed] {
            all.add(attempt);
        }
        assert_eq!((all.completed, all.failed, all.bytes), (2, 3, 1_010));
        assert_eq!(all.duration_max, millis(70));
        assert_eq!(all.last, Some(snapshot(2, 10, 5)));
    }
}
