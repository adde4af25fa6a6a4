//! A value in a row that knows when it was last refreshed: what [`Value`](super::Value), [`Reducing`](super::Reducing) and
//! [`Aggregating`](super::Aggregating) are made of.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::kinds::ttl::{Now, Reading, Refresh, Ttl};
use crate::state::kinds::{Older, Place};
use crate::time::EventTime;

pub(super) struct Held<T> {
    value: Option<(EventTime, T)>,
    place: Option<Place>,
    reading: Reading,
}

impl<T> Default for Held<T> {
    fn default() -> Held<T> {
        Held { value: None, place: None, reading: Reading::UNATTACHED }
    }
}

impl<T> Held<T> {
    fn ttl(&self) -> Option<Ttl> {
        self.place.and_then(|place| place.spec.ttl)
    }

    fn has_expired(&self) -> bool {
        match (&self.value, self.ttl()) {
            (Some((refreshed, _)), Some(ttl)) => ttl.is_over(*refreshed, self.reading.now),
            _ => false,
        }
    }

    /// The value, if it has not expired.
    pub fn peek(&self) -> Option<&T> {
        self.value.as_ref().filter(|_| !self.has_expired()).map(|(_, value)| value)
    }

    /// The value, which counts as read.
    pub fn get(&mut self) -> Option<&T> {
        self.purge();
        let (refreshed, value) = self.value.as_mut()?;
        if self.place.and_then(|place| place.spec.ttl).is_some_and(|ttl| ttl.refresh == Refresh::ReadAndWrite)
        {
            *refreshed = self.reading.write.max(*refreshed);
        }
        Some(value)
    }

    /// The value, which counts as written.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.purge();
        let (refreshed, value) = self.value.as_mut()?;
        *refreshed = self.reading.write.max(*refreshed);
        Some(value)
    }

    /// The value, which counts as written; `make()` if there is none.
    pub fn get_or_insert_with(&mut self, make: impl FnOnce() -> T) -> &mut T {
        self.purge();
        let write = self.reading.write;
        let (refreshed, value) = self.value.get_or_insert_with(|| (write, make()));
        *refreshed = write.max(*refreshed);
        value
    }

    pub fn set(&mut self, value: T) {
        self.update(|_| value);
    }

    /// Writes another value in place of the one there is.
    pub fn update(&mut self, change: impl FnOnce(Option<T>) -> T) {
        self.purge();
        let (refreshed, old) = match self.value.take() {
            Some((refreshed, old)) => (refreshed, Some(old)),
            None => (EventTime::MIN, None),
        };
        self.value = Some((self.reading.write.max(refreshed), change(old)));
    }

    pub fn take(&mut self) -> Option<T> {
        self.purge();
        self.value.take().map(|(_, value)| value)
    }

    /// Removes an expired value; whether it was one.
    pub fn purge(&mut self) -> bool {
        let expired = self.has_expired();
        if expired {
            self.value = None;
        }
        expired
    }

    pub fn tell_time(&mut self, now: &Now) {
        if let Some(ttl) = self.ttl() {
            self.reading = Reading::of(Some(ttl), now);
        }
    }

    pub fn attach(&mut self, place: Place, older: Older, now: &Now) {
        self.purge();
        self.place = Some(place);
        self.reading = Reading::of(place.spec.ttl, now);
        if let Some((refreshed, _)) = &mut self.value {
            // A time that came with the row stays; what the user has put here is written now.
            if place.spec.ttl.is_none() || older == Older::Void {
                *refreshed = self.reading.write;
            }
        }
    }

    pub fn is_attached_to(&self, index: u8) -> bool {
        self.place.is_some_and(|place| place.index == index)
    }

    /// A copy of the value that has no place.
    pub fn copy(&self) -> Held<T>
    where
        T: Clone,
    {
        Held { value: self.peek().map(|value| (EventTime::MIN, value.clone())), ..Held::default() }
    }
}

impl<T: Serialize> Serialize for Held<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Held<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Held<T>, D::Error> {
        Ok(Held { value: Option::deserialize(deserializer)?, ..Held::default() })
    }
}

/// Implements [`Managed`](super::Managed) for a kind that has its [`Held`] in `held` and no more. It is not implemented for all
/// such kinds at once: rustc would not say which of two implementations lacks what.
macro_rules! managed_in_the_row {
    (impl [$($generics:tt)*] $kind:ty) => {
        impl<$($generics)*> $crate::state::kinds::Managed for $kind {
            const HAS_ENTRIES: bool = false;

            fn attach(&mut self, place: Place, older: Older, _: Option<Backing>, now: &Now) -> Result<()> {
                self.held.attach(place, older, now);
                Ok(())
            }

            fn is_attached_to(&self, index: u8) -> bool {
                self.held.is_attached_to(index)
            }

            fn tell_time(&mut self, now: &Now) {
                self.held.tell_time(now);
            }

            fn take_changes(&mut self, _: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
                Ok(())
            }

            fn take_unstored(&mut self, _: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
                Ok(())
            }

            fn load(&mut self, subkey: &[u8], _: &[u8]) -> Result<()> {
                Err(damaged(subkey))
            }

            fn forget(&mut self, _: Backing) {}

            fn expire(&mut self, now: &Now) -> usize {
                self.held.tell_time(now);
                usize::from(self.held.purge())
            }

            fn bytes(&self) -> usize {
                0
            }

            fn clear(&mut self) {
                self.held.take();
            }
        }
    };
}

pub(super) use managed_in_the_row;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::aggregate::{Aggregate, Reduce};
    use crate::state::kinds::fixture::{
        BEGINNING, Model, consumers, hold, is_over, ops, reads_refresh, spec, ttls, write_time,
    };
    use crate::state::kinds::{Aggregating, Consumers, Managed, ManagedSpec, Reducing, TtlTime, Value};
    use crate::state::{Data, Describe, Schema};
    use crate::time::millis;

    /// A sum that says how many it is of, as a value, and as what is reduced.
    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Sum(u64, u64);

    impl Describe for Sum {
        fn schema() -> Schema {
            <(u64, u64)>::schema()
        }
    }

    impl Data for Sum {}

    impl Reduce for Sum {
        fn reduce(&mut self, other: Sum) {
            (self.0, self.1) = (self.0 + other.0, self.1 + other.1);
        }
    }

    /// The same as an aggregate function.
    #[derive(Default)]
    struct Summing;

    impl Aggregate for Summing {
        type In = u64;
        type Acc = Sum;
        type Out = (u64, u64);

        fn create(&self) -> Sum {
            Sum::default()
        }

        fn add(&self, acc: &mut Sum, value: u64) {
            acc.reduce(Sum(value, 1));
        }

        fn merge(&self, acc: &mut Sum, other: Sum) {
            acc.reduce(other);
        }

        fn result(&self, acc: &Sum) -> (u64, u64) {
            (acc.0, acc.1)
        }
    }

    /// What is done to a kind, in words that fit all three.
    #[derive(Clone, Debug)]
    enum Act {
        Get,
        Add(u64),
        Merge(u64),
        Take,
        Clear,
    }

    fn act() -> impl Strategy<Value = Act> + Clone {
        prop_oneof![
            2 => Just(Act::Get),
            4 => (0..9u64).prop_map(Act::Add),
            2 => (0..9u64).prop_map(Act::Merge),
            1 => Just(Act::Take),
            1 => Just(Act::Clear),
        ]
    }

    /// A kind, driven by those words.
    trait Driven: Managed + Default + Clone + PartialEq + Serialize + serde::de::DeserializeOwned {
        fn get(&mut self) -> Option<Sum>;
        fn add(&mut self, n: u64);
        fn merge(&mut self, sum: Sum);
        fn take(&mut self) -> Option<Sum>;
        fn clear(&mut self);
    }

    impl Driven for Value<Sum> {
        fn get(&mut self) -> Option<Sum> {
            Value::get(self).cloned()
        }

        fn add(&mut self, n: u64) {
            match Value::get_mut(self) {
                Some(sum) => sum.reduce(Sum(n, 1)),
                None => self.get_or_default().reduce(Sum(n, 1)),
            }
        }

        fn merge(&mut self, other: Sum) {
            self.update(|sum| {
                let mut sum = sum.unwrap_or_default();
                sum.reduce(other);
                sum
            });
        }

        fn take(&mut self) -> Option<Sum> {
            Value::take(self)
        }

        fn clear(&mut self) {
            Value::clear(self);
        }
    }

    impl Driven for Reducing<Sum> {
        fn get(&mut self) -> Option<Sum> {
            Reducing::get(self).cloned()
        }

        fn add(&mut self, n: u64) {
            Reducing::add(self, Sum(n, 1));
        }

        fn merge(&mut self, other: Sum) {
            Reducing::add(self, other);
        }

        fn take(&mut self) -> Option<Sum> {
            Reducing::take(self)
        }

        fn clear(&mut self) {
            Reducing::clear(self);
        }
    }

    impl Driven for Aggregating<Summing> {
        fn get(&mut self) -> Option<Sum> {
            self.result().map(|(sum, count)| Sum(sum, count))
        }

        fn add(&mut self, n: u64) {
            Aggregating::add(self, n);
        }

        fn merge(&mut self, other: Sum) {
            Aggregating::merge(self, other);
        }

        fn take(&mut self) -> Option<Sum> {
            Aggregating::take(self)
        }

        fn clear(&mut self) {
            Aggregating::clear(self);
        }
    }

    /// The sum, with the time of its last refresh.
    #[derive(Debug)]
    struct Plain<K>(Option<(EventTime, Sum)>, std::marker::PhantomData<fn() -> K>);

    impl<K> Clone for Plain<K> {
        fn clone(&self) -> Plain<K> {
            Plain(self.0.clone(), self.1)
        }
    }

    impl<K> Default for Plain<K> {
        fn default() -> Plain<K> {
            Plain(None, std::marker::PhantomData)
        }
    }

    impl<K> Plain<K> {
        fn refresh(&mut self, spec: &ManagedSpec, now: &Now) {
            if let Some((refreshed, _)) = &mut self.0 {
                *refreshed = write_time(spec, now).max(*refreshed);
            }
        }

        fn sum(&self) -> Option<Sum> {
            self.0.as_ref().map(|(_, sum)| sum.clone())
        }
    }

    impl<K: Driven + std::fmt::Debug> Model for Plain<K> {
        type Field = K;
        type Act = Act;

        fn act(&mut self, field: &mut K, act: &Act, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            match act {
                Act::Get => self.check(field, spec, now),
                Act::Add(n) | Act::Merge(n) => {
                    match act {
                        Act::Add(n) => field.add(*n),
                        _ => field.merge(Sum(*n, 1)),
                    }
                    let (_, sum) = self.0.get_or_insert((EventTime::MIN, Sum::default()));
                    sum.reduce(Sum(*n, 1));
                    self.refresh(spec, now);
                }
                Act::Take => assert_eq!(field.take(), self.0.take().map(|(_, sum)| sum)),
                Act::Clear => {
                    Driven::clear(field);
                    self.0 = None;
                }
            }
        }

        fn purge(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.take_if(|(refreshed, _)| is_over(*refreshed, spec, now));
        }

        fn written(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.iter_mut().for_each(|(refreshed, _)| *refreshed = write_time(spec, now));
        }

        fn clear(&mut self) {
            self.0 = None;
        }

        fn check(&mut self, field: &mut K, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            assert_eq!(format!("{field:?}"), format!("{:?}", self.sum()));
            assert_eq!(field.get(), self.sum());
            if reads_refresh(spec) {
                self.refresh(spec, now);
            }
            assert_eq!(field.clone().get(), self.sum());
            assert!(field.clone() == *field);
        }

        fn check_told(&self, told: &BTreeMap<Vec<u8>, Vec<u8>>, row: &[u8], spec: &ManagedSpec, now: &Now) {
            assert!(told.is_empty(), "it lives in the row");
            let mut stored: Plain<K> = Plain(postcard::from_bytes(row).unwrap(), self.1);
            stored.purge(spec, now);
            let mut own = self.clone();
            own.purge(spec, now);
            assert_eq!(stored.0, own.0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_done_to_a_value_and_around_it_it_is_an_option(
            ttl in ttls(),
            consumers in consumers(),
            ops in ops(act()),
        ) {
            hold::<Plain<Value<Sum>>>(spec(ttl, None), consumers, &ops);
        }

        #[test]
        fn whatever_is_done_to_a_reducing_field_and_around_it_it_is_a_fold(
            ttl in ttls(),
            consumers in consumers(),
            ops in ops(act()),
        ) {
            hold::<Plain<Reducing<Sum>>>(spec(ttl, None), consumers, &ops);
        }

        #[test]
        fn whatever_is_done_to_an_aggregating_field_and_around_it_it_is_a_fold(
            ttl in ttls(),
            consumers in consumers(),
            ops in ops(act()),
        ) {
            hold::<Plain<Aggregating<Summing>>>(spec(ttl, None), consumers, &ops);
        }
    }

    #[test]
    fn a_record_out_of_order_does_not_shorten_a_life() {
        let ttl = Ttl { lasts: millis(10), time: TtlTime::Event, refresh: Refresh::Write };
        let place = Place { index: 0, spec: spec(Some(ttl), None), consumers: Consumers::default() };
        let mut value: Value<u8> = Value::default();
        value.attach(place, Older::Valid, None, &BEGINNING).unwrap();
        value.set(1);
        value.tell_time(&Now { record: EventTime::from_millis(50), ..BEGINNING });
        value.set(2);
        value.update(|value| value.unwrap_or_default() + 1);
        *value.get_or_default() += 1;
        value.tell_time(&Now { event: EventTime::from_millis(109), ..BEGINNING });
        assert_eq!(value.get(), Some(&4));
        value.tell_time(&Now { event: EventTime::from_millis(110), ..BEGINNING });
        assert_eq!(value.get(), None);
    }

    #[test]
    fn a_value_is_a_time_and_itself_in_the_row() {
        assert_eq!(postcard::to_stdvec(&Value::<u8>::default()).unwrap(), [0]);
        let mut value: Value<u8> = postcard::from_bytes(&[1, 14, 5]).unwrap();
        assert_eq!(postcard::to_stdvec(&value).unwrap(), [1, 14, 5]);
        assert_eq!(value.get(), Some(&5));
    }
}
