//! `show`: a manifest in words.

use std::path::Path;

use bytesize::ByteSize;

use super::output::Output;
use crate::error::Result;
use crate::snapshot::entry_state::{RecordedState, Scope};
use crate::snapshot::manifest::{Manifest, OperatorState, SnapshotKind, StateFiles};
use crate::snapshot::part::{Entry, LayerKind};
use crate::state::Field;

/// Says what is in the snapshot whose directory is `path`.
///
/// # Errors
/// If `out` can't be written.
pub(super) fn show(path: &Path, manifest: &Manifest, json: bool, out: &mut Output<'_>) -> Result<()> {
    if json {
        return out.line(manifest.to_text().trim_end());
    }
    out.line(format_args!("snapshot {} of job {:?} in {}", manifest.snapshot, manifest.job, path.display()))?;
    out.line(format_args!(
        "  {}, taken at {}, parallelism {} of {}",
        kind(manifest.kind),
        manifest.taken_at,
        manifest.parallelism.get(),
        manifest.max_parallelism.get()
    ))?;
    out.line(match manifest.files {
        StateFiles::Own => "  its files lie beside the manifest: it can be taken anywhere",
        StateFiles::Shared => "  its files lie in ../state, shared with other snapshots",
    })?;
    for state in &manifest.operators {
        operator(state, out)?;
    }
    let keyless = RecordedState::all(manifest);
    for state in &keyless {
        keyless_operator(state, out)?;
    }
    let is_shown = |entry: &&Entry| {
        let is_state = matches!(entry.item.as_str(), "schema" | "state");
        is_state && keyless.iter().any(|state| state.owner() == entry.owner)
    };
    for channel in &manifest.channels {
        out.line(format_args!("in flight to operator {:?}: {}", channel.operator, channel.record))?;
        out.line(format_args!(
            "  {}: key groups {} to {}, {} records, {}",
            channel.name,
            channel.groups.first,
            channel.groups.last,
            channel.records,
            ByteSize(channel.bytes)
        ))?;
    }
    // As the job has written them: those of one owner come together.
    let mut owner = None;
    // Some have nothing to say for themselves, as a strategy of watermarks without state of its own.
    let is_empty = |entry: &&Entry| entry.item.is_empty() && entry.value.is_null();
    for entry in manifest.entries.iter().filter(|entry| !is_shown(entry) && !is_empty(entry)) {
        if owner != Some(&entry.owner) {
            out.line(&entry.owner)?;
            owner = Some(&entry.owner);
        }
        match entry.item.as_str() {
            "" => out.line(format_args!("  {}", entry.value))?,
            item => out.line(format_args!("  {item}: {}", entry.value))?,
        }
    }
    Ok(())
}

fn operator(OperatorState { name, schema, files }: &OperatorState, out: &mut Output<'_>) -> Result<()> {
    out.line(format_args!("operator {name:?}"))?;
    let state = &schema.state;
    let version = if state.version == 1 { String::new() } else { format!(" version {}", state.version) };
    out.line(format_args!("  state {}{version}, key {}", state.name, state.key))?;
    fields(&state.fields, out)?;
    out.line(format_args!("  timers carry {}", schema.timer))?;
    for file in files {
        let layer = match file.layer {
            LayerKind::Base => "base ",
            LayerKind::Delta => "delta",
        };
        out.line(format_args!(
            "  {layer} {}: key groups {} to {}, {} rows, {} removed, {}",
            file.name,
            file.groups.first,
            file.groups.last,
            file.rows,
            file.removed,
            ByteSize(file.bytes)
        ))?;
    }
    if files.is_empty() {
        out.line("  no rows")?;
    }
    Ok(())
}

fn fields(fields: &[Field], out: &mut Output<'_>) -> Result<()> {
    fields.iter().try_for_each(|field| {
        let ttl = field
            .ttl
            .map_or(String::new(), |ttl| format!(", kept {}", humantime::format_duration(ttl.lasts)));
        out.line(format_args!("    {}: {}{ttl}", field.name, field.schema))
    })
}

fn keyless_operator(recorded: &RecordedState, out: &mut Output<'_>) -> Result<()> {
    out.line(format_args!("operator {:?}", recorded.operator))?;
    let state = &recorded.schema.state;
    out.line(format_args!("  state {}, {}", state.name, recorded.scope.in_words()))?;
    fields(&state.fields, out)?;
    for kept in &recorded.kept {
        let bytes = ByteSize(kept.bytes.as_ref().map_or(0, Vec::len) as u64);
        match recorded.scope {
            Scope::Unkeyed => out.line(format_args!("  subtask {}: {bytes}", kept.subtask))?,
            Scope::Broadcast => out.line(format_args!("  {bytes}"))?,
        }
    }
    Ok(())
}

/// Why a snapshot was taken, in a word.
pub(super) fn kind(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Periodic => "periodic",
        SnapshotKind::Last => "last",
        SnapshotKind::Savepoint => "savepoint",
    }
}
