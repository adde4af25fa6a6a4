//! Writing a state file: rows in ascending order enter, a durable file is left behind, or none.

use std::path::{Path, PathBuf};

use super::format::{
    BLOCK_BYTES, BlockEntry, FOOTER_BYTES, Footer, INDEX_ENTRY_BYTES, ROW_BYTES_MAX, StateFileHeader,
    encode_row,
};
use crate::error::{Error, Result};
use crate::files::UncachedWriter;
use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::fault::cannot;
use crate::snapshot::part::{LayerKind, RowChange, Section, StateRow};
use crate::testing::crash;

/// What a finished state file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateFileSummary {
    /// The number of rows that have a value.
    pub rows: u64,
    /// The number of removals.
    pub removed: u64,
    /// The length of the file.
    pub bytes: u64,
    /// The CRC-32 of the whole file.
    pub crc: u32,
}

/// Writes a state file, row after row. One that is not [finished](StateFileWriter::finish) takes its file with it.
pub struct StateFileWriter {
    path: PathBuf,
    file: UncachedWriter,
    header: StateFileHeader,
    /// The rows of the open block.
    block: Vec<u8>,
    /// How many they are.
    block_rows: u32,
    /// The key group of the first of them.
    block_first: KeyGroup,
    /// A closed block, compressed; kept for its memory.
    packed: Vec<u8>,
    index: Vec<BlockEntry>,
    /// The last row, and whether it has a value or is a removal of just itself: after a removal by prefix, a row of the same
    /// key may come.
    last: Option<(KeyGroup, Section, bool)>,
    last_key: Vec<u8>,
    rows: u64,
    removed: u64,
    bytes: u64,
    crc: crc32fast::Hasher,
    finished: bool,
}

impl StateFileWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// If the file is there already or can't be written.
    pub fn create(path: &Path, header: StateFileHeader) -> Result<StateFileWriter> {
        let file = UncachedWriter::create_new(path).map_err(|error| cannot("create", path, error))?;
        let mut writer = StateFileWriter {
            path: path.to_path_buf(),
            file,
            header,
            block: Vec::with_capacity(BLOCK_BYTES + BLOCK_BYTES / 4),
            block_rows: 0,
            block_first: header.groups.first,
            packed: Vec::new(),
            index: Vec::new(),
            last: None,
            last_key: Vec::new(),
            rows: 0,
            removed: 0,
            bytes: 0,
            crc: crc32fast::Hasher::new(),
            finished: false,
        };
        writer.put(&header.encode())?;
        Ok(writer)
    }

    /// Writes a row, which must come after the last one in order of (key group, section, key); a removal by prefix comes
    /// before a row of the same key.
    ///
    /// # Errors
    /// If the file can't be written, or the row is out of order, of a key group that the file does not cover, a removal in
    /// a base, or larger than 1 GiB.
    pub fn row(&mut self, row: StateRow<'_>) -> Result<()> {
        self.check_place(&row)?;
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
        match row.change {
            RowChange::Put(_) => self.rows += 1,
            RowChange::Remove | RowChange::RemovePrefix => self.removed += 1,
        }
        self.last = Some((row.group, row.section, is_of_one_key(&row)));
        self.last_key.clear();
        self.last_key.extend_from_slice(row.key);
        if self.block.len() >= BLOCK_BYTES { self.close_block() } else { Ok(()) }
    }

    /// Merging and restoring rely on the order: a row out of place would be lost or would stop a restore much later.
    fn check_place(&self, row: &StateRow<'_>) -> Result<()> {
        let follows = self.last.is_none_or(|(group, section, of_one_key)| {
            let place = (row.group, row.section, row.key, is_of_one_key(row));
            (group, section, &self.last_key[..], of_one_key) < place
        });
        let what = if !self.header.groups.contains(row.group) {
            "outside of the file's key groups"
        } else if !follows {
            "out of order"
        } else if self.header.layer == LayerKind::Base && row.value().is_none() {
            "as a removal, which has no meaning in a base,"
        } else {
            return Ok(());
        };
        Err(Error::failure(format!(
            "a {:?} row of key group {} came {what} into {} (key groups {})",
            row.section,
            row.group,
            self.path.display(),
            self.header.groups
        )))
    }

    fn close_block(&mut self) -> Result<()> {
        let Some((last, ..)) = self.last else { return Ok(()) };
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
        self.file.write(bytes).map_err(|error| cannot("write", &self.path, error))?;
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
            removed: self.removed,
            index_crc: crc32fast::hash(&tail),
        };
        footer.encode(&mut tail);
        self.put(&tail)?;
        crash::point(crash::AFTER_STATE_WRITE);
        self.file.finish().map_err(|error| cannot("write", &self.path, error))?;
        self.finished = true;
        let crc = self.crc.clone().finalize();
        Ok(StateFileSummary { rows: self.rows, removed: self.removed, bytes: self.bytes, crc })
    }
}

/// The last part of the order of rows: what a removal by prefix removes is older than the rows of its own layer.
fn is_of_one_key(row: &StateRow<'_>) -> bool {
    row.change != RowChange::RemovePrefix
}

impl Drop for StateFileWriter {
    fn drop(&mut self) {
        if !self.finished {
            // On a disk that is full it is what can be given back; elsewhere it would be cleaned away some day.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
