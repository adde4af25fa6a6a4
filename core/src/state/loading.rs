//! A restore that has begun: which key groups are still only in the snapshot.
//!
//! The operator works from the first moment on. A record whose key group is not in memory yet has it loaded at once; the
//! others follow one by one between batches.

use std::sync::Arc;

use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::part::RestoredState;

/// The key groups that are to be loaded.
pub(crate) struct Loading {
    source: Arc<dyn RestoredState>,
    groups: KeyGroupRange,
    /// For every group of the range, whether it is still to be loaded.
    waiting: Vec<bool>,
    left: usize,
}

impl Loading {
    pub fn new(source: Arc<dyn RestoredState>, groups: KeyGroupRange) -> Loading {
        let count = usize::from(groups.last.0 - groups.first.0) + 1;
        Loading { source, groups, waiting: vec![true; count], left: count }
    }

    /// The snapshot.
    pub fn source(&self) -> Arc<dyn RestoredState> {
        Arc::clone(&self.source)
    }

    /// Whether this group is still to be loaded; from here on it is not.
    pub fn take(&mut self, group: KeyGroup) -> bool {
        let place = group.0.checked_sub(self.groups.first.0).map(usize::from);
        let taken = place.and_then(|place| self.waiting.get_mut(place)).is_some_and(std::mem::take);
        self.left -= usize::from(taken);
        taken
    }

    /// A group that is still to be loaded; from here on it is not.
    pub fn take_next(&mut self) -> Option<KeyGroup> {
        let place = self.waiting.iter().position(|waiting| *waiting)?;
        let group = KeyGroup(self.groups.first.0 + place as u16);
        self.take(group).then_some(group)
    }

    /// Whether all are loaded.
    pub fn is_done(&self) -> bool {
        self.left == 0
    }
}
