//! Text files as a source: a file is a split, a line is a record.
//!
//! What enters: paths, patterns, `-` for the standard input; plain text, gzip or zstd. What leaves: [`Line`]s, in order. An
//! offset is a position in the *uncompressed* text. Absent: a file that is read by several subtasks.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::compression::{Compression, Decoder};
use super::line::Line;
use super::paths::{self, Medium};
use super::splitter::{LONGEST_LINE, LineSplitter};
use super::stdin::{Pipe, Piped};
use super::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};
use crate::error::{Error, Result};

/// A source of text lines.
///
/// A path may be a file; a pattern such as `logs/*.log` if no file is called that; or `-`, the standard input. A file called
/// `.gz` or `.zst` is uncompressed on the fly, all its members or frames. Lines end in `\n` or `\r\n`; the last one need not.
/// An empty line is a line. A line of more than 64 MiB is an error.
///
/// ```
/// # use tidegate::source::Lines;
/// let logs = Lines::open(["access.log.1.gz", "access.log"]);
/// let piped = Lines::stdin();
/// ```
#[derive(Clone, Debug)]
pub struct Lines {
    paths: Vec<PathBuf>,
}

impl Lines {
    /// The lines of files. Whether they are there is seen when the job starts.
    pub fn open(paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Lines {
        Lines { paths: paths.into_iter().map(Into::into).collect() }
    }

    /// The lines of the standard input. They can't be read again: a restart goes on with what comes next.
    pub fn stdin() -> Lines {
        Lines::open([paths::STDIN])
    }
}

impl Source for Lines {
    type Item = Line;
    type Reader = LineReader;

    fn describe(&self) -> String {
        match &self.paths[..] {
            [] => "lines of no file".to_string(),
            [path] if Medium::of(path) == Medium::Stdin => "lines of the standard input".to_string(),
            [path] => format!("lines of {}", path.display()),
            [path, others @ ..] => format!("lines of {} and {} more", path.display(), others.len()),
        }
    }

    fn replay(&self) -> Replay {
        let once = |path: &PathBuf| matches!(Medium::of(path), Medium::Stdin | Medium::Pipe);
        if self.paths.iter().any(once) { Replay::Never } else { Replay::FromOffset }
    }

    fn splits(&self) -> Result<Vec<Split>> {
        paths::splits(&self.paths)
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<LineReader> {
        let path = Path::new(&split.0);
        let open = || File::open(path).map_err(|error| paths::not_readable(path, error));
        let input = match Medium::of(path) {
            Medium::Plain => {
                let mut file = open()?;
                let length = file.metadata().map_err(|error| paths::not_readable(path, error))?.len();
                if length < from.position {
                    return Err(shorter(split, length, from.position));
                }
                file.seek(SeekFrom::Start(from.position.saturating_sub(1)))
                    .map_err(|error| paths::not_readable(path, error))?;
                check_line_end(&mut file, split, from)?;
                Input::Plain(file)
            }
            medium @ Medium::Compressed(compression) => {
                let mut text = Decoder::new(compression, open()?);
                let before = from.position.saturating_sub(1);
                let length = std::io::copy(&mut (&mut text).take(before), &mut std::io::sink())
                    .map_err(|error| unreadable(&split.0, from.records, medium, &error))?;
                if length < before {
                    return Err(shorter(split, length, from.position));
                }
                check_line_end(&mut text, split, from)?;
                Input::Compressed(text)
            }
            Medium::Pipe => {
                let path = path.to_path_buf();
                Input::Pipe(Pipe::open(&split.0, move || File::open(path))?)
            }
            Medium::Stdin => Input::Pipe(Pipe::stdin()?),
        };
        Ok(LineReader { splitter: LineSplitter::new(&split.0, from), input, compressed_bytes: 0 })
    }
}

/// Steps over the byte before `from`, and sees to it that a line ended there, as it did when the offset was noted.
fn check_line_end(text: &mut impl Read, split: &SplitId, from: Offset) -> Result<()> {
    if from.position == 0 {
        return Ok(());
    }
    let mut bytes = Vec::new();
    let mut read = |count| text.take(count).read_to_end(&mut bytes).map(|_| bytes.last().copied());
    let before = read(1).map_err(|error| unreadable(&split.0, from.records, Medium::Plain, &error))?;
    match before {
        Some(b'\n') => Ok(()),
        // The last line of a file needs no line end, and nothing follows it.
        Some(_) if matches!(text.read(&mut [0]), Ok(0)) => Ok(()),
        Some(_) => Err(Error::failure(format!(
            "\"{}\" has changed: a line ended at byte {}, and does not any more",
            split.0, from.position
        ))
        .hint(
            "restore with the file as it was when the snapshot was taken; lines may only have been appended",
        )),
        None => Err(shorter(split, from.position - 1, from.position)),
    }
}

fn shorter(split: &SplitId, length: u64, read: u64) -> Error {
    Error::failure(format!(
        "\"{}\" has become shorter: it has {length} bytes of text, and {read} had been read",
        split.0
    ))
    .hint("restore with the file as it was when the snapshot was taken; lines may only have been appended")
}

fn unreadable(file: &str, lines: u64, medium: Medium, error: &std::io::Error) -> Error {
    let kind = error.kind();
    let cause = std::io::Error::new(kind, error.to_string());
    let error = Error::failure(format!("can't read \"{file}\" beyond line {lines}")).caused_by(cause);
    match medium {
        Medium::Compressed(Compression::Zstd) if kind == ErrorKind::Unsupported => {
            error.hint("compress it with a window of at most 128 MiB: `zstd --long`")
        }
        Medium::Compressed(compression) => {
            let (tool, _) = compression.names();
            error.hint(format!("the file is damaged or has been cut off; see `{tool} -t {file}`"))
        }
        Medium::Plain | Medium::Pipe | Medium::Stdin => error,
    }
}

/// Reads the lines of one file.
pub struct LineReader {
    splitter: LineSplitter,
    input: Input,
    /// How much of a compressed file has been read.
    compressed_bytes: u64,
}

/// Where the text comes from.
enum Input {
    /// A file, read as it is.
    Plain(File),
    /// A compressed file.
    Compressed(Decoder<File>),
    /// The standard input, a named pipe, a device.
    Pipe(Pipe),
    /// There is no more.
    Ended,
    /// There is more, but it can't be read. What could be has been handed to the splitter.
    Failed(Medium, std::io::Error),
}

impl SplitReader for LineReader {
    type Item = Line;

    fn read(&mut self, max: usize, each: &mut impl FnMut(Line)) -> Result<ReadStatus> {
        let mut given = 0;
        loop {
            given += self.splitter.take(max - given, each);
            if given == max {
                return Ok(ReadStatus::More);
            }
            if self.splitter.unfinished() > LONGEST_LINE {
                return Err(self.too_long());
            }
            let (medium, filled) = match &mut self.input {
                Input::Plain(file) => {
                    (Medium::Plain, self.splitter.feed(|text, wanted| fill(file, text, wanted)))
                }
                Input::Compressed(decoder) => {
                    let filled = self.splitter.feed(|text, wanted| fill(decoder, text, wanted));
                    self.compressed_bytes = decoder.compressed_bytes();
                    (Medium::Compressed(decoder.compression()), filled)
                }
                Input::Pipe(pipe) => match pipe.poll() {
                    Piped::Text(piped) => {
                        self.splitter.feed(|text, _| text.extend_from_slice(&piped));
                        (Medium::Pipe, Ok(piped.len()))
                    }
                    Piped::Nothing => return Ok(ReadStatus::Idle),
                    Piped::End => (Medium::Pipe, Ok(0)),
                    Piped::Failed(error) => (Medium::Pipe, Err(error)),
                },
                Input::Ended => {
                    self.splitter.take_unfinished(each);
                    return Ok(ReadStatus::End);
                }
                // The lines before the damage first; the driver will ask again.
                Input::Failed(..) if given > 0 => return Ok(ReadStatus::More),
                Input::Failed(medium, error) => {
                    let lines = self.splitter.offset().records;
                    return Err(unreadable(self.splitter.file(), lines, *medium, error));
                }
            };
            match filled {
                Ok(0) => self.input = Input::Ended,
                Ok(_) => (),
                Err(error) => self.input = Input::Failed(medium, error),
            }
        }
    }

    fn offset(&self) -> Offset {
        self.splitter.offset()
    }

    fn bytes_read(&self) -> u64 {
        // Zero only if the file is not compressed: the first bytes of one that is are read before its first line is known.
        if self.compressed_bytes > 0 { self.compressed_bytes } else { self.splitter.offset().position }
    }
}

impl LineReader {
    fn too_long(&self) -> Error {
        let (file, line) = (self.splitter.file(), self.splitter.offset().records + 1);
        Error::failure(format!(
            "line {line} of \"{file}\" is longer than {} MiB",
            LONGEST_LINE / (1024 * 1024)
        ))
        .hint("is it a text file?")
    }
}

/// Appends up to `wanted` bytes. Those that came before an error are there all the same.
fn fill(input: &mut impl Read, text: &mut Vec<u8>, wanted: usize) -> std::io::Result<usize> {
    input.take(wanted as u64).read_to_end(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::super::splitter::CHUNK;
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, bytes: &[u8]) -> Lines {
            let path = self.0.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            Lines::open([path])
        }
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn open(lines: &Lines, from: Offset) -> Result<LineReader> {
        lines.open(&lines.splits().unwrap()[0].id, from)
    }

    /// Reads to the end or to the first error, in batches of `max`.
    fn read(reader: &mut LineReader, max: usize) -> (Vec<Line>, Result<()>) {
        let mut lines = Vec::new();
        loop {
            match reader.read(max, &mut |line| lines.push(line)) {
                Ok(ReadStatus::More) => (),
                Ok(ReadStatus::Idle) => std::thread::yield_now(),
                Ok(ReadStatus::End) => return (lines, Ok(())),
                Err(error) => return (lines, Err(error)),
            }
        }
    }

    fn texts(lines: &[Line]) -> Vec<&[u8]> {
        lines.iter().map(Line::as_bytes).collect()
    }

    #[test]
    fn lines_are_given_as_they_stand_with_their_numbers() {
        let folder = Folder::new();
        let lines = folder.file("a.log", b"one\r\n\nsch\xf6n\n\rlast");
        let (read, end) = read(&mut open(&lines, Offset::default()).unwrap(), 3);
        end.unwrap();
        assert_eq!(texts(&read), [&b"one"[..], b"", b"sch\xf6n", b"\rlast"]);
        assert_eq!(read.iter().map(Line::number).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert!(read[0].file().ends_with("/a.log"));
        assert!(read[2].as_str().is_err());
    }

    #[test]
    fn an_empty_file_has_no_line() {
        let folder = Folder::new();
        for lines in [
            folder.file("empty", b""),
            folder.file("empty.gz", &gzip(b"")),
            folder.file("empty.zst", &zstd(b"")),
        ] {
            let (read, end) = read(&mut open(&lines, Offset::default()).unwrap(), 10);
            end.unwrap();
            assert_eq!(read, []);
        }
    }

    #[test]
    fn reading_goes_on_from_every_offset_with_exactly_the_rest() {
        let text = b"alpha\nbeta\r\n\n\ngamma delta\nlast without an end";
        let members: Vec<u8> = text.chunks(7).flat_map(gzip).collect();
        let frames: Vec<u8> = text.chunks(7).flat_map(zstd).collect();
        let folder = Folder::new();
        for lines in [
            folder.file("a", text),
            folder.file("a.gz", &gzip(text)),
            folder.file("b.gz", &members),
            folder.file("a.zst", &zstd(text)),
            folder.file("b.zst", &frames),
        ] {
            let mut reader = open(&lines, Offset::default()).unwrap();
            let (all, _) = read(&mut reader, 100);
            assert_eq!(all.len(), 6);
            assert_eq!(reader.offset(), Offset { position: text.len() as u64, records: 6 });
            let mut reader = open(&lines, Offset::default()).unwrap();
            for given in 0..=all.len() {
                let (rest, end) = read(&mut open(&lines, reader.offset()).unwrap(), 2);
                end.unwrap();
                assert_eq!(rest, all[given..], "after {given} lines");
                reader.read(1, &mut |_| ()).unwrap();
            }
        }
    }

    #[test]
    fn lines_may_have_been_appended_since() {
        let folder = Folder::new();
        let lines = folder.file("a.log", b"one\ntwo\n");
        let mut reader = open(&lines, Offset::default()).unwrap();
        read(&mut reader, 10).1.unwrap();
        folder.file("a.log", b"one\ntwo\nthree\n");
        let (rest, _) = read(&mut open(&lines, reader.offset()).unwrap(), 10);
        assert_eq!(texts(&rest), [b"three"]);
    }

    #[test]
    fn a_file_that_is_not_what_it_was_is_refused() {
        let folder = Folder::new();
        let from = Offset { position: 8, records: 2 };
        for (name, shorter, other) in [
            ("a.log", b"one\n".to_vec(), b"one two\tthree\n".to_vec()),
            ("a.gz", gzip(b"one\n"), gzip(b"one two\tthree\n")),
            ("a.zst", zstd(b"one\n"), zstd(b"one two\tthree\n")),
        ] {
            let error = open(&folder.file(name, &shorter), from).err().unwrap().to_string();
            assert!(
                error.contains("has become shorter: it has 4 bytes of text, and 8 had been read"),
                "{error}"
            );
            assert!(error.contains(name), "{error}");
            let error = open(&folder.file(name, &other), from).err().unwrap().to_string();
            assert!(error.contains("a line ended at byte 8, and does not any more"), "{error}");
        }
        let error = open(&folder.file("a.gz", &gzip(b"one two")), from).err().unwrap().to_string();
        assert!(error.contains("it has 7 bytes of text, and 8 had been read"), "{error}");
    }

    #[test]
    fn damaged_compression_gives_the_lines_before_the_damage_and_then_an_error_that_names_them() {
        let text: Vec<u8> =
            (0..50_000).flat_map(|i| format!("line {i} {}\n", i * 7919 % 1009).into_bytes()).collect();
        let corrupt = |whole: &[u8]| {
            let mut corrupt = whole.to_vec();
            corrupt[whole.len() / 2..][..64].fill(0xaa);
            corrupt
        };
        // Both have a checksum near the end.
        let checksum = |whole: &[u8], from_end: usize| {
            let mut checksum = whole.to_vec();
            checksum[whole.len() - from_end] ^= 1;
            checksum
        };
        let gzip = gzip(&text);
        let zstd: Vec<u8> = text.chunks(50_000).flat_map(zstd).collect();
        let folder = Folder::new();
        for (name, bytes) in [
            ("cut.gz", &gzip[..gzip.len() / 2]),
            ("corrupt.gz", &corrupt(&gzip)),
            ("checksum.gz", &checksum(&gzip, 8)),
            ("cut.zst", &zstd[..zstd.len() / 2]),
            ("corrupt.zst", &corrupt(&zstd)),
            ("checksum.zst", &checksum(&zstd, 1)),
        ] {
            let lines = folder.file(name, bytes);
            let mut reader = open(&lines, Offset::default()).unwrap();
            let (read, end) = read(&mut reader, 1000);
            let error = format!("{:#}", end.unwrap_err());
            assert!(read.len() > 10_000, "{name}: {}", read.len());
            assert!(
                error.contains(name) && error.contains(&format!("beyond line {}", read.len())),
                "{error}"
            );
            let tool = if name.ends_with("gz") { "gzip -t " } else { "zstd -t " };
            assert!(error.contains(tool), "{error}");
            // What is damaged stays damaged: a driver that asks again does not take it for the end.
            assert!(reader.read(1000, &mut |_| ()).is_err());
        }
    }

    #[test]
    fn long_lines_are_lines_up_to_the_longest() {
        let folder = Folder::new();
        let long = vec![b'x'; 3 * CHUNK + 17];
        let text = [&b"before\n"[..], &long, b"\n", &long, b"\r\nafter\n"].concat();
        for lines in
            [folder.file("a", &text), folder.file("a.gz", &gzip(&text)), folder.file("a.zst", &zstd(&text))]
        {
            let (read, end) = read(&mut open(&lines, Offset::default()).unwrap(), 2);
            end.unwrap();
            assert_eq!(texts(&read), [b"before", &long[..], &long, b"after"]);
        }
        let lines = folder.file("zeros", b"one\n");
        let file = File::options().append(true).open(folder.0.path().join("zeros")).unwrap();
        file.set_len(LONGEST_LINE as u64 + 1000).unwrap();
        let (read, end) = read(&mut open(&lines, Offset::default()).unwrap(), 2);
        let error = end.unwrap_err().to_string();
        assert_eq!(read.len(), 1);
        assert!(error.contains("line 2 of") && error.contains("zeros\" is longer than 64 MiB"), "{error}");
    }

    #[test]
    fn progress_is_counted_in_bytes_as_they_lie_there() {
        let folder = Folder::new();
        let text = b"a line of text\n".repeat(1000);
        for lines in
            [folder.file("a", &text), folder.file("a.gz", &gzip(&text)), folder.file("a.zst", &zstd(&text))]
        {
            let bytes = lines.splits().unwrap()[0].bytes;
            let mut reader = open(&lines, Offset::default()).unwrap();
            assert_eq!(reader.bytes_read(), 0);
            read(&mut reader, 100).1.unwrap();
            assert_eq!(Some(reader.bytes_read()), bytes);
        }
    }

    #[test]
    #[cfg(unix)]
    fn a_named_pipe_is_read_without_waiting_and_only_once() {
        let folder = Folder::new();
        let path = folder.0.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let lines = Lines::open([&path]);
        assert_eq!(lines.replay(), Replay::Never);
        assert_eq!(folder.file("a.log", b"").replay(), Replay::FromOffset);
        let mut reader = open(&lines, Offset { position: 10, records: 2 }).unwrap();
        assert_eq!(reader.read(10, &mut |_| panic!("nothing is there")).unwrap(), ReadStatus::Idle);
        File::options().write(true).open(&path).unwrap().write_all(b"one\ntwo").unwrap();
        let (read, end) = read(&mut reader, 10);
        end.unwrap();
        assert_eq!(texts(&read), [b"one", b"two"]);
        assert_eq!(read[0].number(), 3, "what comes through a pipe follows what had been read");
    }

    #[test]
    fn a_source_of_lines_says_what_it_reads() {
        assert_eq!(Lines::open(["a.log", "b.log", "c.log"]).describe(), "lines of a.log and 2 more");
        assert_eq!(Lines::open(["logs/*.gz"]).describe(), "lines of logs/*.gz");
        assert_eq!(Lines::stdin().describe(), "lines of the standard input");
        assert_eq!(Lines::stdin().replay(), Replay::Never);
    }
}
