//! A channel file: the records that were in flight to one subtask of an operator, in order.
//!
//! Enters the [`Backlog`] that a gate has recorded, a durable file is left behind; or the file enters, and the backlog comes
//! out, or an error that says what is broken. A file is written by one barrier and belongs to one snapshot, whose manifest
//! lists it: it lies in the [pool](super::pool) with the state files, and goes when its snapshot goes. It is read whole, as
//! what is in it was in memory before.
//!
//! All integers are little-endian.
//!
//! | part     | bytes | what                                                                       |
//! |----------|------:|----------------------------------------------------------------------------|
//! | header   |     8 | magic, `tideflow`                                                          |
//! |          |     1 | version of the format, 1                                                   |
//! |          |     8 | how far event time had come at the cut, in milliseconds since the epoch    |
//! | elements |     1 | 1: records                                                                 |
//! |          |     4 | how many they are                                                          |
//! |          |     4 | their length                                                               |
//! |          |     4 | their length as they lie in the file                                       |
//! |          |     n | the records (drawn in `exchange/codec.rs`), LZ4-compressed (block format)  |
//! | or       |     1 | 2: a watermark                                                             |
//! |          |     8 | how far event time has come, in milliseconds since the epoch               |
//! | end      |     1 | 0                                                                          |
//! |          |     8 | number of records                                                          |
//! |          |     4 | CRC-32 of every byte before it                                             |
//! |          |     8 | magic, `wolfedit`                                                          |

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use super::fault::{broken, cannot};
use super::manifest::{ChannelState, checksum_text};
use super::pool::channel_name;
use crate::error::{Error, Result};
use crate::exchange::backlog::{Backlog, Queued};
use crate::exchange::codec::{CodecInput, Payload};
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;
use crate::testing::crash;
use crate::time::EventTime;

const MAGIC: [u8; 8] = *b"tideflow";
const MAGIC_AT_END: [u8; 8] = *b"wolfedit";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 17;
/// CRC and magic.
const SEAL_BYTES: usize = 12;
const END: u8 = 0;
const RECORDS: u8 = 1;
const WATERMARK: u8 = 2;

/// Writes what was in flight to `subtask` at its cut for `snapshot` into `directory`, the pool; durable on return. `None` if
/// nothing was: then there is no file.
///
/// # Errors
/// If the file is there already or can't be written; then there is no new one.
pub(crate) fn write_channel(
    directory: &Path,
    snapshot: SnapshotId,
    subtask: SubtaskIndex,
    input: CodecInput,
    backlog: &Backlog<Payload>,
) -> Result<Option<ChannelState>> {
    if backlog.elements.is_empty() {
        return Ok(None);
    }
    let name = channel_name(&input.operator, subtask, snapshot);
    write_as(name, directory, input, backlog).map(Some)
}

/// Writes a channel file of this name into `directory`; durable on return.
///
/// # Errors
/// If the file is there already or can't be written; then there is no new one.
pub(super) fn write_as(
    name: String,
    directory: &Path,
    input: CodecInput,
    backlog: &Backlog<Payload>,
) -> Result<ChannelState> {
    let path = directory.join(&name);
    let (bytes, records) = encode(backlog).map_err(|error| error.within(path.display()))?;
    write_bytes(&path, &bytes)?;
    Ok(ChannelState {
        operator: input.operator,
        record: input.record,
        name,
        groups: input.groups,
        watermark: backlog.last_watermark(),
        records,
        bytes: bytes.len() as u64,
        checksum: checksum_text(crc32fast::hash(&bytes)),
    })
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::create_new(path).map_err(|error| cannot("create", path, error))?;
    write_durably(file, bytes).map_err(|error| {
        // What can't be removed now is removed when the pool is next swept.
        let _ = fs::remove_file(path);
        cannot("write", path, error)
    })
}

fn write_durably(mut file: File, bytes: &[u8]) -> std::io::Result<()> {
    file.write_all(bytes)?;
    crash::point(crash::AFTER_STATE_WRITE);
    file.sync_all()
}

/// Reads a channel file of a snapshot back, and compares it with what the manifest says of it.
///
/// # Errors
/// If it can't be read, is not the file that the manifest describes, or is not as it was written.
pub(crate) fn read_channel(directory: &Path, expected: &ChannelState) -> Result<Backlog<Payload>> {
    read_bytes(directory, expected).map(|(_, backlog)| backlog)
}

/// Copies a channel file from one directory into another; durable on return.
///
/// # Errors
/// If it is not the file that the manifest describes, or can't be written.
pub(super) fn copy_channel(from: &Path, to: &Path, channel: &ChannelState) -> Result<()> {
    let (bytes, _) = read_bytes(from, channel)?;
    write_bytes(&to.join(&channel.name), &bytes)
}

/// All of a channel file, and what is in it.
fn read_bytes(directory: &Path, expected: &ChannelState) -> Result<(Vec<u8>, Backlog<Payload>)> {
    let path = directory.join(&expected.name);
    let bytes = std::fs::read(&path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => broken(directory, format!("its file {} is missing", expected.name)),
        _ => cannot("read", &path, error),
    })?;
    if bytes.len() as u64 != expected.bytes {
        return Err(broken(&path, format!("it has {} bytes instead of {}", bytes.len(), expected.bytes)));
    }
    let (backlog, records) = decode(&bytes).map_err(|what| broken(&path, what))?;
    let checksum = checksum_text(crc32fast::hash(&bytes));
    if checksum != expected.checksum {
        let what = format!("its checksum is {checksum} instead of {}: it was changed", expected.checksum);
        return Err(broken(&path, what));
    }
    if records != expected.records || backlog.last_watermark() != expected.watermark {
        return Err(broken(&path, "it is not the file that the manifest describes"));
    }
    Ok((bytes, backlog))
}

/// The file, and how many records are in it.
fn encode(backlog: &Backlog<Payload>) -> Result<(Vec<u8>, u64)> {
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&MAGIC);
    bytes.push(VERSION);
    bytes.extend_from_slice(&backlog.watermark.as_millis().to_le_bytes());
    let (mut packed, mut records) = (Vec::new(), 0);
    for queued in &backlog.elements {
        match queued {
            Queued::Batch(payload) => {
                let length = u32::try_from(payload.bytes.len()).map_err(|_| {
                    Error::failure(format!(
                        "{} bytes of records can't be written as one",
                        payload.bytes.len()
                    ))
                })?;
                packed.resize(lz4_flex::block::get_maximum_output_size(payload.bytes.len()), 0);
                let stored = lz4_flex::block::compress_into(&payload.bytes, &mut packed)
                    .expect("the output is as large as compression can ever need");
                bytes.push(RECORDS);
                bytes.extend_from_slice(&payload.records.to_le_bytes());
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(&(stored as u32).to_le_bytes());
                bytes.extend_from_slice(&packed[..stored]);
                records += u64::from(payload.records);
            }
            Queued::Watermark(watermark) => {
                bytes.push(WATERMARK);
                bytes.extend_from_slice(&watermark.as_millis().to_le_bytes());
            }
        }
    }
    bytes.push(END);
    bytes.extend_from_slice(&u64::to_le_bytes(records));
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes.extend_from_slice(&MAGIC_AT_END);
    Ok((bytes, records))
}

/// What is in the file and how many records, or what is wrong with it. No length is believed before the checksum has been.
fn decode(bytes: &[u8]) -> Result<(Backlog<Payload>, u64), String> {
    if bytes.len() < HEADER_BYTES + SEAL_BYTES {
        return Err(format!("it was cut short: only {} bytes are there", bytes.len()));
    }
    let (sealed, seal) = bytes.split_at(bytes.len() - SEAL_BYTES);
    let (mut rest, mut seal) = (sealed, seal);
    if take(&mut rest)? != MAGIC {
        return Err("it does not begin like a channel file".to_string());
    }
    let [version] = take(&mut rest)?;
    if version != VERSION {
        return Err(format!("its format has version {version}, and this program reads version {VERSION}"));
    }
    let crc = u32::from_le_bytes(take(&mut seal)?);
    if seal != MAGIC_AT_END {
        return Err("it was cut short, or its end was overwritten".to_string());
    }
    if crc != crc32fast::hash(sealed) {
        return Err("it does not match its checksum: it was changed since it was written".to_string());
    }
    let mut backlog = Backlog::new(take_time(&mut rest)?);
    let mut records = 0;
    loop {
        match take(&mut rest)? {
            [RECORDS] => {
                let payload = take_payload(&mut rest)?;
                records += u64::from(payload.records);
                backlog.elements.push_back(Queued::Batch(payload));
            }
            [WATERMARK] => backlog.elements.push_back(Queued::Watermark(take_time(&mut rest)?)),
            [END] => break,
            [other] => return Err(format!("it holds an element of kind {other}, which there is not")),
        }
    }
    if u64::from_le_bytes(take(&mut rest)?) != records || !rest.is_empty() {
        return Err("it does not hold as many records as it says".to_string());
    }
    Ok((backlog, records))
}

fn take_payload(bytes: &mut &[u8]) -> Result<Payload, String> {
    let mut number = || take(bytes).map(u32::from_le_bytes);
    let (records, length, stored) = (number()?, number()?, number()?);
    let (packed, rest) = bytes.split_at_checked(stored as usize).ok_or("its records end beyond its end")?;
    *bytes = rest;
    let bytes = lz4_flex::block::decompress(packed, length as usize)
        .ok()
        .filter(|bytes| bytes.len() == length as usize)
        .ok_or("its records can't be decompressed")?;
    Ok(Payload { records, bytes })
}

fn take_time(bytes: &mut &[u8]) -> Result<EventTime, String> {
    take(bytes).map(|millis| EventTime::from_millis(i64::from_le_bytes(millis)))
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], String> {
    let (taken, rest) = bytes.split_first_chunk().ok_or("it ends in the midst of an element")?;
    *bytes = rest;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::part::RestoredState;
    use crate::snapshot::{Snapshot, SnapshotDirectory, fixture};
    use crate::state::Describe;

    fn backlog() -> Backlog<Payload> {
        let payload = |records, byte, length| Queued::Batch(Payload { records, bytes: vec![byte; length] });
        let elements = [
            payload(3, 7, 90),
            Queued::Watermark(EventTime::from_millis(-5)),
            payload(1, 1, 1),
            Queued::Watermark(EventTime::MAX),
        ];
        Backlog { watermark: EventTime::from_millis(-9), elements: elements.into() }
    }

    fn input() -> CodecInput {
        CodecInput { operator: "count".to_string(), record: u64::schema(), groups: fixture::groups(0, 63) }
    }

    #[test]
    fn a_backlog_comes_back_from_its_file_and_the_manifest_says_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let state =
            write_channel(dir.path(), SnapshotId(41), SubtaskIndex(2), input(), &backlog()).unwrap().unwrap();
        assert_eq!(
            (state.name.as_str(), state.records, state.watermark),
            ("count.2.41.channel", 4, EventTime::MAX)
        );
        assert_eq!(state.bytes, dir.path().join(&state.name).metadata().unwrap().len());
        assert_eq!(read_channel(dir.path(), &state).unwrap(), backlog());
    }

    #[test]
    fn nothing_in_flight_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let nothing = Backlog::new(EventTime::MIN);
        assert_eq!(
            write_channel(dir.path(), SnapshotId(41), SubtaskIndex(0), input(), &nothing).unwrap(),
            None
        );
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn every_flipped_bit_every_truncation_and_every_byte_too_many_is_detected() {
        let (whole, records) = encode(&backlog()).unwrap();
        assert_eq!(decode(&whole), Ok((backlog(), records)));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "cut to {length} bytes");
        }
        for byte in 0..=u8::MAX {
            assert!(decode(&[&whole[..], &[byte]].concat()).is_err(), "with {byte} behind it");
        }
    }

    #[test]
    fn lengths_that_lie_under_a_checksum_that_is_right_are_refused() {
        let (whole, _) = encode(&backlog()).unwrap();
        let sealed = whole.len() - SEAL_BYTES;
        for byte in HEADER_BYTES..sealed {
            for change in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[byte] ^= change;
                let crc = crc32fast::hash(&damaged[..sealed]).to_le_bytes();
                damaged[sealed..sealed + 4].copy_from_slice(&crc);
                // Some bytes are of the records themselves and of watermarks; what counts is that none makes a panic.
                if let Ok((other, _)) = decode(&damaged) {
                    assert_eq!(other.elements.len(), backlog().elements.len(), "byte {byte}");
                }
            }
        }
    }

    #[test]
    fn a_file_that_is_not_the_one_in_the_manifest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let state =
            write_channel(dir.path(), SnapshotId(41), SubtaskIndex(0), input(), &backlog()).unwrap().unwrap();
        let mut shorter = backlog();
        shorter.elements.pop_front();
        let other =
            write_channel(dir.path(), SnapshotId(41), SubtaskIndex(1), input(), &shorter).unwrap().unwrap();
        let mut renamed = other.clone();
        renamed.name.clone_from(&state.name);
        for lie in [
            renamed,
            ChannelState { records: 5, ..state.clone() },
            ChannelState { watermark: EventTime::MIN, ..state.clone() },
            ChannelState { checksum: "00000000".to_string(), ..state.clone() },
        ] {
            let error = read_channel(dir.path(), &lie).unwrap_err().to_string();
            assert!(error.contains("count.0.41.channel is broken: "), "{error}");
        }
        std::fs::remove_file(dir.path().join(&state.name)).unwrap();
        let error = read_channel(dir.path(), &state).unwrap_err().to_string();
        assert!(error.contains("its file count.0.41.channel is missing"), "{error}");
    }

    /// A snapshot in which three subtasks of `count` had an input each: the first of two files, the second of none.
    fn snapshot(directory: &SnapshotDirectory) -> Snapshot {
        let id = directory.next_id();
        let pending = directory.begin(id).unwrap();
        let mut manifest = fixture::manifest(id);
        for (subtask, groups, from) in [(0, fixture::groups(0, 42), -9), (2, fixture::groups(86, 127), -7)] {
            let backlog = Backlog { watermark: EventTime::from_millis(from), ..backlog() };
            let input = CodecInput { groups, ..input() };
            let channel = write_channel(pending.state_path(), id, SubtaskIndex(subtask), input, &backlog);
            manifest.channels.extend(channel.unwrap());
        }
        pending.complete(&manifest).unwrap();
        Snapshot::open(&directory.snapshot_path(id)).unwrap()
    }

    #[test]
    fn a_restored_subtask_is_given_what_was_in_flight_to_its_key_groups_and_how_far_the_others_had_come() {
        let temporary = tempfile::tempdir().unwrap();
        let snapshot = snapshot(&SnapshotDirectory::open(temporary.path()).unwrap());
        let from = |operator, groups| -> Vec<(i64, usize)> {
            let backlogs = snapshot.in_flight(operator, groups).unwrap().into_iter();
            backlogs.map(|backlog| (backlog.watermark.as_millis(), backlog.elements.len())).collect()
        };
        let reached = EventTime::MAX.as_millis();
        assert_eq!(from("count", fixture::groups(0, 42)), [(-9, 4), (reached, 0)]);
        assert_eq!(from("count", fixture::groups(43, 85)), [(reached, 0)]);
        assert_eq!(from("count", fixture::groups(40, 90)), [(-9, 4), (-7, 4), (reached, 0)]);
        assert_eq!(from("sum", fixture::groups(0, 127)), []);
    }

    #[test]
    fn a_snapshot_with_a_broken_channel_file_or_without_it_is_refused_and_the_file_named() {
        let temporary = tempfile::tempdir().unwrap();
        let snapshot = snapshot(&SnapshotDirectory::open(temporary.path()).unwrap());
        let path = snapshot.state_path().join("count.2.1.channel");
        let whole = std::fs::read(&path).unwrap();
        let refused = |what: String| {
            let error = Snapshot::open(snapshot.path()).expect_err(&what).to_string();
            assert!(error.contains("count.2.1.channel"), "{what}: {error}");
        };
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, flipped).unwrap();
            refused(format!("bit {bit}"));
        }
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            refused(format!("cut to {length} bytes"));
        }
        std::fs::remove_file(&path).unwrap();
        refused("without it".to_string());
        std::fs::write(&path, &whole).unwrap();
        Snapshot::open(snapshot.path()).unwrap();
    }

    /// Snapshots outlive the program that took them: a change of the format is a new version, and this one stays readable.
    #[test]
    fn a_file_of_version_1_is_read_for_ever() {
        let hex: String = VERSION_1.split_whitespace().collect();
        let bytes: Vec<u8> =
            (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
        assert_eq!(decode(&bytes), Ok((backlog(), 4)));
    }

    /// Header; records; watermark; records; watermark; end.
    const VERSION_1: &str = "
        74696465666c6f7701f7ffffffffffffff
        01030000005a0000000c0000001f070100406007070707070702fbffffffffffffff
        01010000000100000002000000100102ffffffffffffff7f
        0004000000000000006901cdfc776f6c6665646974";
}
