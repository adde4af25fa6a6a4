//! Writing the state of one subtask: frozen rows in, a durable state file out.
//!
//! Runs off the subtask's thread, which has long gone on: what it writes is as it was at the barrier.

use std::path::Path;

use super::file::StateFileWriter;
use super::layout;
use super::manifest::{StateFile, checksum_text};
use crate::error::Result;
use crate::key::SubtaskIndex;
use crate::snapshot::part::FrozenState;
use crate::testing::crash;

/// Writes what `subtask` froze of an operator's state into `directory`, that of a pending snapshot; durable on return.
///
/// # Errors
/// If the rows can't be read or the file can't be written.
pub fn write_state(directory: &Path, subtask: SubtaskIndex, frozen: &FrozenState) -> Result<StateFile> {
    crash::point(crash::BEFORE_STATE_WRITE);
    let name = layout::state_file_name(&frozen.operator, subtask);
    let mut writer = StateFileWriter::create(&directory.join(&name), frozen.groups)?;
    frozen.rows.visit(&mut |row| writer.row(row))?;
    let summary = writer.finish()?;
    Ok(StateFile {
        name,
        groups: frozen.groups,
        rows: summary.rows,
        bytes: summary.bytes,
        checksum: checksum_text(summary.crc),
    })
}
