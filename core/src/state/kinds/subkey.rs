//! What an entry is found by within its field: the bytes of a map's key, or an index in a list.

use std::borrow::Borrow;
use std::cmp::Ordering;

/// Finds an entry within its field. In memory entries lie in the order of their bytes, as they do in a store.
pub(super) trait Subkey: Ord + Clone + Borrow<Self::Ref> {
    /// What it can be looked up by.
    type Ref: Ord + ?Sized;

    fn of(at: &Self::Ref) -> Self;

    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// Lends the bytes to `body`.
    fn bytes_of<R>(at: &Self::Ref, body: impl FnOnce(&[u8]) -> R) -> R;
}

impl Subkey for u64 {
    type Ref = u64;

    fn of(at: &u64) -> u64 {
        *at
    }

    fn from_bytes(bytes: &[u8]) -> Option<u64> {
        bytes.try_into().ok().map(u64::from_be_bytes)
    }

    fn bytes_of<R>(at: &u64, body: impl FnOnce(&[u8]) -> R) -> R {
        body(&at.to_be_bytes())
    }
}

/// The encoded key of a map. Short ones need no allocation.
#[derive(Clone)]
pub(super) struct Bytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; Bytes::INLINE]),
    Boxed(Box<[u8]>),
}

impl Bytes {
    /// As many as fit without making it larger than a box and its tag.
    const INLINE: usize = 22;

    fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Repr::Boxed(bytes) => bytes,
        }
    }
}

impl Subkey for Bytes {
    type Ref = [u8];

    fn of(at: &[u8]) -> Bytes {
        let mut bytes = [0; Bytes::INLINE];
        match bytes.get_mut(..at.len()) {
            Some(front) => {
                front.copy_from_slice(at);
                Bytes(Repr::Inline(at.len() as u8, bytes))
            }
            None => Bytes(Repr::Boxed(at.into())),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Option<Bytes> {
        Some(Bytes::of(bytes))
    }

    fn bytes_of<R>(at: &[u8], body: impl FnOnce(&[u8]) -> R) -> R {
        body(at)
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl PartialEq for Bytes {
    fn eq(&self, other: &Bytes) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Bytes) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Bytes) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_what_they_were_made_of_and_in_their_order_however_long() {
        let texts: Vec<Vec<u8>> = (0..60u8).map(|n| vec![n % 7; usize::from(n)]).collect();
        for a in &texts {
            assert_eq!(Bytes::of(a).as_slice(), &a[..]);
            for b in &texts {
                assert_eq!(Bytes::of(a).cmp(&Bytes::of(b)), a.cmp(b));
            }
        }
        assert_eq!(size_of::<Bytes>(), 24);
    }

    #[test]
    fn indices_are_ordered_as_their_bytes_are() {
        let indices = [0, 1, 255, 256, u64::MAX];
        for a in indices {
            for b in indices {
                u64::bytes_of(&a, |a_bytes| {
                    u64::bytes_of(&b, |b_bytes| assert_eq!(a.cmp(&b), a_bytes.cmp(b_bytes)));
                    assert_eq!(u64::from_bytes(a_bytes), Some(a));
                });
            }
        }
        assert_eq!(u64::from_bytes(&[1, 2]), None);
    }
}
