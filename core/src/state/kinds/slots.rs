//! The entries of a field that are in memory: a hash table for a [`Map`](super::Map), a run for a [`List`](super::List).

use std::collections::{BTreeMap, VecDeque};

use hashbrown::HashTable;

use crate::key::Key;
use crate::state::Data;
use crate::state::kinds::changes::Known;
use crate::state::kinds::lookup::{Index, Lookup, Subkey};
use crate::time::EventTime;

/// An entry in memory, or what must still be told of one.
pub(super) struct Slot<K, V> {
    pub key: K,
    /// `None`: it was removed.
    pub value: Option<V>,
    pub refreshed: EventTime,
    pub known: Known,
}

/// The slots of a field, each with a key of its own.
pub(super) trait Slots: Default {
    type Key: Subkey;
    type Value: Data;
    /// Where a slot is, until one is inserted or removed.
    type At: Copy;

    /// A slot that `is` the one, of those whose keys have this token; others may be shown to `is`, too.
    fn find_where(&self, token: u64, is: impl FnMut(&SlotOf<Self>) -> bool) -> Option<Self::At>;

    #[inline]
    fn find(&self, key: &(impl Lookup<Self::Key> + ?Sized)) -> Option<Self::At> {
        self.find_where(key.token(), |slot| key.is(&slot.key))
    }

    fn get(&self, at: Self::At) -> &SlotOf<Self>;

    fn get_mut(&mut self, at: Self::At) -> &mut SlotOf<Self>;

    /// Inserts a slot whose key no other has.
    fn insert(&mut self, slot: SlotOf<Self>) -> Self::At;

    fn remove(&mut self, at: Self::At) -> SlotOf<Self>;

    fn len(&self) -> usize;

    fn retain(&mut self, keep: impl FnMut(&mut SlotOf<Self>) -> bool);

    /// Gives back memory that is not used.
    fn shrink(&mut self);

    fn iter(&self) -> impl Iterator<Item = &SlotOf<Self>>;

    /// All slots, in an order that only their keys decide.
    fn in_order(&self) -> impl DoubleEndedIterator<Item = &SlotOf<Self>>;

    /// How many bytes were allocated for slots.
    fn bytes(&self) -> usize;
}

pub(super) type SlotOf<C> = Slot<<C as Slots>::Key, <C as Slots>::Value>;

const FOUND: &str = "a slot stays where it was found until one is inserted or removed";

/// The slots of a map, by the hashes of their keys.
pub(super) struct Hashed<K, V>(HashTable<Slot<K, V>>);

impl<K, V> Default for Hashed<K, V> {
    fn default() -> Hashed<K, V> {
        Hashed(HashTable::new())
    }
}

impl<K: Key + Subkey, V: Data> Slots for Hashed<K, V> {
    type Key = K;
    type Value = V;
    type At = usize;

    #[inline]
    fn find_where(&self, token: u64, is: impl FnMut(&Slot<K, V>) -> bool) -> Option<usize> {
        self.0.find_bucket_index(token, is)
    }

    #[inline]
    fn get(&self, at: usize) -> &Slot<K, V> {
        self.0.get_bucket(at).expect(FOUND)
    }

    #[inline]
    fn get_mut(&mut self, at: usize) -> &mut Slot<K, V> {
        self.0.get_bucket_mut(at).expect(FOUND)
    }

    fn insert(&mut self, slot: Slot<K, V>) -> usize {
        self.0.insert_unique(slot.key.token(), slot, |slot| slot.key.token()).bucket_index()
    }

    fn remove(&mut self, at: usize) -> Slot<K, V> {
        match self.0.get_bucket_entry(at) {
            Ok(entry) => entry.remove().0,
            Err(_) => unreachable!("{FOUND}"),
        }
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn retain(&mut self, keep: impl FnMut(&mut Slot<K, V>) -> bool) {
        self.0.retain(keep);
    }

    fn shrink(&mut self) {
        self.0.shrink_to_fit(|slot| slot.key.token());
    }

    fn iter(&self) -> impl Iterator<Item = &Slot<K, V>> {
        self.0.iter()
    }

    fn in_order(&self) -> impl DoubleEndedIterator<Item = &Slot<K, V>> {
        let mut slots: Vec<(u64, &Slot<K, V>)> = self.0.iter().map(|slot| (slot.key.token(), slot)).collect();
        slots.sort_unstable_by(|(left, a), (right, b)| left.cmp(right).then_with(|| a.key.order(&b.key)));
        slots.into_iter().map(|(_, slot)| slot)
    }

    fn bytes(&self) -> usize {
        self.0.allocation_size()
    }
}

/// The slots of a list: those from some index on without a gap, or nearly so, and others before them.
pub(super) struct Run<V> {
    /// Slots with smaller indices than all in the run: they were loaded one by one, or stayed when others left memory.
    strays: BTreeMap<Index, Slot<Index, V>>,
    /// The index of the first place in the run.
    first: u64,
    run: VecDeque<Option<Slot<Index, V>>>,
    /// How many slots there are in the run.
    filled: usize,
}

impl<V> Default for Run<V> {
    fn default() -> Run<V> {
        Run { strays: BTreeMap::new(), first: 0, run: VecDeque::new(), filled: 0 }
    }
}

impl<V> Run<V> {
    /// The place in the run of an index that is not before it.
    #[inline]
    fn place(&self, index: Index) -> Option<usize> {
        index.0.checked_sub(self.first).filter(|_| !self.run.is_empty()).map(|place| place as usize)
    }

    /// Lets the run begin and end with a slot.
    fn trim(&mut self) {
        while let Some(None) = self.run.front() {
            self.run.pop_front();
            self.first += 1;
        }
        while let Some(None) = self.run.back() {
            self.run.pop_back();
        }
    }
}

impl<V: Data> Slots for Run<V> {
    type Key = Index;
    type Value = V;
    type At = Index;

    #[inline]
    fn find_where(&self, token: u64, mut is: impl FnMut(&Slot<Index, V>) -> bool) -> Option<Index> {
        let index = Index(token);
        let slot = match self.place(index) {
            Some(place) => self.run.get(place)?.as_ref(),
            None => self.strays.get(&index),
        };
        slot.filter(|slot| is(slot)).map(|slot| slot.key)
    }

    #[inline]
    fn get(&self, at: Index) -> &Slot<Index, V> {
        let slot = match self.place(at) {
            Some(place) => self.run[place].as_ref(),
            None => self.strays.get(&at),
        };
        slot.expect(FOUND)
    }

    #[inline]
    fn get_mut(&mut self, at: Index) -> &mut Slot<Index, V> {
        let slot = match self.place(at) {
            Some(place) => self.run[place].as_mut(),
            None => self.strays.get_mut(&at),
        };
        slot.expect(FOUND)
    }

    fn insert(&mut self, slot: Slot<Index, V>) -> Index {
        /// A run grows by so many empty places, or by a half, before it is given up.
        const GAP: usize = 16;
        let index = slot.key;
        match self.place(index) {
            None if self.run.is_empty()
                && self.strays.last_key_value().is_none_or(|(last, _)| *last < index) =>
            {
                self.first = index.0;
                self.run.push_back(Some(slot));
                self.filled += 1;
            }
            None => drop(self.strays.insert(index, slot)),
            Some(place) if place < self.run.len() => {
                self.run[place] = Some(slot);
                self.filled += 1;
            }
            Some(place) => {
                if place - self.run.len() > GAP.max(self.filled / 2) {
                    self.strays.extend(self.run.drain(..).flatten().map(|slot| (slot.key, slot)));
                    (self.first, self.filled) = (index.0, 0);
                } else {
                    self.run.resize_with(place, || None);
                }
                self.run.push_back(Some(slot));
                self.filled += 1;
            }
        }
        index
    }

    fn remove(&mut self, at: Index) -> Slot<Index, V> {
        let slot = match self.place(at) {
            Some(place) => {
                self.filled -= 1;
                self.run[place].take()
            }
            None => self.strays.remove(&at),
        };
        self.trim();
        slot.expect(FOUND)
    }

    fn len(&self) -> usize {
        self.strays.len() + self.filled
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut Slot<Index, V>) -> bool) {
        self.strays.retain(|_, slot| keep(slot));
        for place in &mut self.run {
            if place.take_if(|slot| !keep(slot)).is_some() {
                self.filled -= 1;
            }
        }
        self.trim();
    }

    fn shrink(&mut self) {
        self.run.shrink_to_fit();
    }

    fn iter(&self) -> impl Iterator<Item = &Slot<Index, V>> {
        self.in_order()
    }

    fn in_order(&self) -> impl DoubleEndedIterator<Item = &Slot<Index, V>> {
        self.strays.values().chain(self.run.iter().flatten())
    }

    fn bytes(&self) -> usize {
        let slot = size_of::<Slot<Index, V>>();
        // The nodes of a tree are two thirds full.
        self.run.capacity() * slot + self.strays.len() * slot * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn slot(index: u64) -> Slot<Index, u64> {
        Slot { key: Index(index), value: Some(index), refreshed: EventTime::MIN, known: Known::NOTHING }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_run_is_an_ordered_map_wherever_its_gaps_are(
            steps in proptest::collection::vec((0..6u8, 0..200u64), 0..80)
        ) {
            let (mut run, mut model) = (Run::default(), BTreeMap::new());
            for (what, index) in steps {
                match (what, run.find(&Index(index))) {
                    (0..=2, None) => {
                        run.insert(slot(index));
                        model.insert(index, index);
                    }
                    (0..=2, Some(at)) => assert_eq!(run.get(at).value, Some(model[&index])),
                    (3, Some(at)) => assert_eq!(run.remove(at).value, model.remove(&index)),
                    (4, _) => {
                        run.retain(|slot| slot.key.0 % 5 != index % 5);
                        model.retain(|at, _| at % 5 != index % 5);
                    }
                    (5, at) => assert_eq!(at.is_some(), model.contains_key(&index)),
                    _ => assert!(!model.contains_key(&index)),
                }
                assert_eq!(run.len(), model.len());
                assert!(run.in_order().map(|slot| slot.key.0).eq(model.keys().copied()));
                assert!(run.run.front().is_none_or(Option::is_some) && run.run.back().is_none_or(Option::is_some));
                let empty = run.run.len() - run.filled;
                assert!(empty <= 200, "a run has no long gaps");
            }
        }
    }

    #[test]
    fn the_first_element_of_a_long_list_that_is_not_in_memory_costs_no_place_for_all_the_others() {
        let mut run = Run::default();
        run.insert(slot(1_000_000));
        run.insert(slot(0));
        run.insert(slot(2_000_000));
        assert!(run.bytes() < 1_000, "{} bytes", run.bytes());
        assert!(run.in_order().map(|slot| slot.key.0).eq([0, 1_000_000, 2_000_000]));
    }

    #[test]
    fn keys_of_one_hash_are_told_apart_and_in_order() {
        #[derive(Clone, PartialEq, Eq, Debug)]
        struct Same(u8);
        impl crate::state::Describe for Same {
            fn schema() -> crate::state::Schema {
                u8::schema()
            }
        }
        impl Key for Same {
            fn encode(&self, bytes: &mut Vec<u8>) {
                bytes.push(self.0);
            }

            fn decode(bytes: &mut &[u8]) -> Option<Same> {
                u8::decode(bytes).map(Same)
            }

            fn hash(&self) -> crate::key::KeyHash {
                crate::key::KeyHash::of(&[])
            }
        }
        let mut map: crate::state::Map<Same, u8> = (0..50).rev().map(|n| (Same(n), n)).collect();
        assert_eq!(map.get(&Same(7)), Some(&7));
        assert_eq!(map.remove(&Same(0)), Some(0));
        assert!(map.values().copied().eq(1..50));
    }
}
