//! Snapshots: what a job writes at a barrier and restores from.
//!
//! What changed in every subtask enters; sorted, checksummed files and a manifest that people can read come out. Files are
//! layers: a snapshot is those that its manifest names, of which the newer ones hide what the older ones have of the same
//! rows, so that a snapshot costs what changed and not what there is. What always holds: *a directory without a suffix is a
//! complete snapshot.* All that it refers to was durable before the directory got its name, by one atomic rename; whatever a
//! crash leaves behind is recognised and never restored from.
//!
//! The [`manifest`] says what is in a snapshot, a [`mod@file`] is one layer of an operator's state. Files lie in a [`pool`]
//! that snapshots share, the [`layout`] knows every other path. A [`stack`] is the layers of a range of key groups, [`merge`]
//! makes one layer of several, [`layers`] reads the files of an operator as one. The [`chain`] of an operator is its files
//! from one snapshot to the next, and says when a [`compaction`] is due. [`mod@write`] and [`restore`] are the two ways, a
//! [`savepoint`] is a snapshot to take away. What a program takes over from another is [rewritten](rewrite) first. When a snapshot is taken, and what else it takes for it to count, is the
//! coordinator's matter. The [`tools`] show what is in a snapshot, and change it, with no job at work.

pub mod chain;
pub mod compaction;
pub(crate) mod coordinator;
pub(crate) mod entry_state;
mod fault;
pub mod file;
#[cfg(test)]
pub(crate) mod fixture;
pub mod layers;
pub mod layout;
pub mod manifest;
pub mod merge;
pub mod part;
pub(crate) mod peek;
pub mod pool;
pub mod restore;
pub mod rewrite;
pub mod savepoint;
pub mod stack;
pub(crate) mod tools;
pub mod write;

pub use chain::Chains;
pub use layout::{PendingSnapshot, SnapshotDirectory};
pub use manifest::{Manifest, OperatorState, SnapshotKind, StateFile, StateFiles};
pub use pool::StatePool;
pub use restore::{RestoreTarget, Skipped, Snapshot};
pub use savepoint::write_savepoint;
pub use write::write_state;
