//! The same job on an Apache Flink cluster: `JOB flink ..`.
//!
//! The job is cut into [`fragment`]s, each of which becomes one Flink operator. The operator itself is a few Java classes
//! (`java/`), the same for every job; beside each of its subtasks runs a process, the job's own executable
//! ([`guest`]), that drives the stages of one [`subtask`]. The two exchange [`message`]s over a socket. Flink ships frames of records between
//! subtasks, merges watermarks, aligns barriers, keeps the state of [`checkpoint`]s, and shows the [`figures`] of each. [`package`] makes the jar,
//! [`run`] submits it and follows the job, [`local`] starts a cluster to try it on. A job that is moved to a cluster takes its state along
//! by an [`export`], and back by an [`import`], through the [`savepoint`]s that Flink reads and writes.

mod checkpoint;
mod command;
mod export;
mod figures;
mod fragment;
mod guest;
mod import;
mod local;
mod message;
mod package;
mod run;
mod savepoint;
mod sinks;
mod subtask;
mod tap;

pub(crate) use command::Flink;
pub(crate) use export::ExportFlags;

#[cfg(test)]
mod tests;
