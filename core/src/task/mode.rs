//! Whether a job works off its input as it comes, or as one batch.

/// Flink's `execution.runtime-mode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// As it comes: results appear while the job runs, and snapshots make it go on after a failure.
    #[default]
    Streaming,
    /// All of it, which must have an end: event time stands still until then, and results appear then.
    Batch,
}
