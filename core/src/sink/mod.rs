//! Where results go, and when a reader may see them.
//!
//! A sink *writes* into a pending transaction, *pre-commits* it at the barrier (from then on it survives a crash), and
//! *commits* it when the snapshot is complete: two-phase commit with the snapshot as the coordinator's decision, as in
//! Flink's `TwoPhaseCommitSinkFunction`. After a restore the transactions that the snapshot names are committed again,
//! and every other one is rolled back.

mod collect;
mod csv;
mod directory;
mod json_lines;
mod parts;
mod stderr;
mod stdout;
pub(crate) mod step;
mod table;

use serde::{Deserialize, Serialize};

pub use collect::Collect;
pub use csv::Csv;
pub use json_lines::JsonLines;
pub use stderr::Stderr;
pub use stdout::Stdout;
pub use table::{Table, TableWriter};

use crate::error::Result;
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;

/// A stream's destination. One writer works in every subtask.
pub trait Sink<T>: Settle + 'static {
    /// What writes in one subtask.
    type Writer: SinkWriter<T>;

    /// Begins to write.
    ///
    /// # Errors
    /// If the destination can't be written to.
    fn open(&self, cx: &SinkContext) -> Result<Self::Writer>;
}

/// The part of a sink that does not depend on what is written.
pub trait Settle: Send + Sync {
    /// What it is, for plans and errors: `JSON lines in out/`.
    fn describe(&self) -> String;

    /// What a reader can rely on.
    fn delivery(&self) -> Delivery;

    /// Whether it writes where a person looks, who then needs no other display.
    fn prints_on_terminal(&self) -> bool {
        false
    }

    /// Whether a run can go on from what is restored here. Changes nothing.
    ///
    /// # Errors
    /// If the destination shows results that the run would show a second time.
    fn check(&self, cx: &SettleContext<'_>) -> Result<()> {
        let _ = cx;
        Ok(())
    }

    /// Told once, before any writer opens: commits what the snapshot that is being restored has pending, again if it was
    /// committed before, and rolls back whatever else an earlier run left unfinished.
    ///
    /// # Errors
    /// If that can't be done; or if the destination shows results that this run would show a second time.
    fn settle(&self, cx: &SettleContext<'_>) -> Result<()>;
}

/// What a reader of a sink can rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Every result once, whatever happened.
    ExactlyOnce,
    /// What has been written can't be taken back: a restart may write it again.
    AtLeastOnce,
}

/// What a writer is told when it opens.
#[derive(Clone, Debug)]
pub struct SinkContext {
    /// The job's name.
    pub job: String,
    /// The sink's name.
    pub sink: String,
    /// Which subtask it writes for.
    pub subtask: SubtaskIndex,
    /// The snapshot that the job was restored from, if it was.
    pub restored: Option<SnapshotId>,
}

/// What a sink is told when it settles.
pub struct SettleContext<'a> {
    /// The job's name.
    pub job: &'a str,
    /// The sink's name.
    pub sink: &'a str,
    /// The snapshot that the job is restored from, if it is.
    pub restored: Option<SnapshotId>,
    /// The transactions that this snapshot has pre-committed.
    pub pending: &'a [Pending],
}

/// A pre-committed transaction, as the snapshot records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The sink's own name for it: a file name, a transaction id.
    pub transaction: String,
}

/// Writes in one subtask.
pub trait SinkWriter<T>: 'static {
    /// Writes a record into the open transaction; it may be kept in memory until [`SinkWriter::flush`].
    ///
    /// # Errors
    /// If it can't be written.
    fn write(&mut self, record: T) -> Result<()>;

    /// A batch has ended.
    ///
    /// # Errors
    /// If it can't be written.
    fn flush(&mut self) -> Result<()>;

    /// Closes the open transaction so that it survives a crash, unseen by readers. `None` if nothing was written.
    ///
    /// # Errors
    /// If it can't be made durable.
    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>>;

    /// Shows a pre-committed transaction to readers. Doing it again is no error and changes nothing.
    ///
    /// # Errors
    /// If it can't be shown.
    fn commit(&mut self, pending: &Pending) -> Result<()>;
}
