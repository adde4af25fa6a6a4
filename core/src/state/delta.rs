//! What changed since the last snapshot, on its way into the next one.
//!
//! A delta is made of runs, older ones first. The operator's thread fills and forgets them; whoever writes the snapshot sorts
//! and merges them. Runs that grew large before the barrier wait in files beside the working copy. Until a snapshot is
//! complete its runs are kept: should it fail, they become part of the next one. When many have failed, their runs become one, so
//! that they take memory for the rows that changed, and not for each time that they did.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::{Error, Result};
use crate::key::KeyGroupRange;
use crate::record::SnapshotId;
use crate::snapshot::file::{StateFileHeader, StateFileReader, StateFileWriter};
use crate::snapshot::merge::{Removals, RowCursor, merge};
use crate::snapshot::part::{FrozenRows, LayerKind, StateRow};
use crate::state::run::{Run, SortedRun};

/// More runs than this in memory become one.
const RUNS_MAX: usize = 8;

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
    /// # Errors
    /// If a row in it could not be encoded: that is the operator's failure, and not one of the snapshot's, which are borne.
    pub fn new(run: Run) -> Result<Arc<PendingRun>> {
        Ok(Arc::new(PendingRun(Mutex::new(Content::Open(run.checked()?)))))
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

    /// What nobody needs any more, for its memory; nothing, if somebody still reads it or it is not in memory.
    pub fn into_spent(self: Arc<PendingRun>) -> Option<Run> {
        match Arc::into_inner(self)?.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Content::Open(run) => Some(run),
            Content::Sorted(run) => Arc::into_inner(run).map(SortedRun::into_run),
            Content::File(_) => None,
        }
    }

    /// Moves it out of memory, into a file at `path`. Not durable: it is lost with the process, like the run itself.
    ///
    /// # Errors
    /// If the file can't be written; the run stays in memory.
    pub fn store(&self, path: PathBuf, groups: KeyGroupRange) -> Result<()> {
        match self.sorted()? {
            Sorted::Memory(run) => self.store_sorted(&run, path, groups),
            Sorted::File(_) => Ok(()),
        }
    }

    fn store_sorted(&self, run: &Arc<SortedRun>, path: PathBuf, groups: KeyGroupRange) -> Result<()> {
        // Whose run it is, is known by who holds it.
        let header = StateFileHeader { layer: LayerKind::Delta, groups, written_by: SnapshotId(0) };
        let mut writer = StateFileWriter::create(&path, header)?;
        run.rows().try_for_each(|row| writer.row(row))?;
        writer.finish()?;
        let file = RunFile { reader: StateFileReader::open(&path)?, path };
        let mut content = self.content();
        // If it is another by now, it has been made one with others.
        if matches!(&*content, Content::Sorted(now) if Arc::ptr_eq(now, run)) {
            *content = Content::File(Arc::new(file));
        }
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

impl Delta {
    /// Makes one of runs in memory that lie over each other, if there are many.
    fn fold(&self) -> Result<()> {
        let sorted = self.runs.iter().map(|run| Ok((run, run.sorted()?))).collect::<Result<Vec<_>>>()?;
        let in_memory = |sorted: &Sorted| matches!(sorted, Sorted::Memory(_));
        let takes_memory = |sorted: &Sorted| matches!(sorted, Sorted::Memory(run) if !run.is_empty());
        if sorted.iter().filter(|(_, sorted)| takes_memory(sorted)).count() <= RUNS_MAX {
            return Ok(());
        }
        for runs in sorted.chunk_by(|(_, older), (_, newer)| in_memory(older) && in_memory(newer)) {
            let [(oldest, _), newer @ ..] = runs else { continue };
            if newer.is_empty() {
                continue;
            }
            let mut folded = Run::default();
            let layers = runs.iter().map(|(_, sorted)| sorted.cursor(self.groups)).collect::<Result<_>>()?;
            merge(layers, Removals::Keep, &mut |_| true, &mut |row| {
                folded.push(row);
                Ok(())
            })?;
            // In the place of the oldest: what comes later, of rows or of timers, lies over it.
            *oldest.content() = Content::Sorted(Arc::new(folded.close()?));
            newer.iter().for_each(|(run, _)| *run.content() = Content::Open(Run::default()));
        }
        Ok(())
    }
}

impl Sorted {
    fn cursor(&self, groups: KeyGroupRange) -> Result<Box<dyn RowCursor + '_>> {
        Ok(match self {
            Sorted::Memory(run) => Box::new(run.cursor()),
            Sorted::File(file) => Box::new(file.reader.cursor(groups)?),
        })
    }
}

impl FrozenRows for Delta {
    fn visit(&self, each: &mut dyn FnMut(StateRow<'_>) -> Result<()>) -> Result<()> {
        self.fold()?;
        let sorted = self.runs.iter().map(|run| run.sorted()).collect::<Result<Vec<_>>>()?;
        let layers = sorted.iter().map(|sorted| sorted.cursor(self.groups));
        let removals = if self.complete { Removals::Drop } else { Removals::Keep };
        merge(layers.collect::<Result<_>>()?, removals, &mut |_| true, each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyGroup;
    use crate::snapshot::fixture::{OwnedRow, groups};
    use crate::snapshot::part::Section;

    fn key(key: u8) -> impl FnOnce(&mut Vec<u8>) {
        move |bytes: &mut Vec<u8>| bytes.push(key)
    }

    fn run(fill: impl FnOnce(&mut Run)) -> Arc<PendingRun> {
        let mut run = Run::default();
        fill(&mut run);
        PendingRun::new(run).unwrap()
    }

    fn shown(runs: &[Arc<PendingRun>]) -> Vec<OwnedRow> {
        let delta = Delta { runs: runs.to_vec(), groups: groups(0, 127), complete: false };
        let mut rows = Vec::new();
        let mut each = |row: StateRow<'_>| {
            rows.push(OwnedRow::from(row));
            Ok(())
        };
        delta.visit(&mut each).unwrap();
        rows
    }

    #[test]
    fn runs_of_many_failed_snapshots_take_no_more_memory_than_their_rows() {
        let group = KeyGroup(3);
        // As of an operator: runs of rows, and behind them runs of timers.
        let rows = |n: u8| {
            run(|run| {
                run.put(group, Section::State, key(n % 4), &n);
                run.put(group, Section::Entry, key(n % 4), &n);
            })
        };
        let timers = |n: u8| run(|run| run.remove(group, Section::EventTimer, key(n % 4)));
        let (mut of_rows, mut of_timers) = (Vec::new(), Vec::new());
        for n in 0..40 {
            of_rows.push(rows(n));
            of_timers.push(timers(n));
            let last = shown(&[&of_rows[..], &of_timers].concat());
            assert!(last.iter().all(|row| row.borrow().value().is_none_or(|value| value[0] + 4 > n)), "{n}");
        }
        let bytes: usize = of_rows.iter().chain(&of_timers).map(|run| run.bytes()).sum();
        let one = rows(0).bytes() + timers(0).bytes();
        assert!(bytes < one * (RUNS_MAX + 4), "{bytes} bytes, and {one} for one snapshot");
        of_rows.push(run(|run| run.remove_prefix(group, Section::Entry, |_| {})));
        of_rows.push(run(|run| run.remove(group, Section::State, key(1))));
        let expected = shown(&[&of_rows[..], &of_timers].concat());
        assert_eq!(expected.len(), 4 + 4 + 1);
        (0..20).for_each(|_| of_timers.push(timers(0)));
        assert_eq!(shown(&[&of_rows[..], &of_timers].concat()), expected, "what is removed stays removed");
    }

    #[test]
    fn what_goes_into_a_file_while_its_run_becomes_part_of_another_does_not_hide_that() {
        let directory = tempfile::tempdir().unwrap();
        let rows = |n: u8| run(|run| run.put(KeyGroup(3), Section::State, key(7), &n));
        let mut runs: Vec<_> = (0..=RUNS_MAX as u8).map(rows).collect();
        let late = Arc::clone(&runs[3]);
        let Sorted::Memory(was) = late.sorted().unwrap() else { panic!("it is in memory") };
        let expected = shown(&runs);
        late.store_sorted(&was, directory.path().join("run"), groups(0, 127)).unwrap();
        assert_eq!(shown(&runs), expected);
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
        // One that is in a file stays there, and keeps its place among the others.
        let in_file = rows(100);
        in_file.store(directory.path().join("run"), groups(0, 127)).unwrap();
        runs.push(in_file);
        runs.extend((101..=110).map(rows));
        for _ in 0..2 {
            assert_eq!(shown(&runs)[0].borrow().value(), Some(&[110][..]));
        }
    }

    #[test]
    fn a_row_that_can_not_be_encoded_is_refused_before_a_snapshot_is_written() {
        struct Refused;
        impl serde::Serialize for Refused {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("never"))
            }
        }
        let mut run = Run::default();
        run.put(KeyGroup(3), Section::State, key(7), &Refused);
        assert!(PendingRun::new(run).is_err());
    }
}
