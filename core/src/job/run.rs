//! Runs a job: from the snapshot it is to start from, attempt after attempt, until it is done or may not restart any more.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::RunOptions;
use crate::job::attempt::{Attempt, Restored, Setting};
use crate::job::graph::Graph;
use crate::job::progress::{Outcome, Progress, ProgressReport, Summary};
use crate::job::restart::{Decision, Restarts};
use crate::job::seed::WorkerSeed;
use crate::job::signals::StopSignal;
use crate::record::SnapshotId;
use crate::snapshot::coordinator::Ending;
use crate::snapshot::{RestoreTarget, Snapshot, SnapshotDirectory};
use crate::source::{self, SplitPosition};
use crate::state::fjall::StateDirectory;
use crate::time::Clock;

/// How long the coordinator waits for a report before it looks at the time, the signals and the progress.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs a job to its end.
///
/// # Errors
/// If it can't start, or fails and may not restart.
pub fn run(graph: Graph, options: &RunOptions, stop: &StopSignal) -> Result<Summary> {
    let graph = Arc::new(graph);
    let clock = Clock::system();
    let started = clock.monotonic();
    let directories = Directories::open(&graph, options)?;
    let mut start = directories.start(&graph, options)?;
    let mut restarts = Restarts::new(options.restart);
    let mut run = Run { records: 0, snapshots: 0, last_snapshot: start.id(), restarts: 0 };
    loop {
        let setting = Setting {
            graph: Arc::clone(&graph),
            options,
            clock: clock.clone(),
            snapshots: directories.snapshots.as_ref(),
            first_snapshot: directories.next_snapshot(run.last_snapshot),
            restored: start.restored(),
            working_copy: Arc::new(directories.state.working_copy()?),
        };
        // What can't be prepared (results in the way, input that is gone) does not get better by trying again.
        let (attempt, seeds) = Attempt::prepare(setting, false)?;
        let error = match run.attempt(attempt, seeds, options.quiet, &clock, stop) {
            Ok(ending) => {
                return Ok(run.summary(&graph.job, ending, clock.monotonic().saturating_sub(started)));
            }
            Err(error) => error,
        };
        start = match (run.last_snapshot, &directories.snapshots) {
            (Some(id), Some(snapshots)) if run.snapshots > 0 => {
                Start::Snapshot(Arc::new(Restored::from(Snapshot::open(&snapshots.snapshot_path(id))?)))
            }
            _ => start,
        };
        match restarts.on_failure(clock.monotonic()) {
            Decision::RestartAfter(delay) if !stop.requested() => {
                run.restarts += 1;
                let after = format!("in {}", humantime::format_duration(delay));
                tracing::error!("{error:#}");
                tracing::warn!(restart = run.restarts, "the job starts again {after}, {start}");
                wait(delay, &clock, stop);
            }
            Decision::RestartAfter(_) | Decision::GiveUp => return Err(start.hint(error)),
        }
    }
}

/// Looks at everything that a run would look at before its first record. What was found, in words.
///
/// # Errors
/// What a run would fail with.
pub fn check(graph: &Graph, options: &RunOptions) -> Result<String> {
    let mut lines = Vec::new();
    for (_, name, source) in graph.sources() {
        let splits = source.splits()?.len();
        let noun = if splits == 1 { "split" } else { "splits" };
        lines.push(format!("source {name:?}: {}, {splits} {noun}", source.describe()));
    }
    for (name, schema) in graph.operators() {
        lines.push(format!("operator {name:?}: state {}, keyed by {}", schema.state.name, schema.state.key));
    }
    for node in graph.sinks() {
        lines.push(format!("sink {:?}: {}", node.name, node.sink.describe()));
    }
    let directories = Directories::open(graph, options)?;
    lines.push(format!("starts {}", directories.start(graph, options)?));
    Ok(lines.join("\n"))
}

/// The directories that a process works with, locked against others.
struct Directories {
    state: StateDirectory,
    snapshots: Option<SnapshotDirectory>,
}

impl Directories {
    fn open(graph: &Graph, options: &RunOptions) -> Result<Directories> {
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
    fn start(&self, graph: &Graph, options: &RunOptions) -> Result<Start> {
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

    /// The number of the next snapshot: above all that are in the directory, and above the one that is restored.
    fn next_snapshot(&self, last: Option<SnapshotId>) -> SnapshotId {
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

/// Where an attempt starts.
enum Start {
    Beginning,
    Snapshot(Arc<Restored>),
}

impl Start {
    fn id(&self) -> Option<SnapshotId> {
        match self {
            Start::Beginning => None,
            Start::Snapshot(restored) => Some(restored.id),
        }
    }

    fn restored(&self) -> Option<Arc<Restored>> {
        match self {
            Start::Beginning => None,
            Start::Snapshot(restored) => Some(Arc::clone(restored)),
        }
    }

    /// Adds to a failure how to go on, if there is something to go on from.
    fn hint(&self, error: Error) -> Error {
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

/// What is counted over all attempts.
struct Run {
    records: u64,
    snapshots: u64,
    last_snapshot: Option<SnapshotId>,
    restarts: u32,
}

impl Run {
    fn attempt(
        &mut self,
        mut attempt: Attempt<'_>,
        seeds: Vec<WorkerSeed>,
        quiet: bool,
        clock: &Clock,
        stop: &StopSignal,
    ) -> Result<Ending> {
        let started = attempt.start(seeds);
        let mut progress = Progress::new(quiet, attempt.bytes_total);
        let result = started.and_then(|()| Run::drive(&mut attempt, &mut progress, clock, stop));
        progress.finish();
        self.records += attempt.metrics.records.load(Ordering::Relaxed);
        self.snapshots += attempt.snapshots;
        self.last_snapshot = attempt.last_snapshot.map(|(id, _)| id).or(self.last_snapshot);
        attempt.end();
        result
    }

    fn drive(
        attempt: &mut Attempt<'_>,
        progress: &mut Progress,
        clock: &Clock,
        stop: &StopSignal,
    ) -> Result<Ending> {
        let began = clock.monotonic();
        let mut shown = began;
        let mut stopping = false;
        while !attempt.is_finished() {
            attempt.drive(PAUSE)?;
            if stop.requested() && !stopping {
                stopping = true;
                attempt.stop()?;
            }
            let now = clock.monotonic();
            if progress.is_shown() && now.saturating_sub(shown) >= Progress::PERIOD {
                shown = now;
                progress.update(&ProgressReport {
                    records: attempt.metrics.records.load(Ordering::Relaxed),
                    bytes_read: attempt.metrics.bytes.load(Ordering::Relaxed),
                    bytes_total: attempt.bytes_total,
                    watermark: attempt.watermarks.current(),
                    last_snapshot: attempt.last_snapshot.map(|(id, at)| (id, now.saturating_sub(at))),
                    elapsed: now.saturating_sub(began),
                });
            }
        }
        Ok(attempt.ending().unwrap_or(Ending::Exhausted))
    }

    fn summary(&self, job: &str, ending: Ending, elapsed: Duration) -> Summary {
        Summary {
            job: job.to_string(),
            outcome: match ending {
                Ending::Exhausted => Outcome::Finished,
                Ending::Stopped => Outcome::Stopped,
            },
            records: self.records,
            elapsed,
            snapshots: self.snapshots,
            last_snapshot: self.last_snapshot,
            restarts: self.restarts,
        }
    }
}

/// Waits before a restart; a request to stop cuts it short.
fn wait(delay: Duration, clock: &Clock, stop: &StopSignal) {
    let until = clock.monotonic().saturating_add(delay);
    while !stop.requested() && clock.monotonic() < until {
        std::thread::sleep(PAUSE.min(until.saturating_sub(clock.monotonic())));
    }
}
