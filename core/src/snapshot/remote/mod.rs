//! Snapshots at a URL: the same as in a directory, in an object store that knows neither rename nor lock.
//!
//! | object                              | what                                                                           |
//! |-------------------------------------|--------------------------------------------------------------------------------|
//! | `manifests/0000000017.json`         | place 17 of the log: the manifest of a complete snapshot                       |
//! | `manifests/0000000018.json`, empty  | place 18 of the log: a job was opened here, and from now on only it may append |
//! | `state/count.0.41.state.0f3a99c1`   | a state file of the pool, with its checksum behind its name                    |
//!
//! *The appearance of a manifest is the commit of its snapshot.* All files that it names are there before. It appears by an
//! atomic create at the place behind the last that its writer knows; a place has one object for ever. So of two jobs that
//! write here, one finds its place taken, whatever it was doing: by a snapshot, or by the empty object with which the other
//! was opened. It has been taken over from, and ends. Who is opened last goes on: that is right when a job is started in the
//! place of one that is cut off and does not know it yet.
//!
//! No object is ever overwritten with another content: two jobs that write files of one name write two objects. Deletion
//! goes the other way: manifests first, then files that none names and nobody [holds](super::pool::Hold). That is done by
//! one that has just been opened or has just committed, so that nobody else can still refer to them.
//!
//! Enter and leave: files of a [pool](super::pool) and texts of manifests. Beside it there is always a local directory with
//! the layout of any other, in which jobs and tools do all that they do; it can be removed at any time, and lacks only what
//! was not needed yet.

#[cfg_attr(not(feature = "object-store"), path = "absent.rs")]
mod objects;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use objects::Objects;

use super::fault::cannot;
use super::file::crc_of;
use super::layout::{MANIFEST_FILE, Standing as Suffix, directory_name, parse_directory_name, scan};
use super::manifest::{ChannelState, Manifest, StateFile, checksum_text};
use super::pool::POOL_DIRECTORY;
use crate::error::{Error, Result};
use crate::record::SnapshotId;

const LOG: &str = "manifests";
/// How often a job that is opened may find that another one was, just before.
const OPENINGS_MAX: usize = 8;

/// The snapshots at a URL.
#[derive(Debug)]
pub(crate) struct Remote {
    url: String,
    objects: Objects,
    known: Mutex<Known>,
}

/// What lies there, as far as this process has seen it or done it.
#[derive(Debug, Default)]
struct Known {
    role: Role,
    /// The last place of the log that is taken; 0 if none is.
    last: u64,
    /// The complete snapshots, each with its place.
    snapshots: BTreeMap<SnapshotId, Committed>,
    /// The places with an empty object.
    openings: Vec<u64>,
    /// The objects of state files.
    files: BTreeSet<String>,
    /// Whether a manifest could not be understood.
    has_broken: bool,
}

#[derive(Debug)]
struct Committed {
    place: u64,
    text: Vec<u8>,
}

/// What this process may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Role {
    /// Look.
    #[default]
    Reader,
    /// Append: nobody has been opened here since.
    Writer,
    /// Nothing: somebody has.
    TakenOver,
}

/// A file as a manifest names it.
struct Named<'a> {
    name: &'a str,
    bytes: u64,
    checksum: &'a str,
}

impl<'a> Named<'a> {
    fn of(file: &'a StateFile) -> Named<'a> {
        Named { name: &file.name, bytes: file.bytes, checksum: &file.checksum }
    }

    fn of_channel(file: &'a ChannelState) -> Named<'a> {
        Named { name: &file.name, bytes: file.bytes, checksum: &file.checksum }
    }

    /// Every file that a manifest names.
    fn all(manifest: &'a Manifest) -> impl Iterator<Item = Named<'a>> {
        let state = manifest.operators.iter().flat_map(|operator| &operator.files).map(Named::of);
        state.chain(manifest.channels.iter().map(Named::of_channel))
    }

    fn object(&self) -> String {
        format!("{POOL_DIRECTORY}/{}.{}", self.name, self.checksum)
    }

    fn is_whole_in(&self, pool: &Path) -> bool {
        let path = pool.join(self.name);
        let has_length = fs::metadata(&path).is_ok_and(|metadata| metadata.len() == self.bytes);
        has_length && crc_of(&path).is_ok_and(|crc| checksum_text(crc) == self.checksum)
    }
}

/// The URL that stands where a directory may stand.
pub(crate) fn url_in(path: &Path) -> Option<&str> {
    let text = path.to_str()?;
    let (scheme, _) = text.split_once("://")?;
    let is_scheme =
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some(text.trim_end_matches('/'))
}

/// Parts the URL of a snapshot, `URL/snapshot-0000000041`, into that of the snapshots and its number.
pub(crate) fn snapshot_in(url: &str) -> Option<(&str, SnapshotId)> {
    let (place, name) = url.rsplit_once('/')?;
    match parse_directory_name(name)? {
        (id, Suffix::Complete) => Some((place, id)),
        _ => None,
    }
}

/// Refuses a URL that this program can't read.
fn check_scheme(url: &str) -> Result<()> {
    let scheme = url.split_once("://").map_or(url, |(scheme, _)| scheme);
    let (feature, is_built_in) = match scheme {
        "file" | "memory" => ("object-store", cfg!(feature = "object-store")),
        "s3" | "s3a" => ("s3", cfg!(feature = "s3")),
        "gs" => ("gcs", cfg!(feature = "gcs")),
        "az" | "adl" | "azure" | "abfs" | "abfss" => ("azure", cfg!(feature = "azure")),
        _ => {
            return Err(Error::usage(format!("{url}: snapshots can't lie in a place of the kind {scheme}"))
                .hint("give a directory, or a URL that begins with s3://, gs://, az:// or file://"));
        }
    };
    if is_built_in {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{url} can't be used: this program was built without the feature {feature} of tidegate"
    ))
    .hint(format!("build it with tidegate = {{ features = [\"{feature}\"], .. }} in its Cargo.toml")))
}

impl Remote {
    /// What lies at a URL; nothing is asked of it yet.
    ///
    /// # Errors
    /// [`usage`](Error::usage) if this program can't read such URLs; or if credentials are missing.
    pub(crate) fn open(url: &str) -> Result<Remote> {
        check_scheme(url)?;
        Objects::open(url).map(|objects| Remote::of(url, objects))
    }

    fn of(url: &str, objects: Objects) -> Remote {
        Remote { url: url.to_string(), objects, known: Mutex::default() }
    }

    /// Where that is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The URL of a snapshot.
    pub(crate) fn url_of(&self, id: SnapshotId) -> String {
        format!("{}/{}", self.url, directory_name(id))
    }

    /// Whether another job was opened here while this one was.
    pub(crate) fn is_taken_over(&self) -> bool {
        self.known().role == Role::TakenOver
    }

    /// Reads the log.
    ///
    /// # Errors
    /// If it can't be read.
    pub(crate) fn look(&self) -> Result<()> {
        let mut seen = Known::default();
        for place in self.places()? {
            seen.last = seen.last.max(place);
            // One that is gone was removed since: it was too old.
            let Some(text) = self.objects.read(&log_name(place))? else { continue };
            match Manifest::from_text(&text) {
                _ if text.is_empty() => seen.openings.push(place),
                Ok(manifest) => {
                    seen.snapshots.insert(manifest.snapshot, Committed { place, text });
                }
                Err(what) => {
                    tracing::warn!("{} is broken: {what}", self.objects.url_of(&log_name(place)));
                    seen.has_broken = true;
                }
            }
        }
        seen.files
            .extend(self.objects.list(POOL_DIRECTORY)?.iter().map(|name| format!("{POOL_DIRECTORY}/{name}")));
        *self.known() = seen;
        Ok(())
    }

    /// Reads the log, and closes it to all who have been opened here before.
    ///
    /// # Errors
    /// If it can't be read or appended to.
    pub(crate) fn take_over(&self) -> Result<()> {
        for _ in 0..OPENINGS_MAX {
            self.look()?;
            let place = self.known().last + 1;
            if self.objects.create(&log_name(place), b"")? {
                let mut known = self.known();
                (known.role, known.last) = (Role::Writer, place);
                known.openings.push(place);
                return Ok(());
            }
        }
        Err(Error::failure(format!("{} is in use: other jobs write there", self.url))
            .hint("give every job a --snapshot-dir of its own"))
    }

    /// The names of the state files that were there when this was last looked at, as they are called in a pool.
    pub(crate) fn file_names(&self) -> Vec<String> {
        self.known().files.iter().filter_map(|object| pool_name(object)).map(str::to_string).collect()
    }

    /// Makes the snapshots of a local directory the same as those here: each with its manifest. Their files are
    /// [fetched](Remote::fetch) when they are needed.
    ///
    /// # Errors
    /// If the directory can't be written to.
    pub(crate) fn mirror(&self, directory: &Path) -> Result<()> {
        let known = self.known();
        for (id, standing, path) in scan(directory)? {
            if standing == Suffix::Complete && !known.snapshots.contains_key(&id) {
                fs::remove_dir_all(&path).map_err(|error| cannot("remove", &path, error))?;
            }
        }
        for (id, Committed { text, .. }) in &known.snapshots {
            let path = directory.join(directory_name(*id));
            fs::create_dir_all(&path).map_err(|error| cannot("create", &path, error))?;
            let path = path.join(MANIFEST_FILE);
            fs::write(&path, text).map_err(|error| cannot("write", &path, error))?;
        }
        Ok(())
    }

    /// Brings the files of a snapshot into a local pool: those that are not there, whole.
    ///
    /// # Errors
    /// If one can't be read here, or not be written there.
    pub(crate) fn fetch(&self, manifest: &Manifest, pool: &Path) -> Result<()> {
        fs::create_dir_all(pool).map_err(|error| cannot("create", pool, error))?;
        let missing = Named::all(manifest).filter(|file| !file.is_whole_in(pool));
        let missing: Vec<_> = missing.map(|file| (file.object(), pool.join(file.name))).collect();
        self.objects.download(&missing)
    }

    /// The first file of a snapshot that is not here.
    pub(crate) fn missing(&self, manifest: &Manifest) -> Option<String> {
        let known = self.known();
        let missing = Named::all(manifest).find(|file| !known.files.contains(&file.object()))?;
        Some(format!("{} is missing", self.objects.url_of(&missing.object())))
    }

    /// Brings files of a local pool here, those that are not.
    ///
    /// # Errors
    /// If one can't be read there or written here.
    pub(crate) fn publish<'a>(
        &self,
        files: impl IntoIterator<Item = &'a StateFile>,
        pool: &Path,
    ) -> Result<()> {
        self.upload(files.into_iter().map(Named::of), pool)
    }

    /// The same of files with records in flight.
    ///
    /// # Errors
    /// If one can't be read there or written here.
    pub(crate) fn publish_channels<'a>(
        &self,
        channels: impl IntoIterator<Item = &'a ChannelState>,
        pool: &Path,
    ) -> Result<()> {
        self.upload(channels.into_iter().map(Named::of_channel), pool)
    }

    fn upload<'a>(&self, files: impl Iterator<Item = Named<'a>>, pool: &Path) -> Result<()> {
        let lacking: Vec<_> = {
            let known = self.known();
            let lacks = files.filter(|file| !known.files.contains(&file.object()));
            lacks.map(|file| (file.object(), pool.join(file.name))).collect()
        };
        self.objects.upload(&lacking)?;
        self.known().files.extend(lacking.into_iter().map(|(object, _)| object));
        Ok(())
    }

    /// Completes a snapshot, with what is still lacking of its files. When this returns, it is what a job restores from.
    ///
    /// # Errors
    /// If it can't be written, or another job was opened here. Then it is not complete, unless the store did what it was
    /// asked to and could not say so.
    pub(crate) fn commit(&self, manifest: &Manifest, pool: &Path) -> Result<()> {
        if self.known().role != Role::Writer {
            return Err(self.taken_over());
        }
        self.upload(Named::all(manifest), pool)?;
        let text = manifest.to_text().into_bytes();
        let place = self.known().last + 1;
        let created = self.objects.create(&log_name(place), &text);
        if !matches!(created, Ok(true)) {
            // A request that was answered by nobody may have been heard, and tried again it finds its own object.
            let there = self.objects.read(&log_name(place))?;
            match created {
                _ if there.as_ref() == Some(&text) => {}
                Err(error) if there.is_none() => return Err(error),
                _ => return Err(self.taken_over()),
            }
        }
        // A place that somebody else has taken long ago is free again when it has been removed behind later ones.
        if self.places()?.into_iter().any(|other| other > place) {
            return Err(self.taken_over());
        }
        let mut known = self.known();
        known.last = place;
        known.snapshots.insert(manifest.snapshot, Committed { place, text });
        Ok(())
    }

    /// Removes snapshots, and what else the log has before the oldest that stays. Their files are [swept](Remote::sweep).
    ///
    /// # Errors
    /// If one can't be removed.
    pub(crate) fn remove(&self, ids: &[SnapshotId]) -> Result<()> {
        let mut known = self.known();
        if known.role != Role::Writer {
            return Ok(());
        }
        let stay = known.snapshots.iter().filter(|(id, _)| !ids.contains(id));
        let oldest = stay.map(|(_, committed)| committed.place).min();
        let removed =
            ids.iter().filter_map(|id| known.snapshots.get(id)).map(|committed| log_name(committed.place));
        let mut removed: Vec<_> = removed.collect();
        if let (Some(oldest), false) = (oldest, known.has_broken) {
            removed.extend(known.openings.extract_if(.., |place| *place < oldest).map(log_name));
        }
        if !removed.is_empty() {
            self.objects.remove(&removed)?;
        }
        known.snapshots.retain(|id, _| !ids.contains(id));
        Ok(())
    }

    /// Removes every file that is not to be kept, by its name in a pool.
    ///
    /// # Errors
    /// If one can't be removed.
    pub(crate) fn sweep(&self, keep: impl Fn(&str) -> bool) -> Result<()> {
        let unneeded: Vec<String> = {
            let known = self.known();
            if known.role != Role::Writer || known.has_broken {
                return Ok(());
            }
            let needed = |object: &&String| pool_name(object).is_none_or(&keep);
            known.files.iter().filter(|object| !needed(object)).cloned().collect()
        };
        if unneeded.is_empty() {
            return Ok(());
        }
        // Whoever needs one of these writes it again.
        self.known().files.retain(|object| !unneeded.contains(object));
        self.objects.remove(&unneeded)
    }

    /// The places of the log that are taken.
    fn places(&self) -> Result<Vec<u64>> {
        Ok(self
            .objects
            .list(LOG)?
            .iter()
            .filter_map(|name| name.strip_suffix(".json")?.parse().ok())
            .collect())
    }

    fn taken_over(&self) -> Error {
        self.known().role = Role::TakenOver;
        Error::failure(format!("another job was opened with --snapshot-dir {}, and has taken over from this one", self.url))
            .hint("give every job a --snapshot-dir of its own; if that one was started in the place of this one, all is well")
    }

    /// A panic under the lock leaves at worst a file that is written twice.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object at a place of the log.
fn log_name(place: u64) -> String {
    format!("{LOG}/{place:010}.json")
}

/// What the file in an object is called in a pool.
fn pool_name(object: &str) -> Option<&str> {
    let (name, _checksum) = object.strip_prefix(POOL_DIRECTORY)?.strip_prefix('/')?.rsplit_once('.')?;
    Some(name)
}

/// A local directory that shows what lies at a URL, to those who only look.
#[derive(Debug)]
pub(crate) struct Mirror {
    remote: Remote,
    directory: PathBuf,
}

impl Mirror {
    /// Copies the manifests into `directory`.
    ///
    /// # Errors
    /// If they can't be read or written.
    pub(crate) fn open(url: &str, directory: &Path) -> Result<Mirror> {
        let remote = Remote::open(url)?;
        remote.look()?;
        fs::create_dir_all(directory).map_err(|error| cannot("create", directory, error))?;
        remote.mirror(directory)?;
        Ok(Mirror { remote, directory: directory.to_path_buf() })
    }

    /// What lies there.
    pub(crate) fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Where the copy is.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the copy of a snapshot is.
    pub(crate) fn path_of(&self, id: SnapshotId) -> PathBuf {
        self.directory.join(directory_name(id))
    }

    /// Brings the files of a snapshot.
    ///
    /// # Errors
    /// If one can't be read or written.
    pub(crate) fn fetch(&self, manifest: &Manifest) -> Result<()> {
        self.remote.fetch(manifest, &self.directory.join(POOL_DIRECTORY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn a_url_is_told_from_a_path_and_that_of_a_snapshot_is_parted() {
        for path in ["snapshots", "/a/b", "C:\\snapshots", "a/b://c", "://x", ""] {
            assert_eq!(url_in(Path::new(path)), None, "{path}");
        }
        assert_eq!(url_in(Path::new("s3://bucket/visits/")), Some("s3://bucket/visits"));
        assert_eq!(url_in(Path::new("file:///tmp/x")), Some("file:///tmp/x"));
        let parted = snapshot_in("s3://bucket/visits/snapshot-0000000041");
        assert_eq!(parted, Some(("s3://bucket/visits", SnapshotId(41))));
        for none in ["s3://bucket/visits", "s3://b/snapshot-41", "s3://b/snapshot-0000000041.pending"] {
            assert_eq!(snapshot_in(none), None, "{none}");
        }
    }

    #[test]
    fn a_url_that_this_program_can_not_read_is_a_mistake_in_the_command_line_and_says_what_to_build_in() {
        let error = Remote::open("ftp://there/x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(format!("{error:#}").contains("of the kind ftp\n  hint: "), "{error:#}");
        let features = [
            ("file:///tmp/x", "object-store", cfg!(feature = "object-store")),
            ("s3://bucket/x", "s3", cfg!(feature = "s3")),
            ("gs://bucket/x", "gcs", cfg!(feature = "gcs")),
            ("az://container/x", "azure", cfg!(feature = "azure")),
        ];
        for (url, feature, is_built_in) in features {
            match check_scheme(url) {
                Ok(()) => assert!(is_built_in, "{url}"),
                Err(error) => {
                    assert!(!is_built_in && error.kind() == ErrorKind::Usage, "{url}");
                    let said = format!("without the feature {feature} of tidegate");
                    assert!(error.to_string().contains(&said), "{error}");
                    assert!(
                        format!("{error:#}").contains(&format!("features = [\"{feature}\"]")),
                        "{error:#}"
                    );
                }
            }
        }
    }

    #[cfg(feature = "object-store")]
    mod at_a_url {
        use std::sync::Arc;

        use object_store::ObjectStore;
        use object_store::memory::InMemory;

        use super::super::*;
        use crate::key::SubtaskIndex;
        use crate::snapshot::fixture::{self, Rows, groups, row};
        use crate::snapshot::part::{FrozenState, RestoredState, Section};
        use crate::snapshot::{PendingSnapshot, RestoreTarget, Snapshot, SnapshotDirectory, write_state};

        /// A place in the memory of this process, and directories beside it.
        struct Scene {
            store: Arc<InMemory>,
            temporary: tempfile::TempDir,
        }

        impl Scene {
            fn new() -> Scene {
                Scene { store: Arc::new(InMemory::new()), temporary: tempfile::tempdir().unwrap() }
            }

            fn remote(&self) -> Remote {
                let store = Arc::clone(&self.store) as Arc<dyn ObjectStore>;
                let root = object_store::path::Path::from("visits");
                Remote::of("memory:///visits", Objects::of("memory:///visits", root, store).unwrap())
            }

            /// A job is opened, whose local directory has this name.
            fn open(&self, directory: &str) -> SnapshotDirectory {
                SnapshotDirectory::create(&self.temporary.path().join(directory), Some(self.remote()))
                    .unwrap()
            }

            fn objects(&self, below: &str) -> Vec<String> {
                let mut names = self.remote().objects.list(below).unwrap();
                names.sort();
                names
            }

            /// The names of the files, without their checksums.
            fn files(&self) -> Vec<String> {
                let parted = |name: &String| name.rsplit_once('.').unwrap().0.to_string();
                self.objects("state").iter().map(parted).collect()
            }
        }

        fn base(value: &[u8]) -> FrozenState {
            fixture::frozen("count", groups(0, 127), Rows(vec![row(1, Section::State, b"key", value)]))
        }

        fn write_part(pending: &PendingSnapshot, id: SnapshotId, value: &[u8]) -> Option<StateFile> {
            write_state(pending.state_path(), id, SubtaskIndex(0), &base(value)).unwrap()
        }

        fn shown(snapshot: &Snapshot) -> Vec<u8> {
            let mut values = Vec::new();
            snapshot
                .rows("count", groups(0, 127), &mut |row| {
                    values.extend_from_slice(row.value().unwrap());
                    Ok(())
                })
                .unwrap();
            values
        }

        fn latest(directory: &SnapshotDirectory) -> Snapshot {
            directory.resolve(&RestoreTarget::Latest).unwrap().unwrap()
        }

        #[test]
        fn what_one_job_has_written_the_next_restores_with_an_empty_directory() {
            let scene = Scene::new();
            let first = scene.open("first");
            fixture::write(&first, vec![base(b"old")]);
            fixture::write(&first, vec![base(b"new")]);
            drop(first);
            let next = scene.open("next");
            assert_eq!(next.list().unwrap(), [SnapshotId(1), SnapshotId(2)]);
            assert_eq!(next.next_id(), SnapshotId(3));
            assert!(
                fs::read_dir(next.pool().path()).unwrap().next().is_none(),
                "nothing is fetched in advance"
            );
            let snapshot = latest(&next);
            assert_eq!((snapshot.id(), shown(&snapshot)), (SnapshotId(2), b"new".to_vec()));
            assert_eq!(snapshot.path(), Path::new("memory:///visits/snapshot-0000000002"));
            assert_eq!(fs::read_dir(next.pool().path()).unwrap().count(), 1, "what is needed is fetched");
            let by_url = RestoreTarget::Path("memory:///visits/snapshot-0000000001".into());
            assert_eq!(shown(&next.resolve(&by_url).unwrap().unwrap()), b"old");
        }

        #[test]
        fn a_local_file_that_is_torn_is_fetched_again() {
            let scene = Scene::new();
            let first = scene.open("first");
            fixture::write(&first, vec![base(b"value")]);
            let path = first.pool().path().join("count.0.1.state");
            let mut torn = fs::read(&path).unwrap();
            torn[30] ^= 1;
            fs::write(&path, &torn).unwrap();
            drop(first);
            assert_eq!(shown(&latest(&scene.open("first"))), b"value");
        }

        #[test]
        fn an_object_that_is_not_what_the_manifest_says_is_refused() {
            let scene = Scene::new();
            fixture::write(&scene.open("first"), vec![base(b"value")]);
            let remote = scene.remote();
            let name = scene.objects("state").remove(0);
            let torn = scene.temporary.path().join("torn");
            fs::write(&torn, "torn").unwrap();
            remote.objects.upload(&[(format!("state/{name}"), torn)]).unwrap();
            let error = scene.open("next").resolve(&RestoreTarget::Id(SnapshotId(1))).unwrap_err();
            assert!(error.to_string().contains("count.0.1.state"), "{error}");
        }

        #[test]
        fn who_was_opened_before_another_completes_nothing_more_whatever_it_was_doing() {
            let scene = Scene::new();
            let cut_off = scene.open("cut off");
            fixture::write(&cut_off, vec![base(b"of the first")]);
            let in_flight = cut_off.begin(SnapshotId(2)).unwrap();
            let given_up = cut_off.begin(SnapshotId(9)).unwrap();

            let next = scene.open("next");
            assert_eq!(shown(&latest(&next)), b"of the first");
            let error = in_flight.complete(&fixture::manifest(SnapshotId(2))).unwrap_err();
            assert!(error.to_string().contains("has taken over from this one"), "{error}");
            assert!(cut_off.is_taken_over() && !next.is_taken_over());
            given_up.complete(&fixture::manifest(SnapshotId(9))).unwrap_err();

            fixture::write(&next, vec![base(b"of the next")]);
            assert_eq!(shown(&latest(&scene.open("third"))), b"of the next");
            assert_eq!(scene.files(), ["count.0.1.state", "count.0.2.state"]);
        }

        /// A process sleeps for so long that its successors have come and gone, and the place behind its last is free again.
        #[test]
        fn who_sleeps_until_its_place_is_free_again_completes_nothing_either() {
            let scene = Scene::new();
            let asleep = scene.open("asleep");
            fixture::write(&asleep, vec![base(b"1")]);
            let pending = asleep.begin(SnapshotId(2)).unwrap();
            let next = scene.open("next");
            for _ in 0..4 {
                fixture::write(&next, vec![base(b"2")]);
                next.retain(1).unwrap();
            }
            assert_eq!(
                scene.objects("manifests"),
                ["0000000007.json"],
                "an opening, a snapshot, an opening, four snapshots"
            );
            pending.complete(&fixture::manifest(SnapshotId(2))).unwrap_err();
            assert!(asleep.is_taken_over());
            assert_eq!(latest(&scene.open("third")).id(), SnapshotId(5));
        }

        #[test]
        fn two_jobs_that_write_files_of_one_name_write_two_objects() {
            let scene = Scene::new();
            let (cut_off, other) = (scene.open("cut off"), scene.open("other"));
            let lost = cut_off.begin(SnapshotId(1)).unwrap();
            let file = write_part(&lost, SnapshotId(1), b"lost");
            fixture::write(&other, vec![base(b"won")]);
            cut_off.pool().publish(&file).unwrap();
            assert_eq!(scene.files(), ["count.0.1.state"; 2]);
            assert_eq!(shown(&latest(&scene.open("third"))), b"won");
        }

        #[test]
        fn old_snapshots_go_and_so_do_files_that_only_they_name() {
            let scene = Scene::new();
            let directory = scene.open("first");
            for value in [b"1", b"2", b"3"] {
                fixture::write(&directory, vec![base(value)]);
                directory.retain(2).unwrap();
            }
            assert_eq!(scene.objects("manifests"), ["0000000003.json", "0000000004.json"]);
            assert_eq!(scene.files(), ["count.0.2.state", "count.0.3.state"]);
            drop(directory);
            let next = scene.open("first");
            assert_eq!(next.list().unwrap(), [SnapshotId(2), SnapshotId(3)]);
        }

        #[test]
        fn files_of_a_snapshot_that_never_was_go_at_the_next_opening_and_others_stay() {
            let scene = Scene::new();
            let first = scene.open("first");
            fixture::write(&first, vec![base(b"1")]);
            let pending = first.begin(SnapshotId(2)).unwrap();
            first.pool().publish(&write_part(&pending, SnapshotId(2), b"2")).unwrap();
            let foreign = scene.temporary.path().join("notes");
            fs::write(&foreign, "mine").unwrap();
            scene.remote().objects.upload(&[("state/notes.txt.bak".to_string(), foreign)]).unwrap();
            assert_eq!(scene.files(), ["count.0.1.state", "count.0.2.state", "notes.txt"]);
            first.retain(3).unwrap();
            assert_eq!(scene.files().len(), 3, "a snapshot in flight holds its files");
            drop((pending, first));
            let next = scene.open("next");
            assert_eq!(scene.files(), ["count.0.1.state", "notes.txt"]);
            assert_eq!(next.next_id(), SnapshotId(3), "the number of a file is not given to another");
        }

        #[test]
        fn who_looks_changes_nothing_and_takes_nothing_over() {
            let scene = Scene::new();
            let job = scene.open("job");
            fixture::write(&job, vec![base(b"1")]);
            let in_flight = job.begin(SnapshotId(2)).unwrap();
            job.pool().publish(&write_part(&in_flight, SnapshotId(2), b"2")).unwrap();
            let before = (scene.objects("manifests"), scene.objects("state"));
            let remote = scene.remote();
            remote.look().unwrap();
            let directory = scene.temporary.path().join("look");
            fs::create_dir(&directory).unwrap();
            remote.mirror(&directory).unwrap();
            let looked = SnapshotDirectory::lock(&directory, Some(remote)).unwrap();
            assert_eq!(shown(&latest(&looked)), b"1");
            looked.retain(1).unwrap();
            assert_eq!((scene.objects("manifests"), scene.objects("state")), before);
            in_flight.complete(&fixture::manifest(SnapshotId(2))).unwrap();
        }

        #[test]
        fn while_a_manifest_is_broken_no_file_is_removed_and_no_older_place_freed() {
            let scene = Scene::new();
            fixture::write(&scene.open("first"), vec![base(b"1")]);
            scene.remote().objects.create("manifests/0000000003.json", b"{ broken").unwrap();
            let next = scene.open("next");
            for value in [b"2", b"3"] {
                fixture::write(&next, vec![base(value)]);
                next.retain(1).unwrap();
            }
            assert_eq!(scene.files(), ["count.0.1.state", "count.0.2.state", "count.0.3.state"]);
            assert!(scene.objects("manifests").contains(&"0000000003.json".to_string()));
        }

        #[test]
        fn a_file_of_several_parts_arrives_as_it_was() {
            let scene = Scene::new();
            let objects = scene.remote().objects;
            let (from, to) = (scene.temporary.path().join("from"), scene.temporary.path().join("to"));
            let content: Vec<u8> = (0..20u32 << 20).map(|n| (n / 7) as u8).collect();
            fs::write(&from, &content).unwrap();
            objects.upload(&[("large".to_string(), from)]).unwrap();
            objects.download(&[("large".to_string(), to.clone())]).unwrap();
            assert!(fs::read(&to).unwrap() == content);
        }
    }
}
