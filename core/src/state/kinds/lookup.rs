//! What an entry is found by within its field: the key of a map, or an index in a list.

use std::cmp::Ordering;

/// Stands for a key `K`.
pub(super) trait Lookup<K> {
    /// A number that all that stands for the same key has in common: a key's hash, or the index itself.
    fn token(&self) -> u64;

    fn is(&self, key: &K) -> bool;

    /// Lends the subkey, the bytes of the key in a store, to `body`.
    fn subkey<R>(&self, body: impl FnOnce(&[u8]) -> R) -> R;
}

/// The key of an entry.
pub(super) trait Subkey: Lookup<Self> + Sized {
    /// Reads it back.
    fn read(subkey: &[u8]) -> Option<Self>;

    /// The order of entries: that of their tokens.
    fn order(&self, other: &Self) -> Ordering {
        let subkeys = || self.subkey(|own| other.subkey(|other| own.cmp(other)));
        self.token().cmp(&other.token()).then_with(subkeys)
    }
}

/// The index of a list's element: the first that was ever pushed has 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Index(pub u64);

impl Lookup<Index> for Index {
    #[inline]
    fn token(&self) -> u64 {
        self.0
    }

    #[inline]
    fn is(&self, key: &Index) -> bool {
        self == key
    }

    fn subkey<R>(&self, body: impl FnOnce(&[u8]) -> R) -> R {
        body(&self.0.to_be_bytes())
    }
}

impl Subkey for Index {
    fn read(subkey: &[u8]) -> Option<Index> {
        subkey.try_into().ok().map(u64::from_be_bytes).map(Index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_comes_back_from_its_subkey() {
        for index in [0, 1, 255, 256, u64::MAX].map(Index) {
            assert_eq!(index.subkey(Index::read), Some(index));
        }
        assert_eq!(Index::read(&[1, 2]), None);
    }
}
