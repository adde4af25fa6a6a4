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
use crate::exchange::channel::{self, Doorbell};
use crate::exchange::input_gate::InputGate;
use crate::exchange::output_gate::OutputGate;
use crate::job::RunOptions;
use crate::job::graph::{Graph, StageRole};
use crate::job::plan::Ship;
use crate::key::SubtaskIndex;
use crate::record::{Barrier, EdgeIndex, Element, Outbox, SnapshotId};
use crate::sink::{Pending, SettleContext};
use crate::snapshot::coordinator::{Action, Coordinator, CoordinatorConfig, Ending};
use crate::snapshot::manifest::{FORMAT, Manifest, OperatorState};
use crate::snapshot::{PendingSnapshot, Snapshot, SnapshotDirectory};
use crate::source::stage::deal_splits;
use crate::source::{AssignedSplit, SplitId, Throttle};
use crate::state::fjall::WorkingCopy;
use crate::task::metrics::{SourceMetrics, WatermarkMetrics};
use crate::task::stage::{Entry, RestoredState, StageContext, Whereabouts};
use crate::task::worker::{Command, Describe, Report, SnapshotPart, Task, TaskId, TaskState, Worker};
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
    reports: Receiver<Report>,
    workers: Vec<WorkerHandle>,
    /// The number of each source subtask, as the coordinator counts them.
    sources: BTreeMap<TaskId, usize>,
    pending: Option<PendingSnapshot>,
    parts: Vec<SnapshotPart>,
    barrier: Option<Barrier>,
    cancelled: Arc<AtomicBool>,
    pub metrics: Arc<SourceMetrics>,
    pub watermarks: Arc<WatermarkMetrics>,
    /// The bytes of all splits, if all are known.
    pub bytes_total: Option<u64>,
    /// The last complete snapshot of this attempt, and when it was complete.
    pub last_snapshot: Option<(SnapshotId, Duration)>,
    /// How many snapshots were completed.
    pub snapshots: u64,
    finished: bool,
}

struct WorkerHandle {
    commands: Sender<Command>,
    doorbell: Doorbell,
    thread: Option<JoinHandle<()>>,
}

/// What a worker is made from, in the thread in which it will run.
pub(crate) struct WorkerSeed {
    subtask: SubtaskIndex,
    graph: Arc<Graph>,
    options: RunOptions,
    restored: Option<Arc<Restored>>,
    working_copy: Arc<WorkingCopy>,
    splits: BTreeMap<usize, Vec<AssignedSplit>>,
    throttle: Arc<Throttle>,
    metrics: Arc<SourceMetrics>,
    clock: Clock,
    senders: BTreeMap<EdgeIndex, Vec<Option<rtrb::Producer<Element>>>>,
    receivers: BTreeMap<EdgeIndex, Vec<Option<rtrb::Consumer<Element>>>>,
    doorbells: Vec<Doorbell>,
    commands: Receiver<Command>,
    reports: Sender<Report>,
    cancelled: Arc<AtomicBool>,
    watermarks: Arc<WatermarkMetrics>,
    describe: Describe,
    writes_inline: bool,
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
        let attempt = Attempt {
            setting,
            coordinator,
            reports: report_end,
            workers: handles,
            sources,
            pending: None,
            parts: Vec::new(),
            barrier: None,
            cancelled,
            metrics,
            watermarks,
            bytes_total: input.bytes,
            last_snapshot: None,
            snapshots: 0,
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
        let action = self.coordinator.tick(self.setting.clock.monotonic());
        self.act(action)
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
        if let Some(pending) = self.pending.take() {
            // What is left of it is cleaned away when the directory is opened next.
            let _ = pending.abandon();
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
                self.parts.push(part);
                self.coordinator.acknowledged(snapshot, task.stage, task.subtask)
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
        self.parts.clear();
        self.barrier = Some(barrier);
        self.pending =
            self.setting.snapshots.map(|directory| directory.begin(barrier.snapshot)).transpose()?;
        let path = self.pending.as_ref().map(|pending| pending.path().to_path_buf());
        tracing::debug!(snapshot = barrier.snapshot.0, kind = ?barrier.kind, "snapshot begins");
        self.tell(&Command::Inject(barrier, path));
        Ok(())
    }

    fn complete(&mut self, snapshot: SnapshotId) -> Result<()> {
        let Some(pending) = self.pending.take() else { return Ok(()) };
        let mut entries = Vec::new();
        let mut operators = Vec::new();
        for part in self.parts.drain(..) {
            entries.extend(part.entries);
            operators.extend(part.operators);
        }
        entries.sort_by(|a: &Entry, b: &Entry| (&a.owner, &a.item).cmp(&(&b.owner, &b.item)));
        let kind = self.barrier.map_or(crate::record::BarrierKind::Periodic, |barrier| barrier.kind);
        pending.complete(&Manifest {
            format: FORMAT,
            job: self.setting.graph.job.clone(),
            snapshot,
            kind: kind.into(),
            taken_at: self.setting.clock.now(),
            parallelism: self.setting.options.parallelism,
            max_parallelism: self.setting.options.max_parallelism,
            operators: OperatorState::gather(operators),
            entries,
        })?;
        tracing::info!(snapshot = snapshot.0, "snapshot is complete");
        self.last_snapshot = Some((snapshot, self.setting.clock.monotonic()));
        self.snapshots += 1;
        if let Some(directory) = self.setting.snapshots {
            directory.retain(self.setting.options.retain)?;
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

/// The splits of all sources, dealt to the subtasks.
struct Input {
    dealt: BTreeMap<usize, Vec<Vec<AssignedSplit>>>,
    /// The source and the id of every split, by its number.
    names: Vec<(String, SplitId)>,
    bytes: Option<u64>,
}

impl Input {
    fn deal(setting: &Setting<'_>) -> Result<Input> {
        let subtasks = setting.options.parallelism.get() as usize;
        let mut input = Input { dealt: BTreeMap::new(), names: Vec::new(), bytes: Some(0) };
        for (stage, name, source) in setting.graph.sources() {
            let splits = source.splits()?;
            let mut positions = BTreeMap::new();
            if let Some(restored) = &setting.restored {
                for entry in restored.state.entries(&crate::source::stage::owner(name)) {
                    positions
                        .insert(SplitId(entry.item.clone()), serde_json::from_value(entry.value.clone())?);
                }
            }
            let dealt = deal_splits(name, splits, positions, input.names.len() as u32, subtasks)?;
            let mut splits: Vec<&AssignedSplit> = dealt.iter().flatten().collect();
            splits.sort_by_key(|split| split.number.0);
            for split in splits {
                input.names.push((name.to_string(), split.split.id.clone()));
                input.bytes = input.bytes.zip(split.split.bytes).map(|(sum, bytes)| sum + bytes);
            }
            input.dealt.insert(stage, dealt);
        }
        input.bytes = input.bytes.filter(|bytes| *bytes > 0);
        Ok(input)
    }
}

/// Says in words where in the job something happened.
fn describe(graph: Arc<Graph>, splits: Vec<(String, SplitId)>) -> Describe {
    Arc::new(move |stage, whereabouts: Whereabouts| {
        let stage = &graph.stages[stage];
        let mut place = match stage.role {
            StageRole::Source(_) => format!("a step behind source {:?}", stage.name),
            StageRole::Keyed(_) => format!("operator {:?}", stage.name),
            StageRole::Local => format!("a step of {:?}", stage.name),
        };
        let mut at = Vec::new();
        if let Some(group) = whereabouts.group {
            at.push(format!("key group {group}"));
        }
        let origin = whereabouts.origin;
        if let Some((source, split)) = origin.split.and_then(|split| splits.get(split.0 as usize)) {
            let records = if matches!(stage.role, StageRole::Source(_)) || origin.first >= origin.last {
                format!("record {}", origin.last)
            } else {
                format!("records {} to {}", origin.first, origin.last)
            };
            at.push(format!("source {source:?}, {}, {records}", split.0));
        }
        if !at.is_empty() {
            place.push_str(&format!(" ({})", at.join("; ")));
        }
        place
    })
}

/// The rings between every two workers, for every edge on which records change workers.
struct Rings {
    senders: BTreeMap<EdgeIndex, Vec<Vec<Option<rtrb::Producer<Element>>>>>,
    receivers: BTreeMap<EdgeIndex, Vec<Vec<Option<rtrb::Consumer<Element>>>>>,
}

impl Rings {
    fn between(graph: &Graph, workers: usize) -> Rings {
        let mut rings = Rings { senders: BTreeMap::new(), receivers: BTreeMap::new() };
        for (edge, node) in (0..).map(EdgeIndex).zip(&graph.edges) {
            if node.ship != Ship::Hash {
                continue;
            }
            let mut senders: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
            let mut receivers: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
            for (from, row) in senders.iter_mut().enumerate() {
                for (to, column) in receivers.iter_mut().enumerate() {
                    let (sender, receiver) = if from == to {
                        (None, None)
                    } else {
                        let (sender, receiver) = channel::remote();
                        (Some(sender), Some(receiver))
                    };
                    row.push(sender);
                    column.push(receiver);
                }
            }
            rings.senders.insert(edge, senders);
            rings.receivers.insert(edge, receivers);
        }
        rings
    }

    fn take_senders(
        &mut self,
        from: SubtaskIndex,
    ) -> BTreeMap<EdgeIndex, Vec<Option<rtrb::Producer<Element>>>> {
        self.senders.iter_mut().map(|(edge, rows)| (*edge, std::mem::take(&mut rows[from.index()]))).collect()
    }

    fn take_receivers(
        &mut self,
        to: SubtaskIndex,
    ) -> BTreeMap<EdgeIndex, Vec<Option<rtrb::Consumer<Element>>>> {
        self.receivers
            .iter_mut()
            .map(|(edge, columns)| (*edge, std::mem::take(&mut columns[to.index()])))
            .collect()
    }
}

impl WorkerSeed {
    /// Becomes a worker and works until the job is over.
    pub fn run(self) {
        let reports = self.reports.clone();
        match crate::task::panic::catch(|| self.grow()) {
            Ok(Ok(worker)) => worker.run(),
            // The coordinator is gone only if the job is over.
            Ok(Err(error)) => drop(reports.send(Report::Failed(error))),
            Err(panic) => {
                drop(reports.send(Report::Failed(Error::failure(format!("a stage panicked: {panic}")))))
            }
        }
    }

    /// Builds the stages, joins them by their gates, opens and restores them.
    ///
    /// # Errors
    /// If a stage can't open or restore.
    pub fn grow(mut self) -> Result<Worker> {
        let graph = Arc::clone(&self.graph);
        let mut local = BTreeMap::new();
        let mut tasks = Vec::with_capacity(graph.stages.len());
        for (index, node) in graph.stages.iter().enumerate() {
            let build = node.build.as_ref().expect("a graph is validated before it runs");
            let mut stage = build();
            stage.open(self.context(index, &node.name))?;
            if let Some(restored) = &self.restored {
                stage.restore(&*restored.state)?;
            }
            // Edges lead from earlier stages to later ones: the sender's end of a local channel is made first.
            let output =
                graph.edges_from(index).map(|(edge, node)| (edge, self.senders(edge, node.ship, &mut local)));
            let output = OutputGate::new(output.collect());
            let state = match node.role {
                StageRole::Source(_) => TaskState::Reading,
                StageRole::Keyed(_) | StageRole::Local => {
                    let edges = graph.edges_to(index).map(|(edge, _)| edge);
                    let receivers = edges.flat_map(|edge| self.receivers(edge, &mut local)).collect();
                    TaskState::Receiving(InputGate::new(receivers))
                }
            };
            let id = TaskId { stage: index, subtask: self.subtask };
            tasks.push(Task {
                id,
                stage,
                state,
                output,
                outbox: Outbox::default(),
                flushed_at: Duration::ZERO,
            });
        }
        Ok(Worker {
            tasks,
            commands: self.commands,
            reports: self.reports,
            cancelled: self.cancelled,
            clock: self.clock,
            doorbell: self.doorbells[self.subtask.index()].clone(),
            watermarks: self.watermarks,
            describe: self.describe,
            snapshot_path: None,
            writes_inline: self.writes_inline,
        })
    }

    fn context(&mut self, stage: usize, name: &str) -> StageContext {
        let options = &self.options;
        StageContext {
            job: self.graph.job.clone(),
            stage: name.to_string(),
            subtask: self.subtask,
            parallelism: options.parallelism,
            max_parallelism: options.max_parallelism,
            groups: self.subtask.groups(options.parallelism, options.max_parallelism),
            state: Arc::clone(&self.working_copy),
            restored: self.restored.as_ref().map(|restored| restored.id),
            splits: self.splits.remove(&stage).unwrap_or_default(),
            throttle: Arc::clone(&self.throttle),
            source_metrics: Arc::clone(&self.metrics),
            clock: self.clock.clone(),
        }
    }

    fn senders(&mut self, edge: EdgeIndex, ship: Ship, local: &mut LocalEnds) -> Vec<channel::Sender> {
        let (own, own_end) = channel::local();
        local.insert(edge, own_end);
        let mut own = Some(own);
        match ship {
            Ship::Local => own.into_iter().collect(),
            Ship::Hash => {
                let rings = self.senders.remove(&edge).unwrap_or_default();
                let lanes = rings.into_iter().zip(&self.doorbells).map(|(ring, doorbell)| match ring {
                    Some(ring) => channel::Sender::Remote(ring, doorbell.clone()),
                    None => own.take().expect("a worker is its own neighbour once"),
                });
                lanes.collect()
            }
        }
    }

    fn receivers(&mut self, edge: EdgeIndex, local: &mut LocalEnds) -> Vec<channel::Receiver> {
        let mut own = local.remove(&edge);
        let Some(rings) = self.receivers.remove(&edge) else { return own.into_iter().collect() };
        let lanes = rings.into_iter().zip(&self.doorbells).map(|(ring, doorbell)| match ring {
            Some(ring) => channel::Receiver::Remote(ring, doorbell.clone()),
            None => own.take().expect("a worker is its own neighbour once"),
        });
        lanes.collect()
    }
}

type LocalEnds = BTreeMap<EdgeIndex, channel::Receiver>;
