//! The lock of a directory that belongs to one process at a time.
//!
//! The lock is the operating system's, on a file in the directory: it goes when its holder does, however that ends, so a
//! killed process leaves nothing that would have to be cleaned up by hand. The file itself stays.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

/// A held lock; dropping it lets go.
#[derive(Debug)]
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Takes the lock on `file`, which is created if it is not there. `None` if another holds it.
    pub(crate) fn take(file: &Path) -> io::Result<Option<DirectoryLock>> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(DirectoryLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The note that was last left in the file.
    pub(crate) fn note(&mut self) -> io::Result<String> {
        let mut note = Vec::new();
        self.0.rewind()?;
        (&self.0).take(NOTE_BYTES_MAX).read_to_end(&mut note)?;
        Ok(String::from_utf8_lossy(&note).into_owned())
    }

    /// Leaves a note in the file, in place of the last one: over it, so that a full disk does not cost the last one too.
    pub(crate) fn leave_note(&mut self, note: &str) -> io::Result<()> {
        self.0.rewind()?;
        self.0.write_all(note.as_bytes())?;
        self.0.set_len(note.len() as u64)
    }
}

/// No note of ours is longer.
const NOTE_BYTES_MAX: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_until_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lock");
        let held = DirectoryLock::take(&file).unwrap();
        assert!(held.is_some());
        assert!(DirectoryLock::take(&file).unwrap().is_none());
        drop(held);
        assert!(DirectoryLock::take(&file).unwrap().is_some());
    }

    #[test]
    fn a_note_outlives_its_writer() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("lock");
        let mut lock = DirectoryLock::take(&file).unwrap().unwrap();
        lock.leave_note("a longer first note").unwrap();
        lock.leave_note("second").unwrap();
        drop(lock);
        assert_eq!(DirectoryLock::take(&file).unwrap().unwrap().note().unwrap(), "second");
    }
}
