//! Reading a state file: a range of key groups enters, its rows come out, or an error that says what is broken.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::format::{
    BLOCK_BYTES, BlockEntry, FOOTER_BYTES, Footer, HEADER_BYTES, RowPlace, StateFileHeader, decode_index,
};
use crate::error::{Error, Result};
use crate::files::UncachedReader;
use crate::key::KeyGroupRange;
use crate::snapshot::fault::{broken, cannot};
use crate::snapshot::merge::RowCursor;
use crate::snapshot::part::StateRow;

/// Reads a state file. Holds its index; opens the file anew for each visit, so that several threads can read it.
#[derive(Debug)]
pub struct StateFileReader {
    path: PathBuf,
    header: StateFileHeader,
    rows: u64,
    removed: u64,
    bytes: u64,
    index: Vec<BlockEntry>,
    /// Whether rows are read past the page cache.
    is_uncached: bool,
}

impl StateFileReader {
    /// Opens the file and verifies header, index and footer.
    ///
    /// # Errors
    /// If the file can't be read, is no state file, was cut short, or has changed since it was written.
    pub fn open(path: &Path) -> Result<StateFileReader> {
        let mut file = File::open(path).map_err(|error| cannot("read", path, error))?;
        let bytes = file.metadata().map_err(|error| cannot("read", path, error))?.len();
        if bytes < (HEADER_BYTES + FOOTER_BYTES) as u64 {
            return Err(broken(path, format!("it was cut short: only {bytes} bytes are there")));
        }
        let mut header = [0; HEADER_BYTES];
        file.read_exact(&mut header).map_err(|error| cannot("read", path, error))?;
        let header = StateFileHeader::decode(&header).map_err(|what| broken(path, what))?;

        let mut footer = [0; FOOTER_BYTES];
        file.seek(SeekFrom::Start(bytes - FOOTER_BYTES as u64))
            .map_err(|error| cannot("read", path, error))?;
        file.read_exact(&mut footer).map_err(|error| cannot("read", path, error))?;
        let footer = Footer::decode(&footer, bytes).map_err(|what| broken(path, what))?;

        let mut index = vec![0; footer.index_bytes];
        file.seek(SeekFrom::Start(footer.index_offset)).map_err(|error| cannot("read", path, error))?;
        file.read_exact(&mut index).map_err(|error| cannot("read", path, error))?;
        let index = decode_index(&index, &footer, header.groups).map_err(|what| broken(path, what))?;
        let Footer { rows, removed, .. } = footer;
        Ok(StateFileReader {
            path: path.to_path_buf(),
            header,
            rows,
            removed,
            bytes,
            index,
            is_uncached: false,
        })
    }

    /// The same, for one who reads all of it and once: what the page cache has of other files stays there.
    #[must_use]
    pub fn uncached(self) -> StateFileReader {
        StateFileReader { is_uncached: true, ..self }
    }

    /// What the file is.
    pub fn header(&self) -> StateFileHeader {
        self.header
    }

    /// The number of rows that have a value.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The number of removals.
    pub fn removed(&self) -> u64 {
        self.removed
    }

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives every row of a key group in `groups`, removals too, to `each`, in order. Reads only the blocks that can hold
    /// such rows.
    ///
    /// # Errors
    /// If the file can't be read or a block has changed since it was written, or if `each` fails.
    pub fn visit(
        &self,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut cursor = self.cursor(groups)?;
        while let Some(row) = cursor.row() {
            each(row)?;
            cursor.advance()?;
        }
        Ok(())
    }

    /// Stands at the first row of a key group in `groups`.
    ///
    /// # Errors
    /// If the file can't be read or a block has changed since it was written.
    pub fn cursor(&self, groups: KeyGroupRange) -> Result<StateFileCursor<'_>> {
        let open = if self.is_uncached { UncachedReader::open } else { UncachedReader::open_cached };
        let file =
            open(&self.path, self.part_of(groups)).map_err(|error| cannot("read", &self.path, error))?;
        let mut cursor = StateFileCursor {
            reader: self,
            file,
            groups,
            next_block: 0,
            next_offset: HEADER_BYTES as u64,
            stored: Vec::new(),
            block: Vec::new(),
            block_rows: 0,
            at: 0,
            row: None,
        };
        cursor.advance()?;
        Ok(cursor)
    }

    /// Where the blocks lie that can hold a row of these key groups.
    fn part_of(&self, groups: KeyGroupRange) -> Range<u64> {
        let mut part = 0..0;
        let mut offset = HEADER_BYTES as u64;
        for block in &self.index {
            let next = offset + u64::from(block.stored_bytes);
            if groups.overlaps(block.groups) {
                part = if part.is_empty() { offset..next } else { part.start..next };
            }
            offset = next;
        }
        part
    }
}

/// Goes through the rows of a range of key groups in a state file. Holds one block of it in memory.
pub struct StateFileCursor<'a> {
    reader: &'a StateFileReader,
    file: UncachedReader,
    groups: KeyGroupRange,
    /// The block that is read next, and where it begins.
    next_block: usize,
    next_offset: u64,
    /// A block as it lies in the file; kept for its memory.
    stored: Vec<u8>,
    block: Vec<u8>,
    /// How many rows of the block come behind `at`.
    block_rows: u32,
    at: usize,
    row: Option<RowPlace>,
}

impl RowCursor for StateFileCursor<'_> {
    #[inline]
    fn row(&self) -> Option<StateRow<'_>> {
        self.row.as_ref().map(|place| place.row(&self.block))
    }

    fn advance(&mut self) -> Result<()> {
        loop {
            while self.block_rows == 0 {
                if self.at < self.block.len() {
                    return Err(self.damaged("holds more than its rows"));
                }
                if !self.read_block()? {
                    self.row = None;
                    return Ok(());
                }
            }
            self.block_rows -= 1;
            let block_groups = self.reader.index[self.next_block - 1].groups;
            let place = RowPlace::decode(&self.block, &mut self.at)
                .filter(|place| block_groups.contains(place.group))
                .ok_or_else(|| self.damaged("holds what is not a row of it"))?;
            if self.groups.contains(place.group) {
                self.row = Some(place);
                return Ok(());
            }
        }
    }
}

impl StateFileCursor<'_> {
    /// Reads the next block that can hold a row of the groups; whether there was one.
    fn read_block(&mut self) -> Result<bool> {
        let StateFileReader { path, index, .. } = self.reader;
        let (start, block) = loop {
            let Some(block) = index.get(self.next_block) else { return Ok(false) };
            let start = self.next_offset;
            self.next_block += 1;
            self.next_offset += u64::from(block.stored_bytes);
            if self.groups.overlaps(block.groups) {
                break (start, block);
            }
        };
        self.stored.resize(block.stored_bytes as usize, 0);
        self.file.read_exact_at(start, &mut self.stored).map_err(|error| cannot("read", path, error))?;
        if crc32fast::hash(&self.stored) != block.crc {
            return Err(self.damaged("does not match its checksum"));
        }
        self.block.resize(block.raw_bytes as usize, 0);
        match lz4_flex::block::decompress_into(&self.stored, &mut self.block) {
            Ok(length) if length == self.block.len() => {}
            _ => return Err(self.damaged("can't be decompressed")),
        }
        (self.at, self.block_rows) = (0, block.rows);
        Ok(true)
    }

    /// Something is wrong with the block that was read last.
    fn damaged(&self, what: &str) -> Error {
        let blocks = self.reader.index.len();
        broken(&self.reader.path, format!("block {} of {blocks} {what}", self.next_block))
    }
}

/// The CRC-32 of a whole file, as [`StateFileSummary::crc`](super::StateFileSummary::crc) has it.
///
/// # Errors
/// If the file can't be read.
pub fn crc_of(path: &Path) -> Result<u32> {
    let mut file = File::open(path).map_err(|error| cannot("read", path, error))?;
    let mut crc = crc32fast::Hasher::new();
    let mut chunk = vec![0; 4 * BLOCK_BYTES];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(crc.finalize()),
            Ok(length) => crc.update(&chunk[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(cannot("read", path, error)),
        }
    }
}
