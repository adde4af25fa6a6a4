//! The fused push chain: what happens to a record between two exchanges, as one concrete type.
//!
//! A record is *pushed*: each [`Step`] owns the next one, so that the compiler sees a straight loop. Everything rarer than
//! a record (a watermark, a barrier, the end of a batch) is a [`Signal`] that goes the same way behind it.
//!
//! A chain is written from source to sink but must be built from sink to source, because every step owns the next.
//! [`Head`] turns it round: it is the recipe of a chain's beginning, and [`Head::build`] is given the rest.

mod discard;
pub(crate) mod event_time;
mod filter;
mod filter_map;
mod flat_map;
mod gather;
mod local_edge;
mod map;
mod tee;
mod try_map;
mod untimed;

pub(crate) use discard::Discard;
pub(crate) use event_time::{EventTimeHead, KeepUncounted, RejectUncounted};
pub(crate) use filter::FilterHead;
pub(crate) use filter_map::FilterMapHead;
pub(crate) use flat_map::FlatMapHead;
pub(crate) use gather::Gather;
pub(crate) use local_edge::{LocalEdge, LocalHead, downcast, downcast_ref};
pub(crate) use map::MapHead;
pub(crate) use tee::TeeHead;
pub(crate) use try_map::TryMapHead;
pub(crate) use untimed::UntimedHead;

use crate::error::Result;
use crate::outbox::Outbox;
use crate::record::{Barrier, Fill, SnapshotId, WatermarkStatus};
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::source::SplitId;
use crate::task::stage::{Stage, StageContext};
use crate::time::EventTime;

/// One step of a chain: takes records of type `T`.
pub trait Step<T>: 'static {
    /// Takes one record and the event time it carries.
    fn push(&mut self, value: T, at: EventTime);

    /// Takes what is rarer than a record, does its part, and passes it on to the next step.
    ///
    /// # Errors
    /// What went wrong in this step since the last signal (a sink that could not write), or in acting on this one.
    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()>;
}

/// Everything that goes down a chain and is not a record.
pub enum Signal<'a> {
    /// The chain begins to work, as this subtask.
    Open(&'a StageContext),
    /// Take back what was kept in a snapshot. Follows `Open`, before any record.
    Restore(&'a dyn RestoredState),
    /// It is this split's turn to be read: whoever wants it to wait sets the flag. Only between a source and the first exchange.
    Ask(&'a SplitId, &'a mut bool),
    /// The records that follow come from this split. Only between a source and the first exchange.
    Split(&'a SplitId),
    /// The split has ended: nothing waits for its event time any more.
    SplitEnd(&'a SplitId),
    /// No record that follows is older than this, late ones excepted.
    Watermark(EventTime),
    /// Whether watermarks are to be expected has changed.
    Status(WatermarkStatus),
    /// A batch has ended. Hand on what was gathered: all of it, or what fills a batch.
    Flush(Fill),
    /// Put down what the snapshot must hold, and hand the barrier on behind all records.
    Barrier(Barrier, &'a mut StageSnapshot),
    /// The snapshot is complete: what was pre-committed for it may be seen.
    Commit(SnapshotId),
}

/// The recipe of a chain up to some point. Given the rest, it builds the stage.
pub trait Head: Send + Sync + 'static {
    /// What comes out at that point.
    type Out: 'static;

    /// Builds the stage whose chain goes on with `next`.
    fn build<N: Step<Self::Out>>(&self, next: N) -> Box<dyn Stage>;
}
