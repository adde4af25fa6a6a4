//! The pool: the files of state, and of records in flight, that the snapshots of a directory share.
//!
//! Files enter under names that were never used before; they leave when nothing refers to them any more: no complete
//! snapshot, no snapshot in flight, nobody who [holds](Hold) them. What always holds: a file is never changed once it is
//! written, and nothing is removed here that does not have one of these names:
//!
//! | name                         | what                                                                                 |
//! |------------------------------|--------------------------------------------------------------------------------------|
//! | `count.0.41.state`           | what subtask 0 of the operator `count` wrote for snapshot 41                         |
//! | `count.0.41.channel`         | the records that were in flight to subtask 0 of `count` at its cut for snapshot 41   |
//! | `count.0-63.41-7.state`      | the seventh file that was merged or copied here: key groups 0 to 63 up to snapshot 41 |
//!
//! Names stay unique because the number of a snapshot is never used twice, completed or not, and the last number of a merged
//! file is higher than any in the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fault::{cannot, sync_directory};
use super::manifest::{ChannelState, StateFile};
use super::remote::Remote;
use crate::error::Result;
use crate::files::portable_name;
use crate::key::{KeyGroupRange, SubtaskIndex};
use crate::record::SnapshotId;
use crate::testing::crash;

/// The directory of a pool, beside the directories of the snapshots.
pub(super) const POOL_DIRECTORY: &str = "state";
const SUFFIX: &str = ".state";
/// What the names of files end with that hold records in flight.
pub(super) const CHANNEL_SUFFIX: &str = ".channel";

/// A directory of state files that several snapshots share. Clones are of the same.
#[derive(Clone, Debug)]
pub struct StatePool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Where the files survive this machine, if that is not here.
    remote: Option<Remote>,
    held: Mutex<Held>,
}

/// What must stay though no snapshot refers to it.
#[derive(Debug, Default)]
struct Held {
    /// Files, each with how many hold it.
    files: BTreeMap<String, usize>,
    /// Snapshots whose subtasks may be writing files.
    snapshots: BTreeMap<SnapshotId, usize>,
    /// The last number that a merged file was given.
    last_number: u64,
}

impl StatePool {
    /// The pool at `path`, as it is; it need not be there yet. If the files lie at a URL, some of them are here.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn at(path: &Path, remote: Option<Remote>) -> Result<StatePool> {
        let mut held = Held::default();
        let mut names = if path.exists() { names(path)? } else { Vec::new() };
        names.extend(remote.iter().flat_map(Remote::file_names));
        for name in names {
            if let Some(PoolName::Merged { number }) = PoolName::parse(&name) {
                held.last_number = held.last_number.max(number);
            }
        }
        Ok(StatePool(Arc::new(Inner { path: path.to_path_buf(), remote, held: Mutex::new(held) })))
    }

    /// Creates its directory, if that is not there.
    ///
    /// # Errors
    /// If it can't be created.
    pub(super) fn create(&self) -> Result<()> {
        match fs::create_dir(self.path()) {
            Err(error) if !self.path().is_dir() => Err(cannot("create", self.path(), error)),
            _ => Ok(()),
        }
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Where its files survive this machine, if that is not here.
    pub(super) fn remote(&self) -> Option<&Remote> {
        self.0.remote.as_ref()
    }

    /// Sees to it that new files, which are durable here, are durable where snapshots are.
    ///
    /// # Errors
    /// If one can't be written there.
    pub(crate) fn publish<'a>(&self, files: impl IntoIterator<Item = &'a StateFile>) -> Result<()> {
        self.remote().map_or(Ok(()), |remote| remote.publish(files, self.path()))
    }

    /// The same of files with records in flight.
    ///
    /// # Errors
    /// If one can't be written there.
    pub(crate) fn publish_channels<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a ChannelState>,
    ) -> Result<()> {
        self.remote().map_or(Ok(()), |remote| remote.publish_channels(channels, self.path()))
    }

    /// Keeps these files for as long as the hold lives.
    pub fn hold<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Hold {
        let names: Vec<String> = names.into_iter().map(str::to_string).collect();
        let mut held = self.held();
        for name in &names {
            *held.files.entry(name.clone()).or_default() += 1;
        }
        Hold { pool: self.clone(), names, snapshot: None }
    }

    /// Keeps every file that subtasks write for this snapshot.
    pub(super) fn hold_snapshot(&self, snapshot: SnapshotId) -> Hold {
        *self.held().snapshots.entry(snapshot).or_default() += 1;
        Hold { pool: self.clone(), names: Vec::new(), snapshot: Some(snapshot) }
    }

    /// A new name, held, for a file of `operator` that is made of others.
    pub(super) fn name(&self, operator: &str, groups: KeyGroupRange, snapshot: SnapshotId) -> (String, Hold) {
        let mut held = self.held();
        held.last_number += 1;
        let KeyGroupRange { first, last } = groups;
        let number = held.last_number;
        let name = format!("{}.{first}-{last}.{snapshot}-{number}{SUFFIX}", portable_name(operator));
        drop(held);
        let hold = self.hold([&*name]);
        (name, hold)
    }

    /// Makes the names of new files durable.
    ///
    /// # Errors
    /// If the operating system can't.
    pub(super) fn sync(&self) -> Result<()> {
        sync_directory(self.path())
    }

    /// Removes every file that is neither among `referenced` nor held.
    ///
    /// # Errors
    /// If the pool can't be read or a file can't be removed.
    pub(super) fn sweep(&self, referenced: &BTreeSet<String>) -> Result<()> {
        for name in names(self.path())? {
            let Some(ours) = PoolName::parse(&name) else { continue };
            // Under the lock: nobody can begin to hold what is being removed.
            let held = self.held();
            if referenced.contains(&name) || held.keep(&name, ours) {
                continue;
            }
            crash::point(crash::DURING_RETENTION);
            let path = self.path().join(&name);
            tracing::debug!("removing {}: no snapshot refers to it", path.display());
            fs::remove_file(&path).map_err(|error| cannot("delete", &path, error))?;
        }
        Ok(())
    }

    /// The same where they survive this machine.
    ///
    /// # Errors
    /// If a file can't be removed.
    pub(super) fn sweep_remote(&self, referenced: &BTreeSet<String>) -> Result<()> {
        let Some(remote) = self.remote() else { return Ok(()) };
        // Names are not used again: what nobody holds, nobody will.
        remote.sweep(|name| match PoolName::parse(name) {
            Some(ours) => referenced.contains(name) || self.held().keep(name, ours),
            None => true,
        })
    }

    /// The last snapshot for which a subtask has written a file that is at the URL.
    pub(super) fn last_written(&self) -> Option<SnapshotId> {
        let names = self.remote()?.file_names();
        let written = names.iter().filter_map(|name| match PoolName::parse(name)? {
            PoolName::Written { snapshot } => Some(snapshot),
            PoolName::Merged { .. } => None,
        });
        written.max()
    }

    /// A panic under the lock leaves at worst a file that stays too long.
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn keep(&self, name: &str, ours: PoolName) -> bool {
        let in_flight = match ours {
            PoolName::Written { snapshot } => self.snapshots.contains_key(&snapshot),
            PoolName::Merged { .. } => false,
        };
        in_flight || self.files.contains_key(name)
    }
}

/// Keeps files in the pool until it is dropped.
#[derive(Debug)]
#[must_use = "what is not held any more may be removed"]
pub struct Hold {
    pool: StatePool,
    names: Vec<String>,
    snapshot: Option<SnapshotId>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = self.pool.held();
        for name in &self.names {
            release(&mut held.files, name);
        }
        if let Some(snapshot) = &self.snapshot {
            release(&mut held.snapshots, snapshot);
        }
    }
}

fn release<K: Ord>(counts: &mut BTreeMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// What the name of a file in a pool says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PoolName {
    /// A subtask wrote it for a snapshot.
    Written { snapshot: SnapshotId },
    /// It was made of others.
    Merged { number: u64 },
}

impl PoolName {
    /// `None` if it is no name that we would give.
    fn parse(name: &str) -> Option<PoolName> {
        let (stem, is_state) = match name.strip_suffix(SUFFIX) {
            Some(stem) => (stem, true),
            None => (name.strip_suffix(CHANNEL_SUFFIX)?, false),
        };
        let mut parts = stem.rsplitn(3, '.');
        let (version, place, operator) = (parts.next()?, parts.next()?, parts.next()?);
        let portable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        if operator.is_empty() || operator.starts_with('.') || !operator.chars().all(portable) {
            return None;
        }
        match (place.split_once('-'), version.split_once('-')) {
            (None, None) => {
                number::<u32>(place)?;
                Some(PoolName::Written { snapshot: SnapshotId(number(version)?) })
            }
            (Some((first, last)), Some((snapshot, count))) if is_state => {
                let groups = number::<u16>(first)?..=number::<u16>(last)?;
                number::<u64>(snapshot)?;
                let number = number(count)?;
                (!groups.is_empty()).then_some(PoolName::Merged { number })
            }
            _ => None,
        }
    }
}

/// A number as we would write it: without a sign or leading zeros.
fn number<N: std::str::FromStr + ToString>(digits: &str) -> Option<N> {
    digits.parse().ok().filter(|number: &N| number.to_string() == digits)
}

/// The name of the file that a subtask of `operator` writes for a snapshot.
pub(super) fn written_name(operator: &str, subtask: SubtaskIndex, snapshot: SnapshotId) -> String {
    format!("{}.{subtask}.{snapshot}{SUFFIX}", portable_name(operator))
}

/// The name of the file with what was in flight to a subtask of `operator` at its cut for a snapshot.
pub(super) fn channel_name(operator: &str, subtask: SubtaskIndex, snapshot: SnapshotId) -> String {
    format!("{}.{subtask}.{snapshot}{CHANNEL_SUFFIX}", portable_name(operator))
}

/// The name of a file in a savepoint, where a range of an operator's key groups has one file.
pub(super) fn savepoint_name(operator: &str, groups: KeyGroupRange) -> String {
    format!("{}.{}-{}{SUFFIX}", portable_name(operator), groups.first, groups.last)
}

fn names(directory: &Path) -> Result<Vec<String>> {
    let unreadable = |error| cannot("read", directory, error);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        names.extend(entry.map_err(unreadable)?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::groups;

    struct Scene {
        temporary: tempfile::TempDir,
        pool: StatePool,
    }

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let pool = StatePool::at(&temporary.path().join("state"), None).unwrap();
            pool.create().unwrap();
            Scene { temporary, pool }
        }

        fn put(&self, name: &str) {
            fs::write(self.pool.path().join(name), "").unwrap();
        }

        fn left(&self, referenced: &[&str]) -> Vec<String> {
            self.pool.sweep(&referenced.iter().map(ToString::to_string).collect()).unwrap();
            let mut left = names(self.pool.path()).unwrap();
            left.sort();
            left
        }
    }

    #[test]
    fn every_name_that_is_given_is_known_again() {
        for operator in ["count", "count-visits", "x", "A name, with.dots", "0", "0-1"] {
            let written = written_name(operator, SubtaskIndex(3), SnapshotId(41));
            assert_eq!(
                PoolName::parse(&written),
                Some(PoolName::Written { snapshot: SnapshotId(41) }),
                "{written}"
            );
            let channel = channel_name(operator, SubtaskIndex(3), SnapshotId(41));
            assert_eq!(PoolName::parse(&channel), PoolName::parse(&written), "{channel}");
            let scene = Scene::new();
            let (merged, _hold) = scene.pool.name(operator, groups(0, 63), SnapshotId(41));
            assert_eq!(PoolName::parse(&merged), Some(PoolName::Merged { number: 1 }), "{merged}");
        }
    }

    #[test]
    fn what_nobody_refers_to_is_swept_and_nothing_that_has_no_name_of_ours() {
        let scene = Scene::new();
        let foreign = [
            "mine.state",
            "count.0.state",
            "count.0-63.state",
            "count.00.41.state",
            "count.0.041.state",
            "count.0.41.state.bak",
            "count.0-63.41.state",
            "count.63-0.41-1.state",
            "Count.0.41.state",
            ".0.41.state",
            "count.0.41-1.state",
            "count.+0.41.state",
            "count.0.channel",
            "count.0-63.41-7.channel",
        ];
        foreign.iter().for_each(|name| scene.put(name));
        let ours = [
            "count.0.41.state",
            "count.0.41.channel",
            "count.1.41.state",
            "count.0-63.41-7.state",
            "count.64-127.41-8.state",
        ];
        ours.iter().for_each(|name| scene.put(name));
        let left = scene.left(&["count.1.41.state", "count.64-127.41-8.state"]);
        assert_eq!(left.len(), foreign.len() + 2, "{left:?}");
        for name in foreign.iter().chain(&["count.1.41.state", "count.64-127.41-8.state"]) {
            assert!(left.iter().any(|left| left == name), "{name}");
        }
    }

    #[test]
    fn what_is_held_stays_until_the_last_hold_is_gone() {
        let scene = Scene::new();
        scene.put("count.0.41.state");
        scene.put("count.0.42.state");
        let holds = (scene.pool.hold(["count.0.41.state"]), scene.pool.hold(["count.0.41.state"]));
        let in_flight = scene.pool.hold_snapshot(SnapshotId(42));
        assert_eq!(scene.left(&[]), ["count.0.41.state", "count.0.42.state"]);
        drop(holds.0);
        assert_eq!(scene.left(&[]), ["count.0.41.state", "count.0.42.state"]);
        drop(holds.1);
        assert_eq!(scene.left(&[]), ["count.0.42.state"]);
        drop(in_flight);
        assert_eq!(scene.left(&[]), [""; 0]);
    }

    #[test]
    fn a_merged_file_has_a_name_that_no_file_has_even_after_the_pool_was_opened_again() {
        let scene = Scene::new();
        let (first, _hold) = scene.pool.name("count", groups(0, 127), SnapshotId(5));
        let (second, _hold) = scene.pool.name("count", groups(0, 127), SnapshotId(5));
        assert_ne!(first, second);
        scene.put(&second);
        let reopened = StatePool::at(scene.pool.path(), None).unwrap();
        let (third, _hold) = reopened.name("count", groups(0, 127), SnapshotId(5));
        assert_eq!(third, "count.0-127.5-3.state");
        assert!(scene.temporary.path().exists());
    }
}
