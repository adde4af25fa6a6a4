//! A job: wired by the user's `#[job]` function, run by the executable that the macro makes of it.
//!
//! [`builder`] is what the user writes with, [`keyed_stream`], [`broadcast_stream`] and [`iteration`]; they record a [`graph`] of stages. [`main`](main()) reads
//! the [`flags`] and either shows the [`plan`] or [`run`]s the graph: one [`attempt`] after another, until the job is done or
//! may not [`restart`] any more. An attempt deals its [`input`] and grows its workers from [`seed`]s.

pub(crate) mod against;
pub(crate) mod attempt;
pub mod broadcast_stream;
pub mod builder;
pub(crate) mod compactor;
pub mod figures;
pub(crate) mod fit;
pub mod flags;
pub(crate) mod graph;
pub(crate) mod input;
pub mod iteration;
pub mod keyed_stream;
pub(crate) mod lock;
pub(crate) mod logging;
mod main;
pub mod plan;
pub mod progress;
pub mod restart;
pub mod run;
pub(crate) mod savepoints;
pub(crate) mod seed;
pub mod signals;
pub(crate) mod start;

pub use broadcast_stream::BroadcastStream;
pub use builder::{Job, Stream};
pub use flags::{JobFlags, RunOptions};
pub use graph::Graph;
pub use keyed_stream::KeyedStream;
pub use main::{JobArgs, NoArgs, Program, main};
