//! Results on the standard output, for people and for pipes. What has been printed can't be taken back.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal, Write};
use std::marker::PhantomData;

use serde::Serialize;

use super::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};
use crate::error::{Error, Result};
use crate::record::SnapshotId;

/// How much is gathered, at most, before it is printed.
const BUFFER: usize = 64 * 1024;

/// A sink that prints a line for every record: [as JSON](Stdout::json) or [as text](Stdout::text).
///
/// Lines of different subtasks are not mixed up. They are printed when a batch has ended. A job that is restored prints
/// again what it printed after its snapshot. If the reader goes away (`job | head`), the job fails and says so.
#[derive(Clone, Copy, Debug)]
pub struct Stdout<F>(PhantomData<F>);

/// How records are written, a line each.
pub trait Format<T>: 'static {
    /// Appends `record`, without a line end.
    ///
    /// # Errors
    /// If it can't be represented.
    fn append(record: &T, buffer: &mut Vec<u8>) -> Result<()>;
}

/// A JSON value on one line.
#[derive(Clone, Copy, Debug)]
pub struct Json;

/// The record's own `Display`.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl Stdout<Json> {
    /// Prints JSON.
    pub fn json() -> Stdout<Json> {
        Stdout(PhantomData)
    }
}

impl Stdout<Text> {
    /// Prints what a record's `Display` says.
    pub fn text() -> Stdout<Text> {
        Stdout(PhantomData)
    }
}

impl<T: Serialize> Format<T> for Json {
    fn append(record: &T, buffer: &mut Vec<u8>) -> Result<()> {
        serde_json::to_writer(buffer, record).map_err(|error| {
            let record = std::any::type_name::<T>();
            Error::failure(format!("a record of type `{record}` can't be written as JSON")).caused_by(error)
        })
    }
}

impl<T: Display> Format<T> for Text {
    fn append(record: &T, buffer: &mut Vec<u8>) -> Result<()> {
        Ok(write!(buffer, "{record}")?)
    }
}

impl<F: Send + Sync> Settle for Stdout<F> {
    fn describe(&self) -> String {
        "the standard output".to_string()
    }

    fn delivery(&self) -> Delivery {
        Delivery::AtLeastOnce
    }

    fn prints_on_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T, F: Format<T> + Send + Sync> Sink<T> for Stdout<F> {
    type Writer = Printer<F, std::io::Stdout>;

    fn open(&self, _: &SinkContext) -> Result<Self::Writer> {
        Ok(Printer::onto(std::io::stdout(), "the standard output"))
    }
}

/// Prints in one subtask.
pub struct Printer<F, W> {
    buffer: Vec<u8>,
    output: W,
    /// What the output is, for errors.
    name: &'static str,
    format: PhantomData<F>,
}

impl<F, W: Write> Printer<F, W> {
    pub(super) fn onto(output: W, name: &'static str) -> Printer<F, W> {
        Printer { buffer: Vec::with_capacity(BUFFER), output, name, format: PhantomData }
    }

    fn print(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        // In one call, which locks the output: whole lines, and none of another subtask between them.
        let printed = self.output.write_all(&self.buffer).and_then(|()| self.output.flush());
        self.buffer.clear();
        printed.map_err(|error| match error.kind() {
            ErrorKind::BrokenPipe => Error::failure(format!("{} was closed by its reader", self.name))
                .hint("write to files, with the sink `JsonLines`, to keep results that nobody waits for"),
            _ => Error::failure(format!("can't write to {}", self.name)).caused_by(error),
        })
    }
}

impl<T, F: Format<T>, W: Write + 'static> SinkWriter<T> for Printer<F, W> {
    fn write(&mut self, record: T) -> Result<()> {
        let before = self.buffer.len();
        if let Err(error) = F::append(&record, &mut self.buffer) {
            self.buffer.truncate(before);
            return Err(error);
        }
        self.buffer.push(b'\n');
        if self.buffer.len() >= BUFFER { self.print() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        self.print()
    }

    fn pre_commit(&mut self, _: SnapshotId) -> Result<Option<Pending>> {
        self.print()?;
        Ok(None)
    }

    fn commit(&mut self, _: &Pending) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_printed_a_line_each_when_a_batch_has_ended() {
        let mut json = Printer::<Json, _>::onto(Vec::new(), "a vector");
        json.write(("a\nb", 1)).unwrap();
        json.write(("c", 2)).unwrap();
        assert_eq!(json.output, b"");
        SinkWriter::<(&str, i32)>::flush(&mut json).unwrap();
        assert_eq!(json.output, b"[\"a\\nb\",1]\n[\"c\",2]\n");
        let mut text = Printer::<Text, _>::onto(Vec::new(), "a vector");
        text.write(4.5).unwrap();
        assert_eq!(SinkWriter::<f64>::pre_commit(&mut text, SnapshotId(1)).unwrap(), None);
        assert_eq!(text.output, b"4.5\n");
    }

    #[test]
    fn a_record_that_is_no_json_leaves_no_trace() {
        let mut json = Printer::<Json, _>::onto(Vec::new(), "a vector");
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = json.write(odd).unwrap_err();
        assert!(error.to_string().contains("can't be written as JSON: key must be a string"), "{error}");
        json.write(7).unwrap();
        json.print().unwrap();
        assert_eq!(json.output, b"7\n");
    }

    #[test]
    fn a_reader_that_has_gone_away_is_an_error_that_says_so() {
        let (far, near) = std::io::pipe().unwrap();
        drop(far);
        let mut text = Printer::<Text, _>::onto(near, "the standard output");
        text.write("lost").unwrap();
        let error = text.print().unwrap_err();
        assert_eq!(error.to_string(), "the standard output was closed by its reader");
    }
}
