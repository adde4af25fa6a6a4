//! Reading a state file: a range of key groups enters, its rows come out, or an error that says what is broken.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::format::{
    BLOCK_BYTES, BlockEntry, FOOTER_BYTES, Footer, HEADER_BYTES, decode_header, decode_index, decode_row,
};
use crate::error::Result;
use crate::key::KeyGroupRange;
use crate::snapshot::fault::{broken, cannot};
use crate::snapshot::part::StateRow;

/// Reads a state file. Holds its index; opens the file anew for each visit.
#[derive(Debug)]
pub struct StateFileReader {
    path: PathBuf,
    groups: KeyGroupRange,
    rows: u64,
    bytes: u64,
    index: Vec<BlockEntry>,
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
        let groups = decode_header(&header).map_err(|what| broken(path, what))?;

        let mut footer = [0; FOOTER_BYTES];
        file.seek(SeekFrom::Start(bytes - FOOTER_BYTES as u64))
            .map_err(|error| cannot("read", path, error))?;
        file.read_exact(&mut footer).map_err(|error| cannot("read", path, error))?;
        let footer = Footer::decode(&footer, bytes).map_err(|what| broken(path, what))?;

        let mut index = vec![0; footer.index_bytes];
        file.seek(SeekFrom::Start(footer.index_offset)).map_err(|error| cannot("read", path, error))?;
        file.read_exact(&mut index).map_err(|error| cannot("read", path, error))?;
        let index = decode_index(&index, &footer, groups).map_err(|what| broken(path, what))?;
        Ok(StateFileReader { path: path.to_path_buf(), groups, rows: footer.rows, bytes, index })
    }

    /// The key groups that the file covers.
    pub fn groups(&self) -> KeyGroupRange {
        self.groups
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Gives every row of a key group in `groups` to `each`, in order. Reads only the blocks that can hold such rows.
    ///
    /// # Errors
    /// If the file can't be read or a block has changed since it was written, or if `each` fails.
    pub fn visit(
        &self,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let mut file = File::open(&self.path).map_err(|error| cannot("read", &self.path, error))?;
        let (mut stored, mut raw) = (Vec::new(), Vec::new());
        let (mut offset, mut position) = (HEADER_BYTES as u64, 0);
        for (number, block) in self.index.iter().enumerate() {
            let start = offset;
            offset += u64::from(block.stored_bytes);
            if !groups.overlaps(block.groups) {
                continue;
            }
            if position != start {
                file.seek(SeekFrom::Start(start)).map_err(|error| cannot("read", &self.path, error))?;
            }
            stored.resize(block.stored_bytes as usize, 0);
            file.read_exact(&mut stored).map_err(|error| cannot("read", &self.path, error))?;
            position = offset;
            let damaged = |what: &str| {
                broken(&self.path, format!("block {} of {} {what}", number + 1, self.index.len()))
            };
            if crc32fast::hash(&stored) != block.crc {
                return Err(damaged("does not match its checksum"));
            }
            raw.resize(block.raw_bytes as usize, 0);
            match lz4_flex::block::decompress_into(&stored, &mut raw) {
                Ok(length) if length == raw.len() => {}
                _ => return Err(damaged("can't be decompressed")),
            }
            let mut rest = &raw[..];
            for _ in 0..block.rows {
                let row = decode_row(&mut rest)
                    .filter(|row| block.groups.contains(row.group))
                    .ok_or_else(|| damaged("holds what is not a row of it"))?;
                if groups.contains(row.group) {
                    each(row)?;
                }
            }
            if !rest.is_empty() {
                return Err(damaged("holds more than its rows"));
            }
        }
        Ok(())
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
