//! The entries of a [`Map`](super::Map) or [`List`](super::List): those in memory, and what is known of the [rest](Rest).
//!
//! An entry in memory is newer than what a store has under its subkey, or the same. One that was removed stays as a slot
//! without a value for as long as someone has not heard of it: it hides what the store still has.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::state::kinds::backing::Backing;
use crate::state::kinds::changes::{Changes, Consumer, Known, Knows, Log};
use crate::state::kinds::lookup::{Lookup, Subkey};
use crate::state::kinds::slots::{Slot, SlotOf, Slots};
use crate::state::kinds::ttl::{Now, Reading, Refresh, Ttl};
use crate::state::kinds::{EntryChange, Older, Place};
use crate::time::EventTime;

pub(super) struct Entries<C> {
    slots: C,
    /// How many slots have a value.
    live: usize,
    rest: Rest,
    place: Option<Place>,
    reading: Reading,
    /// No value in memory was last refreshed before this.
    oldest: EventTime,
    changes: Changes,
    /// About how many bytes serde makes of an entry.
    encoded_bytes: u32,
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

impl<C: Default> Default for Entries<C> {
    fn default() -> Entries<C> {
        Entries::of_row(Count::ZERO)
    }
}

impl<C: Default> Entries<C> {
    /// The entries of a row that was read: they are somewhere.
    pub fn of_row(count: Count) -> Entries<C> {
        Entries {
            slots: C::default(),
            live: 0,
            rest: if count.entries == 0 { Rest::Nothing } else { Rest::Unplaced(count) },
            place: None,
            reading: Reading::UNATTACHED,
            oldest: EventTime::MAX,
            changes: Changes::default(),
            encoded_bytes: 0,
        }
    }
}

impl<C> Entries<C> {
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
        Count { entries: self.live as u64 + entries, at_most }
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

    #[inline]
    pub fn ttl(&self) -> Option<Ttl> {
        self.place.and_then(|place| place.spec.ttl)
    }

    fn reads_refresh(&self) -> bool {
        self.ttl().is_some_and(|ttl| ttl.refresh == Refresh::ReadAndWrite)
    }

    #[inline]
    fn has_expired(&self, refreshed: EventTime) -> bool {
        self.ttl().is_some_and(|ttl| ttl.is_over(refreshed, self.reading.now))
    }

    pub fn tell_time(&mut self, now: &Now) {
        if let Some(ttl) = self.ttl() {
            self.reading = Reading::of(Some(ttl), now);
        }
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
}

impl<C: Slots> Entries<C> {
    /// Where the entry is, in memory, if there is one.
    #[inline]
    pub fn find(&mut self, key: &(impl Lookup<C::Key> + ?Sized)) -> Result<Option<C::At>> {
        let Some(at) = self.slots.find(key) else {
            return if self.are_in_memory() { Ok(None) } else { self.fetch(key) };
        };
        let slot = self.slots.get(at);
        if slot.value.is_some() && self.has_expired(slot.refreshed) {
            self.take_out(at);
            return Ok(None);
        }
        Ok(slot.value.is_some().then_some(at))
    }

    /// Looks for an entry that is not in memory.
    #[cold]
    fn fetch(&mut self, key: &(impl Lookup<C::Key> + ?Sized)) -> Result<Option<C::At>> {
        let found = match &self.rest {
            Rest::Nothing => None,
            Rest::Unplaced(_) => return Err(unplaced()),
            Rest::Stored(stored) => key.subkey(|subkey| match stored.1.get(subkey)? {
                Some(value) => self.known_slot(subkey, &value).map(Some),
                None => Ok(None),
            })?,
        };
        let Some(slot) = found else { return Ok(None) };
        let expired = self.has_expired(slot.refreshed);
        let at = self.insert_known(slot);
        if expired {
            self.take_out(at);
        }
        Ok((!expired).then_some(at))
    }

    /// An entry as everyone knows it.
    fn known_slot(&self, subkey: &[u8], value: &[u8]) -> Result<SlotOf<C>> {
        let (key, refreshed, value) = decode(subkey, value)?;
        Ok(Slot { key, value: Some(value), refreshed, known: self.changes.all_know() })
    }

    fn insert_known(&mut self, slot: SlotOf<C>) -> C::At {
        self.weigh(&slot);
        self.oldest = self.oldest.min(slot.refreshed);
        self.live += 1;
        self.one_less_elsewhere();
        self.slots.insert(slot)
    }

    /// The value of an entry that was found, which counts as read.
    #[inline]
    pub fn read(&mut self, at: C::At) -> Option<&C::Value> {
        if self.reads_refresh() {
            refresh(self.slots.get_mut(at), self.reading.write, &mut self.changes);
        }
        self.slots.get(at).value.as_ref()
    }

    /// The value of an entry that was found, to be changed: it counts as written.
    #[inline]
    pub fn write(&mut self, at: C::At) -> Option<&mut C::Value> {
        let Slot { key, value, refreshed, known } = self.slots.get_mut(at);
        *refreshed = self.reading.write.max(*refreshed);
        self.changes.touched(known, || key.token());
        value.as_mut()
    }

    /// Puts an entry where none was found.
    pub fn create(&mut self, key: C::Key, value: C::Value) -> C::At {
        let Entries { slots, changes, .. } = self;
        changes.tidy(slots.len(), |consumer, token| find_due(slots, consumer, token).is_some());
        // What was removed may still have a slot.
        let removed = if self.live < self.slots.len() { self.slots.find(&key) } else { None };
        self.live += 1;
        self.oldest = self.oldest.min(self.reading.write);
        if let Some(at) = removed {
            let slot = self.slots.get_mut(at);
            (slot.value, slot.refreshed) = (Some(value), self.reading.write);
            self.changes.came(slot.known, key.token());
            return at;
        }
        self.changes.came(Known::NOTHING, key.token());
        let slot = Slot { key, value: Some(value), refreshed: self.reading.write, known: Known::NOTHING };
        self.weigh(&slot);
        self.slots.insert(slot)
    }

    pub fn remove(&mut self, key: &(impl Lookup<C::Key> + ?Sized)) -> Result<Option<C::Value>> {
        let at = self.find(key)?;
        Ok(at.and_then(|at| self.take_out(at)))
    }

    /// Removes an entry that exists, without asking what it is.
    pub fn discard(&mut self, key: C::Key) {
        if let Some(at) = self.slots.find(&key) {
            self.take_out(at);
            return;
        }
        let mut slot = Slot { key, value: None, refreshed: EventTime::MIN, known: self.changes.all_know() };
        self.changes.touched(&mut slot.known, || slot.key.token());
        if slot.known.is_known() {
            self.slots.insert(slot);
        }
        self.one_less_elsewhere();
    }

    /// Takes a value out of memory, and notes that the entry is gone.
    fn take_out(&mut self, at: C::At) -> Option<C::Value> {
        let Slot { key, value, known, .. } = self.slots.get_mut(at);
        let value = value.take()?;
        self.changes.touched(known, || key.token());
        self.live -= 1;
        if !known.is_known() {
            self.slots.remove(at);
        }
        Some(value)
    }

    /// Brings every entry into memory, and removes what has expired.
    pub fn gather(&mut self) -> Result<()> {
        if !self.are_in_memory() {
            self.load_rest()?;
        }
        self.purge();
        Ok(())
    }

    #[cold]
    fn load_rest(&mut self) -> Result<()> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Nothing => Ok(()),
            Rest::Stored(stored) => stored.1.visit(&mut |subkey, value| self.load_stored(subkey, value)),
            unknown @ Rest::Unplaced(_) => {
                self.rest = unknown;
                Err(unplaced())
            }
        }
    }

    /// Takes an entry of a snapshot.
    pub fn load(&mut self, subkey: &[u8], value: &[u8]) -> Result<()> {
        let (key, refreshed, value) = decode::<C::Key, C::Value>(subkey, value)?;
        if self.slots.find(&key).is_none() {
            let known = self.changes.snapshots_know(key.token());
            self.insert_known(Slot { key, value: Some(value), refreshed, known });
        }
        Ok(())
    }

    /// Takes an entry of the store.
    fn load_stored(&mut self, subkey: &[u8], value: &[u8]) -> Result<()> {
        let slot = self.known_slot(subkey, value)?;
        if self.slots.find(&slot.key).is_none() {
            self.insert_known(slot);
        }
        Ok(())
    }

    /// Removes what has expired in memory; how much that is.
    pub fn purge(&mut self) -> usize {
        if !self.has_expired(self.oldest) {
            return 0;
        }
        self.oldest = EventTime::MAX;
        let now = self.reading.now;
        let ttl = self.ttl();
        self.keep(|slot| ttl.is_some_and(|ttl| !ttl.is_over(slot.refreshed, now)))
    }

    /// Removes the entries for which `keep` is false; how many.
    fn keep(&mut self, mut keep: impl FnMut(&SlotOf<C>) -> bool) -> usize {
        let before = self.live;
        let Entries { slots, live, oldest, changes, .. } = self;
        slots.retain(|slot| {
            if slot.value.is_none() {
                return true;
            }
            if keep(slot) {
                *oldest = slot.refreshed.min(*oldest);
                return true;
            }
            slot.value = None;
            *live -= 1;
            changes.touched(&mut slot.known, || slot.key.token());
            slot.known.is_known()
        });
        before - self.live
    }

    /// How many entries there are.
    pub fn len(&mut self) -> Result<usize> {
        if self.ttl().is_some() || self.elsewhere().at_most {
            self.gather()?;
        }
        Ok(self.count().entries as usize)
    }

    /// The entries in memory that have not expired, in order.
    pub fn in_memory(&self) -> impl DoubleEndedIterator<Item = (&C::Key, &C::Value)> {
        self.slots
            .in_order()
            .filter(|slot| !self.has_expired(slot.refreshed))
            .filter_map(|slot| slot.value.as_ref().map(|value| (&slot.key, value)))
    }

    /// All entries, in order; each counts as read.
    pub fn read_all(&mut self) -> Result<impl DoubleEndedIterator<Item = (&C::Key, &C::Value)>> {
        self.gather_to_read()?;
        Ok(self.in_memory())
    }

    fn gather_to_read(&mut self) -> Result<()> {
        self.gather()?;
        if self.reads_refresh() {
            let Entries { slots, changes, reading, .. } = self;
            slots.retain(|slot| {
                if slot.value.is_some() {
                    refresh(slot, reading.write, changes);
                }
                true
            });
        }
        Ok(())
    }

    /// Removes the entries for which `keep` is false.
    pub fn retain(&mut self, mut keep: impl FnMut(&C::Key, &C::Value) -> bool) -> Result<()> {
        self.gather_to_read()?;
        self.keep(|slot| slot.value.as_ref().is_none_or(|value| keep(&slot.key, value)));
        Ok(())
    }

    pub fn clear(&mut self) {
        let Entries { slots, rest, changes, .. } = self;
        changes.reset(|consumer| {
            let knows = |slot: &SlotOf<C>| slot.known.to(consumer) != Knows::Nothing;
            !matches!(rest, Rest::Nothing) || slots.iter().any(knows)
        });
        self.slots = C::default();
        (self.live, self.oldest, self.rest) = (0, EventTime::MAX, Rest::Nothing);
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
        self.oldest = self.reading.write;
        let mut changes = Changes::for_consumers(place.consumers);
        if older == Older::Void {
            changes.reset(|_| true);
        }
        self.slots.retain(|slot| {
            if slot.value.is_none() {
                return false;
            }
            (slot.known, slot.refreshed) = (Known::NOTHING, self.reading.write);
            changes.came(Known::NOTHING, slot.key.token());
            true
        });
        self.changes = changes;
        Ok(())
    }

    pub fn forget(&mut self, backing: Backing) {
        if !self.changes.is_wanted_by(Consumer::Store) {
            return;
        }
        let before = self.live;
        let Entries { slots, live, changes, .. } = self;
        slots.retain(|slot| {
            let stays = slot.value.is_none() || !changes.is_told(slot.known);
            *live -= usize::from(!stays);
            stays
        });
        slots.shrink();
        let Count { entries, at_most } = self.elsewhere();
        let entries = entries + (before - self.live) as u64;
        if entries > 0 {
            self.rest = Rest::Stored(Box::new((Count { entries, at_most }, backing)));
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
        for token in touched {
            // Keys of one hash share a token.
            while let Some(at) = find_due(&self.slots, consumer, token) {
                let slot = self.slots.get_mut(at);
                match &slot.value {
                    Some(value) => {
                        bytes.clear();
                        bytes = postcard::to_extend(&(slot.refreshed, value), bytes)?;
                        slot.key.subkey(|subkey| each(EntryChange::Put(subkey, &bytes)))?;
                        slot.known.set(consumer, Knows::This);
                    }
                    None => {
                        slot.key.subkey(|subkey| each(EntryChange::Remove(subkey)))?;
                        slot.known.set(consumer, Knows::Nothing);
                        if !slot.known.is_known() {
                            self.slots.remove(at);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Now and then has serde say how much there is in an entry: nobody else could.
    fn weigh(&mut self, slot: &SlotOf<C>) {
        const EVERY: usize = 16;
        if std::mem::needs_drop::<SlotOf<C>>() && self.slots.len().is_multiple_of(EVERY) {
            let sample = (slot.key.subkey(<[u8]>::len) + serialized_bytes(&slot.value)) as u32;
            self.encoded_bytes = match self.encoded_bytes {
                0 => sample,
                mean => mean - mean / 8 + sample / 8,
            };
        }
    }

    pub fn bytes(&self) -> usize {
        self.slots.bytes() + self.slots.len() * self.encoded_bytes as usize + self.changes.bytes()
    }

    /// The entries that are not in memory, for who must not change anything.
    fn read_rest(&self) -> Result<C> {
        let mut rest = C::default();
        match &self.rest {
            Rest::Nothing => {}
            Rest::Unplaced(_) => return Err(unplaced()),
            Rest::Stored(stored) => stored.1.visit(&mut |subkey, value| {
                let slot = self.known_slot(subkey, value)?;
                if self.slots.find(&slot.key).is_none() && !self.has_expired(slot.refreshed) {
                    rest.insert(slot);
                }
                Ok(())
            })?,
        }
        Ok(rest)
    }

    /// A copy of all entries, in memory or not, that has no place.
    pub fn copy(&self) -> Result<Entries<C>>
    where
        C::Key: Clone,
        C::Value: Clone,
    {
        let mut copy = Entries::<C>::default();
        for (key, value) in self.with(&self.read_rest()?) {
            copy.create(key.clone(), value.clone());
        }
        Ok(copy)
    }

    /// Whether the two have the same entries, in memory or not, in their order.
    pub fn equals(
        &self,
        other: &Entries<C>,
        mut same: impl FnMut((&C::Key, &C::Value), (&C::Key, &C::Value)) -> bool,
    ) -> Result<bool> {
        let (rest, other_rest) = (self.read_rest()?, other.read_rest()?);
        let (own, others) = (self.with(&rest), other.with(&other_rest));
        Ok(own.len() == others.len() && own.into_iter().zip(others).all(|(own, other)| same(own, other)))
    }

    /// The entries in memory and these others, in their order.
    fn with<'a>(&'a self, rest: &'a C) -> Vec<(&'a C::Key, &'a C::Value)> {
        let rest = rest.iter().filter_map(|slot| slot.value.as_ref().map(|value| (&slot.key, value)));
        let mut all: Vec<_> = self.in_memory().chain(rest).collect();
        all.sort_by(|(a, _), (b, _)| a.order(b));
        all
    }
}

/// An entry of which the consumer must hear: those with this token are found, and perhaps others before their turn.
fn find_due<C: Slots>(slots: &C, consumer: Consumer, token: u64) -> Option<C::At> {
    slots.find_where(token, |slot| match slot.known.to(consumer) {
        Knows::This => false,
        Knows::Older => true,
        Knows::Nothing => slot.value.is_some(),
    })
}

/// The entry is read, and that counts as a refresh.
fn refresh<K: Subkey, V>(slot: &mut Slot<K, V>, write: EventTime, changes: &mut Changes) {
    let Slot { key, refreshed, known, .. } = slot;
    if *refreshed < write {
        *refreshed = write;
        changes.touched(known, || key.token());
    }
}

/// Reads an entry: its key, when it was last refreshed, and its value.
fn decode<K: Subkey, V: serde::de::DeserializeOwned>(
    subkey: &[u8],
    value: &[u8],
) -> Result<(K, EventTime, V)> {
    let key = K::read(subkey).ok_or_else(|| damaged(subkey))?;
    let (refreshed, value) = postcard::from_bytes(value).map_err(|error| damaged(subkey).caused_by(error))?;
    Ok((key, refreshed, value))
}

/// How many bytes serde makes of `value`.
fn serialized_bytes(value: &impl Serialize) -> usize {
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
