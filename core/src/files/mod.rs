//! What every part that keeps files needs: directories that are one process's at a time, names that every file system
//! takes, and large files that leave the page cache alone.

mod lock;
mod name;
mod uncached;

pub(crate) use lock::DirectoryLock;
pub(crate) use name::portable_name;
pub(crate) use uncached::{UncachedReader, UncachedWriter};
