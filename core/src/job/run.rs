//! Runs a job: from the snapshot it is to start from, attempt after attempt, until it is done or may not restart any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Result;
use crate::job::RunOptions;
use crate::job::attempt::{Attempt, Setting};
use crate::job::graph::Graph;
use crate::job::progress::{Outcome, Progress, ProgressReport, Summary};
use crate::job::restart::{Decision, Restarts};
use crate::job::seed::WorkerSeed;
use crate::job::signals::StopSignal;
use crate::job::start::Directories;
use crate::record::SnapshotId;
use crate::snapshot::coordinator::Ending;
use crate::snapshot::entry_state::EntryState;
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
    let first_snapshot = directories.next_snapshot(start.id());
    // A display beside results on the same terminal would tear them.
    let quiet = options.quiet || graph.sinks().any(|node| node.sink.prints_on_terminal());
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
            state: Arc::new(directories.backend(options)),
        };
        // What can't be prepared (results in the way, input that is gone) does not get better by trying again.
        let (attempt, seeds) = Attempt::prepare(setting, false)?;
        let error = match run.attempt(attempt, seeds, quiet, &clock, stop) {
            Ok(ending) => {
                return Ok(run.summary(&graph.job, ending, clock.monotonic().saturating_sub(started)));
            }
            Err(error) => error,
        };
        start = directories.latest_since(first_snapshot)?.unwrap_or(start);
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
    let directories = Directories::open(graph, options)?;
    let (start, changes) = directories.check(graph, options)?;
    lines.extend(changes);
    lines.extend(start.skipped().iter().map(ToString::to_string));
    lines.push(format!("starts {start}"));
    Ok(lines.join("\n"))
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
