//! A line of text, as a record.
//!
//! Lines are views into the chunk that they were read in: a [`Line`] costs no allocation, and a clone is one atomic
//! increment. A chunk lives as long as one of its lines does; keep what you parsed, not the line.

use std::borrow::Cow;
use std::fmt;
use std::str::Utf8Error;
use std::sync::Arc;

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{Data, Describe, Field, Schema};

/// A line of text, without its line end, that knows where it comes from.
///
/// The text need not be UTF-8: [`Line::as_str`] says so. What can't be understood an operator can [reject](Line::reject);
/// [`Line::parse`] does.
///
/// ```
/// # use tidegate::source::{BadLine, Line};
/// fn even(line: Line) -> Result<u64, BadLine> {
///     let number: u64 = line.parse(|text| text.trim().parse())?;
///     if number % 2 == 0 { Ok(number) } else { Err(line.reject("it is odd")) }
/// }
/// assert_eq!(even(Line::new("numbers.txt", 1, " 42")), Ok(42));
/// let bad = even(Line::new("numbers.txt", 2, "4x2")).unwrap_err();
/// assert_eq!((bad.line, bad.reason.as_str(), bad.text.as_str()), (2, "invalid digit found in string", "4x2"));
/// assert_eq!(even(Line::new("numbers.txt", 3, "43")).unwrap_err().to_string(), "numbers.txt:3: it is odd");
/// ```
#[derive(Clone)]
pub struct Line {
    chunk: Arc<Chunk>,
    start: u32,
    end: u32,
    number: u64,
}

/// Text that was read in one go, and the file it is from.
pub(super) struct Chunk {
    /// The file's name.
    pub file: Arc<str>,
    /// The text.
    pub bytes: Vec<u8>,
}

impl Line {
    /// A line that was not read from a file: for tests.
    ///
    /// # Panics
    /// If the text is 4 GiB long or longer; a line that is read from a file has at most 64 MiB.
    pub fn new(file: &str, number: u64, text: impl Into<Vec<u8>>) -> Line {
        let bytes = text.into();
        let end = bytes.len();
        Line::within(&Arc::new(Chunk { file: file.into(), bytes }), 0, end, number)
    }

    /// The part of `chunk` from `start` to before `end`, which is line `number` of its file.
    #[inline]
    pub(super) fn within(chunk: &Arc<Chunk>, start: usize, end: usize, number: u64) -> Line {
        let place = |at: usize| u32::try_from(at).expect("a chunk is shorter than 4 GiB");
        Line { chunk: Arc::clone(chunk), start: place(start), end: place(end), number }
    }

    /// The text as it stands in the file, without its line end.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.chunk.bytes[self.start as usize..self.end as usize]
    }

    /// The text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    #[inline]
    pub fn as_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(self.as_bytes())
    }

    /// What a function reads in the text, which may borrow from it.
    ///
    /// # Errors
    /// The line's [rejection](Line::reject), with the function's reason, or because it is not UTF-8.
    #[inline]
    pub fn parse<'a, T, E: fmt::Display>(
        &'a self,
        parse: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Result<T, BadLine> {
        let text = self.as_str().map_err(|error| self.reject(error))?;
        parse(text).map_err(|reason| self.reject(reason))
    }

    /// The text; what is not UTF-8 in it is replaced by `U+FFFD`.
    pub fn text_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.as_bytes())
    }

    /// The name of the file, as it was given; `-` for the standard input.
    pub fn file(&self) -> &str {
        &self.chunk.file
    }

    /// The number of the line in its file, counted from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The record of this line's rejection: what a `try_map` returns as its error.
    pub fn reject(&self, reason: impl fmt::Display) -> BadLine {
        BadLine {
            file: self.file().to_string(),
            line: self.number,
            reason: reason.to_string(),
            text: self.text_lossy().into_owned(),
        }
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("file", &self.file())
            .field("number", &self.number)
            .field("text", &self.text_lossy())
            .finish()
    }
}

impl PartialEq for Line {
    fn eq(&self, other: &Line) -> bool {
        (self.number, self.file(), self.as_bytes()) == (other.number, other.file(), other.as_bytes())
    }
}

impl Eq for Line {}

/// What a [`Line`] is for serde.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Line")]
struct Parts<F, T> {
    file: F,
    number: u64,
    text: T,
}

/// For people (JSON) the text is a string, lossily; in state it is its very bytes.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (file, number) = (self.file(), self.number);
        if serializer.is_human_readable() {
            Parts { file, number, text: self.text_lossy() }.serialize(serializer)
        } else {
            Parts { file, number, text: self.as_bytes() }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Line, D::Error> {
        let parts: Parts<String, Vec<u8>> = if deserializer.is_human_readable() {
            let Parts { file, number, text } = Parts::<String, String>::deserialize(deserializer)?;
            Parts { file, number, text: text.into_bytes() }
        } else {
            Parts::deserialize(deserializer)?
        };
        if u32::try_from(parts.text.len()).is_err() {
            return Err(D::Error::custom("a line is shorter than 4 GiB"));
        }
        Ok(Line::new(&parts.file, parts.number, parts.text))
    }
}

impl Describe for Line {
    fn schema() -> Schema {
        Schema::Struct(
            "Line".to_string(),
            vec![Field::of::<String>("file"), Field::of::<u64>("number"), Field::of::<Vec<u8>>("text")],
        )
    }
}

impl Data for Line {}

/// A line that could not be understood: where it is, why not, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLine {
    /// The name of the file.
    pub file: String,
    /// The number of the line in it, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The line; what is not UTF-8 in it is replaced by `U+FFFD`.
    pub text: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

impl std::error::Error for BadLine {}

impl Describe for BadLine {
    fn schema() -> Schema {
        Schema::Struct(
            "BadLine".to_string(),
            vec![
                Field::of::<String>("file"),
                Field::of::<u64>("line"),
                Field::of::<String>("reason"),
                Field::of::<String>("text"),
            ],
        )
    }
}

impl Data for BadLine {}

/// Reads a line as JSON: what a `try_map` over a file of JSON lines is given.
///
/// ```
/// # use tidegate::source::{Line, from_json};
/// let point: (u64, u64) = from_json(Line::new("points.jsonl", 1, "[3, 4]")).unwrap();
/// assert_eq!(point, (3, 4));
/// let bad = from_json::<(u64, u64)>(Line::new("points.jsonl", 2, "[3, x]")).unwrap_err();
/// assert_eq!(bad.reason, "expected value at column 5");
/// ```
///
/// # Errors
/// The line, with serde_json's reason, if it is not JSON or not a `T`.
pub fn from_json<T: DeserializeOwned>(line: Line) -> Result<T, BadLine> {
    // serde_json counts the lines of its input, which is always this one.
    serde_json::from_slice(line.as_bytes())
        .map_err(|error| line.reject(error.to_string().replace(" at line 1 column ", " at column ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_comes_back_from_state_byte_for_byte() {
        let line = Line::new("ä.log", 7, &b"caf\xe9"[..]);
        let bytes = postcard::to_allocvec(&line).unwrap();
        assert_eq!(postcard::from_bytes::<Line>(&bytes).unwrap(), line);
    }

    #[test]
    fn a_line_in_json_is_text_and_loses_what_is_not_utf_8() {
        let json = serde_json::to_string(&Line::new("a", 7, &b"caf\xe9"[..])).unwrap();
        assert_eq!(json, "{\"file\":\"a\",\"number\":7,\"text\":\"caf\u{fffd}\"}");
        assert_eq!(serde_json::from_str::<Line>(&json).unwrap(), Line::new("a", 7, "caf\u{fffd}"));
    }

    #[test]
    fn a_rejected_line_says_where_it_is_and_why() {
        let line = Line::new("a.log", 9, &b"x\xff"[..]);
        let bad = line.parse(str::parse::<u64>).unwrap_err();
        assert_eq!(bad.to_string(), "a.log:9: invalid utf-8 sequence of 1 bytes from index 1");
        assert_eq!(bad.text, "x\u{fffd}");
        assert_eq!(BadLine::schema().to_string(), "BadLine");
    }

    #[test]
    fn a_line_that_is_not_json_is_rejected_with_the_column() {
        let bad = from_json::<Vec<u64>>(Line::new("a.jsonl", 3, "[1, 2")).unwrap_err();
        assert_eq!((bad.line, bad.reason.as_str()), (3, "EOF while parsing a list at column 5"));
        assert!(from_json::<u64>(Line::new("a.jsonl", 4, "\"1\"")).is_err());
        assert_eq!(from_json::<u64>(Line::new("a.jsonl", 5, " 1 ")), Ok(1));
    }
}
