//! What the program knows of a state besides its schema: where a key begins, how its bytes hash, and what older versions are
//! taken over from.
//!
//! The types are erased, so that a plan can be made and followed without knowing them: bytes enter, bytes leave.

use std::any::TypeId;

use crate::error::Result;
use crate::key::{Key, KeyHash};
use crate::state::{State, StateSchema};

/// A state as the program declares it.
#[derive(Clone, Debug)]
pub struct StateProgram {
    /// Its schema.
    pub schema: StateSchema,
    /// The row of a key that has no state yet.
    pub initial: fn() -> Result<Vec<u8>>,
    /// Takes a key from the front of bytes and hashes it; `None` if none is there.
    pub hash: fn(&mut &[u8]) -> Option<KeyHash>,
    /// What an older version of it is taken over from.
    pub migration: Option<Box<Migration>>,
}

/// How one version of a state becomes the next: `#[state(version = 2, from = OldAccount)]`.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The state as it was.
    pub from: StateProgram,
    /// Makes a row of the new version of one of the old.
    pub state: fn(&[u8]) -> Result<Vec<u8>>,
    /// Takes a key of the old version from the front of bytes and appends the new one. `None` if the key's type stays.
    pub key: Option<MigrateKey>,
}

/// Takes an old key from the front of bytes and appends the new one; `None` if no such key is there.
pub type MigrateKey = fn(&mut &[u8], &mut Vec<u8>) -> Option<()>;

impl StateProgram {
    /// That of `S`.
    pub fn of<S: State>() -> StateProgram {
        StateProgram {
            schema: S::schema(),
            initial: || Ok(postcard::to_stdvec(&S::initial())?),
            hash: |bytes| S::Key::decode(bytes).map(|key| key.hash()),
            migration: S::migration().map(Box::new),
        }
    }
}

impl Migration {
    /// That from `Old` to `New`.
    pub fn of<Old: State, New: State + From<Old>>() -> Migration
    where
        New::Key: From<Old::Key>,
    {
        let migrate_key: MigrateKey = |bytes, new| {
            New::Key::from(Old::Key::decode(bytes)?).encode(new);
            Some(())
        };
        Migration {
            from: StateProgram::of::<Old>(),
            state: |bytes| Ok(postcard::to_stdvec(&New::from(postcard::from_bytes::<Old>(bytes)?))?),
            key: (TypeId::of::<Old::Key>() != TypeId::of::<New::Key>()).then_some(migrate_key),
        }
    }
}
