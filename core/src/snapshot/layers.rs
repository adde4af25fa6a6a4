//! The layers of one operator: its files, opened, read as if they were one.
//!
//! Key groups enter, and their rows leave in order, each as the newest file has it. In memory there is one block of every file
//! that has something of these key groups. Nothing is kept open in between, and several threads can read at once.

use std::io::ErrorKind;
use std::path::Path;

use super::fault::{broken, cannot};
use super::file::{StateFileHeader, StateFileReader, StateFileWriter};
use super::manifest::StateFile;
use super::merge::{Removals, merge};
use super::stack::{Stack, overlap, stacks};
use crate::error::Result;
use crate::key::KeyGroupRange;
use crate::snapshot::part::{LayerKind, StateRow};

/// The files of one operator, opened.
#[derive(Debug)]
pub struct Layers {
    files: Vec<StateFileReader>,
    stacks: Vec<Stack>,
}

/// Which rows are to be kept; the others have expired.
pub type Keep<'a> = dyn Fn(&StateRow<'_>) -> bool + Sync + 'a;

impl Layers {
    /// Opens the files in `directory`, oldest first.
    ///
    /// # Errors
    /// If one is missing, can't be read, or is not what it is said to be.
    pub fn open(directory: &Path, files: &[StateFile]) -> Result<Layers> {
        let readers = files.iter().map(|file| open_file(directory, file)).collect::<Result<_>>()?;
        Ok(Layers { files: readers, stacks: stacks(files) })
    }

    /// The same, for one who reads all of them and once.
    #[must_use]
    pub fn uncached(self) -> Layers {
        let files = self.files.into_iter().map(StateFileReader::uncached).collect();
        Layers { files, ..self }
    }

    /// Gives every row of `groups` that is there, and that `keep` wants, to `each`, in order; with removals, if something
    /// lies below these layers.
    ///
    /// # Errors
    /// If a file can't be read or has changed since it was written, or if `each` fails.
    pub fn visit(
        &self,
        groups: KeyGroupRange,
        removals: Removals,
        keep: &Keep<'_>,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        for stack in &self.stacks {
            let Some(groups) = overlap(stack.groups, groups) else { continue };
            let cursors = stack.files.iter().map(|&file| self.files[file].cursor(groups));
            merge(cursors.collect::<Result<_>>()?, removals, &mut |row| keep(row), each)?;
        }
        Ok(())
    }

    /// Merges the rows of the header's key groups that `keep` wants into a new file `name` in `directory`: a base, or a
    /// delta, which has removals. Durable on return; no file, if there is not one row.
    ///
    /// # Errors
    /// If a file can't be read, or the new one can't be written.
    pub fn merge_into(
        &self,
        directory: &Path,
        name: String,
        header: StateFileHeader,
        keep: &Keep<'_>,
    ) -> Result<Option<StateFile>> {
        let removals = match header.layer {
            LayerKind::Base => Removals::Drop,
            LayerKind::Delta => Removals::Keep,
        };
        let mut writer = None;
        self.visit(header.groups, removals, keep, &mut |row| {
            let writer = match &mut writer {
                Some(writer) => writer,
                None => writer.insert(StateFileWriter::create(&directory.join(&name), header)?),
            };
            writer.row(row)
        })?;
        let summary = writer.map(StateFileWriter::finish).transpose()?;
        Ok(summary.map(|summary| StateFile::new(name, header, summary)))
    }
}

/// Opens a file, which must be what the manifest says; its blocks are verified when they are read.
pub(super) fn open_file(directory: &Path, expected: &StateFile) -> Result<StateFileReader> {
    let path = directory.join(&expected.name);
    let bytes = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(broken(directory, format!("its file {} is missing", expected.name)));
        }
        Err(error) => return Err(cannot("read", &path, error)),
    };
    if bytes != expected.bytes {
        return Err(broken(&path, format!("it has {bytes} bytes instead of {}", expected.bytes)));
    }
    let file = StateFileReader::open(&path)?;
    let is = (file.header(), file.rows(), file.removed());
    if is != (expected.header(), expected.rows, expected.removed) {
        return Err(broken(&path, "it is not the file that the manifest describes"));
    }
    Ok(file)
}
