//! Snapshots looked at and changed with no job at work: `JOB snapshots list|show|verify|dump|get|diff|edit|export`.
//!
//! What was asked for enters as a [`Tools`], with the directory of the job's snapshots; what was found leaves as text, or as
//! JSON lines that [`mod@line`] and, for what belongs to no key, [`keyless`] describe. Everything is read by the schema that the snapshot records: the job is not wired, and
//! state of an older version of it is shown as that version had it. Nothing that is there is ever changed: an edit writes a
//! new savepoint. No lock is taken, so that a running job is not disturbed; it may remove a snapshot that is being read, and
//! then a file is missing.
//!
//! At most one key group of an operator is in memory.

mod command;
mod diff;
mod dump;
mod edit;
#[cfg(test)]
mod fixture;
mod keyless;
mod layer;
mod line;
mod list;
mod output;
mod rows;
mod show;
#[cfg(test)]
mod tests;
mod verify;

use std::io::{BufRead, Write};
use std::path::Path;

pub(crate) use command::Tools;
use command::{ExportFormat, Tool};
use output::Output;

use super::peek::Place;
use super::restore::RestoreTarget;
use super::savepoint::write_savepoint;
use crate::error::{Error, Result};

/// Does what is asked for. `directory` holds the job's snapshots, `input` the lines of an edit.
///
/// # Errors
/// If there is no such snapshot, it is broken, what is asked for is not in it, or `out` can't be written.
pub(crate) fn run(
    tools: &Tools,
    directory: Option<&Path>,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> Result<()> {
    let mut out = Output::new(out);
    let directory = tools.snapshot_dir.as_deref().or(directory);
    let done = Place::of(directory).and_then(|place| answer(&tools.tool, &place, input, &mut out));
    out.finish(done)
}

fn answer(tool: &Tool, place: &Place, input: &mut dyn BufRead, out: &mut Output<'_>) -> Result<()> {
    let open = |target: &RestoreTarget| place.open(target);
    match tool {
        Tool::List { json } => list::list(place, *json, out),
        Tool::Show { snapshot, json } => {
            let (path, manifest) = place.manifest_of(snapshot)?;
            show::show(&path, &manifest, *json, out)
        }
        Tool::Verify { snapshots, all } => match all {
            true => verify::all(place, out),
            false => verify::each(snapshots, place, out),
        },
        Tool::Dump { snapshot, operator, key_group } => {
            dump::dump(&open(snapshot)?, operator.as_deref(), *key_group, out)
        }
        Tool::Get { key, snapshot, operator } => dump::get(&open(snapshot)?, key, operator.as_deref(), out),
        Tool::Diff { was, is, summary } => diff::diff(&open(was)?, &open(is)?, *summary, out),
        Tool::Edit { snapshot, out: path } => edit::edit(&open(snapshot)?, input, path, out),
        Tool::Export { snapshot, out: path, format, .. } => {
            let snapshot = open(snapshot)?;
            match (format, path) {
                (ExportFormat::Jsonl, _) => dump::dump(&snapshot, None, None, out),
                (ExportFormat::Savepoint, Some(path)) => {
                    write_savepoint(snapshot.manifest(), snapshot.state_path(), path)?;
                    out.line(format_args!("snapshot {} is a savepoint in {}", snapshot.id(), path.display()))
                }
                (ExportFormat::Savepoint, None) => Err(Error::usage("--out DIR is missing")
                    .hint("a savepoint is a directory; --format jsonl prints the rows instead")),
            }
        }
    }
}
