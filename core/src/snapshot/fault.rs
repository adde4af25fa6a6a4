//! What can be wrong with a file of a snapshot, in words; and what is done so that a name survives a loss of power.

use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Error, Result};

/// The operating system would not let us.
pub(super) fn cannot(verb: &str, path: &Path, error: io::Error) -> Error {
    let full = matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let failure = Error::failure(format!("can't {verb} {}", path.display())).caused_by(error);
    if full { failure.hint("free some space there") } else { failure }
}

/// The file is not as it was written.
pub(super) fn broken(path: &Path, what: impl Display) -> Error {
    Error::failure(format!("{} is broken: {what}", path.display()))
}

/// Makes the entries of a directory durable: the names of new files, and renames.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    if cfg!(unix) {
        let synced = File::open(path).and_then(|directory| directory.sync_all());
        synced.map_err(|error| cannot("write", path, error))?;
    }
    Ok(())
}
