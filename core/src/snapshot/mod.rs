//! Snapshots: what a job writes at a barrier and restores from.
//!
//! The frozen state of every subtask enters; a directory of sorted, checksummed files and a manifest that people can read
//! comes out. What always holds: *a directory without a suffix is a complete snapshot.* All of it was durable before the
//! directory got its name, by one atomic rename; whatever a crash leaves behind is recognised and never restored from.
//!
//! The [`manifest`] says what is in a snapshot, a [`mod@file`] holds the state of one operator in one subtask, the [`layout`]
//! knows every path; [`mod@write`] and [`restore`] are the two ways, When a
//! snapshot is taken, and what else it takes for it to count, is the coordinator's matter.

pub(crate) mod coordinator;
mod fault;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
pub mod layout;
pub mod manifest;
pub mod part;
pub(crate) mod peek;
pub mod restore;
pub mod write;

pub use layout::{PendingSnapshot, SnapshotDirectory};
pub use manifest::{Manifest, OperatorState, SnapshotKind, StateFile};
pub use restore::{RestoreTarget, Snapshot};
pub use write::write_state;
