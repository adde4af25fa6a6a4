//! Stateful stream processing, compiled.
//!
//! The modules, in the way of a record: a [`source`] reads it, a [`chain`] of steps transforms it, an [`exchange`] takes it
//! to the worker that owns its [`key`](mod@key), an [`operator`](mod@operator) updates its [`state`](mod@state), a
//! [`sink`] writes it. The way of a barrier: the coordinator in [`snapshot`] has it injected at the sources; it is aligned
//! in [`exchange`]; every stage freezes its part; `snapshot` writes the parts and completes them; the sinks commit.
//! [`task`] drives stages; [`job`](mod@job) puts it all together.
//!
//! Who depends on whom: `time`, `key`, `error`, `record`, `outbox` and `files` on nothing above them; `chain` and `exchange`
//! on those; `source`, `operator` and `sink` on `chain`; `task` on all of these; nobody imports `job` but `testing` and the
//! generated `main`.

#[doc(hidden)]
pub mod __rt;
pub mod aggregate;
#[cfg(feature = "mimalloc")]
mod allocator;
pub mod async_io;
pub mod chain;
pub mod changelog;
pub mod error;
pub mod evolution;
pub(crate) mod exchange;
pub(crate) mod files;
#[cfg(feature = "flink")]
pub(crate) mod flink;
pub mod job;
pub mod join;
pub mod key;
pub mod operator;
pub mod outbox;
pub mod pattern;
pub mod prelude;
pub mod record;
pub mod sink;
pub mod snapshot;
pub mod source;
pub(crate) mod spares;
pub mod state;
pub mod task;
pub mod testing;
pub mod time;
pub mod window;

pub use error::{Error, Result};
pub use tidegate_macros::{event, job, key, operator, pattern, state};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// So do the programs of the guides.
#[cfg(doctest)]
#[doc = include_str!("../../docs/state-without-keys.md")]
struct StateWithoutKeys;

#[cfg(doctest)]
#[doc = include_str!("../../docs/event-time.md")]
struct EventTimeGuide;

#[cfg(doctest)]
#[doc = include_str!("../../docs/async-io.md")]
struct AsyncIo;

#[cfg(doctest)]
#[doc = include_str!("../../docs/batch.md")]
struct BatchGuide;
