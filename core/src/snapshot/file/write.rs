//! Writing a state file: rows in ascending order enter, a durable file is left behind.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::format::{
    BLOCK_BYTES, BlockEntry, FOOTER_BYTES, Footer, INDEX_ENTRY_BYTES, ROW_BYTES_MAX, encode_header,
    encode_row,
};
use crate::error::{Error, Result};
use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::fault::cannot;
use crate::snapshot::part::{Section, StateRow};
use crate::testing::crash;

/// What a finished state file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFileSummary {
    /// The number of rows.
    pub rows: u64,
    /// The length of the file.
    pub bytes: u64,
    /// The CRC-32 of the whole file.
    pub crc: u32,
}

/// Writes a state file, row after row.
pub struct StateFileWriter {
    path: PathBuf,
    file: File,
    groups: KeyGroupRange,
    /// The rows of the open block.
    block: Vec<u8>,
    /// How many they are.
    block_rows: u32,
    /// The key group of the first of them.
    block_first: KeyGroup,
    /// A closed block, compressed; kept for its memory.
    packed: Vec<u8>,
    index: Vec<BlockEntry>,
    last: Option<(KeyGroup, Section)>,
    last_key: Vec<u8>,
    rows: u64,
    bytes: u64,
    crc: crc32fast::Hasher,
}

impl StateFileWriter {
    /// Creates the file, for rows of key groups in `groups`.
    ///
    /// # Errors
    /// If the file is there already or can't be written.
    pub fn create(path: &Path, groups: KeyGroupRange) -> Result<StateFileWriter> {
        let file = File::create_new(path).map_err(|error| cannot("create", path, error))?;
        let mut writer = StateFileWriter {
            path: path.to_path_buf(),
            file,
            groups,
            block: Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4),
            block_rows: 0,
            block_first: groups.first,
            packed: Vec::new(),
            index: Vec::new(),
            last: None,
            last_key: Vec::new(),
            rows: 0,
            bytes: 0,
            crc: crc32fast::Hasher::new(),
        };
        writer.put(&encode_header(groups))?;
        Ok(writer)
    }

    /// Writes a row, which must come after the last one in order of (key group, section, key).
    ///
    /// # Errors
    /// If the file can't be written, or the row is out of order, of a key group that the file does not cover, or larger
    /// than 1 GiB.
    pub fn row(&mut self, row: StateRow<'_>) -> Result<()> {
        self.check_order(&row)?;
        let bytes = row.key.len().saturating_add(row.value().map_or(0, <[u8]>::len));
        if bytes > ROW_BYTES_MAX {
            return Err(Error::failure(format!(
                "a row of {bytes} bytes in key group {} does not fit into {}: a row can have at most 1 GiB",
                row.group,
                self.path.display()
            ))
            .hint("keep less per key: what grows without bound belongs into rows of its own"));
        }
        if self.block.is_empty() {
            self.block_first = row.group;
        }
        encode_row(&row, &mut self.block);
        self.block_rows += 1;
        self.rows += 1;
        self.last = Some((row.group, row.section));
        self.last_key.clear();
        self.last_key.extend_from_slice(row.key);
        if self.block.len() >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    /// Restoring relies on the order: a row out of place would be lost or would stop a restore much later.
    fn check_order(&self, row: &StateRow<'_>) -> Result<()> {
        let follows = self.last.is_none_or(|(group, section)| {
            (group, section, &self.last_key[..]) < (row.group, row.section, row.key)
        });
        if follows && self.groups.contains(row.group) {
            return Ok(());
        }
        let what = if follows { "outside of the file's key groups" } else { "out of order" };
        Err(Error::failure(format!(
            "a {:?} row of key group {} came {what} into {} (key groups {})",
            row.section,
            row.group,
            self.path.display(),
            self.groups
        )))
    }

    fn close_block(&mut self) -> Result<()> {
        let Some((last, _)) = self.last else { return Ok(()) };
        if self.block.is_empty() {
            return Ok(());
        }
        self.packed.resize(lz4_flex::block::get_maximum_output_size(self.block.len()), 0);
        let stored = lz4_flex::block::compress_into(&self.block, &mut self.packed)
            .expect("the output is as large as compression can ever need");
        self.index.push(BlockEntry {
            groups: KeyGroupRange { first: self.block_first, last },
            rows: self.block_rows,
            raw_bytes: self.block.len() as u32,
            stored_bytes: stored as u32,
            crc: crc32fast::hash(&self.packed[..stored]),
        });
        let packed = std::mem::take(&mut self.packed);
        self.put(&packed[..stored])?;
        self.packed = packed;
        self.block.clear();
        self.block_rows = 0;
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|error| cannot("write", &self.path, error))?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes what is left, the index and the footer, and makes the file durable.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn finish(mut self) -> Result<StateFileSummary> {
        self.close_block()?;
        let mut tail = Vec::with_capacity(self.index.len() * INDEX_ENTRY_BYTES + FOOTER_BYTES);
        self.index.iter().for_each(|block| block.encode(&mut tail));
        let footer = Footer {
            index_offset: self.bytes,
            index_bytes: tail.len(),
            rows: self.rows,
            index_crc: crc32fast::hash(&tail),
        };
        footer.encode(&mut tail);
        self.put(&tail)?;
        crash::point(crash::AFTER_STATE_WRITE);
        self.file.sync_all().map_err(|error| cannot("write", &self.path, error))?;
        Ok(StateFileSummary { rows: self.rows, bytes: self.bytes, crc: self.crc.finalize() })
    }
}
