//! State: what a stateful operator remembers, per key or, where there is none, per subtask.
//!
//! `#[state(key = ..)]` implements [`State`] for a struct. An operator sees it as a decoded row, `&mut Session`; between
//! records it lives in a [`table`] of rows. Its fields are plain Rust, or one of the [`kinds`] of state that know more than
//! their content: they expire, or are loaded entry by entry. What belongs to no key is [`unkeyed`], or [`broadcast`] to all.
//!
//! From the table a row goes two ways, always in a [`run`] of [encoded](encode) rows: what changed goes as a [`delta`] into the next
//! snapshot, and what does not fit in [`memory`] is [spilled](spill) into the [`fjall`] working copy. The [`schema`] is what
//! a snapshot says of a state, so that a restore can tell precisely what changed.

pub mod backend;
pub(crate) mod blocks;
pub mod broadcast;
pub(crate) mod delta;
pub(crate) mod dues;
pub(crate) mod encode;
pub(crate) mod fields;
pub mod fjall;
pub mod kinds;
pub(crate) mod loading;
pub mod memory;
pub mod migration;
#[doc(hidden)]
pub mod opaque;
pub(crate) mod prefetch;
pub(crate) mod row;
pub(crate) mod run;
pub mod schema;
pub(crate) mod segments;
pub(crate) mod spill;
pub(crate) mod table;
pub(crate) mod touch;
pub mod unkeyed;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use broadcast::BroadcastState;
pub use kinds::{
    Aggregating, List, ManagedSpec, ManagedVisitor, Map, Reducing, Refresh, Ttl, TtlTime, Value,
};
pub use migration::{Migration, StateProgram};
pub use schema::{Describe, Field, Schema, StateSchema, Variant};
pub use unkeyed::{DealtList, Redealt, Share, UnionList, UnkeyedState};

use crate::error::Result;
use crate::key::Key;
use crate::time::EventTime;

/// A value that can cross an exchange and rest in a snapshot. `#[event]`, `#[key]` and `#[state]` implement it.
///
/// It is not implemented for whatever has serde's traits: a type that is missing from a record is then one error, which
/// names the type, instead of one for every trait that it lacks.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be carried in a stream or kept in state",
    label = "not serialisable by Tidegate",
    note = "mark the type `#[event]`; for one of another crate that serde can carry, mark the field `#[event(opaque)]` or, in a state, `#[state(opaque)]`"
)]
pub trait Data: Serialize + DeserializeOwned + Describe + Send + 'static {}

/// The state that an operator keeps for every key. Implemented by `#[state(key = ..)]`.
///
/// A key that has no state yet starts from `Default`; rustc asks for it where the struct is declared.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a keyed state",
    label = "expected a struct marked `#[state(key = ..)]`",
    note = "what an operator remembers per key is a struct marked `#[state(key = KeyType)]` that implements `Default`",
    note = "an operator whose state belongs to the subtask, `#[state(unkeyed)]`, is marked `#[operator(unkeyed)]`"
)]
pub trait State: KeyedBy<Self::Key> + Serialize + DeserializeOwned + Send + 'static {
    /// The type of key that the state belongs to.
    type Key: Key;

    /// What is declared of the managed fields, in order of declaration: their place here is their number in snapshots.
    const MANAGED: &'static [ManagedSpec] = &[];

    /// Where a key begins that has no state yet.
    fn initial() -> Self;

    /// The name, the fields and the key, as a snapshot records them.
    fn schema() -> StateSchema;

    /// The version that its author has given it.
    const VERSION: u32 = 1;

    /// How state of an older version is taken over.
    fn migration() -> Option<Migration> {
        None
    }

    /// When the row is to be looked at though no record comes for it, in event time.
    #[doc(hidden)]
    #[inline]
    fn due(&self) -> Option<EventTime> {
        None
    }

    /// Looks at what hangs off the row and every record needs, so that it is in the cache then. The number means nothing.
    #[doc(hidden)]
    #[inline]
    fn look(&self) -> u8 {
        touch::touch(self)
    }

    /// Looks at all that hangs off the row.
    #[doc(hidden)]
    #[inline]
    fn look_whole(&self) -> u8 {
        self.look()
    }

    /// Shows every managed field to `visitor`.
    ///
    /// # Errors
    /// Those of the visitor.
    fn managed<V: ManagedVisitor>(&mut self, visitor: &mut V) -> Result<()> {
        let _ = visitor;
        Ok(())
    }
}

/// Says which key a state belongs to, so that the compiler can say when a stream has another one. Implemented by
/// `#[state(key = ..)]`.
#[diagnostic::on_unimplemented(
    message = "the state `{Self}` does not belong to keys of type `{K}`",
    label = "the stream is keyed by `{K}`, the operator's state `{Self}` by another type",
    note = "key the stream by the type that `#[state(key = ..)]` names, or change the state's key to `{K}`"
)]
pub trait KeyedBy<K> {
    /// `H` itself. An operator's stream has this type behind it, so that it is unknown to rustc where the key is the wrong
    /// one, and the steps that follow give no errors of their own.
    type Through<H>;

    /// The head itself.
    fn through<H>(head: H) -> Self::Through<H>;
}

/// A state of ours that serves keys of any type: its first parameter is the key's.
macro_rules! state_of_any_key {
    ($state:ident<K $(, $part:ident)*>) => {
        #[diagnostic::do_not_recommend]
        impl<K $(, $part)*> $crate::state::KeyedBy<K> for $state<K $(, $part)*> {
            type Through<H> = H;

            fn through<H>(head: H) -> H {
                head
            }
        }
    };
}
pub(crate) use state_of_any_key;
