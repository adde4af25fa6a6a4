//! [`Value`]: one value that can expire.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::state::kinds::backing::Backing;
use crate::state::kinds::entries::damaged;
use crate::state::kinds::held::{Held, managed_in_the_row};
use crate::state::kinds::ttl::Now;
use crate::state::kinds::{Anywhere, EntryChange, Kind, Older, Place};
use crate::state::{Data, Describe, Schema};

/// A value in a state that can expire: Flink's `ValueState`.
///
/// Without a TTL a plain field, perhaps an `Option`, does the same and is less to write. Reading may refresh it, with
/// `refresh = "read-and-write"`, and so needs `&mut`.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[state(key = String)]
/// #[derive(Default)]
/// pub struct Account {
///     #[state(ttl = "1h")]
///     failed_logins: Value<u32>,
/// }
///
/// fn fail(account: &mut Account) -> bool {
///     *account.failed_logins.get_or_default() += 1;
///     account.failed_logins.get() >= Some(&3)
/// }
///
/// // Without a job around it, it does not expire.
/// let mut account = Account::default();
/// assert!(!fail(&mut account));
/// assert!(!fail(&mut account));
/// assert!(fail(&mut account));
/// account.failed_logins.clear();
/// assert_eq!(account.failed_logins.get(), None);
/// ```
pub struct Value<T> {
    held: Held<T>,
}

impl<T: Data> Value<T> {
    /// The value, if there is one.
    pub fn get(&mut self) -> Option<&T> {
        self.held.get()
    }

    /// The value, if there is one, to be changed: it counts as written.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.held.get_mut()
    }

    /// The value, to be changed, which is `T::default()` if there is none: it counts as written.
    pub fn get_or_default(&mut self) -> &mut T
    where
        T: Default,
    {
        self.get_or_insert_with(T::default)
    }

    /// The value, to be changed, which is `make()` if there is none: it counts as written.
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> &mut T {
        self.held.get_or_insert_with(make)
    }

    /// Writes the value.
    pub fn set(&mut self, value: T) {
        self.held.set(value);
    }

    /// Makes another value of the one there is.
    ///
    /// ```
    /// # use tidegate::prelude::*;
    /// let mut highest = Value::default();
    /// for reading in [3, 8, 5] {
    ///     highest.update(|highest| highest.map_or(reading, |highest: u32| highest.max(reading)));
    /// }
    /// assert_eq!(highest.get(), Some(&8));
    /// ```
    pub fn update(&mut self, change: impl FnOnce(Option<T>) -> T) {
        self.held.update(change);
    }

    /// Takes the value out.
    pub fn take(&mut self) -> Option<T> {
        self.held.take()
    }

    /// Removes the value.
    pub fn clear(&mut self) {
        self.take();
    }
}

impl<T> Default for Value<T> {
    fn default() -> Value<T> {
        Value { held: Held::default() }
    }
}

impl<T: Data> From<T> for Value<T> {
    fn from(value: T) -> Value<T> {
        let mut new = Value::default();
        new.set(value);
        new
    }
}

impl<T: Clone> Clone for Value<T> {
    /// A copy belongs to no key: put into a state, it counts as written then.
    fn clone(&self) -> Value<T> {
        Value { held: self.held.copy() }
    }
}

impl<T: PartialEq> PartialEq for Value<T> {
    fn eq(&self, other: &Value<T>) -> bool {
        self.held.peek() == other.held.peek()
    }
}

impl<T: Eq> Eq for Value<T> {}

impl<T: fmt::Debug> fmt::Debug for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.held.peek().fmt(f)
    }
}

impl<T: Describe> Describe for Value<T> {
    fn schema() -> Schema {
        Schema::Generic("Value".to_string(), vec![T::schema()])
    }
}

impl<T: Data> Data for Value<T> where (): Anywhere<Value<T>> {}

impl<T: Serialize> Serialize for Value<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.held.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Value<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value<T>, D::Error> {
        Ok(Value { held: Held::deserialize(deserializer)? })
    }
}

impl<T> Kind for Value<T> {}

managed_in_the_row!(impl [T: Data] Value<T>);
