//! What the macros' expansions name. Not for use by hand; it may change in any release.
//!
//! The checks ([`carried`], [`opaque`], [`TimeField`]) are where rustc reports a type that does not fit, at the user's
//! token. [`Checked`] has what a fitting type can do; [`Unchecked`] stands in where a check has failed, so that the rest of
//! the expansion compiles and the one mistake gives one error. What stands in is never run.

use std::fmt;
use std::marker::PhantomData;

pub use clap;
pub use serde;
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::key::Key;
use crate::state::kinds::{Bounded, Grows, Kind, Managed};
pub use crate::state::opaque::{self as opaque_bytes, Custom, CustomBytes};
use crate::state::{
    Data, Describe, Field, ManagedSpec, ManagedVisitor, Migration, Redealt, Schema, Share, State,
};
use crate::time::EventTime;

/// Checks that a field's type can be carried.
pub fn carried<T: Data>() {}

/// Checks that serde can carry a field's type, whose shape stays unknown.
pub fn opaque<T: Opaque>() {}

/// Checks that a field says what becomes of it when other subtasks take over.
pub fn redealt<T: Redealt>() {}

/// Checks that the values of a field can expire.
pub fn expires<T: Kind>() {}

/// Checks that a field can keep the newest n.
pub fn bounded<T: Bounded>() {}

/// Checks that a field is one that grows.
pub fn grows<T: Grows>() {}

/// Checks that a state has a value to begin from.
pub fn initial<T: Initial>() {}

/// Checks that a field's type can be part of a key.
pub fn part_of_key<T: Key>() {}

/// A field of a state, of which only its type decides whether it is a managed one. What is said here of managed fields is
/// said of others by [`Plain`].
pub struct InState<T>(PhantomData<T>);

impl<T: Kind> InState<T> {
    /// Checks that the field can be kept.
    pub fn kept()
    where
        T: Managed,
    {
    }

    /// Checks that the field can be kept by functions other than those that its type brings.
    pub fn kept_otherwise()
    where
        T: Otherwise,
    {
    }
}

impl<T: Managed> InState<T> {
    /// Whether it is managed.
    pub const MANAGED: bool = true;

    /// Shows the field to `visitor`, and counts it.
    ///
    /// # Errors
    /// Those of the visitor.
    #[inline]
    pub fn visit<V: ManagedVisitor>(
        field: &mut T,
        specs: &'static [ManagedSpec],
        next: &mut usize,
        visitor: &mut V,
    ) -> Result<()> {
        let index = *next;
        *next += 1;
        visitor.visit(index as u8, &specs[index], field)
    }
}

/// Stands in for [`InState`] where a field is not managed.
pub trait Plain<T> {
    /// Whether it is managed.
    const MANAGED: bool = false;

    /// Checks that the field can be kept.
    fn kept()
    where
        T: Data,
    {
    }

    /// Checks that the field can be kept by functions other than those that its type brings.
    fn kept_otherwise() {}

    /// Passes the field over.
    ///
    /// # Errors
    /// Never.
    #[inline]
    fn visit<V>(_: &mut T, _: &'static [ManagedSpec], _: &mut usize, _: &mut V) -> Result<()> {
        Ok(())
    }
}

impl<T> Plain<T> for InState<T> {}

/// How many of the fields are managed.
pub const fn managed_fields(fields: &[(bool, ManagedSpec)]) -> usize {
    let (mut place, mut managed) = (0, 0);
    while place < fields.len() {
        managed += fields[place].0 as usize;
        place += 1;
    }
    assert!(
        managed <= 256,
        "a state has at most 256 fields of type Map, List, Value, Reducing or Aggregating"
    );
    managed
}

/// What is declared of those that are.
pub const fn managed_specs<const N: usize>(fields: &[(bool, ManagedSpec)]) -> [ManagedSpec; N] {
    let mut specs = [ManagedSpec { name: "", ttl: None, max: None }; N];
    let (mut place, mut managed) = (0, 0);
    while place < fields.len() {
        if fields[place].0 {
            specs[managed] = fields[place].1;
            managed += 1;
        }
        place += 1;
    }
    specs
}

/// What serde can carry; nothing is known of its shape.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be carried in a stream or kept in state",
    label = "serde can't carry it",
    note = "even an `opaque` field must implement serde's `Serialize` and `Deserialize`, and be `Send`"
)]
pub trait Opaque {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Opaque for T {}

/// What can be kept by other functions than its own: no managed field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is kept entry by entry or with its time, and can be neither `opaque` nor left to serde's attributes",
    label = "serde does not see all that is in it",
    note = "remove `opaque` or `#[serde(..)]` from the field",
    note = "a value whose type is of another crate goes into a struct marked `#[event]`, in a field marked `#[event(opaque)]`"
)]
pub trait Otherwise {}

/// What a state begins from.
#[diagnostic::on_unimplemented(
    message = "the state `{Self}` has no `Default`",
    label = "where would a new key begin?",
    note = "a key that has no state yet starts from `Default`: add `#[derive(Default)]` below `#[state(..)]`, or implement it"
)]
pub trait Initial {}

#[diagnostic::do_not_recommend]
impl<T: Default> Initial for T {}

/// Checks that a state, whose key is a `K`, can be taken over from an older version of it.
pub fn taken_over<Old: TakenOver<New> + State<Key: KeyTakenOver<K>>, New, K>() {}

/// A state that a newer version of it can be made of.
#[diagnostic::on_unimplemented(
    message = "nothing says how a `{Self}` becomes a `{New}`",
    label = "the older version",
    note = "write `impl From<{Self}> for {New}`: it is called for every row of a snapshot that has the older version"
)]
pub trait TakenOver<New> {}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> TakenOver<New> for Old {}

/// A key that a newer version of it can be made of.
#[diagnostic::on_unimplemented(
    message = "nothing says how a key of type `{Self}` becomes a `{New}`",
    label = "the keys of the older version are of type `{Self}`",
    note = "write `impl From<{Self}> for {New}`; where neither type is yours, key the state by a struct marked `#[key]`"
)]
pub trait KeyTakenOver<New> {}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> KeyTakenOver<New> for Old {}

/// The type of the field that `#[event(time = field)]` names.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the event time of a record",
    label = "expected `EventTime`",
    note = "declare the field as `EventTime`; `EventTime::from_millis(..)` makes one of milliseconds since the epoch"
)]
pub trait TimeField {
    /// The time.
    fn event_time(&self) -> EventTime;
}

impl TimeField for EventTime {
    #[inline]
    fn event_time(&self) -> EventTime {
        *self
    }
}

/// What can be done with a `T` that passed its check.
pub struct Checked<T>(PhantomData<T>);

impl<T: Describe> Checked<T> {
    /// The shape of `T`.
    pub fn schema() -> Schema {
        T::schema()
    }

    /// A field of type `T`.
    pub fn field(name: &str) -> Field {
        Field::of::<T>(name)
    }
}

impl<T: Key> Checked<T> {
    /// [`Key::encode`].
    #[inline]
    pub fn encode(part: &T, bytes: &mut Vec<u8>) {
        part.encode(bytes);
    }

    /// [`Key::decode`].
    #[inline]
    pub fn decode(bytes: &mut &[u8]) -> Option<T> {
        T::decode(bytes)
    }

    /// [`Clone::clone`].
    #[inline]
    pub fn cloned(part: &T) -> T {
        part.clone()
    }

    /// [`PartialEq::eq`].
    #[inline]
    pub fn equal(left: &T, right: &T) -> bool {
        left == right
    }
}

impl<T: Default> Checked<T> {
    /// [`Default::default`].
    #[inline]
    pub fn initial() -> T {
        T::default()
    }
}

impl<T: Redealt + Default> Checked<T> {
    /// [`Redealt::redeal`], of a field of each.
    pub fn redeal<S>(kept: &mut [S], field: fn(&mut S) -> &mut T, share: Share) -> T {
        T::redeal(kept.iter_mut().map(|kept| std::mem::take(field(kept))).collect(), share)
    }
}

impl<T: Default + Serialize> Checked<T> {
    /// The default, encoded, for the schema of a field.
    pub fn begins() -> Option<fn() -> Option<Vec<u8>>> {
        Some(|| postcard::to_stdvec(&T::default()).ok())
    }
}

impl<S: State> Checked<S> {
    /// [`State::VERSION`].
    pub const VERSION: u32 = S::VERSION;
}

impl<Old: State, New: State<Key: From<Old::Key>> + From<Old>> Checked<(Old, New)> {
    /// For [`State::migration`].
    pub fn migration() -> Option<Migration> {
        Some(Migration::of::<Old, New>())
    }
}

impl<T: fmt::Debug> Checked<T> {
    /// The part, to be printed.
    pub fn debug(part: &T) -> &dyn fmt::Debug {
        part
    }
}

/// Stands in for [`Checked`], and for serde's derived functions, where a check has failed. Where nothing has to hold, as for a
/// field's type that may have a default or not, it is what is run.
pub trait Unchecked: Sized {
    /// For `Checked::VERSION`.
    const VERSION: u32 = 0;

    /// For `Checked::begins`, of a type without a default.
    fn begins() -> Option<fn() -> Option<Vec<u8>>> {
        None
    }

    /// For `Checked::migration`.
    fn migration() -> Option<Migration> {
        None
    }

    /// For `Checked::schema`.
    fn schema() -> Schema {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::field`.
    fn field(_: &str) -> Field {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::initial`.
    fn initial<T>() -> T {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::redeal`.
    fn redeal<S, T>(_: &mut [S], _: fn(&mut S) -> &mut T, _: Share) -> T {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::encode`.
    fn encode<T>(_: &T, _: &mut Vec<u8>) {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::decode`.
    fn decode<T>(_: &mut &[u8]) -> Option<T> {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::cloned`.
    fn cloned<T>(_: &T) -> T {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::equal`.
    fn equal<T>(_: &T, _: &T) -> bool {
        unreachable!("{NEVER_RUN}")
    }

    /// For `Checked::debug`, also of a key's part that can't be printed.
    fn debug<T>(_: &T) -> &dyn fmt::Debug {
        &".."
    }

    /// For serde's `serialize`.
    ///
    /// # Errors
    /// Never.
    fn serialize<T, S: Serializer>(_: &T, _: S) -> Result<S::Ok, S::Error> {
        unreachable!("{NEVER_RUN}")
    }

    /// For serde's `deserialize`.
    ///
    /// # Errors
    /// Never.
    fn deserialize<'de, T, D: Deserializer<'de>>(_: D) -> Result<T, D::Error> {
        unreachable!("{NEVER_RUN}")
    }
}

impl<T> Unchecked for T {}

const NEVER_RUN: &str = "a program in which a check has failed does not compile";
