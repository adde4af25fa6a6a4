//! The state directory: where the working copies of one process lie, and nobody else's files.
//!
//! | path             | what                                                                             |
//! |------------------|----------------------------------------------------------------------------------|
//! | `tidegate.state` | marks the directory as ours; locked by the process that works in it              |
//! | `attempt-<n>/`   | the database of one attempt to run the job; goes with it, or at the next opening |
//! | `attempt-runs/`  | changes that have left memory and wait for their snapshot                        |
//! | `attempt-restored/` | the snapshot that the job starts from, rewritten for its program; goes at the next opening |
//! | `snapshots/`     | what is here of the snapshots that lie at a URL                                  |
//! | `attempt-fetched/` | the snapshot that the job starts from, if it lies at another URL; goes at the next opening |
//!
//! Nothing is deleted in a directory without the mark.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{WorkingCopy, cannot};
use crate::error::{Error, Result};
use crate::files::DirectoryLock;

const MARKER_FILE: &str = "tidegate.state";
const ATTEMPT_PREFIX: &str = "attempt-";
const RUNS: &str = "attempt-runs";
const REWRITTEN_DIRECTORY: &str = "attempt-restored";
const SNAPSHOTS_DIRECTORY: &str = "snapshots";
const FETCHED_DIRECTORY: &str = "attempt-fetched";
const TEMPORARY_PREFIX: &str = "tidegate-state-";
/// No process has this many at a time.
const TEMPORARY_NAMES_MAX: u32 = 100_000;

/// The directory in which one process at a time keeps its working copies of state.
#[derive(Debug)]
pub struct StateDirectory {
    directory: Arc<Directory>,
    attempts: AtomicU32,
}

/// Locked while anything in it is in use; goes with its last user if it is temporary.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    lifetime: Lifetime,
    _lock: DirectoryLock,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lifetime {
    /// The user named it: it stays.
    Permanent,
    /// We chose it: it goes.
    Temporary,
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Temporary
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!("can't remove the temporary state directory {}: {error}", self.path.display());
        }
    }
}

impl StateDirectory {
    /// Opens the directory that the user named, creating it if it is not there.
    ///
    /// # Errors
    /// If it can't be created, another process works in it, or it holds what is not ours.
    pub fn open(path: &Path) -> Result<StateDirectory> {
        fs::create_dir_all(path).map_err(|error| cannot("create", path, error))?;
        let is_empty = fs::read_dir(path).map_err(|error| cannot("read", path, error))?.next().is_none();
        if !is_empty && !path.join(MARKER_FILE).is_file() {
            return Err(Error::failure(format!(
                "{} can't be the state directory: it holds files that are not Tidegate's",
                path.display()
            ))
            .hint("give --state-dir a directory that is empty or does not exist; everything in it belongs to the job"));
        }
        let Some(lock) = mark(path)? else {
            return Err(Error::failure(format!(
                "the state directory {} is in use by another process",
                path.display()
            ))
            .hint("give every running job a --state-dir of its own, or wait until the other one has ended"));
        };
        for attempt in attempts_in(path)? {
            fs::remove_dir_all(&attempt).map_err(|error| cannot("clear", &attempt, error))?;
        }
        Ok(StateDirectory::new(path, Lifetime::Permanent, lock))
    }

    /// Creates a directory among the system's temporary files, for a job to which the user gave none. It goes with the last
    /// use of it; what killed processes have left is removed first.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn temporary() -> Result<StateDirectory> {
        let parent = std::env::temp_dir();
        remove_leftovers(&parent);
        for number in 0..TEMPORARY_NAMES_MAX {
            let path = parent.join(format!("{TEMPORARY_PREFIX}{}-{number}", std::process::id()));
            match fs::create_dir(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(cannot("create", &path, error)),
            }
            // Between marking and locking, another process may have taken it for a leftover and removed it.
            if let Ok(Some(lock)) = mark(&path)
                && path.join(MARKER_FILE).is_file()
            {
                return Ok(StateDirectory::new(&path, Lifetime::Temporary, lock));
            }
        }
        Err(Error::failure(format!("can't create a temporary state directory in {}", parent.display()))
            .hint("name a directory with --state-dir"))
    }

    fn new(path: &Path, lifetime: Lifetime, lock: DirectoryLock) -> StateDirectory {
        let directory = Directory { path: path.to_path_buf(), lifetime, _lock: lock };
        StateDirectory { directory: Arc::new(directory), attempts: AtomicU32::new(0) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.directory.path
    }

    /// The directory for files that wait for a snapshot. It goes with the next opening, and its files with their last user.
    ///
    /// # Errors
    /// If it can't be created.
    pub fn runs(&self) -> Result<PathBuf> {
        let path = self.path().join(RUNS);
        fs::create_dir_all(&path).map_err(|error| cannot("create", &path, error))?;
        Ok(path)
    }

    /// An empty directory for a snapshot that is rewritten: it stays as long as this process works here.
    ///
    /// # Errors
    /// If what a rewriting before it has left can't be removed.
    pub fn rewritten(&self) -> Result<PathBuf> {
        let path = self.path().join(REWRITTEN_DIRECTORY);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(cannot("clear", &path, error)),
            _ => Ok(path),
        }
    }

    /// The directory that shows the snapshots at a URL. What is in it saves a later process fetching it.
    pub fn snapshots(&self) -> PathBuf {
        self.path().join(SNAPSHOTS_DIRECTORY)
    }

    /// The directory for a snapshot to restore that lies at another URL.
    pub fn fetched(&self) -> PathBuf {
        self.path().join(FETCHED_DIRECTORY)
    }

    /// Begins an empty working copy. Those of earlier attempts go when their last user, a snapshot that is still being
    /// written, lets go of them.
    ///
    /// # Errors
    /// If the database can't be created.
    pub fn working_copy(&self) -> Result<WorkingCopy> {
        let attempt = self.attempts.fetch_add(1, Ordering::Relaxed);
        let path = self.path().join(format!("{ATTEMPT_PREFIX}{attempt}"));
        WorkingCopy::create(&path, Arc::clone(&self.directory))
    }
}

/// Marks a directory as ours and locks it; `None` if it is locked.
fn mark(directory: &Path) -> Result<Option<DirectoryLock>> {
    let marker = directory.join(MARKER_FILE);
    DirectoryLock::take(&marker).map_err(|error| cannot("lock", directory, error))
}

fn attempts_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |error| cannot("read", directory, error);
    let mut attempts = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with(ATTEMPT_PREFIX) {
            attempts.push(entry.path());
        }
    }
    Ok(attempts)
}

/// Removes temporary state directories whose process is gone: their lock can be taken. What can't be removed, stays.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let path = entry.path();
        let is_ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX)
            && path.join(MARKER_FILE).is_file();
        if is_directory
            && is_ours
            && let Ok(Some(_lock)) = mark(&path)
            && fs::remove_dir_all(&path).is_ok()
        {
            tracing::debug!("removed {}: what a killed process had left", path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyGroup, SubtaskIndex};
    use crate::snapshot::part::{Section, StateRow};

    #[test]
    fn every_working_copy_begins_empty_and_an_earlier_one_can_still_be_read() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        let first = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
        first.write([StateRow::put(KeyGroup(0), Section::State, b"key", b"1")].into_iter()).unwrap();

        let second = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
        assert!(second.get(KeyGroup(0), Section::State, b"key").unwrap().is_none());
        assert!(first.get(KeyGroup(0), Section::State, b"key").unwrap().is_some());
        drop((first, second, directory));
        let left: Vec<_> =
            fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [MARKER_FILE]);
    }

    #[test]
    fn what_a_killed_process_left_is_cleared_at_the_next_opening() {
        let temporary = tempfile::tempdir().unwrap();
        drop(StateDirectory::open(temporary.path()).unwrap());
        let left = temporary.path().join("attempt-0/keyspaces");
        fs::create_dir_all(&left).unwrap();
        let directory = StateDirectory::open(temporary.path()).unwrap();
        assert!(!left.exists());
        directory.working_copy().unwrap();
    }

    #[test]
    fn a_second_opener_is_refused_as_long_as_anything_is_in_use() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("state");
        let directory = StateDirectory::open(&path).unwrap();
        let store = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
        drop(directory);
        let error = StateDirectory::open(&path).unwrap_err();
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("in use by another process"), "{error}");
        let clone = store.clone();
        drop(store);
        assert!(StateDirectory::open(&path).is_err());
        drop(clone);
        StateDirectory::open(&path).unwrap();
    }

    #[test]
    fn a_directory_with_files_of_others_is_refused_and_left_alone() {
        let temporary = tempfile::tempdir().unwrap();
        fs::write(temporary.path().join("thesis.tex"), "everything").unwrap();
        fs::create_dir(temporary.path().join("attempt-1")).unwrap();
        let error = StateDirectory::open(temporary.path()).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("not Tidegate's"), "{error}");
        assert!(temporary.path().join("attempt-1").exists());
        assert!(!temporary.path().join(MARKER_FILE).exists());
    }

    #[test]
    fn a_path_that_is_a_file_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let file = temporary.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(StateDirectory::open(&file).unwrap_err().to_string().contains("can't create"));
    }

    #[test]
    fn a_temporary_directory_goes_with_its_last_user() {
        let directory = StateDirectory::temporary().unwrap();
        let other = StateDirectory::temporary().unwrap();
        assert_ne!(directory.path(), other.path());
        let path = directory.path().to_path_buf();
        let store = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
        drop(directory);
        assert!(path.exists());
        drop(store);
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_of_killed_processes_are_removed_and_only_those() {
        let temporary = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let path = temporary.path().join(name);
            fs::create_dir_all(path.join("attempt-0")).unwrap();
            path
        };
        let (left, used) = (make("tidegate-state-1-0"), make("tidegate-state-2-0"));
        let (unmarked, foreign) = (make("tidegate-state-3-0"), make("other"));
        drop(mark(&left).unwrap());
        drop(mark(&foreign).unwrap());
        let _lock = mark(&used).unwrap().unwrap();
        remove_leftovers(temporary.path());
        assert_eq!([left, used, unmarked, foreign].map(|path| path.exists()), [false, true, true, true]);
    }
}
