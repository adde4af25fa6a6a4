//! Barrier alignment: when has the same barrier come in on every channel? Pure.
//!
//! Chandy and Lamport's rule for channels that keep their order, as Carbone et al. (2015) use it: a channel that has
//! delivered the barrier is not read until all have, so that nothing after the barrier touches what the snapshot holds.

use crate::record::Barrier;

/// Decides which channels may be read and when a snapshot is due.
pub(crate) struct Aligner {
    state: AlignerState,
    channels: usize,
}

enum AlignerState {
    /// No barrier is on its way: every channel is read.
    Open,
    /// Some channels have delivered the barrier, and wait for the others.
    Aligning { barrier: Barrier, arrived: Vec<bool>, missing: usize },
}

/// What a barrier's arrival means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Alignment {
    /// Other channels have not delivered it yet: don't read this one further.
    Wait,
    /// It has arrived everywhere: take the snapshot; every channel is open again.
    Complete,
}

impl Aligner {
    pub fn new(channels: usize) -> Aligner {
        Aligner { state: AlignerState::Open, channels }
    }

    /// Whether `channel` must not be read now.
    pub fn is_held(&self, channel: usize) -> bool {
        match &self.state {
            AlignerState::Open => false,
            AlignerState::Aligning { arrived, .. } => arrived[channel],
        }
    }

    /// `channel` has delivered `barrier`.
    ///
    /// One snapshot is in flight at a time, and channels keep their order: another barrier in between can't be.
    pub fn on_barrier(&mut self, channel: usize, barrier: Barrier) -> Alignment {
        if let AlignerState::Open = self.state {
            self.state = AlignerState::Aligning {
                barrier,
                arrived: vec![false; self.channels],
                missing: self.channels,
            };
        }
        let AlignerState::Aligning { barrier: awaited, arrived, missing } = &mut self.state else {
            unreachable!("an open aligner has just begun to align");
        };
        assert_eq!(*awaited, barrier, "one snapshot is in flight at a time");
        assert!(!std::mem::replace(&mut arrived[channel], true), "a held channel is not read");
        *missing -= 1;
        if *missing > 0 {
            return Alignment::Wait;
        }
        self.state = AlignerState::Open;
        Alignment::Complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BarrierKind, SnapshotId};

    fn barrier(id: u64) -> Barrier {
        Barrier { snapshot: SnapshotId(id), kind: BarrierKind::Periodic }
    }

    #[test]
    fn in_whatever_order_three_channels_deliver_the_last_completes_and_until_then_the_earlier_are_held() {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut aligner = Aligner::new(3);
            for id in 1..3 {
                assert_eq!(aligner.on_barrier(order[0], barrier(id)), Alignment::Wait);
                assert_eq!(aligner.on_barrier(order[1], barrier(id)), Alignment::Wait);
                assert!(aligner.is_held(order[0]) && aligner.is_held(order[1]) && !aligner.is_held(order[2]));
                assert_eq!(aligner.on_barrier(order[2], barrier(id)), Alignment::Complete);
                assert!((0..3).all(|channel| !aligner.is_held(channel)));
            }
        }
    }

    #[test]
    fn a_single_channel_is_aligned_at_once() {
        assert_eq!(Aligner::new(1).on_barrier(0, barrier(1)), Alignment::Complete);
    }
}
