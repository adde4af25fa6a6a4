//! [`List`]: a list of which each element is a row of its own.

use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::state::kinds::backing::Backing;
use crate::state::kinds::changes::Consumer;
use crate::state::kinds::entries::{Count, Entries};
use crate::state::kinds::lookup::Index;
use crate::state::kinds::map::NOT_IN_THE_ROW;
use crate::state::kinds::slots::Run;
use crate::state::kinds::ttl::Now;
use crate::state::kinds::{Anywhere, Bounded, EntryChange, Grows, Kind, Managed, Older, Place, or_raise};
use crate::state::{Data, Describe, Schema};

/// A list in a state: what is pushed is written to a snapshot once, expires one by one, and need not be in memory: Flink's
/// `ListState`.
///
/// With `#[state(max = 100)]` a `push` drops the oldest element if there are more than 100. Reading may load elements, or refresh them with
/// `refresh = "read-and-write"`, and so needs `&mut`. If the store can't be read, the task fails.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[state(key = String)]
/// #[derive(Default)]
/// pub struct Account {
///     #[state(max = 100)]
///     payments: List<u64>,
/// }
///
/// fn pay(account: &mut Account, cents: u64) -> u64 {
///     account.payments.push(cents);
///     account.payments.iter().sum()
/// }
///
/// // Without a job around it, it is a list in memory, and has no `max`.
/// let mut account = Account::default();
/// pay(&mut account, 500);
/// assert_eq!(pay(&mut account, 250), 750);
/// assert_eq!(account.payments, List::from([500, 250]));
/// ```
pub struct List<T> {
    entries: Entries<Run<T>>,
    /// No element has a smaller index.
    first: u64,
    /// The index of the next element: no index is used twice.
    next: u64,
}

impl<T> List<T> {
    fn span(&self) -> u64 {
        self.next - self.first
    }

    /// What a row says: how many indices there are, and whether some may have no element.
    fn row_count(&self) -> Count {
        let Count { entries, at_most } = self.entries.row_count();
        Count { entries: self.span(), at_most: at_most || entries != self.span() }
    }

    /// Whether every index has an element that has not expired, so that the place of each is known.
    fn is_dense(&self) -> bool {
        self.entries.ttl().is_none() && !self.row_count().at_most
    }
}

impl<T> List<T> {
    /// Whether it is as it was made.
    pub(crate) fn was_never_pushed_to(&self) -> bool {
        self.next == 0
    }
}

impl<T: Data> List<T> {
    /// Adds an element at the end. Nothing is loaded.
    pub fn push(&mut self, value: T) {
        self.entries.create(Index(self.next), value);
        self.next += 1;
        or_raise(self.trim());
    }

    /// Drops the oldest elements if there are more than `max` allows.
    fn trim(&mut self) -> Result<()> {
        let Some(max) = self.entries.place().and_then(|place| place.spec.max) else { return Ok(()) };
        if self.span() <= max as u64 {
            return Ok(());
        }
        if self.is_dense() {
            while self.span() > max as u64 {
                self.entries.discard(Index(self.first));
                self.first += 1;
            }
            return Ok(());
        }
        // Only some of the indices have an element: how many can be told when all are in memory.
        self.gather()?;
        while self.entries.len()? > max {
            self.entries.discard(Index(self.first));
            self.gather()?;
        }
        Ok(())
    }

    /// Brings every element into memory, and lets the list begin at the first that is left.
    fn gather(&mut self) -> Result<()> {
        self.entries.gather()?;
        self.first = self.entries.in_memory().next().map_or(self.next, |(index, _)| index.0);
        Ok(())
    }

    /// The index of the element at `place`. If not every index has one, all elements are loaded, and those that are left count.
    fn index_of(&mut self, place: usize) -> Result<Option<Index>> {
        if !self.is_dense() {
            self.gather()?;
            return Ok(self.entries.in_memory().nth(place).map(|(index, _)| *index));
        }
        Ok(self.first.checked_add(place as u64).filter(|index| *index < self.next).map(Index))
    }

    fn find(&mut self, place: usize) -> Result<Option<Index>> {
        match self.index_of(place)? {
            Some(index) => self.entries.find(&index),
            None => Ok(None),
        }
    }

    /// The element at `place`, counted from 0, the oldest. With a TTL all elements are loaded.
    pub fn get(&mut self, place: usize) -> Option<&T> {
        let at = or_raise(self.find(place))?;
        self.entries.read(at)
    }

    /// The element at `place`, to be changed: it counts as written. With a TTL all elements are loaded.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        let at = or_raise(self.find(place))?;
        self.entries.write(at)
    }

    /// The oldest element.
    pub fn first(&mut self) -> Option<&T> {
        self.get(0)
    }

    /// The newest element.
    pub fn last(&mut self) -> Option<&T> {
        let last = self.len().checked_sub(1)?;
        self.get(last)
    }

    /// Removes the oldest element.
    ///
    /// ```
    /// # use tidegate::prelude::*;
    /// let mut waiting = List::from(["a".to_string(), "b".to_string()]);
    /// assert_eq!(waiting.pop_front().as_deref(), Some("a"));
    /// assert_eq!(waiting.len(), 1);
    /// ```
    pub fn pop_front(&mut self) -> Option<T> {
        let index = or_raise(self.index_of(0));
        self.first = index.map_or(self.next, |index| index.0 + 1);
        or_raise(self.entries.remove(&index?))
    }

    /// How many elements there are. It is known, unless the list has a TTL: then every element is loaded and looked at, if
    /// any is not in memory or may have expired.
    #[allow(clippy::len_without_is_empty)] // There is one, and it needs `&mut`, too.
    pub fn len(&mut self) -> usize {
        or_raise(self.entries.len())
    }

    /// Whether there are none; as [`len`](List::len).
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// All elements, from the oldest to the newest. They are loaded, all of them.
    pub fn iter(&mut self) -> impl DoubleEndedIterator<Item = &T> {
        or_raise(self.entries.read_all()).map(|(_, value)| value)
    }

    /// Removes the elements for which `keep` is false; loads all elements. Those that stay are as they were.
    ///
    /// ```
    /// # use tidegate::prelude::*;
    /// let mut sizes = List::from([1, 20, 3]);
    /// sizes.retain(|size| *size < 10);
    /// assert_eq!(sizes, List::from([1, 3]));
    /// ```
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        or_raise(self.entries.retain(|_, value| keep(value)));
        or_raise(self.gather());
    }

    /// Removes all elements, without loading them.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.first = self.next;
    }
}

impl<T> Default for List<T> {
    fn default() -> List<T> {
        List { entries: Entries::default(), first: 0, next: 0 }
    }
}

impl<T: Data> Extend<T> for List<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.push(value));
    }
}

impl<T: Data> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> List<T> {
        let mut list = List::default();
        list.extend(values);
        list
    }
}

impl<T: Data, const N: usize> From<[T; N]> for List<T> {
    fn from(values: [T; N]) -> List<T> {
        List::from_iter(values)
    }
}

/// A copy is a list in memory of all elements; they are loaded.
impl<T: Data + Clone> Clone for List<T> {
    fn clone(&self) -> List<T> {
        List { entries: or_raise(self.entries.copy()), first: self.first, next: self.next }
    }
}

/// Of all elements; they are loaded.
impl<T: Data + PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &List<T>) -> bool {
        or_raise(self.entries.equals(&other.entries, |(_, own), (_, other)| own == other))
    }
}

impl<T: Data + Eq> Eq for List<T> {}

/// The elements that are in memory.
impl<T: Data + fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        list.entries(self.entries.in_memory().map(|(_, value)| value));
        match self.entries.are_in_memory() {
            true => list.finish(),
            false => list.finish_non_exhaustive(),
        }
    }
}

impl<T: Describe> Describe for List<T> {
    fn schema() -> Schema {
        Schema::Generic("List".to_string(), vec![T::schema()])
    }
}

impl<T: Data> Data for List<T> where (): Anywhere<List<T>> {}

/// The index of its first element, and how many follow; they are rows of their own.
impl<T> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Err(S::Error::custom(NOT_IN_THE_ROW));
        }
        (self.first, self.row_count().to_row()).serialize(serializer)
    }
}

impl<'de, T> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<List<T>, D::Error> {
        if deserializer.is_human_readable() {
            return Err(D::Error::custom(NOT_IN_THE_ROW));
        }
        let (first, count): (u64, u64) = Deserialize::deserialize(deserializer)?;
        let count = Count::from_row(count);
        let next =
            first.checked_add(count.entries).ok_or_else(|| D::Error::custom("a list beyond its end"))?;
        Ok(List { entries: Entries::of_row(count), first, next })
    }
}

impl<T> Kind for List<T> {}

impl<T> Grows for List<T> {}

impl<T> Bounded for List<T> {}

impl<T: Data> Managed for List<T> {
    const HAS_ENTRIES: bool = true;

    fn attach(&mut self, place: Place, older: Older, backing: Option<Backing>, now: &Now) -> Result<()> {
        self.entries.attach(place, older, backing, now)?;
        match older {
            // The elements are still to be loaded; the next `push` counts them.
            Older::Valid => Ok(()),
            Older::Void => self.trim(),
        }
    }

    fn is_attached_to(&self, index: u8) -> bool {
        self.entries.place().is_some_and(|place| place.index == index)
    }

    fn tell_time(&mut self, now: &Now) {
        self.entries.tell_time(now);
    }

    fn take_changes(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
        self.entries.tell(Consumer::Snapshots, each)
    }

    fn take_unstored(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
        self.entries.tell(Consumer::Store, each)
    }

    fn load(&mut self, subkey: &[u8], value: &[u8]) -> Result<()> {
        self.entries.load(subkey, value)
    }

    fn forget(&mut self, backing: Backing) {
        self.entries.forget(backing);
    }

    fn expire(&mut self, now: &Now) -> usize {
        self.entries.tell_time(now);
        self.entries.purge()
    }

    fn bytes(&self) -> usize {
        self.entries.bytes()
    }

    fn clear(&mut self) {
        List::clear(self);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::kinds::fixture::{
        Model, Op, Rig, consumers, hold, is_over, ops, reads_refresh, spec, ttls, write_time,
    };
    use crate::state::kinds::{Consumers, ManagedSpec};
    use crate::time::EventTime;

    /// Each value with the time of its last refresh.
    #[derive(Clone, Debug, Default)]
    struct Plain(Vec<(u16, EventTime)>);

    #[derive(Clone, Debug)]
    enum Act {
        Push(u16),
        Get(usize),
        GetMut(usize, u16),
        First,
        Last,
        PopFront,
        Len,
        Read,
        Retain(u16),
        Clear,
    }

    fn act() -> impl Strategy<Value = Act> + Clone {
        prop_oneof![
            8 => (0..9u16).prop_map(Act::Push),
            1 => (0..6usize).prop_map(Act::Get),
            1 => (0..6usize, 0..9u16).prop_map(|(place, n)| Act::GetMut(place, n)),
            1 => Just(Act::First),
            1 => Just(Act::Last),
            3 => Just(Act::PopFront),
            1 => Just(Act::Len),
            1 => Just(Act::Read),
            1 => (0..4u16).prop_map(Act::Retain),
            1 => Just(Act::Clear),
        ]
    }

    impl Plain {
        fn read(&mut self, place: usize, spec: &ManagedSpec, now: &Now) -> Option<u16> {
            let (value, refreshed) = self.0.get_mut(place)?;
            if reads_refresh(spec) {
                *refreshed = write_time(spec, now).max(*refreshed);
            }
            Some(*value)
        }

        fn read_all(&mut self, spec: &ManagedSpec, now: &Now) -> Vec<u16> {
            (0..self.0.len()).filter_map(|place| self.read(place, spec, now)).collect()
        }

        fn trim(&mut self, spec: &ManagedSpec) {
            let spare = self.0.len().saturating_sub(spec.max.unwrap_or(usize::MAX));
            self.0.drain(..spare);
        }
    }

    impl Model for Plain {
        type Field = List<u16>;
        type Act = Act;

        fn act(&mut self, list: &mut List<u16>, act: &Act, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            match act {
                Act::Push(n) => {
                    list.push(*n);
                    self.0.push((*n, write_time(spec, now)));
                    self.purge(spec, now);
                    self.trim(spec);
                }
                Act::Get(place) => assert_eq!(list.get(*place).copied(), self.read(*place, spec, now)),
                Act::GetMut(place, n) => {
                    let expected = self.0.get_mut(*place).map(|(value, refreshed)| {
                        *refreshed = write_time(spec, now).max(*refreshed);
                        *value += n;
                        *value
                    });
                    let value = list.get_mut(*place).map(|value| {
                        *value += n;
                        *value
                    });
                    assert_eq!(value, expected);
                }
                Act::First => assert_eq!(list.first().copied(), self.read(0, spec, now)),
                Act::Last => {
                    let last = self.0.len().checked_sub(1).and_then(|last| self.read(last, spec, now));
                    assert_eq!(list.last().copied(), last);
                }
                Act::PopFront => {
                    let first = (!self.0.is_empty()).then(|| self.0.remove(0).0);
                    assert_eq!(list.pop_front(), first);
                }
                Act::Len => assert_eq!(list.len(), self.0.len()),
                Act::Read => self.check(list, spec, now),
                Act::Retain(n) => {
                    list.retain(|value| *value % 4 != *n);
                    self.read_all(spec, now);
                    self.0.retain(|(value, _)| *value % 4 != *n);
                }
                Act::Clear => {
                    list.clear();
                    self.0.clear();
                }
            }
        }

        fn purge(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.retain(|(_, refreshed)| !is_over(*refreshed, spec, now));
        }

        fn written(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.iter_mut().for_each(|(_, refreshed)| *refreshed = write_time(spec, now));
            self.purge(spec, now);
            self.trim(spec);
        }

        fn clear(&mut self) {
            self.0.clear();
        }

        fn check(&mut self, list: &mut List<u16>, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            let plain: List<u16> = self.0.iter().map(|(value, _)| *value).collect();
            assert_eq!(*list, plain);
            assert_eq!(list.clone(), plain);
            let all: Vec<u16> = list.iter().copied().collect();
            assert_eq!(all, self.read_all(spec, now));
            assert_eq!(list.len(), self.0.len());
            assert_eq!(list.is_empty(), self.0.is_empty());
        }

        fn check_told(&self, told: &BTreeMap<Vec<u8>, Vec<u8>>, row: &[u8], spec: &ManagedSpec, now: &Now) {
            let decode = |value: &Vec<u8>| postcard::from_bytes::<(EventTime, u16)>(value).unwrap();
            let values = told.values().map(decode).map(|(refreshed, value)| (value, refreshed));
            let mut plain = Plain(values.collect());
            plain.purge(spec, now);
            let mut own = self.clone();
            own.purge(spec, now);
            assert_eq!(plain.0, own.0);
            let (first, count): (u64, u64) = postcard::from_bytes(row).unwrap();
            let count = Count::from_row(count);
            assert!(count.at_most || count.entries == own.0.len() as u64);
            let indices = first..first + count.entries;
            let is_in =
                |subkey: &Vec<u8>| indices.contains(&u64::from_be_bytes(subkey[..].try_into().unwrap()));
            let visible = |value: &Vec<u8>| !is_over(decode(value).0, spec, now);
            assert!(told.iter().filter(|(_, value)| visible(value)).all(|(subkey, _)| is_in(subkey)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_done_to_a_list_and_around_it_it_is_that_of_the_standard_library(
            ttl in ttls(),
            max in proptest::option::of(1..5usize),
            consumers in consumers(),
            ops in ops(act()),
        ) {
            hold::<Plain>(spec(ttl, max), consumers, &ops);
        }
    }

    const BOTH: Consumers = Consumers { snapshots: true, store: true };

    #[test]
    fn pushing_and_dropping_the_oldest_needs_no_store() {
        let mut rig: Rig<Plain> = Rig::new(spec(None, Some(100)), BOTH);
        (0..100).for_each(|n| rig.run(&Op::User(0, Act::Push(n))));
        rig.tell_snapshots();
        rig.forget();
        (100..150).for_each(|n| rig.run(&Op::User(0, Act::Push(n))));
        assert_eq!(*rig.store.reads.lock().unwrap(), 0);
        assert_eq!(
            format!("{:?}", rig.fields[0]),
            format!("[{}, ..]", (100..150).map(|n| n.to_string()).collect::<Vec<_>>().join(", "))
        );
        assert_eq!(rig.fields[0].len(), 100);
        rig.run(&Op::Barrier);
        rig.check();
    }

    #[test]
    fn one_element_is_loaded_if_one_is_asked_for() {
        let mut rig: Rig<Plain> = Rig::new(spec(None, None), BOTH);
        (0..100).for_each(|n| rig.run(&Op::User(0, Act::Push(n))));
        rig.tell_snapshots();
        rig.forget();
        assert_eq!(rig.fields[0].get(42), Some(&42));
        assert_eq!(format!("{:?}", rig.fields[0]), "[42, ..]");
        assert_eq!(rig.fields[0].pop_front(), Some(0));
        assert_eq!(rig.fields[0].pop_front(), Some(1));
        assert_eq!(*rig.store.reads.lock().unwrap(), 3);
        assert_eq!(format!("{:?}", rig.fields[0]), "[42, ..]");
    }

    #[test]
    fn a_list_that_was_cleared_is_empty_in_its_row_and_goes_on_with_new_indices() {
        let mut list = List::from([1u8, 2, 3]);
        list.clear();
        assert_eq!(postcard::to_stdvec(&list).unwrap(), [3, 0]);
        list.push(4);
        assert_eq!(
            postcard::to_stdvec(&list).unwrap(),
            [3, 2],
            "one element, times 2, and none has gone since"
        );
        assert_eq!(list.get(0), Some(&4));
    }

    #[test]
    fn an_element_that_expires_between_others_leaves_the_others_in_their_order() {
        // Event times need not rise: what was pushed later can expire earlier.
        let ttl = crate::state::Ttl {
            lasts: crate::time::millis(10),
            time: crate::state::TtlTime::Event,
            refresh: crate::state::Refresh::Write,
        };
        let mut rig: Rig<Plain> = Rig::new(spec(Some(ttl), None), BOTH);
        for (n, at) in [(1, 30), (2, 20), (3, 31)] {
            rig.now.record = EventTime::from_millis(at);
            rig.run(&Op::User(0, Act::Push(n)));
        }
        rig.now.event = EventTime::from_millis(30);
        rig.run(&Op::User(0, Act::Get(1)));
        assert_eq!(rig.fields[0].iter().collect::<Vec<_>>(), [&1, &3]);
        rig.run(&Op::Barrier);
        rig.run(&Op::Restore { lazily: true });
        rig.check();
    }
}
