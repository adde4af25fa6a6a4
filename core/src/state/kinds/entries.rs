//! The entries of a [`Map`](super::Map) or [`List`](super::List): those in memory, and what is known of the [rest](Rest).
//!
//! An entry in memory is newer than what a store has under its subkey, or the same. One that was removed stays as a slot
//! without an entry for as long as someone has not heard of it: it hides what the store still has.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::state::kinds::backing::Backing;
use crate::state::kinds::changes::{Changes, Consumer, Known, Knows, Log};
use crate::state::kinds::subkey::Subkey;
use crate::state::kinds::ttl::{Now, Reading, Refresh, Ttl};
use crate::state::kinds::{EntryChange, Older, Place};
use crate::time::EventTime;

/// What a field can hold under a subkey.
pub(super) trait Entry<S>: Sized {
    /// Appends the value of the entry's row, but for its time.
    fn encode_value(&self, bytes: Vec<u8>) -> Result<Vec<u8>>;

    /// Reads it back, given what follows the time.
    fn decode_value(subkey: &[u8], value: &[u8]) -> Result<Self>;

    /// How many bytes of key and value serde sees.
    fn encoded_bytes(&self) -> usize;
}

pub(super) struct Entries<S, E> {
    slots: BTreeMap<S, Slot<E>>,
    /// How many slots have no entry.
    removed: usize,
    rest: Rest,
    place: Option<Place>,
    reading: Reading,
    /// No entry in memory was last refreshed before this.
    oldest: EventTime,
    changes: Changes<S>,
    /// About how many bytes serde sees of an entry.
    encoded_bytes: u32,
}

struct Slot<E> {
    /// `None`: it was removed.
    entry: Option<E>,
    refreshed: EventTime,
    known: Known,
}

/// The entries that are not in memory.
enum Rest {
    /// There are none.
    Nothing,
    /// The row was read; where its entries are has not been said.
    Unplaced(Count),
    /// They are in the store.
    Stored(Box<(Count, Backing)>),
}

/// A number of entries, as a row has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Count {
    pub entries: u64,
    /// Whether it may be less, because whoever merges files leaves out what has expired.
    pub at_most: bool,
}

impl Count {
    const ZERO: Count = Count { entries: 0, at_most: false };

    /// `entries × 2 + at_most`, for a row.
    pub fn to_row(self) -> u64 {
        self.entries << 1 | u64::from(self.at_most)
    }

    pub fn from_row(number: u64) -> Count {
        Count { entries: number >> 1, at_most: number & 1 == 1 }
    }
}

impl<S, E> Default for Entries<S, E> {
    fn default() -> Entries<S, E> {
        Entries::of_row(Count::ZERO)
    }
}

impl<S, E> Entries<S, E> {
    /// The entries of a row that was read: they are somewhere.
    pub fn of_row(count: Count) -> Entries<S, E> {
        Entries {
            slots: BTreeMap::new(),
            removed: 0,
            rest: if count.entries == 0 { Rest::Nothing } else { Rest::Unplaced(count) },
            place: None,
            reading: Reading::UNATTACHED,
            oldest: EventTime::MAX,
            changes: Changes::default(),
            encoded_bytes: 0,
        }
    }

    fn elsewhere(&self) -> Count {
        match &self.rest {
            Rest::Nothing => Count::ZERO,
            Rest::Unplaced(count) => *count,
            Rest::Stored(stored) => stored.0,
        }
    }

    /// How many entries there are, expired ones that were not met included.
    fn count(&self) -> Count {
        let Count { entries, at_most } = self.elsewhere();
        Count { entries: (self.slots.len() - self.removed) as u64 + entries, at_most }
    }

    /// What a row says of how many there are.
    pub fn row_count(&self) -> Count {
        let Count { entries, at_most } = self.count();
        Count { entries, at_most: at_most || (self.ttl().is_some() && entries > 0) }
    }

    /// Whether nothing is elsewhere.
    pub fn are_in_memory(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    pub fn place(&self) -> Option<Place> {
        self.place
    }

    pub fn ttl(&self) -> Option<Ttl> {
        self.place.and_then(|place| place.spec.ttl)
    }

    fn has_expired(&self, refreshed: EventTime) -> bool {
        self.ttl().is_some_and(|ttl| ttl.is_over(refreshed, self.reading.now))
    }

    pub fn tell_time(&mut self, now: &Now) {
        if let Some(ttl) = self.ttl() {
            self.reading = Reading::of(Some(ttl), now);
        }
    }

    /// The entries in memory that have not expired, in the order of their subkeys.
    pub fn in_memory(&self) -> impl DoubleEndedIterator<Item = (&S, &E)> {
        let visible = |slot: &&Slot<E>| !self.has_expired(slot.refreshed);
        self.slots
            .iter()
            .filter(move |(_, slot)| visible(slot))
            .filter_map(|(at, slot)| slot.entry.as_ref().map(|entry| (at, entry)))
    }
}

const FOUND: &str = "the entry was just found";

impl<S: Subkey, E: Entry<S>> Entries<S, E> {
    /// Whether every lookup is one in memory: nothing is elsewhere, and nothing expires.
    #[inline]
    fn is_plain(&self) -> bool {
        matches!(self.rest, Rest::Nothing) && self.ttl().is_none()
    }

    /// Whether there is such an entry; it is in memory then.
    pub fn find(&mut self, at: &S::Ref) -> Result<bool> {
        match self.slots.get(at) {
            Some(Slot { entry: None, .. }) => Ok(false),
            Some(slot) if !self.has_expired(slot.refreshed) => Ok(true),
            Some(_) => {
                self.take_out(at);
                Ok(false)
            }
            None => self.fetch(at),
        }
    }

    /// Looks for an entry that is not in memory.
    fn fetch(&mut self, at: &S::Ref) -> Result<bool> {
        let found = match &self.rest {
            Rest::Nothing => return Ok(false),
            Rest::Unplaced(_) => return Err(unplaced()),
            Rest::Stored(stored) => S::bytes_of(at, |subkey| match stored.1.get(subkey)? {
                Some(value) => decode(subkey, &value).map(Some),
                None => Ok(None),
            })?,
        };
        let Some((refreshed, entry)) = found else { return Ok(false) };
        self.insert_known(S::of(at), refreshed, entry);
        self.one_less_elsewhere();
        if self.has_expired(refreshed) {
            self.take_out(at);
            return Ok(false);
        }
        Ok(true)
    }

    /// An entry of the store, as everyone knows it.
    fn insert_known(&mut self, at: S, refreshed: EventTime, entry: E) {
        let known = self.changes.all_know();
        self.insert(at, Slot { entry: Some(entry), refreshed, known });
    }

    fn insert(&mut self, at: S, slot: Slot<E>) {
        slot.entry.iter().for_each(|entry| self.weigh(entry));
        self.oldest = self.oldest.min(slot.refreshed);
        self.slots.insert(at, slot);
    }

    fn one_less_elsewhere(&mut self) {
        let count = match &mut self.rest {
            Rest::Nothing => return,
            Rest::Unplaced(count) => count,
            Rest::Stored(stored) => &mut stored.0,
        };
        count.entries -= 1;
        if count.entries == 0 {
            self.rest = Rest::Nothing;
        }
    }

    pub fn get(&mut self, at: &S::Ref) -> Result<Option<&E>> {
        if self.is_plain() {
            return Ok(self.slots.get(at).and_then(|slot| slot.entry.as_ref()));
        }
        if !self.find(at)? {
            return Ok(None);
        }
        let slot = self.slots.get_mut(at).expect(FOUND);
        if self.place.and_then(|place| place.spec.ttl).is_some_and(|ttl| ttl.refresh == Refresh::ReadAndWrite)
        {
            refresh(slot, self.reading.write, &mut self.changes, || S::of(at));
        }
        Ok(slot.entry.as_ref())
    }

    /// The entry, which counts as written.
    pub fn get_mut(&mut self, at: &S::Ref) -> Result<Option<&mut E>> {
        if !self.is_plain() && !self.find(at)? {
            return Ok(None);
        }
        let Some(slot) = self.slots.get_mut(at).filter(|slot| slot.entry.is_some()) else { return Ok(None) };
        slot.refreshed = slot.refreshed.max(self.reading.write);
        self.changes.touched(&mut slot.known, || S::of(at));
        Ok(slot.entry.as_mut())
    }

    /// Puts an entry under a subkey whose old one, if it has one, is in memory.
    pub fn put(&mut self, at: S, entry: E) -> Option<E> {
        self.tidy();
        self.weigh(&entry);
        let write = self.reading.write;
        self.oldest = self.oldest.min(write);
        let Some(slot) = self.slots.get_mut(at.borrow()) else {
            self.changes.came(Known::NOTHING, || at.clone());
            self.slots.insert(at, Slot { entry: Some(entry), refreshed: write, known: Known::NOTHING });
            return None;
        };
        let old = slot.entry.replace(entry);
        match old {
            Some(_) => {
                slot.refreshed = slot.refreshed.max(write);
                self.changes.touched(&mut slot.known, || at.clone());
            }
            None => {
                self.removed -= 1;
                slot.refreshed = write;
                self.changes.came(slot.known, || at.clone());
            }
        }
        old
    }

    pub fn remove(&mut self, at: &S::Ref) -> Result<Option<E>> {
        Ok(if self.find(at)? { self.take_out(at) } else { None })
    }

    /// Removes an entry that exists, without asking what it is.
    pub fn discard(&mut self, at: &S::Ref) {
        if self.slots.contains_key(at) {
            self.take_out(at);
        } else if !matches!(self.rest, Rest::Nothing) {
            let mut slot = Slot { entry: None, refreshed: EventTime::MIN, known: self.changes.all_know() };
            self.changes.touched(&mut slot.known, || S::of(at));
            if slot.known.is_known() {
                self.slots.insert(S::of(at), slot);
                self.removed += 1;
            }
            self.one_less_elsewhere();
        }
    }

    /// Takes an entry out of memory, and notes that it is gone.
    fn take_out(&mut self, at: &S::Ref) -> Option<E> {
        let slot = self.slots.get_mut(at)?;
        let entry = slot.entry.take()?;
        self.changes.touched(&mut slot.known, || S::of(at));
        if slot.known.is_known() {
            self.removed += 1;
        } else {
            self.slots.remove(at);
        }
        Some(entry)
    }

    /// Brings every entry into memory, and removes what has expired.
    pub fn gather(&mut self) -> Result<()> {
        if !matches!(self.rest, Rest::Nothing) {
            self.load_rest()?;
        }
        self.purge();
        Ok(())
    }

    #[cold]
    fn load_rest(&mut self) -> Result<()> {
        let stored = match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => return Ok(()),
            Rest::Stored(stored) => stored,
            unknown @ Rest::Unplaced(_) => {
                self.rest = unknown;
                return Err(unplaced());
            }
        };
        let loaded = stored.1.visit(&mut |subkey, value| {
            let at = S::from_bytes(subkey).ok_or_else(|| damaged(subkey))?;
            if !self.slots.contains_key(at.borrow()) {
                let (refreshed, entry) = decode(subkey, value)?;
                self.insert_known(at, refreshed, entry);
            }
            Ok(())
        });
        if loaded.is_err() {
            self.rest = Rest::Stored(stored);
        }
        loaded
    }

    /// Takes an entry of a snapshot.
    pub fn load(&mut self, subkey: &[u8], value: &[u8]) -> Result<()> {
        let at = S::from_bytes(subkey).ok_or_else(|| damaged(subkey))?;
        if !self.slots.contains_key(at.borrow()) {
            let (refreshed, entry) = decode(subkey, value)?;
            let known = self.changes.snapshots_know(|| at.clone());
            self.insert(at, Slot { entry: Some(entry), refreshed, known });
            self.one_less_elsewhere();
        }
        Ok(())
    }

    /// Removes what has expired in memory; how much that is.
    pub fn purge(&mut self) -> usize {
        if !self.has_expired(self.oldest) {
            return 0;
        }
        let (mut expired, mut oldest) = (0, EventTime::MAX);
        let Entries { slots, removed, changes, place, reading, .. } = self;
        let ttl = place.and_then(|place| place.spec.ttl);
        slots.retain(|at, slot| {
            if slot.entry.is_none() {
                return true;
            }
            if !ttl.is_some_and(|ttl| ttl.is_over(slot.refreshed, reading.now)) {
                oldest = oldest.min(slot.refreshed);
                return true;
            }
            expired += 1;
            slot.entry = None;
            changes.touched(&mut slot.known, || at.clone());
            let stays = slot.known.is_known();
            *removed += usize::from(stays);
            stays
        });
        self.oldest = oldest;
        expired
    }

    /// How many entries there are.
    pub fn len(&mut self) -> Result<usize> {
        if self.ttl().is_some() || self.elsewhere().at_most {
            self.gather()?;
        }
        Ok(self.count().entries as usize)
    }

    /// All entries, of which someone reads.
    pub fn read_all(&mut self) -> Result<impl DoubleEndedIterator<Item = (&S, &E)>> {
        self.gather()?;
        if self.ttl().is_some_and(|ttl| ttl.refresh == Refresh::ReadAndWrite) {
            let Entries { slots, changes, reading, .. } = self;
            for (at, slot) in slots.iter_mut().filter(|(_, slot)| slot.entry.is_some()) {
                refresh(slot, reading.write, changes, || at.clone());
            }
        }
        Ok(self.in_memory())
    }

    /// Removes the entries for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&E) -> bool) -> Result<()> {
        let gone: Vec<S> =
            self.read_all()?.filter(|(_, entry)| !keep(entry)).map(|(at, _)| at.clone()).collect();
        for at in gone {
            self.take_out(at.borrow());
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        let Entries { slots, rest, changes, .. } = self;
        changes.reset(|consumer| {
            !matches!(rest, Rest::Nothing)
                || slots.values().any(|slot| slot.known.to(consumer) != Knows::Nothing)
        });
        self.slots.clear();
        (self.removed, self.oldest, self.rest) = (0, EventTime::MAX, Rest::Nothing);
    }

    pub fn attach(&mut self, place: Place, older: Older, backing: Option<Backing>, now: &Now) -> Result<()> {
        if older == Older::Void {
            self.gather()?;
        }
        self.rest = match (std::mem::replace(&mut self.rest, Rest::Nothing), backing) {
            (Rest::Unplaced(count), Some(backing)) => Rest::Stored(Box::new((count, backing))),
            (Rest::Unplaced(_), None) => Rest::Nothing,
            (rest, _) => rest,
        };
        self.place = Some(place);
        self.reading = Reading::of(place.spec.ttl, now);
        self.changes = Changes::for_consumers(place.consumers);
        if older == Older::Void {
            self.changes.reset(|_| true);
        }
        self.slots.retain(|_, slot| slot.entry.is_some());
        self.removed = 0;
        for (at, slot) in &mut self.slots {
            slot.known = Known::NOTHING;
            self.changes.came(Known::NOTHING, || at.clone());
            slot.refreshed = self.reading.write;
        }
        self.oldest = if self.slots.is_empty() { EventTime::MAX } else { self.reading.write };
        Ok(())
    }

    pub fn forget(&mut self, backing: Backing) {
        if !self.changes.is_wanted_by(Consumer::Store) {
            return;
        }
        let before = self.slots.len();
        let changes = &self.changes;
        self.slots.retain(|_, slot| !changes.is_told(slot.known));
        let went = (before - self.slots.len()) as u64;
        let Count { entries, at_most } = self.elsewhere();
        if entries + went > 0 {
            let count = Count { entries: entries + went, at_most };
            self.rest = Rest::Stored(Box::new((count, backing)));
        }
    }

    /// Tells `consumer` what it must hear.
    pub fn tell(
        &mut self,
        consumer: Consumer,
        each: &mut impl FnMut(EntryChange<'_>) -> Result<()>,
    ) -> Result<()> {
        let Log { reset, touched } = self.changes.take(consumer);
        if reset {
            each(EntryChange::Reset)?;
        }
        let mut bytes = Vec::new();
        for at in touched {
            let at = at.borrow();
            let Some(slot) = self.slots.get_mut(at) else { continue };
            match (slot.known.to(consumer), &slot.entry) {
                (Knows::This, _) | (Knows::Nothing, None) => {}
                (Knows::Older | Knows::Nothing, Some(entry)) => {
                    bytes.clear();
                    bytes = encode(slot.refreshed, entry, bytes)?;
                    S::bytes_of(at, |subkey| each(EntryChange::Put(subkey, &bytes)))?;
                    slot.known.set(consumer, Knows::This);
                }
                (Knows::Older, None) => {
                    S::bytes_of(at, |subkey| each(EntryChange::Remove(subkey)))?;
                    slot.known.set(consumer, Knows::Nothing);
                    if !slot.known.is_known() {
                        self.slots.remove(at);
                        self.removed -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    #[inline]
    fn tidy(&mut self) {
        let Entries { slots, changes, .. } = self;
        changes.tidy(slots.len(), |at| slots.get(at.borrow()).map(|slot| slot.known));
    }

    /// Now and then has serde say how much there is in an entry: nobody else could.
    fn weigh(&mut self, entry: &E) {
        const EVERY: usize = 16;
        if std::mem::needs_drop::<E>() && self.slots.len().is_multiple_of(EVERY) {
            let sample = entry.encoded_bytes() as u32;
            self.encoded_bytes = match self.encoded_bytes {
                0 => sample,
                mean => mean - mean / 8 + sample / 8,
            };
        }
    }

    pub fn bytes(&self) -> usize {
        /// A tree's nodes are two thirds full.
        const NODE_OVERHEAD: f64 = 1.5;
        let slot = size_of::<(S, Slot<E>)>() as f64 * NODE_OVERHEAD;
        self.slots.len() * (slot as usize + self.encoded_bytes as usize) + self.changes.bytes()
    }

    /// The entries that are not in memory, for who must not change anything.
    pub fn read_rest(&self) -> Result<BTreeMap<S, E>> {
        let mut rest = BTreeMap::new();
        match &self.rest {
            Rest::Nothing => {}
            Rest::Unplaced(_) => return Err(unplaced()),
            Rest::Stored(stored) => stored.1.visit(&mut |subkey, value| {
                let at = S::from_bytes(subkey).ok_or_else(|| damaged(subkey))?;
                let (refreshed, entry) = decode(subkey, value)?;
                if !self.slots.contains_key(at.borrow()) && !self.has_expired(refreshed) {
                    rest.insert(at, entry);
                }
                Ok(())
            })?,
        }
        Ok(rest)
    }

    /// Whether the two have the same entries under the same subkeys, in memory or not.
    pub fn equals(
        &self,
        other: &Entries<S, E>,
        mut same: impl FnMut((&S, &E), (&S, &E)) -> bool,
    ) -> Result<bool> {
        let (own_rest, other_rest) = (self.read_rest()?, other.read_rest()?);
        let own: BTreeMap<&S, &E> = self.in_memory().chain(&own_rest).collect();
        let others: BTreeMap<&S, &E> = other.in_memory().chain(&other_rest).collect();
        Ok(own.len() == others.len() && own.into_iter().zip(others).all(|(own, other)| same(own, other)))
    }

    /// A copy that has no place, of all entries, in memory or not.
    pub fn copy(&self) -> Result<Entries<S, E>>
    where
        E: Clone,
    {
        let slot = |entry| Slot { entry: Some(entry), refreshed: EventTime::MIN, known: Known::NOTHING };
        let mut copy = Entries::default();
        copy.slots.extend(self.read_rest()?.into_iter().map(|(at, entry)| (at, slot(entry))));
        copy.slots.extend(self.in_memory().map(|(at, entry)| (at.clone(), slot(entry.clone()))));
        copy.encoded_bytes = self.encoded_bytes;
        Ok(copy)
    }
}

/// The entry is read, and that counts as a refresh.
fn refresh<S, E>(slot: &mut Slot<E>, write: EventTime, changes: &mut Changes<S>, at: impl Fn() -> S) {
    if slot.refreshed < write {
        slot.refreshed = write;
        changes.touched(&mut slot.known, at);
    }
}

fn encode<S, E: Entry<S>>(refreshed: EventTime, entry: &E, bytes: Vec<u8>) -> Result<Vec<u8>> {
    entry.encode_value(postcard::to_extend(&refreshed, bytes)?)
}

fn decode<S, E: Entry<S>>(subkey: &[u8], value: &[u8]) -> Result<(EventTime, E)> {
    let (refreshed, value) =
        postcard::take_from_bytes(value).map_err(|error| damaged(subkey).caused_by(error))?;
    Ok((refreshed, E::decode_value(subkey, value)?))
}

/// How many bytes serde makes of `value`.
pub(super) fn serialized_bytes(value: &impl Serialize) -> usize {
    postcard::serialize_with_flavor(value, postcard::ser_flavors::Size::default()).unwrap_or(0)
}

/// The error for an entry that is not what it should be.
pub(super) fn damaged(subkey: &[u8]) -> Error {
    Error::failure(format!("an entry of a Map or a List can't be decoded, at {subkey:02x?}"))
}

fn unplaced() -> Error {
    Error::failure("a Map or a List was read by serde, and where its entries are is known only to a job")
        .hint("in a test, fill one by hand: `Map::from([(key, value)])`, `List::from([value])`")
}
