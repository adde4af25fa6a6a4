//! [`Reducing`]: one value, into which others are folded.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::aggregate::Reduce;
use crate::error::Result;
use crate::state::kinds::backing::Backing;
use crate::state::kinds::entries::damaged;
use crate::state::kinds::held::{Held, managed_in_the_row};
use crate::state::kinds::ttl::Now;
use crate::state::kinds::{Anywhere, EntryChange, Kind, Older, Place};
use crate::state::{Data, Describe, Schema};

/// The one value that all values added so far were [reduced](Reduce) to: Flink's `ReducingState`.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[event]
/// pub struct Latest {
///     at: EventTime,
///     temperature: i32,
/// }
///
/// impl Reduce for Latest {
///     fn reduce(&mut self, other: Latest) {
///         if other.at >= self.at {
///             *self = other;
///         }
///     }
/// }
///
/// #[state(key = u64)]
/// #[derive(Default)]
/// pub struct Sensor {
///     #[state(ttl = "10min", time = "event")]
///     latest: Reducing<Latest>,
/// }
///
/// let mut sensor = Sensor::default();
/// for (millis, temperature) in [(10, 21), (30, 23), (20, 22)] {
///     sensor.latest.add(Latest { at: EventTime::from_millis(millis), temperature });
/// }
/// assert_eq!(sensor.latest.get().map(|latest| latest.temperature), Some(23));
/// ```
pub struct Reducing<T> {
    held: Held<T>,
}

impl<T: Reduce + Data> Reducing<T> {
    /// Folds `value` in; it counts as written.
    pub fn add(&mut self, value: T) {
        match self.held.get_mut() {
            Some(reduced) => reduced.reduce(value),
            None => self.held.set(value),
        }
    }

    /// What all values were reduced to; nothing if none was added.
    pub fn get(&mut self) -> Option<&T> {
        self.held.get()
    }

    /// Takes out what all values were reduced to.
    pub fn take(&mut self) -> Option<T> {
        self.held.take()
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.take();
    }
}

impl<T> Default for Reducing<T> {
    fn default() -> Reducing<T> {
        Reducing { held: Held::default() }
    }
}

impl<T: Clone> Clone for Reducing<T> {
    /// A copy belongs to no key: put into a state, it counts as written then.
    fn clone(&self) -> Reducing<T> {
        Reducing { held: self.held.copy() }
    }
}

impl<T: PartialEq> PartialEq for Reducing<T> {
    fn eq(&self, other: &Reducing<T>) -> bool {
        self.held.peek() == other.held.peek()
    }
}

impl<T: Eq> Eq for Reducing<T> {}

impl<T: fmt::Debug> fmt::Debug for Reducing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.peek().fmt(f)
    }
}

impl<T: Describe> Describe for Reducing<T> {
    fn schema() -> Schema {
        Schema::Generic("Reducing".to_string(), vec![T::schema()])
    }
}

impl<T: Data> Data for Reducing<T> where (): Anywhere<Reducing<T>> {}

impl<T: Serialize> Serialize for Reducing<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.held.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Reducing<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Reducing<T>, D::Error> {
        Ok(Reducing { held: Held::deserialize(deserializer)? })
    }
}

impl<T> Kind for Reducing<T> {}

managed_in_the_row!(impl [T: Reduce + Data] Reducing<T>);
