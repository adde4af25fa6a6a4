//! Keys, their stable hash, and key groups: which subtask owns which key. Pure arithmetic.
//!
//! The assignment is Flink's (`KeyGroupRangeAssignment`), so that state can one day move to a Flink cluster and back:
//! `group = murmur(hash32(key)) % max_parallelism`, `subtask = group * parallelism / max_parallelism`. The hash of a key
//! is XXH3 of its canonical bytes: the same on every machine and in every build, for ever, because snapshots depend on it.

use std::cell::Cell;
use std::fmt;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::state::prefetch::prefetch;
use crate::state::schema::Describe;

/// What a stream can be keyed by. Equal keys have equal canonical bytes and different keys different ones.
///
/// Implemented for integers, `bool`, `char`, `String`, [`EventTime`](crate::time::EventTime), byte arrays, and tuples and
/// options of keys; `#[key]` implements it for a struct or an enum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be a key",
    label = "a key must hash the same on every machine and in every build",
    note = "use an integer, bool, char, String, a tuple of those, or a struct or enum marked `#[key]`",
    note = "floats have no stable equality: key by a rounded integer or by `value.to_bits()`; hash maps have no stable order"
)]
pub trait Key: Describe + Clone + Eq + Send + 'static {
    /// Appends the canonical bytes: self-delimiting, so that keys can stand one after another in a tuple.
    fn encode(&self, bytes: &mut Vec<u8>);

    /// Reads a key back from the front of `bytes`, moving it past what was read; `None` if the bytes are no such key.
    fn decode(bytes: &mut &[u8]) -> Option<Self>;

    /// The stable hash. The default encodes; scalar keys and strings hash what they are made of.
    fn hash(&self) -> KeyHash {
        ENCODED.with(|kept| {
            let mut bytes = kept.take();
            bytes.clear();
            self.encode(&mut bytes);
            let hash = KeyHash::of(&bytes);
            kept.set(bytes);
            hash
        })
    }

    /// Asks memory for what the key keeps elsewhere, because it is compared soon.
    #[doc(hidden)]
    #[inline]
    fn prefetch(&self) {}
}

thread_local! {
    /// The bytes of the key that was hashed last, to be written over: a key comes with every record.
    static ENCODED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The stable 64-bit hash of a key. Computed once, it travels with the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyHash(u64);

impl KeyHash {
    /// The hash of a key's canonical bytes.
    #[inline]
    pub fn of(bytes: &[u8]) -> KeyHash {
        KeyHash(xxh3_64(bytes))
    }

    /// The hash that has these [`bits`](KeyHash::bits).
    #[inline]
    pub fn from_bits(bits: u64) -> KeyHash {
        KeyHash(bits)
    }

    /// All 64 bits, for hash tables.
    #[inline]
    pub fn bits(self) -> u64 {
        self.0
    }

    /// The key group among `max_parallelism` groups.
    #[inline]
    pub fn group(self, max_parallelism: MaxParallelism) -> KeyGroup {
        KeyGroup((murmur(self.0 as u32) % u32::from(max_parallelism.0)) as u16)
    }
}

/// Flink's `MathUtils.murmurHash`: MurmurHash3 of one 32-bit word, made non-negative.
#[inline]
fn murmur(word: u32) -> u32 {
    let mut code = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    code = code.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    code ^= 4;
    code ^= code >> 16;
    code = code.wrapping_mul(0x85eb_ca6b);
    code ^= code >> 13;
    code = code.wrapping_mul(0xc2b2_ae35);
    code ^= code >> 16;
    match code as i32 {
        i32::MIN => 0,
        signed => signed.unsigned_abs(),
    }
}

/// The number of key groups: the most subtasks a job can ever be spread over. Between 1 and 32,768.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MaxParallelism(u16);

impl MaxParallelism {
    /// Flink's smallest default.
    pub const DEFAULT: MaxParallelism = MaxParallelism(128);

    /// `None` unless 1 <= `groups` <= 32,768 (Flink's upper bound).
    pub fn new(groups: u32) -> Option<MaxParallelism> {
        (1..=32_768).contains(&groups).then_some(MaxParallelism(groups as u16))
    }

    /// The number of key groups.
    pub fn get(self) -> u32 {
        u32::from(self.0)
    }

    /// Every key group.
    pub fn all(self) -> KeyGroupRange {
        KeyGroupRange { first: KeyGroup(0), last: KeyGroup(self.0 - 1) }
    }
}

/// A set of keys that moves between subtasks as a whole; the unit of rescaling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyGroup(pub u16);

impl KeyGroup {
    /// The subtask that owns this group at `parallelism`.
    #[inline]
    pub fn owner(self, parallelism: Parallelism, max_parallelism: MaxParallelism) -> SubtaskIndex {
        SubtaskIndex(u32::from(self.0) * parallelism.0 / u32::from(max_parallelism.0))
    }
}

impl fmt::Display for KeyGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of workers, each of which hosts one subtask of every stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Parallelism(u32);

impl Parallelism {
    /// One worker.
    pub const ONE: Parallelism = Parallelism(1);

    /// `None` unless 1 <= `workers` <= `max_parallelism`.
    pub fn new(workers: u32, max_parallelism: MaxParallelism) -> Option<Parallelism> {
        (1..=max_parallelism.get()).contains(&workers).then_some(Parallelism(workers))
    }

    /// The number of workers.
    pub fn get(self) -> u32 {
        self.0
    }

    /// Every subtask index, in order.
    pub fn subtasks(self) -> impl Iterator<Item = SubtaskIndex> {
        (0..self.0).map(SubtaskIndex)
    }
}

/// The place of a subtask among those of its stage, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubtaskIndex(pub u32);

impl SubtaskIndex {
    /// The index as a subscript.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The key groups that this subtask owns at `parallelism`: the inverse of [`KeyGroup::owner`].
    pub fn groups(self, parallelism: Parallelism, max_parallelism: MaxParallelism) -> KeyGroupRange {
        let (max, parallelism) = (max_parallelism.get(), parallelism.0);
        KeyGroupRange {
            first: KeyGroup((self.0 * max).div_ceil(parallelism) as u16),
            last: KeyGroup((((self.0 + 1) * max - 1) / parallelism) as u16),
        }
    }
}

impl fmt::Display for SubtaskIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A run of key groups, both ends included; never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyGroupRange {
    /// The first group of the range.
    pub first: KeyGroup,
    /// The last group of the range.
    pub last: KeyGroup,
}

impl KeyGroupRange {
    /// Just one group.
    pub fn one(group: KeyGroup) -> KeyGroupRange {
        KeyGroupRange { first: group, last: group }
    }

    /// Whether `group` is in the range.
    pub fn contains(self, group: KeyGroup) -> bool {
        self.first <= group && group <= self.last
    }

    /// Whether the two ranges share a group.
    pub fn overlaps(self, other: KeyGroupRange) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    /// Every group of the range, in order.
    pub fn iter(self) -> impl Iterator<Item = KeyGroup> {
        let range: RangeInclusive<u16> = self.first.0..=self.last.0;
        range.map(KeyGroup)
    }
}

impl fmt::Display for KeyGroupRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..={}", self.first, self.last)
    }
}

macro_rules! integer_keys {
    ($($int:ty),*) => {$(
        impl Key for $int {
            fn encode(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_be_bytes());
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                let (head, rest) = bytes.split_first_chunk()?;
                *bytes = rest;
                Some(<$int>::from_be_bytes(*head))
            }

            #[inline]
            fn hash(&self) -> KeyHash {
                KeyHash::of(&self.to_be_bytes())
            }
        }
    )*};
}

integer_keys!(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128);

impl Key for bool {
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match u8::decode(bytes)? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Key for char {
    fn encode(&self, bytes: &mut Vec<u8>) {
        u32::from(*self).encode(bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        char::from_u32(u32::decode(bytes)?)
    }
}

impl Key for String {
    fn encode(&self, bytes: &mut Vec<u8>) {
        (self.len() as u32).encode(bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let length = u32::decode(bytes)? as usize;
        let (text, rest) = bytes.split_at_checked(length)?;
        *bytes = rest;
        String::from_utf8(text.to_vec()).ok()
    }

    /// Of the text alone, without its length: nothing has to be copied.
    #[inline]
    fn hash(&self) -> KeyHash {
        KeyHash::of(self.as_bytes())
    }

    #[inline]
    fn prefetch(&self) {
        prefetch(self.as_str());
    }
}

impl Key for crate::time::EventTime {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.as_millis().encode(bytes);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        i64::decode(bytes).map(Self::from_millis)
    }
}

impl<const N: usize> Key for [u8; N]
where
    [u8; N]: Describe,
{
    fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(self);
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(*head)
    }
}

impl<K: Key> Key for Option<K> {
    fn encode(&self, bytes: &mut Vec<u8>) {
        self.is_some().encode(bytes);
        if let Some(key) = self {
            key.encode(bytes);
        }
    }

    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        match bool::decode(bytes)? {
            true => K::decode(bytes).map(Some),
            false => Some(None),
        }
    }

    #[inline]
    fn prefetch(&self) {
        self.iter().for_each(K::prefetch);
    }
}

macro_rules! tuple_keys {
    ($(($($part:ident $place:tt),+))*) => {$(
        impl<$($part: Key),+> Key for ($($part,)+) {
            fn encode(&self, bytes: &mut Vec<u8>) {
                $(self.$place.encode(bytes);)+
            }

            fn decode(bytes: &mut &[u8]) -> Option<Self> {
                Some(($($part::decode(bytes)?,)+))
            }

            #[inline]
            fn prefetch(&self) {
                $(self.$place.prefetch();)+
            }
        }
    )*};
}

tuple_keys! { (A 0) (A 0, B 1) (A 0, B 1, C 2) (A 0, B 1, C 2, D 3) }

#[cfg(test)]
mod tests {
    use super::*;

    fn max(groups: u32) -> MaxParallelism {
        MaxParallelism::new(groups).unwrap()
    }

    #[test]
    fn murmur_is_flinks() {
        // What `org.apache.flink.util.MathUtils.murmurHash` of Flink 2.3.0 prints.
        let of_flink: [(i32, u32); 10] = [
            (0, 593_689_054),
            (1, 68_075_478),
            (2, 1_085_422_463),
            (-1, 1_982_413_648),
            (42, 1_134_849_565),
            (1000, 3_506_311),
            (123_456_789, 1_088_346_449),
            (i32::MAX, 1_653_689_534),
            (i32::MIN, 1_718_298_732),
            (-1_640_531_527, 1_459_366_508),
        ];
        for (word, expected) in of_flink {
            assert_eq!(murmur(word as u32), expected, "murmurHash({word})");
        }
    }

    #[test]
    fn the_ranges_of_subtasks_are_flinks() {
        // What `KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex` of Flink 2.3.0 gives.
        let of_flink = [
            ((0, 1, 128), (0, 127)),
            ((1, 3, 128), (43, 85)),
            ((2, 3, 128), (86, 127)),
            ((3, 7, 1000), (429, 571)),
            ((6, 7, 1000), (858, 999)),
            ((4, 5, 128), (103, 127)),
            ((63, 64, 32_768), (32_256, 32_767)),
        ];
        for ((subtask, workers, groups), (first, last)) in of_flink {
            let range =
                SubtaskIndex(subtask).groups(Parallelism::new(workers, max(groups)).unwrap(), max(groups));
            assert_eq!(
                (range.first.0, range.last.0),
                (first, last),
                "subtask {subtask} of {workers}, {groups} groups"
            );
        }
    }

    #[test]
    fn every_group_is_owned_by_the_one_subtask_whose_range_holds_it() {
        for groups in [1, 2, 7, 128, 1000, 32_768] {
            let groups = max(groups);
            for workers in
                [1, 2, 3, 4, 5, 64, 127, 128].into_iter().filter_map(|n| Parallelism::new(n, groups))
            {
                let mut next = 0;
                for subtask in workers.subtasks() {
                    let range = subtask.groups(workers, groups);
                    assert_eq!(u32::from(range.first.0), next, "ranges follow one another");
                    assert!(range.iter().all(|group| group.owner(workers, groups) == subtask));
                    next = u32::from(range.last.0) + 1;
                }
                assert_eq!(next, groups.get(), "no group is left over");
            }
        }
    }

    #[test]
    fn keys_come_back_from_their_bytes_and_leave_what_follows() {
        let key = ("a,b".to_string(), Some(-7i64), 'ä', true);
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        bytes.push(42);
        let mut rest = &bytes[..];
        assert_eq!(<(String, Option<i64>, char, bool)>::decode(&mut rest), Some(key));
        assert_eq!(rest, [42]);
    }

    #[test]
    fn neighbouring_strings_of_a_tuple_do_not_run_into_one_another() {
        assert_ne!(("ab".to_string(), "c".to_string()).hash(), ("a".to_string(), "bc".to_string()).hash());
    }

    #[test]
    fn hashes_never_change() {
        // XXH3 test vectors, from the reference implementation (xxhsum -H3): a change here orphans every snapshot.
        assert_eq!(KeyHash::of(b"").bits(), 0x2d06_8005_38d3_94c2);
        assert_eq!("".to_string().hash(), KeyHash::of(b""));
        assert_eq!(1u32.hash(), KeyHash::of(&[0, 0, 0, 1]));
    }

    #[test]
    fn truncated_bytes_are_no_key() {
        assert_eq!(u64::decode(&mut &[1, 2, 3][..]), None);
        assert_eq!(String::decode(&mut &[0, 0, 0, 9, b'x'][..]), None);
        assert_eq!(char::decode(&mut &[0xff, 0xff, 0xff, 0xff][..]), None);
    }
}
