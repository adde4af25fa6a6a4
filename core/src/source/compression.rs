//! Compressed files: which there are, and what they say when uncompressed.
//!
//! What enters: bytes as they lie there. What leaves: the text, of all members or frames one behind another. Always: a
//! checksum that the file carries holds before its end is believed. Absent: seeking.

use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::zstd::ZstdDecoder;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstd,
}

impl Compression {
    /// How a file is compressed, by the name that it has.
    pub fn of(path: &Path) -> Option<Compression> {
        match path.extension()?.to_str()? {
            "gz" => Some(Compression::Gzip),
            "zst" => Some(Compression::Zstd),
            _ => None,
        }
    }

    /// Whether a file that begins like this can be what its name says.
    pub fn begins_with(self, head: &[u8]) -> bool {
        match self {
            Compression::Gzip => head.starts_with(&[0x1f, 0x8b]),
            // A frame, or one of the sixteen kinds of frames to be skipped.
            Compression::Zstd => match head {
                [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
                [kind, 0x2a, 0x4d, 0x18, ..] => (0x50..=0x5f).contains(kind),
                _ => false,
            },
        }
    }

    /// What it is called, and what its files are called.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Compression::Gzip => ("gzip", ".gz"),
            Compression::Zstd => ("zstd", ".zst"),
        }
    }
}

/// Uncompresses what it reads from `R`.
pub(super) enum Decoder<R> {
    Gzip(Box<MultiGzDecoder<Counted<R>>>),
    Zstd(Box<ZstdDecoder<Counted<R>>>),
}

impl<R: Read> Decoder<R> {
    pub fn new(compression: Compression, file: R) -> Decoder<R> {
        let file = Counted { inner: file, bytes: 0 };
        match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(file))),
            Compression::Zstd => Decoder::Zstd(Box::new(ZstdDecoder::new(file))),
        }
    }

    pub fn compression(&self) -> Compression {
        match self {
            Decoder::Gzip(_) => Compression::Gzip,
            Decoder::Zstd(_) => Compression::Zstd,
        }
    }

    /// How much has been read of the file.
    pub fn compressed_bytes(&self) -> u64 {
        match self {
            Decoder::Gzip(decoder) => decoder.get_ref().bytes,
            Decoder::Zstd(decoder) => decoder.get_ref().bytes,
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Decoder::Gzip(decoder) => decoder.read(buffer),
            Decoder::Zstd(decoder) => decoder.read(buffer),
        }
    }
}

/// Counts what is read through it.
pub(super) struct Counted<R> {
    inner: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.bytes += length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compressed_file_is_known_by_its_name_and_by_how_it_begins() {
        let of = |name: &str| Compression::of(Path::new(name));
        assert_eq!(of("a.log.gz"), Some(Compression::Gzip));
        assert_eq!(of("a.zst"), Some(Compression::Zstd));
        assert_eq!((of("a.log"), of("gz"), of(".zst")), (None, None, None));
        let heads: [(&[u8], _); 5] = [
            (&[0x1f, 0x8b, 8, 0], Some(Compression::Gzip)),
            (&[0x28, 0xb5, 0x2f, 0xfd], Some(Compression::Zstd)),
            (&[0x50, 0x2a, 0x4d, 0x18], Some(Compression::Zstd)),
            (b"text", None),
            (b"", None),
        ];
        for (head, expected) in heads {
            for compression in [Compression::Gzip, Compression::Zstd] {
                assert_eq!(compression.begins_with(head), expected == Some(compression), "{head:x?}");
            }
        }
    }
}
