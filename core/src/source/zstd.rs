//! Text that was compressed by zstd (RFC 8878).
//!
//! What enters: frames one behind another, with any window up to 128 MiB, which is what `zstd --long` makes and `zstd -d`
//! takes unasked. What leaves: their text. Always: the checksum of a frame, if it has one, is right before the frame counts as
//! ended. Absent: dictionaries. What lies less than a window before damage can't be had.

use std::io::{BufRead, BufReader, Error, ErrorKind, Read, Result};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The largest window: 2^27 bytes.
const WINDOW_BYTES_MAX: u64 = 1 << 27;

/// Uncompresses what it reads from `R`.
pub(super) struct ZstdDecoder<R> {
    input: BufReader<R>,
    decoder: FrameDecoder,
    state: State,
}

enum State {
    /// A frame begins next, or there is none any more.
    BetweenFrames,
    /// There is more of a frame.
    InFrame,
}

impl<R: Read> ZstdDecoder<R> {
    pub fn new(input: R) -> ZstdDecoder<R> {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_BYTES_MAX);
        ZstdDecoder { input: BufReader::new(input), decoder, state: State::BetweenFrames }
    }

    pub fn get_ref(&self) -> &R {
        self.input.get_ref()
    }

    /// Begins the next frame. Whether there is one.
    fn begin(&mut self) -> Result<bool> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.init(&mut self.input) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => self.skip(u64::from(length))?,
                Err(error @ FrameDecoderError::WindowSizeTooBig { .. }) => {
                    return Err(Error::new(ErrorKind::Unsupported, error.to_string()));
                }
                Err(error) => return Err(Error::other(error.to_string())),
            }
        }
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        match std::io::copy(&mut (&mut self.input).take(length), &mut std::io::sink())? {
            skipped if skipped == length => Ok(()),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// More of the frame; nothing if it has ended, and then its checksum is right.
    fn within(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
            self.decoder
                .decode_blocks(&mut self.input, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(|error| Error::other(error.to_string()))?;
        }
        let length = self.decoder.read(buffer)?;
        let expected = self.decoder.get_checksum_from_data();
        if length == 0 && expected.is_some() && expected != self.decoder.get_calculated_checksum() {
            return Err(Error::new(ErrorKind::InvalidData, "the checksum of a frame is wrong"));
        }
        Ok(length)
    }
}

impl<R: Read> Read for ZstdDecoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            match self.state {
                State::BetweenFrames => match self.begin()? {
                    true => self.state = State::InFrame,
                    false => return Ok(0),
                },
                State::InFrame => match self.within(buffer)? {
                    0 => self.state = State::BetweenFrames,
                    length => return Ok(length),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn frame(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    fn text(compressed: &[u8]) -> Result<Vec<u8>> {
        let mut text = Vec::new();
        ZstdDecoder::new(compressed).read_to_end(&mut text).map(|_| text)
    }

    #[test]
    fn frames_are_read_one_behind_another_and_those_to_be_skipped_are() {
        let skipped = [&[0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let file = [frame(b"one\n"), skipped.clone(), frame(b""), frame(b"two\n"), skipped].concat();
        assert_eq!(text(&file).unwrap(), b"one\ntwo\n");
        assert_eq!(text(b"").unwrap(), b"");
    }

    #[test]
    fn a_file_that_is_cut_off_anywhere_but_between_frames_is_an_error() {
        let file = [frame(b"one one one one\n"), frame(b"two\n")].concat();
        let first = frame(b"one one one one\n").len();
        for length in (1..file.len()).filter(|length| *length != first) {
            assert!(text(&file[..length]).is_err(), "cut off after {length} bytes");
        }
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let mut file = frame(b"some text that is compressed");
        let end = file.len();
        file[end - 1] ^= 1;
        assert_eq!(text(&file).unwrap_err().to_string(), "the checksum of a frame is wrong");
    }

    #[test]
    fn a_window_of_128_mib_is_taken_and_a_larger_one_is_refused_as_such() {
        // A frame header (RFC 8878, 3.1.1.1) without flags: a window descriptor follows, exponent << 3; then one empty last
        // block.
        let frame = |window_log: u8| [0x28, 0xb5, 0x2f, 0xfd, 0, (window_log - 10) << 3, 1, 0, 0];
        assert_eq!(text(&frame(27)).unwrap(), b"");
        assert_eq!(text(&frame(28)).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
