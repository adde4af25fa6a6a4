//! Where a run starts: at the beginning or from a snapshot that fits the program, in directories that are nobody else's.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::evolution::report::Fate;
use crate::evolution::{RecordPlan, Report};
use crate::job::RunOptions;
use crate::job::attempt::Restored;
use crate::job::fit::{Difference, Fit};
use crate::job::graph::Graph;
use crate::job::restart::RestartStrategy;
use crate::job::savepoints;
use crate::record::SnapshotId;
use crate::snapshot::remote::url_in;
use crate::snapshot::rewrite::rewrite;
use crate::snapshot::{Manifest, peek};
use crate::snapshot::{RestoreTarget, Skipped, Snapshot, SnapshotDirectory};
use crate::state::backend::{StateBackend, StoreKind};
use crate::state::fjall::StateDirectory;
use crate::state::memory::StateMemory;
use crate::task::mode::Mode;

/// The directories that a process works with, locked against others.
pub(crate) struct Directories {
    pub state: Arc<StateDirectory>,
    pub snapshots: Option<SnapshotDirectory>,
}

impl Directories {
    /// Opens and locks them.
    ///
    /// # Errors
    /// If they can't be used, or the job can't keep the promise that a snapshot directory is.
    pub fn open(graph: &Graph, options: &RunOptions) -> Result<Directories> {
        check_promises(graph, options)?;
        let state = Arc::new(match &options.state_dir {
            Some(path) => StateDirectory::open(path)?,
            None => StateDirectory::temporary()?,
        });
        let open = |path: &Path| match url_in(path) {
            Some(url) => SnapshotDirectory::open_remote(url, &state.snapshots()),
            None => SnapshotDirectory::open(path),
        };
        let snapshots = options.snapshot_dir.as_deref().map(open).transpose()?;
        Ok(Directories { state, snapshots })
    }

    /// The store of one attempt: empty.
    pub fn backend(&self, options: &RunOptions) -> StateBackend {
        match options.store {
            StoreKind::Heap => StateBackend::heap(),
            StoreKind::Fjall => {
                StateBackend::fjall(Arc::clone(&self.state), StateMemory::of(options.state_memory_bytes))
            }
        }
    }

    /// The newest complete snapshot from number `first` on: asked of the directory, because one that failed just after it
    /// appeared is complete all the same.
    ///
    /// # Errors
    /// If the directory can't be read.
    pub fn newest_since(&self, first: SnapshotId) -> Result<Option<Place>> {
        let Some(snapshots) = &self.snapshots else { return Ok(None) };
        let newest = snapshots.list()?.pop().filter(|newest| *newest >= first);
        Ok(newest.map(|id| Place::Snapshot(id, snapshots.name(id))))
    }

    /// A start at a snapshot that this program has taken.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn start_at(&self, place: &Place) -> Result<Start> {
        match (place, &self.snapshots) {
            (Place::Snapshot(id, _), Some(snapshots)) => {
                let snapshot = snapshots.resolve(&RestoreTarget::Id(*id))?;
                Ok(snapshot.map_or(Start::Beginning, |snapshot| Start::Snapshot(Arc::new(snapshot.into()))))
            }
            _ => Ok(Start::Beginning),
        }
    }

    /// The number of the next snapshot: above all that are in the directory, and above the one that is restored.
    pub fn next_snapshot(&self, last: Option<SnapshotId>) -> SnapshotId {
        let after_last = SnapshotId(last.map_or(1, |id| id.0 + 1));
        self.snapshots.as_ref().map_or(after_last, |snapshots| snapshots.next_id().max(after_last))
    }
}

/// What can be known before a directory is opened.
fn check_promises(graph: &Graph, options: &RunOptions) -> Result<()> {
    let directories =
        [&options.state_dir, &options.snapshot_dir, &options.savepoint_dir].into_iter().flatten();
    directories.filter(|path| url_in(path).is_none()).try_for_each(|path| is_there(path).map(drop))?;
    if let Some(path) = &options.snapshot_dir {
        graph.check_exactly_once("--snapshot-dir")?;
        check_owner(path, &graph.job)?;
    }
    if options.mode == Mode::Batch {
        graph.check_bounded()?;
        if options.restart != RestartStrategy::None {
            graph.check_exactly_once("--restart")?;
        }
    }
    match &options.stop_with_savepoint {
        Some(path) => savepoints::check_unused(path),
        None => Ok(()),
    }
}

/// Refuses the snapshots of another job: `--retain` would remove them.
fn check_owner(snapshots: &Path, job: &str) -> Result<()> {
    match peek::Place::of(Some(snapshots))?.newest() {
        Some(Manifest { job: owner, snapshot, .. }) if owner != job => Err(Error::failure(format!(
            "snapshot {snapshot} in {} is of job \"{owner}\", this is job \"{job}\"",
            snapshots.display()
        ))
        .hint(format!(
            "give every job a --snapshot-dir of its own; if it is the same job, renamed: #[job(name = \"{owner}\")]"
        ))),
        _ => Ok(()),
    }
}

/// Where a run starts for the first time.
pub(crate) struct FirstStart {
    /// The snapshot as it was taken, and what becomes of the state and the records in it.
    found: Option<(Snapshot, Report, BTreeMap<String, RecordPlan>)>,
    /// The options, with what the snapshot decides.
    pub options: RunOptions,
    /// What is not the same in the snapshot and in the program.
    pub differences: Vec<Difference>,
}

impl FirstStart {
    /// Where the flags say that the job starts, with directories that are open. Nothing is written, but to `fetched`: a
    /// snapshot that lies at a URL.
    ///
    /// # Errors
    /// If there is no such snapshot, or it is broken, or does not fit and can't be made to.
    pub fn of(
        snapshots: Option<&SnapshotDirectory>,
        graph: &Graph,
        options: &RunOptions,
        fetched: &Path,
    ) -> Result<FirstStart> {
        let found = match (&options.restore, snapshots) {
            (None, snapshots) => {
                if let Some(newest) =
                    snapshots.map(SnapshotDirectory::list).transpose()?.and_then(|ids| ids.last().copied())
                {
                    warn_of_earlier(newest, options);
                }
                None
            }
            (Some(RestoreTarget::Path(path)), _) if is_elsewhere(path, snapshots) => {
                Some(Snapshot::open_url(&path.to_string_lossy(), fetched)?)
            }
            (Some(target), Some(snapshots)) => warn_if_none(snapshots.resolve(target)?),
            (Some(RestoreTarget::Path(path)), None) => Some(Snapshot::open(path)?),
            (Some(RestoreTarget::Latest), None) => warn_if_none(None),
            (Some(RestoreTarget::Id(id)), None) => {
                return Err(Error::failure(format!(
                    "there is no snapshot {id}: there is no snapshot directory yet"
                )));
            }
        };
        let Some(snapshot) = found else {
            return Ok(FirstStart { found: None, options: options.clone(), differences: Vec::new() });
        };
        FirstStart::at(snapshot, graph, options)
    }

    /// At this snapshot.
    ///
    /// # Errors
    /// If it does not fit and can't be made to.
    pub fn at(snapshot: Snapshot, graph: &Graph, options: &RunOptions) -> Result<FirstStart> {
        let report = snapshot.check(&graph.job, &graph.programs())?;
        let Fit { options, differences, records } = Fit::of(snapshot.manifest(), &report, graph, options)?;
        Ok(FirstStart { found: Some((snapshot, report, records)), options, differences })
    }

    /// The same without opening a directory for writing, and without creating one: to check.
    ///
    /// # Errors
    /// What a run would fail with, up to its first row.
    pub fn look(graph: &Graph, options: &RunOptions) -> Result<FirstStart> {
        check_promises(graph, options)?;
        let there = |path: &Option<_>| path.as_deref().map(is_there).transpose();
        // What lies at a URL is copied to where nothing is left of it.
        let restored = match &options.restore {
            Some(RestoreTarget::Path(path)) => url_in(path),
            _ => None,
        };
        let kept = options.snapshot_dir.as_deref().and_then(url_in);
        let scratch = kept.or(restored).map(|_| StateDirectory::temporary()).transpose()?;
        let fetched = scratch.as_ref().map_or_else(PathBuf::new, StateDirectory::fetched);
        let snapshots = match (&options.snapshot_dir, kept, &scratch) {
            (_, Some(url), Some(scratch)) => {
                Some(SnapshotDirectory::open_remote_as_it_is(url, &scratch.snapshots())?)
            }
            (Some(path), _, _) if is_there(path)? => Some(SnapshotDirectory::open_as_it_is(path)?),
            _ => None,
        };
        if let (Some(path), Some(true)) = (&options.state_dir, there(&options.state_dir)?) {
            StateDirectory::open(path)?;
        }
        FirstStart::of(snapshots.as_ref(), graph, options, &fetched)
    }

    /// Where that is.
    pub fn place(&self) -> Place {
        match &self.found {
            None => Place::Beginning,
            Some((snapshot, ..)) => Place::Snapshot(snapshot.id(), snapshot.path().to_path_buf()),
        }
    }

    /// The newer snapshots that were passed over.
    pub fn skipped(&self) -> &[Skipped] {
        self.found.as_ref().map_or(&[], |(snapshot, ..)| snapshot.skipped())
    }

    /// The start, and the options to run with. The snapshot is rewritten in `directory` if the program has other schemas or
    /// another number of key groups.
    ///
    /// # Errors
    /// If a row can't be taken over, or what is rewritten can't be written.
    pub fn prepare(self, directory: &StateDirectory) -> Result<(Start, RunOptions)> {
        let (path, options) = (self.place(), self.options.clone());
        let (Place::Snapshot(_, path), Some((snapshot, report))) = (path, self.fitted(directory)?) else {
            return Ok((Start::Beginning, options));
        };
        // For people it is the snapshot that they asked for.
        let mut restored = Restored { path, ..Restored::from(snapshot) };
        let gone = report.operators().iter().filter(|operator| matches!(operator.fate, Fate::Gone { .. }));
        gone.for_each(|operator| restored.chains.forget(&operator.name));
        Ok((Start::Snapshot(Arc::new(restored)), options))
    }

    /// The snapshot as the program needs it, rewritten in `directory` if it must be, and what has become of its state.
    /// State of an operator that the program does not have may be in it.
    ///
    /// # Errors
    /// If a row can't be taken over, or what is rewritten can't be written.
    pub fn fitted(self, directory: &StateDirectory) -> Result<Option<(Snapshot, Report)>> {
        let Some((snapshot, report, records)) = self.found else { return Ok(None) };
        let groups = self.options.max_parallelism;
        // State outside of keys has no rows: it is converted when it is taken back.
        let has_rows =
            |name: &str| snapshot.manifest().operators.iter().any(|operator| operator.name == name);
        let rows_change = report.changed().any(|(name, _)| has_rows(name));
        let stays = !rows_change && records.values().all(RecordPlan::is_identity);
        if stays && snapshot.manifest().max_parallelism == groups {
            return Ok(Some((snapshot, report)));
        }
        let rewritten = rewrite(&snapshot, &report, &records, groups, &directory.rewritten()?)?;
        Ok(Some((rewritten, report)))
    }
}

/// Whether a directory is there. If it is not, it can be created: what is above it is a directory.
///
/// # Errors
/// If it can't.
fn is_there(path: &Path) -> Result<bool> {
    let (shown, there) = (path.display(), path.ancestors().find(|above| above.exists()));
    match there.filter(|above| !above.is_dir()) {
        None => Ok(there == Some(path)),
        Some(file) if file == path => Err(Error::failure(format!("{shown} is not a directory"))
            .hint("name one, or one that can be created")),
        Some(file) => {
            Err(Error::failure(format!("can't create {shown}: {} is not a directory", file.display()))
                .hint("name one that can be created"))
        }
    }
}

/// Whether a snapshot lies at a URL, and not among these.
fn is_elsewhere(path: &Path, snapshots: Option<&SnapshotDirectory>) -> bool {
    url_in(path).is_some() && snapshots.is_none_or(|snapshots| snapshots.own(path).is_none())
}

fn warn_if_none(snapshot: Option<Snapshot>) -> Option<Snapshot> {
    if snapshot.is_none() {
        tracing::warn!("there is no snapshot to restore yet: the job starts from the beginning");
    }
    snapshot
}

/// A forgotten `--restore` costs what could have been gone on from.
fn warn_of_earlier(newest: SnapshotId, options: &RunOptions) {
    tracing::warn!(
        "the job starts from the beginning, and its snapshots take the place of those that are in {}, the last of which is \
         {newest}: --restore latest would go on from there",
        options.snapshot_dir.as_deref().unwrap_or(Path::new("")).display()
    );
}

/// Where an attempt starts.
#[derive(Clone)]
pub(crate) enum Start {
    Beginning,
    Snapshot(Arc<Restored>),
}

impl Start {
    /// The snapshot.
    pub fn restored(&self) -> Option<Arc<Restored>> {
        match self {
            Start::Beginning => None,
            Start::Snapshot(restored) => Some(Arc::clone(restored)),
        }
    }

    /// Where that is.
    pub fn place(&self) -> Place {
        match self {
            Start::Beginning => Place::Beginning,
            Start::Snapshot(restored) => Place::Snapshot(restored.id, restored.path.clone()),
        }
    }
}

/// A place to start from: known, but not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Beginning,
    Snapshot(SnapshotId, PathBuf),
}

impl Place {
    /// The snapshot's number.
    pub fn id(&self) -> Option<SnapshotId> {
        match self {
            Place::Beginning => None,
            Place::Snapshot(id, _) => Some(*id),
        }
    }

    /// Adds to a failure how to go on, if there is something to go on from.
    pub fn hint(&self, error: Error) -> Error {
        match self {
            Place::Beginning => error,
            Place::Snapshot(id, path) => error.further_hint(format!(
                "snapshot {id} is intact: when the cause is mended, go on with --restore {}",
                path.display()
            )),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Beginning => f.write_str("from the beginning"),
            Place::Snapshot(id, path) => write!(f, "from snapshot {id} ({})", path.display()),
        }
    }
}
