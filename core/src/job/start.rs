//! Where a run starts: at the beginning or from a snapshot that fits the program, in directories that are nobody else's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::job::RunOptions;
use crate::job::attempt::Restored;
use crate::job::graph::Graph;
use crate::record::SnapshotId;
use crate::sink;
use crate::snapshot::compare::record_changes;
use crate::snapshot::{ChannelState, RestoreTarget, Snapshot, SnapshotDirectory};
use crate::source::{self, SplitPosition};
use crate::state::fjall::StateDirectory;

/// The directories that a process works with, locked against others.
pub(crate) struct Directories {
    pub state: StateDirectory,
    pub snapshots: Option<SnapshotDirectory>,
}

impl Directories {
    /// Opens and locks them.
    ///
    /// # Errors
    /// If they can't be used, or the job can't keep the promise that a snapshot directory is.
    pub fn open(graph: &Graph, options: &RunOptions) -> Result<Directories> {
        if options.snapshot_dir.is_some() {
            graph.check_exactly_once()?;
        }
        let snapshots = options.snapshot_dir.as_deref().map(SnapshotDirectory::open).transpose()?;
        let state = match &options.state_dir {
            Some(path) => StateDirectory::open(path)?,
            None => StateDirectory::temporary()?,
        };
        Ok(Directories { state, snapshots })
    }

    /// Where the flags say that the job starts; a snapshot fits the program.
    ///
    /// # Errors
    /// If there is no such snapshot, or it is broken, or does not fit.
    pub fn start(&self, graph: &Graph, options: &RunOptions) -> Result<Start> {
        let Some(target) = &options.restore else { return Ok(Start::Beginning) };
        let snapshot = match (&self.snapshots, target) {
            (Some(snapshots), target) => snapshots.resolve(target)?,
            (None, RestoreTarget::Path(path)) => Some(Snapshot::open(path)?),
            (None, RestoreTarget::Latest | RestoreTarget::Id(_)) => None,
        };
        let Some(snapshot) = snapshot else {
            tracing::warn!("there is no snapshot to restore yet: the job starts from the beginning");
            return Ok(Start::Beginning);
        };
        snapshot.check(&graph.job, &graph.operators())?;
        check_sources(graph, &snapshot)?;
        check_sinks(graph, &snapshot)?;
        check_channels(graph, &snapshot)?;
        let (taken, asked) = (snapshot.manifest().max_parallelism, options.max_parallelism);
        if taken != asked {
            let (taken, asked) = (taken.get(), asked.get());
            return Err(Error::usage(format!(
                "snapshot {} was taken with --max-parallelism {taken}, and the job is started with {asked}",
                snapshot.id()
            ))
            .hint(format!(
                "the number of key groups can't change: start it with --max-parallelism {taken}"
            )));
        }
        Ok(Start::Snapshot(Arc::new(Restored::from(snapshot))))
    }

    /// The newest complete snapshot from number `first` on: asked of the directory, because one that failed just after it
    /// appeared is complete all the same.
    ///
    /// # Errors
    /// If it can't be opened.
    pub fn latest_since(&self, first: SnapshotId) -> Result<Option<Start>> {
        let Some(snapshots) = &self.snapshots else { return Ok(None) };
        let Some(latest) = snapshots.list()?.pop().filter(|latest| *latest >= first) else { return Ok(None) };
        let snapshot = Snapshot::open(&snapshots.snapshot_path(latest))?;
        Ok(Some(Start::Snapshot(Arc::new(Restored::from(snapshot)))))
    }

    /// The number of the next snapshot: above all that are in the directory, and above the one that is restored.
    pub fn next_snapshot(&self, last: Option<SnapshotId>) -> SnapshotId {
        let after_last = SnapshotId(last.map_or(1, |id| id.0 + 1));
        self.snapshots.as_ref().map_or(after_last, |snapshots| snapshots.next_id().max(after_last))
    }
}

/// A source that the program does not have must have been read to its end. One that was only renamed would otherwise be read
/// again from its beginning, into state that has it already.
fn check_sources(graph: &Graph, snapshot: &Snapshot) -> Result<()> {
    let owners: Vec<String> = graph.sources().map(|(_, name, _)| source::stage::owner(name)).collect();
    for entry in &snapshot.manifest().entries {
        let Some(name) = entry.owner.strip_prefix(&source::stage::owner("")) else { continue };
        if owners.contains(&entry.owner) {
            continue;
        }
        if let SplitPosition::At(offset) = serde_json::from_value(entry.value.clone())? {
            return Err(Error::failure(format!(
                "snapshot {} has read {} records of {} of source {name:?}, and this program has no such source",
                snapshot.id(),
                offset.records,
                entry.item
            ))
            .hint("a source is known by its name: call it what it was called, or start without --restore"));
        }
    }
    Ok(())
}

/// What a snapshot has pending of a sink that the program does not have would never be seen.
fn check_sinks(graph: &Graph, snapshot: &Snapshot) -> Result<()> {
    let owners: Vec<String> = graph.sinks().map(|node| sink::step::owner(&node.name)).collect();
    let orphan = snapshot.manifest().entries.iter().find_map(|entry| {
        let name = entry.owner.strip_prefix(&sink::step::owner(""))?;
        (!owners.contains(&entry.owner)).then_some(name)
    });
    match orphan {
        None => Ok(()),
        Some(name) => Err(Error::failure(format!(
            "snapshot {} has results of sink {name:?} pending, and this program has no such sink: nobody would ever see them",
            snapshot.id()
        ))
        .hint("a sink is known by its name: call it what it was called, or restore a snapshot in which it has nothing pending")),
    }
}

/// Records that were in flight must reach the operator that they were on their way to, as the records that they were.
fn check_channels(graph: &Graph, snapshot: &Snapshot) -> Result<()> {
    let mut in_flight = BTreeMap::new();
    for ChannelState { operator, records, record, .. } in &snapshot.manifest().channels {
        in_flight.entry(operator).or_insert((0, record)).0 += records;
    }
    let mut faults = Vec::new();
    for (operator, (records, was)) in in_flight {
        let what =
            format!("snapshot {} has {records} records in flight to operator {operator:?}", snapshot.id());
        let mut named = graph.stages.iter().filter(|stage| stage.name == *operator);
        match named.find_map(|stage| stage.receives.as_ref()) {
            Some(is) => {
                faults.extend(record_changes(was, is).iter().map(|change| format!("{what}; it {change}")))
            }
            None => faults.push(format!("{what}, and this program has no such operator")),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::failure(faults.join("\n")).hint(
        "restore it with the program that took it and stop that one (Ctrl-C): behind its last snapshot nothing is in flight",
    ))
}

/// Where an attempt starts.
pub(crate) enum Start {
    Beginning,
    Snapshot(Arc<Restored>),
}

impl Start {
    /// The snapshot's number.
    pub fn id(&self) -> Option<SnapshotId> {
        match self {
            Start::Beginning => None,
            Start::Snapshot(restored) => Some(restored.id),
        }
    }

    /// The snapshot.
    pub fn restored(&self) -> Option<Arc<Restored>> {
        match self {
            Start::Beginning => None,
            Start::Snapshot(restored) => Some(Arc::clone(restored)),
        }
    }

    /// Adds to a failure how to go on, if there is something to go on from.
    pub fn hint(&self, error: Error) -> Error {
        match self {
            Start::Beginning => error,
            Start::Snapshot(restored) => error.hint_if_none(format!(
                "snapshot {} is intact: when the cause is mended, go on with --restore {}",
                restored.id,
                restored.path.display()
            )),
        }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Start::Beginning => f.write_str("from the beginning"),
            Start::Snapshot(restored) => {
                write!(f, "from snapshot {} ({})", restored.id, restored.path.display())
            }
        }
    }
}
