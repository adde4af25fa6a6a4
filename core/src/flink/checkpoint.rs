//! The keyed state of one subtask in Flink's checkpoints.
//!
//! Flink wants all state of a key group in every checkpoint; a stage freezes what has changed. So the subtask keeps layers in files
//! of its own, as a job keeps them in its pool: *enters*, at a barrier, what changed; *leaves* a [`Snapshot`], which gives all rows,
//! merged, key group by key group, from another thread while the stage goes on. When there are many layers, they are
//! merged into one, in a thread of its own. What comes back from Flink is the first of the layers of the next run.
//!
//! Rows go to Flink in blocks, each of one operator and one key group; integers are little-endian:
//!
//! | bytes | what                                                                          |
//! |------:|-------------------------------------------------------------------------------|
//! |     1 | version of this layout: 1                                                     |
//! |     2 | length of the operator's name                                                 |
//! |     n | that name                                                                     |
//! |       | of every row: section (1), length of its key (4), key, length (4), value      |
//! |     4 | CRC-32 of all that                                                            |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use crate::error::{Error, Result};
use crate::job::graph::Graph;
use crate::key::{KeyGroup, KeyGroupRange};
use crate::record::SnapshotId;
use crate::snapshot::file::{StateFileHeader, StateFileWriter};
use crate::snapshot::layers::Layers;
use crate::snapshot::manifest::{OperatorState, StateFile};
use crate::snapshot::merge::Removals;
use crate::snapshot::part::{Entry, LayerKind, OperatorSchema, RestoredState, Section, StateRow};
use crate::task::thread;

/// A block is closed when it has this many bytes; a row more may be in it.
const BLOCK_BYTES: usize = 64 << 10;
const VERSION: u8 = 1;

/// More layers than this become one.
const LAYERS_MAX: usize = 8;

/// Whose entries say which schema the rows of an operator have.
pub(super) const SCHEMA: &str = "flink schema";

/// Whose entry says of which job a checkpoint is.
pub(super) const JOB: &str = "flink job";

/// The layers of a subtask's operators.
#[derive(Default)]
pub(super) struct Layered {
    operators: BTreeMap<String, Vec<StateFile>>,
    gathering: Option<Gathering>,
    /// What comes of the layers that are being merged.
    merging: Option<Receiver<Vec<Merged>>>,
}

/// The oldest layers of an operator, so many, and what is in place of them: nothing, if they had no row.
struct Merged {
    operator: String,
    layers: usize,
    one: Result<Option<StateFile>>,
}

/// A checkpoint whose parts are being written.
struct Gathering {
    checkpoint: SnapshotId,
    missing: usize,
    failed: Option<Error>,
}

impl Layered {
    /// What was restored is the first layer.
    pub fn restored(restored: &Restored) -> Layered {
        let first = |(name, file): (&String, &StateFile)| (name.clone(), vec![file.clone()]);
        Layered { operators: restored.files.iter().map(first).collect(), ..Layered::default() }
    }

    /// A barrier has come to a subtask that has so many stages.
    pub fn begin(&mut self, checkpoint: SnapshotId, stages: usize) {
        self.gathering = Some(Gathering { checkpoint, missing: stages, failed: None });
    }

    pub fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// A stage has written its part.
    pub fn add(
        &mut self,
        checkpoint: SnapshotId,
        operators: Vec<(String, OperatorSchema, Option<StateFile>)>,
    ) {
        for (operator, _, file) in operators {
            self.operators.entry(operator).or_default().extend(file);
        }
        self.arrived(checkpoint, None);
    }

    /// A stage could not write its part.
    pub fn fail(&mut self, checkpoint: SnapshotId, error: Error) {
        self.arrived(checkpoint, Some(error));
    }

    fn arrived(&mut self, checkpoint: SnapshotId, error: Option<Error>) {
        if let Some(gathering) =
            self.gathering.as_mut().filter(|gathering| gathering.checkpoint == checkpoint)
        {
            gathering.missing -= 1;
            gathering.failed = gathering.failed.take().or(error);
        }
    }

    /// The checkpoint that has been gathered, if one has.
    pub fn take(&mut self, directory: &Path) -> Option<(SnapshotId, Result<Snapshot>)> {
        let Gathering { checkpoint, failed, .. } =
            self.gathering.take_if(|gathering| gathering.missing == 0)?;
        if let Some(error) = failed {
            return Some((checkpoint, Err(error)));
        }
        Some((checkpoint, self.snapshot(checkpoint, directory)))
    }

    fn snapshot(&mut self, checkpoint: SnapshotId, directory: &Path) -> Result<Snapshot> {
        self.take_merged(directory)?;
        self.merge(checkpoint, directory);
        let open = |(operator, files): (&String, &Vec<StateFile>)| {
            Ok((operator.clone(), Layers::open(directory, files)?))
        };
        Ok(Snapshot { operators: self.operators.iter().map(open).collect::<Result<_>>()? })
    }

    /// Has many layers become one, beside the stages: they go on meanwhile, and add to them.
    fn merge(&mut self, checkpoint: SnapshotId, directory: &Path) {
        let many = self.operators.iter().filter(|(_, files)| files.len() > LAYERS_MAX);
        let many: Vec<_> = many.map(|(operator, files)| (operator.clone(), files.clone())).collect();
        if many.is_empty() || self.merging.is_some() {
            return;
        }
        let (merged, merging) = mpsc::channel();
        let directory = directory.to_path_buf();
        thread::spawn_patient(move || {
            let merge = |(operator, files): (String, Vec<StateFile>)| {
                let one = merge(&operator, &files, checkpoint, &directory);
                Merged { operator, layers: files.len(), one }
            };
            // Who would take it is gone only with the process.
            let _ = merged.send(many.into_iter().map(merge).collect());
        });
        self.merging = Some(merging);
    }

    /// Puts what has been merged, if it has, in the place of its layers.
    fn take_merged(&mut self, directory: &Path) -> Result<()> {
        let merged = match self.merging.as_ref().map(Receiver::try_recv) {
            None | Some(Err(TryRecvError::Empty)) => return Ok(()),
            Some(Ok(merged)) => merged,
            // The next checkpoint begins again.
            Some(Err(TryRecvError::Disconnected)) => Vec::new(),
        };
        self.merging = None;
        let mut failed = Ok(());
        for Merged { operator, layers, one } in merged {
            match one {
                Ok(one) => {
                    let files = self.operators.entry(operator).or_default();
                    for file in files.splice(..layers, one).collect::<Vec<_>>() {
                        // Somebody may still read it: it is gone when they have.
                        let _ = std::fs::remove_file(directory.join(file.name));
                    }
                }
                Err(error) => failed = Err(error),
            }
        }
        failed
    }
}

/// Makes one layer of all.
fn merge(
    operator: &str,
    files: &[StateFile],
    checkpoint: SnapshotId,
    directory: &Path,
) -> Result<Option<StateFile>> {
    let Some(groups) = files.iter().map(|file| file.groups).reduce(|all, groups| KeyGroupRange {
        first: all.first.min(groups.first),
        last: all.last.max(groups.last),
    }) else {
        return Ok(None);
    };
    let header = StateFileHeader { layer: LayerKind::Base, groups, written_by: checkpoint };
    let name = format!("{}.merged.{checkpoint}.state", crate::files::portable_name(operator));
    Layers::open(directory, files)?.merge_into(directory, name, header, &|_| true)
}

/// What says, beside what the stages keep, of which job it is and of which schemas its operators' rows are: of all operators, so that
/// whoever is given a part of a checkpoint knows whether the job can go on from the whole of it.
///
/// # Errors
/// If it can't be written as JSON.
pub(super) fn schemas(graph: &Graph) -> Result<Vec<Entry>> {
    let schemas = graph.keyed_programs().into_iter().map(|(item, program)| {
        let value = serde_json::to_value(program.schema())?;
        Ok(Entry { owner: SCHEMA.to_string(), item, value })
    });
    let job = Entry { owner: JOB.to_string(), item: graph.job.clone(), value: serde_json::Value::Null };
    std::iter::once(Ok(job)).chain(schemas).collect()
}

/// All rows of a subtask, as they were at a barrier.
pub(crate) struct Snapshot {
    operators: Vec<(String, Layers)>,
}

impl Snapshot {
    /// What the files of these operators hold, which lie in `directory`.
    ///
    /// # Errors
    /// If a file can't be opened.
    pub fn of<'a>(
        directory: &Path,
        operators: impl IntoIterator<Item = &'a OperatorState>,
    ) -> Result<Snapshot> {
        let open =
            |operator: &OperatorState| Ok((operator.name.clone(), Layers::open(directory, &operator.files)?));
        Ok(Snapshot { operators: operators.into_iter().map(open).collect::<Result<_>>()? })
    }

    /// Gives the blocks of every key group of `groups` to `each`, key groups ascending.
    ///
    /// # Errors
    /// If a file can't be read, or `each` fails.
    pub fn blocks(
        &self,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(KeyGroup, &[u8]) -> Result<()>,
    ) -> Result<()> {
        for group in groups.iter() {
            for (operator, layers) in &self.operators {
                let mut block = Block::begin(operator)?;
                layers.visit(KeyGroupRange::one(group), Removals::Drop, &|_| true, &mut |row| {
                    block.push(row)?;
                    if block.bytes.len() >= BLOCK_BYTES {
                        each(group, &std::mem::replace(&mut block, Block::begin(operator)?).end())?;
                    }
                    Ok(())
                })?;
                if block.rows > 0 {
                    each(group, &block.end())?;
                }
            }
        }
        Ok(())
    }
}

/// A block that is being written.
struct Block {
    bytes: Vec<u8>,
    rows: usize,
}

impl Block {
    fn begin(operator: &str) -> Result<Block> {
        let mut bytes = vec![VERSION];
        let length = u16::try_from(operator.len())
            .map_err(|_| Error::failure(format!("the operator's name {operator:?} is too long")))?;
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(operator.as_bytes());
        Ok(Block { bytes, rows: 0 })
    }

    fn push(&mut self, row: StateRow<'_>) -> Result<()> {
        self.bytes.push(row.section as u8);
        for field in [row.key, row.value().unwrap_or_default()] {
            let length =
                u32::try_from(field.len()).map_err(|_| Error::failure("a row of state has 4 GiB or more"))?;
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(field);
        }
        self.rows += 1;
        Ok(())
    }

    fn end(mut self) -> Vec<u8> {
        let checksum = crc32fast::hash(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        self.bytes
    }
}

/// What Flink gives back of a checkpoint: the entries of all subtasks, and the rows of this subtask's key groups.
pub(crate) struct Restored {
    pub(super) entries: Vec<Entry>,
    pub(super) operators: BTreeMap<String, Arc<Layers>>,
    files: BTreeMap<String, StateFile>,
}

impl Restored {
    /// Whether `graph` can go on from it. Changes nothing.
    ///
    /// # Errors
    /// If it is of another job, or was written by an operator that keeps its state otherwise.
    pub fn check(&self, graph: &Graph) -> Result<()> {
        if let Some(other) = self.entries.iter().find(|entry| entry.owner == JOB && entry.item != graph.job) {
            return Err(Error::failure(format!(
                "the checkpoint is of job {:?}, this is job {:?}",
                other.item, graph.job
            ))
            .hint("go on from a checkpoint or savepoint of this job, or begin anew"));
        }
        let programs = graph.operators();
        for entry in self.entries.iter().filter(|entry| entry.owner == SCHEMA) {
            let was: OperatorSchema = serde_json::from_value(entry.value.clone())?;
            if programs.iter().any(|(name, schema)| *name == entry.item && *schema != was) {
                return Err(Error::failure(format!(
                    "the state of operator {:?} is not what it was when the checkpoint was taken",
                    entry.item
                ))
                .hint("state that has changed is carried over by the job without Flink, from one of its own snapshots"));
            }
        }
        Ok(())
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The files that hold the rows, by operator.
    pub fn into_files(self) -> BTreeMap<String, StateFile> {
        self.files
    }

    pub fn state(&self) -> Arc<dyn RestoredState> {
        Arc::new(Restored {
            entries: self.entries.clone(),
            operators: self.operators.clone(),
            files: BTreeMap::new(),
        })
    }
}

/// Takes back what Flink has kept.
pub(crate) struct Restoring {
    directory: PathBuf,
    groups: KeyGroupRange,
    checkpoint: SnapshotId,
    entries: Vec<Entry>,
    writers: BTreeMap<String, (String, StateFileWriter)>,
}

impl Restoring {
    /// Into `directory`, what a subtask that owns `groups` is given of `checkpoint`.
    ///
    /// # Errors
    /// If the directory can't be created.
    pub fn begin(
        directory: &Path,
        groups: KeyGroupRange,
        checkpoint: SnapshotId,
        entries: Vec<Entry>,
    ) -> Result<Restoring> {
        std::fs::create_dir_all(directory).map_err(|error| {
            Error::failure(format!("can't create {}", directory.display())).caused_by(error)
        })?;
        let directory = directory.to_path_buf();
        Ok(Restoring { directory, groups, checkpoint, entries, writers: BTreeMap::new() })
    }

    /// Takes a block. They come with their key groups ascending.
    ///
    /// # Errors
    /// If it is not as it was written, or the rows can't be kept.
    pub fn block(&mut self, group: KeyGroup, block: &[u8]) -> Result<()> {
        let damaged = || Error::failure(format!("the checkpoint is damaged in key group {group}"));
        let (bytes, checksum) = block.split_last_chunk::<4>().ok_or_else(damaged)?;
        if crc32fast::hash(bytes) != u32::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        let Some((&VERSION, mut rest)) = bytes.split_first() else {
            return Err(Error::failure("the checkpoint was written by another version of Tidegate"));
        };
        let length = take::<2>(&mut rest).map(|bytes| u16::from_le_bytes(*bytes)).ok_or_else(damaged)?;
        let name = split(&mut rest, usize::from(length)).ok_or_else(damaged)?;
        let operator = std::str::from_utf8(name).map_err(|_| damaged())?;
        while let Some((&section, rows)) = rest.split_first() {
            rest = rows;
            let section = Section::from_byte(section).ok_or_else(damaged)?;
            let mut field = || {
                let length = u32::from_le_bytes(*take::<4>(&mut rest)?);
                split(&mut rest, length as usize)
            };
            let (key, value) = field().zip(field()).ok_or_else(damaged)?;
            self.writer(operator)?.row(StateRow::put(group, section, key, value))?;
        }
        Ok(())
    }

    fn writer(&mut self, operator: &str) -> Result<&mut StateFileWriter> {
        if !self.writers.contains_key(operator) {
            let name = format!("{}.restored.state", crate::files::portable_name(operator));
            let writer = StateFileWriter::create(&self.directory.join(&name), self.header())?;
            self.writers.insert(operator.to_string(), (name, writer));
        }
        Ok(&mut self.writers.get_mut(operator).expect("it was just put there").1)
    }

    fn header(&self) -> StateFileHeader {
        StateFileHeader { layer: LayerKind::Base, groups: self.groups, written_by: self.checkpoint }
    }

    /// All has come.
    ///
    /// # Errors
    /// If the rows can't be kept.
    pub fn finish(mut self) -> Result<(SnapshotId, Restored)> {
        let header = self.header();
        let (mut operators, mut files) = (BTreeMap::new(), BTreeMap::new());
        for (operator, (name, writer)) in std::mem::take(&mut self.writers) {
            let file = StateFile::new(name, header, writer.finish()?);
            operators.insert(
                operator.clone(),
                Arc::new(Layers::open(&self.directory, std::slice::from_ref(&file))?),
            );
            files.insert(operator, file);
        }
        Ok((self.checkpoint, Restored { entries: self.entries, operators, files }))
    }
}

fn take<'a, const N: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

fn split<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use crate::key::MaxParallelism;
    use crate::sink::Collect;
    use crate::source::Memory;

    #[test]
    fn a_checkpoint_of_another_job_is_refused_by_name() {
        let graph = |name: &str| {
            let job = Job::new(name);
            job.source("numbers", Memory::of(vec![1u64])).sink("out", Collect::new());
            job.finish().unwrap()
        };
        let directory = tempfile::tempdir().unwrap();
        let restored_by = |name: &str| {
            let entries = schemas(&graph("counts")).unwrap();
            let groups = MaxParallelism::new(4).unwrap().all();
            let restoring = Restoring::begin(directory.path(), groups, SnapshotId(7), entries).unwrap();
            restoring.finish().unwrap().1.check(&graph(name))
        };
        restored_by("counts").unwrap();
        let error = restored_by("sums").unwrap_err().to_string();
        assert!(error.contains("is of job \"counts\", this is job \"sums\""), "{error}");
    }
}
