//! Where answers go: line by line, until whoever reads them has read enough.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};

use crate::error::{Error, Result};

/// Lines on their way out.
pub(super) struct Output<'a> {
    out: BufWriter<&'a mut dyn Write>,
    /// Whether the other end is gone, as behind `| head`. What is being done ends then, and it is no failure.
    closed: bool,
}

impl<'a> Output<'a> {
    pub fn new(out: &'a mut dyn Write) -> Output<'a> {
        Output { out: BufWriter::new(out), closed: false }
    }

    /// Writes a line.
    ///
    /// # Errors
    /// If it can't be written, or nobody reads any more.
    pub fn line(&mut self, line: impl Display) -> Result<()> {
        let written = writeln!(self.out, "{line}");
        written.map_err(|error| self.failed(error))
    }

    fn failed(&mut self, error: io::Error) -> Error {
        self.closed |= error.kind() == ErrorKind::BrokenPipe;
        Error::failure("can't write to standard output").caused_by(error)
    }

    /// Ends what was `done`.
    ///
    /// # Errors
    /// Those of what was done, or of the last write; none if nobody reads any more.
    pub fn finish(mut self, done: Result<()>) -> Result<()> {
        let flushed = self.out.flush().map_err(|error| self.failed(error));
        match self.closed {
            true => Ok(()),
            false => done.and(flushed),
        }
    }
}
