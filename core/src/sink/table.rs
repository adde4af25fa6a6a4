//! A table in a file, kept up to date by a stream of changes.
//!
//! What enters: [`Change`]s of rows, which have keys. What leaves: one file with the row of every key, as it was at a snapshot; the
//! next one replaces it. A subtask gathers the last change of every key, and pre-commits them as a part that no reader sees. When all
//! parts of a snapshot are to be committed, they are merged with the table that there is, and the new one appears by a rename.
//!
//! Always: a table has all parts up to its snapshot and nothing of later ones; a part is removed only when a table that has it is
//! durable. So what is found after a crash decides by its name: parts of a snapshot that the table has reached are in it. Absent: tables
//! too large to be written anew with every snapshot that changes something; for those, write the changes as
//! [`JsonLines`](super::JsonLines).
//!
//! | file | what it is | who sees it |
//! |---|---|---|
//! | `.{sink}-{subtask}-{snapshot}.open`, `.{sink}-s{snapshot}.open` | a part, or a table, that is being written | nobody |
//! | `.{sink}-s{snapshot}-{subtask}.pending` | a part: what has changed, one line per key, in the order of keys | nobody |
//! | `{sink}-s{snapshot}.jsonl` | the table, one line per key, in the order of keys | every reader |
//!
//! A line is `{"key":K,"row":R}`; of a part also `{"key":K}`, a key that has no row any more. The order is that of the
//! keys' JSON, byte by byte.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::directory::refuse_seen_results;
use super::parts::{Part, PartFiles};
use super::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};
use crate::changelog::Change;
use crate::error::{Error, Result};
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;
use crate::testing::crash;

/// A sink that applies changes to a table in a file: the row of every key, as it is now, exactly once.
///
/// A reader takes the newest `{sink}-s{snapshot}.jsonl` of the directory, by its name: a line of JSON per key,
/// `{"key":"tide","row":..}`, sorted by the key's JSON. It is the whole table as it was at that snapshot, in all subtasks alike, and
/// never changes; when another snapshot is complete by which the table has changed, a newer file takes its place. (If the file was removed
/// between the look into the directory and the opening, there is a newer one.)
///
/// The last change of a key decides, as in [`latest`](crate::job::KeyedStream::latest): `Insert` and `UpdateAfter` put the row,
/// `Delete` takes it away, `UpdateBefore` need not come. So the changes of a key must be in order, which they are behind an operator
/// that is keyed by the same. Two subtasks that change one key fail the job. Flink has upsert sinks for this, into a
/// database or a compacted topic; there the reader sees changes one by one.
///
/// In another directory a table begins empty, also if the job goes on from a savepoint: copy the newest file there first. (The
/// log warns where that may have been forgotten.)
///
/// The changes between two snapshots are in memory, one per key, and the table is written anew with every snapshot that has changed
/// it: it is for tables of up to some hundred megabytes.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// # fn main() -> Result<()> {
/// # let dir = tempfile::tempdir()?;
/// # let out = dir.path();
/// let changes = vec![
///     Change::Insert(("tide".to_string(), 1)),
///     Change::Insert(("gate".to_string(), 1)),
///     Change::UpdateAfter(("tide".to_string(), 2)),
///     Change::Delete(("gate".to_string(), 1)),
/// ];
/// TestJob::new("words", |job| {
///     job.source("changes", Memory::of(changes)).sink("words", Table::write(out, |(word, _): &(String, u32)| word.clone()));
///     Ok(())
/// })?
/// .run()?;
/// # let newest = std::fs::read_dir(out)?.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
/// let table = std::fs::read_to_string(newest.max().unwrap())?;
/// assert_eq!(table, "{\"key\":\"tide\",\"row\":[\"tide\",2]}\n");
/// # Ok(())
/// # }
/// ```
pub struct Table<T, K, F> {
    dir: PathBuf,
    key: Arc<F>,
    publisher: Arc<Mutex<Publisher>>,
    rows: PhantomData<fn(&T) -> K>,
}

/// What the writers of all subtasks have in common.
#[derive(Debug, Default)]
struct Publisher {
    /// Held from the first settling on.
    lock: Option<File>,
    /// Whether the parts that no table has are to be committed.
    parts: BTreeMap<(SnapshotId, SubtaskIndex), bool>,
}

impl<T, K: Serialize, F: Fn(&T) -> K> Table<T, K, F> {
    /// Keeps the table in the directory `dir`, which is created if it is not there. Rows have the key that `key` gives.
    pub fn write(dir: impl Into<PathBuf>, key: F) -> Table<T, K, F> {
        Table { dir: dir.into(), key: Arc::new(key), publisher: Arc::default(), rows: PhantomData }
    }
}

impl<T, K, F> Table<T, K, F> {
    fn files(&self, sink: &str) -> PartFiles {
        PartFiles::new(&self.dir, sink, "jsonl")
    }
}

impl<T, K, F: Send + Sync> Settle for Table<T, K, F> {
    fn describe(&self) -> String {
        format!("a table in {}", self.dir.display())
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn check(&self, cx: &SettleContext<'_>) -> Result<()> {
        if !self.dir.is_dir() {
            return Ok(());
        }
        refuse_seen_results(&self.dir, &self.files(cx.sink).list()?, cx)
    }

    fn settle(&self, cx: &SettleContext<'_>) -> Result<()> {
        let files = self.files(cx.sink);
        let mut publisher = locked(&self.publisher);
        if publisher.lock.is_none() {
            publisher.lock = Some(files.claim()?);
        }
        publisher.parts.clear();
        // Nothing is changed unless the job may begin: a forgotten `--restore` must not cost what can be restored.
        let found = files.list()?;
        refuse_seen_results(&self.dir, &found, cx)?;
        let reached = newest_table(&found);
        if let Some(restored) = may_lack_rows(cx, reached) {
            tracing::warn!(
                "the table of sink {:?} begins empty in {}: if it had rows at snapshot {restored}, stop, copy its newest file \
                 there, and start again",
                cx.sink,
                self.dir.display()
            );
        }
        let named = cx.pending.iter().map(|pending| part(&files, pending)).collect::<Result<Vec<_>>>()?;
        let unpublished = named.into_iter().filter(|(snapshot, _)| Some(*snapshot) > reached);
        publish(&files, unpublished.collect())?;
        let found = files.list()?;
        let newest = newest_table(&found);
        for part in found {
            match part {
                Part::Committed(..) => {}
                Part::Table(snapshot) if Some(snapshot) == newest => {}
                Part::Open(..) | Part::Pending(..) | Part::OpenTable(_) | Part::Table(_) => {
                    files.remove(part)?
                }
            }
        }
        files.sync()
    }
}

impl<T, K, F> Sink<Change<T>> for Table<T, K, F>
where
    T: Serialize + 'static,
    K: Serialize + 'static,
    F: Fn(&T) -> K + Send + Sync + 'static,
{
    type Writer = TableWriter<F>;

    fn open(&self, cx: &SinkContext) -> Result<TableWriter<F>> {
        Ok(TableWriter {
            files: self.files(&cx.sink),
            subtask: cx.subtask,
            key: Arc::clone(&self.key),
            changes: BTreeMap::new(),
            publisher: Arc::clone(&self.publisher),
        })
    }
}

/// Rows by their keys, both as JSON; no row if there is none any more.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A line of a table or part.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    key: &'a RawValue,
    #[serde(borrow, default, deserialize_with = "some")]
    row: Option<&'a RawValue>,
}

/// A row that is `null` is one.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<&'de RawValue>, D::Error> {
    Deserialize::deserialize(deserializer).map(Some)
}

/// Gathers the changes of one subtask.
pub struct TableWriter<F> {
    files: PartFiles,
    subtask: SubtaskIndex,
    key: Arc<F>,
    /// What has changed since the last snapshot.
    changes: Changes,
    publisher: Arc<Mutex<Publisher>>,
}

impl<T, K, F> SinkWriter<Change<T>> for TableWriter<F>
where
    T: Serialize,
    K: Serialize,
    F: Fn(&T) -> K + 'static,
{
    fn write(&mut self, change: Change<T>) -> Result<()> {
        let (row, stays) = match &change {
            Change::UpdateBefore(_) => return Ok(()),
            Change::Insert(row) | Change::UpdateAfter(row) => (row, true),
            Change::Delete(row) => (row, false),
        };
        let key = json(&(self.key)(row))?;
        let row = if stays { Some(json(row)?) } else { None };
        self.changes.insert(key, row);
        Ok(())
    }

    /// Nobody sees the changes before their commit, and another one of the same key may come.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let (open, pending) = (Part::Open(self.subtask, snapshot.0), Part::Pending(snapshot, self.subtask));
        let mut file = LineFile::create(&self.files, open)?;
        for (key, row) in &self.changes {
            file.write(key, row.as_deref())?;
        }
        file.finish(pending)?;
        self.files.sync()?;
        self.changes.clear();
        locked(&self.publisher).parts.insert((snapshot, self.subtask), false);
        Ok(Some(Pending { transaction: self.files.name(pending) }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        let part = part(&self.files, pending)?;
        let mut publisher = locked(&self.publisher);
        // One that is not there is in the table.
        let Some(is_committed) = publisher.parts.get_mut(&part) else { return Ok(()) };
        *is_committed = true;
        // Every subtask pre-commits before any commits: none can be missing.
        let up_to = (part.0, SubtaskIndex(u32::MAX));
        if publisher.parts.range(..=up_to).any(|(_, is_committed)| !is_committed) {
            return Ok(());
        }
        let later = publisher.parts.split_off(&up_to);
        let due = std::mem::replace(&mut publisher.parts, later);
        publish(&self.files, due.into_keys().collect())
    }
}

/// Merges parts with the table that there is, puts the new one into its place, and removes what it has.
fn publish(files: &PartFiles, mut parts: Vec<(SnapshotId, SubtaskIndex)>) -> Result<()> {
    parts.sort_unstable();
    let Some((snapshot, _)) = parts.last().copied() else { return Ok(()) };
    let mut changes = read_parts(files, &parts)?.into_iter().peekable();
    let before = newest_table(&files.list()?).map(Part::Table);
    let mut table = LineFile::create(files, Part::OpenTable(snapshot))?;
    if let Some(before) = before {
        let mut lines = Lines::open(files, before)?;
        while let Some(Line { key, row }) = lines.next()? {
            let key = key.get().as_bytes();
            while let Some((changed, row)) = changes.next_if(|(changed, _)| &**changed < key) {
                table.write_row(&changed, row.as_deref())?;
            }
            match changes.next_if(|(changed, _)| changed == key) {
                Some((_, row)) => table.write_row(key, row.as_deref())?,
                None => table.write_row(key, row.map(|row| row.get().as_bytes()))?,
            }
        }
    }
    for (key, row) in changes {
        table.write_row(&key, row.as_deref())?;
    }
    crash::point(crash::BEFORE_COMMIT);
    table.finish(Part::Table(snapshot))?;
    crash::point(crash::DURING_COMMIT);
    files.sync()?;
    crash::point(crash::AFTER_COMMIT);
    parts.into_iter().try_for_each(|(snapshot, subtask)| files.remove(Part::Pending(snapshot, subtask)))?;
    before.filter(|before| *before != Part::Table(snapshot)).map_or(Ok(()), |before| files.remove(before))
}

/// What parts have changed, in the order of snapshots.
fn read_parts(files: &PartFiles, parts: &[(SnapshotId, SubtaskIndex)]) -> Result<Changes> {
    let mut changed = BTreeMap::new();
    for &(snapshot, subtask) in parts {
        let part = Part::Pending(snapshot, subtask);
        if !files.path(part).exists() {
            let path = files.path(part);
            return Err(Error::failure(format!("the changes in \"{}\" are missing", path.display()))
                .hint(format!("snapshot {snapshot} has them: if the file was moved away, put it back")));
        }
        let mut lines = Lines::open(files, part)?;
        while let Some(Line { key, row }) = lines.next()? {
            let row = row.map(|row| row.get().as_bytes().to_vec());
            let before = changed.insert(key.get().as_bytes().to_vec(), ((snapshot, subtask), row));
            if let Some(((at, by), _)) = before
                && at == snapshot
                && by != subtask
            {
                return Err(Error::failure(format!(
                    "two subtasks have changed the row of key {} of the table in \"{}\", and nothing says which was last",
                    key.get(),
                    files.path(part).parent().unwrap_or(&files.path(part)).display()
                ))
                .hint("let the changes come from an operator that is keyed by the table's key"));
            }
        }
    }
    Ok(changed.into_iter().map(|(key, (_, row))| (key, row)).collect())
}

fn newest_table(parts: &[Part]) -> Option<SnapshotId> {
    let table = |part: &Part| match part {
        Part::Table(snapshot) => Some(*snapshot),
        _ => None,
    };
    parts.iter().filter_map(table).max()
}

/// The snapshot that the job goes on from, if there is neither a table of it nor any part of one: either nothing had changed
/// until then, or the table is in another directory.
fn may_lack_rows(cx: &SettleContext<'_>, reached: Option<SnapshotId>) -> Option<SnapshotId> {
    cx.restored.filter(|_| reached.is_none() && cx.pending.is_empty())
}

/// The part that a transaction is.
fn part(files: &PartFiles, pending: &Pending) -> Result<(SnapshotId, SubtaskIndex)> {
    let name = &pending.transaction;
    match files.part(name) {
        Some(Part::Pending(snapshot, subtask)) => Ok((snapshot, subtask)),
        _ => Err(Error::failure(format!("the snapshot names a part \"{name}\", which is not this table's"))
            .hint("was the sink renamed? a snapshot can be restored only with the sinks it was taken with")),
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        let name = std::any::type_name::<T>();
        Error::failure(format!("a value of type `{name}` can't be written as JSON")).caused_by(error)
    })
}

/// What is under the lock is as good as what is on disk: whoever panicked is settled after.
fn locked(publisher: &Mutex<Publisher>) -> MutexGuard<'_, Publisher> {
    publisher.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of lines that is being written.
struct LineFile<'a> {
    files: &'a PartFiles,
    part: Part,
    file: BufWriter<File>,
}

impl<'a> LineFile<'a> {
    fn create(files: &'a PartFiles, part: Part) -> Result<LineFile<'a>> {
        let created = File::create(files.path(part));
        let file = created.map(BufWriter::new).map_err(|error| unusable("write", files, part, error))?;
        Ok(LineFile { files, part, file })
    }

    /// Writes the line of a key.
    fn write(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<()> {
        let mut pieces: Vec<&[u8]> = vec![b"{\"key\":", key];
        if let Some(row) = row {
            pieces.extend([b",\"row\":", row]);
        }
        pieces.push(b"}\n");
        let written = pieces.into_iter().try_for_each(|piece| self.file.write_all(piece));
        written.map_err(|error| unusable("write", self.files, self.part, error))
    }

    /// Writes the line of a key that has a row.
    fn write_row(&mut self, key: &[u8], row: Option<&[u8]>) -> Result<()> {
        if row.is_some() { self.write(key, row) } else { Ok(()) }
    }

    /// Makes it durable, under another name. Whoever calls syncs the directory.
    fn finish(mut self, part: Part) -> Result<()> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(|error| unusable("write", self.files, self.part, error))?;
        self.files.rename(self.part, part)
    }
}

/// The lines of a file, one after another.
struct Lines<'a> {
    files: &'a PartFiles,
    part: Part,
    file: BufReader<File>,
    line: String,
}

impl<'a> Lines<'a> {
    fn open(files: &'a PartFiles, part: Part) -> Result<Lines<'a>> {
        let opened = File::open(files.path(part));
        let file = opened.map(BufReader::new).map_err(|error| unusable("read", files, part, error))?;
        Ok(Lines { files, part, file, line: String::new() })
    }

    fn next(&mut self) -> Result<Option<Line<'_>>> {
        let unreadable = |error| unusable("read", self.files, self.part, error);
        self.line.clear();
        if self.file.read_line(&mut self.line).map_err(unreadable)? == 0 {
            return Ok(None);
        }
        let line = serde_json::from_str(&self.line).map_err(|error| unreadable(error.into()))?;
        Ok(Some(line))
    }
}

fn unusable(what: &str, files: &PartFiles, part: Part, error: std::io::Error) -> Error {
    Error::failure(format!("can't {what} \"{}\"", files.path(part).display())).caused_by(error)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use Change::{Delete, Insert, UpdateAfter, UpdateBefore};

    use super::*;

    type Row = (&'static str, u32);
    type Words = Table<Row, &'static str, fn(&Row) -> &'static str>;
    type Writer = TableWriter<fn(&Row) -> &'static str>;

    struct Run {
        dir: tempfile::TempDir,
        table: Words,
    }

    fn word(row: &Row) -> &'static str {
        row.0
    }

    impl Run {
        fn new() -> Run {
            Run::within(tempfile::tempdir().unwrap())
        }

        fn within(dir: tempfile::TempDir) -> Run {
            let table = Table::write(dir.path(), word as fn(&Row) -> &'static str);
            Run { dir, table }
        }

        /// The same directory, another process.
        fn crash(self) -> Run {
            let Run { dir, table } = self;
            drop(table);
            Run::within(dir)
        }

        fn settle(&self, restored: Option<u64>, pending: &[Pending]) -> Result<()> {
            let restored = restored.map(SnapshotId);
            self.table.settle(&SettleContext { job: "job", sink: "words", restored, pending })
        }

        fn open(&self, subtask: u32) -> Writer {
            let (job, sink, subtask) = ("job".to_string(), "words".to_string(), SubtaskIndex(subtask));
            Sink::<Change<Row>>::open(&self.table, &SinkContext { job, sink, subtask, restored: None })
                .unwrap()
        }

        fn files(&self) -> Vec<String> {
            let names = fs::read_dir(self.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
            names.retain(|name| name != ".words.lock");
            names.sort();
            names
        }

        /// The visible table: its snapshot's number, and its rows.
        fn table(&self) -> (u64, Vec<(String, u64)>) {
            let visible: Vec<_> = self.files().into_iter().filter(|name| !name.starts_with('.')).collect();
            let [name] = &visible[..] else { panic!("{visible:?}") };
            let number = name.trim_start_matches("words-s").trim_end_matches(".jsonl").parse().unwrap();
            let text = fs::read_to_string(self.dir.path().join(name)).unwrap();
            let row = |line: &str| {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(line["key"], line["row"][0]);
                (line["key"].as_str().unwrap().to_string(), line["row"][1].as_u64().unwrap())
            };
            (number, text.lines().map(row).collect())
        }
    }

    fn rows<const N: usize>(rows: [(&str, u64); N]) -> Vec<(String, u64)> {
        rows.map(|(word, count)| (word.to_string(), count)).to_vec()
    }

    fn write<const N: usize>(writer: &mut Writer, changes: [Change<Row>; N]) {
        changes.into_iter().for_each(|change| writer.write(change).unwrap());
    }

    fn pre_commit(writer: &mut Writer, snapshot: u64) -> Pending {
        let pending = SinkWriter::<Change<Row>>::pre_commit(writer, SnapshotId(snapshot)).unwrap();
        pending.expect("something was written")
    }

    fn commit(writer: &mut Writer, pending: &Pending) {
        SinkWriter::<Change<Row>>::commit(writer, pending).unwrap();
    }

    #[test]
    fn a_table_has_the_last_change_of_every_key_up_to_its_snapshot() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, [Insert(("tide", 1)), Insert(("gate", 1)), UpdateBefore(("tide", 1))]);
        write(&mut writer, [UpdateAfter(("tide", 2)), Insert(("sea", 9)), Delete(("sea", 9))]);
        let first = pre_commit(&mut writer, 1);
        write(&mut writer, [Delete(("gate", 1)), Insert(("lock", 5)), Insert(("zero", 0))]);
        commit(&mut writer, &first);
        assert_eq!(run.table(), (1, rows([("gate", 1), ("tide", 2)])));
        let third = pre_commit(&mut writer, 3);
        commit(&mut writer, &third);
        assert_eq!(run.table(), (3, rows([("lock", 5), ("tide", 2), ("zero", 0)])));
        commit(&mut writer, &third);
        assert_eq!(run.files(), ["words-s0000000003.jsonl"]);
        assert!(SinkWriter::<Change<Row>>::pre_commit(&mut writer, SnapshotId(4)).unwrap().is_none());
    }

    #[test]
    fn a_table_is_of_one_snapshot_in_all_subtasks() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let (mut one, mut two) = (run.open(0), run.open(1));
        write(&mut one, [Insert(("a", 1))]);
        write(&mut two, [Insert(("b", 1))]);
        let (a1, b1) = (pre_commit(&mut one, 1), pre_commit(&mut two, 1));
        // Snapshot 1 is given up, and what it has comes with the next one.
        write(&mut one, [UpdateAfter(("a", 2))]);
        write(&mut two, [UpdateAfter(("b", 2))]);
        let (a2, b2) = (pre_commit(&mut one, 2), pre_commit(&mut two, 2));
        commit(&mut one, &a1);
        commit(&mut one, &a2);
        assert!(run.files().iter().all(|name| name.starts_with('.')), "{:?}", run.files());
        commit(&mut two, &b1);
        assert_eq!(run.table(), (1, rows([("a", 1), ("b", 1)])));
        commit(&mut two, &b2);
        assert_eq!(run.table(), (2, rows([("a", 2), ("b", 2)])));
    }

    #[test]
    fn what_a_snapshot_has_pending_is_in_the_table_that_it_goes_on_with_and_nothing_else() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, [Insert(("a", 1))]);
        let first = pre_commit(&mut writer, 1);
        write(&mut writer, [UpdateAfter(("a", 2))]);
        let second = pre_commit(&mut writer, 2);
        write(&mut writer, [UpdateAfter(("a", 3))]);
        pre_commit(&mut writer, 3);
        drop(writer);
        fs::write(run.dir.path().join(".words-s0000000002.open"), "half a tab").unwrap();
        let run = run.crash();
        run.settle(Some(2), &[first, second]).unwrap();
        assert_eq!(run.table(), (2, rows([("a", 2)])));
        assert_eq!(run.files(), ["words-s0000000002.jsonl"]);
    }

    /// A process died when the new table was there and some of its parts were removed: the older part of two was left. Whoever
    /// would take it for one that is still to come would put the older row over the newer one.
    #[test]
    fn a_part_that_the_table_has_is_not_merged_again() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, [Insert(("a", 1))]);
        let first = pre_commit(&mut writer, 1);
        let left = run.dir.path().join(".words-s0000000001-0.pending");
        let kept = fs::read(&left).unwrap();
        write(&mut writer, [UpdateAfter(("a", 2))]);
        let second = pre_commit(&mut writer, 2);
        commit(&mut writer, &first);
        commit(&mut writer, &second);
        drop(writer);
        fs::write(&left, kept).unwrap();
        let run = run.crash();
        run.settle(Some(2), &[first, second]).unwrap();
        assert_eq!(run.table(), (2, rows([("a", 2)])));
        assert_eq!(run.files(), ["words-s0000000002.jsonl"]);
    }

    #[test]
    fn a_run_that_would_go_back_behind_the_table_is_refused_and_changes_nothing() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, [Insert(("a", 1))]);
        let pending = pre_commit(&mut writer, 2);
        commit(&mut writer, &pending);
        drop(writer);
        let run = run.crash();
        for restored in [None, Some(1)] {
            let error = run.settle(restored, &[]).unwrap_err().to_string();
            assert!(error.contains("results of sink \"words\""), "{error}");
        }
        assert_eq!(run.table(), (2, rows([("a", 1)])));
        run.settle(Some(7), &[]).unwrap();
        assert_eq!(run.table(), (2, rows([("a", 1)])));
    }

    #[test]
    fn a_table_that_may_have_been_left_in_another_directory_is_noticed() {
        let pending = [Pending { transaction: ".words-s0000000003-0.pending".to_string() }];
        for (restored, pending, reached, noticed) in [
            (Some(3), &[][..], None, true),
            (None, &[], None, false),
            (Some(3), &[], Some(2), false),
            (Some(3), &pending, None, false),
        ] {
            let cx = SettleContext { job: "job", sink: "words", restored: restored.map(SnapshotId), pending };
            assert_eq!(
                may_lack_rows(&cx, reached.map(SnapshotId)).is_some(),
                noticed,
                "{restored:?} {reached:?}"
            );
        }
    }

    #[test]
    fn a_part_that_is_gone_is_missed() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let mut writer = run.open(0);
        write(&mut writer, [Insert(("a", 1))]);
        let pending = pre_commit(&mut writer, 1);
        drop(writer);
        fs::remove_file(run.dir.path().join(&pending.transaction)).unwrap();
        let error = run.crash().settle(Some(1), &[pending]).unwrap_err().to_string();
        assert!(error.contains(".words-s0000000001-0.pending\" are missing"), "{error}");
    }

    #[test]
    fn a_key_that_two_subtasks_change_is_refused() {
        let run = Run::new();
        run.settle(None, &[]).unwrap();
        let (mut one, mut two) = (run.open(0), run.open(1));
        write(&mut one, [Insert(("a", 1))]);
        write(&mut two, [Insert(("a", 2))]);
        let (of_one, of_two) = (pre_commit(&mut one, 1), pre_commit(&mut two, 1));
        commit(&mut one, &of_one);
        let error = SinkWriter::<Change<Row>>::commit(&mut two, &of_two).unwrap_err().to_string();
        assert!(error.starts_with("two subtasks have changed the row of key \"a\""), "{error}");
    }

    #[test]
    fn a_row_that_is_null_is_a_row() {
        let dir = tempfile::tempdir().unwrap();
        let files = PartFiles::new(dir.path(), "t", "jsonl");
        let mut file = LineFile::create(&files, Part::OpenTable(SnapshotId(1))).unwrap();
        file.write(b"1", Some(b"null")).unwrap();
        file.write(b"2", None).unwrap();
        file.finish(Part::Table(SnapshotId(1))).unwrap();
        let mut lines = Lines::open(&files, Part::Table(SnapshotId(1))).unwrap();
        assert_eq!(lines.next().unwrap().unwrap().row.unwrap().get(), "null");
        assert!(lines.next().unwrap().unwrap().row.is_none());
        assert!(lines.next().unwrap().is_none());
    }
}
