//! Windows: finite parts of a stream, of which a result can be made.
//!
//! `.key_by(..).window(..)` puts the records of each key into windows. An [`assigner`] says into which; a [`trigger`] when they
//! fire; an [`evictor`] which records are left out then; an [aggregate](mod@crate::aggregate) or a function what is made of the
//! records. All of it is Flink's, by the meaning of the words as well: `docs/from-flink.md` has the names side by side.
//!
//! Pure are the assigners with their [`edges`] and the [`slices`] that windows share; the [`operator`] brings them together with
//! the [`state`] of a key. [`windowing`] makes such operators, and [`stream`] puts them into a job.
//!
//! **Times beyond reach.** A record without event time is late. Times that are further from the epoch than 36 million years are
//! taken to be there; a record of the year 9999 is in the window of its year. Such a window waits for its watermark like any other.

pub mod assigner;
pub mod contents;
mod each;
pub(crate) mod edges;
pub mod evictor;
pub mod firing;
mod lone;
mod open;
pub mod operator;
mod sliced;
pub mod slices;
pub mod state;
pub mod stream;
pub mod time_window;
pub mod trigger;
mod whole;
pub mod windowing;

#[cfg(test)]
mod tests;

pub use assigner::{
    Cumulating, Domain, Global, Session, SessionBy, Sliding, SlidingCount, Tumbling, TumblingCount,
    WindowAssigner,
};
pub use evictor::{Element, Evictor, KeepAll, KeepLast, KeepWithin};
pub use firing::{Firing, Windowed};
pub use operator::WindowOperator;
pub use stream::WindowedStream;
pub use time_window::{GlobalWindow, TimeWindow, Window};
pub use trigger::{
    AtEnd, EveryCount, EveryEventTime, EveryProcessingTime, Never, Purging, Trigger, TriggerContext,
    TriggerResult,
};
pub use windowing::Windowing;
