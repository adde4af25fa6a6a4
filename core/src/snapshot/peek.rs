//! A look at a snapshot that reads its manifest and nothing else: no lock is taken, no state file opened.

use std::path::{Path, PathBuf};

use super::layout::{Standing, scan};
use super::manifest::Manifest;
use super::restore::{RestoreTarget, read_manifest};
use crate::error::{Error, Result};
use crate::record::SnapshotId;

/// The manifest of the snapshot that `target` asks for, and where it lies. `directory` is that of the job's own snapshots.
///
/// # Errors
/// If there is none, or it is broken.
pub(crate) fn manifest_of(target: &RestoreTarget, directory: Option<&Path>) -> Result<(PathBuf, Manifest)> {
    let path = match (target, directory) {
        (RestoreTarget::Path(path), _) => path.clone(),
        (RestoreTarget::Latest | RestoreTarget::Id(_), None) => {
            return Err(Error::usage(format!(
                "{target} means a snapshot in --snapshot-dir, which is not given"
            ))
            .hint("add --snapshot-dir DIR, or name the snapshot's own directory"));
        }
        (RestoreTarget::Latest, Some(directory)) => find(directory, |_| true)?.ok_or_else(|| {
            Error::failure(format!("there is no complete snapshot in {}", directory.display()))
        })?,
        (RestoreTarget::Id(wanted), Some(directory)) => {
            find(directory, |id| id == *wanted)?.ok_or_else(|| {
                Error::failure(format!("there is no snapshot {wanted} in {}", directory.display()))
            })?
        }
    };
    let manifest = read_manifest(&path)?;
    Ok((path, manifest))
}

/// The newest complete snapshot that is wanted.
fn find(directory: &Path, wanted: impl Fn(SnapshotId) -> bool) -> Result<Option<PathBuf>> {
    let complete = scan(directory)?.into_iter().filter(|(_, standing, _)| *standing == Standing::Complete);
    Ok(complete.filter(|(id, ..)| wanted(*id)).max_by_key(|(id, ..)| *id).map(|(.., path)| path))
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
            manifest_of(&target, Some(temporary.path())).map(|(_, manifest)| manifest.snapshot.0)
        };
        assert_eq!(manifest("latest").unwrap(), 2);
        assert_eq!(manifest("1").unwrap(), 1);
        let path = directory.snapshot_path(SnapshotId(1));
        assert_eq!(manifest(path.to_str().unwrap()).unwrap(), 1);
        assert!(manifest("3").unwrap_err().to_string().starts_with("there is no snapshot 3 in"));
        assert_eq!(manifest_of(&RestoreTarget::Latest, None).unwrap_err().exit_code(), 2);
        let empty = tempfile::tempdir().unwrap();
        let error = manifest_of(&RestoreTarget::Latest, Some(empty.path())).unwrap_err();
        assert!(error.to_string().starts_with("there is no complete snapshot in"), "{error}");
    }
}
