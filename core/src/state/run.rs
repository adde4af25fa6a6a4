//! A run: rows as they changed, encoded one after another, to be sorted and written elsewhere.
//!
//! The operator's thread encodes a row and goes on; whoever writes the run, into a snapshot or into the store, sorts it
//! first: then every row is in it once, as it was encoded last. A run is read as a layer: it hides what older runs say of
//! its rows.

use crate::error::Result;
use crate::key::{Key, KeyGroup, KeyGroupRange};
use crate::snapshot::merge::RowCursor;
use crate::snapshot::part::{RowChange, Section, StateRow};
use crate::state::blocks::{At, Blocks};
use crate::state::prefetch::prefetch;
use crate::state::{State, encode};

/// Rows that changed.
///
/// They are kept in buckets of key groups that lie side by side: who writes the run goes through its rows in order, and what
/// comes next then lies in a small part of memory and not anywhere in all of it.
#[derive(Default)]
pub(crate) struct Run {
    buckets: Vec<Bucket>,
    spread: Spread,
    /// How many rows and bytes a bucket is expected to take. Nothing is reserved before its first: a run is made at a barrier.
    expected: (usize, usize),
    rows: usize,
    bytes: usize,
    /// The first row that can't be encoded; told when the run is closed, so that the loop that fills it need not ask.
    refused: Option<postcard::Error>,
}

/// Which key groups are in which bucket.
#[derive(Clone, Copy)]
struct Spread {
    first: u16,
    /// A bucket has two to the power of this of them.
    shift: u32,
}

impl Default for Spread {
    /// All in one.
    fn default() -> Spread {
        Spread { first: 0, shift: u16::BITS }
    }
}

/// More buckets than this are not made.
const BUCKETS_MAX: usize = 128;

/// Rows of some key groups.
#[derive(Default)]
struct Bucket {
    bytes: Blocks,
    rows: Vec<Place>,
}

/// One row's place in the bytes: its key, and its value behind it.
#[derive(Clone, Copy)]
struct Place {
    at: At,
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
    /// For rows of many of these key groups: as many as about `rows`, if that is known, of `row_bytes` each.
    pub fn of(groups: KeyGroupRange, rows: usize, row_bytes: usize) -> Run {
        let count = groups.iter().count();
        let mut spread = Spread { first: groups.first.0, shift: 0 };
        while count.div_ceil(1 << spread.shift) > BUCKETS_MAX {
            spread.shift += 1;
        }
        // Keys are spread evenly, but not to the last.
        let each = rows / count.div_ceil(1 << spread.shift) * 9 / 8;
        Run { spread, expected: (each, each * row_bytes), ..Run::default() }
    }

    /// The same, still empty, in the memory of a run that nobody needs any more.
    pub fn in_memory_of(mut self, spent: Run) -> Run {
        self.buckets = spent.buckets;
        for Bucket { bytes, rows } in &mut self.buckets {
            bytes.clear();
            rows.clear();
        }
        self
    }

    #[inline]
    fn bucket(&mut self, group: KeyGroup) -> &mut Bucket {
        let place = usize::from(group.0.saturating_sub(self.spread.first)) >> self.spread.shift;
        if place >= self.buckets.len() {
            self.buckets.resize_with(place + 1, Bucket::default);
        }
        let bucket = &mut self.buckets[place];
        if bucket.rows.is_empty() {
            bucket.rows.reserve_exact(self.expected.0);
        }
        bucket
    }

    /// Where a row of this key group goes to.
    #[inline]
    fn open(&mut self, group: KeyGroup) -> (At, &mut Vec<u8>) {
        let expected = self.expected.1;
        self.bucket(group).bytes.open(expected)
    }

    /// A row of this key group comes soon: asks memory for where it will lie.
    #[inline]
    pub fn expect(&mut self, group: KeyGroup) {
        let Bucket { bytes, rows } = self.bucket(group);
        prefetch(bytes.spare());
        prefetch(rows.spare_capacity_mut());
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes + self.rows * size_of::<Place>()
    }

    /// How many bytes of memory it keeps, whatever is in it.
    pub fn capacity(&self) -> usize {
        self.buckets.iter().map(Bucket::capacity).sum()
    }

    /// The state of `key` is `state` now. How many bytes that is.
    #[inline]
    pub fn put_state<S: State>(&mut self, group: KeyGroup, key: &S::Key, state: &S) -> usize {
        let before = self.bytes;
        self.put(group, Section::State, |bytes| key.encode(bytes), state);
        self.bytes - before
    }

    /// A row whose key `encode_key` appends has the value `value` now.
    #[inline]
    pub fn put<V: serde::Serialize>(
        &mut self,
        group: KeyGroup,
        section: Section,
        encode_key: impl FnOnce(&mut Vec<u8>),
        value: &V,
    ) {
        let (at, bytes) = self.open(group);
        let start = bytes.len();
        encode_key(bytes);
        let key_bytes = bytes.len() - start;
        if let Err(error) = encode::append(value, bytes) {
            bytes.truncate(start);
            return self.refused = self.refused.take().or(Some(error));
        }
        self.note(group, section, Kind::Put, at, key_bytes);
    }

    /// A row whose key `encode_key` appends has this encoded value now.
    pub fn put_encoded(
        &mut self,
        group: KeyGroup,
        section: Section,
        encode_key: impl FnOnce(&mut Vec<u8>),
        value: &[u8],
    ) {
        let (at, bytes) = self.open(group);
        let start = bytes.len();
        encode_key(bytes);
        let key_bytes = bytes.len() - start;
        bytes.extend_from_slice(value);
        self.note(group, section, Kind::Put, at, key_bytes);
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
        let (at, bytes) = self.open(group);
        let start = bytes.len();
        encode_key(bytes);
        let key_bytes = bytes.len() - start;
        self.note(group, section, kind, at, key_bytes);
    }

    /// Notes the row whose bytes begin here, and are the last in its bucket.
    #[inline]
    fn note(&mut self, group: KeyGroup, section: Section, kind: Kind, at: At, key_bytes: usize) {
        let bucket = self.bucket(group);
        let row_bytes = bucket.bytes.len_from(at);
        let short = |bytes: usize| u32::try_from(bytes).expect("a key or a value is smaller than 4 GiB");
        let (key_bytes, value_bytes) = (short(key_bytes), short(row_bytes - key_bytes));
        bucket.rows.push(Place { at, key_bytes, value_bytes, group, section, kind });
        self.rows += 1;
        self.bytes += row_bytes;
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
        let mut memory = Sorting::default();
        run.buckets.iter_mut().for_each(|bucket| bucket.sort(&mut memory));
        run.rows = run.buckets.iter().map(|bucket| bucket.rows.len()).sum();
        Ok(SortedRun(run))
    }
}

/// What sorting needs, kept from one key group to the next for its memory.
#[derive(Default)]
struct Sorting {
    heads: Vec<(u128, u32)>,
    sorted: Vec<Place>,
}

impl Bucket {
    /// Brings the rows in order, each once.
    fn sort(&mut self, memory: &mut Sorting) {
        let Bucket { bytes, rows } = self;
        rows.sort_unstable_by_key(|row| row.group);
        let (mut sorted, mut kept) = (0, 0);
        while let Some(first) = rows.get(sorted) {
            let group = first.group;
            let count = rows[sorted..].iter().take_while(|row| row.group == group).count();
            memory.sort_group(&rows[sorted..sorted + count], bytes);
            rows[kept..kept + memory.sorted.len()].copy_from_slice(&memory.sorted);
            sorted += count;
            kept += memory.sorted.len();
        }
        rows.truncate(kept);
    }

    /// How many bytes of memory it has.
    fn capacity(&self) -> usize {
        self.bytes.capacity() + self.rows.capacity() * size_of::<Place>()
    }
}

impl Sorting {
    /// Leaves the rows of one key group in order, each as it was encoded last, in `sorted`.
    fn sort_group(&mut self, rows: &[Place], bytes: &Blocks) {
        let Sorting { heads, sorted } = self;
        heads.clear();
        heads.extend(rows.iter().zip(0..).map(|(row, place)| (row.head(bytes), place)));
        heads.sort_unstable_by(|&(a_head, a), &(b_head, b)| {
            a_head.cmp(&b_head).then_with(|| {
                let (a, b) = (rows[a as usize], rows[b as usize]);
                // What was encoded later stands behind what was encoded before, of the same row.
                (a.key(bytes), a.at).cmp(&(b.key(bytes), b.at))
            })
        });
        sorted.clear();
        let mut gone: Option<Place> = None;
        for (place, &(head, row)) in heads.iter().enumerate() {
            let row = rows[row as usize];
            // Of two rows whose heads differ the keys need no look.
            let replaced = heads.get(place + 1).is_some_and(|&(next_head, next)| {
                next_head == head && rows[next as usize].key(bytes) == row.key(bytes)
            });
            let removed = gone.is_some_and(|prefix| row.at < prefix.at && row.is_under(prefix, bytes));
            if replaced || removed {
                continue;
            }
            if let Kind::RemovePrefix = row.kind {
                gone = Some(row);
            }
            sorted.push(row);
        }
    }
}

impl Place {
    /// The section and the first bytes of the key: ascending with the order of rows, but equal for some that differ. It is
    /// looked at where it stands; a key lies anywhere.
    fn head(self, bytes: &Blocks) -> u128 {
        let key = self.key(bytes);
        let mut head = [0; 16];
        head[0] = self.section as u8;
        let length = key.len().min(15);
        head[1..=length].copy_from_slice(&key[..length]);
        u128::from_be_bytes(head)
    }

    #[inline]
    fn key(self, bytes: &Blocks) -> &[u8] {
        bytes.get(self.at, 0, self.key_bytes)
    }

    fn is_under(self, prefix: Place, bytes: &Blocks) -> bool {
        (self.group, self.section) == (prefix.group, prefix.section)
            && self.key(bytes).starts_with(prefix.key(bytes))
    }

    fn row(self, bytes: &Blocks) -> StateRow<'_> {
        let change = match self.kind {
            Kind::Put => RowChange::Put(bytes.get(self.at, self.key_bytes, self.value_bytes)),
            Kind::Remove => RowChange::Remove,
            Kind::RemovePrefix => RowChange::RemovePrefix,
        };
        StateRow { group: self.group, section: self.section, key: self.key(bytes), change }
    }
}

/// A run in ascending order of (key group, section, key).
pub(crate) struct SortedRun(Run);

impl SortedRun {
    /// The run, for its memory.
    pub fn into_run(self) -> Run {
        self.0
    }

    /// Goes through it, row by row.
    pub fn cursor(&self) -> RunCursor<'_> {
        let mut cursor = RunCursor { buckets: &self.0.buckets, next: 0 };
        cursor.leave_empty();
        cursor
    }

    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = StateRow<'_>> {
        self.0.buckets.iter().flat_map(|Bucket { bytes, rows }| rows.iter().map(|row| row.row(bytes)))
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
    /// The first has the row at which it stands.
    buckets: &'a [Bucket],
    next: usize,
}

/// How far ahead a row is looked at: rows that lie side by side in order lie anywhere in memory.
const LOOKAHEAD_ROWS: usize = 8;

impl RunCursor<'_> {
    /// Looks at a row whose turn comes soon, so that nobody waits for its memory then.
    #[inline]
    fn look_ahead(&self) {
        if let Some(Bucket { bytes, rows }) = self.buckets.first()
            && let Some(row) = rows.get(self.next + LOOKAHEAD_ROWS)
        {
            prefetch(bytes.get(row.at, 0, row.key_bytes + row.value_bytes));
        }
    }

    fn leave_empty(&mut self) {
        while let [bucket, others @ ..] = self.buckets
            && self.next == bucket.rows.len()
        {
            (self.buckets, self.next) = (others, 0);
        }
    }
}

impl RowCursor for RunCursor<'_> {
    fn row(&self) -> Option<StateRow<'_>> {
        let bucket = self.buckets.first()?;
        Some(bucket.rows[self.next].row(&bucket.bytes))
    }

    fn advance(&mut self) -> Result<()> {
        self.look_ahead();
        self.next += 1;
        self.leave_empty();
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
    fn a_run_in_the_memory_of_another_has_only_its_own_rows() {
        let groups = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(7) };
        let mut first = Run::of(groups, 100, 10);
        (0..100).for_each(|row| first.put(KeyGroup(row % 8), Section::State, key(b"first"), &row));
        let capacity = first.capacity();
        let mut second = Run::of(groups, 1, 10).in_memory_of(first.close().unwrap().into_run());
        assert!(second.is_empty() && second.bytes() == 0);
        second.put(KeyGroup(3), Section::State, key(b"second"), &7u8);
        assert_eq!(second.capacity(), capacity);
        assert_eq!(rows(second), [(3, "second".to_string(), Some(7))]);
    }

    #[test]
    fn rows_of_many_key_groups_come_in_order_however_they_are_spread() {
        for (first, last) in [(0, 127), (3, 3), (100, 32_767), (5, 140)] {
            let groups = KeyGroupRange { first: KeyGroup(first), last: KeyGroup(last) };
            let keys = ["a", "", "aaaaaaaaaaaaaaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaa", "b"];
            let (mut spread, mut together) = (Run::of(groups, 1000, 10), Run::default());
            let numbers: Vec<u16> = groups.iter().map(|group| group.0).collect();
            for (turn, group) in numbers.iter().rev().chain(&numbers).enumerate() {
                for run in [&mut spread, &mut together] {
                    run.put(KeyGroup(*group), Section::State, key(keys[turn % 5].as_bytes()), &(turn as u8));
                }
            }
            let rows = rows(spread);
            assert!(rows.is_sorted_by_key(|(group, key, _)| (*group, key.clone())), "{first} to {last}");
            assert_eq!(rows, self::rows(together));
        }
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
