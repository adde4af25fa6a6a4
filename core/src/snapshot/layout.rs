//! Where everything lies in a snapshot directory, and how a snapshot comes to be there and goes.
//!
//! | path                                     | what                                                                  |
//! |------------------------------------------|-----------------------------------------------------------------------|
//! | `snapshots.lock`                         | held by the job that writes here; holds the last number that was used |
//! | `snapshot-0000000041/`                   | a complete snapshot                                                   |
//! | `snapshot-0000000041/manifest.json`      | what is in it                                                         |
//! | `snapshot-0000000041/count.0.state`      | keyed state of the operator `count` in subtask 0                      |
//! | `snapshot-0000000041/count.0.channel`    | records that were in flight to it, if the barrier overtook them       |
//! | `snapshot-0000000042.pending/`           | being written, or left by a crash                                     |
//! | `snapshot-0000000031.deleting/`          | being deleted, or left by a crash                                     |
//!
//! A snapshot is complete when, and only when, its directory has lost its suffix. Files, then the manifest, then the
//! directory are durable before the rename; the rename is durable before anybody is told. Deletion goes the other way.
//! Nothing here is ever deleted that does not have one of these names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::cannot;
use super::manifest::Manifest;
use crate::error::{Error, Result};
use crate::files::{DirectoryLock, portable_name};
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;
use crate::testing::crash;

const LOCK_FILE: &str = "snapshots.lock";
/// The file that says what is in a snapshot.
pub(super) const MANIFEST_FILE: &str = "manifest.json";
const PENDING_SUFFIX: &str = ".pending";
const DELETING_SUFFIX: &str = ".deleting";

/// The directory that holds a job's snapshots. While it is open no other process can write there.
#[derive(Debug)]
pub struct SnapshotDirectory {
    path: PathBuf,
    numbering: Mutex<Numbering>,
}

/// Which numbers are used. The lock's file remembers the last, because a snapshot that was given up leaves no other trace.
#[derive(Debug)]
struct Numbering {
    last_used: SnapshotId,
    lock: DirectoryLock,
}

/// What the name of a directory says of the snapshot in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It can be restored from.
    Complete,
    /// It is being written, or its writer died.
    Pending,
    /// It is being deleted, or its deleter died.
    Deleting,
}

impl SnapshotDirectory {
    /// Opens the directory, creating it if it is not there, and removes what a crash has left half-written or half-deleted.
    ///
    /// # Errors
    /// If it can't be created or written to, or if another job is writing its snapshots there.
    pub fn open(path: &Path) -> Result<SnapshotDirectory> {
        fs::create_dir_all(path).map_err(|error| cannot("create the snapshot directory", path, error))?;
        let lock = DirectoryLock::take(&path.join(LOCK_FILE))
            .map_err(|error| cannot("lock the snapshot directory", path, error))?;
        let Some(mut lock) = lock else {
            return Err(Error::failure(format!(
                "the snapshot directory {} is in use: another job is writing its snapshots there",
                path.display()
            ))
            .hint("give every job a --snapshot-dir of its own, or wait until the other one has ended"));
        };
        let noted = lock.note().map_err(|error| cannot("read", &path.join(LOCK_FILE), error))?;
        let mut last_used = SnapshotId(noted.trim().parse().unwrap_or(0));
        for (id, standing, path) in scan(path)? {
            last_used = last_used.max(id);
            if standing != Standing::Complete {
                tracing::info!("removing {}: what was left of an unfinished snapshot", path.display());
                fs::remove_dir_all(&path).map_err(|error| cannot("remove", &path, error))?;
            }
        }
        Ok(SnapshotDirectory {
            path: path.to_path_buf(),
            numbering: Mutex::new(Numbering { last_used, lock }),
        })
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the next snapshot: one after the highest that was ever used here, completed or not.
    pub fn next_id(&self) -> SnapshotId {
        SnapshotId(self.numbering().last_used.0 + 1)
    }

    /// The numbers of the complete snapshots, in order.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn list(&self) -> Result<Vec<SnapshotId>> {
        let found = scan(&self.path)?.into_iter();
        let mut ids: Vec<_> =
            found.filter(|(_, standing, _)| *standing == Standing::Complete).map(|(id, ..)| id).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    /// The directory of a complete snapshot.
    pub fn snapshot_path(&self, id: SnapshotId) -> PathBuf {
        self.path.join(directory_name(id))
    }

    /// Begins to write a snapshot. Its number is used from now on, whatever becomes of it.
    ///
    /// # Errors
    /// If its directory can't be created.
    pub fn begin(&self, id: SnapshotId) -> Result<PendingSnapshot> {
        let mut numbering = self.numbering();
        let path = self.path.join(format!("{}{PENDING_SUFFIX}", directory_name(id)));
        numbering.last_used = numbering.last_used.max(id);
        let note = format!("{}\n", numbering.last_used);
        numbering
            .lock
            .leave_note(&note)
            .map_err(|error| cannot("write", &self.path.join(LOCK_FILE), error))?;
        fs::create_dir(&path).map_err(|error| cannot("create", &path, error))?;
        Ok(PendingSnapshot { path, complete: self.snapshot_path(id) })
    }

    /// Deletes all but the newest `keep` complete snapshots; at least one is kept.
    ///
    /// # Errors
    /// If one can't be deleted.
    pub fn retain(&self, keep: usize) -> Result<()> {
        let ids = self.list()?;
        for &id in &ids[..ids.len().saturating_sub(keep.max(1))] {
            let complete = self.snapshot_path(id);
            let deleting = self.path.join(format!("{}{DELETING_SUFFIX}", directory_name(id)));
            // The new name must be durable before the first file goes: half a snapshot must never look complete.
            fs::rename(&complete, &deleting).map_err(|error| cannot("delete", &complete, error))?;
            sync_directory(&self.path)?;
            fs::remove_dir_all(&deleting).map_err(|error| cannot("delete", &deleting, error))?;
        }
        Ok(())
    }

    /// A panic under the lock can't leave a number half-written.
    fn numbering(&self) -> MutexGuard<'_, Numbering> {
        self.numbering.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A snapshot that is being written. If it is neither completed nor abandoned, the next opening of its directory removes it.
#[derive(Debug)]
#[must_use = "a pending snapshot is not restored from until it is completed"]
pub struct PendingSnapshot {
    path: PathBuf,
    complete: PathBuf,
}

impl PendingSnapshot {
    /// The directory into which the state files go.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Completes the snapshot, all of whose state files are durable. When this returns it survives a loss of power.
    ///
    /// # Errors
    /// If the manifest can't be written or the directory can't be renamed; then the snapshot does not exist.
    pub fn complete(self, manifest: &Manifest) -> Result<()> {
        crash::point(crash::BEFORE_MANIFEST);
        let path = self.path.join(MANIFEST_FILE);
        let write = |error| cannot("write", &path, error);
        let mut file = fs::File::create_new(&path).map_err(write)?;
        file.write_all(manifest.to_text().as_bytes()).map_err(write)?;
        file.sync_all().map_err(write)?;
        sync_directory(&self.path)?;
        crash::point(crash::AFTER_MANIFEST);
        fs::rename(&self.path, &self.complete).map_err(|error| cannot("complete", &self.complete, error))?;
        if let Some(parent) = self.complete.parent() {
            sync_directory(parent)?;
        }
        crash::point(crash::AFTER_RENAME);
        Ok(())
    }

    /// Gives the snapshot up and removes what was written.
    ///
    /// # Errors
    /// If it can't be removed; it will be when the directory is next opened.
    pub fn abandon(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|error| cannot("remove", &self.path, error))
    }
}

/// What the name of a snapshot's directory says; `None` if it is no such name.
pub(super) fn parse_directory_name(name: &str) -> Option<(SnapshotId, Standing)> {
    let rest = name.strip_prefix("snapshot-")?;
    let (digits, standing) = if let Some(digits) = rest.strip_suffix(PENDING_SUFFIX) {
        (digits, Standing::Pending)
    } else if let Some(digits) = rest.strip_suffix(DELETING_SUFFIX) {
        (digits, Standing::Deleting)
    } else {
        (rest, Standing::Complete)
    };
    let id = SnapshotId(digits.parse().ok()?);
    // Only names that we would give ourselves: `snapshot-7` may be somebody's copy.
    (directory_name(id).strip_prefix("snapshot-") == Some(digits)).then_some((id, standing))
}

fn directory_name(id: SnapshotId) -> String {
    format!("snapshot-{:010}", id.0)
}

/// Every directory that has the name of a snapshot.
fn scan(directory: &Path) -> Result<Vec<(SnapshotId, Standing, PathBuf)>> {
    let unreadable = |error| cannot("read the snapshot directory", directory, error);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_directory = entry.file_type().map_err(unreadable)?.is_dir();
        if let (true, Some(name)) = (is_directory, entry.file_name().to_str())
            && let Some((id, standing)) = parse_directory_name(name)
        {
            found.push((id, standing, entry.path()));
        }
    }
    Ok(found)
}

/// The name of the state file of an operator in a subtask.
pub(super) fn state_file_name(operator: &str, subtask: SubtaskIndex) -> String {
    format!("{}.{subtask}.state", portable_name(operator))
}

/// The name of the channel file of an operator in a subtask.
pub(super) fn channel_file_name(operator: &str, subtask: SubtaskIndex) -> String {
    format!("{}.{subtask}.channel", portable_name(operator))
}

/// Makes the entries of a directory durable: the names of new files, and renames.
fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = fs::File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| cannot("write", path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::snapshot::fixture::{self, Rows, row};
    use crate::snapshot::part::Section;
    use crate::snapshot::restore::Snapshot;

    fn complete(directory: &SnapshotDirectory) -> SnapshotId {
        let id = directory.next_id();
        directory.begin(id).unwrap().complete(&fixture::manifest(id)).unwrap();
        id
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != LOCK_FILE);
        names.sort();
        names
    }

    fn ids(ids: &[u64]) -> Vec<SnapshotId> {
        ids.iter().copied().map(SnapshotId).collect()
    }

    #[test]
    fn completed_snapshots_are_listed_in_order_and_numbered_from_one() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(&temporary.path().join("new/deep")).unwrap();
        assert_eq!(directory.list().unwrap(), []);
        assert_eq!((complete(&directory), complete(&directory)), (SnapshotId(1), SnapshotId(2)));
        assert_eq!(directory.list().unwrap(), ids(&[1, 2]));
        assert_eq!(names(directory.path()), ["snapshot-0000000001", "snapshot-0000000002"]);
    }

    #[test]
    fn a_pending_snapshot_is_not_listed_and_an_abandoned_one_is_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let pending = directory.begin(SnapshotId(1)).unwrap();
        assert_eq!(directory.list().unwrap(), []);
        assert_eq!(names(directory.path()), ["snapshot-0000000001.pending"]);
        pending.abandon().unwrap();
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn no_number_is_used_twice_even_if_its_snapshot_was_given_up_long_ago() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        complete(&directory);
        directory.begin(SnapshotId(2)).unwrap().abandon().unwrap();
        assert_eq!(directory.next_id(), SnapshotId(3));
        for _ in 0..2 {
            assert_eq!(directory.next_id(), SnapshotId(3));
        }
        drop(directory);
        for _ in 0..2 {
            assert_eq!(SnapshotDirectory::open(temporary.path()).unwrap().next_id(), SnapshotId(3));
        }
    }

    #[test]
    fn a_second_opener_is_refused_and_told_which_directory() {
        let temporary = tempfile::tempdir().unwrap();
        let first = SnapshotDirectory::open(temporary.path()).unwrap();
        let error = SnapshotDirectory::open(temporary.path()).unwrap_err();
        assert!(error.to_string().contains(temporary.path().to_str().unwrap()), "{error}");
        assert!(error.to_string().contains("in use"), "{error}");
        drop(first);
        SnapshotDirectory::open(temporary.path()).unwrap();
    }

    #[test]
    fn opening_removes_what_a_crash_left_and_nothing_else() {
        let temporary = tempfile::tempdir().unwrap();
        for name in
            ["snapshot-0000000007.pending", "snapshot-0000000003.deleting", "snapshot-8.pending", "mine"]
        {
            fs::create_dir(temporary.path().join(name)).unwrap();
            fs::write(temporary.path().join(name).join("file"), "x").unwrap();
        }
        fs::write(temporary.path().join("snapshot-0000000009.pending"), "a file, not a directory").unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        assert_eq!(names(temporary.path()), ["mine", "snapshot-0000000009.pending", "snapshot-8.pending"]);
        assert_eq!(directory.next_id(), SnapshotId(8), "the number of a crashed snapshot is used");
    }

    #[test]
    fn retaining_deletes_the_oldest_and_never_the_last() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        for _ in 0..5 {
            complete(&directory);
        }
        directory.retain(9).unwrap();
        assert_eq!(directory.list().unwrap(), ids(&[1, 2, 3, 4, 5]));
        directory.retain(3).unwrap();
        assert_eq!(directory.list().unwrap(), ids(&[3, 4, 5]));
        directory.retain(0).unwrap();
        assert_eq!(names(temporary.path()), ["snapshot-0000000005"]);
    }

    #[test]
    fn a_snapshot_does_not_replace_another_of_its_number() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let id = complete(&directory);
        let error = directory.begin(id).unwrap().complete(&fixture::manifest(id)).unwrap_err();
        assert!(error.to_string().contains("can't complete"), "{error}");
    }

    /// Dies at every step of the protocol, in a process of its own, and looks at what is left.
    #[test]
    fn a_crash_between_any_two_steps_leaves_the_snapshot_complete_or_unseen() {
        for (point, survives) in [
            (crash::BEFORE_STATE_WRITE, false),
            (crash::AFTER_STATE_WRITE, false),
            (crash::BEFORE_MANIFEST, false),
            (crash::AFTER_MANIFEST, false),
            (crash::AFTER_RENAME, true),
        ] {
            let temporary = tempfile::tempdir().unwrap();
            complete(&SnapshotDirectory::open(temporary.path()).unwrap());
            let status = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--ignored",
                    "--exact",
                    "snapshot::layout::tests::writes_a_snapshot_in_a_process_of_its_own",
                ])
                .env(crash::VARIABLE, point)
                .env(DIRECTORY_VARIABLE, temporary.path())
                .output()
                .unwrap()
                .status;
            assert!(!status.success(), "it was to die at {point}");

            let directory = SnapshotDirectory::open(temporary.path()).unwrap();
            let expected = if survives { ids(&[1, 2]) } else { ids(&[1]) };
            assert_eq!(directory.list().unwrap(), expected, "after {point}");
            assert_eq!(names(temporary.path()).len(), expected.len(), "after {point}");
            assert_eq!(directory.next_id(), SnapshotId(3), "after {point}");
            for id in expected {
                Snapshot::open(&directory.snapshot_path(id)).unwrap();
            }
        }
    }

    const DIRECTORY_VARIABLE: &str = "TIDEGATE_TEST_SNAPSHOT_DIRECTORY";

    #[test]
    #[ignore = "dies; run by the test above"]
    fn writes_a_snapshot_in_a_process_of_its_own() {
        let Some(path) = std::env::var_os(DIRECTORY_VARIABLE) else { return };
        let directory = SnapshotDirectory::open(Path::new(&path)).unwrap();
        let rows = Rows(vec![row(1, Section::State, b"key", b"value")]);
        fixture::write(&directory, vec![fixture::frozen("count", fixture::groups(0, 127), rows)]);
    }
}
