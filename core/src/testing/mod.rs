//! For tests of operators and jobs, under virtual time and without threads.
//!
//! [`Harness`] drives one keyed operator, [`UnkeyedHarness`] one without keys; [`Subtasks`] drives an operator in several
//! subtasks, over any store, through snapshots that fail, kills and rescaling, a step at a time; [`TestJob`] runs a whole job in
//! the calling thread, with an interleaving of its workers that a seed decides, and kills and restores it where the test says.
//! [`crash`] points let a test kill a real executable between two steps of the snapshot protocol.

pub mod crash;
mod harness;
mod subtasks;
mod test_job;
mod unkeyed_harness;

pub use harness::Harness;
pub use subtasks::Subtasks;
pub use test_job::{TestJob, TestRun};
pub use unkeyed_harness::UnkeyedHarness;
