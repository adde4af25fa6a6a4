//! Files of JSON lines, which a reader sees once and whole.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::directory::{BUFFER, Directory, PartWriter, Rows, RowsOf};
use super::{Delivery, Settle, SettleContext, Sink, SinkContext};
use crate::error::{Error, Result};

/// A sink that writes a JSON object a line into the files of a directory, exactly once.
///
/// A reader takes `*.jsonl`: every file is complete, is never changed, and all of them together hold every result once,
/// whatever crashed. Results show when the snapshot that covers them is complete, in files called
/// `{sink}-s{snapshot}-{subtask}.jsonl`; odd characters of the sink's name are written as `%XX`. The directory belongs to one
/// job (which can have several sinks in it): a job that would show results a second time is refused.
///
/// ```
/// # use tidegate::sink::JsonLines;
/// let sink = JsonLines::write("out/sessions");
/// ```
#[derive(Debug)]
pub struct JsonLines {
    directory: Directory,
}

impl JsonLines {
    /// Writes into the directory `dir`, which is created if it is not there.
    pub fn write(dir: impl Into<PathBuf>) -> JsonLines {
        JsonLines { directory: Directory::new(dir.into(), "jsonl") }
    }
}

impl Settle for JsonLines {
    fn describe(&self) -> String {
        format!("JSON lines in {}", self.directory.path().display())
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn check(&self, cx: &SettleContext<'_>) -> Result<()> {
        self.directory.check(cx)
    }

    fn settle(&self, cx: &SettleContext<'_>) -> Result<()> {
        self.directory.settle(cx)
    }
}

impl<T: Serialize> Sink<T> for JsonLines {
    type Writer = PartWriter<JsonRows>;

    fn open(&self, cx: &SinkContext) -> Result<PartWriter<JsonRows>> {
        Ok(self.directory.writer(cx))
    }
}

/// Lines of JSON.
#[derive(Debug)]
pub struct JsonRows(Vec<u8>);

impl Default for JsonRows {
    fn default() -> JsonRows {
        JsonRows(Vec::with_capacity(BUFFER))
    }
}

impl Rows for JsonRows {
    fn begin(&mut self) {}

    fn len(&self) -> usize {
        self.0.len()
    }

    fn write_to(&mut self, file: &mut File) -> std::io::Result<()> {
        let written = file.write_all(&self.0);
        self.0.clear();
        written
    }
}

impl<T: Serialize> RowsOf<T> for JsonRows {
    fn add(&mut self, record: &T) -> Result<()> {
        let before = self.0.len();
        if let Err(error) = serde_json::to_writer(&mut self.0, record) {
            self.0.truncate(before);
            let record = std::any::type_name::<T>();
            return Err(Error::failure(format!("a record of type `{record}` can't be written as JSON"))
                .caused_by(error));
        }
        self.0.push(b'\n');
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_no_json_leaves_no_trace() {
        let mut rows = JsonRows::default();
        rows.add(&6).unwrap();
        let odd = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = rows.add(&odd).unwrap_err();
        assert!(error.to_string().contains("can't be written as JSON: key must be a string"), "{error}");
        rows.add(&7).unwrap();
        assert_eq!(rows.0, b"6\n7\n");
    }
}
