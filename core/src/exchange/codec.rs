//! Records in flight as bytes: how what crosses an exchange rests in a snapshot.
//!
//! A record, in a payload; integers are little-endian:
//!
//! | bytes | what                                                                                   |
//! |------:|----------------------------------------------------------------------------------------|
//! |     8 | hash of its key                                                                        |
//! |     8 | event time, in milliseconds since the epoch                                            |
//! |     4 | length of the key that travels with it; 0 if the key is a part of the record           |
//! |     n | that key, as [`Key::encode`] writes it                                                 |
//! |     4 | length of the record                                                                   |
//! |     n | the record, as postcard writes it                                                      |
//!
//! The hash says whose record it is at any parallelism, before anything else of it is decoded. What a stage can't write down
//! never overtakes: records on a local edge have no codec, and are worked off before the cut.

use crate::error::{Error, Result};
use crate::exchange::partition::KeyAccess;
use crate::key::{Key, KeyGroupRange, KeyHash};
use crate::record::{BATCH_SIZE_MAX, Batch, Routed};
use crate::state::{Data, Schema};
use crate::time::EventTime;

/// Some records of a batch, as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload {
    /// How many there are.
    pub records: u32,
    /// They, one after another.
    pub bytes: Vec<u8>,
}

/// A payload is closed when it has this many bytes; a record more may be in it.
const PAYLOAD_BYTES: usize = 1 << 20;

/// What can write down the records that come into a stage, and read them back.
pub trait BatchCodec {
    /// Whose records they are.
    fn input(&self) -> CodecInput;

    /// Whether a barrier may overtake the records. If not, they are read back all the same: they may be from a program in
    /// which one could.
    fn overtakes(&self) -> bool {
        true
    }

    /// Writes the records of a batch down, in order; a large batch becomes several payloads.
    ///
    /// # Errors
    /// If serde can't carry a record.
    fn encode(&self, batch: &Batch, each: &mut dyn FnMut(Payload)) -> Result<()>;

    /// The records of a payload whose keys this subtask owns, in order; `None` if there are none.
    ///
    /// # Errors
    /// If the bytes are no such records, or the program finds another key in a record than the one that routed it.
    fn decode(&self, payload: &Payload) -> Result<Option<Batch>>;

    /// The same of records that are broadcast to the stage, of which all are its own; `None` if nothing is broadcast to it.
    ///
    /// # Errors
    /// If the bytes are no such records.
    #[cfg(feature = "flink")]
    fn decode_broadcast(&self, payload: &Payload) -> Result<Option<Batch>> {
        let _ = payload;
        Ok(None)
    }
}

/// Whose records a codec writes down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecInput {
    /// The operator that they were on their way to.
    pub operator: String,
    /// The type of the records.
    pub record: Schema,
    /// The key groups of the subtask.
    pub groups: KeyGroupRange,
}

/// Writes routed records down.
pub(crate) fn encode<A: KeyAccess<T>, T: Data>(
    records: &[Routed<A::Carried, T>],
    each: &mut dyn FnMut(Payload),
) -> Result<()> {
    let mut payload = Payload::default();
    for Routed { hash, carried, value, at } in records {
        let mut bytes = std::mem::take(&mut payload.bytes);
        bytes.extend_from_slice(&hash.bits().to_le_bytes());
        bytes.extend_from_slice(&at.as_millis().to_le_bytes());
        let key = begin_field(&mut bytes);
        A::pack(carried, &mut bytes);
        end_field(&mut bytes, key)?;
        let record = begin_field(&mut bytes);
        bytes = postcard::to_extend(value, bytes)?;
        end_field(&mut bytes, record)?;
        payload = Payload { records: payload.records + 1, bytes };
        if payload.records as usize == BATCH_SIZE_MAX || payload.bytes.len() >= PAYLOAD_BYTES {
            each(std::mem::take(&mut payload));
        }
    }
    if payload.records > 0 {
        each(payload);
    }
    Ok(())
}

/// Reads the routed records back whose hash is `owned`.
pub(crate) fn decode<A: KeyAccess<T>, T: Data>(
    access: &A,
    payload: &Payload,
    owned: impl Fn(KeyHash) -> bool,
) -> Result<Vec<Routed<A::Carried, T>>> {
    let mut records = Vec::new();
    for frame in payload.frames() {
        let frame = frame?;
        if !owned(frame.hash) {
            continue;
        }
        let value = postcard::from_bytes(frame.record)
            .map_err(|error| damaged("can't be decoded").caused_by(error))?;
        let carried =
            access.unpack(&value, frame.key).ok_or_else(|| damaged("has a key that can't be decoded"))?;
        if access.key(&value, &carried).hash() != frame.hash {
            return Err(Error::failure("this program keys a record in flight otherwise than the one that took the snapshot")
                .hint("key the stream as it was keyed; a snapshot that is taken when the job is stopped has nothing in flight"));
        }
        records.push(Routed { hash: frame.hash, carried, value, at: frame.at });
    }
    Ok(records)
}

impl Payload {
    /// Every record as it lies there, or what is wrong with the first that is none.
    pub(crate) fn frames(&self) -> Frames<'_> {
        Frames { left: self.records, rest: &self.bytes }
    }

    /// The same records as `convert` makes their bytes; hash, time and key stay.
    ///
    /// # Errors
    /// If they are no records, or `convert` fails.
    pub(crate) fn convert(
        &self,
        mut convert: impl FnMut(&[u8], &mut Vec<u8>) -> Result<()>,
    ) -> Result<Payload> {
        let mut bytes = Vec::with_capacity(self.bytes.len());
        for frame in self.frames() {
            let Frame { hash, at, key, record } = frame?;
            bytes.extend_from_slice(&hash.bits().to_le_bytes());
            bytes.extend_from_slice(&at.as_millis().to_le_bytes());
            let place = begin_field(&mut bytes);
            bytes.extend_from_slice(key);
            end_field(&mut bytes, place)?;
            let place = begin_field(&mut bytes);
            convert(record, &mut bytes)?;
            end_field(&mut bytes, place)?;
        }
        Ok(Payload { records: self.records, bytes })
    }
}

fn damaged(what: &str) -> Error {
    Error::failure(format!("a record in flight {what}"))
}

/// A record as it lies in a payload.
pub(crate) struct Frame<'a> {
    pub hash: KeyHash,
    pub at: EventTime,
    pub key: &'a [u8],
    pub record: &'a [u8],
}

/// The records of a payload, one after another.
pub(crate) struct Frames<'a> {
    left: u32,
    rest: &'a [u8],
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>>;

    fn next(&mut self) -> Option<Result<Frame<'a>>> {
        let fault = match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                match Frame::take(&mut self.rest) {
                    Some(frame) => return Some(Ok(frame)),
                    None => "was cut short",
                }
            }
            None if self.rest.is_empty() => return None,
            None => "is followed by what is none",
        };
        // Nothing behind it can be understood.
        (self.left, self.rest) = (0, &[]);
        Some(Err(damaged(fault)))
    }
}

impl<'a> Frame<'a> {
    /// Takes a record from the front; `None` if none is there.
    fn take(bytes: &mut &'a [u8]) -> Option<Frame<'a>> {
        let hash = u64::from_le_bytes(*take(bytes)?);
        let at = i64::from_le_bytes(*take(bytes)?);
        Some(Frame {
            hash: KeyHash::from_bits(hash),
            at: EventTime::from_millis(at),
            key: take_field(bytes)?,
            record: take_field(bytes)?,
        })
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

fn take_field<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(*take(bytes)?);
    let (field, rest) = bytes.split_at_checked(length as usize)?;
    *bytes = rest;
    Some(field)
}

/// Leaves room for a length; where the field begins.
fn begin_field(bytes: &mut Vec<u8>) -> usize {
    bytes.extend_from_slice(&[0; 4]);
    bytes.len()
}

fn end_field(bytes: &mut [u8], start: usize) -> Result<()> {
    let length = bytes.len() - start;
    let length = u32::try_from(length).map_err(|_| {
        Error::failure(format!("a record in flight has {length} bytes, and at most 4 GiB can be written"))
    })?;
    bytes[start - 4..start].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;
    use crate::exchange::partition::{Borrowed, Computed};

    type Visit = (String, u64);

    fn visits(count: u64) -> Vec<Visit> {
        (0..count).map(|n| (format!("user {}", n % 7), n)).collect()
    }

    fn route<A: KeyAccess<Visit>>(access: &A, visits: &[Visit]) -> Vec<Routed<A::Carried, Visit>> {
        let routed = visits.iter().map(|visit| {
            let (hash, carried) = access.route(visit);
            Routed { hash, carried, value: visit.clone(), at: EventTime::from_millis(visit.1 as i64 - 3) }
        });
        routed.collect()
    }

    fn payloads<A: KeyAccess<Visit>>(access: &A, visits: &[Visit]) -> Vec<Payload> {
        let mut payloads = Vec::new();
        encode::<A, Visit>(&route(access, visits), &mut |payload| payloads.push(payload)).unwrap();
        payloads
    }

    fn by_user() -> impl KeyAccess<Visit, Key = String> {
        Computed(|visit: &Visit| visit.0.clone())
    }

    fn by_user_ref() -> impl KeyAccess<Visit, Key = String> {
        let user: fn(&Visit) -> &String = |visit| &visit.0;
        Borrowed(user, PhantomData)
    }

    fn comes_back<A, B>(written: &A, read: &B)
    where
        A: KeyAccess<Visit, Key = String>,
        B: KeyAccess<Visit, Key = String>,
    {
        let visits = visits(2_500);
        let payloads = payloads(written, &visits);
        assert_eq!(payloads.iter().map(|payload| payload.records).collect::<Vec<_>>(), [1024, 1024, 452]);
        let mut back = Vec::new();
        for payload in &payloads {
            for Routed { hash, carried, value, at } in decode::<B, Visit>(read, payload, |_| true).unwrap() {
                assert_eq!((hash, read.key(&value, &carried)), (value.0.hash(), &value.0));
                assert_eq!(at.as_millis(), value.1 as i64 - 3);
                back.push(value);
            }
        }
        assert_eq!(back, visits);
    }

    #[test]
    fn records_come_back_in_order_with_hash_key_and_time_whether_the_key_travels_or_not() {
        comes_back(&by_user(), &by_user());
        comes_back(&by_user_ref(), &by_user_ref());
        comes_back(&by_user(), &by_user_ref());
        comes_back(&by_user_ref(), &by_user());
    }

    #[test]
    fn records_that_become_others_keep_their_hash_key_and_time() {
        let payload = &payloads(&by_user(), &visits(20))[0];
        let numbered = |bytes: &[u8], out: &mut Vec<u8>| {
            let (user, n): Visit = postcard::from_bytes(bytes).unwrap();
            *out = postcard::to_extend(&(user, n + 1_000), std::mem::take(out))?;
            Ok(())
        };
        let converted = payload.convert(numbered).unwrap();
        let back = decode::<_, Visit>(&by_user(), &converted, |_| true).unwrap();
        for (Routed { hash, carried, value, at }, was) in back.iter().zip(visits(20)) {
            let key = by_user().key(value, carried).clone();
            assert_eq!((*hash, key, at.as_millis()), (was.0.hash(), was.0.clone(), was.1 as i64 - 3));
            assert_eq!(*value, (was.0, was.1 + 1_000));
        }
        assert_eq!(back.len(), 20);
    }

    #[test]
    fn each_record_is_given_to_the_one_who_owns_its_hash() {
        let visits = visits(100);
        let [payload] = &payloads(&by_user(), &visits)[..] else { panic!("one payload") };
        let owned = |part: u64| {
            let routed = decode::<_, Visit>(&by_user(), payload, |hash| hash.bits() % 3 == part).unwrap();
            routed.into_iter().map(|routed| routed.value).collect::<Vec<_>>()
        };
        let mut all: Vec<Visit> = (0..3).flat_map(owned).collect();
        all.sort_by_key(|visit| visit.1);
        assert_eq!(all, visits);
    }

    #[test]
    fn large_records_close_a_payload_early() {
        let visits: Vec<Visit> = (0..5).map(|n| ("x".repeat(PAYLOAD_BYTES / 2), n)).collect();
        let records: Vec<_> =
            payloads(&by_user_ref(), &visits).iter().map(|payload| payload.records).collect();
        assert_eq!(records, [2, 2, 1]);
    }

    #[test]
    fn a_program_that_keys_otherwise_is_told_so() {
        let payload = &payloads(&by_user_ref(), &visits(1))[0];
        let by_number = Computed(|visit: &Visit| format!("{}", visit.1));
        let error = decode::<_, Visit>(&by_number, payload, |_| true).err().unwrap();
        assert!(format!("{error:#}").contains("keys a record in flight otherwise"), "{error:#}");
    }

    #[test]
    fn a_key_that_is_not_the_same_twice_is_the_one_that_travelled() {
        let turns = std::sync::atomic::AtomicU64::new(0);
        let turns = std::sync::Arc::new(turns);
        let salted = Computed(move |visit: &Visit| {
            (visit.0.clone(), turns.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
        });
        let payload = &payloads(&salted, &visits(20))[0];
        let back = decode::<_, Visit>(&salted, payload, |_| true).unwrap();
        assert_eq!(
            back.iter().map(|routed| routed.carried.1).collect::<Vec<_>>(),
            (0..20).collect::<Vec<_>>()
        );
    }

    #[test]
    fn what_was_cut_short_or_is_followed_by_more_is_refused() {
        let mut payload = payloads(&by_user(), &visits(3)).remove(0);
        payload.bytes.push(0);
        assert!(decode::<_, Visit>(&by_user(), &payload, |_| true).is_err());
        while payload.bytes.pop().is_some() {
            let whole = payload.bytes.len() + 1 > payloads(&by_user(), &visits(3))[0].bytes.len();
            assert_eq!(decode::<_, Visit>(&by_user(), &payload, |_| true).is_ok(), whole);
        }
    }
}
