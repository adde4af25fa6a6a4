//! Runs a job: from the snapshot it is to start from, attempt after attempt, until it is done or may not restart any more.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::job::RunOptions;
use crate::job::attempt::{Attempt, Setting};
use crate::job::figures::{EventTimeFigures, SnapshotFigures};
use crate::job::graph::Graph;
use crate::job::progress::{Outcome, Progress, ProgressReport, Summary, say};
use crate::job::restart::{Decision, Restarts};
use crate::job::savepoints::{self, Savepoint, Savepoints};
use crate::job::seed::WorkerSeed;
use crate::job::signals::Signals;
use crate::job::start::{Directories, FirstStart, Place, Start};
use crate::record::SnapshotId;
use crate::snapshot::SnapshotDirectory;
use crate::snapshot::coordinator::Ending;
use crate::snapshot::entry_state::EntryState;
use crate::task::metrics::PauseMetrics;
use crate::task::mode::Mode;
use crate::time::Clock;

/// How long the coordinator waits for a report before it looks at the time, the signals and the progress.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs a job to its end.
///
/// # Errors
/// If it can't start, or fails and may not restart; or if it ends without the savepoint that it was to leave.
pub fn run(graph: Graph, options: &RunOptions, signals: &Signals) -> Result<Summary> {
    let graph = Arc::new(graph);
    let clock = Clock::system();
    let started = clock.monotonic();
    let directories = Directories::open(&graph, options)?;
    let first =
        FirstStart::of(directories.snapshots.as_ref(), &graph, options, &directories.state.fetched())?;
    for difference in &first.differences {
        if difference.is_warning() { tracing::warn!("{difference}") } else { tracing::info!("{difference}") }
    }
    let (mut start, options) = first.prepare(&directories.state)?;
    let savepoints = options.savepoints_in().map(|directory| Savepoints::new(&graph.job, directory));
    let pauses = Arc::new(PauseMetrics::default());
    let mut run = Run {
        clock: clock.clone(),
        mode: options.mode,
        signals,
        directories: &directories,
        first_snapshot: directories.next_snapshot(start.place().id()),
        savepoints: savepoints.as_ref(),
        // A display beside results on the same terminal would tear them.
        shows_progress: !options.quiet && !graph.sinks().any(|node| node.sink.prints_on_terminal()),
        quiet: options.quiet,
        records: 0,
        snapshots: SnapshotFigures::default(),
        event_time: EventTimeFigures::default(),
        state_disk_bytes: 0,
        last_snapshot: start.place().id(),
        restarts: Restarts::new(options.restart),
    };
    loop {
        let state = Arc::new(directories.backend(&options));
        let setting = Setting {
            graph: Arc::clone(&graph),
            options: &options,
            clock: clock.clone(),
            snapshots: directories.snapshots.as_ref(),
            first_snapshot: directories.next_snapshot(run.last_snapshot),
            restored: start.restored(),
            state: Arc::clone(&state),
            savepoints: savepoints.as_ref(),
            pauses: Arc::clone(&pauses),
        };
        // What can't be prepared (results in the way, input that is gone) does not get better by trying again.
        let (attempt, seeds) = Attempt::prepare(setting, false)?;
        let error = match run.attempt(attempt, seeds) {
            Ok(ending) => {
                let savepoint = run.leave_savepoint(&options, ending)?;
                run.snapshots.pauses = pauses.read();
                run.state_disk_bytes = state.disk_bytes();
                let elapsed = clock.monotonic().saturating_sub(started);
                return Ok(run.summary(&graph.job, ending, savepoint, elapsed));
            }
            Err(error) => error,
        };
        start = run.start_again(start, error)?;
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
    for (name, program) in graph.keyed_programs() {
        let schema = program.state.schema;
        lines.push(format!("operator {name:?}: state {}, keyed by {}", schema.name, schema.key));
    }
    for EntryState { operator, scope, program } in &graph.entry_states {
        let name = &program.state.schema.name;
        lines.push(format!("operator {operator:?}: state {name}, {}", scope.in_words()));
    }
    for node in graph.sinks() {
        lines.push(format!("sink {:?}: {}", node.name, node.sink.describe()));
    }
    let first = FirstStart::look(graph, options)?;
    lines.extend(first.differences.iter().map(ToString::to_string));
    lines.extend(first.skipped().iter().map(ToString::to_string));
    lines.push(format!("starts {}", first.place()));
    Ok(lines.join("\n"))
}

/// What goes on over all attempts, and what is counted.
struct Run<'a> {
    clock: Clock,
    mode: Mode,
    signals: &'a Signals,
    directories: &'a Directories,
    /// The first snapshot that this run can have taken.
    first_snapshot: SnapshotId,
    /// None if no snapshots are kept.
    savepoints: Option<&'a Savepoints>,
    shows_progress: bool,
    quiet: bool,
    records: u64,
    snapshots: SnapshotFigures,
    event_time: EventTimeFigures,
    state_disk_bytes: u64,
    last_snapshot: Option<SnapshotId>,
    restarts: Restarts,
}

impl Run<'_> {
    fn attempt(&mut self, mut attempt: Attempt<'_>, seeds: Vec<WorkerSeed>) -> Result<Ending> {
        let started = attempt.start(seeds);
        let mut progress = Progress::new(!self.shows_progress, attempt.bytes_total);
        let result = started.and_then(|()| self.drive(&mut attempt, &mut progress));
        progress.finish();
        self.records += attempt.metrics.records.load(Ordering::Relaxed);
        self.snapshots.add(&attempt.figures);
        let event_time = attempt.event_time.read(self.clock.now());
        self.event_time = self.event_time.followed_by(event_time);
        self.last_snapshot = attempt.figures.last.map(|last| last.id).or(self.last_snapshot);
        match &result {
            Ok(_) => attempt.serve_late_request(),
            // The next attempt is to serve it.
            Err(_) if attempt.owes_savepoint() => self.signals.request_savepoint(),
            Err(_) => {}
        }
        attempt.end();
        result
    }

    fn drive(&self, attempt: &mut Attempt<'_>, progress: &mut Progress) -> Result<Ending> {
        let began = self.clock.monotonic();
        let mut shown = began;
        let mut stopping = false;
        while !attempt.is_finished() {
            attempt.drive(PAUSE)?;
            if self.signals.stop_requested() && !stopping {
                stopping = true;
                if self.mode == Mode::Batch {
                    return Err(Error::failure("the batch was stopped before its input had ended: there are no results")
                        .hint("start it again, or leave --mode batch out: then what is there when it is stopped is kept"));
                }
                attempt.stop()?;
            }
            if self.signals.take_savepoint_request() {
                self.request_savepoint(attempt)?;
            }
            self.say_savepoints(self.savepoints.map(Savepoints::ended));
            let now = self.clock.monotonic();
            if progress.is_shown() && now.saturating_sub(shown) >= Progress::PERIOD {
                shown = now;
                progress.update(&ProgressReport {
                    records: attempt.metrics.records.load(Ordering::Relaxed),
                    bytes_read: attempt.metrics.bytes.load(Ordering::Relaxed),
                    bytes_total: attempt.bytes_total,
                    event_time: attempt.event_time.read(self.clock.now()),
                    last_snapshot: attempt.last_snapshot(now),
                    failed_snapshots: attempt.failed_snapshots(),
                    savepoint: self.savepoints.and_then(Savepoints::path_of_first),
                    elapsed: now.saturating_sub(began),
                });
            }
        }
        Ok(attempt.ending().unwrap_or(Ending::Exhausted))
    }

    /// Waits as the restart strategy says. Where the next attempt starts.
    ///
    /// # Errors
    /// The failure, if the job may not start again.
    fn start_again(&mut self, last: Start, mut error: Error) -> Result<Start> {
        if self.directories.snapshots.as_ref().is_some_and(SnapshotDirectory::is_taken_over) {
            return Err(error);
        }
        loop {
            let place = self.newest_place(&last);
            match self.restarts.on_failure(self.clock.monotonic()) {
                Decision::RestartAfter(delay) if !self.signals.stop_requested() => {
                    let after = format!("in {}", humantime::format_duration(delay));
                    tracing::error!("{error:#}");
                    tracing::warn!(restart = self.restarts.count(), "the job starts again {after}, {place}");
                    wait(delay, &self.clock, self.signals);
                }
                Decision::RestartAfter(_) | Decision::GiveUp => {
                    self.wait_for_savepoints();
                    return Err(place.hint(error));
                }
            }
            let start =
                if place == last.place() { Ok(last.clone()) } else { self.directories.start_at(&place) };
            match start {
                Ok(start) => return Ok(start),
                // What can't be read now could be soon: another failure, with the same patience.
                Err(unreadable) => error = unreadable,
            }
        }
    }

    /// Where the newest snapshot is. If nobody can look just now, the run knows what it has completed.
    fn newest_place(&self, last: &Start) -> Place {
        let known = || {
            let (snapshots, newest) = (self.directories.snapshots.as_ref()?, self.snapshots.last?);
            Some(Place::Snapshot(newest.id, snapshots.name(newest.id)))
        };
        let newest = self.directories.newest_since(self.first_snapshot).unwrap_or_else(|_| known());
        newest.unwrap_or_else(|| last.place())
    }

    fn request_savepoint(&self, attempt: &mut Attempt<'_>) -> Result<()> {
        if self.savepoints.is_some() {
            return attempt.request_savepoint();
        }
        let (why, flag) = match &self.directories.snapshots {
            None => ("no snapshots are kept", "--snapshot-dir DIR"),
            Some(_) => ("snapshots are kept at a URL", "--savepoint-dir DIR"),
        };
        tracing::warn!("a savepoint was asked for, and {why}: that needs {flag}");
        Ok(())
    }

    fn wait_for_savepoints(&self) {
        self.say_savepoints(self.savepoints.map(Savepoints::wait));
    }

    /// Says how savepoints that were asked for have ended.
    fn say_savepoints(&self, ended: Option<Vec<(Savepoint, Result<()>)>>) {
        for (Savepoint { snapshot, path }, result) in ended.into_iter().flatten() {
            match result {
                Ok(()) if self.quiet => {
                    tracing::info!("savepoint of snapshot {snapshot}: {}", path.display())
                }
                Ok(()) => say(&format!("savepoint of snapshot {snapshot}: {}", path.display())),
                Err(error) => tracing::warn!("no savepoint is made of snapshot {snapshot}: {error:#}"),
            }
        }
    }

    /// Leaves the savepoint of the last snapshot that the user wants of a job that ends. Where it is.
    fn leave_savepoint(&self, options: &RunOptions, ending: Ending) -> Result<Option<PathBuf>> {
        self.wait_for_savepoints();
        let (Some(path), Some(snapshots), Some(last)) =
            (&options.stop_with_savepoint, &self.directories.snapshots, self.last_snapshot)
        else {
            return Ok(None);
        };
        let snapshot = snapshots.name(last);
        let ended = match ending {
            Ending::Exhausted => "finished",
            Ending::Stopped => "stopped",
        };
        savepoints::write(snapshots, last, path).map_err(|error| {
            let hint = format!("snapshot {last} is intact: go on with --restore {}", snapshot.display());
            error.within(format_args!("the job has {ended}, and left no savepoint")).further_hint(hint)
        })?;
        Ok(Some(path.clone()))
    }

    fn summary(self, job: &str, ending: Ending, savepoint: Option<PathBuf>, elapsed: Duration) -> Summary {
        Summary {
            job: job.to_string(),
            outcome: match ending {
                Ending::Exhausted => Outcome::Finished,
                Ending::Stopped => Outcome::Stopped,
            },
            records: self.records,
            elapsed,
            snapshots: self.snapshots,
            event_time: self.event_time,
            state_disk_bytes: self.state_disk_bytes,
            savepoint,
            restarts: self.restarts.count(),
        }
    }
}

/// Waits before a restart; a request to stop cuts it short.
fn wait(delay: Duration, clock: &Clock, signals: &Signals) {
    let until = clock.monotonic().saturating_add(delay);
    while !signals.stop_requested() && clock.monotonic() < until {
        std::thread::sleep(PAUSE.min(until.saturating_sub(clock.monotonic())));
    }
}
