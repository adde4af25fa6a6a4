//! One subtask of a fragment, whose far ends are in Flink: what it is given comes from there, what it puts out goes there.
//!
//! *Enters:* frames of records, watermarks and statuses that Flink has merged, barriers that it has aligned, and the word
//! that a checkpoint is complete. *Leaves:* [`Output`]s, in order; what the fragment keeps of a checkpoint. *Always:* the stages are
//! driven by the [worker](crate::task::worker) that drives them in a job of their own: nothing here fires a timer, merges or
//! aligns. When a barrier has been answered, every record before it has been put out. *Absent:* sockets, and Flink's format
//! of anything.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use super::checkpoint::{Layered, Restored, Snapshot};
use super::figures::{Figures, Meter, Meters, Traffic};
use super::fragment::Fragment;
use super::tap::Tapped;
use crate::error::{Error, Result};
use crate::exchange::channel::{self, Away, Doorbell};
use crate::exchange::codec::Payload;
use crate::exchange::input_gate::InputGate;
use crate::exchange::output_gate::{OutputGate, Room};
use crate::job::graph::{Graph, StageRole};
use crate::job::input::describe;
use crate::job::plan::Ship;
use crate::key::{Parallelism, SubtaskIndex};
use crate::outbox::{EdgeIndex, Outbox, Wishes};
use crate::record::{Barrier, BarrierKind, Element, SnapshotId, WatermarkStatus};
use crate::snapshot::part::{Entry, RestoredState};
use crate::snapshot::pool::StatePool;
use crate::source::{AssignedSplit, Throttle};
use crate::state::backend::StateBackend;
use crate::task::event_time::EventTimeBoard;
use crate::task::metrics::{PauseMetrics, SourceMetrics};
use crate::task::mode::Mode;
use crate::task::stage::{Stage, StageContext};
use crate::task::worker::{Command, Report, Step, Task, TaskId, TaskState, Worker};
use crate::time::{Clock, EventTime};

/// How long gathered records wait before they are asked for, if nothing comes.
const LINGER: Duration = Duration::from_millis(5);
/// How long the subtask sleeps when it has no room, before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

/// What a subtask begins with.
pub(crate) struct Beginning {
    pub graph: Arc<Graph>,
    pub fragment: Fragment,
    pub subtask: SubtaskIndex,
    pub parallelism: Parallelism,
    pub max_parallelism: crate::key::MaxParallelism,
    pub state: Arc<StateBackend>,
    /// Bounds the rate of its sources.
    pub throttle: Throttle,
    /// The splits that it reads, of each source by its name.
    pub splits: BTreeMap<String, Vec<AssignedSplit>>,
    /// The checkpoint that it goes on from.
    pub restored: Option<(SnapshotId, Restored)>,
    /// Where its layers of state lie. Nobody else's.
    pub directory: PathBuf,
    pub clock: Clock,
}

/// What a subtask puts out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Records for one subtask at the end of an edge between fragments.
    Records { edge: EdgeIndex, to: SubtaskIndex, payload: Payload },
    /// The least watermark of all its stages at whose end there is such an edge.
    Watermark(EventTime),
    /// Whether watermarks are to be expected.
    Status(WatermarkStatus),
}

/// What is to be done next, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// There may be more at once; if nothing comes, it should be flushed after so long.
    Flush(Duration),
    /// Nothing; after so long a timer is due.
    Wake(Duration),
    /// Nothing, until something comes.
    Rest,
    /// Its sources have been read to their ends.
    Exhausted,
}

/// A subtask of a fragment.
pub(crate) struct Subtask {
    worker: Worker,
    commands: mpsc::Sender<Command>,
    reports: Receiver<Report>,
    /// The keyed stages: the place of each in the graph and among the tasks, and the way in.
    inlets: Vec<Inlet>,
    away: Away,
    /// At the end of each edge that leaves the fragment, a stage that can write its records down.
    codecs: BTreeMap<EdgeIndex, Box<dyn Stage>>,
    event_time: Vec<(EdgeIndex, EventTime, WatermarkStatus)>,
    said: (EventTime, WatermarkStatus),
    /// What the stages have kept of the checkpoint in flight, each when the barrier comes to it.
    kept: Rc<RefCell<Vec<Vec<Entry>>>>,
    /// Whether sources are read in a turn.
    reads: Rc<Cell<bool>>,
    /// How many batches are read at once.
    batches: u32,
    /// Whether there was anything to read when it was last polled.
    has_read: bool,
    /// How many subtasks of sources have not been read to their ends.
    reading: usize,
    pool: StatePool,
    layered: Layered,
    /// The state of checkpoints that is written and has not been asked for.
    written: VecDeque<(SnapshotId, Result<Snapshot>)>,
    last: Step,
    meters: Meters,
    clock: Clock,
}

struct Inlet {
    edges: Vec<(EdgeIndex, Ship)>,
    task: usize,
    queue: Rc<RefCell<VecDeque<Element>>>,
    sender: channel::Sender,
}

impl Subtask {
    /// Builds, opens and restores the stages.
    ///
    /// # Errors
    /// If a stage can't open or restore.
    pub fn open(beginning: Beginning) -> Result<Subtask> {
        let mut beginning = beginning;
        let mut splits = std::mem::take(&mut beginning.splits);
        let throttle = Arc::new(std::mem::replace(&mut beginning.throttle, Throttle::unlimited()));
        let Beginning { graph, fragment, subtask, parallelism, max_parallelism, .. } = &beginning;
        let (commands, command_end) = mpsc::channel();
        let (reports, report_end) = mpsc::channel();
        let doorbell = Doorbell::default();
        doorbell.move_in();
        let kept = Rc::<RefCell<Vec<Vec<Entry>>>>::default();
        let reads = Rc::<Cell<bool>>::default();
        let away = Away::default();
        std::fs::create_dir_all(&beginning.directory).map_err(|error| {
            Error::failure(format!("can't create {}", beginning.directory.display())).caused_by(error)
        })?;
        let pool = StatePool::at(&beginning.directory, None)?;
        let layered = match &beginning.restored {
            Some((_, restored)) => Layered::restored(restored),
            None => Layered::default(),
        };
        let restored_state = beginning.restored.as_ref().map(|(_, restored)| restored.state());
        let (board, pauses) = (Arc::<EventTimeBoard>::default(), Arc::<PauseMetrics>::default());
        let mut meters = Vec::new();
        let mut names = Vec::new();
        for (source, splits) in &splits {
            names.extend(splits.iter().map(|split| (split.number, (source.clone(), split.split.id.clone()))));
        }
        names.sort_by_key(|(number, _)| number.0);
        let names = names.into_iter().map(|(_, name)| name).collect();

        let mut local = BTreeMap::new();
        let (mut inlets, mut tasks, mut codecs) = (Vec::new(), Vec::new(), BTreeMap::new());
        let mut reading = 0;
        for &index in &fragment.stages {
            let node = &graph.stages[index];
            let build =
                |stage: usize| graph.stages[stage].build.as_ref().expect("a graph is validated before")();
            let (traffic, source) = (Rc::<Traffic>::default(), Arc::<SourceMetrics>::default());
            let mut stage: Box<dyn Stage> =
                Box::new(Tapped::new(build(index), Rc::clone(&kept), Rc::clone(&reads), Rc::clone(&traffic)));
            stage.open(StageContext {
                job: graph.job.clone(),
                mode: Mode::Streaming,
                stage: node.name.clone(),
                subtask: *subtask,
                parallelism: *parallelism,
                max_parallelism: *max_parallelism,
                groups: subtask.groups(*parallelism, *max_parallelism),
                state: Arc::clone(&beginning.state),
                snapshots: true,
                restored: beginning.restored.as_ref().map(|(id, _)| *id),
                splits: splits.remove(&node.name).unwrap_or_default(),
                throttle: Arc::clone(&throttle),
                source_metrics: Arc::clone(&source),
                event_time: Arc::clone(&board),
                clock: beginning.clock.clone(),
                waker: doorbell.clone().into(),
            })?;
            if let Some(state) = &restored_state {
                stage.restore(state)?;
            }
            meters.push(Meter { stage: index, traffic, source });
            let mut outgoing = Vec::new();
            for (edge, node) in graph.edges_from(index) {
                let senders = match node.ship {
                    Ship::Local => {
                        let (sender, receiver) = channel::local();
                        local.insert(edge, receiver);
                        vec![sender]
                    }
                    Ship::Hash | Ship::Broadcast => {
                        codecs.insert(edge, build(node.to));
                        let sender = |subtask| channel::Sender::Away(Rc::clone(&away), edge, subtask);
                        parallelism.subtasks().map(sender).collect()
                    }
                };
                outgoing.push((edge, senders));
            }
            let state = match node.role {
                StageRole::Source(_) => {
                    reading += 1;
                    TaskState::Reading
                }
                StageRole::Keyed(_) => {
                    let (sender, receiver) = channel::local();
                    let channel::Receiver::Local(queue) = &receiver else {
                        unreachable!("it is a local one")
                    };
                    let edges = graph.edges_to(index).map(|(edge, node)| (edge, node.ship)).collect();
                    inlets.push(Inlet { edges, task: tasks.len(), queue: Rc::clone(queue), sender });
                    TaskState::Receiving(InputGate::new(vec![receiver], 1))
                }
                StageRole::Local => {
                    let edges = graph.edges_to(index);
                    let receivers: Vec<_> = edges.filter_map(|(edge, _)| local.remove(&edge)).collect();
                    let regular = receivers.len();
                    TaskState::Receiving(InputGate::new(receivers, regular))
                }
            };
            tasks.push(Task {
                id: TaskId { stage: index, subtask: *subtask },
                stage,
                state,
                output: OutputGate::new(outgoing, Room::Bounded),
                freezing: None,
                wishes: Wishes::default(),
                flushed_at: Duration::ZERO,
            });
        }
        let event_time = codecs.keys().map(|edge| (*edge, EventTime::MIN, WatermarkStatus::Active)).collect();
        Ok(Subtask {
            worker: Worker {
                subtask: *subtask,
                outbox: Outbox::default(),
                tasks,
                commands: command_end,
                reports,
                cancelled: Arc::default(),
                clock: beginning.clock.clone(),
                doorbell,
                pauses: Arc::clone(&pauses),
                describe: describe(Arc::clone(graph), names),
                pool: None,
                asked: None,
                has_ended: false,
                writes_inline: beginning.clock.is_virtual(),
            },
            commands,
            reports: report_end,
            inlets,
            away,
            codecs,
            event_time,
            said: (EventTime::MIN, WatermarkStatus::Active),
            kept,
            reads,
            batches: parallelism.get(),
            has_read: false,
            reading,
            pool,
            layered,
            written: VecDeque::new(),
            last: Step::Idle,
            meters: Meters { graph: Arc::clone(graph), stages: meters, event_time: board, pauses },
            clock: beginning.clock,
        })
    }

    /// Records have come in by an edge between fragments.
    ///
    /// # Errors
    /// If they are not of this subtask, or a step failed on them.
    pub fn records(&mut self, edge: EdgeIndex, payload: &Payload) -> Result<()> {
        let mut inlets = self.inlets.iter().enumerate();
        let led = inlets.find_map(|(inlet, Inlet { edges, .. })| {
            edges.iter().find(|(own, _)| *own == edge).map(|(_, ship)| (inlet, *ship))
        });
        let (inlet, ship) = led.ok_or_else(|| {
            Error::failure(format!("records have come in by edge {}, which does not lead here", edge.0))
        })?;
        let stage = &self.worker.tasks[self.inlets[inlet].task].stage;
        let codec = stage.codec().ok_or_else(|| Error::failure("a keyed stage can read its records"))?;
        let batch = match ship {
            Ship::Broadcast => codec.decode_broadcast(payload)?,
            Ship::Hash | Ship::Local => codec.decode(payload)?,
        };
        let own = batch.as_ref().map_or(0, |batch| batch.len);
        if own != payload.records as usize {
            return Err(Error::failure(format!(
                "{} of {} records have come to subtask {}, which does not own their key groups",
                payload.records as usize - own,
                payload.records,
                self.worker.subtask
            ))
            .hint("a checkpoint with records in flight can't be rescaled: keep unaligned checkpoints off"));
        }
        match batch {
            Some(batch) => self.give(inlet, Element::Batch(batch)),
            None => Ok(()),
        }
    }

    /// Event time has come to `watermark`, by the least of all inputs.
    ///
    /// # Errors
    /// If a step failed on what that made due.
    pub fn watermark(&mut self, watermark: EventTime) -> Result<()> {
        (0..self.inlets.len()).try_for_each(|inlet| self.give(inlet, Element::Watermark(watermark)))
    }

    /// Whether watermarks are to be expected has changed.
    ///
    /// # Errors
    /// If a step failed on it.
    pub fn status(&mut self, status: WatermarkStatus) -> Result<()> {
        (0..self.inlets.len()).try_for_each(|inlet| self.give(inlet, Element::Status(status)))
    }

    /// Reads about one batch of each source for every subtask that its records can go to, and puts out all that comes of
    /// them: behind a poll nothing is gathered any more.
    ///
    /// # Errors
    /// If a source can't be read, or a step failed.
    pub fn poll(&mut self) -> Result<()> {
        self.has_read = false;
        for _ in 0..self.batches {
            self.reads.set(true);
            let turn = self.turn();
            self.reads.set(false);
            turn?;
            if self.last == Step::Idle {
                break;
            }
            self.has_read = true;
        }
        self.flush()
    }

    /// Does all there is to do, and hands on what is gathered.
    ///
    /// # Errors
    /// If a step failed.
    pub fn flush(&mut self) -> Result<()> {
        loop {
            self.turn()?;
            if self.last != Step::Busy {
                return Ok(());
            }
        }
    }

    /// The barrier of a checkpoint has come in on all inputs. What the stages keep of it that belongs to no key: one list of each.
    ///
    /// # Errors
    /// If a stage can't freeze its state.
    pub fn barrier(&mut self, checkpoint: SnapshotId) -> Result<Vec<Entry>> {
        // A stage never meets a barrier while it works on another; and Flink may want a savepoint while a checkpoint is written.
        while self.is_encoding() || self.is_writing() {
            self.turn()?;
            self.gather();
            if self.is_writing() && self.last == Step::Idle {
                self.worker.doorbell.sleep(PAUSE);
            }
        }
        self.kept.borrow_mut().clear();
        let barrier = Barrier { snapshot: checkpoint, kind: BarrierKind::Periodic };
        self.command(Command::Inject(barrier, Some(self.pool.clone())));
        self.layered.begin(checkpoint, self.worker.tasks.len());
        for inlet in 0..self.inlets.len() {
            self.give(inlet, Element::Barrier(barrier))?;
        }
        while self.kept.borrow().len() < self.worker.tasks.len() {
            self.turn()?;
        }
        Ok(self.kept.borrow_mut().drain(..).flatten().collect())
    }

    /// Whether state that was frozen is not encoded yet: [`turn`](Subtask::turn) does a slice of it.
    pub fn is_encoding(&self) -> bool {
        self.worker.tasks.iter().any(|task| task.freezing.is_some())
    }

    /// The keyed state of the oldest checkpoint that has all been written and was not taken yet; or why it was not written.
    pub fn take_state(&mut self) -> Option<(SnapshotId, Result<Snapshot>)> {
        self.gather();
        self.written.pop_front()
    }

    fn gather(&mut self) {
        self.listen();
        self.written.extend(self.layered.take(self.pool.path()));
    }

    /// Whether state has been frozen that is not written yet.
    pub fn is_writing(&self) -> bool {
        self.layered.is_gathering()
    }

    /// The checkpoint is complete everywhere: sinks commit.
    ///
    /// # Errors
    /// If one can't.
    pub fn commit(&mut self, checkpoint: SnapshotId) -> Result<()> {
        self.command(Command::Commit(checkpoint));
        self.turn()
    }

    /// What was put out since this was last asked, in order.
    ///
    /// # Errors
    /// If serde can't carry a record.
    pub fn take_output(&mut self) -> Result<Vec<Output>> {
        let elements = std::mem::take(&mut *self.away.borrow_mut());
        let mut outputs = Vec::with_capacity(elements.len());
        for (edge, to, element) in elements {
            // What goes to all subtasks has been put out for each of them, one after another.
            let is_first = to == SubtaskIndex(0);
            match element {
                Element::Batch(batch) => {
                    let codec = self.codecs[&edge].codec();
                    let codec = codec.ok_or_else(|| Error::failure("a keyed stage can write its records"))?;
                    codec
                        .encode(&batch, &mut |payload| outputs.push(Output::Records { edge, to, payload }))?;
                }
                Element::Watermark(watermark) if is_first => {
                    self.edge(edge).1 = watermark;
                    self.say_event_time(&mut outputs);
                }
                Element::Status(status) if is_first => {
                    self.edge(edge).2 = status;
                    self.say_event_time(&mut outputs);
                }
                // Flink sends its own.
                Element::Barrier(_) | Element::Watermark(_) | Element::Status(_) => {}
            }
        }
        Ok(outputs)
    }

    fn edge(&mut self, edge: EdgeIndex) -> &mut (EdgeIndex, EventTime, WatermarkStatus) {
        self.event_time.iter_mut().find(|(own, ..)| *own == edge).expect("it leaves the fragment")
    }

    /// Flink has one event time at the end of an operator: that of the edge that is furthest behind.
    fn say_event_time(&mut self, outputs: &mut Vec<Output>) {
        let active = self.event_time.iter().filter(|(.., status)| *status == WatermarkStatus::Active);
        let least = active.map(|(_, watermark, _)| *watermark).min();
        let status = if least.is_some() { WatermarkStatus::Active } else { WatermarkStatus::Idle };
        let (said, said_status) = &mut self.said;
        // One that has become idle has said its watermark before, and says that it is active again before its next one.
        if status == WatermarkStatus::Active && *said_status != status {
            outputs.push(Output::Status(status));
        }
        if let Some(watermark) = least.filter(|least| *least > *said) {
            *said = watermark;
            outputs.push(Output::Watermark(watermark));
        }
        if status == WatermarkStatus::Idle && *said_status != status {
            outputs.push(Output::Status(status));
        }
        *said_status = status;
    }

    /// What is to be done next.
    pub fn next(&mut self) -> Next {
        self.listen();
        if self.inlets.is_empty() {
            match (self.reading, self.has_read) {
                (0, _) => return Next::Exhausted,
                (_, true) => return Next::Flush(Duration::ZERO),
                (_, false) => {}
            }
        }
        if self.last == Step::Busy || self.is_encoding() {
            return Next::Flush(LINGER);
        }
        let due = self.worker.tasks.iter().filter_map(|task| task.stage.next_processing_timer()).min();
        let due = due.map(|due| due.since(self.clock.now()));
        let woken = self.worker.tasks.iter().filter_map(|task| task.wishes.wake).min();
        let woken = woken.map(|wake| wake.saturating_sub(self.clock.monotonic()));
        due.into_iter().chain(woken).min().map_or(Next::Rest, Next::Wake)
    }

    /// What its stages have counted.
    pub fn figures(&self) -> Figures {
        self.meters.read(self.clock.now())
    }

    /// One turn through all stages.
    ///
    /// # Errors
    /// If a step failed.
    pub fn turn(&mut self) -> Result<()> {
        self.last = self.worker.step()?;
        Ok(())
    }

    fn command(&self, command: Command) {
        self.commands.send(command).expect("the worker, which has the other end, is ours");
    }

    /// Gives a keyed stage an element, and lets it work on it.
    fn give(&mut self, inlet: usize, element: Element) -> Result<()> {
        let Inlet { sender, queue, .. } = &mut self.inlets[inlet];
        let queue = Rc::clone(queue);
        if sender.send(element).is_err() {
            return Err(Error::failure(
                "a stage has not taken what it was given; this is a defect of Tidegate",
            ));
        }
        loop {
            self.turn()?;
            if queue.borrow().is_empty() {
                return Ok(());
            }
            if self.last == Step::Idle {
                self.worker.doorbell.sleep(PAUSE);
            }
        }
    }

    fn listen(&mut self) {
        while let Ok(report) = self.reports.try_recv() {
            match report {
                Report::Exhausted(_) => self.reading -= 1,
                Report::Acknowledged(_, checkpoint, part) => self.layered.add(checkpoint, part.operators),
                Report::SnapshotFailed(_, checkpoint, _, error) => self.layered.fail(checkpoint, error),
                Report::CutEarly(..)
                | Report::Recorded(..)
                | Report::Traffic(..)
                | Report::Committed(..)
                | Report::Failed(_) => {}
            }
        }
    }
}

impl RestoredState for Restored {
    fn entries(&self, owner: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.owner == owner).collect()
    }

    fn rows(
        &self,
        operator: &str,
        groups: crate::key::KeyGroupRange,
        each: &mut dyn FnMut(crate::snapshot::part::StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        match self.operators.get(operator) {
            Some(layers) => layers.visit(groups, crate::snapshot::merge::Removals::Drop, &|_| true, each),
            None => Ok(()),
        }
    }
}
