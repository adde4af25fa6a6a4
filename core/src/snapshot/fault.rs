//! What can be wrong with a file of a snapshot, in words.

use std::fmt::Display;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::Error;

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
