//! The way of rows out of memory: runs of rows that were not used lately, written to the store behind the operator's back.
//!
//! What always holds: a row leaves memory only when the store has it; runs land in the order in which
//! they were sent, one at a time. So the operator never waits for the store, unless it changes rows faster than the disk
//! takes them for so long that the memory budget would be broken.

use std::num::NonZero;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::key::{KeyGroup, SubtaskIndex};
use crate::snapshot::part::Section;
use crate::state::backend::StateBackend;
use crate::state::fjall::{RowStore, Value};
use crate::state::kinds::{EachEntry, EntryStore};
use crate::state::run::Run;

/// What a row remembers of the number of a run: few bytes, that come round again. Runs land one after another, so only
/// those [on their way](OnTheirWay) must be told apart from all that have landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunMark(NonZero<u16>);

impl RunMark {
    /// The mark of the run with this number, counted from 1.
    fn of(number: u32) -> RunMark {
        let around = number.wrapping_sub(1) % u32::from(u16::MAX);
        RunMark(NonZero::<u16>::MIN.saturating_add(around as u16))
    }
}

/// The runs that have not landed.
#[derive(Clone, Copy)]
pub(crate) struct OnTheirWay {
    /// The one that is sent next.
    pub filling: RunMark,
    in_flight: Option<RunMark>,
}

impl OnTheirWay {
    /// Whether this is one of them.
    #[inline]
    pub fn have(self, run: RunMark) -> bool {
        run == self.filling || Some(run) == self.in_flight
    }
}

/// The store of an operator in a subtask, and what is on its way there.
pub(crate) struct Spill {
    backend: Arc<StateBackend>,
    operator: String,
    subtask: SubtaskIndex,
    sent: u32,
    /// Of the run that is on its way.
    bytes_in_flight: usize,
    shared: Arc<Shared>,
}

/// What the operator and the writer see.
#[derive(Default)]
pub(crate) struct Shared {
    store: OnceLock<RowStore>,
    /// The number of the last run that is in the store.
    landed: AtomicU32,
    failed: Mutex<Option<Error>>,
}

impl Spill {
    pub fn new(backend: Arc<StateBackend>, operator: &str, subtask: SubtaskIndex) -> Spill {
        let operator = operator.to_string();
        Spill { backend, operator, subtask, sent: 0, bytes_in_flight: 0, shared: Arc::default() }
    }

    /// The runs that are filled or sent, and have not landed.
    pub fn on_their_way(&self) -> OnTheirWay {
        let in_flight = self.is_busy().then(|| RunMark::of(self.sent));
        OnTheirWay { filling: RunMark::of(self.sent + 1), in_flight }
    }

    /// Whether a run is on its way.
    pub fn is_busy(&self) -> bool {
        self.shared.landed.load(Ordering::Acquire) < self.sent
    }

    /// How many bytes of memory the run takes that is on its way.
    pub fn bytes_in_flight(&self) -> usize {
        if self.is_busy() { self.bytes_in_flight } else { 0 }
    }

    /// Whether all runs that were sent have reached the store, or will.
    ///
    /// # Errors
    /// Why a run did not.
    pub fn check(&self) -> Result<()> {
        self.shared.failed.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    /// Sends a run on its way. None may be on it.
    pub fn send(&mut self, run: Run) {
        debug_assert!(!self.is_busy(), "runs land one after another");
        self.sent += 1;
        self.bytes_in_flight = run.bytes();
        let (number, backend, shared) = (self.sent, Arc::clone(&self.backend), Arc::clone(&self.shared));
        let (operator, subtask) = (self.operator.clone(), self.subtask);
        self.backend.run(move || match shared.write(run, &backend, &operator, subtask) {
            Ok(()) => shared.landed.store(number, Ordering::Release),
            Err(error) => *shared.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
        });
    }

    /// The store, for fields whose entries lie in it.
    pub fn entries(&self) -> Arc<dyn EntryStore> {
        Arc::clone(&self.shared) as Arc<dyn EntryStore>
    }

    /// A row of the store.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn get(&self, group: KeyGroup, section: Section, key: &[u8]) -> Result<Option<Value>> {
        self.shared.store.get().map_or(Ok(None), |store| store.get(group, section, key))
    }
}

/// The prefix of a field is the key group, two bytes big-endian, and what the keys of its entries begin with.
impl EntryStore for Shared {
    fn get(&self, prefix: &[u8], subkey: &[u8]) -> Result<Option<Vec<u8>>> {
        let (group, begin) = split_prefix(prefix);
        let Some(store) = self.store.get() else { return Ok(None) };
        let value = store.get(group, Section::Entry, &[begin, subkey].concat())?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn visit(&self, prefix: &[u8], each: &mut EachEntry<'_>) -> Result<()> {
        let (group, begin) = split_prefix(prefix);
        self.store.get().map_or(Ok(()), |store| store.visit(group, Section::Entry, begin, each))
    }
}

fn split_prefix(prefix: &[u8]) -> (KeyGroup, &[u8]) {
    let (group, begin) = prefix.split_first_chunk().expect("a field's prefix begins with its key group");
    (KeyGroup(u16::from_be_bytes(*group)), begin)
}

impl Shared {
    fn write(&self, run: Run, backend: &StateBackend, operator: &str, subtask: SubtaskIndex) -> Result<()> {
        let store = match self.store.get() {
            Some(store) => store,
            // Runs come one after another: nobody else makes it meanwhile.
            None => {
                let store = backend.store(operator, subtask)?;
                self.store.get_or_init(|| store)
            }
        };
        store.write(run.close()?.rows())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marks_of_two_runs_that_follow_each_other_differ_however_many_there_were() {
        let around = u32::from(u16::MAX);
        for number in (1..4).chain(around - 2..around + 3).chain(3 * around - 1..3 * around + 2) {
            assert_ne!(RunMark::of(number), RunMark::of(number + 1), "{number}");
        }
        assert_eq!(RunMark::of(1), RunMark::of(1 + around), "they come round");
    }
}
