//! `show`: a manifest in words.

use std::path::Path;

use bytesize::ByteSize;

use super::output::Output;
use crate::error::Result;
use crate::snapshot::manifest::{Manifest, OperatorState, SnapshotKind, StateFiles};
use crate::snapshot::part::LayerKind;

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
    for entry in &manifest.entries {
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
    for field in &state.fields {
        let ttl = field
            .ttl
            .map_or(String::new(), |ttl| format!(", kept {}", humantime::format_duration(ttl.lasts)));
        out.line(format_args!("    {}: {}{ttl}", field.name, field.schema))?;
    }
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

/// Why a snapshot was taken, in a word.
pub(super) fn kind(kind: SnapshotKind) -> &'static str {
    match kind {
        SnapshotKind::Periodic => "periodic",
        SnapshotKind::Last => "last",
        SnapshotKind::Savepoint => "savepoint",
    }
}
