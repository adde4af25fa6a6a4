//! Workers and what they drive.
//!
//! A [`worker`] is one thread that hosts one subtask of every [`stage`], later stages first. The stages do the work; the
//! worker reads their inputs, sends their outputs, and takes their parts of snapshots to the coordinator.

pub(crate) mod event_time;
pub(crate) mod metrics;
pub mod mode;
pub(crate) mod panic;
pub mod stage;
pub(crate) mod termination;
pub(crate) mod thread;
pub(crate) mod worker;
