//! Where records come from.
//!
//! A [`Source`] is divided into [`Split`]s, each of which can be read from an [`Offset`] on; offsets are what a snapshot
//! keeps. The [`stage`] reads the splits of one subtask in turn; [`Watermarks`] say how event time follows from them.

mod compression;
mod deal;
mod generate;
mod generator;
mod line;
mod lines;
mod memory;
mod paths;
mod silence;
mod split_watermarks;
mod splitter;
pub(crate) mod stage;
mod stdin;
mod throttle;
mod watermarks;
mod zstd;

use serde::{Deserialize, Serialize};

pub use generate::Generate;
pub use generator::{
    BoundedOutOfOrderness, Custom, NoWatermarks, Punctuated, WatermarkGenerator, WatermarkOutput,
    WatermarkStrategy,
};
pub use line::{BadLine, Line, from_json};
pub use lines::Lines;
pub use memory::Memory;
pub(crate) use split_watermarks::{Hold, Observed, SplitWatermarks};
pub use throttle::Throttle;
pub use watermarks::Watermarks;

use crate::error::Result;

/// A stream's origin: something that can be read in parts, each from a given position on.
pub trait Source: Send + Sync + 'static {
    /// What it gives.
    type Item: 'static;
    /// What reads one split.
    type Reader: SplitReader<Item = Self::Item>;

    /// What it is, for plans and errors: `lines of access.log.gz`.
    fn describe(&self) -> String;

    /// Whether a split can be read again from an offset.
    fn replay(&self) -> Replay;

    /// Whether it ends. One that may not is refused by `--mode batch`.
    fn boundedness(&self) -> Boundedness {
        Boundedness::Ends
    }

    /// The splits there are, in an order that stays the same, under ids that stay the same.
    ///
    /// # Errors
    /// If the source is not there or can't be looked into.
    fn splits(&self) -> Result<Vec<Split>>;

    /// Opens a split so that the next record read is the one at `from`.
    ///
    /// # Errors
    /// If the split can't be opened, or has become shorter than `from`.
    fn open(&self, split: &SplitId, from: Offset) -> Result<Self::Reader>;
}

/// Whether a source can be read again: exactly-once needs one that can.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    /// From any offset.
    FromOffset,
    /// What is read is gone.
    Never,
}

/// Whether a source ends: Flink's `Boundedness`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundedness {
    /// It does, some time: bounded.
    Ends,
    /// It may never: unbounded.
    Endless,
}

/// A part of a source that is read on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Its stable name: a path, a partition number.
    pub id: SplitId,
    /// How many bytes it has as it lies there, if that is known: for progress and time left.
    pub bytes: Option<u64>,
}

/// The stable name of a split within its source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SplitId(pub String);

/// A position in a split, between two records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offset {
    /// The position in the split's own measure: bytes of (uncompressed) text, elements of a vector.
    pub position: u64,
    /// How many records come before it.
    pub records: u64,
}

/// Reads one split.
pub trait SplitReader: 'static {
    /// What it gives.
    type Item;

    /// Reads up to `max` records and gives each to `each`. Never waits.
    ///
    /// # Errors
    /// If the split can't be read; a record that can't be *understood* is not an error but a record.
    fn read(&mut self, max: usize, each: &mut impl FnMut(Self::Item)) -> Result<ReadStatus>;

    /// The position after the last record given.
    fn offset(&self) -> Offset;

    /// How many bytes of [`Split::bytes`] have been read.
    fn bytes_read(&self) -> u64 {
        0
    }
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadStatus {
    /// There may be more at once.
    More,
    /// There is nothing now; there may be later.
    Idle,
    /// There is nothing more, for ever.
    End,
}

/// A split that a subtask is to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssignedSplit {
    /// Which one.
    pub split: Split,
    /// Where to begin, or that it has been read to its end already.
    pub from: SplitPosition,
    /// Its number among all splits of the job, for reports.
    pub number: crate::record::SplitNumber,
}

/// How far a split has been read; what a snapshot keeps of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitPosition {
    /// Up to here.
    At(Offset),
    /// To its end.
    Finished(Offset),
}
