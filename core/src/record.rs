//! The grammar of a stream: what travels between stages, and in which order.
//!
//! A channel carries [`Element`]s: batches of records, watermarks and statuses, and barriers; the last barrier ends it. Their
//! order is the promise that everything else rests on: *a barrier never overtakes a record, and no record overtakes a watermark.*

use std::any::Any;

use serde::{Deserialize, Serialize};

use crate::key::KeyHash;
use crate::time::EventTime;

/// What a channel carries.
pub enum Element {
    /// Records, in order.
    Batch(Batch),
    /// No record that follows is older than this; late records excepted. [`EventTime::MAX`]: no record follows.
    Watermark(EventTime),
    /// Whether watermarks are to be expected. One that is idle says that it is active again before its next watermark.
    Status(WatermarkStatus),
    /// Everything before belongs to this snapshot, everything after does not.
    Barrier(Barrier),
}

impl Element {
    /// Whether a stage may put out records because of it.
    pub(crate) fn makes_work(&self) -> bool {
        match self {
            Element::Batch(_) | Element::Watermark(_) | Element::Status(_) => true,
            Element::Barrier(_) => false,
        }
    }
}

/// Whether a stream has watermarks to give: Flink's `WatermarkStatus`. A stage does not wait for the watermarks of an idle
/// input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WatermarkStatus {
    /// It has.
    #[default]
    Active,
    /// Nothing is to be expected of it just now: none of its splits gives anything. Records may come all the same.
    Idle,
}

/// Records of one type; the type is known to the two stages at the ends of the channel, and to nobody between.
pub struct Batch {
    /// A `Vec` of the stage's input type: `Vec<Routed<..>>` after an exchange, `Vec<Timed<..>>` on a local edge.
    pub records: Box<dyn Any + Send>,
    /// How many there are.
    pub len: usize,
    /// Which source records they were made from; for people, when something goes wrong.
    pub origin: Origin,
}

/// How many records of a type a stage gathers before it hands them on, unless the input is idle: at most 1,024, and fewer of
/// large ones, so that a batch that was just written is still in the nearest caches when it is read.
pub const fn batch_size<T>() -> usize {
    let size = if size_of::<T>() == 0 { 1 } else { size_of::<T>() };
    let fits = BATCH_BYTES / size;
    if fits > BATCH_SIZE_MAX {
        BATCH_SIZE_MAX
    } else if fits < BATCH_SIZE_MIN {
        BATCH_SIZE_MIN
    } else {
        fits
    }
}

/// The most records that a batch has.
pub const BATCH_SIZE_MAX: usize = 1024;
/// However large they are, so many are worth the way of a batch.
const BATCH_SIZE_MIN: usize = 64;
/// How many bytes of records a batch has, about.
const BATCH_BYTES: usize = 64 << 10;

/// A record that knows when it happened. Implemented by `#[event(time = field)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say when it happened",
    label = "has no declared event time",
    note = "mark the type `#[event(time = field)]`, or give the time here: `.event_time(|record| record.at, Watermarks::bounded(..))`"
)]
pub trait Event {
    /// When it happened.
    fn event_time(&self) -> EventTime;
}

/// How full a gathered batch must be for its stage to hand it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Only full ones: more input is waiting.
    Full,
    /// Any: the input is idle, or has been kept waiting long enough.
    Any,
}

/// A record and the event time it carries; [`EventTime::MIN`] if it has not been given one.
pub struct Timed<T> {
    /// The record.
    pub value: T,
    /// Its event time.
    pub at: EventTime,
}

/// A record on its way to the subtask that owns its key. `C` is what the exchange carries of the key: the key itself if
/// it was computed, nothing if it can be borrowed from the record again.
pub struct Routed<C, T> {
    /// The hash of the key, computed once.
    pub hash: KeyHash,
    /// The key, or nothing.
    pub carried: C,
    /// The record.
    pub value: T,
    /// Its event time.
    pub at: EventTime,
}

/// A record of one of two streams that are connected, and whatever else is on one of two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Either<L, R> {
    /// Of the stream that was connected to another.
    Left(L),
    /// Of the other.
    Right(R),
}

/// The number of a snapshot; they count up from 1 and are never used twice in one snapshot directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SnapshotId(pub u64);

impl std::fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The line between what a snapshot holds and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Barrier {
    /// Whose snapshot.
    pub snapshot: SnapshotId,
    /// Whether anything follows.
    pub kind: BarrierKind,
}

/// Whether a barrier is followed by more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BarrierKind {
    /// The stream goes on.
    Periodic,
    /// Nothing follows: the input has ended, or the job was told to stop.
    Last,
}

/// The part of a source that a batch's records were made from: for reports only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The source's stage and split, or none if the records were made by a timer.
    pub split: Option<SplitNumber>,
    /// The first record's number in its split, counted from 1.
    pub first: u64,
    /// The last record's number in its split.
    pub last: u64,
}

impl Origin {
    /// The smallest range that holds both; of one split only, the later one, for it is a report and not a proof.
    pub(crate) fn merge(self, later: Origin) -> Origin {
        if self.split != later.split || self.first == 0 {
            return later;
        }
        Origin { split: self.split, first: self.first.min(later.first), last: self.last.max(later.last) }
    }
}

/// A split among all splits of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitNumber(pub u32);
