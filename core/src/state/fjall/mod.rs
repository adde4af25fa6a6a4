//! The working copy of keyed state, in a fjall database: where rows lie that do not fit into memory.
//!
//! Rows enter and leave as bytes, under a key group and a key. What always holds: *the working copy can be lost.* It is
//! begun anew whenever a job starts or restarts, and rebuilt from a snapshot; durability is the snapshot's, so the journal
//! here is never synced. Absent: any knowledge of what is in a row. No other file names fjall.
//!
//! In the database there is one keyspace per operator and subtask. The key of a row:
//!
//! | bytes | what                                                 |
//! |------:|------------------------------------------------------|
//! |     2 | key group, big-endian, so that order is that of groups |
//! |     n | key, at most 65,533 bytes                            |

mod directory;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use fjall::Readable;

pub use directory::StateDirectory;

use self::directory::Directory;
use crate::error::{Error, Result};
use crate::files::portable_name;
use crate::key::{KeyGroup, SubtaskIndex};

/// fjall's bound of 65,535 bytes, less the key group.
const KEY_BYTES_MAX: usize = 65_533;
/// The hot rows are in the table in front; this only saves reading a block twice in a row.
const CACHE_BYTES: u64 = 16 << 20;
/// Per operator and subtask.
const MEMTABLE_BYTES: u64 = 16 << 20;
/// The least that fjall takes.
const JOURNAL_BYTES_MAX: u64 = 64 << 20;
/// One can flush while the other compacts.
const BACKGROUND_THREADS: usize = 2;

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
        let options = || fjall::KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES);
        let keyspace =
            self.database.keyspace(&name, options).map_err(|error| self.cannot("create", error))?;
        Ok(RowStore { keyspace, working_copy: self.clone() })
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

impl RowStore {
    /// The value of a row, if there is such a row.
    ///
    /// # Errors
    /// If the database can't be read.
    pub fn get(&self, group: KeyGroup, key: &[u8]) -> Result<Option<Value>> {
        let mut short = [0; SHORT_KEY_BYTES];
        let long;
        let key = match short.get_mut(..2 + key.len()) {
            Some(row_key) => {
                row_key[..2].copy_from_slice(&group.0.to_be_bytes());
                row_key[2..].copy_from_slice(key);
                &*row_key
            }
            None => {
                long = [&group.0.to_be_bytes(), key].concat();
                &long
            }
        };
        match self.keyspace.get(key) {
            Ok(value) => Ok(value.map(Value)),
            Err(error) => Err(self.working_copy.cannot("read", error)),
        }
    }

    /// Begins a batch of changes.
    pub fn batch(&self) -> WriteBatch<'_> {
        let batch = self.working_copy.database.batch();
        WriteBatch { store: self, batch, row_key: Vec::new(), refused: None }
    }

    /// The rows as they are now, whatever is written later. Takes microseconds: nothing is copied.
    pub fn freeze(&self) -> FrozenStore {
        FrozenStore {
            snapshot: self.working_copy.database.snapshot(),
            keyspace: self.keyspace.clone(),
            working_copy: self.working_copy.clone(),
        }
    }

    /// Begins to load many rows, in ascending order of (key group, key), past journal and memtable.
    ///
    /// # Errors
    /// If the database can't be written.
    pub fn ingest(&self) -> Result<Ingest<'_>> {
        let ingestion =
            self.keyspace.start_ingestion().map_err(|error| self.working_copy.cannot("write", error))?;
        // fjall does not name this type for others; a closure can hold it all the same.
        let mut ingestion = Some(ingestion);
        let load = move |row: Option<(&[u8], &[u8])>| match (row, ingestion.as_mut()) {
            (Some((key, value)), Some(ingestion)) => ingestion.write(key, value),
            (Some(_), None) => Ok(()),
            (None, _) => ingestion.take().map_or(Ok(()), |ingestion| ingestion.finish()),
        };
        Ok(Ingest { store: self, load: Box::new(load), row_key: Vec::new(), last: Vec::new() })
    }
}

/// Keys up to this length, with their group, are looked up without an allocation.
const SHORT_KEY_BYTES: usize = 128;

/// Changes to rows that take effect together. A later change of a row replaces an earlier one.
#[must_use = "a batch takes effect when it is committed"]
pub struct WriteBatch<'a> {
    store: &'a RowStore,
    batch: fjall::OwnedWriteBatch,
    row_key: Vec<u8>,
    /// The first change that can't be made: told by `commit`, so that the loop that fills a batch need not ask.
    refused: Option<Error>,
}

impl WriteBatch<'_> {
    /// Sets a row. A key of more than 65,533 bytes makes the batch fail.
    pub fn put(&mut self, group: KeyGroup, key: &[u8], value: &[u8]) {
        match set_row_key(&mut self.row_key, group, key) {
            Ok(()) => self.batch.insert(&self.store.keyspace, &self.row_key[..], value),
            Err(error) => self.refused = self.refused.take().or(Some(error)),
        }
    }

    /// Removes a row, if it is there.
    pub fn remove(&mut self, group: KeyGroup, key: &[u8]) {
        // There is no row with a key that is too long.
        if set_row_key(&mut self.row_key, group, key).is_ok() {
            self.batch.remove(&self.store.keyspace, &self.row_key[..]);
        }
    }

    /// How many changes there are.
    pub fn len(&self) -> usize {
        self.batch.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Makes the changes: all, or none.
    ///
    /// # Errors
    /// If the database can't be written, or a key was longer than 65,533 bytes.
    pub fn commit(self) -> Result<()> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let working_copy = &self.store.working_copy;
        self.batch.commit().map_err(|error| working_copy.cannot("write", error))
    }
}

/// Rows that are being loaded in order. They are there when it is finished.
#[must_use = "nothing is loaded until it is finished"]
pub struct Ingest<'a> {
    store: &'a RowStore,
    load: Box<Load<'a>>,
    row_key: Vec<u8>,
    last: Vec<u8>,
}

/// Loads a row, or finishes.
type Load<'a> = dyn FnMut(Option<(&[u8], &[u8])>) -> fjall::Result<()> + 'a;

impl Ingest<'_> {
    /// Loads a row, which must come after the last one.
    ///
    /// # Errors
    /// If it does not, if its key is longer than 65,533 bytes, or if the database can't be written.
    pub fn put(&mut self, group: KeyGroup, key: &[u8], value: &[u8]) -> Result<()> {
        set_row_key(&mut self.row_key, group, key)?;
        if self.row_key <= self.last {
            return Err(Error::failure(format!(
                "a row of key group {group} came out of order into the working copy"
            )));
        }
        (self.load)(Some((&self.row_key, value)))
            .map_err(|error| self.store.working_copy.cannot("write", error))?;
        std::mem::swap(&mut self.last, &mut self.row_key);
        Ok(())
    }

    /// Makes the rows visible.
    ///
    /// # Errors
    /// If the database can't be written.
    pub fn finish(mut self) -> Result<()> {
        (self.load)(None).map_err(|error| self.store.working_copy.cannot("write", error))
    }
}

/// Is given key group, key and value of every row.
pub type Visit<'a> = dyn FnMut(KeyGroup, &[u8], &[u8]) -> Result<()> + 'a;

/// Rows as they were at one moment. Can be read from another thread while the store is written to.
pub struct FrozenStore {
    snapshot: fjall::Snapshot,
    keyspace: fjall::Keyspace,
    working_copy: WorkingCopy,
}

impl FrozenStore {
    /// Gives every row to `each`, in ascending order of (key group, key).
    ///
    /// # Errors
    /// If the database can't be read, or `each` fails.
    pub fn visit(&self, each: &mut Visit<'_>) -> Result<()> {
        for row in self.snapshot.iter(&self.keyspace) {
            let (key, value) = row.into_inner().map_err(|error| self.working_copy.cannot("read", error))?;
            let (group, key) =
                key.split_first_chunk().expect("every key begins with its group: `set_row_key`");
            each(KeyGroup(u16::from_be_bytes(*group)), key, &value)?;
        }
        Ok(())
    }
}

fn set_row_key(row_key: &mut Vec<u8>, group: KeyGroup, key: &[u8]) -> Result<()> {
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::failure(format!(
            "a key of {} bytes in key group {group} is too long: state can have keys of at most {KEY_BYTES_MAX} bytes",
            key.len()
        ))
        .hint("key the stream by something shorter, such as a hash of it"));
    }
    row_key.clear();
    row_key.extend_from_slice(&group.0.to_be_bytes());
    row_key.extend_from_slice(key);
    Ok(())
}

fn cannot(verb: &str, path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
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

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let directory = StateDirectory::open(&temporary.path().join("state")).unwrap();
            let store = directory.working_copy().unwrap().store("count", SubtaskIndex(0)).unwrap();
            Scene { _temporary: temporary, store }
        }

        fn put(&self, group: u16, key: &[u8], value: &[u8]) {
            let mut batch = self.store.batch();
            batch.put(KeyGroup(group), key, value);
            batch.commit().unwrap();
        }

        fn get(&self, group: u16, key: &[u8]) -> Option<Vec<u8>> {
            self.store.get(KeyGroup(group), key).unwrap().map(|value| value.to_vec())
        }
    }

    fn rows(frozen: &FrozenStore) -> Vec<(u16, Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        frozen
            .visit(&mut |group, key, value| {
                rows.push((group.0, key.to_vec(), value.to_vec()));
                Ok(())
            })
            .unwrap();
        rows
    }

    #[test]
    fn rows_are_put_replaced_and_removed_by_a_batch() {
        let scene = Scene::new();
        let mut batch = scene.store.batch();
        assert!(batch.is_empty());
        batch.put(KeyGroup(1), b"a", b"1");
        batch.put(KeyGroup(1), b"b", b"2");
        batch.put(KeyGroup(2), b"a", b"3");
        assert_eq!(batch.len(), 3);
        assert_eq!(scene.get(1, b"a"), None, "nothing has happened yet");
        batch.commit().unwrap();
        assert_eq!(scene.get(1, b"a"), Some(b"1".to_vec()));
        assert_eq!(scene.get(2, b"a"), Some(b"3".to_vec()));

        let mut batch = scene.store.batch();
        batch.put(KeyGroup(1), b"a", b"");
        batch.remove(KeyGroup(1), b"b");
        batch.commit().unwrap();
        assert_eq!(scene.get(1, b"a"), Some(vec![]));
        assert_eq!(scene.get(1, b"b"), None);
        scene.store.batch().commit().unwrap();
    }

    #[test]
    fn keys_of_every_length_are_found_and_too_long_ones_refused() {
        let scene = Scene::new();
        for length in [0, 1, SHORT_KEY_BYTES - 2, SHORT_KEY_BYTES - 1, SHORT_KEY_BYTES, 1000, KEY_BYTES_MAX] {
            let key = vec![b'k'; length];
            scene.put(7, &key, &length.to_be_bytes());
            assert_eq!(scene.get(7, &key), Some(length.to_be_bytes().to_vec()));
        }
        let too_long = vec![b'k'; KEY_BYTES_MAX + 1];
        let mut batch = scene.store.batch();
        batch.put(KeyGroup(7), b"short", b"");
        batch.put(KeyGroup(7), &too_long, b"");
        batch.remove(KeyGroup(7), &too_long);
        let error = batch.commit().unwrap_err();
        assert_eq!(scene.get(7, b"short"), None, "all or nothing");
        assert!(error.to_string().contains("65534 bytes in key group 7"), "{error}");
        assert!(scene.store.ingest().unwrap().put(KeyGroup(7), &too_long, b"").is_err());
    }

    #[test]
    fn a_frozen_store_is_read_from_another_thread_while_the_store_goes_on() {
        let scene = Scene::new();
        for group in [300u16, 2, 70] {
            scene.put(group, b"kept", b"old");
        }
        let frozen = scene.store.freeze();
        scene.put(2, b"kept", b"new");
        scene.put(2, b"late", b"x");
        let mut batch = scene.store.batch();
        batch.remove(KeyGroup(300), b"kept");
        batch.commit().unwrap();

        let (seen, _) = rayon::join(move || rows(&frozen), || ());
        let old = |group| (group, b"kept".to_vec(), b"old".to_vec());
        assert_eq!(seen, [old(2), old(70), old(300)]);
        assert_eq!(scene.get(2, b"kept"), Some(b"new".to_vec()));
    }

    #[test]
    fn sorted_rows_are_ingested_and_then_read_written_and_frozen_like_others() {
        let scene = Scene::new();
        let mut ingest = scene.store.ingest().unwrap();
        for key in 0..10_000u32 {
            ingest.put(KeyGroup((key / 100) as u16), &key.to_be_bytes(), &[key as u8; 30]).unwrap();
        }
        ingest.finish().unwrap();
        assert_eq!(scene.get(57, &5_700u32.to_be_bytes()), Some(vec![5_700u32 as u8; 30]));
        assert_eq!(scene.get(57, &5_800u32.to_be_bytes()), None);
        let frozen = scene.store.freeze();
        scene.put(0, &0u32.to_be_bytes(), b"new");
        assert_eq!(rows(&frozen).len(), 10_000);
        assert_eq!(rows(&frozen)[0].2, [0; 30]);
        assert_eq!(rows(&scene.store.freeze())[0].2, b"new");
    }

    #[test]
    fn ingesting_nothing_is_fine() {
        let scene = Scene::new();
        scene.store.ingest().unwrap().finish().unwrap();
        drop(scene.store.ingest().unwrap());
        assert_eq!(rows(&scene.store.freeze()), []);
        scene.put(1, b"a", b"1");
        assert_eq!(scene.get(1, b"a"), Some(b"1".to_vec()));
    }

    #[test]
    fn rows_are_not_ingested_out_of_order() {
        let scene = Scene::new();
        let mut ingest = scene.store.ingest().unwrap();
        ingest.put(KeyGroup(2), b"b", b"").unwrap();
        for (group, key) in [(2, b"b"), (2, b"a"), (1, b"c")] {
            assert!(ingest.put(KeyGroup(group), key, b"").unwrap_err().to_string().contains("out of order"));
        }
        ingest.put(KeyGroup(2), b"c", b"").unwrap();
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
            let mut batch = store.batch();
            batch.put(KeyGroup(0), b"key", &[i as u8]);
            batch.commit().unwrap();
        }
        for (i, store) in stores.iter().enumerate() {
            assert_eq!(rows(&store.freeze()), [(0, b"key".to_vec(), vec![i as u8])]);
        }
    }
}
