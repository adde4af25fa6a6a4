//! [`Map`]: a map of which each entry is a row of its own.

use std::cell::RefCell;
use std::fmt;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::Result;
use crate::key::{Key, KeyHash};
use crate::state::kinds::backing::Backing;
use crate::state::kinds::changes::Consumer;
use crate::state::kinds::entries::{Count, Entries};
use crate::state::kinds::lookup::{Lookup, Subkey};
use crate::state::kinds::slots::Hashed;
use crate::state::kinds::ttl::Now;
use crate::state::kinds::{Anywhere, EntryChange, Grows, Kind, Managed, Older, Place, or_raise};
use crate::state::{Data, Describe, Schema};

/// A map in a state, whose entries are loaded one by one as they are asked for, expire one by one, and are written to a
/// snapshot only if they have changed: Flink's `MapState`.
///
/// Its order is that of the [hashes](Key::hash) of its keys: it says nothing, but is the same in every run and after every
/// restore. Reading may load an entry, or refresh one with `refresh = "read-and-write"`, and so needs `&mut`. If the store
/// can't be read, the task fails.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[state(key = String)]
/// #[derive(Default)]
/// pub struct Session {
///     #[state(ttl = "7d")]
///     pages: Map<String, u64>,
/// }
///
/// fn visit(session: &mut Session, page: &str) -> u64 {
///     let visits = session.pages.get_or_default(page.to_string());
///     *visits += 1;
///     *visits
/// }
///
/// // Without a job around it, it is a map in memory.
/// let mut session = Session::default();
/// visit(&mut session, "/");
/// assert_eq!(visit(&mut session, "/"), 2);
/// assert_eq!(session.pages.get("/"), Some(&2));
/// assert_eq!(session.pages, Map::from([("/".to_string(), 2)]));
/// ```
pub struct Map<K, V> {
    entries: Entries<Hashed<K, V>>,
}

/// What a [`Map`] can be asked by: its key, and `str` for a `String`.
///
/// ```
/// use tidegate::prelude::*;
///
/// let mut ages = Map::from([("Ada".to_string(), 36)]);
/// assert!(ages.contains_key("Ada"));
/// ```
#[diagnostic::on_unimplemented(
    message = "a `Map` with keys of type `{K}` can't be asked by `{Self}`",
    label = "expected `{K}`",
    note = "borrow a `{K}`; a `String` can be asked for by a `str`"
)]
pub trait AsKey<K> {
    /// The hash of the key that this stands for.
    fn key_hash(&self) -> KeyHash;

    /// Whether it stands for `key`.
    fn is_key(&self, key: &K) -> bool;

    /// Appends the canonical bytes of the key that it stands for.
    fn encode_key(&self, bytes: &mut Vec<u8>);
}

impl<K: Key> AsKey<K> for K {
    #[inline]
    fn key_hash(&self) -> KeyHash {
        self.hash()
    }

    #[inline]
    fn is_key(&self, key: &K) -> bool {
        self == key
    }

    fn encode_key(&self, bytes: &mut Vec<u8>) {
        self.encode(bytes);
    }
}

impl AsKey<String> for str {
    #[inline]
    fn key_hash(&self) -> KeyHash {
        KeyHash::of(self.as_bytes())
    }

    #[inline]
    fn is_key(&self, key: &String) -> bool {
        self == key
    }

    fn encode_key(&self, bytes: &mut Vec<u8>) {
        Key::encode(&(self.len() as u32), bytes);
        bytes.extend_from_slice(self.as_bytes());
    }
}

impl<K, Q: AsKey<K> + ?Sized> Lookup<K> for Q {
    #[inline]
    fn token(&self) -> u64 {
        self.key_hash().bits()
    }

    #[inline]
    fn is(&self, key: &K) -> bool {
        self.is_key(key)
    }

    fn subkey<R>(&self, body: impl FnOnce(&[u8]) -> R) -> R {
        thread_local! {
            static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        // Taken out while it is in use: `body` may ask for another key's bytes.
        let mut bytes = SCRATCH.take();
        bytes.clear();
        self.encode_key(&mut bytes);
        let result = body(&bytes);
        SCRATCH.set(bytes);
        result
    }
}

impl<K: Key> Subkey for K {
    fn read(mut subkey: &[u8]) -> Option<K> {
        K::decode(&mut subkey).filter(|_| subkey.is_empty())
    }
}

impl<K: Key, V: Data> Map<K, V> {
    /// The value of `key`.
    pub fn get<Q: AsKey<K> + ?Sized>(&mut self, key: &Q) -> Option<&V> {
        let at = or_raise(self.entries.find(key))?;
        self.entries.read(at)
    }

    /// The value of `key`, to be changed: it counts as written.
    pub fn get_mut<Q: AsKey<K> + ?Sized>(&mut self, key: &Q) -> Option<&mut V> {
        let at = or_raise(self.entries.find(key))?;
        self.entries.write(at)
    }

    /// The value of `key`, to be changed, which is `make()` if it has none: it counts as written.
    ///
    /// ```
    /// # use tidegate::prelude::*;
    /// let mut first_seen = Map::<String, u64>::default();
    /// assert_eq!(*first_seen.get_or_insert_with("Ada".to_string(), || 7), 7);
    /// assert_eq!(*first_seen.get_or_insert_with("Ada".to_string(), || 9), 7);
    /// ```
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let found = or_raise(self.entries.find(&key));
        let at = found.unwrap_or_else(|| self.entries.create(key, make()));
        self.entries.write(at).expect("the entry was found, or created just now")
    }

    /// The value of `key`, to be changed, which is `V::default()` if it has none: it counts as written.
    pub fn get_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        self.get_or_insert_with(key, V::default)
    }

    /// Sets the value of `key`; the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match or_raise(self.entries.find(&key)) {
            Some(at) => self.entries.write(at).map(|old| std::mem::replace(old, value)),
            None => {
                self.entries.create(key, value);
                None
            }
        }
    }

    /// Removes the entry of `key`; the value it had.
    pub fn remove<Q: AsKey<K> + ?Sized>(&mut self, key: &Q) -> Option<V> {
        or_raise(self.entries.remove(key))
    }

    /// Whether `key` has a value. That alone does not refresh it.
    pub fn contains_key<Q: AsKey<K> + ?Sized>(&mut self, key: &Q) -> bool {
        or_raise(self.entries.find(key)).is_some()
    }

    /// How many entries there are. It is known, unless the map has a TTL: then every entry is loaded and looked at, if any
    /// is not in memory or may have expired.
    #[allow(clippy::len_without_is_empty)] // There is one, and it needs `&mut`, too.
    pub fn len(&mut self) -> usize {
        or_raise(self.entries.len())
    }

    /// Whether there are none; as [`len`](Map::len).
    pub fn is_empty(&mut self) -> bool {
        self.len() == 0
    }

    /// All entries. They are loaded, all of them: this is for maps that fit into memory.
    pub fn iter(&mut self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        or_raise(self.entries.read_all())
    }

    /// All keys; loads all entries.
    pub fn keys(&mut self) -> impl DoubleEndedIterator<Item = &K> {
        self.iter().map(|(key, _)| key)
    }

    /// All values; loads all entries.
    pub fn values(&mut self) -> impl DoubleEndedIterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Removes the entries for which `keep` is false; loads all entries. Those that stay are as they were.
    ///
    /// ```
    /// # use tidegate::prelude::*;
    /// let mut scores = Map::from([(1, 10), (2, 20), (3, 30)]);
    /// scores.retain(|_, score| *score >= 20);
    /// assert_eq!(scores, Map::from([(2, 20), (3, 30)]));
    /// ```
    pub fn retain(&mut self, keep: impl FnMut(&K, &V) -> bool) {
        or_raise(self.entries.retain(keep));
    }

    /// Removes all entries, without loading them.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Map<K, V> {
        Map { entries: Entries::default() }
    }
}

impl<K: Key, V: Data> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<K: Key, V: Data> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Map<K, V> {
        let mut map = Map::default();
        map.extend(entries);
        map
    }
}

impl<K: Key, V: Data, const N: usize> From<[(K, V); N]> for Map<K, V> {
    fn from(entries: [(K, V); N]) -> Map<K, V> {
        Map::from_iter(entries)
    }
}

/// A copy is a map in memory of all entries; they are loaded.
impl<K: Key, V: Data + Clone> Clone for Map<K, V> {
    fn clone(&self) -> Map<K, V> {
        Map { entries: or_raise(self.entries.copy()) }
    }
}

/// Of all entries; they are loaded.
impl<K: Key, V: Data + PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Map<K, V>) -> bool {
        or_raise(self.entries.equals(&other.entries, |own, other| own == other))
    }
}

impl<K: Key, V: Data + Eq> Eq for Map<K, V> {}

/// The entries that are in memory.
impl<K: Key + fmt::Debug, V: Data + fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        map.entries(self.entries.in_memory());
        match self.entries.are_in_memory() {
            true => map.finish(),
            false => map.finish_non_exhaustive(),
        }
    }
}

impl<K: Describe, V: Describe> Describe for Map<K, V> {
    fn schema() -> Schema {
        Schema::Generic("Map".to_string(), vec![K::schema(), V::schema()])
    }
}

impl<K: Key, V: Data> Data for Map<K, V> where (): Anywhere<Map<K, V>> {}

/// The number of its entries, which are rows of their own.
impl<K, V> Serialize for Map<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return Err(S::Error::custom(NOT_IN_THE_ROW));
        }
        self.entries.row_count().to_row().serialize(serializer)
    }
}

impl<'de, K, V> Deserialize<'de> for Map<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Map<K, V>, D::Error> {
        if deserializer.is_human_readable() {
            return Err(D::Error::custom(NOT_IN_THE_ROW));
        }
        Ok(Map { entries: Entries::of_row(Count::from_row(u64::deserialize(deserializer)?)) })
    }
}

pub(super) const NOT_IN_THE_ROW: &str = "the entries of a Map or a List are rows of their own, and serde sees only how many there are: collect them first";

impl<K, V> Kind for Map<K, V> {}

impl<K, V> Grows for Map<K, V> {}

impl<K: Key, V: Data> Managed for Map<K, V> {
    const HAS_ENTRIES: bool = true;

    fn attach(&mut self, place: Place, older: Older, backing: Option<Backing>, now: &Now) -> Result<()> {
        self.entries.attach(place, older, backing, now)
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
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::state::kinds::fixture::{
        BEGINNING, Model, Op, Rig, consumers, hold, is_over, ops, reads_refresh, spec, ttls, write_time,
    };
    use crate::state::kinds::{Consumers, ManagedSpec, Refresh, Ttl, TtlTime};
    use crate::time::{EventTime, millis};

    /// Keys short and long: some subkeys are boxed.
    type Key = String;

    /// Each value with the time of its last refresh.
    #[derive(Clone, Debug, Default)]
    struct Plain(BTreeMap<Key, (u16, EventTime)>);

    #[derive(Clone, Debug)]
    enum Act {
        Get(Key),
        GetMut(Key, u16),
        GetOrInsert(Key, u16),
        Insert(Key, u16),
        Remove(Key),
        Contains(Key),
        Len,
        Read,
        Retain(u16),
        Clear,
    }

    fn act() -> impl Strategy<Value = Act> + Clone {
        let key = (0..8usize).prop_map(|n| "k".repeat(n * 4));
        prop_oneof![
            2 => key.clone().prop_map(Act::Get),
            2 => (key.clone(), 0..9u16).prop_map(|(key, n)| Act::GetMut(key, n)),
            2 => (key.clone(), 0..9u16).prop_map(|(key, n)| Act::GetOrInsert(key, n)),
            6 => (key.clone(), 0..9u16).prop_map(|(key, n)| Act::Insert(key, n)),
            4 => key.clone().prop_map(Act::Remove),
            1 => key.prop_map(Act::Contains),
            1 => Just(Act::Len),
            1 => Just(Act::Read),
            1 => (0..4u16).prop_map(Act::Retain),
            1 => Just(Act::Clear),
        ]
    }

    impl Plain {
        fn write(&mut self, key: &Key, value: u16, spec: &ManagedSpec, now: &Now) {
            let write = write_time(spec, now);
            let refreshed = self.0.get(key).map_or(write, |(_, before)| write.max(*before));
            self.0.insert(key.clone(), (value, refreshed));
        }

        fn read(&mut self, key: &Key, spec: &ManagedSpec, now: &Now) -> Option<u16> {
            let value = self.0.get(key).map(|(value, _)| *value)?;
            if reads_refresh(spec) {
                self.write(key, value, spec, now);
            }
            Some(value)
        }

        fn read_all(&mut self, spec: &ManagedSpec, now: &Now) -> Vec<(Key, u16)> {
            let keys: Vec<Key> = self.0.keys().cloned().collect();
            keys.into_iter().map(|key| (key.clone(), self.read(&key, spec, now).unwrap())).collect()
        }
    }

    impl Model for Plain {
        type Field = Map<Key, u16>;
        type Act = Act;

        fn act(&mut self, map: &mut Map<Key, u16>, act: &Act, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            match act {
                Act::Get(key) => assert_eq!(map.get(key.as_str()).copied(), self.read(key, spec, now)),
                Act::GetMut(key, n) => {
                    let expected = self.0.get(key).map(|(value, _)| value + n);
                    let value = map.get_mut(key.as_str()).map(|value| {
                        *value += n;
                        *value
                    });
                    assert_eq!(value, expected);
                    expected.into_iter().for_each(|value| self.write(key, value, spec, now));
                }
                Act::GetOrInsert(key, n) => {
                    let expected = self.0.get(key).map_or(*n, |(value, _)| *value) + 1;
                    let value = map.get_or_insert_with(key.clone(), || *n);
                    *value += 1;
                    assert_eq!(*value, expected);
                    self.write(key, expected, spec, now);
                }
                Act::Insert(key, n) => {
                    let expected = self.0.get(key).map(|(value, _)| *value);
                    assert_eq!(map.insert(key.clone(), *n), expected);
                    self.write(key, *n, spec, now);
                }
                Act::Remove(key) => {
                    assert_eq!(map.remove(key.as_str()), self.0.remove(key).map(|(value, _)| value));
                }
                Act::Contains(key) => assert_eq!(map.contains_key(key.as_str()), self.0.contains_key(key)),
                Act::Len => assert_eq!(map.len(), self.0.len()),
                Act::Read => self.check(map, spec, now),
                Act::Retain(n) => {
                    map.retain(|_, value| *value % 4 != *n);
                    self.read_all(spec, now);
                    self.0.retain(|_, (value, _)| *value % 4 != *n);
                }
                Act::Clear => {
                    map.clear();
                    self.0.clear();
                }
            }
        }

        fn purge(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.retain(|_, (_, refreshed)| !is_over(*refreshed, spec, now));
        }

        fn written(&mut self, spec: &ManagedSpec, now: &Now) {
            self.0.values_mut().for_each(|(_, refreshed)| *refreshed = write_time(spec, now));
        }

        fn clear(&mut self) {
            self.0.clear();
        }

        fn check(&mut self, map: &mut Map<Key, u16>, spec: &ManagedSpec, now: &Now) {
            self.purge(spec, now);
            let plain: Map<Key, u16> = self.0.iter().map(|(key, (value, _))| (key.clone(), *value)).collect();
            assert_eq!(*map, plain);
            assert_eq!(map.clone(), plain);
            let all: Vec<(Key, u16)> = map.iter().map(|(key, value)| (key.clone(), *value)).collect();
            let mut expected = self.read_all(spec, now);
            expected.sort_by_key(|(key, _)| crate::key::Key::hash(key).bits());
            assert_eq!(all, expected);
            assert_eq!(map.len(), self.0.len());
            assert_eq!(map.is_empty(), self.0.is_empty());
        }

        fn check_told(&self, told: &BTreeMap<Vec<u8>, Vec<u8>>, row: &[u8], spec: &ManagedSpec, now: &Now) {
            let decode = |subkey: &[u8], value: &[u8]| {
                let key = <Key as crate::key::Key>::decode(&mut &subkey[..]).unwrap();
                let (refreshed, value): (EventTime, u16) = postcard::from_bytes(value).unwrap();
                (key, (value, refreshed))
            };
            let mut plain = Plain(told.iter().map(|(subkey, value)| decode(subkey, value)).collect());
            plain.purge(spec, now);
            let mut own = self.clone();
            own.purge(spec, now);
            assert_eq!(plain.0, own.0);
            let count = Count::from_row(postcard::from_bytes(row).unwrap());
            assert!(count.entries >= own.0.len() as u64);
            assert!(count.at_most || count.entries == own.0.len() as u64);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_done_to_a_map_and_around_it_it_is_that_of_the_standard_library(
            ttl in ttls(),
            consumers in consumers(),
            ops in ops(act()),
        ) {
            hold::<Plain>(spec(ttl, None), consumers, &ops);
        }
    }

    const BOTH: Consumers = Consumers { snapshots: true, store: true };

    fn rig(entries: u16) -> Rig<Plain> {
        let mut rig = Rig::new(spec(None, None), BOTH);
        (0..entries).for_each(|n| rig.run(&Op::User(0, Act::Insert(n.to_string(), n))));
        rig
    }

    fn changes(map: &mut Map<Key, u16>) -> Vec<String> {
        let mut changes = Vec::new();
        map.take_changes(&mut |change| {
            changes.push(match change {
                EntryChange::Reset => "reset".to_string(),
                EntryChange::Put(subkey, _) => {
                    format!("put {}", <Key as crate::key::Key>::decode(&mut &*subkey).unwrap())
                }
                EntryChange::Remove(subkey) => {
                    format!("remove {}", <Key as crate::key::Key>::decode(&mut &*subkey).unwrap())
                }
            });
            Ok(())
        })
        .unwrap();
        changes
    }

    #[test]
    fn a_delta_has_what_changed_and_nothing_of_what_came_and_went() {
        let mut rig = rig(1_000);
        assert_eq!(changes(&mut rig.fields[0]).len(), 1_000);
        let map = &mut rig.fields[0];
        map.insert("17".to_string(), 1);
        map.insert("17".to_string(), 2);
        map.remove("18");
        map.insert("new".to_string(), 3);
        map.insert("passing".to_string(), 4);
        map.remove("passing");
        let mut told = changes(map);
        told.sort();
        assert_eq!(told, ["put 17", "put new", "remove 18"]);
        assert_eq!(changes(map), [""; 0]);
    }

    #[test]
    fn what_was_cleared_is_told_in_one_word_and_an_empty_map_that_is_cleared_in_none() {
        let mut rig = rig(1_000);
        rig.run(&Op::User(0, Act::Clear));
        assert_eq!(changes(&mut rig.fields[0]), [""; 0], "no snapshot has heard of it");
        rig.run(&Op::User(0, Act::Insert("1".to_string(), 1)));
        rig.tell_snapshots();
        rig.fields[0].clear();
        rig.fields[0].insert("2".to_string(), 2);
        assert_eq!(changes(&mut rig.fields[0]), ["reset", "put 2"]);
    }

    #[test]
    fn an_entry_that_comes_back_is_told_to_those_who_heard_that_it_was_gone() {
        let mut rig = rig(1);
        rig.tell_snapshots();
        rig.tell_store();
        rig.run(&Op::User(0, Act::Remove("0".to_string())));
        rig.tell_snapshots();
        // The store has not heard of it.
        rig.run(&Op::User(0, Act::Insert("0".to_string(), 7)));
        rig.run(&Op::Barrier);
        rig.run(&Op::Evict);
        rig.check();
    }

    #[test]
    fn what_a_default_has_in_it_is_told_like_anything_else() {
        let mut map = Map::from([("a".to_string(), 1)]);
        let place = Place { index: 0, spec: spec(None, None), consumers: BOTH };
        map.attach(place, Older::Valid, None, &BEGINNING).unwrap();
        assert_eq!(changes(&mut map), ["put a"]);
    }

    /// A map of `0` to `n`, each a millisecond older than the one before, that live 10 ms of event time.
    fn expiring(n: u16) -> Rig<Plain> {
        let ttl = Ttl { lasts: millis(10), time: TtlTime::Event, refresh: Refresh::Write };
        let mut rig = Rig::new(spec(Some(ttl), None), BOTH);
        for n in 0..n {
            rig.now.record = EventTime::from_millis(100 - i64::from(n));
            rig.run(&Op::User(0, Act::Insert(n.to_string(), n)));
        }
        rig
    }

    #[test]
    fn a_record_out_of_order_does_not_shorten_a_life() {
        let mut rig = expiring(1);
        rig.now.record = EventTime::from_millis(50);
        rig.run(&Op::User(0, Act::GetMut("0".to_string(), 1)));
        rig.run(&Op::User(0, Act::Insert("0".to_string(), 2)));
        rig.now.event = EventTime::from_millis(109);
        rig.check();
        assert_eq!(rig.fields[0].len(), 1);
        rig.now.event = EventTime::from_millis(110);
        rig.check();
        assert_eq!(rig.fields[0].len(), 0);
    }

    #[test]
    fn what_is_swapped_into_a_field_of_another_time_expires_by_that() {
        let ttl = |time| spec(Some(Ttl { lasts: millis(10), time, refresh: Refresh::Write }), None);
        let place = |index, spec| Place { index, spec, consumers: BOTH };
        let (by_clock, by_event) = (place(0, ttl(TtlTime::Processing)), place(1, ttl(TtlTime::Event)));
        let mut map: Map<u8, u8> = Map::default();
        map.attach(by_clock, Older::Valid, None, &BEGINNING).unwrap();
        map.insert(1, 1);
        map.attach(by_event, Older::Void, None, &BEGINNING).unwrap();
        let now = |millis| Now { event: EventTime::from_millis(millis), ..BEGINNING };
        map.tell_time(&now(109));
        assert_eq!(map.iter().count(), 1, "written in the record's time, 100 ms");
        map.tell_time(&now(110));
        assert_eq!(map.iter().count(), 0);
    }

    #[test]
    fn what_expires_in_memory_is_counted_and_told() {
        let mut rig = expiring(10);
        rig.tell_snapshots();
        rig.now.event = EventTime::from_millis(103);
        assert_eq!(rig.fields[0].expire(&rig.now), 3, "those of 91, 92 and 93 ms");
        assert_eq!(rig.fields[0].expire(&rig.now), 0);
        let mut told = changes(&mut rig.fields[0]);
        told.sort();
        assert_eq!(told, ["remove 7", "remove 8", "remove 9"]);
    }

    #[test]
    fn keys_that_come_and_go_between_two_snapshots_do_not_pile_up() {
        let mut rig = rig(3);
        let before = rig.fields[0].bytes();
        for n in 0..10_000 {
            rig.fields[0].insert(format!("passing {n}"), 1);
            rig.fields[0].remove(format!("passing {n}").as_str());
        }
        let after = rig.fields[0].bytes();
        assert!(after < before + 10_000, "{before} bytes have become {after}");
    }

    #[test]
    fn an_entry_is_read_from_the_store_once_and_a_map_that_is_in_memory_never() {
        let mut rig = rig(100);
        rig.tell_snapshots();
        rig.fields[0].insert("new".to_string(), 1);
        assert_eq!(rig.fields[0].get("none"), None);
        assert_eq!(*rig.store.reads.lock().unwrap(), 0);
        let before = rig.fields[0].bytes();
        rig.forget();
        assert!(rig.fields[0].bytes() < before / 10);
        assert_eq!(
            format!("{:?}", rig.fields[0]),
            r#"{"new": 1, ..}"#,
            "no snapshot has heard of it: it stays"
        );
        assert_eq!(rig.fields[0].len(), 101);
        assert_eq!(rig.fields[0].get("7"), Some(&7));
        assert_eq!(rig.fields[0].insert("7".to_string(), 8), Some(7));
        assert_eq!(*rig.store.reads.lock().unwrap(), 1);
        assert_eq!(rig.fields[0].iter().count(), 101);
        assert_eq!(*rig.store.reads.lock().unwrap(), 2);
        assert_eq!(rig.fields[0].get("none"), None);
        assert_eq!(*rig.store.reads.lock().unwrap(), 2);
    }

    #[test]
    fn a_text_and_a_string_are_the_same_key() {
        let bytes = |key: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            key(&mut bytes);
            bytes
        };
        for text in ["", "a", "ä and more than fits inline"] {
            let string = text.to_string();
            assert_eq!(text.key_hash(), crate::key::Key::hash(&string));
            assert!(text.is_key(&string) && !text.is_key(&format!("{text}.")));
            assert_eq!(
                bytes(&|bytes| text.encode_key(bytes)),
                bytes(&|bytes| crate::key::Key::encode(&string, bytes))
            );
        }
    }

    #[test]
    fn a_map_that_serde_read_says_that_its_entries_are_not_there() {
        let mut map: Map<u64, u64> = postcard::from_bytes(&[2]).unwrap();
        let thrown = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map.get(&1).copied()));
        let error = thrown.unwrap_err().downcast::<crate::Error>().unwrap();
        assert!(error.to_string().contains("where its entries are is known only to a job"), "{error}");
        let json = serde_json::to_string(&Map::from([(1, 1)])).unwrap_err();
        assert!(json.to_string().contains("rows of their own"), "{json}");
        assert!(serde_json::from_str::<Map<u64, u64>>("2").is_err());
    }

    #[test]
    fn a_damaged_entry_is_an_error_that_ends_the_task() {
        let mut map: Map<u64, u64> = Map::default();
        let place = Place { index: 0, spec: spec(None, None), consumers: BOTH };
        map.attach(place, Older::Valid, None, &BEGINNING).unwrap();
        assert!(map.load(&[1, 2], &[0, 5]).is_err(), "a key that is cut short");
        assert!(map.load(&[0; 9], &[0, 5]).is_err(), "a key with something behind it");
        assert!(map.load(&[0; 8], &[0]).is_err(), "no value");
        map.load(&[0; 8], &[0, 5]).unwrap();
        assert_eq!(map.get(&0), Some(&5));
    }
}
