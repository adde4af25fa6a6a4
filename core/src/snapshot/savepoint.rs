//! Savepoints: a snapshot merged into one directory of its own, which the user owns and can take anywhere.
//!
//! | path                      | what                                                     |
//! |---------------------------|----------------------------------------------------------|
//! | `PATH/`                   | a complete savepoint                                     |
//! | `PATH/manifest.json`      | what is in it                                            |
//! | `PATH/count.0-127.state`  | the state of the operator `count` in key groups 0 to 127 |
//! | `PATH/count.0.41.channel` | records in flight to it, if the snapshot has any         |
//! | `PATH.pending/`           | being written, or left by a crash                        |
//!
//! A complete snapshot enters. What leaves appears by one atomic rename, when all of it is durable, and refers to nothing
//! outside of itself. Records in flight are copied as they are. A job that is asked for a savepoint takes an aligned snapshot
//! for it, which has none; one that is made of any other snapshot, by `export` or `edit`, has what that one has.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::channel_file::copy_channel;
use super::fault::{cannot, sync_directory};
use super::file::{StateFileHeader, StateFileWriter};
use super::layers::Layers;
use super::layout::{MANIFEST_FILE, write_manifest};
use super::manifest::{Manifest, OperatorState, SnapshotKind, StateFile, StateFiles};
use super::merge::Removals;
use super::pool::{CHANNEL_SUFFIX, savepoint_name};
use super::stack::pieces;
use crate::error::{Error, Result};
use crate::evolution::living::Living;
use crate::key::KeyGroupRange;
use crate::snapshot::part::{LayerKind, StateRow};

/// Writes the snapshot that `manifest` describes, and whose state files lie in `files`, as a savepoint at `path`: without
/// entries that have expired.
///
/// # Errors
/// If there is something at `path` already, a state file can't be read or is broken, or the savepoint can't be written;
/// then there is no savepoint.
pub fn write_savepoint(manifest: &Manifest, files: &Path, path: &Path) -> Result<()> {
    let living = Living::at(manifest);
    let mut layers = BTreeMap::new();
    for operator in &manifest.operators {
        layers.insert(operator.name.as_str(), Layers::open(files, &operator.files)?);
    }
    write_rows(manifest, files, path, &|operator, groups, each| match layers.get(operator) {
        Some(layers) => layers.visit(groups, Removals::Drop, &|row| living.has(operator, row), each),
        None => Ok(()),
    })
}

/// Gives every row of an operator in a range of key groups, in order, to whom it is told.
pub(super) type Rows<'a> =
    dyn Fn(&str, KeyGroupRange, &mut dyn FnMut(StateRow<'_>) -> Result<()>) -> Result<()> + Sync + 'a;

/// Writes a savepoint of these rows at `path`, which for the rest is as `manifest` says; the files of that lie in `files`.
///
/// # Errors
/// If there is something at `path` already, `rows` fails, or the savepoint can't be written; then there is no savepoint.
pub(super) fn write_rows(manifest: &Manifest, files: &Path, path: &Path, rows: &Rows<'_>) -> Result<()> {
    check_free(path)?;
    let pending = begin(path)?;
    let written = write_into(&pending, manifest, files, rows).and_then(|()| appear(&pending, path));
    if written.is_err() {
        // What can't be removed now does not stand in the way of the next one.
        let _ = fs::remove_dir_all(&pending);
    }
    written.map_err(|error| error.within(format!("no savepoint was written at {}", path.display())))
}

/// Nobody's files are to be mixed with ours, or lost.
fn check_free(path: &Path) -> Result<()> {
    let taken = match fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) if error.kind() == ErrorKind::NotADirectory => true,
        Err(error) => return Err(cannot("read", path, error)),
    };
    if !taken {
        return Ok(());
    }
    let what = if path.join(MANIFEST_FILE).exists() { "a snapshot is there" } else { "it is not empty" };
    Err(Error::failure(format!("can't write a savepoint to {}: {what}", path.display()))
        .hint("give a path at which there is nothing yet"))
}

/// Creates the directory that will be the savepoint's. One that was left by a crash goes first, if it has nothing but ours.
fn begin(path: &Path) -> Result<PathBuf> {
    let mut pending: OsString = path.to_path_buf().into_os_string();
    pending.push(".pending");
    let pending = PathBuf::from(pending);
    if pending.exists() {
        if !has_only_ours(&pending)? {
            return Err(Error::failure(format!("{} is in the way of a savepoint", pending.display()))
                .hint("move it away, or give another path"));
        }
        fs::remove_dir_all(&pending).map_err(|error| cannot("remove", &pending, error))?;
    }
    if let Some(parent) = pending.parent() {
        fs::create_dir_all(parent).map_err(|error| cannot("create", parent, error))?;
    }
    fs::create_dir(&pending).map_err(|error| cannot("create", &pending, error))?;
    Ok(pending)
}

fn has_only_ours(directory: &Path) -> Result<bool> {
    let unreadable = |error| cannot("read", directory, error);
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let ours = name == MANIFEST_FILE || name.ends_with(".state") || name.ends_with(CHANNEL_SUFFIX);
        if !ours || !entry.file_type().map_err(unreadable)?.is_file() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn write_into(pending: &Path, manifest: &Manifest, files: &Path, rows: &Rows<'_>) -> Result<()> {
    manifest.channels.iter().try_for_each(|channel| copy_channel(files, pending, channel))?;
    let mut operators = Vec::with_capacity(manifest.operators.len());
    for OperatorState { name, schema, files } in &manifest.operators {
        let bytes = files.iter().map(|file| file.bytes).sum();
        let ranges = pieces(manifest.max_parallelism.all(), bytes);
        let written = ranges.par_iter().map(|&groups| {
            let header = StateFileHeader { layer: LayerKind::Base, groups, written_by: manifest.snapshot };
            let file_name = savepoint_name(name, groups);
            let mut writer = None;
            rows(name, groups, &mut |row| {
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer.insert(StateFileWriter::create(&pending.join(&file_name), header)?),
                };
                writer.row(row)
            })?;
            let summary = writer.map(StateFileWriter::finish).transpose()?;
            Ok(summary.map(|summary| StateFile::new(file_name, header, summary)))
        });
        let files: Vec<_> = written.collect::<Result<_>>()?;
        let files = files.into_iter().flatten().collect();
        operators.push(OperatorState { name: name.clone(), schema: schema.clone(), files });
    }
    let own = Manifest {
        kind: SnapshotKind::Savepoint,
        files: StateFiles::Own,
        operators,
        channels: manifest.channels.clone(),
        entries: manifest.entries.clone(),
        job: manifest.job.clone(),
        ..*manifest
    };
    write_manifest(pending, &own)
}

/// Gives the savepoint, all of which is durable, its name.
fn appear(pending: &Path, path: &Path) -> Result<()> {
    if path.is_dir() {
        // Empty; not every system renames over a directory.
        fs::remove_dir(path).map_err(|error| cannot("replace", path, error))?;
    }
    fs::rename(pending, path).map_err(|error| cannot("complete", path, error))?;
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => sync_directory(parent),
        None => sync_directory(Path::new(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::chain::Chains;
    use crate::snapshot::fixture::{self, OwnedChange, OwnedRow, Rows, groups, removal, row};
    use crate::snapshot::part::FrozenState;
    use crate::snapshot::part::RestoredState;
    use crate::snapshot::part::Section::{Entry, EventTimer, State};
    use crate::snapshot::{Snapshot, SnapshotDirectory};
    use crate::state::TtlTime;
    use crate::time::EventTime;

    struct Scene {
        temporary: tempfile::TempDir,
        snapshot: Snapshot,
    }

    impl Scene {
        /// A snapshot of two layers.
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let directory = SnapshotDirectory::open(&temporary.path().join("snapshots")).unwrap();
            let mut chains = Chains::default();
            let base = Rows(vec![
                row(0, State, b"a", b"1"),
                row(0, State, b"b", b"1"),
                row(90, EventTimer, b"t", b""),
            ]);
            let none = fixture::frozen("sum", groups(0, 127), Rows(vec![]));
            fixture::write_next(
                &directory,
                &mut chains,
                vec![fixture::frozen("count", groups(0, 127), base), none],
            );
            let delta = Rows(vec![row(0, State, b"a", b"2"), removal(0, State, b"b", OwnedChange::Remove)]);
            let delta = vec![fixture::changed("count", groups(0, 127), delta)];
            let id = fixture::write_next(&directory, &mut chains, delta);
            let snapshot = Snapshot::open(&directory.snapshot_path(id)).unwrap();
            Scene { temporary, snapshot }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.temporary.path().join(name)
        }

        fn write(&self, path: &Path) -> Result<()> {
            write_savepoint(self.snapshot.manifest(), self.snapshot.state_path(), path)
        }
    }

    fn shown(snapshot: &Snapshot) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        let all = KeyGroupRange { first: crate::key::KeyGroup(0), last: crate::key::KeyGroup(127) };
        let mut each = |row: StateRow<'_>| {
            rows.push(OwnedRow::from(row));
            Ok(())
        };
        snapshot.rows("count", all, &mut each).unwrap();
        rows
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_savepoint_shows_what_the_snapshot_showed_wherever_it_is_taken() {
        let scene = Scene::new();
        let path = scene.path("backup/before the upgrade");
        scene.write(&path).unwrap();
        assert_eq!(names(&path), ["count.0-127.state", "manifest.json"]);
        let expected = shown(&scene.snapshot);
        let Scene { temporary, snapshot } = scene;
        fs::remove_dir_all(temporary.path().join("snapshots")).unwrap();
        let elsewhere = temporary.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        let savepoint = Snapshot::open(&elsewhere).unwrap();
        assert_eq!(shown(&savepoint), expected);
        let (was, is) = (snapshot.manifest(), savepoint.manifest());
        assert_eq!((is.kind, is.files), (SnapshotKind::Savepoint, StateFiles::Own));
        assert_eq!((&is.entries, is.snapshot, is.taken_at), (&was.entries, was.snapshot, was.taken_at));
        let names: Vec<&str> = is.operators.iter().map(|operator| operator.name.as_str()).collect();
        assert_eq!(names, ["count", "sum"], "an operator without state keeps its schema");
        assert!(is.operators[0].files.iter().all(|file| file.layer == LayerKind::Base));
    }

    #[test]
    fn what_has_expired_is_not_in_a_savepoint() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(&temporary.path().join("snapshots")).unwrap();
        let entry = |key, refreshed| {
            row(0, Entry, key, &postcard::to_stdvec(&EventTime::from_millis(refreshed)).unwrap())
        };
        // The snapshot of the fixture was taken in 2015.
        let (old, new) = (entry(b"\0old", 0), entry(b"\0new", i64::MAX / 2));
        let rows = vec![row(0, State, b"a", b"1"), new.clone(), old];
        let part = FrozenState {
            schema: fixture::expiring("Account", TtlTime::Processing),
            ..fixture::frozen("count", groups(0, 127), Rows(rows))
        };
        let id = fixture::write_next(&directory, &mut Chains::default(), vec![part]);
        let snapshot = Snapshot::open(&directory.snapshot_path(id)).unwrap();
        let path = temporary.path().join("savepoint");
        write_savepoint(snapshot.manifest(), snapshot.state_path(), &path).unwrap();
        assert_eq!(shown(&Snapshot::open(&path).unwrap()), [row(0, State, b"a", b"1"), new]);
    }

    #[test]
    fn a_savepoint_of_a_savepoint_is_one() {
        let scene = Scene::new();
        scene.write(&scene.path("first")).unwrap();
        let first = Snapshot::open(&scene.path("first")).unwrap();
        write_savepoint(first.manifest(), first.state_path(), &scene.path("second")).unwrap();
        assert_eq!(shown(&Snapshot::open(&scene.path("second")).unwrap()), shown(&scene.snapshot));
    }

    #[test]
    fn an_empty_directory_is_taken_and_anything_else_refused_and_left_alone() {
        let scene = Scene::new();
        let path = scene.path("savepoint");
        fs::create_dir(&path).unwrap();
        scene.write(&path).unwrap();
        let error = scene.write(&path).unwrap_err();
        assert!(
            format!("{error:#}").contains("a snapshot is there") && format!("{error:#}").contains("hint"),
            "{error:#}"
        );
        Snapshot::open(&path).unwrap();
        let mine = scene.path("mine");
        fs::create_dir(&mine).unwrap();
        fs::write(mine.join("diary"), "x").unwrap();
        for taken in [&mine, &mine.join("diary")] {
            let error = scene.write(taken).unwrap_err();
            assert!(error.to_string().contains("not empty"), "{error}");
        }
        assert_eq!(names(&mine), ["diary"]);
    }

    #[test]
    fn what_a_crash_left_is_written_anew_and_nobody_elses_files_are_touched() {
        let scene = Scene::new();
        let (path, pending) = (scene.path("savepoint"), scene.path("savepoint.pending"));
        fs::create_dir(&pending).unwrap();
        fs::write(pending.join("count.0-127.state"), "half").unwrap();
        fs::write(pending.join("diary"), "x").unwrap();
        let error = scene.write(&path).unwrap_err();
        assert!(error.to_string().contains("savepoint.pending is in the way"), "{error}");
        assert_eq!(names(&pending).len(), 2);
        fs::remove_file(pending.join("diary")).unwrap();
        scene.write(&path).unwrap();
        assert!(!pending.exists());
        Snapshot::open(&path).unwrap();
    }

    #[test]
    fn of_a_broken_snapshot_there_is_no_savepoint() {
        let scene = Scene::new();
        let file = scene.snapshot.state_path().join("count.0.1.state");
        let mut bytes = fs::read(&file).unwrap();
        bytes[40] ^= 1;
        fs::write(&file, bytes).unwrap();
        let error = scene.write(&scene.path("savepoint")).unwrap_err();
        assert!(error.to_string().contains("count.0.1.state is broken"), "{error}");
        assert_eq!(names(scene.temporary.path()), ["snapshots"]);
    }
}
