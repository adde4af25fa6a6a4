//! Savepoints: complete snapshots made into directories that stand on their own and belong to the user.
//!
//! Enters: a complete snapshot of the running job, whose results are committed everywhere, and where its savepoint is to be.
//! Leaves: a directory that `--restore` takes, wherever it is moved, written by a thread of its own while the job goes on.
//! Always: the savepoint appears whole or not at all; it names no pending results, so that a job can go on from it without the
//! files of the one before; and the files of a snapshot stay as long as one is being made of it, also when the snapshot itself
//! goes. How the files become one whole is the snapshot's matter.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::files::portable_name;
use crate::record::SnapshotId;
use crate::sink;
use crate::snapshot::pool::Hold;
use crate::snapshot::{Manifest, SnapshotDirectory, write_savepoint};

/// The savepoints of a run: those that are being written, and where they go.
pub(crate) struct Savepoints {
    job: String,
    /// Where those go to which the user gives no path of their own.
    directory: PathBuf,
    writing: RefCell<Vec<Writing>>,
    write: fn(Content, &Path) -> Result<()>,
}

struct Writing {
    savepoint: Savepoint,
    thread: JoinHandle<Result<()>>,
}

/// A savepoint: written, or to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Savepoint {
    /// The snapshot that it was made of.
    pub snapshot: SnapshotId,
    /// Its directory.
    pub path: PathBuf,
}

impl Savepoints {
    /// The savepoints of `job` in `directory`, which is created with the first.
    pub fn new(job: &str, directory: PathBuf) -> Savepoints {
        Savepoints { job: job.to_string(), directory, writing: RefCell::default(), write: write_content }
    }

    /// Begins to write a savepoint of a snapshot that is committed everywhere. How it ended is told by [`ended`](Savepoints::ended).
    ///
    /// # Errors
    /// If the snapshot's manifest can't be read, or there is no thread for it.
    pub fn begin(&self, snapshots: &SnapshotDirectory, snapshot: SnapshotId) -> Result<()> {
        let content = Content::of(snapshots, snapshot)?;
        let savepoint = Savepoint { snapshot, path: self.unused_path(snapshot) };
        let (to, write) = (savepoint.path.clone(), self.write);
        tracing::info!(snapshot = snapshot.0, path = %to.display(), "savepoint begins");
        let thread = crate::task::thread::spawn("savepoint", move || write(content, &to))?;
        self.writing.borrow_mut().push(Writing { savepoint, thread });
        Ok(())
    }

    /// Where the first of those that are being written will be.
    pub fn path_of_first(&self) -> Option<PathBuf> {
        self.writing.borrow().first().map(|writing| writing.savepoint.path.clone())
    }

    /// Those that have been written or given up since this was last called.
    pub fn ended(&self) -> Vec<(Savepoint, Result<()>)> {
        self.take(|writing| writing.thread.is_finished())
    }

    /// Waits for all that are being written.
    pub fn wait(&self) -> Vec<(Savepoint, Result<()>)> {
        self.take(|_| true)
    }

    fn take(&self, which: impl Fn(&Writing) -> bool) -> Vec<(Savepoint, Result<()>)> {
        let ended = self.writing.borrow_mut().extract_if(.., |writing| which(writing)).collect::<Vec<_>>();
        let result = |Writing { savepoint, thread }| {
            let panicked = |_| Err(Error::failure("it panicked; this is a defect of Tidegate"));
            (savepoint, thread.join().unwrap_or_else(panicked))
        };
        ended.into_iter().map(result).collect()
    }

    /// `savepoint-web-visits-0000000041`, or with another number behind it if an earlier job has left one of that name.
    fn unused_path(&self, snapshot: SnapshotId) -> PathBuf {
        let name = format!("savepoint-{}-{:010}", portable_name(&self.job), snapshot.0);
        let taken = |path: &Path| {
            path.exists() || self.writing.borrow().iter().any(|writing| writing.savepoint.path == path)
        };
        let numbered = (2..).map(|n| self.directory.join(format!("{name}-{n}")));
        let mut paths = std::iter::once(self.directory.join(&name)).chain(numbered);
        paths.find(|path| !taken(path)).unwrap_or_else(|| self.directory.join(&name))
    }
}

/// Refuses a path at which there is something already: a savepoint takes nobody's place.
///
/// # Errors
/// If there is.
pub(crate) fn check_unused(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(Error::failure(format!("there is something at {} already", path.display()))
            .hint("name a path that does not exist: the savepoint becomes a directory there")),
        Err(_) => Ok(()),
    }
}

/// Writes what a snapshot, which is committed everywhere, holds into a new directory `target`, which appears when all of it is
/// durable.
///
/// # Errors
/// If the snapshot can't be read or the savepoint can't be written; then `target` does not exist.
pub(crate) fn write(snapshots: &SnapshotDirectory, snapshot: SnapshotId, target: &Path) -> Result<()> {
    write_content(Content::of(snapshots, snapshot)?, target)
}

/// What a savepoint is made of. It stays, whatever becomes of the snapshot.
struct Content {
    manifest: Manifest,
    files: PathBuf,
    /// Keeps the files.
    _hold: Hold,
}

impl Content {
    /// What is in a complete snapshot, and is not pending.
    fn of(snapshots: &SnapshotDirectory, snapshot: SnapshotId) -> Result<Content> {
        let (mut manifest, hold) = snapshots.hold(snapshot)?;
        manifest.entries.retain(|entry| !entry.owner.starts_with(&sink::step::owner("")));
        Ok(Content { manifest, files: snapshots.pool().path().to_path_buf(), _hold: hold })
    }
}

fn write_content(content: Content, target: &Path) -> Result<()> {
    check_unused(target)?;
    write_savepoint(&content.manifest, &content.files, target)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::job::attempt::{Attempt, Setting};
    use crate::job::{Job, RunOptions};
    use crate::sink::Collect;
    use crate::snapshot::fixture::{self, Rows, row};
    use crate::snapshot::part::{Entry, FrozenState, Section};
    use crate::snapshot::{Snapshot, SnapshotKind};
    use crate::source::Generate;
    use crate::state::backend::StateBackend;
    use crate::task::worker::Worker;
    use crate::time::{Clock, EventTime, millis};

    /// A directory with a snapshot of a job that has state, and whose sink had something pending.
    fn scene(dir: &Path) -> SnapshotDirectory {
        let snapshots = SnapshotDirectory::open(&dir.join("snapshots")).unwrap();
        let first = fixture::write(&snapshots, vec![state()]);
        let mut manifest = snapshots.hold(first).unwrap().0;
        let owner = sink::step::owner("visits");
        manifest.entries.push(Entry { owner, item: "x".to_string(), value: serde_json::json!(7) });
        fs::write(snapshots.snapshot_path(first).join("manifest.json"), manifest.to_text()).unwrap();
        snapshots
    }

    fn state() -> FrozenState {
        fixture::frozen(
            "count",
            fixture::groups(0, 127),
            Rows(vec![row(1, Section::State, b"key", b"value")]),
        )
    }

    const FIRST: SnapshotId = SnapshotId(1);

    #[test]
    fn savepoints_go_where_they_belong_and_none_takes_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = scene(dir.path());
        let savepoints = Savepoints::new("web-visits", dir.path().join("mine"));
        assert_eq!(savepoints.path_of_first(), None);
        for _ in 0..2 {
            savepoints.begin(&snapshots, FIRST).unwrap();
        }
        let names = ["savepoint-web-visits-0000000001", "savepoint-web-visits-0000000001-2"];
        assert_eq!(savepoints.path_of_first(), Some(dir.path().join("mine").join(names[0])));
        let ended = savepoints.wait();
        assert_eq!(savepoints.path_of_first(), None);
        for ((savepoint, result), name) in ended.into_iter().zip(names) {
            result.unwrap();
            assert_eq!(savepoint.path, dir.path().join("mine").join(name));
            let restored = Snapshot::open(&savepoint.path).unwrap();
            let owners: Vec<_> = restored.manifest().entries.iter().map(|entry| &entry.owner).collect();
            assert_eq!(owners, ["source access-log"]);
            assert_eq!(restored.manifest().kind, SnapshotKind::Savepoint);
            assert_eq!(restored.manifest().operators[0].files.len(), 1);
        }
        savepoints.begin(&snapshots, FIRST).unwrap();
        assert!(savepoints.wait()[0].0.path.ends_with("savepoint-web-visits-0000000001-3"));
    }

    #[test]
    fn a_savepoint_that_fails_leaves_nothing_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = scene(dir.path());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let savepoints = Savepoints::new("job", file.join("below"));
        savepoints.begin(&snapshots, FIRST).unwrap();
        let (savepoint, result) = savepoints.wait().remove(0);
        assert!(result.unwrap_err().to_string().contains(savepoint.path.to_str().unwrap()));
        let error = write(&snapshots, FIRST, &file).unwrap_err();
        assert!(error.to_string().contains("there is something at"), "{error}");
        savepoints.begin(&snapshots, SnapshotId(2)).unwrap_err();
        fs::remove_file(snapshots.pool().path().join("count.0.1.state")).unwrap();
        write(&snapshots, FIRST, &dir.path().join("sp")).unwrap_err();
        assert!(!dir.path().join("sp").exists() && !dir.path().join("sp.pending").exists());
    }

    /// Waits for a file beside the savepoint before it writes.
    fn write_when_allowed(content: Content, target: &Path) -> Result<()> {
        while !target.with_file_name("go").exists() {
            std::thread::sleep(millis(1));
        }
        write_content(content, target)
    }

    #[test]
    fn the_files_of_a_snapshot_stay_until_its_savepoint_is_written_though_the_snapshot_goes() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = scene(dir.path());
        let to = dir.path().join("savepoints");
        let savepoints = Savepoints { write: write_when_allowed, ..Savepoints::new("job", to.clone()) };
        savepoints.begin(&snapshots, FIRST).unwrap();
        fixture::write(&snapshots, vec![state()]);
        snapshots.retain(1).unwrap();
        assert_eq!(snapshots.list().unwrap(), [SnapshotId(2)]);
        let file = snapshots.pool().path().join("count.0.1.state");
        assert!(file.exists());
        fs::create_dir(&to).unwrap();
        fs::write(to.join("go"), "").unwrap();
        savepoints.wait().remove(0).1.unwrap();
        let savepoint = Snapshot::open(&to.join("savepoint-job-0000000001")).unwrap();
        assert_eq!(savepoint.manifest().operators[0].files[0].rows, 1);
        snapshots.sweep().unwrap();
        assert!(!file.exists());
    }

    #[test]
    fn a_savepoint_begins_when_its_snapshot_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = SnapshotDirectory::open(&dir.path().join("snapshots")).unwrap();
        let to = dir.path().join("savepoints");
        let savepoints = Savepoints::new("job", to.clone());
        let job = Job::new("job");
        let sink: Collect<u64> = Collect::new();
        job.source("numbers", Generate::new(u64::MAX, |n| n)).sink("out", sink.clone());
        let options = RunOptions { retain: 1, ..RunOptions::default() };
        let setting = Setting {
            graph: Arc::new(job.finish().unwrap()),
            options: &options,
            clock: Clock::virtual_at(EventTime::from_millis(0)),
            snapshots: Some(&snapshots),
            restored: None,
            state: Arc::new(StateBackend::heap().inline()),
            first_snapshot: FIRST,
            savepoints: Some(&savepoints),
            pauses: Arc::default(),
        };
        let (mut attempt, seeds) = Attempt::prepare(setting, true).unwrap();
        let mut workers: Vec<_> = seeds.into_iter().map(|seed| seed.grow().unwrap()).collect();
        // Takes the part, and is told to commit; commits, and says so.
        let turn = |attempt: &mut Attempt<'_>, workers: &mut Vec<Worker>| {
            workers[0].step().unwrap();
            attempt.drive(Duration::ZERO).unwrap();
        };
        turn(&mut attempt, &mut workers);
        attempt.request_savepoint().unwrap();
        turn(&mut attempt, &mut workers);
        assert_eq!(snapshots.list().unwrap(), [FIRST]);
        assert!(sink.committed().is_empty() && attempt.owes_savepoint());
        assert_eq!(savepoints.path_of_first(), None);
        turn(&mut attempt, &mut workers);
        assert!(!sink.committed().is_empty() && !attempt.owes_savepoint());
        assert!(savepoints.path_of_first().is_some());
        for _ in 2..=3 {
            attempt.trigger().unwrap();
            (0..2).for_each(|_| turn(&mut attempt, &mut workers));
        }
        assert_eq!(snapshots.list().unwrap(), [SnapshotId(3)], "it needs the snapshot no more");
        savepoints.wait().remove(0).1.unwrap();
        attempt.end();
        assert_eq!(Snapshot::open(&to.join("savepoint-job-0000000001")).unwrap().id(), FIRST);
    }
}
