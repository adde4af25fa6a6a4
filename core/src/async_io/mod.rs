//! Asking something outside of the job about records: a server, a database, without waiting for it.
//!
//! [`Stream::async_map`](crate::job::Stream::async_map) asks about every record; a
//! [`lookup join`](crate::job::Stream::lookup_join) asks by a key, and remembers answers in a cache.
//!
//! What enters: records. What leaves: answers, each with the event time of its record. It is a step of a chain: what is asked
//! about is in a `queue`, which says what may go on when; the worker polls the `requests` between two batches. A subtask that has
//! as many under way as it may is given no more input, and so passes back-pressure on. What is in the queue is what a snapshot
//! has of it. Nothing here reads a clock or starts a thread but by `time` and `task`; under virtual time all of it happens in one
//! thread, and the same way each time.

mod blocking;
mod cache;
mod lookup;
mod on_failure;
mod queue;
mod requests;
mod retry;
mod runtime;
mod step;
mod stream;

pub use blocking::{BlockingCall, blocking};
pub use cache::LookupCache;
pub use lookup::{Inner, Joins, LeftOuter, Lookup, LookupJoin};
pub use on_failure::{OnFailure, OrElse, OrFail, OrReject, Settled};
pub use requests::Request;
pub use retry::{Failure, Retry};
pub use step::{Ask, AskHead, Asked, Attempt};
pub use stream::{Answered, AskFunction, Asking};
