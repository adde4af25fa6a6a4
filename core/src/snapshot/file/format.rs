//! The byte format of a state file, as pure encoding and decoding.
//!
//! All integers are little-endian.
//!
//! | part   | bytes | what                                                                         |
//! |--------|------:|------------------------------------------------------------------------------|
//! | header |     8 | magic, `tidestat`                                                            |
//! |        |     1 | version of the format, 2                                                     |
//! |        |     1 | 0 base: all rows of its key groups; 1 delta: what changed since the layers below |
//! |        | 2 + 2 | first and last key group that the file covers                                |
//! |        |     8 | number of the snapshot that it belongs to                                    |
//! |        |     4 | CRC-32 of the 22 bytes before                                                |
//! | blocks |     n | rows, LZ4-compressed (block format); one after another, without gaps         |
//! | index  |       | for every block, in order:                                                   |
//! |        | 2 + 2 | key group of its first and of its last row                                   |
//! |        |     4 | number of its rows, removals among them                                      |
//! |        |     4 | its length as rows                                                           |
//! |        |     4 | its length as it lies in the file                                            |
//! |        |     4 | CRC-32 of it as it lies in the file                                          |
//! | footer |     8 | offset of the index                                                          |
//! |        |     8 | number of blocks                                                             |
//! |        |     8 | number of rows that have a value                                             |
//! |        |     8 | number of removals; 0 in a base                                              |
//! |        |     4 | CRC-32 of the index                                                          |
//! |        |     4 | CRC-32 of the 36 bytes before                                                |
//! |        |     8 | magic, `tatsedit`                                                            |
//!
//! A row, in a block:
//!
//! | bytes | what                                                                                         |
//! |------:|----------------------------------------------------------------------------------------------|
//! |     2 | key group                                                                                    |
//! |     1 | low half, section: 0 state, 1 event timer, 2 processing timer, 3 entry of a map or a list; high half, change: 0 put, 1 remove, 2 remove all rows whose key begins with this key |
//! |  1..5 | length of the key, LEB128                                                                    |
//! |     n | key                                                                                          |
//! |  1..5 | only if put: length of the value, LEB128                                                     |
//! |     n | only if put: value                                                                           |
//!
//! A row never crosses blocks. A block is closed by the row with which it reaches 64 KiB.
//!
//! Version 1 knew no removals; it was never released, and is not read.

use std::ops::Range;

use crate::key::{KeyGroup, KeyGroupRange};
use crate::record::SnapshotId;
use crate::snapshot::part::{LayerKind, RowChange, Section, StateRow};

const MAGIC: [u8; 8] = *b"tidestat";
const MAGIC_AT_END: [u8; 8] = *b"tatsedit";
const VERSION: u8 = 2;
const BASE: u8 = 0;
const DELTA: u8 = 1;
pub(super) const HEADER_BYTES: usize = 26;
pub(super) const INDEX_ENTRY_BYTES: usize = 20;
pub(super) const FOOTER_BYTES: usize = 48;
/// A block is closed when it has at least this many bytes of rows.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
/// The most that key and value of one row can have together.
pub(super) const ROW_BYTES_MAX: usize = 1 << 30;
/// LZ4 can't blow a byte up into more than this: bounds what a reader allocates for a block.
const LZ4_RATIO_MAX: u64 = 255;
/// The half of a row's third byte that says what became of the row; the other half is the section.
const CHANGE: u8 = 0xf0;
const PUT: u8 = 0x00;
const REMOVE: u8 = 0x10;
const REMOVE_PREFIX: u8 = 0x20;

/// What a state file is, before any of its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFileHeader {
    /// Whether it has all rows of its key groups, or what changed.
    pub layer: LayerKind,
    /// The key groups that it covers.
    pub groups: KeyGroupRange,
    /// The snapshot that it belongs to: of two layers the one of the later snapshot is newer.
    pub written_by: SnapshotId,
}

impl StateFileHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.extend_from_slice(&MAGIC);
        header.push(VERSION);
        header.push(match self.layer {
            LayerKind::Base => BASE,
            LayerKind::Delta => DELTA,
        });
        encode_groups(self.groups, &mut header);
        header.extend_from_slice(&self.written_by.0.to_le_bytes());
        let crc = crc32fast::hash(&header);
        header.extend_from_slice(&crc.to_le_bytes());
        header
    }

    /// The header of a file, or what is wrong with it.
    pub(super) fn decode(header: &[u8; HEADER_BYTES]) -> Result<StateFileHeader, String> {
        let mut fields = Fields(header);
        if fields.take() != MAGIC {
            return Err("it is no state file".to_string());
        }
        let [version] = fields.take();
        if version != VERSION {
            return Err(format!(
                "its format has version {version}, and this program reads version {VERSION}"
            ));
        }
        let [layer] = fields.take();
        let (groups, written_by) = (fields.groups(), SnapshotId(fields.u64()));
        if fields.u32() != crc32fast::hash(&header[..HEADER_BYTES - 4]) {
            return Err("its header does not match its checksum".to_string());
        }
        let layer = match layer {
            BASE => LayerKind::Base,
            DELTA => LayerKind::Delta,
            other => return Err(format!("its header has an unknown kind of layer, {other}")),
        };
        Ok(StateFileHeader { layer, groups, written_by })
    }
}

/// A block as the index knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockEntry {
    pub(super) groups: KeyGroupRange,
    pub(super) rows: u32,
    pub(super) raw_bytes: u32,
    pub(super) stored_bytes: u32,
    pub(super) crc: u32,
}

impl BlockEntry {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        encode_groups(self.groups, bytes);
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend_from_slice(&self.raw_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.stored_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.crc.to_le_bytes());
    }
}

/// Where the index lies, and what checks it.
pub(super) struct Footer {
    pub(super) index_offset: u64,
    pub(super) index_bytes: usize,
    /// Rows that have a value.
    pub(super) rows: u64,
    pub(super) removed: u64,
    pub(super) index_crc: u32,
}

impl Footer {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let blocks = (self.index_bytes / INDEX_ENTRY_BYTES) as u64;
        bytes.extend_from_slice(&self.index_offset.to_le_bytes());
        bytes.extend_from_slice(&blocks.to_le_bytes());
        bytes.extend_from_slice(&self.rows.to_le_bytes());
        bytes.extend_from_slice(&self.removed.to_le_bytes());
        bytes.extend_from_slice(&self.index_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[start..]);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes.extend_from_slice(&MAGIC_AT_END);
    }

    pub(super) fn decode(footer: &[u8; FOOTER_BYTES], file_bytes: u64) -> Result<Footer, String> {
        let mut fields = Fields(footer);
        let (index_offset, blocks) = (fields.u64(), fields.u64());
        let (rows, removed) = (fields.u64(), fields.u64());
        let (index_crc, crc) = (fields.u32(), fields.u32());
        if fields.take() != MAGIC_AT_END {
            return Err("it was cut short, or its end was overwritten".to_string());
        }
        if crc != crc32fast::hash(&footer[..36]) {
            return Err("its footer does not match its checksum".to_string());
        }
        let index_bytes = blocks.checked_mul(INDEX_ENTRY_BYTES as u64);
        let end =
            index_bytes.and_then(|index| index.checked_add(index_offset)?.checked_add(FOOTER_BYTES as u64));
        match index_bytes {
            Some(index_bytes) if end == Some(file_bytes) && index_offset >= HEADER_BYTES as u64 => {
                Ok(Footer { index_offset, index_bytes: index_bytes as usize, rows, removed, index_crc })
            }
            _ => Err(format!("its footer does not fit its length of {file_bytes} bytes")),
        }
    }
}

/// The blocks of a file, or what is wrong with its index.
pub(super) fn decode_index(
    index: &[u8],
    footer: &Footer,
    groups: KeyGroupRange,
) -> Result<Vec<BlockEntry>, String> {
    if crc32fast::hash(index) != footer.index_crc {
        return Err("its index does not match its checksum".to_string());
    }
    let mut blocks = Vec::with_capacity(index.len() / INDEX_ENTRY_BYTES);
    let (mut offset, mut rows, mut from) = (HEADER_BYTES as u64, 0, groups.first);
    for entry in index.chunks_exact(INDEX_ENTRY_BYTES) {
        let mut fields = Fields(entry);
        let block = BlockEntry {
            groups: fields.groups(),
            rows: fields.u32(),
            raw_bytes: fields.u32(),
            stored_bytes: fields.u32(),
            crc: fields.u32(),
        };
        let in_order = from <= block.groups.first && block.groups.first <= block.groups.last;
        if !in_order || u64::from(block.raw_bytes) > u64::from(block.stored_bytes) * LZ4_RATIO_MAX {
            return Err(format!("its index has an impossible block {}", blocks.len() + 1));
        }
        from = block.groups.last;
        offset += u64::from(block.stored_bytes);
        rows += u64::from(block.rows);
        blocks.push(block);
    }
    if offset != footer.index_offset
        || Some(rows) != footer.rows.checked_add(footer.removed)
        || from > groups.last
    {
        return Err("its index does not fit its footer and header".to_string());
    }
    Ok(blocks)
}

/// Reads fields of fixed length from the front of a header, an index entry or a footer, whose length has been checked.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) =
            self.0.split_first_chunk().expect("the parts of a file are as long as their fields");
        self.0 = rest;
        *field
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }

    fn groups(&mut self) -> KeyGroupRange {
        KeyGroupRange {
            first: KeyGroup(u16::from_le_bytes(self.take())),
            last: KeyGroup(u16::from_le_bytes(self.take())),
        }
    }
}

fn encode_groups(groups: KeyGroupRange, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&groups.first.0.to_le_bytes());
    bytes.extend_from_slice(&groups.last.0.to_le_bytes());
}

/// Appends a row, whose key and value have at most [`ROW_BYTES_MAX`] bytes.
pub(super) fn encode_row(row: &StateRow<'_>, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&row.group.0.to_le_bytes());
    let change = match row.change {
        RowChange::Put(_) => PUT,
        RowChange::Remove => REMOVE,
        RowChange::RemovePrefix => REMOVE_PREFIX,
    };
    bytes.push(row.section as u8 | change);
    put_length(bytes, row.key.len() as u32);
    bytes.extend_from_slice(row.key);
    if let Some(value) = row.value() {
        put_length(bytes, value.len() as u32);
        bytes.extend_from_slice(value);
    }
}

/// A row's place in a block.
#[derive(Clone, Debug)]
pub(super) struct RowPlace {
    pub(super) group: KeyGroup,
    section: Section,
    key: Range<usize>,
    change: ChangePlace,
}

#[derive(Clone, Debug)]
enum ChangePlace {
    Put(Range<usize>),
    Remove,
    RemovePrefix,
}

impl RowPlace {
    /// The row at `*at` of a block, which goes behind it; `None` if none is there.
    pub(super) fn decode(block: &[u8], at: &mut usize) -> Option<RowPlace> {
        let &[low, high, kind] = block.get(*at..)?.first_chunk()?;
        *at += 3;
        let section = Section::from_byte(kind & !CHANGE)?;
        let key = take_bytes(block, at)?;
        let change = match kind & CHANGE {
            PUT => ChangePlace::Put(take_bytes(block, at)?),
            REMOVE => ChangePlace::Remove,
            REMOVE_PREFIX => ChangePlace::RemovePrefix,
            _ => return None,
        };
        Some(RowPlace { group: KeyGroup(u16::from_le_bytes([low, high])), section, key, change })
    }

    /// The row, in the block in which its place is.
    pub(super) fn row<'a>(&self, block: &'a [u8]) -> StateRow<'a> {
        let change = match &self.change {
            ChangePlace::Put(value) => RowChange::Put(&block[value.clone()]),
            ChangePlace::Remove => RowChange::Remove,
            ChangePlace::RemovePrefix => RowChange::RemovePrefix,
        };
        StateRow { group: self.group, section: self.section, key: &block[self.key.clone()], change }
    }
}

fn take_bytes(block: &[u8], at: &mut usize) -> Option<Range<usize>> {
    let mut length = 0u64;
    for shift in (0..35).step_by(7) {
        let &byte = block.get(*at)?;
        *at += 1;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let end = at.checked_add(usize::try_from(length).ok()?).filter(|&end| end <= block.len())?;
            return Some(std::mem::replace(at, end)..end);
        }
    }
    None
}

fn put_length(bytes: &mut Vec<u8>, mut length: u32) {
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}
