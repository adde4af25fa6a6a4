//! What every part that keeps files needs: directories that are one process's at a time, and names that every file system
//! takes.

mod lock;
mod name;

pub(crate) use lock::DirectoryLock;
pub(crate) use name::portable_name;
