//! What whole jobs must do, seen from outside: real executables, killed, starved and misused.
//!
//! With the environment variable `TIDEGATE_SHARED` set to a directory that holds `data/access.log.gz` and the sessions in it,
//! the suites work on that log, and on a synthetic one otherwise. The answers to Nexmark are looked up there, too.

// All of it is tests, though clippy only knows those that are marked: what fails panics, and what is printed is shown then.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

mod asking;
mod batch;
mod evolution;
mod examples;
mod faults;
mod fixtures;
#[cfg(feature = "flink")]
mod flink;
#[cfg(feature = "flink")]
mod flink_handover;
mod loops;
mod nexmark;
mod patterns;
mod restarts;
mod savepoints;
mod simulation;
mod snapshot_tools;
mod state_kinds;
mod state_model;
mod support;
mod threads;
mod torture;
mod urls;
mod windows;
mod without_keys;
