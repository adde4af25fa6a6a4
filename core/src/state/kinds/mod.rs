//! The kinds of state that a `#[state]` struct can have as fields, next to plain Rust: [`Map`], [`List`], [`Value`],
//! [`Reducing`] and [`Aggregating`].
//!
//! A plain field is part of its row and has no history. A managed field knows more than its content: when each value was
//! refreshed, so that it can expire; and, for [`Map`] and [`List`], which of its [`entries`] have changed since a snapshot or
//! the store last heard of them, and which of them are not in memory at all.
//!
//! *What enters:* what the operator does to the field; the [time](Now) before each visit; entries that are loaded. *What
//! leaves:* changes, for the delta of a snapshot and for the store, each told of what it has not heard. *Always:* an expired
//! value is never seen; telling costs as much as has changed, however large the field is; what the user puts into a field
//! in place of another (`session.pages = Map::default()`, `mem::take`, `mem::swap`) replaces it in every snapshot, too.
//! *Absent:* keys, rows, stores and clocks. A field that has no place in a row is a container in memory, so that an
//! operator's functions can be tested with nothing around them.
//!
//! On disk a row has, in the place of the field:
//!
//! | kind | bytes |
//! |---|---|
//! | `Map` | postcard `u64`: the number of its entries times 2, plus 1 if some of them may have gone since |
//! | `List` | postcard `u64`: the index of the first element; then as for `Map`, of all indices from there on |
//! | `Value`, `Reducing`, `Aggregating` | postcard `Option<(i64, T)>`: the time of the last refresh in ms, and the value |
//!
//! and each entry is a row of its own:
//!
//! | subkey | value |
//! |---|---|
//! | `Map`: the key, [encoded](crate::key::Key::encode); `List`: its index, `u64` big-endian | postcard `i64`: the time of the last refresh in ms, 0 without TTL; then postcard of the value |
//!
//! Entries of a field with a TTL "may have gone since": whoever merges files may leave out what has expired.

mod aggregating;
mod backing;
mod changes;
mod entries;
mod held;
mod list;
mod lookup;
mod map;
mod reducing;
mod slots;
mod ttl;
mod value;

#[cfg(test)]
mod fixture;

pub use aggregating::Aggregating;
pub use backing::{Backing, EachEntry, EntryStore};
pub use list::List;
pub use map::{AsKey, Map};
pub use reducing::Reducing;
pub use ttl::{Now, Refresh, Ttl, TtlTime};
pub use value::Value;

use crate::error::{Error, Result};

/// What is declared of a managed field. Made by `#[state]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ManagedSpec {
    /// The field's name in snapshots.
    pub name: &'static str,
    /// How long its values are kept.
    pub ttl: Option<Ttl>,
    /// How many elements a list keeps.
    pub max: Option<usize>,
}

/// Who wants to hear of the changes of a field: nobody, unless it is said. For whom does not, nothing piles up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consumers {
    /// The deltas of snapshots.
    pub snapshots: bool,
    /// The store, for what leaves memory.
    pub store: bool,
}

/// The place of a field in the rows of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of the managed fields it is, in order of declaration.
    pub index: u8,
    /// What is declared of it.
    pub spec: &'static ManagedSpec,
    /// Who wants to hear of its changes.
    pub consumers: Consumers,
}

/// What a field that is attached has to do with what was stored in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Older {
    /// It is that: its row was just read, or is new.
    Valid,
    /// The user has put it there in place of another: all that was told of that one is void.
    Void,
}

/// A change of a field's entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryChange<'a> {
    /// All that was told before is void. Comes first if it comes.
    Reset,
    /// The entry with this subkey has this value.
    Put(&'a [u8], &'a [u8]),
    /// The entry with this subkey is gone.
    Remove(&'a [u8]),
}

/// One of the kinds of state, whatever it is of; [`Managed`] if that is fit to be kept.
#[diagnostic::on_unimplemented(
    message = "a `ttl` needs to know when a value was written, and a plain `{Self}` does not",
    label = "a plain field",
    note = "write `Value<{Self}>` for the field: `get`, `set` and `update` go through it, and an expired value is never seen",
    note = "a collection whose entries expire one by one is a `Map` or a `List`"
)]
pub trait Kind {}

/// A kind that grows with what the operator puts into it.
#[diagnostic::on_unimplemented(
    message = "`unbounded` says that a `Map` or a `List` may grow for ever, and `{Self}` is neither",
    label = "earns no warning that `unbounded` could silence",
    note = "remove `unbounded`"
)]
pub trait Grows: Kind {}

/// A kind that can keep the newest n.
#[diagnostic::on_unimplemented(
    message = "`max` keeps the newest elements of a `List`, and `{Self}` is none",
    label = "has no order of age",
    note = "a `Map` can be bounded by a `ttl`, or by the operator itself, which then says `unbounded`"
)]
pub trait Bounded: Kind {}

/// A field that is more than its bytes in the row. Implemented by the kinds of state; driven by whoever keeps the rows.
///
/// The order of calls: [`attach`](Managed::attach) when a row is created or read; then [`load`](Managed::load) for entries
/// that are at hand; [`tell_time`](Managed::tell_time) before each visit, if any field of the row has a TTL; after it
/// `attach` again, as [`Older::Void`], if the field is no longer [attached](Managed::is_attached_to) to its place.
pub trait Managed: Kind {
    /// Whether it has entries that are rows of their own, or lives in the row.
    const HAS_ENTRIES: bool;

    /// Ties the field to its place. Entries that are not in memory are in `backing`; without one, whatever is not loaded does
    /// not exist.
    ///
    /// # Errors
    /// If the field is [`Older::Void`], and what it has in its former place can't be read.
    fn attach(&mut self, place: Place, older: Older, backing: Option<Backing>, now: &Now) -> Result<()>;

    /// Whether it is tied to the place with this index. If not, then the user has put another value into the field.
    fn is_attached_to(&self, index: u8) -> bool;

    /// Says what time it is. Nothing is looked through: what has expired is judged when it is met.
    fn tell_time(&mut self, now: &Now);

    /// Tells what the next delta of a snapshot must have: what has changed since this was last called.
    ///
    /// # Errors
    /// If serde can't carry a value, or `each` fails. The field must then not be used any more.
    fn take_changes(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()>;

    /// Tells what the store lacks: what has changed since this was last called.
    ///
    /// # Errors
    /// As [`take_changes`](Managed::take_changes).
    fn take_unstored(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()>;

    /// Takes an entry of the snapshot that the row was read from: the store has not heard of it. One that is in memory is
    /// newer and stays.
    ///
    /// # Errors
    /// If it can't be decoded.
    fn load(&mut self, subkey: &[u8], value: &[u8]) -> Result<()>;

    /// Lets go of all entries in memory that every consumer knows as they are; from here on they are found in `backing`,
    /// which has all that the store was told.
    fn forget(&mut self, backing: Backing);

    /// Removes what has expired in memory; how much that is. Costs nothing if nothing can have expired.
    fn expire(&mut self, now: &Now) -> usize;

    /// About how many bytes its entries take in memory. What lives in the row is not counted: that is for who keeps the row.
    fn bytes(&self) -> usize;

    /// Forgets everything.
    fn clear(&mut self);
}

/// Is shown the managed fields of a state, one after another.
pub trait ManagedVisitor {
    /// The field with this index among the managed ones.
    ///
    /// # Errors
    /// Whatever ends the visit.
    fn visit<M: Managed>(&mut self, index: u8, spec: &'static ManagedSpec, field: &mut M) -> Result<()>;
}

/// The bound that no `Of` meets: what rustc then says is the message. It is asked of `()`, for of two bounds on one type rustc
/// would report the outer one.
#[diagnostic::on_unimplemented(
    message = "`{Of}` can only be a field of a struct marked `#[state]`, directly",
    label = "its entries and times are kept beside the row of a key",
    note = "in a record, or inside of another type (`Option`, `Vec`, a struct marked `#[event]`), nothing would keep them",
    note = "write it as a field of the state itself, or use a plain collection: `BTreeMap`, `Vec`"
)]
pub trait Anywhere<Of> {}

/// The value, or the end of the task: in a user's function there is nowhere to return an error to.
pub(super) fn or_raise<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| raise(error))
}

#[cold]
fn raise(error: Error) -> ! {
    std::panic::resume_unwind(Box::new(error))
}
