//! What a worker is made from: everything that can be sent to its thread, and how it grows there.
//!
//! Stages and the queues within a worker never leave its thread, so they are made in it. What joins two workers, the rings,
//! is made before, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use crate::error::Result;
use crate::exchange::backlog::{Backlog, Queued};
use crate::exchange::channel::{self, Doorbell};
use crate::exchange::input_gate::InputGate;
use crate::exchange::output_gate::{OutputGate, Room};
use crate::job::RunOptions;
use crate::job::attempt::Restored;
use crate::job::graph::{Graph, StageRole};
use crate::job::plan::Ship;
use crate::key::SubtaskIndex;
use crate::outbox::{EdgeIndex, Outbox, Wishes};
use crate::record::{Batch, Element};
use crate::source::{AssignedSplit, Throttle};
use crate::state::backend::StateBackend;
use crate::task::event_time::EventTimeBoard;
use crate::task::metrics::{PauseMetrics, SourceMetrics};
use crate::task::stage::{Stage, StageContext};
use crate::task::worker::{Command, PlaceInWords, Report, Task, TaskId, TaskState, Worker};
use crate::time::Clock;

/// What a worker is made from, in the thread in which it will run.
pub(crate) struct WorkerSeed {
    pub subtask: SubtaskIndex,
    pub graph: Arc<Graph>,
    pub options: RunOptions,
    pub restored: Option<Arc<Restored>>,
    pub state: Arc<StateBackend>,
    /// Whether the job keeps snapshots.
    pub snapshots: bool,
    pub splits: BTreeMap<usize, Vec<AssignedSplit>>,
    pub throttle: Arc<Throttle>,
    pub metrics: Arc<SourceMetrics>,
    pub clock: Clock,
    pub senders: BTreeMap<EdgeIndex, Vec<Option<rtrb::Producer<Element>>>>,
    pub receivers: BTreeMap<EdgeIndex, Vec<Option<rtrb::Consumer<Element>>>>,
    pub doorbells: Vec<Doorbell>,
    pub commands: Receiver<Command>,
    pub reports: Sender<Report>,
    pub cancelled: Arc<AtomicBool>,
    pub event_time: Arc<EventTimeBoard>,
    pub pauses: Arc<PauseMetrics>,
    pub describe: PlaceInWords,
    pub writes_inline: bool,
}

impl WorkerSeed {
    /// Becomes a worker and works until the job is over.
    pub fn run(self) {
        let reports = self.reports.clone();
        match crate::task::panic::catch(|| self.grow()) {
            Ok(Ok(worker)) => worker.run(),
            // The coordinator is gone only if the job is over.
            Ok(Err(error)) => drop(reports.send(Report::Failed(error))),
            Err(caught) => drop(reports.send(Report::Failed(caught.into_error("a stage")))),
        }
    }

    /// Builds the stages, joins them by their gates, opens and restores them.
    ///
    /// # Errors
    /// If a stage can't open or restore.
    pub fn grow(mut self) -> Result<Worker> {
        let graph = Arc::clone(&self.graph);
        let mut local = LocalEnds::of(&graph);
        let mut tasks = Vec::with_capacity(graph.stages.len());
        for (index, node) in graph.stages.iter().enumerate() {
            let build = node.build.as_ref().expect("a graph is validated before it runs");
            let mut stage = build();
            stage.open(self.context(index, &node.name))?;
            if let Some(restored) = &self.restored {
                stage.restore(&restored.state)?;
            }
            let closes_loop = graph.edges_from(index).any(|(_, edge)| edge.is_feedback());
            let output =
                graph.edges_from(index).map(|(edge, node)| (edge, self.senders(edge, node.ship, &mut local)));
            let room = if closes_loop { Room::Grows } else { Room::Bounded };
            let output = OutputGate::new(output.collect(), room);
            let state = match node.role {
                StageRole::Source(_) => TaskState::Reading,
                StageRole::Keyed(_) | StageRole::Local => {
                    let (back, regular): (Vec<_>, Vec<_>) =
                        graph.edges_to(index).partition(|(_, edge)| edge.is_feedback());
                    let mut receivers = |edges: Vec<(EdgeIndex, _)>| -> Vec<_> {
                        edges.into_iter().flat_map(|(edge, _)| self.receivers(edge, &mut local)).collect()
                    };
                    let mut channels = receivers(regular);
                    let regular = channels.len();
                    channels.extend(receivers(back));
                    let mut gate = InputGate::new(channels, regular);
                    gate.restore(self.in_flight(&node.name, &*stage)?);
                    TaskState::Receiving(gate)
                }
            };
            let id = TaskId { stage: index, subtask: self.subtask };
            let (wishes, flushed_at) = (Wishes::default(), Duration::ZERO);
            tasks.push(Task { id, stage, state, output, freezing: None, wishes, flushed_at });
        }
        Ok(Worker {
            subtask: self.subtask,
            outbox: Outbox::default(),
            tasks,
            commands: self.commands,
            reports: self.reports,
            cancelled: self.cancelled,
            clock: self.clock,
            doorbell: self.doorbells[self.subtask.index()].clone(),
            pauses: self.pauses,
            describe: self.describe,
            pool: None,
            asked: None,
            has_ended: false,
            writes_inline: self.writes_inline,
        })
    }

    fn context(&mut self, stage: usize, name: &str) -> StageContext {
        let options = &self.options;
        StageContext {
            job: self.graph.job.clone(),
            mode: options.mode,
            stage: name.to_string(),
            subtask: self.subtask,
            parallelism: options.parallelism,
            max_parallelism: options.max_parallelism,
            groups: self.subtask.groups(options.parallelism, options.max_parallelism),
            state: Arc::clone(&self.state),
            snapshots: self.snapshots,
            restored: self.restored.as_ref().map(|restored| restored.id),
            splits: self.splits.remove(&stage).unwrap_or_default(),
            throttle: Arc::clone(&self.throttle),
            source_metrics: Arc::clone(&self.metrics),
            event_time: Arc::clone(&self.event_time),
            clock: self.clock.clone(),
            waker: self.doorbells[self.subtask.index()].clone().into(),
        }
    }

    /// What was in flight to a stage when the snapshot was taken, as far as it is this subtask's.
    fn in_flight(&self, operator: &str, stage: &dyn Stage) -> Result<Backlog<Batch>> {
        let (Some(restored), Some(codec)) = (&self.restored, stage.codec()) else {
            return Ok(Backlog::merge(Vec::new()));
        };
        let backlogs = restored.state.in_flight(operator, codec.input().groups)?.into_iter().map(|backlog| {
            let mut own = Backlog::new(backlog.watermark);
            for queued in backlog.elements {
                own.elements.extend(match queued {
                    Queued::Batch(payload) => codec.decode(&payload)?.map(Queued::Batch),
                    Queued::Watermark(watermark) => Some(Queued::Watermark(watermark)),
                });
            }
            Ok(own)
        });
        Ok(Backlog::merge(backlogs.collect::<Result<_>>()?))
    }

    fn senders(&mut self, edge: EdgeIndex, ship: Ship, local: &mut LocalEnds) -> Vec<channel::Sender> {
        let mut own = local.senders.remove(&edge);
        match ship {
            Ship::Local => own.into_iter().collect(),
            Ship::Hash | Ship::Broadcast => {
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
        let mut own = local.receivers.remove(&edge);
        let Some(rings) = self.receivers.remove(&edge) else { return own.into_iter().collect() };
        let lanes = rings.into_iter().zip(&self.doorbells).map(|(ring, doorbell)| match ring {
            Some(ring) => channel::Receiver::Remote(ring, doorbell.clone()),
            None => own.take().expect("a worker is its own neighbour once"),
        });
        lanes.collect()
    }
}

/// The ends of the channels within the worker, until the stages that they join are built.
struct LocalEnds {
    senders: BTreeMap<EdgeIndex, channel::Sender>,
    receivers: BTreeMap<EdgeIndex, channel::Receiver>,
}

impl LocalEnds {
    fn of(graph: &Graph) -> LocalEnds {
        let mut ends = LocalEnds { senders: BTreeMap::new(), receivers: BTreeMap::new() };
        for edge in (0..graph.edges.len() as u32).map(EdgeIndex) {
            let (sender, receiver) = channel::local();
            ends.senders.insert(edge, sender);
            ends.receivers.insert(edge, receiver);
        }
        ends
    }
}

/// The rings between every two workers, for every edge on which records change workers.
pub(crate) struct Rings {
    senders: BTreeMap<EdgeIndex, Vec<Vec<Option<rtrb::Producer<Element>>>>>,
    receivers: BTreeMap<EdgeIndex, Vec<Vec<Option<rtrb::Consumer<Element>>>>>,
}

impl Rings {
    pub fn between(graph: &Graph, workers: usize) -> Rings {
        let mut rings = Rings { senders: BTreeMap::new(), receivers: BTreeMap::new() };
        for (edge, node) in (0..).map(EdgeIndex).zip(&graph.edges) {
            if node.ship == Ship::Local {
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

    pub fn take_senders(
        &mut self,
        from: SubtaskIndex,
    ) -> BTreeMap<EdgeIndex, Vec<Option<rtrb::Producer<Element>>>> {
        self.senders.iter_mut().map(|(edge, rows)| (*edge, std::mem::take(&mut rows[from.index()]))).collect()
    }

    pub fn take_receivers(
        &mut self,
        to: SubtaskIndex,
    ) -> BTreeMap<EdgeIndex, Vec<Option<rtrb::Consumer<Element>>>> {
        self.receivers
            .iter_mut()
            .map(|(edge, columns)| (*edge, std::mem::take(&mut columns[to.index()])))
            .collect()
    }
}
