//! Pattern matching (CEP): sequences of events of a key that belong together, found as they come.
//!
//! What enters: the records of a keyed stream, in any order. What leaves: what is made of every [`Match`], when event time has
//! come to the event that completes it; on the side, partial matches whose time is up, and late records. A [`Pattern`] says what
//! is looked for: steps, how they follow each other, how often each is taken, what must not come in between.
//!
//! A partial match is a [`run`]: the events that it has [taken], and where in the pattern it stands. An event may begin a run,
//! be taken by one, be ignored by it, or end it; where more than one is possible, the run parts into several. The [`machine`] says
//! which, event by event; the [`operator`] brings the events of a key in the order of their time, those of one time in the
//! order in which they came. All of it is in the row of the key, and so in snapshots.
//!
//! Semantics: Flink CEP's, in event time or by the clock. What there is no counterpart for: groups of steps, and `within` between one event
//! and the next.

pub mod builder;
pub(crate) mod machine;
pub mod matched;
pub mod operator;
pub(crate) mod run;
pub mod skip;
pub(crate) mod step;
pub mod stream;
pub mod taken;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use builder::Pattern;
pub use matched::{Match, Matcher};
pub use operator::{Aside, PatternMatch};
pub use skip::Skip;
pub use step::Times;
pub use stream::PatternStream;
pub use taken::SoFar;
