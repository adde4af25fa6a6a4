//! Where the keyed state of one attempt to run a job lies: in memory alone, or in memory in front of fjall.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Error, Result};
use crate::key::SubtaskIndex;
use crate::state::fjall::{RowStore, StateDirectory, WorkingCopy};
use crate::state::memory::StateMemory;

/// Which store a job keeps its state in (`--state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum StoreKind {
    /// All of it in memory, whatever it takes.
    Heap,
    /// As much as --state-memory allows in memory, the rest in a fjall database in --state-dir.
    #[default]
    Fjall,
}

/// The store of one attempt, shared by all its operators and workers.
pub struct StateBackend {
    disk: Option<Disk>,
    memory: Arc<StateMemory>,
    off_thread: OffThread,
}

/// Who does what is done off the operator's thread.
enum OffThread {
    Rayon,
    /// It is done where it is asked for: under virtual time.
    Inline,
    /// It waits until it is told to be done: by a test that decides when.
    Deferred(Mutex<VecDeque<Box<dyn FnOnce() + Send>>>),
}

/// What is not in memory. Nothing is created before it is needed: a job whose state fits never touches the disk.
struct Disk {
    directory: Arc<StateDirectory>,
    copy: Mutex<Option<WorkingCopy>>,
    runs: AtomicU64,
}

impl StateBackend {
    /// All in memory.
    pub fn heap() -> StateBackend {
        StateBackend { disk: None, memory: Arc::new(StateMemory::unlimited()), off_thread: OffThread::Rayon }
    }

    /// As much as `memory` allows in memory, the rest in `directory`.
    pub fn fjall(directory: Arc<StateDirectory>, memory: StateMemory) -> StateBackend {
        let disk = Disk { directory, copy: Mutex::new(None), runs: AtomicU64::new(0) };
        StateBackend { disk: Some(disk), memory: Arc::new(memory), off_thread: OffThread::Rayon }
    }

    /// Does its work where it is asked for: what happens is then the same every time.
    #[must_use]
    pub fn inline(mut self) -> StateBackend {
        self.off_thread = OffThread::Inline;
        self
    }

    /// Leaves its work undone until [`do_deferred`](StateBackend::do_deferred) is called.
    #[must_use]
    pub fn deferred(mut self) -> StateBackend {
        self.off_thread = OffThread::Deferred(Mutex::default());
        self
    }

    /// Does the oldest piece of work that was deferred. Whether there was one.
    pub fn do_deferred(&self) -> bool {
        let OffThread::Deferred(waiting) = &self.off_thread else { return false };
        let work = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        work.map(|work| work()).is_some()
    }

    /// Whether work gets done while an operator waits for it.
    pub(crate) fn works_meanwhile(&self) -> bool {
        !matches!(self.off_thread, OffThread::Deferred(_))
    }

    /// The account of what is in memory.
    pub fn memory(&self) -> &Arc<StateMemory> {
        &self.memory
    }

    /// Whether rows can leave memory.
    pub fn can_spill(&self) -> bool {
        self.disk.is_some()
    }

    /// How many bytes of state are on disk; none before the first row has left memory.
    pub fn disk_bytes(&self) -> u64 {
        let Some(disk) = &self.disk else { return 0 };
        let copy = disk.copy.lock().unwrap_or_else(PoisonError::into_inner);
        copy.as_ref().and_then(WorkingCopy::disk_bytes).unwrap_or(0)
    }

    /// Does something off the operator's thread.
    pub(crate) fn run(&self, work: impl FnOnce() + Send + 'static) {
        match &self.off_thread {
            OffThread::Rayon => rayon::spawn(work),
            OffThread::Inline => work(),
            OffThread::Deferred(waiting) => {
                waiting.lock().unwrap_or_else(PoisonError::into_inner).push_back(Box::new(work));
            }
        }
    }

    /// The rows on disk of an operator in a subtask; none at first. To be asked for once.
    ///
    /// # Errors
    /// If the database can't be created.
    pub(crate) fn store(&self, operator: &str, subtask: SubtaskIndex) -> Result<RowStore> {
        let Some(disk) = &self.disk else {
            return Err(Error::failure("a heap store has no rows on disk; this is a defect of Tidegate"));
        };
        let mut copy = disk.copy.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = match &mut *copy {
            Some(copy) => copy,
            none => none.insert(disk.directory.working_copy()?),
        };
        copy.store(operator, subtask)
    }

    /// The path of a new file beside the database, for a run that waits for its snapshot.
    ///
    /// # Errors
    /// If its directory can't be created.
    pub(crate) fn run_path(&self) -> Result<PathBuf> {
        let Some(disk) = &self.disk else {
            return Err(Error::failure("a heap store has no files; this is a defect of Tidegate"));
        };
        let number = disk.runs.fetch_add(1, Ordering::Relaxed);
        Ok(disk.directory.runs()?.join(format!("run-{}-{number}", std::ptr::from_ref(self).addr())))
    }
}
