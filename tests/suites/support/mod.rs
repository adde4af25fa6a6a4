//! What the suites share: running executables, reading what they wrote, and a log whose sessions are known.

#[cfg(feature = "flink")]
pub mod cluster;
pub mod log;
pub mod program;
pub mod random;
pub mod reader;

pub use log::{Log, Session};
pub use program::{Outcome, Program, Running};
pub use random::Random;

/// Says why a test has nothing to do here.
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}
