//! Rows that are due: looked at when event time has come so far, though no record comes for them.
//!
//! If many of the rows are due at a time, all are gone through as they lie in memory, which is as fast as memory gives them; if few
//! are, they are found by their hashes. Either way a row is due if it says so itself. Those that have left memory are brought back.

use crate::error::Result;
use crate::key::KeyHash;
use crate::state::State;
use crate::state::row::{Marks, Row};
use crate::state::table::{FoundRow, LOOKAHEAD_ROWS, StateTable, Visit, look_at};
use crate::time::EventTime;

/// All rows are gone through if at least one of so many may be due: a row that is found by its hash costs so many times one that is
/// passed by.
const SWEPT_SHARE: usize = 4;
/// So many rows are brought back to memory before others may leave it.
const BROUGHT_ROWS: usize = 512;

impl<S: State> StateTable<S> {
    /// The next time until `now` at which rows may be due.
    ///
    /// # Errors
    /// If rows of a snapshot may be due, and can't be loaded.
    #[inline]
    pub fn next_due(&mut self, now: EventTime) -> Result<Option<EventTime>> {
        if self.waiting_due.is_some_and(|due| due <= now) {
            while self.load_next()? {}
            self.waiting_due = None;
        }
        Ok(self.dues.first().filter(|due| *due <= now))
    }

    /// The next time at which any row may be due, for a snapshot: whoever restores it must have loaded all rows by then.
    pub fn first_due(&self) -> Option<EventTime> {
        self.dues.first().into_iter().chain(self.waiting_due).min()
    }

    /// Lets `act` work on every row that is due at this time, and perhaps on others that are due soon after and until `now`, each at
    /// its time and in the order of times. Rows that are due again by then when `act` has worked on them are the next ones.
    ///
    /// # Errors
    /// If a row can't be loaded, or as [`FoundRow::visit`].
    pub fn visit_due(
        &mut self,
        at: EventTime,
        now: EventTime,
        mut act: impl FnMut((KeyHash, &S::Key), EventTime, &mut S) -> Visit,
    ) -> Result<()> {
        let due = self.dues.take(at, now);
        let rows = due.rows.noted;
        let (mut visited, mut before) = (0, 0);
        for group in rows.chunk_by(|(at, _), (next, _)| at == next) {
            let behind = before + group.len();
            if group.len() * SWEPT_SHARE >= self.rows {
                self.find_due(rows[visited..before].iter().copied(), &mut act)?;
                self.sweep_due(group[0].0, &mut act)?;
                visited = behind;
            }
            before = behind;
        }
        self.find_due(rows[visited..].iter().copied(), &mut act)?;
        self.dues.recycle(rows);
        for keys in due.away.noted.chunks(BROUGHT_ROWS) {
            for (at, (hash, key)) in keys {
                self.bring_due(*at, *hash, key)?;
            }
            self.find_due(keys.iter().map(|(at, (hash, _))| (*at, hash.bits())), &mut act)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Goes through all rows in memory. One that nobody needs any more goes at once.
    fn sweep_due(
        &mut self,
        at: EventTime,
        act: &mut impl FnMut((KeyHash, &S::Key), EventTime, &mut S) -> Visit,
    ) -> Result<()> {
        let StateTable { segments, changes, dues, rows, .. } = self;
        let mut cleared = Vec::new();
        for number in 0..segments.count() {
            let segment = segments.segment(number);
            let places = segment.num_buckets();
            for first in (0..places).step_by(LOOKAHEAD_ROWS) {
                let places = first..places.min(first + LOOKAHEAD_ROWS);
                for place in places.clone() {
                    if let Some(row) = segment.get_bucket(place).filter(|row| row.state.due() == Some(at)) {
                        changes.expect(row);
                    }
                }
                if std::mem::needs_drop::<S>() {
                    // Rows follow each other in memory; what hangs off them does not.
                    let due = places.clone().filter_map(|place| segment.get_bucket(place));
                    let due = due.filter(|row| row.state.due() == Some(at));
                    std::hint::black_box(due.fold(0, |sum, row| sum ^ row.state.look_whole()));
                }
                for place in places {
                    let Some(row) = segment.get_bucket_mut(place) else { continue };
                    if row.state.due() != Some(at) {
                        continue;
                    }
                    let hash = row.hash;
                    let found = FoundRow { row, changes, cleared: &mut cleared, dues };
                    found.visit(|key, state| act((hash, key), at, state))?;
                    if cleared.pop().is_some()
                        && let Ok(entry) = segment.get_bucket_entry(place)
                    {
                        changes.managed_bytes -= entry.remove().0.managed_bytes as usize;
                        *rows -= 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Finds rows by their hashes.
    fn find_due(
        &mut self,
        mut due: impl Iterator<Item = (EventTime, u64)> + Clone,
        act: &mut impl FnMut((KeyHash, &S::Key), EventTime, &mut S) -> Visit,
    ) -> Result<()> {
        let StateTable { segments, changes, cleared, dues, .. } = self;
        loop {
            look_at(segments, due.clone().take(LOOKAHEAD_ROWS).map(|(_, hash)| hash), S::look_whole);
            let mut found_any = false;
            for (at, hash) in due.by_ref().take(LOOKAHEAD_ROWS) {
                found_any = true;
                for row in segments.of(hash).rows.iter_hash_mut(hash) {
                    if row.hash.bits() == hash && row.state.due() == Some(at) {
                        let hash = row.hash;
                        let found = FoundRow { row, changes, cleared, dues };
                        found.visit(|key, state| act((hash, key), at, state))?;
                    }
                }
            }
            if !found_any {
                return Ok(());
            }
        }
    }

    /// Brings a row back that has left memory, if it is still due at this time.
    fn bring_due(&mut self, at: EventTime, hash: KeyHash, key: &S::Key) -> Result<()> {
        let is_it = |row: &Row<S>| row.hash == hash && row.key == *key;
        if self.segments.of(hash.bits()).rows.find(hash.bits(), is_it).is_none() {
            let row = self.fetch(hash, hash.group(self.changes.max_parallelism), key)?;
            if row.state.due() == Some(at) {
                self.insert(row);
            }
        }
        Ok(())
    }

    /// Makes a new list of what is due, if too much of the old one may be void.
    pub(super) fn settle_dues(&mut self) {
        if !self.dues.are_void(self.rows) {
            return;
        }
        self.dues.forget();
        for number in 0..self.segments.count() {
            for row in self.segments.segment(number).iter() {
                if let Some(due) = row.state.due() {
                    self.dues.note(due, row.hash.bits());
                }
            }
        }
    }
}

impl<S: State> FoundRow<'_, S> {
    /// The row was due at `before` and is due at another time now.
    #[inline]
    pub(super) fn note_due(self) {
        // What was said of it when it left memory is void.
        self.row.marks = self.row.marks.without(Marks::DUE_AWAY);
        if let Some(due) = self.row.state.due() {
            self.dues.note(due, self.row.hash.bits());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde::{Deserialize, Serialize};

    use crate::key::{Key, KeyGroup, KeyGroupRange, MaxParallelism, SubtaskIndex};
    use crate::record::SnapshotId;
    use crate::snapshot::part::{Entry, FrozenRows, RestoredState, RowChange, Section, StateRow};
    use crate::state::backend::StateBackend;
    use crate::state::fjall::StateDirectory;
    use crate::state::memory::StateMemory;
    use crate::state::table::{StateTable, Visit};
    use crate::state::{Describe, KeyedBy, State, StateSchema};
    use crate::time::EventTime;

    /// When the key is to be looked at, in milliseconds.
    #[derive(Serialize, Deserialize)]
    struct Reminder(Option<i64>);

    impl KeyedBy<u64> for Reminder {
        type Through<H> = H;

        fn through<H>(head: H) -> H {
            head
        }
    }

    impl State for Reminder {
        type Key = u64;

        fn initial() -> Reminder {
            Reminder(None)
        }

        fn due(&self) -> Option<EventTime> {
            self.0.map(EventTime::from_millis)
        }

        fn schema() -> StateSchema {
            StateSchema {
                name: "Reminder".to_string(),
                version: 1,
                key: <u64 as Describe>::schema(),
                fields: Vec::new(),
            }
        }
    }

    const GROUPS: KeyGroupRange = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(127) };

    fn table(backend: &Arc<StateBackend>, subtask: u32) -> StateTable<Reminder> {
        StateTable::new("remind", SubtaskIndex(subtask), GROUPS, MaxParallelism::DEFAULT, backend, true)
    }

    /// A table, and when each key should be looked at.
    struct Pair {
        table: StateTable<Reminder>,
        expected: BTreeMap<u64, i64>,
    }

    impl Pair {
        fn new(backend: &Arc<StateBackend>) -> Pair {
            Pair { table: table(backend, 0), expected: BTreeMap::new() }
        }

        /// Has the key looked at then; or never, and forgets it.
        fn remind(&mut self, key: u64, due: Option<i64>) {
            let visited = self.table.row(key.hash(), &key).unwrap().visit(|_, reminder| {
                *reminder = Reminder(due);
                if due.is_some() { Visit::Kept } else { Visit::Cleared }
            });
            visited.unwrap();
            match due {
                Some(due) => drop(self.expected.insert(key, due)),
                None => drop(self.expected.remove(&key)),
            }
        }

        /// Has every fifth key looked at again later, and forgets the others.
        fn advance_to(&mut self, now: i64) {
            let again = |key: u64, at: i64| {
                (key.is_multiple_of(5) && at < 6_000).then_some(at + 100 + 10 * (key % 40) as i64)
            };
            while let Some(at) = self.table.next_due(EventTime::from_millis(now)).unwrap() {
                let mut visited = Vec::new();
                let looked =
                    self.table.visit_due(at, EventTime::from_millis(now), |(_, key), at, reminder| {
                        let at = at.as_millis();
                        visited.push((at, *key));
                        *reminder = Reminder(again(*key, at));
                        if reminder.0.is_some() { Visit::Kept } else { Visit::Cleared }
                    });
                looked.unwrap();
                let at = at.as_millis();
                let first = self.expected.values().copied().min();
                assert!(first.is_none_or(|first| first >= at), "a row was due at {first:?}, before {at}");
                let is_due = |due: i64| due <= now && due >> 6 == at >> 6;
                let due = self.expected.extract_if(.., |_, due| is_due(*due));
                let mut due: Vec<_> = due.map(|(key, at)| (at, key)).collect();
                due.sort_unstable();
                let all_in_memory = self.table.eviction.is_none();
                assert!(
                    !all_in_memory || visited.is_sorted_by_key(|(at, _)| *at),
                    "not in order: {visited:?}"
                );
                visited.sort_unstable();
                assert_eq!(visited, due, "from {at} until {now}");
                self.expected.extend(due.iter().filter_map(|(at, key)| Some((*key, again(*key, *at)?))));
            }
            assert!(self.expected.values().all(|due| *due > now));
        }
    }

    fn spilling(bytes: u64) -> Arc<StateBackend> {
        let directory = Arc::new(StateDirectory::temporary().unwrap());
        Arc::new(StateBackend::fjall(directory, StateMemory::of(bytes)).inline())
    }

    #[test]
    fn every_row_is_looked_at_when_it_said_last_whether_many_are_due_or_few_in_memory_or_away() {
        for backend in [Arc::new(StateBackend::heap()), spilling(20 << 10)] {
            let mut pair = Pair::new(&backend);
            let mut chance = 7u64;
            for round in 0..40 {
                for _ in 0..200 {
                    chance = chance
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let (key, in_millis) = ((chance >> 40) % 2_000, (chance >> 33) % 7);
                    // Most at one time, some at any of many.
                    let due = match in_millis {
                        0 => None,
                        1 => Some(round * 100 + (chance >> 50) as i64 % 500),
                        _ => Some((round / 5 + 2) * 500),
                    };
                    pair.remind(key, due.map(|due| due.max(round * 100)));
                }
                pair.table.settle().unwrap();
                pair.advance_to(round * 100);
            }
            pair.advance_to(i64::MAX);
            assert!(pair.expected.is_empty());
        }
    }

    /// What a snapshot has.
    #[derive(Default)]
    struct Rows(BTreeMap<(KeyGroup, Vec<u8>), Vec<u8>>);

    impl RestoredState for Rows {
        fn entries(&self, _owner: &str) -> Vec<&Entry> {
            Vec::new()
        }

        fn rows(
            &self,
            _operator: &str,
            groups: KeyGroupRange,
            each: &mut dyn FnMut(StateRow<'_>) -> crate::error::Result<()>,
        ) -> crate::error::Result<()> {
            let of_groups = self.0.iter().filter(|((group, _), _)| groups.contains(*group));
            of_groups
                .map(|((group, key), value)| (*group, key, value))
                .try_for_each(|(group, key, value)| each(StateRow::put(group, Section::State, key, value)))
        }
    }

    #[test]
    fn rows_of_a_snapshot_are_loaded_when_the_first_of_them_is_due_and_not_before() {
        let backend = Arc::new(StateBackend::heap());
        let mut pair = Pair::new(&backend);
        (0..1_000).for_each(|key| pair.remind(key, Some(500 + key as i64)));
        pair.advance_to(600);
        let due = pair.table.first_due();
        pair.table.freeze(SnapshotId(1)).unwrap();
        let delta = loop {
            if let Some(delta) = pair.table.encode_frozen().unwrap() {
                break delta;
            }
        };
        let mut rows = Rows::default();
        let visited = delta.visit(&mut |row| {
            if let RowChange::Put(value) = row.change {
                rows.0.insert((row.group, row.key.to_vec()), value.to_vec());
            }
            Ok(())
        });
        visited.unwrap();
        pair.table = table(&backend, 1);
        pair.table.restore(Arc::new(rows), due);
        assert_eq!(pair.table.first_due(), Some(EventTime::from_millis(601)));
        pair.advance_to(600);
        assert!(pair.table.loading.is_some());
        pair.advance_to(1_000);
        assert!(pair.table.loading.is_none());
        pair.advance_to(i64::MAX);
        assert!(pair.expected.is_empty());
    }

    #[test]
    fn rows_that_come_and_go_before_they_are_due_leave_no_trace() {
        let mut pair = Pair::new(&Arc::new(StateBackend::heap()));
        (0..100).for_each(|key| pair.remind(key, Some(100_000)));
        for round in 0..100_000 {
            let key = 1_000 + round % 7;
            pair.remind(key, Some(100_000 + round as i64 % 3));
            pair.remind(key, None);
            if round % 10 == 0 {
                pair.table.settle().unwrap();
                let kept = pair.table.dues.bytes();
                assert!(kept < 100_000, "{kept} bytes");
            }
        }
        pair.advance_to(i64::MAX);
    }
}
