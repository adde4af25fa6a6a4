//! The rows of one side of a key: the newest lie in the key's own row, those before them in pieces of a [`List`].
//!
//! Always: of two rows the one that came first comes first; a piece has a row at least. What is pushed changes the key's own
//! row, and no piece but one that is new. A key that never had many rows has no list, which takes no memory then.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::{Error, Result};
use crate::state::kinds::{Backing, EntryChange, Kind, Managed, Now, Older as Former, Place};
use crate::state::{Data, Describe, Field, List, Schema};
use crate::time::EventTime;

/// So many rows of a side are in the key's own row, and in a piece.
pub(super) const ROWS: usize = 32;

#[derive(Serialize, Deserialize)]
#[serde(rename = "Row", bound = "T: Data")]
pub(crate) struct Kept<T> {
    pub row: T,
    /// When it came, in processing time.
    pub came: EventTime,
}

impl<T: Describe> Describe for Kept<T> {
    fn schema() -> Schema {
        let fields = vec![Field::of::<T>("row"), Field::of::<EventTime>("came")];
        Schema::Struct("Row".to_string(), fields)
    }
}

impl<T: Data> Data for Kept<T> {}

/// All rows but the newest, if there are so many.
pub(crate) struct Older<T>(Option<Box<List<Vec<Kept<T>>>>>);

/// The rows of a side.
pub(super) struct Side<'a, T> {
    pub older: &'a mut Older<T>,
    pub newest: &'a mut Vec<Kept<T>>,
}

impl<T: Data> Side<'_, T> {
    pub fn is_empty(&mut self) -> bool {
        self.newest.is_empty() && self.older.0.as_mut().is_none_or(|older| older.is_empty())
    }

    /// When the first of them came.
    pub fn oldest(&mut self) -> Option<EventTime> {
        let older = self.older.0.as_mut().and_then(|older| older.first());
        older.and_then(|rows| rows.first()).or(self.newest.first()).map(|row| row.came)
    }

    /// Shows every row.
    #[inline]
    pub fn each(&mut self, mut show: impl FnMut(&T)) {
        if let Some(older) = &mut self.older.0 {
            older.iter().flatten().for_each(|kept| show(&kept.row));
        }
        self.newest.iter().for_each(|kept| show(&kept.row));
    }

    #[inline]
    pub fn push(&mut self, kept: Kept<T>) {
        if self.newest.len() >= ROWS {
            self.put_aside();
        }
        self.newest.push(kept);
    }

    /// Makes the newest rows a piece, or several if they are from a build that had none.
    #[cold]
    fn put_aside(&mut self) {
        let older = self.older.0.get_or_insert_default();
        let mut rows = self.newest.drain(..);
        while !rows.as_slice().is_empty() {
            older.push(rows.by_ref().take(ROWS).collect());
        }
    }

    /// Drops the rows that came longer ago than `ttl`.
    pub fn forget(&mut self, ttl: Duration, now: EventTime) {
        let lives = |kept: &Kept<T>| now < kept.came + ttl;
        if let Some(older) = &mut self.older.0 {
            let places: Vec<usize> = older
                .iter()
                .enumerate()
                .filter(|(_, rows)| !rows.iter().all(lives))
                .map(|(at, _)| at)
                .collect();
            for &place in &places {
                older.get_mut(place).into_iter().for_each(|rows| rows.retain(lives));
            }
            if !places.is_empty() {
                older.retain(|rows| !rows.is_empty());
            }
        }
        self.newest.retain(lives);
    }
}

impl<T: Data + PartialEq> Side<'_, T> {
    /// Removes the first row that is equal to this one; whether there was one.
    pub fn take(&mut self, row: &T) -> bool {
        let place_in = |rows: &[Kept<T>]| rows.iter().position(|kept| kept.row == *row);
        if let Some(older) = &mut self.older.0 {
            let place = |(piece, rows): (usize, &Vec<Kept<T>>)| Some((piece, place_in(rows)?));
            let found = older.iter().enumerate().find_map(place);
            if let Some((piece, place)) = found {
                let rows = older.get_mut(piece).expect("the piece has just been seen");
                rows.remove(place);
                if rows.is_empty() {
                    older.retain(|rows| !rows.is_empty());
                }
                return true;
            }
        }
        place_in(self.newest).map(|place| self.newest.remove(place)).is_some()
    }
}

impl<T> Default for Older<T> {
    fn default() -> Older<T> {
        Older(None)
    }
}

impl<T: Describe> Describe for Older<T> {
    fn schema() -> Schema {
        <List<Vec<Kept<T>>>>::schema()
    }
}

/// That of a list.
impl<T> Serialize for Older<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(list) => list.serialize(serializer),
            None => <List<()>>::default().serialize(serializer),
        }
    }
}

impl<'de, T> Deserialize<'de> for Older<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Older<T>, D::Error> {
        let list: List<Vec<Kept<T>>> = List::deserialize(deserializer)?;
        Ok(Older((!list.was_never_pushed_to()).then(|| Box::new(list))))
    }
}

impl<T> Kind for Older<T> {}

/// That of the list. Where there is none nobody knows anything of it, unless it is void: then it is one that is empty.
impl<T: Data> Managed for Older<T> {
    const HAS_ENTRIES: bool = true;

    fn attach(&mut self, place: Place, older: Former, backing: Option<Backing>, now: &Now) -> Result<()> {
        let is_told = place.consumers.snapshots || place.consumers.store;
        if older == Former::Void && is_told {
            self.0.get_or_insert_default();
        }
        self.0.as_mut().map_or(Ok(()), |list| list.attach(place, older, backing, now))
    }

    #[inline]
    fn is_attached_to(&self, index: u8) -> bool {
        self.0.as_ref().is_none_or(|list| list.is_attached_to(index))
    }

    fn tell_time(&mut self, now: &Now) {
        self.0.iter_mut().for_each(|list| list.tell_time(now));
    }

    fn take_changes(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
        self.0.iter_mut().try_for_each(|list| list.take_changes(each))
    }

    fn take_unstored(&mut self, each: &mut impl FnMut(EntryChange<'_>) -> Result<()>) -> Result<()> {
        self.0.iter_mut().try_for_each(|list| list.take_unstored(each))
    }

    fn load(&mut self, subkey: &[u8], value: &[u8]) -> Result<()> {
        match &mut self.0 {
            Some(list) => list.load(subkey, value),
            None => Err(Error::failure("there is an entry of a key whose row says that it has none")),
        }
    }

    fn forget(&mut self, backing: Backing) {
        if let Some(list) = &mut self.0 {
            list.forget(backing);
        }
    }

    fn expire(&mut self, now: &Now) -> usize {
        self.0.as_mut().map_or(0, |list| list.expire(now))
    }

    #[inline]
    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |list| size_of::<List<Vec<Kept<T>>>>() + list.bytes())
    }

    fn clear(&mut self) {
        if let Some(list) = &mut self.0 {
            Managed::clear(&mut **list);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::ManagedSpec;
    use crate::state::kinds::Consumers;

    const NOW: Now = Now {
        event: EventTime::MIN,
        record: EventTime::MIN,
        processing: EventTime::MIN,
        uptime: EventTime::MIN,
    };

    /// What a snapshot is told: how many pieces, and whether all others are void.
    fn told(older: &mut Older<u64>) -> (usize, bool) {
        let (mut pieces, mut reset) = (0, false);
        let mut each = |change: EntryChange<'_>| {
            match change {
                EntryChange::Reset => reset = true,
                EntryChange::Put(..) => pieces += 1,
                EntryChange::Remove(_) => unreachable!("nothing was removed"),
            }
            Ok(())
        };
        older.take_changes(&mut each).unwrap();
        (pieces, reset)
    }

    #[test]
    fn of_many_rows_a_snapshot_has_the_pieces_that_are_new_and_no_others() {
        static SPEC: ManagedSpec = ManagedSpec { name: "older", ttl: None, max: None };
        let consumers = Consumers { snapshots: true, store: false };
        let place = Place { index: 0, spec: &SPEC, consumers };
        let (mut older, mut newest) = (Older::default(), Vec::new());
        older.attach(place, Former::Valid, None, &NOW).unwrap();
        let mut push = |older: &mut Older<u64>, rows: u64| {
            for row in 0..rows {
                Side { older, newest: &mut newest }.push(Kept { row, came: EventTime::MIN });
                // As whoever keeps the row does after every record.
                if !older.is_attached_to(0) {
                    older.attach(place, Former::Void, None, &NOW).unwrap();
                }
            }
        };
        push(&mut older, ROWS as u64);
        assert_eq!((told(&mut older), older.bytes()), ((0, false), 0));
        push(&mut older, 100 * ROWS as u64);
        assert_eq!(told(&mut older), (100, true));
        push(&mut older, 1);
        assert_eq!(told(&mut older), (1, false));
        push(&mut older, ROWS as u64 - 1);
        assert_eq!(told(&mut older), (0, false));
    }
}
