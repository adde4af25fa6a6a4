//! Where the entries of a field lie that are not in memory.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;

/// Is given entries, as subkey and value.
pub type EachEntry<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// Finds the entries of fields by the prefix of a field and the subkey of an entry. It is all that a field knows of a store.
pub trait EntryStore: Send + Sync {
    /// The entry's value, if there is one.
    ///
    /// # Errors
    /// If the store can't be read.
    fn get(&self, prefix: &[u8], subkey: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Gives every entry under `prefix` to `each`.
    ///
    /// # Errors
    /// If the store can't be read, or `each` fails.
    fn visit(&self, prefix: &[u8], each: &mut EachEntry<'_>) -> Result<()>;
}

/// The stored entries of one field of one row.
#[derive(Clone)]
pub struct Backing {
    /// The store.
    pub store: Arc<dyn EntryStore>,
    /// Key group, field and key: what the keys of the field's entries begin with in the store.
    pub prefix: Box<[u8]>,
}

impl Backing {
    /// The value of one entry, if there is one.
    ///
    /// # Errors
    /// If the store can't be read.
    pub fn get(&self, subkey: &[u8]) -> Result<Option<Vec<u8>>> {
        self.store.get(&self.prefix, subkey)
    }

    /// Gives every entry to `each`.
    ///
    /// # Errors
    /// If the store can't be read, or `each` fails.
    pub fn visit(&self, each: &mut EachEntry<'_>) -> Result<()> {
        self.store.visit(&self.prefix, each)
    }
}

impl fmt::Debug for Backing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backing").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
