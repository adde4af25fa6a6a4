//! The rows of one operator in one subtask: decoded in memory, with the fjall store behind them.
//!
//! A record finds the row of its key by one probe of a hash table, with the hash that came with it. A row that is not in
//! memory is read from the store, if the store can have it at all; a new key starts from `Default`. Changed rows are
//! written to the store at a barrier, or when the table is full and they have not been used for a while. So a job whose
//! keys fit in memory works at the speed of memory, and one whose keys do not still works.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::error::{Error, Result};
use crate::key::{Key, KeyHash, MaxParallelism};
use crate::state::State;
use crate::state::fjall::{FrozenStore, Ingest, RowStore, WriteBatch};

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
        StateTable {
            operator: operator.to_string(),
            rows: HashTable::new(),
            rows_max: ROWS_IN_MEMORY,
            store,
            store_has_more: false,
            max_parallelism,
            scratch: Vec::new(),
        }
    }

    /// The row of `key`; a fresh one if the key has none.
    ///
    /// # Errors
    /// If the store can't be read.
    #[inline]
    pub fn row(&mut self, hash: KeyHash, key: &S::Key) -> Result<&mut Row<S>> {
        let entry = self.rows.entry(hash.bits(), |row| row.hash == hash && row.key == *key, |row| row.hash.bits());
        let row = match entry {
            Entry::Occupied(row) => row.into_mut(),
            Entry::Vacant(vacant) => {
                let stored = match self.store_has_more {
                    true => load(&self.operator, &self.store, hash.group(self.max_parallelism), key, &mut self.scratch)?,
                    false => None,
                };
                let state = stored.unwrap_or_else(S::initial);
                vacant.insert(Row { hash, key: key.clone(), state, status: Status::Clean, used: true }).into_mut()
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
        self.write_back()?;
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

    /// Brings the store up to date with the rows in memory, and drops cleared rows.
    fn write_back(&mut self) -> Result<()> {
        let mut batch = self.store.batch();
        for row in self.rows.iter_mut().filter(|row| row.status != Status::Clean) {
            write(row, &mut batch, self.max_parallelism, &mut self.scratch)?;
        }
        batch.commit()?;
        self.rows.retain(|row| {
            let cleared = row.status == Status::Cleared;
            row.status = Status::Clean;
            !cleared
        });
        Ok(())
    }

    /// The rows as they are now, readable from another thread.
    ///
    /// # Errors
    /// If changed rows can't be written to the store.
    pub fn freeze(&mut self) -> Result<FrozenStore> {
        self.write_back()?;
        Ok(self.store.freeze())
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

fn write<S: State>(
    row: &Row<S>,
    batch: &mut WriteBatch<'_>,
    max_parallelism: MaxParallelism,
    scratch: &mut Vec<u8>,
) -> Result<()> {
    let group = row.hash.group(max_parallelism);
    scratch.clear();
    row.key.encode(scratch);
    if row.status == Status::Cleared {
        batch.remove(group, scratch);
        return Ok(());
    }
    let key_length = scratch.len();
    let mut bytes = postcard::to_extend(&row.state, std::mem::take(scratch))?;
    let (key, state) = bytes.split_at(key_length);
    batch.put(group, key, state);
    std::mem::swap(scratch, &mut bytes);
    Ok(())
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
        Error::failure(format!("a row of operator {operator:?} in key group {group} can't be decoded")).caused_by(error)
    })?;
    Ok(Some(decoded))
}
