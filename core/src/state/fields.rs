//! The managed fields of a row, as the table drives them: all of one row at a time.
//!
//! A state without managed fields costs nothing here: whether it has any is known when the job is compiled.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::key::{Key, KeyGroup};
use crate::snapshot::part::Section;
use crate::state::State;
use crate::state::kinds::{
    Backing, Consumers, EntryChange, EntryStore, Managed, ManagedSpec, ManagedVisitor, Now, Older, Place,
};
use crate::state::run::Run;

/// Between the key and the subkey in the key of an entry's row.
const SEPARATOR: u8 = 0;

/// What is known of a state's fields when the job is compiled.
pub(crate) struct Fields<S>(PhantomData<S>);

impl<S: State> Fields<S> {
    /// Whether any field is managed.
    pub const ANY: bool = !S::MANAGED.is_empty();

    /// Whether any field has a TTL.
    pub const EXPIRE: bool = {
        let (mut field, mut expire) = (0, false);
        while field < S::MANAGED.len() {
            expire |= S::MANAGED[field].ttl.is_some();
            field += 1;
        }
        expire
    };

    /// Ties all fields of a row that was just made or read to their places. Entries that are not in memory are in `store`.
    ///
    /// # Errors
    /// If a field can't be read.
    pub fn attach(
        state: &mut S,
        older: Older,
        consumers: Consumers,
        store: Option<(&Arc<dyn EntryStore>, KeyGroup, &S::Key)>,
        now: &Now,
    ) -> Result<()> {
        if !Self::ANY {
            return Ok(());
        }
        let backing = |index: u8| {
            store.map(|(store, group, key)| {
                let mut prefix = group.0.to_be_bytes().to_vec();
                begin_entry(index, key, &mut prefix);
                prefix.push(SEPARATOR);
                Backing { store: Arc::clone(store), prefix: prefix.into() }
            })
        };
        state.managed(&mut Attach { older, consumers, backing, now })
    }

    /// Ties those fields to their places that the operator has replaced.
    ///
    /// # Errors
    /// If one can't be read that was moved here from another place.
    #[inline]
    pub fn attach_replaced(state: &mut S, consumers: Consumers, now: &Now) -> Result<()> {
        if Self::ANY { state.managed(&mut AttachReplaced { consumers, now }) } else { Ok(()) }
    }

    /// Says what time it is.
    #[inline]
    pub fn tell_time(state: &mut S, now: &Now) -> Result<()> {
        if Self::EXPIRE { state.managed(&mut TellTime(now)) } else { Ok(()) }
    }

    /// Removes what has expired; how much.
    ///
    /// # Errors
    /// None of its own.
    pub fn expire(state: &mut S, now: &Now) -> Result<usize> {
        let mut expire = Expire { now, removed: 0 };
        state.managed(&mut expire)?;
        Ok(expire.removed)
    }

    /// How many bytes the fields take in memory beyond their row.
    #[inline]
    pub fn bytes(state: &mut S) -> Result<usize> {
        let mut bytes = Bytes(0);
        if Self::ANY {
            state.managed(&mut bytes)?;
        }
        Ok(bytes.0)
    }

    /// Encodes the entries that have changed since this was last asked for the same listener.
    ///
    /// # Errors
    /// If serde can't carry one.
    pub fn encode_changes(
        state: &mut S,
        listener: Listener,
        group: KeyGroup,
        key: &S::Key,
        run: &mut Run,
    ) -> Result<()> {
        if Self::ANY { state.managed(&mut EncodeChanges { listener, group, key, run }) } else { Ok(()) }
    }

    /// Takes an entry's row: its key is `field | key | 0 | subkey`. What follows the key is given to the field.
    ///
    /// # Errors
    /// If there is no such field, or the entry can't be decoded.
    pub fn load(state: &mut S, field: u8, subkey: &[u8], value: &[u8]) -> Result<()> {
        let mut load = Load { field, subkey, value, found: false };
        state.managed(&mut load)?;
        match load.found {
            true => Ok(()),
            false => Err(Error::failure(format!(
                "there is an entry of field {field}, which the state does not have"
            ))),
        }
    }
}

/// Splits the key of an entry's row into field, key and subkey; `None` if it is none.
pub(crate) fn split_entry<K: Key>(row_key: &[u8]) -> Option<(u8, K, &[u8])> {
    let (field, mut rest) = row_key.split_first()?;
    let key = K::decode(&mut rest)?;
    let (separator, subkey) = rest.split_first()?;
    (*separator == SEPARATOR).then_some((*field, key, subkey))
}

fn begin_entry<K: Key>(field: u8, key: &K, bytes: &mut Vec<u8>) {
    bytes.push(field);
    key.encode(bytes);
}

/// Who asks for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    Snapshots,
    Store,
}

struct Attach<'a, B> {
    older: Older,
    consumers: Consumers,
    backing: B,
    now: &'a Now,
}

impl<B: Fn(u8) -> Option<Backing>> ManagedVisitor for Attach<'_, B> {
    fn visit<M: Managed>(&mut self, index: u8, spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        let place = Place { index, spec, consumers: self.consumers };
        let backing = if M::HAS_ENTRIES { (self.backing)(index) } else { None };
        field.attach(place, self.older, backing, self.now)
    }
}

struct AttachReplaced<'a> {
    consumers: Consumers,
    now: &'a Now,
}

impl ManagedVisitor for AttachReplaced<'_> {
    #[inline]
    fn visit<M: Managed>(&mut self, index: u8, spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        if field.is_attached_to(index) {
            return Ok(());
        }
        field.attach(Place { index, spec, consumers: self.consumers }, Older::Void, None, self.now)
    }
}

struct TellTime<'a>(&'a Now);

impl ManagedVisitor for TellTime<'_> {
    #[inline]
    fn visit<M: Managed>(&mut self, _index: u8, _spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        field.tell_time(self.0);
        Ok(())
    }
}

struct Expire<'a> {
    now: &'a Now,
    removed: usize,
}

impl ManagedVisitor for Expire<'_> {
    fn visit<M: Managed>(&mut self, _index: u8, _spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        self.removed += field.expire(self.now);
        Ok(())
    }
}

struct Bytes(usize);

impl ManagedVisitor for Bytes {
    #[inline]
    fn visit<M: Managed>(&mut self, _index: u8, _spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        self.0 += field.bytes();
        Ok(())
    }
}

struct EncodeChanges<'a, K> {
    listener: Listener,
    group: KeyGroup,
    key: &'a K,
    run: &'a mut Run,
}

impl<K: Key> ManagedVisitor for EncodeChanges<'_, K> {
    fn visit<M: Managed>(&mut self, index: u8, _spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        let EncodeChanges { listener, group, key, run } = self;
        let entry = |subkey: &[u8], bytes: &mut Vec<u8>| {
            begin_entry(index, *key, bytes);
            bytes.push(SEPARATOR);
            bytes.extend_from_slice(subkey);
        };
        let mut encode = |change: EntryChange<'_>| {
            match change {
                EntryChange::Reset => {
                    run.remove_prefix(*group, Section::Entry, |bytes| begin_entry(index, *key, bytes));
                }
                EntryChange::Put(subkey, value) => {
                    run.put_encoded(*group, Section::Entry, |bytes| entry(subkey, bytes), value);
                }
                EntryChange::Remove(subkey) => {
                    run.remove(*group, Section::Entry, |bytes| entry(subkey, bytes));
                }
            }
            Ok(())
        };
        match listener {
            Listener::Snapshots => field.take_changes(&mut encode),
            Listener::Store => field.take_unstored(&mut encode),
        }
    }
}

struct Load<'a> {
    field: u8,
    subkey: &'a [u8],
    value: &'a [u8],
    found: bool,
}

impl ManagedVisitor for Load<'_> {
    fn visit<M: Managed>(&mut self, index: u8, _spec: &'static ManagedSpec, field: &mut M) -> Result<()> {
        if index == self.field && M::HAS_ENTRIES {
            self.found = true;
            field.load(self.subkey, self.value)?;
        }
        Ok(())
    }
}
