//! The working copy of keyed state, in a fjall database: where rows lie that do not fit into memory.
//!
//! Rows enter as sorted runs, past journal and memtable, and leave one by one or by prefix. What always holds: *the working
//! copy can be lost.* It is begun anew whenever a job starts or restarts; durability is the snapshot's, so nothing here is
//! ever synced. Absent: any knowledge of what is in a row. No other file names fjall.
//!
//! In the database there is one keyspace per operator and subtask. The key of a row:
//!
//! | bytes | what                                                   |
//! |------:|--------------------------------------------------------|
//! |     2 | key group, big-endian, so that order is that of groups |
//! |     1 | section: state of a key, or entry of a map or a list   |
//! |     n | key, at most 65,532 bytes                              |

mod directory;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use ::fjall::config::PartitioningPolicy;
pub use directory::StateDirectory;

use self::directory::Directory;
use crate::error::{Error, Result};
use crate::files::portable_name;
use crate::key::{KeyGroup, SubtaskIndex};
use crate::snapshot::part::{RowChange, Section, StateRow};

/// What stands before the key.
const PREFIX_BYTES: usize = 3;
/// fjall's bound of 65,535 bytes, less what stands before.
const KEY_BYTES_MAX: usize = 65_535 - PREFIX_BYTES;
/// The hot rows are in the table in front; this only saves reading a block twice in a row.
const CACHE_BYTES: u64 = 16 << 20;
/// Per operator and subtask.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// The least that fjall takes.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// Nothing is ever flushed: rows come in as sorted runs. Of two threads, fjall keeps one free for flushes, and as long as the
/// other compacts that one hands itself the next compaction over and over: a core that spins.
const BACKGROUND_THREADS: usize = 1;

/// The working copy of all keyed state of one attempt to run a job. Its files go with its last user.
#[derive(Clone)]
pub struct WorkingCopy {
    database: fjall::Database,
    path: Arc<Path>,
    /// Last, so that the database has closed its files before the directory can go.
    _directory: Arc<Directory>,
}

impl WorkingCopy {
    /// Creates an empty one at `path` in `directory`.
    fn create(path: &Path, directory: Arc<Directory>) -> Result<WorkingCopy> {
        let database = fjall::Database::builder(path)
            .temporary(true)
            .manual_journal_persist(true)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES_MAX)
            .worker_threads(BACKGROUND_THREADS)
            .open()
            .map_err(|error| cannot("create", path, error))?;
        Ok(WorkingCopy { database, path: path.into(), _directory: directory })
    }

    /// The rows of an operator in a subtask; none at first.
    ///
    /// # Errors
    /// If its keyspace can't be created.
    pub fn store(&self, operator: &str, subtask: SubtaskIndex) -> Result<RowStore> {
        let name = format!("{}.{subtask}", portable_name(operator));
        let options = || {
            fjall::KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE_BYTES)
                // Whole, the filter of a table is many times what a read needs of it, and would drive all else out of the cache.
                .filter_block_partitioning_policy(PartitioningPolicy::all(true))
        };
        let keyspace =
            self.database.keyspace(&name, options).map_err(|error| self.cannot("create", error))?;
        Ok(RowStore { keyspace, working_copy: self.clone() })
    }

    /// How many bytes it has on disk, if that can be told.
    pub fn disk_bytes(&self) -> Option<u64> {
        self.database.disk_space().ok()
    }

    fn cannot(&self, verb: &str, error: fjall::Error) -> Error {
        cannot(verb, &self.path, error)
    }
}

impl std::fmt::Debug for WorkingCopy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WorkingCopy").field(&self.path).finish()
    }
}

/// The rows of one operator in one subtask. Clones are the same store.
#[derive(Clone)]
pub struct RowStore {
    keyspace: fjall::Keyspace,
    working_copy: WorkingCopy,
}

/// The value of a row, as it lies in the store.
pub struct Value(fjall::Slice);

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// Keys up to this length, with what stands before, are looked up without an allocation.
const SHORT_KEY_BYTES: usize = 128;

/// Takes a row: what is left of its key, and its value.
type EachRow<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

impl RowStore {
    /// The value of a row, if there is such a row.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn get(&self, group: KeyGroup, section: Section, key: &[u8]) -> Result<Option<Value>> {
        let mut short = [0; SHORT_KEY_BYTES];
        let long;
        let key = match short.get_mut(..PREFIX_BYTES + key.len()) {
            Some(row_key) => {
                row_key[..PREFIX_BYTES].copy_from_slice(&prefix(group, section));
                row_key[PREFIX_BYTES..].copy_from_slice(key);
                &*row_key
            }
            None => {
                long = [&prefix(group, section), key].concat();
                &long
            }
        };
        match self.keyspace.get(key) {
            Ok(value) => Ok(value.map(Value)),
            Err(error) => Err(self.working_copy.cannot("read", error)),
        }
    }

    /// Gives every row whose key begins with `begin` to `each`, in ascending order: the rest of its key, and its value.
    ///
    /// # Errors
    /// If the database can't be read, or `each` fails.
    pub fn visit(
        &self,
        group: KeyGroup,
        section: Section,
        begin: &[u8],
        each: &mut EachRow<'_>,
    ) -> Result<()> {
        let begin = [&prefix(group, section), begin].concat();
        for row in self.keyspace.prefix(&begin) {
            let (key, value) = row.into_inner().map_err(|error| self.working_copy.cannot("read", error))?;
            each(&key[begin.len()..], &value)?;
        }
        Ok(())
    }

    /// Writes rows, which come in ascending order: all become visible at once, or none.
    ///
    /// # Errors
    /// If the database can't be written, or a key is longer than 65,532 bytes.
    pub fn write<'a>(&self, rows: impl Iterator<Item = StateRow<'a>>) -> Result<()> {
        let cannot = |error| self.working_copy.cannot("write", error);
        let mut ingestion = self.keyspace.start_ingestion().map_err(cannot)?;
        // Rows of a prefix that is gone, last first: each goes as a removal, in its place among the others.
        let mut doomed: Vec<Vec<u8>> = Vec::new();
        let mut row_key = Vec::new();
        for row in rows {
            set_row_key(&mut row_key, row)?;
            while doomed.last().is_some_and(|doomed| *doomed < row_key) {
                ingestion.write_tombstone(doomed.pop().unwrap_or_default()).map_err(cannot)?;
            }
            doomed.pop_if(|doomed| *doomed == row_key);
            match row.change {
                RowChange::Put(value) => ingestion.write(&row_key[..], value).map_err(cannot)?,
                RowChange::Remove => ingestion.write_tombstone(&row_key[..]).map_err(cannot)?,
                RowChange::RemovePrefix => {
                    for row in self.keyspace.prefix(&row_key) {
                        doomed.push(row.key().map_err(cannot)?.to_vec());
                    }
                    doomed.reverse();
                }
            }
        }
        while let Some(doomed) = doomed.pop() {
            ingestion.write_tombstone(doomed).map_err(cannot)?;
        }
        ingestion.finish().map_err(cannot)
    }
}

fn prefix(group: KeyGroup, section: Section) -> [u8; PREFIX_BYTES] {
    let [high, low] = group.0.to_be_bytes();
    [high, low, section as u8]
}

fn set_row_key(row_key: &mut Vec<u8>, row: StateRow<'_>) -> Result<()> {
    if row.key.len() > KEY_BYTES_MAX {
        return Err(Error::failure(format!(
            "a key of {} bytes in key group {} is too long: state can have keys of at most {KEY_BYTES_MAX} bytes",
            row.key.len(),
            row.group
        ))
        .hint("key the stream by something shorter, such as a hash of it"));
    }
    row_key.clear();
    row_key.extend_from_slice(&prefix(row.group, row.section));
    row_key.extend_from_slice(row.key);
    Ok(())
}

fn cannot(verb: &str, path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let cause = cause.into();
    let mut first = &*cause as &(dyn std::error::Error + 'static);
    while let Some(source) = first.source() {
        first = source;
    }
    // The database puts what the system said into words that are made for its authors.
    let cause = if first.is::<std::io::Error>() { first.to_string().into() } else { cause };
    Error::failure(format!("can't {verb} the working copy of state in {}", path.display()))
        .caused_by(cause)
        .hint(
            "it is rebuilt from a snapshot: see that there is space, or name another place with --state-dir",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        _temporary: tempfile::TempDir,
        store: RowStore,
    }

    #[test]
    fn what_the_system_said_is_said_once() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = cannot("write", Path::new("state"), fjall::Error::from(full));
        assert_eq!(error.to_string(), "can't write the working copy of state in state: no storage space");
    }

    fn put<'a>(group: u16, section: Section, key: &'a [u8], value: &'a [u8]) -> StateRow<'a> {
        StateRow { group: KeyGroup(group), section, key, change: RowChange::Put(value) }
    }

    fn state<'a>(group: u16, key: &'a [u8], value: &'a [u8]) -> StateRow<'a> {
        put(group, Section::State, key, value)
    }

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let directory = StateDirectory::open(&temporary.path().join("state")).unwrap();
            let store = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
            Scene { _temporary: temporary, store }
        }

        fn write(&self, rows: &[StateRow<'_>]) {
            self.store.write(rows.iter().copied()).unwrap();
        }

        fn get(&self, group: u16, key: &[u8]) -> Option<Vec<u8>> {
            self.store.get(KeyGroup(group), Section::State, key).unwrap().map(|value| value.to_vec())
        }

        fn entries(&self, begin: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
            let mut entries = Vec::new();
            self.store
                .visit(KeyGroup(7), Section::Entry, begin, &mut |key, value| {
                    entries.push((key.to_vec(), value.to_vec()));
                    Ok(())
                })
                .unwrap();
            entries
        }
    }

    #[test]
    fn a_later_run_replaces_and_removes_rows_of_an_earlier_one() {
        let scene = Scene::new();
        scene.write(&[state(1, b"a", b"1"), state(1, b"b", b"2"), state(2, b"a", b"3")]);
        assert_eq!(scene.get(1, b"a"), Some(b"1".to_vec()));
        assert_eq!(scene.get(2, b"a"), Some(b"3".to_vec()));
        scene.write(&[state(1, b"a", b""), StateRow { change: RowChange::Remove, ..state(1, b"b", b"") }]);
        assert_eq!(scene.get(1, b"a"), Some(vec![]));
        assert_eq!(scene.get(1, b"b"), None);
        scene.write(&[]);
        assert_eq!(scene.get(2, b"a"), Some(b"3".to_vec()));
    }

    #[test]
    fn sections_are_apart_and_entries_are_found_by_the_beginning_of_their_key() {
        let scene = Scene::new();
        let entry = |key, value| put(7, Section::Entry, key, value);
        scene.write(&[state(7, b"a1", b"row"), entry(b"a1", b"1"), entry(b"a2", b"2"), entry(b"b1", b"3")]);
        let (one, two) = ((b"1".to_vec(), b"1".to_vec()), (b"2".to_vec(), b"2".to_vec()));
        assert_eq!(scene.entries(b"a"), [one, two]);
        assert_eq!(scene.entries(b"c"), []);
    }

    #[test]
    fn a_removed_prefix_takes_with_it_what_is_older_and_nothing_of_its_own_run() {
        let scene = Scene::new();
        let entry = |key, value| put(7, Section::Entry, key, value);
        scene.write(&[entry(b"a1", b"1"), entry(b"a3", b"3"), entry(b"a4", b"4"), entry(b"b1", b"5")]);
        let gone = StateRow { change: RowChange::RemovePrefix, ..entry(b"a", b"") };
        scene.write(&[gone, entry(b"a2", b"new"), entry(b"a3", b"newer"), entry(b"b2", b"6")]);
        let keys: Vec<_> = scene.entries(b"").into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [b"a2", b"a3", b"b1", b"b2"]);
        assert_eq!(scene.entries(b"a3")[0].1, b"newer");
        scene.write(&[StateRow { change: RowChange::RemovePrefix, ..entry(b"b", b"") }]);
        assert_eq!(scene.entries(b"").len(), 2);
    }

    #[test]
    fn keys_of_every_length_are_found_and_too_long_ones_refused() {
        let scene = Scene::new();
        for length in [0, 1, SHORT_KEY_BYTES - 3, SHORT_KEY_BYTES - 2, SHORT_KEY_BYTES, 1000, KEY_BYTES_MAX] {
            let key = vec![b'k'; length];
            scene.write(&[state(7, &key, &length.to_be_bytes())]);
            assert_eq!(scene.get(7, &key), Some(length.to_be_bytes().to_vec()));
        }
        let too_long = vec![b'l'; KEY_BYTES_MAX + 1];
        let rows = [state(7, b"another", b""), state(7, &too_long, b"")];
        let error = scene.store.write(rows.into_iter()).unwrap_err();
        assert_eq!(scene.get(7, b"another"), None, "all or nothing");
        assert!(error.to_string().contains("65533 bytes in key group 7"), "{error}");
    }

    #[test]
    fn operators_and_subtasks_do_not_see_one_anothers_rows() {
        let temporary = tempfile::tempdir().unwrap();
        let copy = StateDirectory::open(temporary.path()).unwrap().working_copy().unwrap();
        let long = "x".repeat(1000);
        let mut stores = Vec::new();
        for operator in ["count", "Count", "a/b \u{e4}\0", "", long.as_str()] {
            for subtask in [0, 1] {
                stores.push(copy.store(operator, SubtaskIndex(subtask)).unwrap());
            }
        }
        for (i, store) in stores.iter().enumerate() {
            store.write([state(0, b"key", &[i as u8])].into_iter()).unwrap();
        }
        for (i, store) in stores.iter().enumerate() {
            let value = store.get(KeyGroup(0), Section::State, b"key").unwrap();
            assert_eq!(value.as_deref(), Some(&[i as u8][..]));
        }
    }
}
