//! `JOB flink import-savepoint`: a savepoint of Flink's becomes one of the job's own, from which it goes on without Flink.
//!
//! What enters: the [`Message`]s of a savepoint. What leaves: a savepoint directory with the same rows, positions, watermarks and
//! pending transactions, whose number is that of the checkpoint: so no number of a result is used twice. *Always:* it is refused,
//! before anything is written, if the job could not restore it. Nothing is committed here: what is pending is when the job goes on.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::checkpoint::{JOB, Restoring, SCHEMA};
use super::fragment::{Fragment, FragmentKind, Fragments};
use super::guest::Wiring;
use super::package::Distribution;
use super::savepoint::{Java, KeptSplit, Message, Operator, split_id, uid};
use crate::error::{Error, Result};
use crate::evolution::Report;
use crate::job::RunOptions;
use crate::job::fit::Fit;
use crate::job::graph::{Graph, StageRole};
use crate::job::savepoints::check_unused;
use crate::key::{MaxParallelism, Parallelism};
use crate::record::SnapshotId;
use crate::snapshot::part::{Entry, OperatorSchema};
use crate::snapshot::{Manifest, OperatorState, SnapshotKind, StateFiles, manifest, write_savepoint};
use crate::source::{Offset, SplitPosition};
use crate::state::fjall::StateDirectory;
use crate::time::Clock;

/// Make a savepoint of Flink's one of the job's own, from which it goes on without Flink, by --restore DIR
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// Where the savepoint is, as this machine sees it: the directory that has _metadata in it
    #[arg(value_name = "SAVEPOINT")]
    savepoint: String,
    /// Directory of the job's savepoint, which must be new
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    distribution: Distribution,
    /// The job's own arguments
    #[arg(last = true)]
    args: Vec<String>,
}

impl Import {
    /// Does it. What is to be printed.
    ///
    /// # Errors
    /// If there is no such savepoint, it is of another job, its state does not fit, or something can't be read or written.
    pub fn run(&self, wiring: Wiring<'_>) -> Result<String> {
        let path = path_of(&self.savepoint)?;
        check_unused(&self.out)?;
        let (graph, options) = wiring(&self.args)?;
        let cut = Fragments::of(&graph)?;
        let uids: Vec<String> = cut.fragments.iter().map(uid).collect();
        let scratch = StateDirectory::temporary()?;
        let java = Java::prepare(&self.distribution, scratch.path())?;
        let mut gathered = Gathered::new(&cut, scratch.path().join("rows"));
        let within = |error: Error| error.within(format!("the Flink savepoint {path} can't be taken over"));
        java.read(&path, &uids, &mut |message| gathered.take(message)).map_err(within)?;
        let manifest = gathered.finish(&graph, &options).map_err(within)?;
        write_savepoint(&manifest, &scratch.path().join("rows"), &self.out)?;
        let out = self.out.display();
        Ok(format!(
            "checkpoint {} of Flink is a savepoint in {out}: go on with --restore {out}\n",
            manifest.snapshot
        ))
    }
}

/// The savepoint's path, if it is one of this machine's that is there; what else Flink can read is left to it.
fn path_of(savepoint: &str) -> Result<String> {
    let local = savepoint.strip_prefix("file:").map_or(savepoint, |path| match path.strip_prefix("//") {
        Some(path) => path,
        None => path,
    });
    if local.contains("://") {
        return Ok(savepoint.to_string());
    }
    let path = Path::new(local);
    let metadata = if path.is_dir() { path.join("_metadata") } else { path.to_path_buf() };
    if !metadata.is_file() {
        let what = if path.exists() { "it has no file _metadata" } else { "nothing is there" };
        return Err(Error::failure(format!("there is no Flink savepoint at {local}: {what}"))
            .hint("name the directory that Flink has told when it was taken, as this machine sees it"));
    }
    let path = std::path::absolute(path)
        .map_err(|error| Error::failure(format!("can't find {local}")).caused_by(error))?;
    Ok(path.to_string_lossy().into_owned())
}

/// What has been read of a savepoint.
struct Gathered<'a> {
    cut: &'a Fragments,
    /// Where the rows go.
    rows: PathBuf,
    checkpoint: SnapshotId,
    operators: Vec<(Operator, &'a Fragment)>,
    max_parallelism: Option<MaxParallelism>,
    entries: Vec<Entry>,
    /// The splits that subtasks have said something of, and those that were dealt to one.
    read: BTreeSet<String>,
    dealt: Vec<String>,
    strangers: Vec<String>,
    restoring: Option<Restoring>,
}

impl<'a> Gathered<'a> {
    fn new(cut: &'a Fragments, rows: PathBuf) -> Gathered<'a> {
        Gathered {
            cut,
            rows,
            checkpoint: SnapshotId(0),
            operators: Vec::new(),
            max_parallelism: None,
            entries: Vec::new(),
            read: BTreeSet::new(),
            dealt: Vec::new(),
            strangers: Vec::new(),
            restoring: None,
        }
    }

    fn take(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Savepoint(id) => self.checkpoint = id,
            Message::Operator(operator) => self.begin(operator)?,
            Message::Item(item) => match self.current()?.kind {
                FragmentKind::Keyed => self.entries.extend(serde_json::from_slice::<Vec<Entry>>(&item)?),
                FragmentKind::Source => {
                    let split: KeptSplit = serde_json::from_slice(&item)?;
                    self.entries.extend(split.entries()?);
                    self.read.insert(split.id);
                }
            },
            Message::Dealt(splits) => self.dealt.extend(splits),
            Message::Block(group, block) => {
                let restoring = self.restoring.as_mut().ok_or_else(out_of_turn)?;
                restoring.block(group, &block)?;
            }
            Message::Stranger(name) => self.strangers.push(name),
            Message::End => {}
        }
        Ok(())
    }

    fn current(&self) -> Result<&'a Fragment> {
        self.operators.last().map(|(_, fragment)| *fragment).ok_or_else(out_of_turn)
    }

    fn begin(&mut self, operator: Operator) -> Result<()> {
        let fragment = self.cut.fragments.iter().find(|fragment| uid(fragment) == operator.uid);
        let fragment = fragment.ok_or_else(out_of_turn)?;
        let groups = MaxParallelism::new(operator.max_parallelism).ok_or_else(|| {
            Error::failure(format!(
                "{:?} has a max parallelism of {}, which no job of Tidegate has",
                operator.uid, operator.max_parallelism
            ))
        })?;
        if let (Some(other), Some((first, _))) = (self.max_parallelism, self.operators.first())
            && other != groups
        {
            return Err(Error::failure(format!(
                "{:?} has a max parallelism of {}, and {:?} one of {}",
                first.uid,
                other.get(),
                operator.uid,
                groups.get()
            ))
            .hint("a job of Tidegate has one for all of its operators: was it set by somebody else?"));
        }
        self.max_parallelism = Some(groups);
        if self.restoring.is_none() {
            self.restoring = Some(Restoring::begin(&self.rows, groups.all(), self.checkpoint, Vec::new())?);
        }
        self.operators.push((operator, fragment));
        Ok(())
    }

    /// What the savepoint is as a snapshot of the job's own, whose files lie among the rows.
    fn finish(mut self, graph: &Graph, options: &RunOptions) -> Result<Manifest> {
        let (Some(restoring), Some(groups)) = (self.restoring.take(), self.max_parallelism) else {
            return Err(foreign(graph, &self.strangers));
        };
        self.check_job(graph, options)?;
        let (_, restored) = restoring.finish()?;
        let mut files = restored.into_files();
        let mut operators = Vec::new();
        for (name, schema) in self.schemas()? {
            let files = files.remove(&name).into_iter().collect();
            operators.push(OperatorState { name, schema, files });
        }
        if let Some((name, _)) = files.pop_first() {
            return Err(Error::failure(format!(
                "it does not say of which schema the rows of operator {name:?} are"
            ))
            .hint("it was taken by a job of an earlier version of Tidegate: take one with this version"));
        }
        self.finish_splits(graph)?;
        let mut seen = BTreeSet::new();
        self.entries.retain(|entry| {
            let is_ours = entry.owner == SCHEMA || entry.owner == JOB;
            !is_ours && seen.insert((entry.owner.clone(), entry.item.clone(), entry.value.to_string()))
        });
        let parallelism = self.operators.iter().map(|(operator, _)| operator.parallelism).max();
        let parallelism = parallelism.and_then(|parallelism| Parallelism::new(parallelism, groups));
        let manifest = Manifest {
            format: manifest::FORMAT,
            job: graph.job.clone(),
            snapshot: self.checkpoint,
            kind: SnapshotKind::Savepoint,
            taken_at: Clock::system().now(),
            parallelism: parallelism.ok_or_else(out_of_turn)?,
            max_parallelism: groups,
            files: StateFiles::Own,
            operators,
            channels: Vec::new(),
            entries: self.entries,
        };
        // Whoever could not restore it shall know it now.
        let report = Report::of_snapshot(&manifest, &graph.programs());
        report.check()?;
        Fit::of(&manifest, &report, graph, options)?;
        Ok(manifest)
    }

    fn check_job(&self, graph: &Graph, options: &RunOptions) -> Result<()> {
        if let Some(other) = self.entries.iter().find(|entry| entry.owner == JOB && entry.item != graph.job) {
            return Err(Error::failure(format!(
                "it is of job {:?}, this is job {:?}",
                other.item, graph.job
            ))
            .hint("take it over with the executable of the job that it is of"));
        }
        match self.strangers.first() {
            Some(stranger) if !options.allow_dropped_state => {
                Err(Error::failure(format!("it has state of {stranger:?}, and this program has no such operator"))
                    .hint("an operator is known by its name: call it what it was called, or drop its state with `-- --allow-dropped-state`"))
            }
            _ => Ok(()),
        }
    }

    fn schemas(&self) -> Result<Vec<(String, OperatorSchema)>> {
        let mut schemas = Vec::<(String, OperatorSchema)>::new();
        for entry in self.entries.iter().filter(|entry| entry.owner == SCHEMA) {
            if schemas.iter().all(|(name, _)| *name != entry.item) {
                schemas.push((entry.item.clone(), serde_json::from_value(entry.value.clone())?));
            }
        }
        Ok(schemas)
    }

    /// A subtask that had come to the end of its splits keeps nothing any more: Flink itself knows only that they were dealt. Of
    /// a source all of whose subtasks had, it knows nothing: then these are all splits that there are.
    fn finish_splits(&mut self, graph: &Graph) -> Result<()> {
        let mut ended = Vec::new();
        for (operator, fragment) in &self.operators {
            for stage in fragment.stages.iter().map(|stage| &graph.stages[*stage]) {
                let StageRole::Source(source) = &stage.role else { continue };
                if operator.finished {
                    ended.extend(source.splits()?.into_iter().map(|split| (stage.name.clone(), split.id.0)));
                    continue;
                }
                let prefix = split_id(&stage.name, "");
                let dealt = self.dealt.iter().filter(|split| !self.read.contains(*split));
                let own = dealt.filter_map(|split| split.strip_prefix(&prefix));
                ended.extend(own.map(|split| (stage.name.clone(), split.to_string())));
            }
        }
        for (source, item) in ended {
            let value = serde_json::to_value(SplitPosition::Finished(Offset::default()))?;
            self.entries.push(Entry { owner: crate::source::stage::owner(&source), item, value });
        }
        Ok(())
    }
}

/// It has nothing that this job knows.
fn foreign(graph: &Graph, strangers: &[String]) -> Error {
    let error = Error::failure(match strangers {
        [] => format!("it has no state of job {:?}", graph.job),
        names => format!("it is not of job {:?}: it has state of {}", graph.job, names.join(", ")),
    });
    error.hint("take it over with the executable of the job that it is of")
}

fn out_of_turn() -> Error {
    Error::failure("Java has told of the savepoint out of turn; this is a defect of Tidegate")
}
