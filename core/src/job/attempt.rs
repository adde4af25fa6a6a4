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
use crate::job::graph::Graph;
use crate::job::input::{Input, describe};
use crate::job::seed::{Rings, WorkerSeed};
use crate::record::{Barrier, SnapshotId};
use crate::sink::{Pending, SettleContext};
use crate::snapshot::coordinator::{Action, Coordinator, CoordinatorConfig, Ending};
use crate::snapshot::manifest::{ChannelState, FORMAT, Manifest, OperatorState};
use crate::snapshot::overtaking::{Overtaking, SnapshotMode};
use crate::snapshot::part::{Entry, RestoredState};
use crate::snapshot::{PendingSnapshot, Snapshot, SnapshotDirectory};
use crate::source::Throttle;
use crate::state::fjall::WorkingCopy;
use crate::task::metrics::{SourceMetrics, WatermarkMetrics};
use crate::task::worker::{Command, Report, SnapshotPart, TaskId};
use crate::time::Clock;

/// What an attempt starts from and works with.
pub(crate) struct Setting<'a> {
    pub graph: Arc<Graph>,
    pub options: &'a RunOptions,
    pub clock: Clock,
    pub snapshots: Option<&'a SnapshotDirectory>,
    pub restored: Option<Arc<Restored>>,
    pub working_copy: Arc<WorkingCopy>,
    pub first_snapshot: SnapshotId,
}

/// The snapshot that a job starts from.
pub(crate) struct Restored {
    pub id: SnapshotId,
    pub path: PathBuf,
    pub state: Box<dyn RestoredState + Send + Sync>,
}

impl From<Snapshot> for Restored {
    fn from(snapshot: Snapshot) -> Restored {
        Restored { id: snapshot.id(), path: snapshot.path().to_path_buf(), state: Box::new(snapshot) }
    }
}

/// A running attempt, as its driver sees it.
pub(crate) struct Attempt<'a> {
    setting: Setting<'a>,
    coordinator: Coordinator,
    overtaking: Overtaking,
    reports: Receiver<Report>,
    workers: Vec<WorkerHandle>,
    /// The number of each source subtask, as the coordinator counts them.
    sources: BTreeMap<TaskId, usize>,
    /// The snapshot whose parts are being gathered.
    gathering: Option<Gathering>,
    cancelled: Arc<AtomicBool>,
    pub metrics: Arc<SourceMetrics>,
    pub watermarks: Arc<WatermarkMetrics>,
    /// The bytes of all splits, if all are known.
    pub bytes_total: Option<u64>,
    /// The last complete snapshot of this attempt, and when it was complete.
    pub last_snapshot: Option<(SnapshotId, Duration)>,
    /// How many snapshots were completed.
    pub snapshots: u64,
    /// How many records were in flight at their cuts.
    pub in_flight: u64,
    finished: bool,
}

/// A snapshot that has begun and is not complete.
struct Gathering {
    barrier: Barrier,
    /// Where its files are; nowhere in a job that keeps no snapshots, whose barriers only make sinks commit.
    directory: Option<PendingSnapshot>,
    parts: Vec<SnapshotPart>,
    channels: Vec<ChannelState>,
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
        let watermarks = Arc::new(WatermarkMetrics::new(workers));
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
                working_copy: Arc::clone(&setting.working_copy),
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
                watermarks: Arc::clone(&watermarks),
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
            interval: setting.options.snapshot_interval,
            first_id: setting.first_snapshot,
            subtasks: graph.stages.len() * workers,
            sources: sources.len(),
        });
        // Without a place for them, records in flight can't be part of anything.
        let mode = setting.snapshots.map_or(SnapshotMode::Aligned, |_| setting.options.snapshot_mode);
        let attempt = Attempt {
            setting,
            coordinator,
            overtaking: Overtaking::new(mode),
            reports: report_end,
            workers: handles,
            sources,
            gathering: None,
            cancelled,
            metrics,
            watermarks,
            bytes_total: input.bytes,
            last_snapshot: None,
            snapshots: 0,
            in_flight: 0,
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
        if let Some(directory) = self.gathering.take().and_then(|gathering| gathering.directory) {
            // What is left of it is cleaned away when the directory is opened next.
            let _ = directory.abandon();
        }
    }

    fn on_report(&mut self, report: Report) -> Result<()> {
        let action = match report {
            Report::Failed(error) => return Err(error),
            Report::Exhausted(task) => match self.sources.get(&task) {
                Some(source) => self.coordinator.exhausted(*source),
                None => None,
            },
            Report::Acknowledged(task, snapshot, part) => {
                if let Some(gathering) = &mut self.gathering {
                    gathering.parts.push(part);
                }
                if self.overtaking.state_written(snapshot, task.stage, task.subtask) {
                    self.coordinator.acknowledged(snapshot, task.stage, task.subtask)
                } else {
                    None
                }
            }
            Report::CutEarly(task, snapshot) => {
                self.overtaking.cut_early(snapshot, task.stage, task.subtask);
                None
            }
            Report::Recorded(task, snapshot, channel) => {
                if let Some(gathering) = &mut self.gathering
                    && gathering.barrier.snapshot == snapshot
                {
                    gathering.channels.extend(channel);
                }
                if self.overtaking.channels_written(snapshot, task.stage, task.subtask) {
                    self.coordinator.acknowledged(snapshot, task.stage, task.subtask)
                } else {
                    None
                }
            }
            Report::Committed(task, snapshot) => {
                self.coordinator.committed(snapshot, task.stage, task.subtask)
            }
        };
        self.act(action)
    }

    fn act(&mut self, mut action: Option<Action>) -> Result<()> {
        while let Some(next) = action {
            action = match next {
                Action::Inject(barrier) => {
                    self.inject(barrier)?;
                    None
                }
                Action::Complete(snapshot) => {
                    self.complete(snapshot)?;
                    self.coordinator.completed(snapshot)
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
        let begin = |snapshots: &SnapshotDirectory| snapshots.begin(barrier.snapshot);
        let directory = self.setting.snapshots.map(begin).transpose()?;
        let path = directory.as_ref().map(|directory| directory.path().to_path_buf());
        self.gathering = Some(Gathering { barrier, directory, parts: Vec::new(), channels: Vec::new() });
        self.overtaking.begin(barrier, self.setting.clock.monotonic());
        tracing::debug!(snapshot = barrier.snapshot.0, kind = ?barrier.kind, "snapshot begins");
        self.tell(&Command::Inject(barrier, path));
        Ok(())
    }

    fn complete(&mut self, snapshot: SnapshotId) -> Result<()> {
        self.overtaking.end();
        let Some(Gathering { barrier, directory: Some(directory), parts, mut channels }) =
            self.gathering.take()
        else {
            return Ok(());
        };
        channels.sort_by(|a, b| (&a.operator, a.groups.first).cmp(&(&b.operator, b.groups.first)));
        let in_flight: u64 = channels.iter().map(|channel| channel.records).sum();
        let mut entries = Vec::new();
        let mut operators = Vec::new();
        for part in parts {
            entries.extend(part.entries);
            operators.extend(part.operators);
        }
        entries.sort_by(|a: &Entry, b: &Entry| (&a.owner, &a.item).cmp(&(&b.owner, &b.item)));
        directory.complete(&Manifest {
            format: FORMAT,
            job: self.setting.graph.job.clone(),
            snapshot,
            kind: barrier.kind.into(),
            taken_at: self.setting.clock.now(),
            parallelism: self.setting.options.parallelism,
            max_parallelism: self.setting.options.max_parallelism,
            operators: OperatorState::gather(operators),
            channels,
            entries,
        })?;
        tracing::info!(snapshot = snapshot.0, in_flight, "snapshot is complete");
        self.in_flight += in_flight;
        self.last_snapshot = Some((snapshot, self.setting.clock.monotonic()));
        self.snapshots += 1;
        if let Some(snapshots) = self.setting.snapshots {
            // Too many snapshots are no reason to fail; the next one tries again.
            if let Err(error) = snapshots.retain(self.setting.options.retain) {
                tracing::warn!(%error, "older snapshots can't be removed");
            }
        }
        Ok(())
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
