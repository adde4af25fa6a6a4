//! [`Aggregating`]: the accumulator of an aggregate function.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::aggregate::Aggregate;
use crate::error::Result;
use crate::state::kinds::backing::Backing;
use crate::state::kinds::entries::damaged;
use crate::state::kinds::held::{Held, managed_in_the_row};
use crate::state::kinds::ttl::Now;
use crate::state::kinds::{Anywhere, EntryChange, Kind, Older, Place};
use crate::state::{Data, Describe, Schema};

/// What an [`Aggregate`] has made of the values added so far: Flink's `AggregatingState`. Only the accumulator is kept.
///
/// The function is `A::default()`: it has no configuration that could differ from key to key.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[derive(Default)]
/// pub struct Average;
///
/// impl Aggregate for Average {
///     type In = u64;
///     type Acc = (u64, u64);
///     type Out = f64;
///
///     fn create(&self) -> (u64, u64) {
///         (0, 0)
///     }
///
///     fn add(&self, (sum, count): &mut (u64, u64), value: u64) {
///         *sum += value;
///         *count += 1;
///     }
///
///     fn merge(&self, (sum, count): &mut (u64, u64), other: (u64, u64)) {
///         *sum += other.0;
///         *count += other.1;
///     }
///
///     fn result(&self, (sum, count): &(u64, u64)) -> f64 {
///         *sum as f64 / *count as f64
///     }
/// }
///
/// #[state(key = String)]
/// #[derive(Default)]
/// pub struct Page {
///     #[state(ttl = "30d")]
///     load_time: Aggregating<Average>,
/// }
///
/// let mut page = Page::default();
/// assert_eq!(page.load_time.result(), None);
/// page.load_time.add(120);
/// page.load_time.add(80);
/// assert_eq!(page.load_time.result(), Some(100.0));
/// ```
pub struct Aggregating<A: Aggregate> {
    held: Held<A::Acc>,
}

impl<A: Aggregate + Default> Aggregating<A> {
    /// Folds `value` in; the accumulator counts as written.
    pub fn add(&mut self, value: A::In) {
        let aggregate = A::default();
        aggregate.add(self.held.get_or_insert_with(|| aggregate.create()), value);
    }

    /// Folds in what another accumulator has seen; this one counts as written.
    pub fn merge(&mut self, other: A::Acc) {
        let aggregate = A::default();
        aggregate.merge(self.held.get_or_insert_with(|| aggregate.create()), other);
    }

    /// The result for all values; nothing if none was added.
    pub fn result(&mut self) -> Option<A::Out> {
        self.held.get().map(|acc| A::default().result(acc))
    }

    /// Takes out the accumulator.
    pub fn take(&mut self) -> Option<A::Acc> {
        self.held.take()
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.take();
    }
}

impl<A: Aggregate> Default for Aggregating<A> {
    fn default() -> Aggregating<A> {
        Aggregating { held: Held::default() }
    }
}

impl<A: Aggregate<Acc: Clone>> Clone for Aggregating<A> {
    /// A copy belongs to no key: put into a state, it counts as written then.
    fn clone(&self) -> Aggregating<A> {
        Aggregating { held: self.held.copy() }
    }
}

impl<A: Aggregate<Acc: PartialEq>> PartialEq for Aggregating<A> {
    fn eq(&self, other: &Aggregating<A>) -> bool {
        self.held.peek() == other.held.peek()
    }
}

impl<A: Aggregate<Acc: Eq>> Eq for Aggregating<A> {}

impl<A: Aggregate<Acc: fmt::Debug>> fmt::Debug for Aggregating<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.peek().fmt(f)
    }
}

impl<A: Aggregate> Describe for Aggregating<A> {
    fn schema() -> Schema {
        Schema::Generic("Aggregating".to_string(), vec![A::Acc::schema()])
    }
}

impl<A: Aggregate> Data for Aggregating<A> where (): Anywhere<Aggregating<A>> {}

impl<A: Aggregate> Serialize for Aggregating<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.held.serialize(serializer)
    }
}

impl<'de, A: Aggregate> Deserialize<'de> for Aggregating<A> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Aggregating<A>, D::Error> {
        Ok(Aggregating { held: Held::deserialize(deserializer)? })
    }
}

impl<A: Aggregate> Kind for Aggregating<A> {}

managed_in_the_row!(impl [A: Aggregate + Default] Aggregating<A>);
