//! Files of comma-separated values (RFC 4180), which a reader sees once and whole.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use ::csv::{Writer, WriterBuilder};
use serde::Serialize;

use super::directory::{Directory, PartWriter, Rows, RowsOf};
use super::{Delivery, Settle, SettleContext, Sink, SinkContext};
use crate::error::{Error, Result};

/// A sink that writes comma-separated values into the files of a directory, exactly once.
///
/// Records are structs, whose fields are columns: text, numbers, `bool`, options of those (an empty field is `None`). Every file
/// begins with the fields' names, as serde has them. A field is in quotes where it must be: if it holds a comma, a quote or a
/// line end. Lines end in `\n`. What a reader can rely on is what [`JsonLines`](super::JsonLines) says; files are called `*.csv`.
///
/// ```
/// # use tidegate::sink::Csv;
/// let sink = Csv::write("out/sessions");
/// ```
#[derive(Debug)]
pub struct Csv {
    directory: Directory,
}

impl Csv {
    /// Writes into the directory `dir`, which is created if it is not there.
    pub fn write(dir: impl Into<PathBuf>) -> Csv {
        Csv { directory: Directory::new(dir.into(), "csv") }
    }
}

impl Settle for Csv {
    fn describe(&self) -> String {
        format!("CSV in {}", self.directory.path().display())
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

impl<T: Serialize> Sink<T> for Csv {
    type Writer = PartWriter<CsvRows>;

    fn open(&self, cx: &SinkContext) -> Result<PartWriter<CsvRows>> {
        Ok(self.directory.writer(cx))
    }
}

/// Lines of comma-separated values. The first line of a file comes with another one before it: its header.
#[derive(Debug)]
pub struct CsvRows(Writer<Vec<u8>>);

/// The first line that is written into `bytes` has a header or not.
fn writer(bytes: Vec<u8>, header: bool) -> Writer<Vec<u8>> {
    WriterBuilder::new().has_headers(header).from_writer(bytes)
}

impl Default for CsvRows {
    fn default() -> CsvRows {
        CsvRows(writer(Vec::new(), true))
    }
}

impl Rows for CsvRows {
    fn begin(&mut self) {
        *self = CsvRows::default();
    }

    fn len(&self) -> usize {
        self.0.get_ref().len()
    }

    fn write_to(&mut self, file: &mut File) -> std::io::Result<()> {
        let rows = std::mem::replace(&mut self.0, writer(Vec::new(), false));
        let mut bytes = rows.into_inner().map_err(|error| std::io::Error::other(error.to_string()))?;
        let written = file.write_all(&bytes);
        bytes.clear();
        self.0 = writer(bytes, false);
        written
    }
}

impl<T: Serialize> RowsOf<T> for CsvRows {
    fn add(&mut self, record: &T) -> Result<()> {
        let added = self.0.serialize(record);
        added.map_err(|error| {
            let record = std::any::type_name::<T>();
            Error::failure(format!("a record of type `{record}` can't be written as a row of CSV"))
                .caused_by(error)
                .hint("its fields must be plain: no struct, map or list within it")
        })?;
        Ok(self.0.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::SinkWriter;
    use super::super::directory::BUFFER;
    use super::*;
    use crate::key::SubtaskIndex;
    use crate::record::SnapshotId;

    #[derive(Serialize)]
    struct Visit {
        user: String,
        #[serde(rename = "EXPR$1")]
        count: u64,
        price: Option<f64>,
    }

    fn visit(user: &str, count: u64) -> Visit {
        Visit { user: user.to_string(), count, price: (count > 1).then_some(0.5) }
    }

    fn text(rows: &CsvRows) -> &str {
        std::str::from_utf8(rows.0.get_ref()).unwrap()
    }

    #[test]
    fn fields_are_quoted_where_they_must_be_and_only_there() {
        let mut rows = CsvRows::default();
        for user in ["ann", "a,b", "say \"hi\"", "two\nlines", "a;b \\ c'd", "ä", ""] {
            rows.add(&visit(user, 1)).unwrap();
        }
        rows.add(&visit("bob", 2)).unwrap();
        let expected = "user,EXPR$1,price\nann,1,\n\"a,b\",1,\n\"say \"\"hi\"\"\",1,\n\"two\nlines\",1,\n\
                        a;b \\ c'd,1,\nä,1,\n,1,\nbob,2,0.5\n";
        assert_eq!(text(&rows), expected);
    }

    #[test]
    fn every_file_has_one_header_however_often_the_buffer_is_full() {
        let dir = tempfile::tempdir().unwrap();
        let sink = Csv::write(dir.path());
        let (job, name) = ("job".to_string(), "visits".to_string());
        sink.settle(&SettleContext { job: &job, sink: &name, restored: None, pending: &[] }).unwrap();
        let cx = SinkContext { job, sink: name, subtask: SubtaskIndex(0), restored: None };
        let mut parts = Sink::<Visit>::open(&sink, &cx).unwrap();
        for (snapshot, count) in [(1, 1), (2, 30_000), (3, 0), (4, 2)] {
            for number in 0..count {
                parts.write(visit("somebody", number)).unwrap();
            }
            let pending = SinkWriter::<Visit>::pre_commit(&mut parts, SnapshotId(snapshot)).unwrap();
            assert_eq!(pending.is_some(), count > 0);
            let Some(pending) = pending else { continue };
            SinkWriter::<Visit>::commit(&mut parts, &pending).unwrap();
            let name = format!("visits-s000000000{snapshot}-0.csv");
            assert_eq!(pending.transaction, name);
            let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
            assert!(snapshot != 2 || text.len() > 3 * BUFFER);
            let (header, rows) = text.split_once('\n').unwrap();
            assert_eq!(header, "user,EXPR$1,price");
            let row = |number| match number {
                0 | 1 => format!("somebody,{number},"),
                _ => format!("somebody,{number},0.5"),
            };
            assert!(rows.lines().eq((0..count).map(row)), "snapshot {snapshot}");
        }
    }

    #[test]
    fn a_record_that_is_no_row_is_refused_and_named() {
        #[derive(Serialize)]
        struct Nested {
            visit: Visit,
        }
        let error = CsvRows::default().add(&Nested { visit: visit("ann", 1) }).unwrap_err();
        assert!(error.to_string().contains("Nested` can't be written as a row of CSV"), "{error}");
    }
}
