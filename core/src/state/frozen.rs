//! The rows of a table as they were at a barrier.
//!
//! At the barrier the changed rows are encoded, and no more: the operator goes on. Whoever reads the frozen rows, in another
//! thread, first writes the changes into the store, and then reads the store as it is. Until that is done the table keeps
//! every row that it has in memory ([`InFlight`]), so that nobody can miss in the store what is still on its way there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::key::{Key, KeyGroup};
use crate::state::State;
use crate::state::fjall::{FrozenStore, RowStore, Visit};

/// Rows to write or to remove, encoded one after another.
#[derive(Default)]
pub(crate) struct Changes {
    bytes: Vec<u8>,
    rows: Vec<Change>,
}

/// One row's place in the bytes: its key, and its state behind it if it has one.
struct Change {
    group: KeyGroup,
    key_end: usize,
    state_end: Option<usize>,
}

impl Changes {
    /// The row of `key` is `state` now, or gone.
    ///
    /// # Errors
    /// If serde can't carry the state.
    pub fn add<S: State>(&mut self, group: KeyGroup, key: &S::Key, state: Option<&S>) -> Result<()> {
        key.encode(&mut self.bytes);
        let key_end = self.bytes.len();
        if let Some(state) = state {
            self.bytes = postcard::to_extend(state, std::mem::take(&mut self.bytes))?;
        }
        self.rows.push(Change { group, key_end, state_end: state.map(|_| self.bytes.len()) });
        Ok(())
    }

    /// Writes them into the store.
    ///
    /// # Errors
    /// If the store can't be written.
    pub fn write(&self, store: &RowStore) -> Result<()> {
        let mut batch = store.batch();
        let mut start = 0;
        for &Change { group, key_end, state_end } in &self.rows {
            let key = &self.bytes[start..key_end];
            match state_end {
                Some(state_end) => batch.put(group, key, &self.bytes[key_end..state_end]),
                None => batch.remove(group, key),
            }
            start = state_end.unwrap_or(key_end);
        }
        batch.commit()
    }
}

/// Whether frozen changes are still on their way into the store. Clones see the same.
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<AtomicBool>);

impl InFlight {
    /// Whether they are.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Sets it; whether it was set before.
    pub fn set(&self) -> bool {
        self.0.swap(true, Ordering::AcqRel)
    }

    fn landed(&self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The rows of a table at a barrier. Readable from another thread.
pub(crate) struct FrozenTable {
    store: RowStore,
    rows: Mutex<Rows>,
    in_flight: InFlight,
}

/// How far the rows are.
enum Rows {
    /// The changes are only here.
    Encoded(Changes),
    /// The changes are in the store, which was frozen behind them.
    Stored(FrozenStore),
}

impl Drop for FrozenTable {
    /// The table counts on its changes to be in the store, also when the snapshot failed before anybody read the rows.
    fn drop(&mut self) {
        let rows = self.rows.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Rows::Encoded(changes) = rows
            && changes.write(&self.store).is_ok()
        {
            self.in_flight.landed();
        }
    }
}

impl FrozenTable {
    pub fn new(store: RowStore, changes: Changes, in_flight: InFlight) -> FrozenTable {
        FrozenTable { store, rows: Mutex::new(Rows::Encoded(changes)), in_flight }
    }

    /// Gives every row to `each`, in ascending order of (key group, key).
    ///
    /// # Errors
    /// If the store can't be written or read, or `each` fails.
    pub fn visit(&self, each: &mut Visit<'_>) -> Result<()> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Rows::Encoded(changes) = &*rows {
            changes.write(&self.store)?;
            // Frozen before the table may write again: nothing from behind the barrier is in it.
            *rows = Rows::Stored(self.store.freeze());
            self.in_flight.landed();
        }
        match &*rows {
            Rows::Stored(store) => store.visit(each),
            Rows::Encoded(_) => unreachable!("encoded rows have just been stored"),
        }
    }
}
