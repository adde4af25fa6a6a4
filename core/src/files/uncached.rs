//! Large files that are written from their beginning to their end, and read in long pieces, past the page cache.
//!
//! Nobody reads soon what a snapshot writes. In the page cache it would cost a copy of every byte, at a time when the job
//! needs the memory's bandwidth itself, and would drive out what is read often. So whole buffers go straight to the
//! disk (`O_DIRECT`) where system and file system can do that, and the usual way elsewhere. So do the first bytes of a file and
//! its last ones: a file that is smaller than a buffer has no others.
//!
//! What always holds: a buffer lies in memory, and what is written of it or read into it lies in the file, at a multiple of
//! [`ALIGNMENT`].

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

/// What every disk is content with: a page.
const ALIGNMENT: usize = 4096;
/// How much is written at once.
const WRITE_BYTES: usize = 512 << 10;
/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// Whoever reads less of a file than this is better off with what the page cache may have.
const UNCACHED_BYTES_MIN: u64 = 1 << 20;

/// Writes a new file.
pub(crate) struct UncachedWriter {
    file: File,
    buffer: Buffer,
    /// How much of the buffer waits to be written.
    filled: usize,
    way: Way,
}

/// Reads parts of a file.
pub(crate) struct UncachedReader {
    file: File,
    buffer: Buffer,
    /// Where in the file the buffer begins, and how much is in it.
    start: u64,
    filled: usize,
    /// The end of what will be read.
    end: u64,
    /// Where the file stands.
    position: u64,
    way: Way,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Cached,
    Uncached,
}

impl UncachedWriter {
    /// Creates the file.
    ///
    /// # Errors
    /// If it is there already or can't be created.
    pub fn create_new(path: &Path) -> io::Result<UncachedWriter> {
        let file = File::create_new(path)?;
        Ok(UncachedWriter { file, buffer: Buffer::of(WRITE_BYTES), filled: 0, way: Way::Cached })
    }

    /// Appends `bytes`; they may wait.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = bytes.len().min(WRITE_BYTES - self.filled);
            self.buffer.bytes_mut()[self.filled..self.filled + length].copy_from_slice(&bytes[..length]);
            self.filled += length;
            bytes = &bytes[length..];
            if self.filled == WRITE_BYTES {
                self.way = Way::Uncached.of(&self.file);
                self.write_buffer()?;
            }
        }
        Ok(())
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let mut rest = &self.buffer.bytes()[..self.filled];
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(length) => rest = &rest[length..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Not aligned as this disk wants it, or no longer, because a part was written.
                Err(error) if self.way == Way::Uncached && error.kind() == ErrorKind::InvalidInput => {
                    self.way = Way::Cached.of(&self.file);
                }
                Err(error) => return Err(error),
            }
        }
        self.filled = 0;
        Ok(())
    }

    /// Writes what waits, and makes the file durable. Nothing is written behind it.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn finish(&mut self) -> io::Result<()> {
        self.way = Way::Cached.of(&self.file);
        self.write_buffer()?;
        self.file.sync_all()
    }
}

impl UncachedReader {
    /// Opens a file of which this part will be read: past the page cache, if it is long.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn open(path: &Path, part: Range<u64>) -> io::Result<UncachedReader> {
        let is_long = part.end.saturating_sub(part.start) >= UNCACHED_BYTES_MIN;
        UncachedReader::open_by(path, part, if is_long { Way::Uncached } else { Way::Cached })
    }

    /// The same by way of the page cache, which has the file: somebody has read it.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn open_cached(path: &Path, part: Range<u64>) -> io::Result<UncachedReader> {
        UncachedReader::open_by(path, part, Way::Cached)
    }

    fn open_by(path: &Path, part: Range<u64>, way: Way) -> io::Result<UncachedReader> {
        let file = File::open(path)?;
        let way = way.of(&file);
        let (buffer, start, end) = (Buffer::of(READ_BYTES), part.start, part.end);
        Ok(UncachedReader { file, buffer, start, filled: 0, end, position: 0, way })
    }

    /// Fills `bytes` with what stands at `at`, in the part.
    ///
    /// # Errors
    /// If the file or the part ends before, or the file can't be read.
    pub fn read_exact_at(&mut self, mut at: u64, mut bytes: &mut [u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if !(self.start..self.start + self.filled as u64).contains(&at) {
                self.fill(at)?;
            }
            let skipped = (at - self.start) as usize;
            let available = self.buffer.bytes()[..self.filled].get(skipped..).unwrap_or_default();
            let length = available.len().min(bytes.len());
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let (read, rest) = bytes.split_at_mut(length);
            read.copy_from_slice(&available[..length]);
            (at, bytes) = (at + length as u64, rest);
        }
        Ok(())
    }

    /// Fills the buffer with what stands around `at` and behind it.
    fn fill(&mut self, at: u64) -> io::Result<()> {
        (self.start, self.filled) = (at - at % ALIGNMENT as u64, 0);
        let wanted = self.end.saturating_sub(self.start).min(READ_BYTES as u64) as usize;
        let wanted = wanted.next_multiple_of(ALIGNMENT);
        while self.filled < wanted {
            let next = self.start + self.filled as u64;
            if self.position != next {
                self.file.seek(SeekFrom::Start(next))?;
                self.position = next;
            }
            match self.file.read(&mut self.buffer.bytes_mut()[self.filled..wanted]) {
                Ok(0) => break,
                Ok(length) => {
                    self.filled += length;
                    self.position += length as u64;
                    // Only the end of the file is not aligned.
                    if !length.is_multiple_of(ALIGNMENT) {
                        break;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if self.way == Way::Uncached && error.kind() == ErrorKind::InvalidInput => {
                    self.way = Way::Cached.of(&self.file);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Way {
    /// Has the file's bytes go this way from now on, if they can. Which way they go.
    #[cfg(target_os = "linux")]
    fn of(self, file: &File) -> Way {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        let Ok(flags) = fcntl_getfl(file) else { return Way::Cached };
        let wanted = match self {
            Way::Cached => flags - OFlags::DIRECT,
            Way::Uncached => flags | OFlags::DIRECT,
        };
        if flags == wanted || fcntl_setfl(file, wanted).is_ok() { self } else { Way::Cached }
    }

    #[cfg(not(target_os = "linux"))]
    fn of(self, _: &File) -> Way {
        Way::Cached
    }
}

/// Memory that begins at a multiple of [`ALIGNMENT`]. What is never used of it is never asked of the system.
struct Buffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    fn of(length: usize) -> Buffer {
        let memory = vec![0; length + ALIGNMENT];
        let start = memory.as_ptr().align_offset(ALIGNMENT).min(ALIGNMENT);
        Buffer { memory, start, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn pattern(length: usize) -> Vec<u8> {
        (0..length as u64).map(|place| (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
    }

    fn file_of(bytes: &[u8], piece: usize) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let mut writer = UncachedWriter::create_new(&path).unwrap();
        bytes.chunks(piece).for_each(|piece| writer.write(piece).unwrap());
        writer.finish().unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_has_what_was_written_whatever_its_length() {
        let around = |length: usize| [length - 1, length, length + 1];
        let lengths =
            [0, 1].into_iter().chain(around(WRITE_BYTES)).chain(around(3 * WRITE_BYTES + ALIGNMENT));
        for length in lengths {
            for piece in [1000, ALIGNMENT, 2 * WRITE_BYTES + 1] {
                let bytes = pattern(length);
                let (_directory, path) = file_of(&bytes, piece);
                assert!(std::fs::read(&path).unwrap() == bytes, "{length} bytes, {piece} at a time");
            }
        }
    }

    #[test]
    fn every_part_can_be_read_in_any_pieces() {
        let bytes = pattern(3 * READ_BYTES + 77);
        let (_directory, path) = file_of(&bytes, 10_000);
        for part in [0..bytes.len(), 26..50_001, READ_BYTES + 5..2 * READ_BYTES, bytes.len() - 1..bytes.len()]
        {
            let (start, end) = (part.start as u64, part.end as u64);
            let read = |reader: &mut UncachedReader, at: usize, length: usize| {
                let mut read = vec![0; length];
                reader.read_exact_at(at as u64, &mut read).unwrap();
                assert!(read == bytes[at..at + length], "{length} bytes at {at} of {part:?}");
            };
            for open in [UncachedReader::open, UncachedReader::open_cached] {
                let mut reader = open(&path, start..end).unwrap();
                part.clone().step_by(9_999).for_each(|at| read(&mut reader, at, (part.end - at).min(9_999)));
                part.clone().rev().step_by(77_777).for_each(|at| read(&mut reader, at, 1));
                read(&mut reader, part.start, part.len());
            }
        }
    }

    #[test]
    fn the_end_of_a_file_is_an_error_and_not_the_end_of_reading() {
        for length in [77, READ_BYTES, READ_BYTES + ALIGNMENT] {
            let bytes = pattern(length);
            let (_directory, path) = file_of(&bytes, 10_000);
            let mut reader = UncachedReader::open(&path, 0..u64::MAX).unwrap();
            for at in [length - 1, length, length + 1, length + 2 * READ_BYTES] {
                let error = reader.read_exact_at(at as u64, &mut [0; 2]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "at {at} of {length}");
            }
            let mut last = [0; 2];
            reader.read_exact_at(length as u64 - 2, &mut last).unwrap();
            assert_eq!(last, bytes[length - 2..]);
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let (_directory, path) = file_of(b"first", 5);
        let error = UncachedWriter::create_new(&path).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    }
}
