//! `list`: what is in a directory of snapshots, from the manifests and the ends of files alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytesize::ByteSize;
use serde::Serialize;

use super::output::Output;
use crate::error::Result;
use crate::record::SnapshotId;
use crate::snapshot::entry_state::RecordedState;
use crate::snapshot::layers::open_file;
use crate::snapshot::layout::{Standing, scan};
use crate::snapshot::manifest::{Manifest, SnapshotKind};
use crate::snapshot::restore::{read_manifest, state_path};
use crate::snapshot::stack::stacks;

/// A snapshot as a line.
#[derive(Serialize)]
struct Listed {
    snapshot: SnapshotId,
    standing: &'static str,
    #[serde(flatten)]
    content: Option<Content>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct Content {
    kind: SnapshotKind,
    taken_at: String,
    parallelism: u32,
    operators: usize,
    /// How many rows there are; at most, if `rows_are_exact` is false.
    rows: u64,
    rows_are_exact: bool,
    own_bytes: u64,
    shared_bytes: u64,
}

/// Lists the snapshots in `directory`.
///
/// # Errors
/// If it can't be read. A broken snapshot is listed as such.
pub(super) fn list(directory: &Path, json: bool, out: &mut Output<'_>) -> Result<()> {
    let mut found = scan(directory)?;
    found.sort_by_key(|(id, ..)| *id);
    let manifests: Vec<_> = found
        .iter()
        .map(|(_, standing, path)| (*standing == Standing::Complete).then(|| read_manifest(path)))
        .collect();
    // How many snapshots need a file.
    let mut needed = BTreeMap::<&str, usize>::new();
    for manifest in manifests.iter().flatten().flatten() {
        manifest.file_names().for_each(|name| *needed.entry(name).or_default() += 1);
    }
    let each = found.iter().zip(&manifests).map(|((id, standing, path), manifest)| {
        let name = match standing {
            Standing::Complete => "complete",
            Standing::Pending => "pending",
            Standing::Deleting => "deleting",
        };
        let (content, problem) = match manifest {
            None => (None, None),
            Some(Err(error)) => (None, Some(error.to_string())),
            Some(Ok(manifest)) => (Some(content(manifest, &needed)), problem(path, manifest)),
        };
        let standing = if problem.is_some() { "broken" } else { name };
        Listed { snapshot: *id, standing, content, problem }
    });
    let listed: Vec<Listed> = each.collect();
    if json {
        return listed.iter().try_for_each(|listed| out.line(serde_json::to_string(listed)?));
    }
    if listed.is_empty() {
        return out.line(format_args!("no snapshot in {}", directory.display()));
    }
    table(&listed, out)
}

fn content(manifest: &Manifest, needed: &BTreeMap<&str, usize>) -> Content {
    let files = || manifest.operators.iter().flat_map(|operator| &operator.files);
    let is_own = |name: &str| needed.get(name).is_none_or(|count| *count == 1);
    let bytes = |own| files().filter(|file| is_own(&file.name) == own).map(|file| file.bytes).sum();
    let is_exact = |files: &[_]| stacks(files).iter().all(|stack| stack.files.len() == 1);
    Content {
        kind: manifest.kind,
        taken_at: manifest.taken_at.to_string(),
        parallelism: manifest.parallelism.get(),
        operators: stateful(manifest),
        rows: files().map(|file| file.rows).sum(),
        rows_are_exact: manifest.operators.iter().all(|operator| is_exact(&operator.files)),
        own_bytes: bytes(true),
        shared_bytes: bytes(false),
    }
}

/// How many operators have state, per key or not.
fn stateful(manifest: &Manifest) -> usize {
    let keyed = manifest.operators.iter().map(|operator| operator.name.clone());
    let keyless = RecordedState::all(manifest).into_iter().map(|state| state.operator);
    keyed.chain(keyless).collect::<BTreeSet<_>>().len()
}

/// What is wrong with the files; their blocks are not read.
fn problem(path: &Path, manifest: &Manifest) -> Option<String> {
    let directory = state_path(path, manifest);
    let mut files = manifest.operators.iter().flat_map(|operator| &operator.files);
    files.find_map(|file| open_file(&directory, file).err()).map(|error| error.to_string())
}

fn table(listed: &[Listed], out: &mut Output<'_>) -> Result<()> {
    let heads =
        ["SNAPSHOT", "KIND", "TAKEN AT", "PARALLELISM", "OPERATORS", "ROWS", "OWN", "SHARED", "STANDING"];
    let mut table = vec![heads.map(str::to_string).to_vec()];
    for Listed { snapshot, standing, content, problem } in listed {
        let mut cells = vec![snapshot.to_string()];
        match content {
            Some(content) => cells.extend([
                super::show::kind(content.kind).to_string(),
                content.taken_at.clone(),
                content.parallelism.to_string(),
                content.operators.to_string(),
                format!("{}{}", if content.rows_are_exact { "" } else { "<= " }, content.rows),
                ByteSize(content.own_bytes).to_string(),
                ByteSize(content.shared_bytes).to_string(),
            ]),
            None => cells.resize(heads.len() - 1, "-".to_string()),
        }
        cells.push(match problem {
            Some(problem) => format!("{standing}: {problem}"),
            None => standing.to_string(),
        });
        table.push(cells);
    }
    let widths: Vec<usize> = (0..heads.len())
        .map(|column| table.iter().map(|cells| cells[column].len()).max().unwrap_or(0))
        .collect();
    for cells in &table {
        let cells = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        out.line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
