//! Where the answer goes.

use std::path::PathBuf;

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

/// How rows are written.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq)]
pub enum Format {
    /// A JSON object a line.
    Json,
    /// A header, and a line of comma-separated values a row.
    Csv,
}

/// Takes the rows of an answer.
pub trait Answer {
    /// Ends a stream of rows.
    fn rows<T: Serialize + 'static>(&self, name: &str, rows: Stream<'_, T, impl Head<Out = T>>);
}

/// A directory or the standard output.
pub enum Output {
    Stdout,
    Json(PathBuf),
    Csv(PathBuf),
}

impl Output {
    /// Files in `dir`; without one, the standard output, which is JSON.
    pub fn new(dir: Option<PathBuf>, format: Format) -> Result<Output> {
        match (dir, format) {
            (None, Format::Json) => Ok(Output::Stdout),
            (Some(dir), Format::Json) => Ok(Output::Json(dir)),
            (Some(dir), Format::Csv) => Ok(Output::Csv(dir)),
            (None, Format::Csv) => {
                Err(Error::usage("--format csv is written into files, and there is no --output")
                    .hint("add --output DIR, or leave --format out for JSON on the standard output"))
            }
        }
    }

    /// Writes the lines that are no events, as JSON whatever the rows are.
    pub fn rejects(&self, bad_lines: Stream<'_, BadLine, impl Head<Out = BadLine>>) {
        match self {
            Output::Stdout => bad_lines.sink("rejects", Stderr::json()),
            Output::Json(dir) | Output::Csv(dir) => bad_lines.sink("rejects", JsonLines::write(dir)),
        }
    }
}

impl Answer for Output {
    fn rows<T: Serialize + 'static>(&self, name: &str, rows: Stream<'_, T, impl Head<Out = T>>) {
        match self {
            Output::Stdout => rows.sink(name, Stdout::json()),
            Output::Json(dir) => rows.sink(name, JsonLines::write(dir)),
            Output::Csv(dir) => rows.sink(name, Csv::write(dir)),
        }
    }
}
