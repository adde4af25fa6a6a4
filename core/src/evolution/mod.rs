//! State outlives the program that made it: how the next one takes it over.
//!
//! A snapshot records the [schema](crate::state::schema) of every state, the program declares its own, and a [`plan`] says,
//! before anything starts, what becomes of each difference: it is [carried](carry) by itself, taken over by code that the
//! program has, or refused with what to write. A row is never looked at by its type: a [`shape`] says what lies in the bytes,
//! in one of two [formats](mod@format), and a [`conversion`] makes new bytes of them. For people the same bytes are a
//! [`value`], and [JSON](json). The [`report`] is of a whole job; a [`lock`] file keeps the schemas beside the program.
//!
//! | edit                                                  | verdict                                                              |
//! |-------------------------------------------------------|----------------------------------------------------------------------|
//! | field added to a state                                | carried: it begins as in the `Default` of the state                  |
//! | field added inside of a struct or variant             | carried: it begins as the `Default` of its type; refused without one |
//! | field removed                                         | carried without it, and said; refused in a key, and where equal values are one |
//! | fields in another order                               | carried                                                              |
//! | field or variant renamed, `was = "old"`               | carried                                                              |
//! | number widened: `u8` to `u16`, `u32` to `i64`, `f32` to `f64` | carried                                                      |
//! | `T` to `Option<T>`                                    | carried                                                              |
//! | variant added, anywhere                               | carried                                                              |
//! | variant removed                                       | refused                                                              |
//! | `HashMap` and `BTreeMap`, `HashSet` and `BTreeSet`, `Vec` and `VecDeque` for each other; a set to a `Vec` | carried |
//! | type or state of another name                         | carried: names of types are for people                               |
//! | time to live changed                                  | carried, and said                                                    |
//! | any of it inside of structs, variants, containers, entries of `Map` and `List`, what timers carry | the same         |
//! | number narrowed, another type, `Option<T>` to `T`     | refused                                                              |
//! | another kind of state: `Map` to a plain field         | refused                                                              |
//! | another type of key                                   | refused                                                              |
//! | `version = 2, from = Old`, and what `Old` was         | migrated by the program's `From`, of the keys too                    |
//! | entries of `Map` and `List` in a migration            | carried by the name of their field; those without one are dropped, and said |
//! | version that the program has nothing of, or a newer one | refused                                                            |

mod carry;
mod conversion;
pub mod difference;
mod expiry;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod format;
pub(crate) mod json;
mod json_scalar;
pub(crate) mod living;
pub mod lock;
pub mod plan;
mod planner;
pub mod record;
pub mod report;
pub mod row;
pub(crate) mod shape;
pub(crate) mod value;

pub use difference::{Change, Difference, Verdict};
pub use plan::{OperatorProgram, Plan};
pub use record::RecordPlan;
pub use report::Report;
