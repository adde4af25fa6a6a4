//! A look at snapshots that reads their manifests and nothing else: no lock is taken, no state file opened. Of a URL, manifests
//! are copied to a temporary directory, and the files of a snapshot when they are wanted.

use std::fmt;
use std::path::{Path, PathBuf};

use super::channel_file::read_channel;
use super::layers::open_file;
use super::layout::{Standing, scan};
use super::manifest::Manifest;
use super::remote::{Mirror, url_in};
use super::restore::{RestoreTarget, Snapshot, no_snapshot, read_manifest, state_path};
use crate::error::{Error, Result};
use crate::record::SnapshotId;
use crate::state::fjall::StateDirectory;

/// Where the job's snapshots are looked for.
#[derive(Debug)]
pub(crate) enum Place {
    /// Nowhere: only a path names a snapshot.
    Nowhere,
    /// In a directory.
    Directory(PathBuf),
    /// In a copy of what lies at a URL, in a directory that goes with it.
    Url { mirror: Box<Mirror>, _temporary: StateDirectory },
}

impl Place {
    /// What `--snapshot-dir` says.
    ///
    /// # Errors
    /// If what lies at a URL can't be read.
    pub(crate) fn of(directory: Option<&Path>) -> Result<Place> {
        let Some(path) = directory else { return Ok(Place::Nowhere) };
        let Some(url) = url_in(path) else { return Ok(Place::Directory(path.to_path_buf())) };
        let temporary = StateDirectory::temporary()?;
        let mirror = Box::new(Mirror::open(url, &temporary.snapshots())?);
        Ok(Place::Url { mirror, _temporary: temporary })
    }

    /// The local directory.
    ///
    /// # Errors
    /// [`usage`](Error::usage) if there is none.
    pub(crate) fn directory(&self) -> Result<&Path> {
        match self {
            Place::Nowhere => Err(Error::usage("--snapshot-dir is not given")
                .hint("add --snapshot-dir DIR, as for a run of the job")),
            Place::Directory(path) => Ok(path),
            Place::Url { mirror, .. } => Ok(mirror.directory()),
        }
    }

    /// What is in the newest snapshot whose manifest can be read. Nothing if there is none, or no directory.
    pub(crate) fn newest(&self) -> Option<Manifest> {
        let mut complete = complete(self.directory().ok()?).ok()?;
        complete.sort_by_key(|(id, _)| *id);
        complete.iter().rev().find_map(|(_, path)| read_manifest(path).ok())
    }

    /// The local directory of the snapshot that `target` asks for.
    ///
    /// # Errors
    /// If there is none. Whether what lies at a path is one is not looked at.
    pub(crate) fn path_of(&self, target: &RestoreTarget) -> Result<PathBuf> {
        let path = match (target, self.directory()) {
            (RestoreTarget::Path(path), _) if url_in(path).is_some() => {
                return Err(Error::usage(format!("{target} can't be looked at by itself"))
                    .hint("give --snapshot-dir URL, and the number of the snapshot"));
            }
            (RestoreTarget::Path(path), _) if !path.exists() => return Err(no_snapshot(path)),
            (RestoreTarget::Path(path), _) => path.clone(),
            (RestoreTarget::Latest | RestoreTarget::Id(_), Err(_)) => {
                return Err(Error::usage(format!(
                    "{target} means a snapshot in --snapshot-dir, which is not given"
                ))
                .hint("add --snapshot-dir DIR, or name the snapshot's own directory"));
            }
            (RestoreTarget::Latest, Ok(directory)) => find(directory, |_| true)?
                .ok_or_else(|| Error::failure(format!("there is no complete snapshot in {self}")))?,
            (RestoreTarget::Id(wanted), Ok(directory)) => {
                find(directory, |id| id == *wanted)?.ok_or_else(|| {
                    Error::failure(format!("there is no snapshot {wanted} in {self}"))
                        .hint("`snapshots list` says which there are")
                })?
            }
        };
        Ok(path)
    }

    /// The snapshot that `target` asks for: its name, and its manifest.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub(crate) fn manifest_of(&self, target: &RestoreTarget) -> Result<(PathBuf, Manifest)> {
        let path = self.path_of(target)?;
        let manifest = read_manifest(&path)?;
        match (self, target) {
            (Place::Url { mirror, .. }, RestoreTarget::Latest | RestoreTarget::Id(_)) => {
                Ok((mirror.remote().url_of(manifest.snapshot).into(), manifest))
            }
            _ => Ok((path, manifest)),
        }
    }

    /// Has the files of a snapshot at hand. Its local directory.
    ///
    /// # Errors
    /// If they can't be copied.
    pub(crate) fn bring(&self, name: &Path, manifest: &Manifest) -> Result<PathBuf> {
        match self {
            Place::Url { mirror, .. } if url_in(name).is_some() => {
                mirror.fetch(manifest)?;
                Ok(mirror.path_of(manifest.snapshot))
            }
            _ => Ok(name.to_path_buf()),
        }
    }

    /// Opens the snapshot that `target` asks for, to look at some of it.
    ///
    /// # Errors
    /// If there is none, or it is broken.
    pub(crate) fn open(&self, target: &RestoreTarget) -> Result<Snapshot> {
        let (name, manifest) = self.manifest_of(target)?;
        Snapshot::peek(&self.bring(&name, &manifest)?)
    }

    /// What is wrong with the files of the snapshot in `directory`, as far as that shows without reading them.
    pub(crate) fn problem(&self, directory: &Path, manifest: &Manifest) -> Option<String> {
        if let Place::Url { mirror, .. } = self {
            return mirror.remote().missing(manifest);
        }
        let directory = state_path(directory, manifest);
        let mut files = manifest.operators.iter().flat_map(|operator| &operator.files);
        let state = files.find_map(|file| open_file(&directory, file).err());
        // Channel files are small, and have no end that could be looked at alone.
        let mut channels = manifest.channels.iter();
        let problem = state.or_else(|| channels.find_map(|channel| read_channel(&directory, channel).err()));
        problem.map(|error| error.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Nowhere => f.write_str("no directory"),
            Place::Directory(path) => path.display().fmt(f),
            Place::Url { mirror, .. } => f.write_str(mirror.remote().url()),
        }
    }
}

/// The newest complete snapshot that is wanted.
fn find(directory: &Path, wanted: impl Fn(SnapshotId) -> bool) -> Result<Option<PathBuf>> {
    let complete = complete(directory)?.into_iter();
    Ok(complete.filter(|(id, _)| wanted(*id)).max_by_key(|(id, _)| *id).map(|(_, path)| path))
}

/// The complete snapshots, in no order.
fn complete(directory: &Path) -> Result<Vec<(SnapshotId, PathBuf)>> {
    let found = scan(directory)?.into_iter().filter(|(_, standing, _)| *standing == Standing::Complete);
    Ok(found.map(|(id, _, path)| (id, path)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::SnapshotDirectory;
    use crate::snapshot::fixture;

    #[test]
    fn the_manifest_is_found_while_the_directory_is_in_use_and_its_state_files_are_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let rows = || fixture::frozen("count", fixture::groups(0, 127), fixture::Rows(vec![]));
        for _ in 0..2 {
            fixture::write(&directory, vec![rows()]);
        }
        let manifest = |target: &str| {
            let target: RestoreTarget = target.parse().unwrap();
            Place::of(Some(temporary.path()))
                .unwrap()
                .manifest_of(&target)
                .map(|(_, manifest)| manifest.snapshot.0)
        };
        assert_eq!(manifest("latest").unwrap(), 2);
        assert_eq!(manifest("1").unwrap(), 1);
        let path = directory.snapshot_path(SnapshotId(1));
        assert_eq!(manifest(path.to_str().unwrap()).unwrap(), 1);
        assert!(manifest("3").unwrap_err().to_string().starts_with("there is no snapshot 3 in"));
        assert_eq!(Place::Nowhere.manifest_of(&RestoreTarget::Latest).unwrap_err().exit_code(), 2);
        let empty = tempfile::tempdir().unwrap();
        let nothing = Place::of(Some(empty.path())).unwrap();
        let error = nothing.manifest_of(&RestoreTarget::Latest).unwrap_err();
        assert!(error.to_string().starts_with("there is no complete snapshot in"), "{error}");

        let newest = |directory: Option<&Path>| {
            Place::of(directory).unwrap().newest().map(|manifest| manifest.snapshot.0)
        };
        assert_eq!(newest(Some(temporary.path())), Some(2));
        std::fs::write(directory.snapshot_path(SnapshotId(2)).join("manifest.json"), "{").unwrap();
        assert_eq!(newest(Some(temporary.path())), Some(1), "the other can't be read");
        assert_eq!(newest(Some(empty.path())), None);
        assert_eq!(newest(Some(&empty.path().join("not there"))), None);
        assert_eq!(newest(None), None);
    }
}
