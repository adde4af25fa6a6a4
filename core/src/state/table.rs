//! The rows of one operator in one subtask: decoded in memory, with the fjall store behind them.
//!
//! A record finds the row of its key by one probe of a hash table, with the hash that came with it. A row that is not in
//! memory is read from the store, if the store can have it at all; a new key starts from `Default`. Changed rows are
//! encoded at a barrier and written to the store by whoever writes the snapshot ([`frozen`](super::frozen)), or written here
//! when the table is full and they have not been used for a while. So a job whose keys fit in memory works at the speed of
//! memory, and one whose keys do not still works.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::{Error, Result};
use crate::key::{Key, KeyHash, MaxParallelism};
use crate::state::State;
use crate::state::fjall::{Ingest, RowStore};
use crate::state::frozen::{Changes, FrozenTable, InFlight};

/// How many rows an operator keeps in memory per subtask before it lets go of those that were not used lately.
const ROWS_IN_MEMORY: usize = 1 << 20;

/// The state of every key, as one subtask sees it.
pub(crate) struct StateTable<S: State> {
    operator: String,
    rows: HashTable<Row<S>>,
    rows_max: usize,
    store: RowStore,
    /// Whether a row can be in the store and not in memory: as long as none is, a new key needs no look into the store.
    store_has_more: bool,
    max_parallelism: MaxParallelism,
    scratch: Vec<u8>,
    /// Whether what was frozen at the last barrier is still on its way into the store.
    in_flight: InFlight,
}

/// The state of one key.
pub(crate) struct Row<S: State> {
    hash: KeyHash,
    key: S::Key,
    state: S,
    status: Status,
    used: bool,
}

/// How a row differs from the store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Not at all.
    Clean,
    /// Changed; the store has an older state or none.
    Changed,
    /// Cleared; the store may still have a state, which must go.
    Cleared,
    /// Cleared, and the store has been told, or will be by what is in flight: the row stands here only until then.
    Gone,
}

impl<S: State> Row<S> {
    /// The hash of the key.
    #[inline]
    pub fn hash(&self) -> KeyHash {
        self.hash
    }

    /// The key and the state. The state counts as changed from here on.
    #[inline]
    pub fn parts(&mut self) -> (&S::Key, &mut S) {
        self.status = Status::Changed;
        (&self.key, &mut self.state)
    }

    /// Forgets the state.
    pub fn clear(&mut self) {
        self.state = S::initial();
        self.status = Status::Cleared;
    }
}

impl<S: State> StateTable<S> {
    pub fn new(operator: &str, store: RowStore, max_parallelism: MaxParallelism) -> StateTable<S> {
        StateTable::with_rows_max(operator, store, max_parallelism, ROWS_IN_MEMORY)
    }

    /// A table that keeps `rows_max` rows in memory from one batch to the next, and more only within a batch.
    fn with_rows_max(
        operator: &str,
        store: RowStore,
        max_parallelism: MaxParallelism,
        rows_max: usize,
    ) -> StateTable<S> {
        StateTable {
            operator: operator.to_string(),
            rows: HashTable::new(),
            rows_max,
            store,
            store_has_more: false,
            max_parallelism,
            scratch: Vec::new(),
            in_flight: InFlight::default(),
        }
    }

    /// The row of `key`; a fresh one if the key has none.
    ///
    /// # Errors
    /// If the store can't be read.
    #[inline]
    pub fn row(&mut self, hash: KeyHash, key: &S::Key) -> Result<&mut Row<S>> {
        let entry =
            self.rows.entry(hash.bits(), |row| row.hash == hash && row.key == *key, |row| row.hash.bits());
        let row = match entry {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(vacant) => {
                let stored = match self.store_has_more {
                    true => load(
                        &self.operator,
                        &self.store,
                        hash.group(self.max_parallelism),
                        key,
                        &mut self.scratch,
                    )?,
                    false => None,
                };
                let state = stored.unwrap_or_else(S::initial);
                vacant
                    .insert(Row { hash, key: key.clone(), state, status: Status::Clean, used: true })
                    .into_mut()
            }
        };
        row.used = true;
        Ok(row)
    }

    /// Called between batches: lets go of rows if there are too many.
    ///
    /// # Errors
    /// If changed rows can't be written to the store.
    #[inline]
    pub fn settle(&mut self) -> Result<()> {
        if self.rows.len() > self.rows_max { self.evict() } else { Ok(()) }
    }

    /// Second chance (Corbató 1968): a row used since the last time stays; if all were, half of them go anyway.
    #[cold]
    fn evict(&mut self) -> Result<()> {
        if self.in_flight.is_set() {
            // A row that left now could not be found again: the store does not have it yet.
            return Ok(());
        }
        self.changes()?.write(&self.store)?;
        self.rows.retain(|row| row.status != Status::Gone);
        let rows_max = self.rows_max;
        self.rows.retain(|row| std::mem::replace(&mut row.used, false));
        let mut spare = self.rows.len().saturating_sub(rows_max / 2);
        if self.rows.len() > rows_max {
            self.rows.retain(|_| {
                let stays = spare == 0;
                spare = spare.saturating_sub(1);
                stays
            });
        }
        self.store_has_more = true;
        Ok(())
    }

    /// Encodes what differs from the store; from here on it counts as written.
    fn changes(&mut self) -> Result<Changes> {
        self.rows.retain(|row| row.status != Status::Gone);
        let mut changes = Changes::default();
        for row in &mut self.rows {
            let (state, becomes) = match row.status {
                Status::Clean | Status::Gone => continue,
                Status::Changed => (Some(&row.state), Status::Clean),
                Status::Cleared => (None, Status::Gone),
            };
            changes.add(row.hash.group(self.max_parallelism), &row.key, state)?;
            row.status = becomes;
        }
        Ok(changes)
    }

    /// The rows as they are now, readable from another thread. It must have been read before the next time.
    ///
    /// # Errors
    /// If a state can't be encoded, or what was frozen last was never read.
    pub fn freeze(&mut self) -> Result<FrozenTable> {
        if self.in_flight.set() {
            return Err(Error::failure(format!(
                "what operator {:?} froze for the snapshot before was never written",
                self.operator
            )));
        }
        Ok(FrozenTable::new(self.store.clone(), self.changes()?, self.in_flight.clone()))
    }

    /// Begins to fill the empty store with the rows of a snapshot; they are decoded when their key's next record comes.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn restore(&mut self) -> Result<Ingest<'_>> {
        self.store_has_more = true;
        self.store.ingest()
    }
}

#[cold]
fn load<S: State>(
    operator: &str,
    store: &RowStore,
    group: crate::key::KeyGroup,
    key: &S::Key,
    scratch: &mut Vec<u8>,
) -> Result<Option<S>> {
    scratch.clear();
    key.encode(scratch);
    let Some(bytes) = store.get(group, scratch)? else { return Ok(None) };
    let decoded = postcard::from_bytes(&bytes).map_err(|error| {
        Error::failure(format!("a row of operator {operator:?} in key group {group} can't be decoded"))
            .caused_by(error)
    })?;
    Ok(Some(decoded))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::key::SubtaskIndex;
    use crate::state::fjall::{StateDirectory, WorkingCopy};
    use crate::state::{Describe, KeyedBy, StateSchema};

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Sum(u64);

    impl KeyedBy<u64> for Sum {
        type Through<H> = H;

        fn through<H>(head: H) -> H {
            head
        }
    }

    impl State for Sum {
        type Key = u64;

        fn initial() -> Sum {
            Sum(100)
        }

        fn schema() -> StateSchema {
            StateSchema {
                name: "Sum".to_string(),
                version: 1,
                key: <u64 as Describe>::schema(),
                fields: Vec::new(),
            }
        }
    }

    /// SplitMix64.
    struct Random(u64);

    impl Random {
        fn below(&mut self, bound: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (mixed ^ (mixed >> 31)) % bound
        }
    }

    /// A table, and what it should hold.
    struct Pair {
        copy: WorkingCopy,
        stores: u32,
        rows_max: usize,
        table: StateTable<Sum>,
        model: HashMap<u64, u64>,
    }

    impl Pair {
        fn new(rows_max: usize) -> Pair {
            let copy = StateDirectory::temporary().unwrap().working_copy().unwrap();
            let store = copy.store("sum", SubtaskIndex(0)).unwrap();
            let table = StateTable::with_rows_max("sum", store, MaxParallelism::DEFAULT, rows_max);
            Pair { copy, stores: 1, rows_max, table, model: HashMap::new() }
        }

        /// Clears every key and begins anew, on the store that is now empty: much cheaper than another store.
        fn begin_anew(&mut self, rows_max: usize) {
            let keys: Vec<u64> = self.model.keys().copied().collect();
            keys.into_iter().for_each(|key| self.clear(key));
            self.table.changes().unwrap().write(&self.table.store).unwrap();
            self.table.rows.clear();
            self.table.store_has_more = false;
            (self.rows_max, self.table.rows_max) = (rows_max, rows_max);
        }

        fn add(&mut self, key: u64, n: u64) {
            let row = self.table.row(key.hash(), &key).unwrap();
            let (found, sum) = row.parts();
            assert_eq!(*found, key);
            let expected = self.model.entry(key).or_insert(100);
            assert_eq!(sum.0, *expected, "the state of key {key}");
            sum.0 += n;
            *expected += n;
        }

        /// As the operator stage does it: looks at the state, changes it, clears it.
        fn clear(&mut self, key: u64) {
            self.add(key, 1);
            self.table.row(key.hash(), &key).unwrap().clear();
            self.model.remove(&key);
        }

        fn frozen(&mut self) -> Vec<(crate::key::KeyGroup, Vec<u8>, Vec<u8>)> {
            let mut rows = Vec::new();
            let frozen = self.table.freeze().unwrap();
            // What happens behind the barrier is not in what was frozen.
            self.add(0, 7);
            let visited = frozen.visit(&mut |group, key, value| {
                rows.push((group, key.to_vec(), value.to_vec()));
                Ok(())
            });
            visited.unwrap();
            rows
        }

        fn check_frozen(&mut self) {
            let before = self.model.clone();
            let rows = self.frozen();
            let decoded: HashMap<u64, u64> = rows.iter().map(|(_, key, value)| decode(key, value)).collect();
            assert_eq!(decoded.len(), rows.len(), "a key has one row");
            assert_eq!(decoded, before);
        }

        fn restore(&mut self) {
            let before = self.model.clone();
            let rows = self.frozen();
            let store = self.copy.store("sum", SubtaskIndex(self.stores)).unwrap();
            self.stores += 1;
            self.table = StateTable::with_rows_max("sum", store, MaxParallelism::DEFAULT, self.rows_max);
            self.model = before;
            let mut ingest = self.table.restore().unwrap();
            rows.iter().for_each(|(group, key, value)| ingest.put(*group, key, value).unwrap());
            ingest.finish().unwrap();
        }
    }

    fn decode(mut key: &[u8], value: &[u8]) -> (u64, u64) {
        let sum: Sum = postcard::from_bytes(value).unwrap();
        (u64::decode(&mut key).unwrap(), sum.0)
    }

    #[test]
    fn any_sequence_of_batches_evictions_snapshots_and_restores_is_that_of_a_plain_map() {
        let first = std::env::var("TIDEGATE_SEED").ok().map(|seed| seed.parse().unwrap());
        let seeds = first.map_or(0..2_000, |seed| seed..seed + 1);
        let mut pair = Pair::new(0);
        for seed in seeds {
            let sequence = std::panic::AssertUnwindSafe(|| any_sequence(&mut pair, seed));
            if let Err(panic) = std::panic::catch_unwind(sequence) {
                println!("rerun with: TIDEGATE_SEED={seed} cargo test -p tidegate --lib state::table");
                std::panic::resume_unwind(panic);
            }
        }
    }

    fn any_sequence(pair: &mut Pair, seed: u64) {
        let mut random = Random(seed);
        let (keys, rows_max) = (1 + random.below(16), random.below(10) as usize);
        pair.begin_anew(rows_max);
        for _ in 0..30 {
            match random.below(800) {
                0 => pair.restore(),
                1..20 => pair.check_frozen(),
                _ => {
                    for _ in 0..=random.below(6) {
                        let key = random.below(keys);
                        if random.below(4) == 0 { pair.clear(key) } else { pair.add(key, random.below(1000)) }
                    }
                    pair.table.settle().unwrap();
                    assert!(pair.table.rows.len() <= rows_max, "{} rows are kept", pair.table.rows.len());
                }
            }
        }
        pair.check_frozen();
    }

    #[test]
    fn a_row_that_was_used_lately_outlives_one_that_was_not() {
        let mut pair = Pair::new(10);
        (0..11).for_each(|key| pair.add(key, 1));
        pair.table.settle().unwrap();
        assert_eq!(pair.table.rows.len(), 5, "all were used: half of what fits stays");
        let kept: Vec<u64> = pair.table.rows.iter().map(|row| row.key).collect();
        pair.add(kept[0], 1);
        (100..106).for_each(|key| pair.add(key, 1));
        pair.table.settle().unwrap();
        assert_eq!(pair.table.rows.len(), 7);
        assert!(pair.table.rows.iter().any(|row| row.key == kept[0]));
    }

    #[test]
    fn as_long_as_frozen_rows_are_not_written_none_leaves_memory_and_a_cleared_one_stays_cleared() {
        let mut pair = Pair::new(2);
        pair.add(1, 5);
        pair.check_frozen();
        pair.clear(1);
        (2..8).for_each(|key| pair.add(key, key));
        let frozen = pair.table.freeze().unwrap();
        pair.table.settle().unwrap();
        assert_eq!(pair.table.rows.len(), 8, "keys 0 to 7");
        // The store still has key 1; a record of it must not find that.
        pair.add(1, 1);
        assert!(pair.table.freeze().is_err(), "a snapshot that would miss rows is not begun");
        frozen.visit(&mut |_, _, _| Ok(())).unwrap();
        pair.table.settle().unwrap();
        assert!(pair.table.rows.len() <= 2);
        pair.check_frozen();
    }
}
