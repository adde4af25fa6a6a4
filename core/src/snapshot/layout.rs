//! Where everything lies in a snapshot directory, and how a snapshot comes to be there and goes.
//!
//! | path                                     | what                                                                  |
//! |------------------------------------------|-----------------------------------------------------------------------|
//! | `snapshots.lock`                         | held by the job that writes here; holds the last number that was used |
//! | `state/`                                 | the [pool](super::pool) of state files, which the snapshots share     |
//! | `state/count.0.41.state`                 | what subtask 0 of the operator `count` wrote for snapshot 41          |
//! | `state/count.0.41.channel`               | the records that were in flight to it, if the barrier overtook them   |
//! | `snapshot-0000000041/`                   | a complete snapshot                                                   |
//! | `snapshot-0000000041/manifest.json`      | what is in it, and which files of the pool make it up                 |
//! | `snapshot-0000000042.pending/`           | being written, or left by a crash                                     |
//! | `snapshot-0000000031.deleting/`          | being deleted, or left by a crash                                     |
//!
//! A snapshot is complete when, and only when, its directory has lost its suffix. State files and their names, then the
//! manifest, then the directory are durable before the rename; the rename is durable before anybody is told. Deletion goes the
//! other way: first the snapshot, then the files that only it referred to. Nothing here is ever deleted that does not have
//! one of these names, and no state file as long as there is a snapshot whose manifest can't be read.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::fault::{broken, cannot, sync_directory};
use super::manifest::Manifest;
use super::pool::{Hold, POOL_DIRECTORY, StatePool};
use super::remote::Remote;
use super::restore::read_manifest;
use crate::error::{Error, Result};
use crate::files::DirectoryLock;
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
    pool: StatePool,
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
        SnapshotDirectory::create(path, None)
    }

    /// Opens the snapshots at a URL, with a directory `path` that shows what is there. Whoever was opened there before can
    /// complete no snapshot any more.
    ///
    /// # Errors
    /// If the place at the URL can't be read or written to, or the directory can't.
    pub(crate) fn open_remote(url: &str, path: &Path) -> Result<SnapshotDirectory> {
        SnapshotDirectory::create(path, Some(Remote::open(url)?))
    }

    pub(super) fn create(path: &Path, remote: Option<Remote>) -> Result<SnapshotDirectory> {
        fs::create_dir_all(path).map_err(|error| cannot("create the snapshot directory", path, error))?;
        if let Some(remote) = &remote {
            remote.take_over()?;
        }
        let directory = SnapshotDirectory::lock(path, remote)?;
        for (_, standing, path) in scan(path)? {
            if standing != Standing::Complete {
                tracing::info!("removing {}: what was left of an unfinished snapshot", path.display());
                fs::remove_dir_all(&path).map_err(|error| cannot("remove", &path, error))?;
            }
        }
        directory.pool.create()?;
        directory.sweep()?;
        directory.sweep_remote()?;
        Ok(directory)
    }

    /// Opens a directory that is there, and removes nothing: to look into it.
    ///
    /// # Errors
    /// If it can't be written to, or if another job is writing its snapshots there.
    pub fn open_as_it_is(path: &Path) -> Result<SnapshotDirectory> {
        SnapshotDirectory::lock(path, None)
    }

    /// The same for a URL, with a directory that shows what is there.
    ///
    /// # Errors
    /// If the place at the URL can't be read, or the directory can't be written to.
    pub(crate) fn open_remote_as_it_is(url: &str, path: &Path) -> Result<SnapshotDirectory> {
        fs::create_dir_all(path).map_err(|error| cannot("create the snapshot directory", path, error))?;
        let remote = Remote::open(url)?;
        remote.look()?;
        SnapshotDirectory::lock(path, Some(remote))
    }

    pub(super) fn lock(path: &Path, remote: Option<Remote>) -> Result<SnapshotDirectory> {
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
        if let Some(remote) = &remote {
            remote.mirror(path)?;
        }
        let pool = StatePool::at(&path.join(POOL_DIRECTORY), remote)?;
        let noted = SnapshotId(noted.trim().parse().unwrap_or(0));
        let mut last_used = noted.max(pool.last_written().unwrap_or(noted));
        for (id, ..) in scan(path)? {
            last_used = last_used.max(id);
        }
        Ok(SnapshotDirectory {
            path: path.to_path_buf(),
            pool,
            numbering: Mutex::new(Numbering { last_used, lock }),
        })
    }

    /// The path it was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state files that its snapshots share.
    pub fn pool(&self) -> &StatePool {
        &self.pool
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

    /// What `--restore` takes for a complete snapshot: its directory, or its URL.
    pub fn name(&self, id: SnapshotId) -> PathBuf {
        self.pool.remote().map_or_else(|| self.snapshot_path(id), |remote| remote.url_of(id).into())
    }

    /// Whether another job has taken these snapshots over, so that this one can complete none any more.
    pub fn is_taken_over(&self) -> bool {
        self.pool.remote().is_some_and(Remote::is_taken_over)
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
        let files = self.pool.hold_snapshot(id);
        Ok(PendingSnapshot { path, complete: self.snapshot_path(id), pool: self.pool.clone(), _files: files })
    }

    /// Deletes all but the newest `keep` complete snapshots, at least one, and then the state files to which nothing refers
    /// any more.
    ///
    /// # Errors
    /// If one can't be deleted; what was not deleted is, the next time.
    pub fn retain(&self, keep: usize) -> Result<()> {
        let ids = self.list()?;
        let too_many = &ids[..ids.len().saturating_sub(keep.max(1))];
        if let Some(remote) = self.pool.remote() {
            remote.remove(too_many)?;
        }
        for &id in too_many {
            let complete = self.snapshot_path(id);
            let deleting = self.path.join(format!("{}{DELETING_SUFFIX}", directory_name(id)));
            // The new name must be durable before the first file goes: half a snapshot must never look complete.
            fs::rename(&complete, &deleting).map_err(|error| cannot("delete", &complete, error))?;
            sync_directory(&self.path)?;
            fs::remove_dir_all(&deleting).map_err(|error| cannot("delete", &deleting, error))?;
        }
        self.sweep()?;
        self.sweep_remote()
    }

    /// What is in a complete snapshot. Its state files stay for as long as the hold lives, even if the snapshot goes.
    ///
    /// # Errors
    /// If its manifest can't be read.
    pub fn hold(&self, id: SnapshotId) -> Result<(Manifest, Hold)> {
        let manifest = read_manifest(&self.snapshot_path(id))?;
        let files = self.pool.hold(manifest.file_names());
        Ok((manifest, files))
    }

    /// Removes the state files to which no complete snapshot refers, and which nobody holds: of snapshots that were given
    /// up, too.
    ///
    /// # Errors
    /// If one can't be removed; it is, the next time.
    pub fn sweep(&self) -> Result<()> {
        self.referenced()?.map_or(Ok(()), |referenced| self.pool.sweep(&referenced))
    }

    /// The same at the URL. Not done of snapshots that were given up: only who has just been opened or has just committed knows
    /// that nobody else needs the files.
    fn sweep_remote(&self) -> Result<()> {
        self.referenced()?.map_or(Ok(()), |referenced| self.pool.sweep_remote(&referenced))
    }

    /// The state files to which complete snapshots refer, if all of these can say so.
    fn referenced(&self) -> Result<Option<BTreeSet<String>>> {
        let mut referenced = BTreeSet::new();
        for id in self.list()? {
            let path = self.snapshot_path(id).join(MANIFEST_FILE);
            let manifest = fs::read(&path)
                .map_err(|error| cannot("read", &path, error))
                .and_then(|text| Manifest::from_text(&text).map_err(|what| broken(&path, what)));
            match manifest {
                Ok(manifest) => referenced.extend(manifest.file_names().map(str::to_string)),
                Err(error) => {
                    tracing::warn!(%error, "no state files are removed as long as a snapshot can't say which are its own");
                    return Ok(None);
                }
            }
        }
        Ok(Some(referenced))
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
    pool: StatePool,
    /// Keeps what subtasks write until a manifest refers to it.
    _files: Hold,
}

impl PendingSnapshot {
    /// The directory that will be the snapshot's.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory into which the state files go.
    pub fn state_path(&self) -> &Path {
        self.pool.path()
    }

    /// Completes the snapshot, all of whose state files are durable. When this returns it survives a loss of power.
    ///
    /// # Errors
    /// If the manifest can't be written or the directory can't be renamed; then the snapshot does not exist, and nothing is
    /// left of it. If the rename can't be made durable, the snapshot is there, for now.
    pub fn complete(self, manifest: &Manifest) -> Result<()> {
        self.appear(manifest).inspect_err(|_| {
            // What can't be removed now is removed when the directory is next opened.
            let _ = fs::remove_dir_all(&self.path);
        })
    }

    fn appear(&self, manifest: &Manifest) -> Result<()> {
        self.pool.sync()?;
        crash::point(crash::BEFORE_MANIFEST);
        write_manifest(&self.path, manifest)?;
        if let Some(remote) = self.pool.remote() {
            remote.commit(manifest, self.pool.path())?;
        }
        crash::point(crash::AFTER_MANIFEST);
        fs::rename(&self.path, &self.complete).map_err(|error| cannot("complete", &self.complete, error))?;
        if let Some(parent) = self.complete.parent() {
            sync_directory(parent)?;
        }
        crash::point(crash::AFTER_RENAME);
        Ok(())
    }

    /// Gives the snapshot up. Its state files go when the directory is next swept.
    ///
    /// # Errors
    /// If it can't be removed; it will be when the directory is next opened.
    pub fn abandon(self) -> Result<()> {
        fs::remove_dir_all(&self.path).map_err(|error| cannot("remove", &self.path, error))
    }
}

/// Writes the manifest into a directory that has its files; all of it is durable on return.
pub(super) fn write_manifest(directory: &Path, manifest: &Manifest) -> Result<()> {
    let path = directory.join(MANIFEST_FILE);
    let write = |error| cannot("write", &path, error);
    let mut file = fs::File::create_new(&path).map_err(write)?;
    file.write_all(manifest.to_text().as_bytes()).map_err(write)?;
    file.sync_all().map_err(write)?;
    sync_directory(directory)
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

pub(super) fn directory_name(id: SnapshotId) -> String {
    format!("snapshot-{:010}", id.0)
}

/// Every directory that has the name of a snapshot.
pub(super) fn scan(directory: &Path) -> Result<Vec<(SnapshotId, Standing, PathBuf)>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SubtaskIndex;
    use crate::snapshot::chain::Chains;
    use crate::snapshot::fixture::{self, Rows, row};
    use crate::snapshot::part::{FrozenState, Section};
    use crate::snapshot::restore::Snapshot;
    use crate::snapshot::write::write_state;

    fn complete(directory: &SnapshotDirectory) -> SnapshotId {
        let id = directory.next_id();
        directory.begin(id).unwrap().complete(&fixture::manifest(id)).unwrap();
        id
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != LOCK_FILE && name != POOL_DIRECTORY);
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
    fn of_a_snapshot_that_can_not_be_completed_nothing_is_left() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let pending = directory.begin(SnapshotId(1)).unwrap();
        fs::write(pending.path().join("count.0.state"), "rows").unwrap();
        fs::create_dir(pending.path().join(MANIFEST_FILE)).unwrap();
        let error = pending.complete(&fixture::manifest(SnapshotId(1))).unwrap_err();
        assert!(error.to_string().contains(MANIFEST_FILE), "{error}");
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
    fn who_only_looks_removes_nothing_and_creates_no_pool() {
        let temporary = tempfile::tempdir().unwrap();
        fs::create_dir(temporary.path().join("snapshot-0000000007.pending")).unwrap();
        let looked = SnapshotDirectory::open_as_it_is(temporary.path()).unwrap();
        assert_eq!(looked.next_id(), SnapshotId(8));
        drop(looked);
        assert_eq!(names(temporary.path()), ["snapshot-0000000007.pending"]);
        assert!(!temporary.path().join(POOL_DIRECTORY).exists());
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        fixture::write(&directory, vec![base()]);
        fs::write(directory.pool().path().join("count.0.9.state"), "half").unwrap();
        drop(directory);
        SnapshotDirectory::open_as_it_is(temporary.path()).unwrap();
        assert_eq!(names(&temporary.path().join(POOL_DIRECTORY)), ["count.0.8.state", "count.0.9.state"]);
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

    /// Rows that make a file.
    fn one_row() -> Rows {
        Rows(vec![row(1, Section::State, b"key", b"value")])
    }

    fn base() -> FrozenState {
        fixture::frozen("count", fixture::groups(0, 127), one_row())
    }

    fn delta() -> FrozenState {
        fixture::changed("count", fixture::groups(0, 127), one_row())
    }

    #[test]
    fn a_state_file_goes_with_the_last_snapshot_that_refers_to_it() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let mut chains = Chains::default();
        for part in [base(), delta(), base(), delta()] {
            fixture::write_next(&directory, &mut chains, vec![part]);
        }
        let pool = directory.pool().path();
        directory.retain(3).unwrap();
        assert_eq!(
            names(pool),
            ["count.0.1.state", "count.0.2.state", "count.0.3.state", "count.0.4.state"],
            "snapshot 2 needs what snapshot 1 wrote"
        );
        directory.retain(2).unwrap();
        assert_eq!(names(pool), ["count.0.3.state", "count.0.4.state"]);
        directory.retain(1).unwrap();
        assert_eq!(names(pool), ["count.0.3.state", "count.0.4.state"]);
        Snapshot::open(&directory.snapshot_path(SnapshotId(4))).unwrap();
    }

    #[test]
    fn the_files_of_a_snapshot_in_flight_stay_and_those_of_an_abandoned_one_go() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        complete(&directory);
        let pending = directory.begin(SnapshotId(2)).unwrap();
        write_state(pending.state_path(), SnapshotId(2), SubtaskIndex(0), &base()).unwrap();
        directory.retain(1).unwrap();
        assert_eq!(names(directory.pool().path()), ["count.0.2.state"]);
        pending.abandon().unwrap();
        directory.retain(1).unwrap();
        assert_eq!(names(directory.pool().path()), [""; 0]);
    }

    #[test]
    fn opening_sweeps_the_pool_of_what_a_crash_left() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        fixture::write(&directory, vec![base()]);
        let pool = directory.pool().path().to_path_buf();
        let (merged, _hold) = directory.pool().name("count", fixture::groups(0, 127), SnapshotId(1));
        for name in ["count.0.2.state", &merged, "mine.state"] {
            fs::write(pool.join(name), "half").unwrap();
        }
        drop(directory);
        SnapshotDirectory::open(temporary.path()).unwrap();
        assert_eq!(names(&pool), ["count.0.1.state", "mine.state"]);
    }

    #[test]
    fn no_state_file_is_removed_while_a_snapshot_can_not_say_which_are_its_own() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        fixture::write(&directory, vec![base()]);
        fixture::write(&directory, vec![base()]);
        let manifest = directory.snapshot_path(SnapshotId(1)).join(MANIFEST_FILE);
        let text = fs::read(&manifest).unwrap();
        fs::write(&manifest, &text[..text.len() / 2]).unwrap();
        fs::write(directory.pool().path().join("count.0.9.state"), "half").unwrap();
        directory.retain(2).unwrap();
        assert_eq!(names(directory.pool().path()).len(), 3);
        drop(directory);
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        assert_eq!(names(directory.pool().path()).len(), 3);
        directory.retain(1).unwrap();
        assert_eq!(names(directory.pool().path()), ["count.0.2.state"]);
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
            fixture::die(WRITES, temporary.path(), point);
            let directory = SnapshotDirectory::open(temporary.path()).unwrap();
            let expected = if survives { ids(&[1, 2]) } else { ids(&[1]) };
            assert_eq!(directory.list().unwrap(), expected, "after {point}");
            assert_eq!(names(temporary.path()).len(), expected.len(), "after {point}");
            assert_eq!(names(directory.pool().path()).len(), usize::from(survives), "after {point}");
            assert_eq!(directory.next_id(), SnapshotId(3), "after {point}");
            for id in expected {
                Snapshot::open(&directory.snapshot_path(id)).unwrap();
            }
        }
    }

    /// Dies when a part of what an old snapshot alone referred to is removed, and looks at what is left.
    #[test]
    fn a_crash_during_retention_leaves_no_snapshot_without_its_files_and_no_file_for_ever() {
        for point in ["during-retention:1", "during-retention:2"] {
            let temporary = tempfile::tempdir().unwrap();
            let directory = SnapshotDirectory::open(temporary.path()).unwrap();
            let half = |first, last| fixture::frozen("count", fixture::groups(first, last), one_row());
            fixture::write(&directory, vec![half(0, 63), half(1, 127)]);
            fixture::write(&directory, vec![base()]);
            let pool = directory.pool().path().to_path_buf();
            assert_eq!(names(&pool).len(), 3);
            drop(directory);
            fixture::die(RETAINS, temporary.path(), point);
            assert!(names(&pool).len() > 1, "it was to die before the last file was gone");
            let directory = SnapshotDirectory::open(temporary.path()).unwrap();
            assert_eq!(directory.list().unwrap(), ids(&[2]));
            assert_eq!(names(&pool), ["count.0.2.state"]);
            Snapshot::open(&directory.snapshot_path(SnapshotId(2))).unwrap();
        }
    }

    const RETAINS: &str = "snapshot::layout::tests::retains_one_snapshot_in_a_process_of_its_own";

    #[test]
    #[ignore = "dies; run by the test above"]
    fn retains_one_snapshot_in_a_process_of_its_own() {
        let Some(path) = fixture::directory_to_die_in() else { return };
        SnapshotDirectory::open(&path).unwrap().retain(1).unwrap();
    }

    const WRITES: &str = "snapshot::layout::tests::writes_a_snapshot_in_a_process_of_its_own";

    #[test]
    #[ignore = "dies; run by the test above"]
    fn writes_a_snapshot_in_a_process_of_its_own() {
        let Some(path) = fixture::directory_to_die_in() else { return };
        let directory = SnapshotDirectory::open(&path).unwrap();
        fixture::write(&directory, vec![base()]);
    }
}
