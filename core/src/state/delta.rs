//! What changed since the last snapshot, on its way into the next one.
//!
//! A delta is made of runs, older ones first. The operator's thread fills and forgets them; whoever writes the snapshot sorts
//! and merges them. Runs that grew large before the barrier wait in files beside the working copy. Until a snapshot is
//! complete its runs are kept: should it fail, they become part of the next one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::key::KeyGroupRange;
use crate::record::SnapshotId;
use crate::snapshot::file::{StateFileHeader, StateFileReader, StateFileWriter};
use crate::snapshot::merge::{Removals, RowCursor, merge};
use crate::snapshot::part::{FrozenRows, LayerKind, StateRow};
use crate::state::run::{Run, SortedRun};

/// A run that waits for its snapshot.
pub(crate) struct PendingRun(Mutex<Content>);

/// How far a pending run is.
enum Content {
    /// As it was filled.
    Open(Run),
    /// In order, in memory.
    Sorted(Arc<SortedRun>),
    /// In order, in a file.
    File(Arc<RunFile>),
}

/// A file that goes when nobody needs it any more.
struct RunFile {
    reader: StateFileReader,
    path: PathBuf,
}

impl Drop for RunFile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!("can't remove {}: {error}", self.path.display());
        }
    }
}

/// A run that can be read as a layer.
enum Sorted {
    Memory(Arc<SortedRun>),
    File(Arc<RunFile>),
}

impl PendingRun {
    pub fn new(run: Run) -> Arc<PendingRun> {
        Arc::new(PendingRun(Mutex::new(Content::Open(run))))
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        match &*self.content() {
            Content::Open(run) => run.bytes(),
            Content::Sorted(run) => run.bytes(),
            Content::File(_) => 0,
        }
    }

    /// Moves it out of memory, into a file at `path`. Not durable: it is lost with the process, like the run itself.
    ///
    /// # Errors
    /// If the file can't be written; the run stays in memory.
    pub fn store(&self, path: PathBuf, groups: KeyGroupRange) -> Result<()> {
        let Sorted::Memory(run) = self.sorted()? else { return Ok(()) };
        // Whose run it is, is known by who holds it.
        let header = StateFileHeader { layer: LayerKind::Delta, groups, written_by: SnapshotId(0) };
        let mut writer = StateFileWriter::create(&path, header)?;
        run.rows().try_for_each(|row| writer.row(row))?;
        writer.finish()?;
        let reader = StateFileReader::open(&path)?;
        *self.content() = Content::File(Arc::new(RunFile { reader, path }));
        Ok(())
    }

    /// The run in order; it is sorted the first time.
    ///
    /// # Errors
    /// If a row in it could not be encoded.
    fn sorted(&self) -> Result<Sorted> {
        let mut content = self.content();
        if let Content::Open(run) = &mut *content {
            *content = Content::Sorted(Arc::new(std::mem::take(run).close()?));
        }
        match &*content {
            Content::Sorted(run) => Ok(Sorted::Memory(Arc::clone(run))),
            Content::File(file) => Ok(Sorted::File(Arc::clone(file))),
            Content::Open(_) => Err(Error::failure("a run is open; this is a defect of Tidegate")),
        }
    }
}

/// Everything of an operator in a subtask that changed up to a barrier and is in no complete snapshot.
pub(crate) struct Delta {
    /// Older ones first.
    pub runs: Vec<Arc<PendingRun>>,
    pub groups: KeyGroupRange,
    /// Whether there is nothing that is older: then what is gone needs no word.
    pub complete: bool,
}

impl FrozenRows for Delta {
    fn visit(&self, each: &mut dyn FnMut(StateRow<'_>) -> Result<()>) -> Result<()> {
        let sorted = self.runs.iter().map(|run| run.sorted()).collect::<Result<Vec<_>>>()?;
        let layers = sorted.iter().map(|sorted| match sorted {
            Sorted::Memory(run) => Ok(Box::new(run.cursor()) as Box<dyn RowCursor + '_>),
            Sorted::File(file) => Ok(Box::new(file.reader.cursor(self.groups)?) as Box<dyn RowCursor + '_>),
        });
        let removals = if self.complete { Removals::Drop } else { Removals::Keep };
        merge(layers.collect::<Result<_>>()?, removals, &mut |_| true, each)
    }
}
