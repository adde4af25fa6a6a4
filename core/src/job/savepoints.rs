//! Savepoints: complete snapshots made into directories that stand on their own and belong to the user.
//!
//! Enters: a complete snapshot of the running job, whose results are committed everywhere, and where its savepoint is to be.
//! Leaves: a directory that `--restore` takes, wherever it is moved, written by a thread of its own while the job goes on.
//! Always: the savepoint appears whole or not at all; it names no pending results, so that a job can go on from it without the
//! files of the one before; and a snapshot stays as long as one is being made of it, because none is removed meanwhile
//! ([`is_writing`](Savepoints::is_writing)). How the files become one whole is the snapshot's matter.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::error::{Error, Result};
use crate::files::portable_name;
use crate::record::SnapshotId;
use crate::sink;
use crate::snapshot::Snapshot;

/// The savepoints of a run: those that are being written, and where they go.
pub(crate) struct Savepoints {
    job: String,
    /// Where those go to which the user gives no path of their own.
    directory: PathBuf,
    writing: RefCell<Vec<Writing>>,
    write: fn(&Path, &Path) -> Result<()>,
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
        Savepoints { job: job.to_string(), directory, writing: RefCell::default(), write }
    }

    /// Begins to write a savepoint of a snapshot that is committed everywhere. How it ended is told by [`ended`](Savepoints::ended).
    ///
    /// # Errors
    /// If there is no thread for it.
    pub fn begin(&self, snapshot: SnapshotId, source: &Path) -> Result<()> {
        let savepoint = Savepoint { snapshot, path: self.unused_path(snapshot) };
        let (from, to, write) = (source.to_path_buf(), savepoint.path.clone(), self.write);
        tracing::info!(snapshot = snapshot.0, path = %to.display(), "savepoint begins");
        let thread = crate::task::thread::spawn("savepoint", move || write(&from, &to))?;
        self.writing.borrow_mut().push(Writing { savepoint, thread });
        Ok(())
    }

    /// Whether one is being written: until then no snapshot may be removed.
    pub fn is_writing(&self) -> bool {
        !self.writing.borrow().is_empty()
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

/// Writes what the snapshot in `source`, which is committed everywhere, holds into a new directory `target`, which appears when
/// all of it is durable.
///
/// # Errors
/// If the snapshot can't be read or the savepoint can't be written; then `target` does not exist.
pub(crate) fn write(source: &Path, target: &Path) -> Result<()> {
    check_unused(target)?;
    let snapshot = Snapshot::open(source)?;
    let mut manifest = snapshot.manifest().clone();
    manifest.entries.retain(|entry| !entry.owner.starts_with(&sink::step::owner("")));
    stand_in::write_savepoint(&manifest, source, target)
        .map_err(|error| error.within(format_args!("can't write the savepoint {}", target.display())))
}

/// In place of `snapshot::savepoint`, which merges the layers of a snapshot: as long as a snapshot's directory holds all that
/// belongs to it, a copy is a savepoint.
mod stand_in {
    use std::fs::{self, File};
    use std::path::{Path, PathBuf};

    use crate::error::Result;
    use crate::snapshot::Manifest;

    pub(super) fn write_savepoint(manifest: &Manifest, files: &Path, path: &Path) -> Result<()> {
        let mut pending = path.as_os_str().to_os_string();
        pending.push(".pending");
        let pending = PathBuf::from(pending);
        // What a crash may have left.
        let _ = fs::remove_dir_all(&pending);
        let written = write_into(&pending, manifest, files).and_then(|()| Ok(fs::rename(&pending, path)?));
        written.inspect_err(|_| {
            let _ = fs::remove_dir_all(&pending);
        })
    }

    fn write_into(pending: &Path, manifest: &Manifest, files: &Path) -> Result<()> {
        fs::create_dir_all(pending)?;
        for file in manifest.operators.iter().flat_map(|operator| &operator.files) {
            fs::copy(files.join(&file.name), pending.join(&file.name))?;
            File::open(pending.join(&file.name))?.sync_all()?;
        }
        let path = pending.join("manifest.json");
        fs::write(&path, manifest.to_text())?;
        File::open(path)?.sync_all()?;
        Ok(File::open(pending)?.sync_all()?)
    }
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
    use crate::snapshot::{Manifest, SnapshotDirectory, fixture, part::Entry};
    use crate::source::Generate;
    use crate::state::fjall::StateDirectory;
    use crate::task::worker::Worker;
    use crate::time::{Clock, EventTime, millis};

    /// A snapshot of a job whose sink had something pending.
    fn snapshot(dir: &Path) -> PathBuf {
        let path = dir.join("snapshot-0000000041");
        fs::create_dir(&path).unwrap();
        let entry = |owner: &str| Entry {
            owner: owner.to_string(),
            item: "x".to_string(),
            value: serde_json::json!(7),
        };
        let entries = vec![entry("sink visits"), entry("source access-log")];
        let manifest = Manifest { entries, ..fixture::manifest(SnapshotId(41)) };
        fs::write(path.join("manifest.json"), manifest.to_text()).unwrap();
        path
    }

    #[test]
    fn savepoints_go_where_they_belong_and_none_takes_the_place_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let source = snapshot(dir.path());
        let savepoints = Savepoints::new("web-visits", dir.path().join("mine"));
        assert!(!savepoints.is_writing());
        for _ in 0..2 {
            savepoints.begin(SnapshotId(41), &source).unwrap();
        }
        assert!(savepoints.is_writing());
        let ended = savepoints.wait();
        assert!(!savepoints.is_writing());
        let names = ["savepoint-web-visits-0000000041", "savepoint-web-visits-0000000041-2"];
        for ((savepoint, result), name) in ended.into_iter().zip(names) {
            result.unwrap();
            assert_eq!(savepoint.path, dir.path().join("mine").join(name));
            let restored = Snapshot::open(&savepoint.path).unwrap();
            let owners: Vec<_> = restored.manifest().entries.iter().map(|entry| &entry.owner).collect();
            assert_eq!(owners, ["source access-log"]);
        }
        savepoints.begin(SnapshotId(41), &source).unwrap();
        assert!(savepoints.wait()[0].0.path.ends_with("savepoint-web-visits-0000000041-3"));
    }

    #[test]
    fn a_savepoint_that_fails_leaves_nothing_and_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let source = snapshot(dir.path());
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let savepoints = Savepoints::new("job", file.join("below"));
        savepoints.begin(SnapshotId(41), &source).unwrap();
        let (savepoint, result) = savepoints.wait().remove(0);
        assert!(result.unwrap_err().to_string().contains(savepoint.path.to_str().unwrap()));
        let error = write(&source, &file).unwrap_err();
        assert!(error.to_string().contains("there is something at"), "{error}");
        fs::remove_file(source.join("manifest.json")).unwrap();
        write(&source, &dir.path().join("sp")).unwrap_err();
        assert!(!dir.path().join("sp").exists() && !dir.path().join("sp.pending").exists());
    }

    /// Waits for a file beside the savepoint before it writes.
    fn write_when_allowed(source: &Path, target: &Path) -> Result<()> {
        while !target.with_file_name("go").exists() {
            std::thread::sleep(millis(1));
        }
        write(source, target)
    }

    #[test]
    fn a_savepoint_begins_when_its_snapshot_is_committed_and_keeps_it_until_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let snapshots = SnapshotDirectory::open(&dir.path().join("snapshots")).unwrap();
        let to = dir.path().join("savepoints");
        let savepoints = Savepoints { write: write_when_allowed, ..Savepoints::new("job", to.clone()) };
        let job = Job::new("job");
        let sink: Collect<u64> = Collect::new();
        job.source("numbers", Generate::new(u64::MAX, |n| n)).sink("out", sink.clone());
        let state = StateDirectory::temporary().unwrap();
        let options = RunOptions { retain: 1, ..RunOptions::default() };
        let setting = Setting {
            graph: Arc::new(job.finish().unwrap()),
            options: &options,
            clock: Clock::virtual_at(EventTime::from_millis(0)),
            snapshots: Some(&snapshots),
            restored: None,
            working_copy: Arc::new(state.working_copy().unwrap()),
            first_snapshot: SnapshotId(1),
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
        assert_eq!(snapshots.list().unwrap(), [SnapshotId(1)]);
        assert!(sink.committed().is_empty() && !savepoints.is_writing() && attempt.owes_savepoint());
        turn(&mut attempt, &mut workers);
        assert!(!sink.committed().is_empty() && savepoints.is_writing() && !attempt.owes_savepoint());
        for _ in 2..=3 {
            attempt.trigger().unwrap();
            (0..2).for_each(|_| turn(&mut attempt, &mut workers));
        }
        assert_eq!(snapshots.list().unwrap(), [1, 2, 3].map(SnapshotId), "one of them is still read");
        fs::create_dir(&to).unwrap();
        fs::write(to.join("go"), "").unwrap();
        savepoints.wait().remove(0).1.unwrap();
        attempt.trigger().unwrap();
        (0..2).for_each(|_| turn(&mut attempt, &mut workers));
        assert_eq!(snapshots.list().unwrap(), [SnapshotId(4)]);
        attempt.end();
        assert_eq!(Snapshot::open(&to.join("savepoint-job-0000000001")).unwrap().id(), SnapshotId(1));
    }
}
