//! A run: rows as they changed, encoded one after another, to be sorted and written elsewhere.
//!
//! The operator's thread encodes a row and goes on; whoever writes the run, into a snapshot or into the store, sorts it
//! first: then every row is in it once, as it was encoded last. A run is read as a layer: it hides what older runs say of
//! its rows.

use crate::error::Result;
use crate::key::{Key, KeyGroup};
use crate::snapshot::merge::RowCursor;
use crate::snapshot::part::{RowChange, Section, StateRow};
use crate::state::{State, encode};

/// Rows that changed.
#[derive(Default)]
pub(crate) struct Run {
    bytes: Vec<u8>,
    rows: Vec<Place>,
    /// The first row that can't be encoded; told when the run is closed, so that the loop that fills it need not ask.
    refused: Option<postcard::Error>,
}

/// One row's place in the bytes: its key, and its value behind it.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    key_bytes: u32,
    value_bytes: u32,
    group: KeyGroup,
    section: Section,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Put,
    Remove,
    RemovePrefix,
}

impl Run {
    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<Place>()
    }

    /// The state of `key` is `state` now. How many bytes that is.
    #[inline]
    pub fn put_state<S: State>(&mut self, group: KeyGroup, key: &S::Key, state: &S) -> usize {
        let start = self.bytes.len();
        key.encode(&mut self.bytes);
        let key_bytes = self.bytes.len() - start;
        self.put_value(group, Section::State, start, key_bytes, state);
        self.bytes.len() - start
    }

    /// A row whose key `encode_key` appends has the value `value` now.
    pub fn put<V: serde::Serialize>(
        &mut self,
        group: KeyGroup,
        section: Section,
        encode_key: impl FnOnce(&mut Vec<u8>),
        value: &V,
    ) {
        let start = self.bytes.len();
        encode_key(&mut self.bytes);
        let key_bytes = self.bytes.len() - start;
        self.put_value(group, section, start, key_bytes, value);
    }

    fn put_value<V: serde::Serialize>(
        &mut self,
        group: KeyGroup,
        section: Section,
        start: usize,
        key_bytes: usize,
        value: &V,
    ) {
        let value_start = self.bytes.len();
        if let Err(error) = encode::append(value, &mut self.bytes) {
            self.bytes.truncate(start);
            return self.refused = self.refused.take().or(Some(error));
        }
        let value_bytes = self.bytes.len() - value_start;
        self.note(group, section, Kind::Put, start, key_bytes, value_bytes);
    }

    /// A row whose key `encode_key` appends has this encoded value now.
    pub fn put_encoded(
        &mut self,
        group: KeyGroup,
        section: Section,
        encode_key: impl FnOnce(&mut Vec<u8>),
        value: &[u8],
    ) {
        let start = self.bytes.len();
        encode_key(&mut self.bytes);
        let key_bytes = self.bytes.len() - start;
        self.bytes.extend_from_slice(value);
        self.note(group, section, Kind::Put, start, key_bytes, value.len());
    }

    /// A row is gone.
    pub fn remove(&mut self, group: KeyGroup, section: Section, encode_key: impl FnOnce(&mut Vec<u8>)) {
        self.without_value(group, section, Kind::Remove, encode_key);
    }

    /// All rows whose keys begin with this one are gone from what is older than this run.
    pub fn remove_prefix(
        &mut self,
        group: KeyGroup,
        section: Section,
        encode_key: impl FnOnce(&mut Vec<u8>),
    ) {
        self.without_value(group, section, Kind::RemovePrefix, encode_key);
    }

    fn without_value(
        &mut self,
        group: KeyGroup,
        section: Section,
        kind: Kind,
        encode_key: impl FnOnce(&mut Vec<u8>),
    ) {
        let start = self.bytes.len();
        encode_key(&mut self.bytes);
        let key_bytes = self.bytes.len() - start;
        self.note(group, section, kind, start, key_bytes, 0);
    }

    fn note(
        &mut self,
        group: KeyGroup,
        section: Section,
        kind: Kind,
        start: usize,
        key_bytes: usize,
        value_bytes: usize,
    ) {
        let bytes = |bytes: usize| u32::try_from(bytes).expect("a key or a value is smaller than 4 GiB");
        self.rows.push(Place {
            start,
            key_bytes: bytes(key_bytes),
            value_bytes: bytes(value_bytes),
            group,
            section,
            kind,
        });
    }

    /// Adds a row of another run.
    pub fn push(&mut self, row: StateRow<'_>) {
        let key = |bytes: &mut Vec<u8>| bytes.extend_from_slice(row.key);
        match row.change {
            RowChange::Put(value) => self.put_encoded(row.group, row.section, key, value),
            RowChange::Remove => self.remove(row.group, row.section, key),
            RowChange::RemovePrefix => self.remove_prefix(row.group, row.section, key),
        }
    }

    /// The run, in which nothing is missing.
    ///
    /// # Errors
    /// If serde could not carry one of its rows.
    pub fn checked(mut self) -> Result<Run> {
        match self.refused.take() {
            Some(error) => Err(error.into()),
            None => Ok(self),
        }
    }

    /// Sorts the rows: nothing is added any more.
    ///
    /// # Errors
    /// If serde could not carry one of them.
    pub fn close(self) -> Result<SortedRun> {
        let mut run = self.checked()?;
        let bytes = &run.bytes;
        run.rows.sort_unstable_by_key(|row| row.group);
        let (mut heads, mut sorted) = (Vec::new(), Vec::new());
        for group in run.rows.chunk_by_mut(|row, next| row.group == next.group) {
            sort_group(group, bytes, &mut heads, &mut sorted);
        }
        let mut kept = 0;
        let mut gone: Option<Place> = None;
        for place in 0..run.rows.len() {
            let row = run.rows[place];
            let replaced = run.rows.get(place + 1).is_some_and(|next| next.is_of_row(row, bytes));
            let removed = gone.is_some_and(|prefix| row.start < prefix.start && row.is_under(prefix, bytes));
            if replaced || removed {
                continue;
            }
            if let Kind::RemovePrefix = row.kind {
                gone = Some(row);
            }
            run.rows[kept] = row;
            kept += 1;
        }
        run.rows.truncate(kept);
        Ok(SortedRun(run))
    }
}

/// Sorts the rows of one key group. The vectors are kept for their memory.
fn sort_group(rows: &mut [Place], bytes: &[u8], heads: &mut Vec<(u128, u32)>, sorted: &mut Vec<Place>) {
    heads.clear();
    heads.extend(rows.iter().zip(0..).map(|(row, place)| (row.head(bytes), place)));
    heads.sort_unstable_by(|&(a_head, a), &(b_head, b)| {
        a_head.cmp(&b_head).then_with(|| {
            let (a, b) = (rows[a as usize], rows[b as usize]);
            // What was encoded later stands behind what was encoded before, of the same row.
            (a.key(bytes), a.start).cmp(&(b.key(bytes), b.start))
        })
    });
    sorted.clear();
    sorted.extend(heads.iter().map(|&(_, place)| rows[place as usize]));
    rows.copy_from_slice(sorted);
}

impl Place {
    /// The section and the first bytes of the key: ascending with the order of rows, but equal for rows that are not. It is
    /// looked at where it stands; a key lies anywhere.
    fn head(self, bytes: &[u8]) -> u128 {
        let key = self.key(bytes);
        let mut head = [0; 16];
        head[0] = self.section as u8;
        let length = key.len().min(15);
        head[1..=length].copy_from_slice(&key[..length]);
        u128::from_be_bytes(head)
    }

    #[inline]
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start..self.start + self.key_bytes as usize]
    }

    fn is_of_row(self, other: Place, bytes: &[u8]) -> bool {
        (self.group, self.section, self.key(bytes)) == (other.group, other.section, other.key(bytes))
    }

    fn is_under(self, prefix: Place, bytes: &[u8]) -> bool {
        (self.group, self.section) == (prefix.group, prefix.section)
            && self.key(bytes).starts_with(prefix.key(bytes))
    }

    fn row(self, bytes: &[u8]) -> StateRow<'_> {
        let value_start = self.start + self.key_bytes as usize;
        let change = match self.kind {
            Kind::Put => RowChange::Put(&bytes[value_start..value_start + self.value_bytes as usize]),
            Kind::Remove => RowChange::Remove,
            Kind::RemovePrefix => RowChange::RemovePrefix,
        };
        StateRow { group: self.group, section: self.section, key: self.key(bytes), change }
    }
}

/// A run in ascending order of (key group, section, key).
pub(crate) struct SortedRun(Run);

impl SortedRun {
    /// Goes through it, row by row.
    pub fn cursor(&self) -> RunCursor<'_> {
        RunCursor { run: self, next: 0 }
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = StateRow<'_>> {
        self.0.rows.iter().map(|row| row.row(&self.0.bytes))
    }

    /// How many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Goes through a sorted run.
pub(crate) struct RunCursor<'a> {
    run: &'a SortedRun,
    next: usize,
}

impl RowCursor for RunCursor<'_> {
    fn row(&self) -> Option<StateRow<'_>> {
        let run = &self.run.0;
        run.rows.get(self.next).map(|row| row.row(&run.bytes))
    }

    fn advance(&mut self) -> Result<()> {
        self.next += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &'static [u8]) -> impl FnOnce(&mut Vec<u8>) {
        move |bytes: &mut Vec<u8>| bytes.extend_from_slice(key)
    }

    fn rows(run: Run) -> Vec<(u16, String, Option<u8>)> {
        let run = run.close().unwrap();
        let text = |row: &StateRow<'_>| String::from_utf8(row.key.to_vec()).unwrap();
        run.rows().map(|row| (row.group.0, text(&row), row.value().map(|value| value[0]))).collect()
    }

    #[test]
    fn rows_come_in_order_and_each_as_it_was_encoded_last() {
        let mut run = Run::default();
        let (one, two) = (KeyGroup(1), KeyGroup(2));
        run.put(two, Section::State, key(b"a"), &1u8);
        run.put(one, Section::State, key(b"b"), &2u8);
        run.put(one, Section::State, key(b"a"), &3u8);
        run.remove(one, Section::State, key(b"b"));
        run.put(one, Section::State, key(b"a"), &4u8);
        run.put(one, Section::State, key(b"a"), &5u8);
        let expected = [(1, "a", Some(5)), (1, "b", None), (2, "a", Some(1))];
        assert_eq!(rows(run), expected.map(|(group, key, value)| (group, key.to_string(), value)));
    }

    #[test]
    fn a_removed_prefix_takes_with_it_what_was_encoded_before_and_not_what_comes_after() {
        let mut run = Run::default();
        let group = KeyGroup(1);
        run.put(group, Section::Entry, key(b"p1"), &1u8);
        run.put(group, Section::Entry, key(b"p2"), &2u8);
        run.put(group, Section::Entry, key(b"q1"), &3u8);
        run.remove_prefix(group, Section::Entry, key(b"p"));
        run.put(group, Section::Entry, key(b"p2"), &4u8);
        let expected = [(1, "p", None), (1, "p2", Some(4)), (1, "q1", Some(3))];
        assert_eq!(rows(run), expected.map(|(group, key, value)| (group, key.to_string(), value)));
    }
}
