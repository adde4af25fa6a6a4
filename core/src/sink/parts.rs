//! The files of a sink in a directory, and what their names say. Names are made and read here and nowhere else.
//!
//! | file | what it is | who sees it |
//! |---|---|---|
//! | `.{sink}-{subtask}-{n}.open` | is being written | nobody: an earlier run's is rubbish |
//! | `.{sink}-s{snapshot}-{subtask}.pending` | complete and durable; its snapshot may yet fail | nobody |
//! | `{sink}-s{snapshot}-{subtask}.{extension}` | committed: its snapshot is complete | every reader |
//! | `.{sink}-s{snapshot}.open` | a whole [table](super::table) that is being written | nobody |
//! | `{sink}-s{snapshot}.{extension}` | a whole table | every reader, until a newer one is there |
//! | `.{sink}.lock` | is locked by the process that writes | other processes |
//!
//! Numbers of snapshots have ten digits or more, so that names sort by snapshot. In the sink's name every byte but ASCII
//! letters, digits, `_`, `-` and, within the name, `.` is written as `%XX`, so that different names never share files.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;

/// One sink's files in its directory.
#[derive(Clone, Debug)]
pub(super) struct PartFiles {
    dir: PathBuf,
    sink: String,
    extension: &'static str,
}

/// A file of a sink, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Is being written.
    Open(SubtaskIndex, u64),
    /// Is pre-committed.
    Pending(SnapshotId, SubtaskIndex),
    /// Is committed.
    Committed(SnapshotId, SubtaskIndex),
    /// A table that is being written.
    OpenTable(SnapshotId),
    /// A table as it was at a snapshot.
    Table(SnapshotId),
}

impl PartFiles {
    /// The files of the sink called `sink` in `dir`; those that readers see are called `.{extension}`.
    pub fn new(dir: &Path, sink: &str, extension: &'static str) -> PartFiles {
        PartFiles { dir: dir.to_path_buf(), sink: file_safe(sink), extension }
    }

    /// The name of a part.
    pub fn name(&self, part: Part) -> String {
        let (sink, extension) = (&self.sink, self.extension);
        match part {
            Part::Open(subtask, n) => format!(".{sink}-{subtask}-{n}.open"),
            Part::Pending(snapshot, subtask) => format!(".{sink}-s{:010}-{subtask}.pending", snapshot.0),
            Part::Committed(snapshot, subtask) => format!("{sink}-s{:010}-{subtask}.{extension}", snapshot.0),
            Part::OpenTable(snapshot) => format!(".{sink}-s{:010}.open", snapshot.0),
            Part::Table(snapshot) => format!("{sink}-s{:010}.{extension}", snapshot.0),
        }
    }

    /// Where a part is.
    pub fn path(&self, part: Part) -> PathBuf {
        self.dir.join(self.name(part))
    }

    /// Which part of this sink a file is, if it is one. The inverse of [`PartFiles::name`].
    pub fn part(&self, name: &str) -> Option<Part> {
        let (hidden, visible) = match name.strip_prefix('.') {
            Some(rest) => (true, rest),
            None => (false, name),
        };
        let (stem, extension) = visible.strip_prefix(&self.sink)?.strip_prefix('-')?.rsplit_once('.')?;
        let snapshot = |name: &str| Some(SnapshotId(number(name.strip_prefix('s')?)?));
        let Some((first, second)) = stem.split_once('-') else {
            let table = snapshot(stem)?;
            return match (hidden, extension) {
                (true, "open") => Some(Part::OpenTable(table)),
                (false, _) if extension == self.extension => Some(Part::Table(table)),
                _ => None,
            };
        };
        let snapshot = || Some((snapshot(first)?, subtask(second)?));
        let part = match (hidden, extension) {
            (true, "open") => Part::Open(subtask(first)?, number(second)?),
            (true, "pending") => snapshot().map(|(snapshot, subtask)| Part::Pending(snapshot, subtask))?,
            (false, _) if extension == self.extension => {
                snapshot().map(|(snapshot, subtask)| Part::Committed(snapshot, subtask))?
            }
            _ => return None,
        };
        Some(part)
    }

    /// Every part of this sink that is there.
    pub fn list(&self) -> Result<Vec<Part>> {
        let unreadable =
            |error| Error::failure(format!("can't look into \"{}\"", self.dir.display())).caused_by(error);
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.dir).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name();
            parts.extend(name.to_str().and_then(|name| self.part(name)));
        }
        Ok(parts)
    }

    /// Creates the directory, if need be, and locks this sink's files in it against other processes.
    ///
    /// Returns the lock, which holds as long as the file is open: to the end of the process, however it ends.
    pub fn claim(&self) -> Result<File> {
        let shown = self.dir.display();
        if self.dir.exists() && !self.dir.is_dir() {
            return Err(Error::failure(format!("can't write into \"{shown}\": it is not a directory"))
                .hint("name a directory; the results become files in it"));
        }
        let unusable = |error: std::io::Error| {
            Error::failure(format!("can't write into \"{shown}\""))
                .caused_by(error)
                .hint("the user who runs the job must be allowed to create files there")
        };
        fs::create_dir_all(&self.dir).map_err(unusable)?;
        if let Some(parent) = self.dir.parent() {
            // So that the directory's own name survives a crash. One that may not be opened was not created just now.
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            sync_dir(parent).ok();
        }
        let lock = File::create(self.dir.join(format!(".{}.lock", self.sink))).map_err(unusable)?;
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::failure(format!(
                "another job that is running writes \"{}\" in \"{shown}\"",
                self.sink
            ))
            .hint("wait for it, stop it, or choose another directory")),
            // Some network file systems have no locks: there it is the user who has to take care.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(lock),
        }
    }

    /// Makes the renames and removals so far survive a crash.
    pub fn sync(&self) -> Result<()> {
        sync_dir(&self.dir).map_err(|error| {
            Error::failure(format!("can't make \"{}\" durable", self.dir.display())).caused_by(error)
        })
    }

    /// Gives a part another name.
    pub fn rename(&self, from: Part, to: Part) -> Result<()> {
        fs::rename(self.path(from), self.path(to)).map_err(|error| {
            Error::failure(format!("can't rename \"{}\" to {}", self.path(from).display(), self.name(to)))
                .caused_by(error)
        })
    }

    /// Removes a part.
    pub fn remove(&self, part: Part) -> Result<()> {
        let path = self.path(part);
        fs::remove_file(&path)
            .map_err(|error| Error::failure(format!("can't remove \"{}\"", path.display())).caused_by(error))
    }
}

/// A directory's entries are durable once the directory itself is synced.
fn sync_dir(dir: &Path) -> std::io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

fn number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
}

fn subtask(digits: &str) -> Option<SubtaskIndex> {
    number(digits)?.try_into().ok().map(SubtaskIndex)
}

/// A sink's name as a part of file names: different for different names.
fn file_safe(name: &str) -> String {
    let mut safe = String::new();
    for byte in name.bytes() {
        match byte {
            b'.' if safe.is_empty() => safe.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => safe.push(char::from(byte)),
            _ => safe.push_str(&format!("%{byte:02X}")),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_part_a_file_is() {
        let files = PartFiles::new(Path::new("out"), "visit-counts", "jsonl");
        for (part, name) in [
            (Part::Open(SubtaskIndex(3), 12), ".visit-counts-3-12.open"),
            (Part::Pending(SnapshotId(7), SubtaskIndex(0)), ".visit-counts-s0000000007-0.pending"),
            (
                Part::Committed(SnapshotId(u64::MAX), SubtaskIndex(1)),
                "visit-counts-s18446744073709551615-1.jsonl",
            ),
            (Part::OpenTable(SnapshotId(7)), ".visit-counts-s0000000007.open"),
            (Part::Table(SnapshotId(7)), "visit-counts-s0000000007.jsonl"),
        ] {
            assert_eq!(files.name(part), name);
            assert_eq!(files.part(name), Some(part));
        }
    }

    #[test]
    fn files_of_others_are_not_taken_for_ones_own() {
        let files = PartFiles::new(Path::new("out"), "a", "jsonl");
        for name in [
            "a-b-s0000000007-0.jsonl", // the sink `a-b`
            "a-s0000000007-0-s0000000007-0.jsonl",
            ".a-s0000000007-0.jsonl",
            "a-s0000000007-0.pending",
            "a-s-0.jsonl",
            "a-s.jsonl",
            "a-7.jsonl",
            ".a-s0000000007.pending",
            "a-s+7-0.jsonl",
            "a-s7-0.jsonl.gz",
            "a-s0000000007-0.csv",
            "a.jsonl",
            "as7-0.jsonl",
            ".a.lock",
            ".b-0-0.open",
        ] {
            assert_eq!(files.part(name), None, "{name}");
        }
    }

    #[test]
    fn odd_names_of_sinks_make_plain_and_different_names_of_files() {
        assert_eq!(file_safe("visit-counts_2.x"), "visit-counts_2.x");
        assert_eq!(file_safe("../up per%"), "%2E.%2Fup%20per%25");
        assert_eq!(file_safe("ä"), "%C3%A4");
        let files = PartFiles::new(Path::new("out"), "a/b", "jsonl");
        let part = Part::Committed(SnapshotId(1), SubtaskIndex(0));
        assert_eq!(files.name(part), "a%2Fb-s0000000001-0.jsonl");
        assert_eq!(files.part(&files.name(part)), Some(part));
    }

    #[test]
    fn a_directory_that_can_not_be_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = PartFiles::new(&file, "a", "jsonl").claim().unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("file\": it is not a directory"), "{error}");
        assert!(PartFiles::new(&file.join("below"), "a", "jsonl").claim().is_err());
    }

    #[test]
    fn one_process_at_a_time_writes_a_sink() {
        let dir = tempfile::tempdir().unwrap();
        let files = PartFiles::new(&dir.path().join("new/out"), "a", "jsonl");
        let lock = files.claim().unwrap();
        assert!(
            files.claim().unwrap_err().to_string().contains("another job that is running writes \"a\" in")
        );
        PartFiles::new(&dir.path().join("new/out"), "b", "jsonl").claim().unwrap();
        drop(lock);
        files.claim().unwrap();
    }
}
