//! Snapshots: what a job writes at a barrier and restores from.
//!
//! The frozen state of every subtask enters; a directory of sorted, checksummed files and a manifest that people can read
//! comes out. What always holds: *a directory without a suffix is a complete snapshot.* All of it was durable before the
//! directory got its name, by one atomic rename; whatever a crash leaves behind is recognised and never restored from.
//!
//! The [`manifest`] says what is in a snapshot, a [`mod@file`] holds the state of one operator in one subtask, a
//! [`channel_file`] the records that were in flight to it if the barrier was [`overtaking`] them, the [`layout`] knows every path; [`mod@write`] and [`restore`] are the two ways, [`compare`] says what changed between two schemas. When a
//! snapshot is taken, and what else it takes for it to count, is the coordinator's matter.

pub(crate) mod channel_file;
pub mod compare;
pub(crate) mod coordinator;
mod fault;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
pub mod layout;
pub mod manifest;
pub(crate) mod overtaking;
pub mod part;
pub mod restore;
pub mod write;

pub use layout::{PendingSnapshot, SnapshotDirectory};
pub use manifest::{ChannelState, Manifest, OperatorState, SnapshotKind, StateFile};
pub use overtaking::{DEFAULT_ALIGNMENT_TIMEOUT, SnapshotMode};
pub use restore::{RestoreTarget, Snapshot};
pub use write::write_state;
