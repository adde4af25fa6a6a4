//! State outlives the program that made it: how the next one takes it over.
//!
//! A snapshot records the [schema](crate::state::schema) of every state, the program declares its own, and a [`plan`] says,
//! before anything starts, what becomes of each difference: it is [carried](carry) by itself, taken over by a migration that
//! the program has, or refused with what to write. A row is never looked at by its type: a [`shape`] says what lies in the
//! bytes, in one of two [formats](mod@format), and a [`conversion`] makes new bytes of them.
//!
//! For people the same bytes are a [`value`], and [JSON](json).

mod carry;
mod conversion;
pub mod difference;
#[cfg(test)]
mod fixture;
pub(crate) mod format;
pub(crate) mod json;
pub mod lock;
pub mod plan;
pub mod report;
pub mod row;
pub(crate) mod shape;
pub(crate) mod value;

pub use difference::{Change, Difference, Verdict};
pub use plan::{OperatorProgram, Plan};
pub use report::Report;
