//! Files of rows in a directory, which a reader sees once and whole, whatever their format.
//!
//! What enters: rows, as [`Rows`] write them. What leaves: [parts](super::parts), one per subtask and snapshot, that appear
//! under their visible name when the snapshot is complete. Always: a part is durable (written, synced, renamed, its
//! directory synced) before the snapshot that names it can be complete; a visible part never changes. Absent: rolling by size
//! or by time.

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::parts::{Part, PartFiles};
use super::{Pending, SettleContext, SinkContext, SinkWriter};
use crate::error::{Error, Result};
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;
use crate::testing::crash;

/// How much is gathered before it is written.
pub(super) const BUFFER: usize = 128 * 1024;

/// A directory that a sink has its files in.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// What visible files are called, without the dot.
    extension: &'static str,
    /// Held from the first settling on.
    lock: Mutex<Option<File>>,
}

/// The rows of a file, in a format, that have not been written yet.
pub trait Rows: Default + 'static {
    /// The next row is the first one of another file. Nothing has been left behind.
    fn begin(&mut self);

    /// How many bytes there are.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes all of them; afterwards there is none, however it went.
    ///
    /// # Errors
    /// If they can't be written.
    fn write_to(&mut self, file: &mut File) -> std::io::Result<()>;
}

/// Rows that a `T` can be one of.
pub trait RowsOf<T>: Rows {
    /// Adds a row.
    ///
    /// # Errors
    /// If the record has no such form.
    fn add(&mut self, record: &T) -> Result<()>;
}

impl Directory {
    pub fn new(path: PathBuf, extension: &'static str) -> Directory {
        Directory { path, extension, lock: Mutex::new(None) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses to show results twice. One that is not there yet shows none.
    pub fn check(&self, cx: &SettleContext<'_>) -> Result<()> {
        let files = PartFiles::new(&self.path, cx.sink, self.extension);
        if self.path.is_dir() { refuse_seen_results(&self.path, &files.list()?, cx) } else { Ok(()) }
    }

    pub fn settle(&self, cx: &SettleContext<'_>) -> Result<()> {
        let files = PartFiles::new(&self.path, cx.sink, self.extension);
        self.claim(&files)?;
        // Nothing is changed unless the job may begin: a forgotten `--restore` must not cost what can be restored.
        let parts = files.list()?;
        refuse_seen_results(&self.path, &parts, cx)?;
        for pending in cx.pending {
            commit(&files, pending)?;
        }
        for part in files.list()? {
            match part {
                Part::Open(..) | Part::Pending(..) | Part::OpenTable(_) => files.remove(part)?,
                Part::Committed(..) | Part::Table(_) => (),
            }
        }
        files.sync()
    }

    pub fn writer<R: Rows>(&self, cx: &SinkContext) -> PartWriter<R> {
        let files = PartFiles::new(&self.path, &cx.sink, self.extension);
        PartWriter { files, subtask: cx.subtask, parts: 0, open: None, rows: R::default() }
    }

    fn claim(&self, files: &PartFiles) -> Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if lock.is_none() {
            *lock = Some(files.claim()?);
        }
        Ok(())
    }
}

/// Refuses a directory in which a reader sees results that this run is going to show again.
pub(super) fn refuse_seen_results(dir: &Path, parts: &[Part], cx: &SettleContext<'_>) -> Result<()> {
    let seen = |part: &Part| match part {
        Part::Committed(snapshot, _) | Part::Table(snapshot) if Some(*snapshot) > cx.restored => {
            Some(*snapshot)
        }
        _ => None,
    };
    let Some(newest) = parts.iter().filter_map(seen).max() else { return Ok(()) };
    let is_table = parts.iter().any(|part| matches!(part, Part::Table(_)));
    let (dir, sink) = (dir.display(), cx.sink);
    let (message, hint) = match cx.restored {
        None => (
            format!("\"{dir}\" shows results of sink \"{sink}\" already, and this run starts afresh"),
            "restore the latest snapshot, move the results away, or choose an empty directory".to_string(),
        ),
        Some(restored) => (
            format!(
                "\"{dir}\" shows results of sink \"{sink}\" up to snapshot {newest}, and this run goes on from snapshot {restored}"
            ),
            match is_table {
                false => format!(
                    "restore the latest snapshot; or, if that can't be, move away the files of {sink} with a later number than \
                     {restored}: what is in them comes again"
                ),
                true => format!(
                    "restore the latest snapshot; or put the table as it was at snapshot {restored} into a directory of its own"
                ),
            },
        ),
    };
    Err(Error::failure(format!("{message}: a reader would see results twice")).hint(hint))
}

/// Makes a pre-committed part visible.
fn commit(files: &PartFiles, pending: &Pending) -> Result<()> {
    let name = &pending.transaction;
    let Some(committed @ Part::Committed(snapshot, subtask)) = files.part(name) else {
        return Err(Error::failure(format!(
            "the snapshot names a part \"{name}\", which is not this sink's"
        ))
        .hint("was the sink renamed? a snapshot can be restored only with the sinks it was taken with"));
    };
    let pending = Part::Pending(snapshot, subtask);
    let (is_committed, is_pending) = (files.path(committed).exists(), files.path(pending).exists());
    match (is_committed, is_pending) {
        (true, _) => Ok(()),
        (false, true) => {
            crash::point(crash::BEFORE_COMMIT);
            files.rename(pending, committed)?;
            crash::point(crash::DURING_COMMIT);
            files.sync()?;
            crash::point(crash::AFTER_COMMIT);
            Ok(())
        }
        (false, false) => Err(Error::failure(format!(
            "the results in \"{}\" are missing: snapshot {snapshot} has them, and the file is neither there nor pending",
            files.path(committed).display()
        ))
        .hint(
            "name the directory that the job wrote to before: only from a savepoint can it go on with another one; if the \
             file was moved away, put it back until the job has been restored",
        )),
    }
}

/// Writes the parts of one subtask.
#[derive(Debug)]
pub struct PartWriter<R> {
    files: PartFiles,
    subtask: SubtaskIndex,
    /// How many parts have been begun.
    parts: u64,
    /// The part that is being written, if there is more of it than the buffer.
    open: Option<(Part, File)>,
    /// Whole rows that have not been written.
    rows: R,
}

impl<R: Rows> PartWriter<R> {
    /// Writes the rows into the open part; begins one if there is none.
    fn write_out(&mut self) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let (part, file) = match &mut self.open {
            Some(open) => open,
            None => {
                let part = Part::Open(self.subtask, self.parts);
                let file =
                    File::create(self.files.path(part)).map_err(|error| self.unwritable(part, error))?;
                self.parts += 1;
                self.open.insert((part, file))
            }
        };
        let (part, written) = (*part, self.rows.write_to(file));
        written.map_err(|error| self.unwritable(part, error))
    }

    fn unwritable(&self, part: Part, error: std::io::Error) -> Error {
        let kind = error.kind();
        let failure =
            Error::failure(format!("can't write \"{}\"", self.files.path(part).display())).caused_by(error);
        match kind {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                failure.hint("make room, and restore the job from its latest snapshot")
            }
            _ => failure,
        }
    }
}

impl<T, R: RowsOf<T>> SinkWriter<T> for PartWriter<R> {
    fn write(&mut self, record: T) -> Result<()> {
        self.rows.add(&record)?;
        if self.rows.len() >= BUFFER { self.write_out() } else { Ok(()) }
    }

    /// Nobody sees the part before its commit: it is written when the buffer is full.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        self.write_out()?;
        let Some((part, file)) = self.open.take() else { return Ok(None) };
        self.rows.begin();
        file.sync_all().map_err(|error| self.unwritable(part, error))?;
        self.files.rename(part, Part::Pending(snapshot, self.subtask))?;
        self.files.sync()?;
        Ok(Some(Pending { transaction: self.files.name(Part::Committed(snapshot, self.subtask)) }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        commit(&self.files, pending)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::json_lines::{JsonLines, JsonRows};
    use super::super::{Settle, Sink};
    use super::*;

    struct Run {
        dir: tempfile::TempDir,
        sink: JsonLines,
    }

    impl Run {
        fn new() -> Run {
            let dir = tempfile::tempdir().unwrap();
            let sink = JsonLines::write(dir.path().join("out"));
            Run { dir, sink }
        }

        /// The same directory, another process.
        fn crash(self) -> Run {
            let sink = JsonLines::write(self.out());
            Run { dir: self.dir, sink }
        }

        fn out(&self) -> PathBuf {
            self.dir.path().join("out")
        }

        fn settle(&self, restored: Option<u64>, pending: &[Pending]) -> Result<()> {
            let restored = restored.map(SnapshotId);
            self.sink.settle(&SettleContext { job: "job", sink: "visits", restored, pending })
        }

        fn open(&self, subtask: u32) -> PartWriter<JsonRows> {
            let (job, sink, subtask) = ("job".to_string(), "visits".to_string(), SubtaskIndex(subtask));
            Sink::<u64>::open(&self.sink, &SinkContext { job, sink, subtask, restored: None }).unwrap()
        }

        /// What is in the directory, but for the lock.
        fn files(&self) -> Vec<String> {
            let entries = fs::read_dir(self.out()).unwrap();
            let mut names: Vec<_> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.retain(|name| name != ".visits.lock");
            names.sort();
            names
        }

        fn content(&self, name: &str) -> String {
            fs::read_to_string(self.out().join(name)).unwrap()
        }
    }

    fn write(writer: &mut PartWriter<JsonRows>, records: std::ops::Range<u64>) {
        records.for_each(|record| writer.write(record).unwrap());
        SinkWriter::<u64>::flush(writer).unwrap();
    }

    fn pre_commit(writer: &mut PartWriter<JsonRows>, snapshot: u64) -> Option<Pending> {
        SinkWriter::<u64>::pre_commit(writer, SnapshotId(snapshot)).unwrap()
    }

    fn commit(writer: &mut PartWriter<JsonRows>, pending: &Pending) -> Result<()> {
        SinkWriter::<u64>::commit(writer, pending)
    }

    #[test]
    fn a_part_is_hidden_until_it_is_committed() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(1);
        write(&mut writer, 1..4);
        let pending = pre_commit(&mut writer, 7).unwrap();
        assert_eq!(run.files(), [".visits-s0000000007-1.pending"]);
        assert_eq!(pre_commit(&mut writer, 8), None, "nothing was written");
        for _ in 0..2 {
            commit(&mut writer, &pending).unwrap();
            assert_eq!(run.files(), ["visits-s0000000007-1.jsonl"]);
        }
        assert_eq!(run.content("visits-s0000000007-1.jsonl"), "1\n2\n3\n");
        write(&mut writer, 4..5);
        let pending = pre_commit(&mut writer, 9).unwrap();
        commit(&mut writer, &pending).unwrap();
        assert_eq!(run.content("visits-s0000000009-1.jsonl"), "4\n");
    }

    #[test]
    fn a_part_that_is_larger_than_the_buffer_is_whole() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, 0..100_000);
        assert_eq!(run.files(), [".visits-0-0.open"]);
        let pending = pre_commit(&mut writer, 1).unwrap();
        commit(&mut writer, &pending).unwrap();
        let lines: Vec<u64> =
            run.content("visits-s0000000001-0.jsonl").lines().map(|line| line.parse().unwrap()).collect();
        assert!(lines.into_iter().eq(0..100_000));
    }

    #[test]
    fn a_restore_commits_what_its_snapshot_has_pending_and_rolls_back_the_rest() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let (mut first, mut second) = (run.open(0), run.open(1));
        write(&mut first, 0..1);
        write(&mut second, 1..2);
        let committed = pre_commit(&mut first, 1).unwrap();
        commit(&mut first, &committed).unwrap();
        let pending = pre_commit(&mut second, 1).unwrap();
        write(&mut first, 2..3);
        pre_commit(&mut first, 2).unwrap();
        write(&mut second, 0..100_000);
        fs::write(run.out().join(".other-0-0.open"), "").unwrap();
        fs::write(run.out().join("notes.txt"), "").unwrap();
        let before = run.files();
        assert_eq!(before.len(), 6, "{before:?}");
        drop((first, second));

        let run = run.crash();
        for _ in 0..2 {
            run.settle(Some(1), &[committed.clone(), pending.clone()]).unwrap();
            let after =
                [".other-0-0.open", "notes.txt", "visits-s0000000001-0.jsonl", "visits-s0000000001-1.jsonl"];
            assert_eq!(run.files(), after);
        }
        assert_eq!(run.content("visits-s0000000001-1.jsonl"), "1\n");
    }

    #[test]
    fn a_run_that_would_show_results_twice_is_refused_and_changes_nothing() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        for snapshot in 1..4 {
            write(&mut writer, 0..1);
            let pending = pre_commit(&mut writer, snapshot).unwrap();
            commit(&mut writer, &pending).unwrap();
        }
        write(&mut writer, 1..2);
        pre_commit(&mut writer, 4).unwrap();
        let before = run.files();
        let run = run.crash();
        let afresh = run.settle(None, &[]).unwrap_err();
        assert!(afresh.to_string().contains("out\" shows results of sink \"visits\" already"), "{afresh}");
        assert!(afresh.to_string().contains("a reader would see results twice"), "{afresh}");
        let older = run.settle(Some(2), &[]).unwrap_err();
        assert!(
            older.to_string().contains("up to snapshot 3, and this run goes on from snapshot 2"),
            "{older}"
        );
        assert_eq!(run.files(), before);
        run.settle(Some(3), &[]).unwrap();
        // As the hint says, if the third snapshot is lost.
        let run = run.crash();
        assert!(format!("{older:#}").contains("a later number than 2"), "{older:#}");
        fs::remove_file(run.out().join("visits-s0000000003-0.jsonl")).unwrap();
        run.settle(Some(2), &[]).unwrap();
    }

    #[test]
    fn a_committed_part_that_is_gone_is_named() {
        let run = Run::new();
        let pending = Pending { transaction: "visits-s0000000002-0.jsonl".to_string() };
        let error = run.settle(Some(2), std::slice::from_ref(&pending)).unwrap_err();
        assert!(
            error.to_string().contains("visits-s0000000002-0.jsonl\" are missing: snapshot 2"),
            "{error}"
        );
        let pending = Pending { transaction: "../visits-s0000000002-0.jsonl".to_string() };
        let error = run.settle(Some(2), std::slice::from_ref(&pending)).unwrap_err();
        assert!(error.to_string().contains("which is not this sink's"), "{error}");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        // Linux has a device that is always full.
        std::os::unix::fs::symlink("/dev/full", run.out().join(".visits-0-0.open")).unwrap();
        let mut writer = run.open(0);
        writer.write(1u64).unwrap();
        let error = SinkWriter::<u64>::pre_commit(&mut writer, SnapshotId(1)).unwrap_err();
        assert!(error.to_string().contains(".visits-0-0.open\": No space left on device"), "{error}");
        assert!(format!("{error:#}").contains("make room"), "{error:#}");
    }
}
