//! Writing the state of one subtask: frozen rows in, a durable state file out.
//!
//! Runs off the subtask's thread, which has long gone on: what it writes is as it was at the barrier.

use std::path::Path;

use super::file::{StateFileHeader, StateFileWriter};
use super::manifest::StateFile;
use super::pool::written_name;
use crate::error::Result;
use crate::key::SubtaskIndex;
use crate::record::SnapshotId;
use crate::snapshot::part::{FrozenState, LayerKind};
use crate::testing::crash;

/// Writes what `subtask` froze of an operator's state for `snapshot` into `directory`, the pool; the file is durable on
/// return. Where nothing changed there is none.
///
/// # Errors
/// If the rows can't be read or the file can't be written; then there is no file.
pub fn write_state(
    directory: &Path,
    snapshot: SnapshotId,
    subtask: SubtaskIndex,
    frozen: &FrozenState,
) -> Result<Option<StateFile>> {
    crash::point(crash::BEFORE_STATE_WRITE);
    let name = written_name(&frozen.operator, subtask, snapshot);
    let layer = if frozen.complete { LayerKind::Base } else { LayerKind::Delta };
    let header = StateFileHeader { layer, groups: frozen.groups, written_by: snapshot };
    let create = || StateFileWriter::create(&directory.join(&name), header);
    // All rows being none is worth saying: it makes older layers obsolete.
    let mut writer = frozen.complete.then(create).transpose()?;
    frozen.rows.visit(&mut |row| {
        let writer = match &mut writer {
            Some(writer) => writer,
            None => writer.insert(create()?),
        };
        writer.row(row)
    })?;
    let summary = writer.map(StateFileWriter::finish).transpose()?;
    Ok(summary.map(|summary| StateFile::new(name, header, summary)))
}
