//! One attempt to run a job: from the splits and the snapshot it starts from, to the end or to the first failure.
//!
//! The attempt is the driver of the [`Coordinator`]: it carries its decisions to the workers, and what the workers report
//! back to it. Workers may run in threads of their own, or be stepped in the calling thread under virtual time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::exchange::channel::Doorbell;
use crate::job::RunOptions;
use crate::job::compactor::Compactor;
use crate::job::figures::{CompleteSnapshot, SnapshotFigures};
use crate::job::graph::Graph;
use crate::job::input::{Input, describe};
use crate::job::savepoints::Savepoints;
use crate::job::seed::{Rings, WorkerSeed};
use crate::record::{Barrier, BarrierKind, SnapshotId};
use crate::sink::{Pending, SettleContext};
use crate::snapshot::chain::Chains;
use crate::snapshot::coordinator::{Action, Consequence, Coordinator, CoordinatorConfig, Ending};
use crate::snapshot::manifest::{ChannelState, FORMAT, Manifest, StateFiles};
use crate::snapshot::overtaking::{Half, Overtaking, SnapshotMode};
use crate::snapshot::part::{Entry, RestoredState};
use crate::snapshot::pool::Hold;
use crate::snapshot::{PendingSnapshot, Snapshot, SnapshotDirectory};
use crate::source::Throttle;
use crate::state::backend::StateBackend;
use crate::task::event_time::EventTimeBoard;
use crate::task::metrics::{PauseMetrics, SourceMetrics};
use crate::task::mode::Mode;
use crate::task::termination::{Decision, Termination};
use crate::task::worker::{Command, Report, SnapshotPart, TaskId};
use crate::time::Clock;

/// What an attempt starts from and works with.
pub(crate) struct Setting<'a> {
    pub graph: Arc<Graph>,
    pub options: &'a RunOptions,
    pub clock: Clock,
    pub snapshots: Option<&'a SnapshotDirectory>,
    pub restored: Option<Arc<Restored>>,
    pub state: Arc<StateBackend>,
    pub first_snapshot: SnapshotId,
    /// Where savepoints are written; nowhere in a job that keeps no snapshots.
    pub savepoints: Option<&'a Savepoints>,
    pub pauses: Arc<PauseMetrics>,
}

/// The snapshot that a job starts from.
pub(crate) struct Restored {
    pub id: SnapshotId,
    pub path: PathBuf,
    /// The files of its keyed state, and where they lie.
    pub chains: Chains,
    pub state_path: PathBuf,
    pub state: Arc<dyn RestoredState>,
}

impl From<Snapshot> for Restored {
    fn from(snapshot: Snapshot) -> Restored {
        Restored {
            id: snapshot.id(),
            path: snapshot.path().to_path_buf(),
            chains: Chains::restored(snapshot.manifest()),
            state_path: snapshot.state_path().to_path_buf(),
            state: Arc::new(snapshot),
        }
    }
}

/// A running attempt, as its driver sees it.
pub(crate) struct Attempt<'a> {
    setting: Setting<'a>,
    coordinator: Coordinator,
    overtaking: Overtaking,
    /// Finds out when nothing goes round any more, in a job with loops.
    termination: Option<Termination>,
    reports: Receiver<Report>,
    workers: Vec<WorkerHandle>,
    /// The number of each source subtask, as the coordinator counts them.
    sources: BTreeMap<TaskId, usize>,
    /// The snapshot whose parts are being gathered.
    gathering: Option<Gathering>,
    /// Keeps the files of keyed state, in a job that keeps snapshots.
    compactor: Option<Compactor>,
    /// Why the snapshot in flight will never be complete: the first reason.
    failure: Option<Error>,
    /// Whether the user waits for a savepoint, and no snapshot has begun since.
    savepoint_wanted: bool,
    /// The snapshot in flight, if a savepoint is to be made of it as soon as it is committed everywhere.
    savepoint_of: Option<SnapshotId>,
    cancelled: Arc<AtomicBool>,
    /// Keeps the files that the job was restored from: workers load from them when they need to.
    _restored: Option<Hold>,
    pub metrics: Arc<SourceMetrics>,
    pub event_time: Arc<EventTimeBoard>,
    /// The bytes of all splits, if all are known.
    pub bytes_total: Option<u64>,
    /// What the snapshots of this attempt came to.
    pub figures: SnapshotFigures,
    /// When the last one was complete.
    completed_at: Duration,
    finished: bool,
}

/// A snapshot that has begun and is not complete.
struct Gathering {
    barrier: Barrier,
    /// Where its files are; nowhere in a job that keeps no snapshots, whose barriers only make sinks commit.
    directory: Option<PendingSnapshot>,
    parts: Vec<SnapshotPart>,
    channels: Vec<ChannelState>,
    /// When its barrier was sent out.
    began: Duration,
}

struct WorkerHandle {
    commands: Sender<Command>,
    doorbell: Doorbell,
    thread: Option<JoinHandle<()>>,
}

impl<'a> Attempt<'a> {
    /// Prepares an attempt: settles the sinks, deals the splits, joins the stages by channels. The seeds are to be made
    /// workers, each in its own thread or all in this one.
    ///
    /// # Errors
    /// If a sink can't settle, or a source does not have what the snapshot says it has.
    pub fn prepare(setting: Setting<'a>, writes_inline: bool) -> Result<(Attempt<'a>, Vec<WorkerSeed>)> {
        settle_sinks(&setting)?;
        let graph = Arc::clone(&setting.graph);
        let parallelism = setting.options.parallelism;
        let workers = parallelism.get() as usize;
        let input = Input::deal(&setting)?;

        let (reports, report_end) = channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let metrics = Arc::new(SourceMetrics::default());
        let event_time = Arc::new(EventTimeBoard::default());
        let throttle = Arc::new(match setting.options.max_rate {
            Some(rate) => Throttle::per_second(rate.get() as f64, setting.clock.clone()),
            None => Throttle::unlimited(),
        });
        let describe = describe(Arc::clone(&graph), input.names);
        let doorbells: Vec<Doorbell> = parallelism.subtasks().map(|_| Doorbell::default()).collect();
        let mut rings = Rings::between(&graph, workers);
        let mut dealt = input.dealt;

        let mut handles = Vec::new();
        let mut seeds = Vec::new();
        for subtask in parallelism.subtasks() {
            let (commands, command_end) = channel();
            let doorbell = doorbells[subtask.index()].clone();
            handles.push(WorkerHandle { commands, doorbell, thread: None });
            let splits =
                dealt.iter_mut().map(|(stage, dealt)| (*stage, std::mem::take(&mut dealt[subtask.index()])));
            seeds.push(WorkerSeed {
                subtask,
                graph: Arc::clone(&graph),
                options: setting.options.clone(),
                restored: setting.restored.clone(),
                state: Arc::clone(&setting.state),
                snapshots: setting.snapshots.is_some(),
                splits: splits.collect(),
                throttle: Arc::clone(&throttle),
                metrics: Arc::clone(&metrics),
                clock: setting.clock.clone(),
                senders: rings.take_senders(subtask),
                receivers: rings.take_receivers(subtask),
                doorbells: doorbells.clone(),
                commands: command_end,
                reports: reports.clone(),
                cancelled: Arc::clone(&cancelled),
                event_time: Arc::clone(&event_time),
                pauses: Arc::clone(&setting.pauses),
                describe: Arc::clone(&describe),
                writes_inline,
            });
        }

        let sources: BTreeMap<TaskId, usize> = graph
            .sources()
            .flat_map(|(stage, _, _)| parallelism.subtasks().map(move |subtask| TaskId { stage, subtask }))
            .zip(0..)
            .collect();
        let coordinator = Coordinator::new(CoordinatorConfig {
            interval: match setting.options.mode {
                Mode::Streaming => setting.options.snapshot_interval,
                // The last barrier is the only one.
                Mode::Batch => Duration::MAX,
            },
            min_pause: setting.options.snapshot_min_pause,
            // Where nothing is kept, nothing can be given up: a barrier only has sinks commit.
            timeout: setting.snapshots.map_or(Duration::MAX, |_| setting.options.snapshot_timeout),
            failures_tolerated: setting.options.tolerated_snapshot_failures.unwrap_or(u32::MAX),
            first_id: setting.first_snapshot,
            subtasks: graph.stages.len() * workers,
            // What goes round in loops is a source of its own: the input has not ended before it has.
            sources: sources.len() + usize::from(graph.has_loops()),
        });
        let termination = graph.has_loops().then(|| Termination::new(workers, sources.len()));
        // Without a place for them, records in flight can't be part of anything.
        let mode = setting.snapshots.map_or(SnapshotMode::Aligned, |_| setting.options.snapshot_mode);
        let compactor = setting.snapshots.map(|snapshots| {
            Compactor::new(snapshots.pool(), setting.restored.as_deref(), setting.options, writes_inline)
        });
        let restored_files = match (setting.snapshots, &setting.restored) {
            (Some(snapshots), Some(restored)) => Some(snapshots.pool().hold(restored.chains.files())),
            _ => None,
        };
        let attempt = Attempt {
            _restored: restored_files,
            setting,
            coordinator,
            overtaking: Overtaking::new(mode),
            termination,
            reports: report_end,
            workers: handles,
            sources,
            gathering: None,
            compactor,
            failure: None,
            savepoint_wanted: false,
            savepoint_of: None,
            cancelled,
            metrics,
            event_time,
            bytes_total: input.bytes,
            figures: SnapshotFigures::default(),
            completed_at: Duration::ZERO,
            finished: false,
        };
        Ok((attempt, seeds))
    }

    /// Gives every seed a thread.
    ///
    /// # Errors
    /// If the operating system has none left.
    pub fn start(&mut self, seeds: Vec<WorkerSeed>) -> Result<()> {
        for (handle, seed) in self.workers.iter_mut().zip(seeds) {
            let name = format!("worker-{}", seed.subtask);
            handle.thread = Some(crate::task::thread::spawn(&name, move || seed.run())?);
        }
        Ok(())
    }

    /// Waits for reports, `longest` at most, and acts on them and on the time.
    ///
    /// # Errors
    /// What made the attempt fail; the workers are then to be stopped.
    pub fn drive(&mut self, longest: Duration) -> Result<()> {
        let mut report = self.reports.recv_timeout(longest).ok();
        if report.is_none() && !self.finished && self.workers.iter().any(WorkerHandle::has_ended) {
            // Its last report may have come in the meantime.
            report = self.reports.try_recv().ok();
            if report.is_none() {
                return Err(Error::failure("a worker ended without a word; this is a defect of Tidegate"));
            }
        }
        while let Some(next) = report {
            self.on_report(next)?;
            report = self.reports.try_recv().ok();
        }
        let now = self.setting.clock.monotonic();
        if let Some(compactor) = &mut self.compactor {
            compactor.turn();
        }
        let action = self.coordinator.tick(now);
        self.act(action)?;
        if let Some(barrier) = self.overtaking.tick(now) {
            tracing::debug!(snapshot = barrier.snapshot.0, "the barrier overtakes what is in flight");
            self.tell(&Command::Overtake(barrier));
        }
        Ok(())
    }

    /// Whether a snapshot has begun and is not complete.
    pub fn is_gathering(&self) -> bool {
        self.gathering.is_some()
    }

    /// Has the job stop, with a snapshot.
    ///
    /// # Errors
    /// If the snapshot can't begin.
    pub fn stop(&mut self) -> Result<()> {
        let action = self.coordinator.stop();
        self.act(action)
    }

    /// Has a savepoint be made of a snapshot that begins now, or as soon as the one in flight has ended.
    ///
    /// # Errors
    /// If a snapshot fails that may not.
    pub fn request_savepoint(&mut self) -> Result<()> {
        match &self.gathering {
            // Nothing begins behind the last one, and nothing is missing in it.
            Some(last) if last.barrier.kind == BarrierKind::Last => {
                self.savepoint_of = Some(last.barrier.snapshot);
            }
            _ => self.savepoint_wanted = true,
        }
        self.trigger()
    }

    /// Has a snapshot begin now, or as soon as the one in flight has ended.
    ///
    /// # Errors
    /// If a snapshot fails that may not.
    pub fn trigger(&mut self) -> Result<()> {
        let action = self.coordinator.trigger();
        self.act(action)
    }

    /// Whether a savepoint was asked for that has not begun.
    pub fn owes_savepoint(&self) -> bool {
        self.savepoint_wanted || self.savepoint_of.is_some()
    }

    /// Begins the savepoint that was asked for when the last snapshot was complete already: of that one.
    pub fn serve_late_request(&mut self) {
        if let (true, Some(last)) = (self.savepoint_wanted, self.figures.last) {
            self.begin_savepoint(last.id);
        }
    }

    /// The last complete snapshot of this attempt, and how long ago it was complete.
    pub fn last_snapshot(&self, now: Duration) -> Option<(CompleteSnapshot, Duration)> {
        self.figures.last.map(|last| (last, now.saturating_sub(self.completed_at)))
    }

    /// How many snapshots have failed since.
    pub fn failed_snapshots(&self) -> u32 {
        self.coordinator.failures()
    }

    /// Whether the last snapshot is committed everywhere.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Why nothing follows.
    pub fn ending(&self) -> Option<Ending> {
        self.coordinator.ending()
    }

    /// Ends the workers, whatever they are at, and waits for their threads.
    pub fn end(mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
        for worker in &mut self.workers {
            worker.doorbell.ring();
            if let Some(thread) = worker.thread.take() {
                // A worker that panicked has been reported; there is nothing to add.
                let _ = thread.join();
            }
        }
        self.discard();
    }

    fn on_report(&mut self, report: Report) -> Result<()> {
        let action = match report {
            Report::Failed(error) => return Err(error),
            Report::Exhausted(task) => match self.sources.get(&task) {
                Some(source) => {
                    let decision = self.termination.as_mut().and_then(|loops| loops.exhausted(*source));
                    let action = self.coordinator.exhausted(*source);
                    action.or_else(|| self.decide(decision))
                }
                None => None,
            },
            Report::Traffic(worker, wave, traffic) => {
                let loops = self.termination.as_mut();
                let decision = loops.and_then(|loops| loops.answered(worker.index(), wave, traffic));
                self.decide(decision)
            }
            Report::Acknowledged(task, snapshot, part) => {
                if let Some(gathering) = &mut self.gathering {
                    gathering.parts.push(part);
                }
                self.answered(task, snapshot, Half::State)
            }
            Report::CutEarly(task, snapshot) => {
                self.overtaking.cut_early(snapshot, task.stage, task.subtask);
                None
            }
            Report::Recorded(task, snapshot, channel) => {
                if let Some(gathering) = &mut self.gathering {
                    gathering.channels.extend(channel);
                }
                self.answered(task, snapshot, Half::Channels)
            }
            Report::SnapshotFailed(task, snapshot, half, error) => {
                tracing::debug!(?task, snapshot = snapshot.0, ?half, %error, "a part could not be written");
                self.failure.get_or_insert(error);
                self.answered(task, snapshot, half)
            }
            Report::Committed(task, snapshot) => {
                let action = self.coordinator.committed(snapshot, task.stage, task.subtask);
                if self.savepoint_of.is_some() && self.savepoint_of == self.coordinator.settled() {
                    self.begin_savepoint(snapshot);
                }
                action
            }
        };
        self.act(action)
    }

    /// Acts on what has been found out of the loops.
    fn decide(&mut self, decision: Option<Decision>) -> Option<Action> {
        // Of a job that stops the snapshot has what goes round, and its timers.
        if self.coordinator.ending() == Some(Ending::Stopped) {
            return None;
        }
        match decision? {
            Decision::Ask(wave) => self.tell(&Command::Tell(wave)),
            Decision::Release(wave) => {
                self.tell(&Command::ReleaseEnd);
                self.tell(&Command::Tell(wave));
            }
            Decision::End => return self.coordinator.exhausted(self.sources.len()),
        }
        None
    }

    /// A subtask is done with one of the things that its part consists of, for good or ill. The coordinator is told when it is
    /// done with all: until then it may be writing, and its barrier is on its way.
    fn answered(&mut self, task: TaskId, snapshot: SnapshotId, half: Half) -> Option<Action> {
        if !self.overtaking.answered(snapshot, task.stage, task.subtask, half) {
            return None;
        }
        match self.failure {
            // Whosever failure it is: the snapshot will not be complete.
            Some(_) => self.coordinator.part_failed(snapshot, task.stage, task.subtask),
            None => self.coordinator.acknowledged(snapshot, task.stage, task.subtask),
        }
    }

    fn act(&mut self, mut action: Option<Action>) -> Result<()> {
        while let Some(next) = action {
            action = match next {
                Action::Inject(barrier) => match self.inject(barrier) {
                    Ok(()) => None,
                    Err(error) => {
                        self.failure = Some(error);
                        self.coordinator.not_begun(barrier.snapshot)
                    }
                },
                Action::Complete(snapshot) => match self.complete(snapshot) {
                    Ok(()) => self.coordinator.completed(snapshot),
                    // It is there, and may or may not survive a loss of power: the next attempt looks.
                    Err(error) if self.appeared(snapshot) || self.is_taken_over() => return Err(error),
                    Err(error) => {
                        self.failure = Some(error);
                        self.sweep();
                        self.coordinator.not_completed(snapshot)
                    }
                },
                Action::GiveUp(snapshot, consequence) => {
                    self.give_up(snapshot, consequence)?;
                    None
                }
                Action::Discard(_) => {
                    self.discard();
                    None
                }
                Action::Commit(snapshot) => {
                    self.tell(&Command::Commit(snapshot));
                    None
                }
                Action::Finish => {
                    self.finished = true;
                    self.tell(&Command::Finish);
                    None
                }
            };
        }
        Ok(())
    }

    fn tell(&self, command: &Command) {
        for worker in &self.workers {
            // A worker that has ended has reported why; its end is noticed there.
            let _ = worker.commands.send(command.clone());
            worker.doorbell.ring();
        }
    }

    fn inject(&mut self, barrier: Barrier) -> Result<()> {
        self.failure = None;
        self.savepoint_of = std::mem::take(&mut self.savepoint_wanted).then_some(barrier.snapshot);
        let begin = |snapshots: &SnapshotDirectory| snapshots.begin(barrier.snapshot);
        let directory = self.setting.snapshots.map(begin).transpose()?;
        let pool = self.setting.snapshots.map(|snapshots| snapshots.pool().clone());
        let began = self.setting.clock.monotonic();
        self.gathering =
            Some(Gathering { barrier, directory, parts: Vec::new(), channels: Vec::new(), began });
        match self.savepoint_of {
            // It may be for another version of the program: it has state alone, and what goes round in loops.
            Some(_) => self.overtaking.begin_aligned(barrier),
            None => self.overtaking.begin(barrier, began),
        }
        tracing::debug!(snapshot = barrier.snapshot.0, kind = ?barrier.kind, "snapshot begins");
        self.tell(&Command::Inject(barrier, pool));
        Ok(())
    }

    fn complete(&mut self, snapshot: SnapshotId) -> Result<()> {
        self.overtaking.end();
        let Some(Gathering { barrier, directory: Some(directory), parts, mut channels, began }) =
            self.gathering.take()
        else {
            return Ok(());
        };
        channels.sort_by(|a, b| (&a.operator, a.groups.first).cmp(&(&b.operator, b.groups.first)));
        let in_flight: u64 = channels.iter().map(|channel| channel.records).sum();
        let bytes = parts.iter().map(SnapshotPart::bytes).sum::<u64>()
            + channels.iter().map(|channel| channel.bytes).sum::<u64>();
        let mut entries = Vec::new();
        let mut written = Vec::new();
        for part in parts {
            entries.extend(part.entries);
            written.extend(part.operators);
        }
        let chains = match &mut self.compactor {
            Some(compactor) => compactor.with(written)?,
            None => Chains::default(),
        };
        entries.sort_by(|a: &Entry, b: &Entry| (&a.owner, &a.item).cmp(&(&b.owner, &b.item)));
        let manifest = Manifest {
            format: FORMAT,
            job: self.setting.graph.job.clone(),
            snapshot,
            kind: barrier.kind.into(),
            taken_at: self.setting.clock.now(),
            parallelism: self.setting.options.parallelism,
            max_parallelism: self.setting.options.max_parallelism,
            files: StateFiles::Shared,
            operators: chains.operators(),
            channels,
            entries,
        };
        directory.complete(&manifest)?;
        if let Some(compactor) = &mut self.compactor {
            compactor.completed(chains, &manifest);
        }
        self.completed_at = self.setting.clock.monotonic();
        let duration = self.completed_at.saturating_sub(began);
        self.figures.complete(CompleteSnapshot { id: snapshot, bytes, duration });
        self.figures.in_flight += in_flight;
        tracing::info!(snapshot = snapshot.0, bytes, in_flight, ?duration, "snapshot is complete");
        self.retain();
        Ok(())
    }

    /// Whether a snapshot that could not be completed is there all the same.
    fn appeared(&self, snapshot: SnapshotId) -> bool {
        self.setting.snapshots.is_some_and(|snapshots| snapshots.snapshot_path(snapshot).exists())
    }

    /// Whether another job writes where the snapshots are.
    fn is_taken_over(&self) -> bool {
        self.setting.snapshots.is_some_and(SnapshotDirectory::is_taken_over)
    }

    /// Begins the savepoint that is to be made of a snapshot. It is committed everywhere: so a savepoint names no results
    /// that somebody would have to look for.
    fn begin_savepoint(&mut self, snapshot: SnapshotId) {
        self.savepoint_of = None;
        let (Some(savepoints), Some(snapshots)) = (self.setting.savepoints, self.setting.snapshots) else {
            return;
        };
        if let Err(error) = savepoints.begin(snapshots, snapshot) {
            tracing::warn!("the savepoint that was asked for is not written: {error:#}");
        }
    }

    /// Removes snapshots that are too many.
    fn retain(&self) {
        let Some(snapshots) = self.setting.snapshots else { return };
        // Too many snapshots are no reason to fail; the next one tries again.
        if let Err(error) = snapshots.retain(self.setting.options.retain) {
            tracing::warn!(%error, "older snapshots can't be removed");
        }
    }

    /// Says that a snapshot failed.
    ///
    /// # Errors
    /// That it failed, if that is not borne.
    fn give_up(&mut self, snapshot: SnapshotId, consequence: Consequence) -> Result<()> {
        self.figures.failed += 1;
        let options = self.setting.options;
        let cause = self.failure.take().unwrap_or_else(|| {
            let timeout = humantime::format_duration(options.snapshot_timeout);
            Error::failure(format!("it was not complete after {timeout}"))
                .hint("is the job held up behind a slow stage? --snapshot-timeout gives it more time")
        });
        let what = match (consequence, options.tolerated_snapshot_failures) {
            (Consequence::GoOn, _) => {
                let restored = self.setting.restored.as_ref().map(|restored| restored.id);
                match self.figures.last.map(|last| last.id).or(restored) {
                    Some(last) => format!("failed, and the job goes on; the last complete one is {last}"),
                    None => "failed, and the job goes on; there is no complete one yet".to_string(),
                }
            }
            (Consequence::Fail, Some(tolerated)) if self.coordinator.failures() > tolerated => {
                format!("failed, and no more than {tolerated} in a row are tolerated")
            }
            (Consequence::Fail, _) => "was to be the last one, and failed".to_string(),
        };
        let error = cause.within(format_args!("snapshot {snapshot} {what}"));
        if consequence == Consequence::Fail {
            return Err(error);
        }
        tracing::warn!("{error:#}");
        if self.savepoint_of.take().is_some() {
            tracing::warn!("so no savepoint is made of snapshot {snapshot}: ask for it again");
        }
        Ok(())
    }

    /// Removes what was written of a snapshot that was given up.
    fn discard(&mut self) {
        self.overtaking.end();
        let Some(directory) = self.gathering.take().and_then(|gathering| gathering.directory) else { return };
        if let Err(error) = directory.abandon() {
            // It will be, when the directory is next opened.
            tracing::debug!(%error, "what was left of a snapshot can't be removed");
        }
        self.sweep();
    }

    /// Removes the state files of snapshots that were given up: if these failed for want of room, they are in the way of the
    /// next.
    fn sweep(&self) {
        if let Some(Err(error)) = self.setting.snapshots.map(SnapshotDirectory::sweep) {
            // They will be, behind the next snapshot that is complete.
            tracing::debug!(%error, "state files that nobody needs can't be removed");
        }
    }
}

impl WorkerHandle {
    fn has_ended(&self) -> bool {
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}

/// Has every sink commit what the snapshot has pending, and roll back the rest.
fn settle_sinks(setting: &Setting<'_>) -> Result<()> {
    for node in setting.graph.sinks() {
        let pending = match &setting.restored {
            Some(restored) => restored
                .state
                .entries(&crate::sink::step::owner(&node.name))
                .into_iter()
                .map(|entry| serde_json::from_value(entry.value.clone()))
                .collect::<Result<Vec<Pending>, _>>()?,
            None => Vec::new(),
        };
        node.sink.settle(&SettleContext {
            job: &setting.graph.job,
            sink: &node.name,
            restored: setting.restored.as_ref().map(|restored| restored.id),
            pending: &pending,
        })?;
    }
    Ok(())
}
