//! Cuts text into lines, without copying them: bytes go in by the chunk, [`Line`]s come out.
//!
//! Always: the offset is that of the first byte that has not been given; a chunk whose lines are all gone is filled again
//! instead of a new one. Absent: files, threads, and where the bytes come from.

use std::sync::Arc;

use super::Offset;
use super::line::{Chunk, Line};

/// How much text is read in one go.
pub(super) const CHUNK: usize = 256 * 1024;

/// The longest line that is taken for one.
pub(super) const LONGEST_LINE: usize = 64 * 1024 * 1024;

/// Text on its way to becoming lines.
pub(super) struct LineSplitter {
    chunk: Arc<Chunk>,
    /// Where in the chunk the next line begins.
    next: usize,
    /// Up to where the chunk is known to hold no more line ends. Never before `next`.
    scanned: usize,
    offset: Offset,
}

impl LineSplitter {
    /// Nothing yet, of a file called `file`, which is to be fed from `from` on.
    pub fn new(file: &str, from: Offset) -> LineSplitter {
        let chunk = Arc::new(Chunk { file: file.into(), bytes: Vec::new() });
        LineSplitter { chunk, next: 0, scanned: 0, offset: from }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        &self.chunk.file
    }

    /// Behind the last line given.
    pub fn offset(&self) -> Offset {
        self.offset
    }

    /// How long the line is whose end has not been seen.
    pub fn unfinished(&self) -> usize {
        self.chunk.bytes.len() - self.next
    }

    /// Gives up to `max` of the lines whose end is there, and says how many it gave.
    #[inline]
    pub fn take(&mut self, max: usize, each: &mut impl FnMut(Line)) -> usize {
        let bytes = &self.chunk.bytes[..];
        for given in 0..max {
            let Some(line_end) = memchr::memchr(b'\n', &bytes[self.scanned..]) else {
                self.scanned = bytes.len();
                return given;
            };
            self.scanned += line_end + 1;
            let mut end = self.scanned - 1;
            if end > self.next && bytes[end - 1] == b'\r' {
                end -= 1;
            }
            self.offset.position += (self.scanned - self.next) as u64;
            self.offset.records += 1;
            let line = Line::within(&self.chunk, self.next, end, self.offset.records);
            self.next = self.scanned;
            each(line);
        }
        max
    }

    /// Gives the last line, if it has no line end. Nothing must be fed after that.
    pub fn take_unfinished(&mut self, each: &mut impl FnMut(Line)) -> usize {
        let length = self.unfinished();
        if length == 0 {
            return 0;
        }
        self.offset.position += length as u64;
        self.offset.records += 1;
        each(Line::within(&self.chunk, self.next, self.next + length, self.offset.records));
        self.next += length;
        self.scanned = self.next;
        1
    }

    /// Has `fill` append to the unfinished line. It is told how much is wanted; what it appended counts even if it failed.
    pub fn feed<R>(&mut self, fill: impl FnOnce(&mut Vec<u8>, usize) -> R) -> R {
        let unfinished = self.unfinished();
        // A line that is longer than a chunk doubles what is read, so that it is not copied over and over.
        let wanted = CHUNK.max(unfinished);
        let mut bytes = match Arc::get_mut(&mut self.chunk) {
            Some(chunk) => {
                let mut bytes = std::mem::take(&mut chunk.bytes);
                bytes.drain(..self.next);
                bytes.shrink_to(4 * (unfinished + wanted)); // a very long line has gone
                bytes
            }
            None => Vec::new(),
        };
        if bytes.capacity() == 0 {
            bytes.reserve_exact(unfinished + wanted);
            bytes.extend_from_slice(self.chunk.bytes.get(self.next..).unwrap_or_default());
        } else {
            bytes.reserve_exact(wanted);
        }
        self.next = 0;
        self.scanned = unfinished;
        let result = fill(&mut bytes, wanted);
        match Arc::get_mut(&mut self.chunk) {
            Some(chunk) => chunk.bytes = bytes,
            None => self.chunk = Arc::new(Chunk { file: Arc::clone(&self.chunk.file), bytes }),
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn append(splitter: &mut LineSplitter, text: &[u8]) {
        splitter.feed(|bytes, _| bytes.extend_from_slice(text));
    }

    fn lines(splitter: &mut LineSplitter) -> Vec<Line> {
        let mut lines = Vec::new();
        splitter.take(usize::MAX, &mut |line| lines.push(line));
        lines
    }

    #[test]
    fn lines_are_the_same_however_the_text_is_cut_into_chunks() {
        let text = b"one\r\n\ntwo \r\r\nthree\n\rfour";
        let expected: [&[u8]; 5] = [b"one", b"", b"two \r", b"three", b"\rfour"];
        for size in 1..=text.len() {
            for keep in [true, false] {
                let mut splitter = LineSplitter::new("f", Offset::default());
                let (mut kept, mut seen) = (Vec::new(), Vec::new());
                let mut each = |line: Line| {
                    seen.push(line.as_bytes().to_vec());
                    if keep {
                        kept.push(line);
                    }
                };
                for chunk in text.chunks(size) {
                    append(&mut splitter, chunk);
                    splitter.take(usize::MAX, &mut each);
                }
                splitter.take_unfinished(&mut each);
                assert_eq!(seen, expected, "in chunks of {size}");
                assert_eq!(splitter.offset(), Offset { position: text.len() as u64, records: 5 });
                assert!(kept.iter().map(Line::as_bytes).eq(expected.into_iter().take(kept.len())));
            }
        }
    }

    #[test]
    fn a_line_outlives_the_chunks_that_follow() {
        let mut splitter = LineSplitter::new("f", Offset::default());
        append(&mut splitter, b"first\nsec");
        let first = lines(&mut splitter);
        append(&mut splitter, b"ond\n");
        let second = lines(&mut splitter);
        assert_eq!(first, [Line::new("f", 1, "first")]);
        assert_eq!(second, [Line::new("f", 2, "second")]);
    }

    #[test]
    fn no_more_lines_are_given_than_asked_for() {
        let mut splitter = LineSplitter::new("f", Offset::default());
        append(&mut splitter, b"1\n2\n3\n");
        let mut seen = 0;
        assert_eq!(splitter.take(2, &mut |_| seen += 1), 2);
        assert_eq!(splitter.offset(), Offset { position: 4, records: 2 });
        assert_eq!(splitter.take(2, &mut |_| seen += 1), 1);
        assert_eq!((seen, splitter.take(2, &mut |_| ())), (3, 0));
    }

    #[test]
    fn a_chunk_is_filled_again_once_its_lines_are_gone() {
        let mut splitter = LineSplitter::new("f", Offset::default());
        append(&mut splitter, &[b'\n'; 1000]);
        let place = splitter.chunk.bytes.as_ptr();
        drop(lines(&mut splitter));
        append(&mut splitter, &[b'\n'; 1000]);
        assert_eq!(splitter.chunk.bytes.as_ptr(), place);
        assert_eq!(lines(&mut splitter).len(), 1000);
    }
}
