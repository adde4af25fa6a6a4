//! A worker: one thread, one subtask of every stage.
//!
//! A turn goes through the stages from the last to the first, so that what is nearly done is done before anything new is
//! read. A stage whose output could not all be sent is not driven. Nothing in a turn waits; a worker whose stages all
//! have nothing to do sleeps behind its doorbell. A stage that [wishes](Wishes) so is given no input for a while.
//!
//! A barrier: the coordinator tells the source stages ([`Command::Inject`]); every later stage meets it at its input gate
//! when it is aligned. The stage freezes its part; encoding and writing are handed to rayon; what was written is reported.
//! That a part could not be written is the snapshot's failure and not the task's.
//!
//! A barrier that overtakes ([`Command::Overtake`]): every stage whose records can be written down freezes its part at
//! once, and its gate records what is in flight. Recording comes before everything else in a turn: it makes room in the
//! channels, so that barriers get on though nobody else does. The head of a loop does the same with what goes round, when the
//! barrier is aligned on everything else.
//!
//! A job with loops asks the worker how much it has sent and received ([`Command::Tell`]). It answers when a turn has found
//! nothing to do, and so has handed on all that was gathered.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::exchange::channel::Doorbell;
use crate::exchange::codec::BatchCodec;
use crate::exchange::input_gate::{Cut, Input, InputGate, Recorded};
use crate::exchange::output_gate::OutputGate;
use crate::key::SubtaskIndex;
use crate::outbox::{Outbox, Wishes};
use crate::record::{Barrier, BarrierKind, Fill, SnapshotId};
use crate::snapshot::channel_file::write_channel;
use crate::snapshot::manifest::{ChannelState, StateFile};
use crate::snapshot::overtaking::Half;
use crate::snapshot::part::{Entry, FrozenState, OperatorSchema, StageSnapshot};
use crate::snapshot::pool::StatePool;
use crate::snapshot::write::write_state;
use crate::task::metrics::PauseMetrics;
use crate::task::panic;
use crate::task::stage::{Polled, Stage, Whereabouts, Work};
use crate::task::termination::Traffic;
use crate::time::{Clock, EventTime};

/// How long gathered records wait in a busy stage before they are handed on.
const LINGER: Duration = Duration::from_millis(5);
/// How long a worker sleeps at most when its sources have nothing just now, or a barrier is awaited that overtakes.
const SOURCE_PAUSE: Duration = Duration::from_millis(1);
/// How long a worker sleeps at most when it waits for others.
const PAUSE: Duration = Duration::from_millis(20);

/// What the coordinator tells a worker.
#[derive(Clone, Debug)]
pub(crate) enum Command {
    /// The source stages begin a snapshot. Its files go into the pool; without one, state is not kept.
    Inject(Barrier, Option<StatePool>),
    /// The barrier overtakes what is in flight.
    Overtake(Barrier),
    /// The snapshot is complete: sinks commit.
    Commit(SnapshotId),
    /// The worker is to tell its traffic, as soon as it has nothing to do: the wave with this number.
    Tell(u64),
    /// Nothing is in flight in any loop: the end of time passes into them, and timers by the clock fire no more.
    ReleaseEnd,
    /// Everything is done.
    Finish,
}

/// What a worker tells the coordinator.
pub(crate) enum Report {
    /// The source in this stage and subtask has been read to its end.
    Exhausted(TaskId),
    /// The part of a snapshot is written.
    Acknowledged(TaskId, SnapshotId, SnapshotPart),
    /// The subtask has cut before it was aligned: its part is whole when what was in flight is recorded, too.
    CutEarly(TaskId, SnapshotId),
    /// What was in flight to the subtask is written, if anything was.
    Recorded(TaskId, SnapshotId, Option<ChannelState>),
    /// The part of a snapshot, or a half of it, could not be written; the task goes on.
    SnapshotFailed(TaskId, SnapshotId, Half, Error),
    /// The worker has nothing to do: the answer to the wave with this number.
    Traffic(SubtaskIndex, u64, Traffic),
    /// The sinks of the stage have committed.
    Committed(TaskId, SnapshotId),
    /// The worker has stopped because of this.
    Failed(Error),
}

/// A subtask of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TaskId {
    pub stage: usize,
    pub subtask: SubtaskIndex,
}

/// A subtask's part of a snapshot, written.
#[derive(Default)]
pub(crate) struct SnapshotPart {
    pub entries: Vec<Entry>,
    /// The file of each operator, if it had anything to write.
    pub operators: Vec<(String, OperatorSchema, Option<StateFile>)>,
}

impl SnapshotPart {
    /// How much state was written.
    pub fn bytes(&self) -> u64 {
        self.operators.iter().filter_map(|(.., file)| file.as_ref()).map(|file| file.bytes).sum()
    }
}

/// Translates a stage's whereabouts into words: which splits have which names is known to the job.
pub(crate) type PlaceInWords = Arc<dyn Fn(usize, Whereabouts) -> String + Send + Sync>;

/// One subtask and the gates around it.
pub(crate) struct Task {
    pub id: TaskId,
    pub stage: Box<dyn Stage>,
    pub state: TaskState,
    pub output: OutputGate,
    /// The part of a snapshot whose keyed state is being encoded.
    pub freezing: Option<(Barrier, StageSnapshot)>,
    /// What the stage wished for when it was last flushed.
    pub wishes: Wishes,
    /// When gathered records were last handed on.
    pub flushed_at: Duration,
}

/// What a task does.
pub(crate) enum TaskState {
    /// Reads its source.
    Reading,
    /// Its source has ended, and what comes of its records has not yet been handed on.
    Ending,
    /// Its source has ended; it still takes part in snapshots.
    Exhausted,
    /// Reads its input gate.
    Receiving(InputGate),
    /// Has cut for the last barrier, and still writes down what goes round in its loop.
    Leaving(InputGate),
    /// Has passed the last barrier: nothing comes any more.
    Drained,
}

impl TaskState {
    /// What it receives by, if it does.
    fn gate(&self) -> Option<&InputGate> {
        match self {
            TaskState::Receiving(gate) | TaskState::Leaving(gate) => Some(gate),
            TaskState::Reading | TaskState::Ending | TaskState::Exhausted | TaskState::Drained => None,
        }
    }
}

/// How a task's turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It did something.
    Busy,
    /// It had nothing to do.
    Idle,
}

/// One thread's share of a job.
pub(crate) struct Worker {
    /// Which subtask of every stage is its.
    pub subtask: SubtaskIndex,
    /// What the task that is being driven puts out; empty between two tasks.
    pub outbox: Outbox,
    pub tasks: Vec<Task>,
    pub commands: Receiver<Command>,
    pub reports: Sender<Report>,
    pub cancelled: Arc<AtomicBool>,
    pub clock: Clock,
    pub doorbell: Doorbell,
    pub pauses: Arc<PauseMetrics>,
    pub describe: PlaceInWords,
    /// Where the files of the snapshot in flight go.
    pub pool: Option<StatePool>,
    /// The wave in which it is to tell its traffic.
    pub asked: Option<u64>,
    /// Whether the input has ended, and with it what the clock does.
    pub has_ended: bool,
    /// Whether the snapshot's files are written here and now and not by rayon: under virtual time.
    pub writes_inline: bool,
}

/// How a worker's turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Some stage did something.
    Busy,
    /// No stage had anything to do.
    Idle,
    /// The job is over for this worker.
    Done,
}

impl Worker {
    /// Works until told to finish, cancelled, or failed; a failure is reported.
    pub fn run(mut self) {
        self.doorbell.move_in();
        loop {
            match self.step() {
                Ok(Step::Busy) => {}
                Ok(Step::Idle) => self.doorbell.sleep(self.pause()),
                Ok(Step::Done) => return,
                Err(error) => {
                    // The coordinator is gone only if the job is over: then nobody needs to know.
                    let _ = self.reports.send(Report::Failed(error));
                    return;
                }
            }
            if self.cancelled.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// One turn through all stages, from the last to the first.
    pub fn step(&mut self) -> Result<Step> {
        let mut step = Step::Idle;
        while let Ok(command) = self.commands.try_recv() {
            step = Step::Busy;
            match command {
                Command::Inject(barrier, pool) => {
                    self.pool = pool;
                    self.inject(barrier)?;
                }
                Command::Overtake(barrier) => self.overtake(barrier)?,
                Command::Commit(snapshot) => self.commit(snapshot)?,
                Command::Tell(wave) => self.asked = Some(wave),
                Command::ReleaseEnd => self.release_end(),
                Command::Finish => return Ok(Step::Done),
            }
        }
        for task in (0..self.tasks.len()).rev() {
            if self.turn(task)? == Turn::Busy {
                step = Step::Busy;
            }
        }
        if step == Step::Idle && !self.holds_anything() {
            self.tell_traffic();
        }
        Ok(step)
    }

    /// Whether a gate or a stage has something in it that is neither in a channel nor worked off.
    fn holds_anything(&self) -> bool {
        let gate_holds = |task: &Task| task.state.gate().is_some_and(InputGate::holds_anything);
        self.tasks.iter().any(|task| task.wishes.is_at_work || gate_holds(task))
    }

    /// Tells how much it has sent and received, if it was asked.
    fn tell_traffic(&mut self) {
        let Some(wave) = self.asked.take() else { return };
        let mut traffic = Traffic::default();
        for task in &self.tasks {
            traffic.sent += task.output.sent();
            traffic.received += task.state.gate().map_or(0, InputGate::received);
        }
        let _ = self.reports.send(Report::Traffic(self.subtask, wave, traffic));
    }

    fn release_end(&mut self) {
        self.has_ended = true;
        for task in &mut self.tasks {
            if let TaskState::Receiving(gate) = &mut task.state {
                gate.release();
            }
        }
    }

    /// Until when there is certainly nothing to do, unless the doorbell rings.
    fn pause(&self) -> Duration {
        let soon = self.tasks.iter().any(|task| match &task.state {
            TaskState::Reading => !task.wishes.hold,
            TaskState::Receiving(gate) | TaskState::Leaving(gate) => gate.is_recording(),
            TaskState::Ending | TaskState::Exhausted | TaskState::Drained => false,
        });
        let longest = if soon { SOURCE_PAUSE } else { PAUSE };
        let tasks = self.tasks.iter().filter(|task| !task.wishes.hold);
        let due = tasks.filter_map(|task| task.stage.next_processing_timer()).min();
        let due = due.map_or(longest, |due| due.since(self.clock.now()).min(longest));
        let wake = self.tasks.iter().filter_map(|task| task.wishes.wake).min();
        wake.map_or(due, |wake| wake.saturating_sub(self.clock.monotonic()).min(due))
    }

    fn inject(&mut self, barrier: Barrier) -> Result<()> {
        for index in 0..self.tasks.len() {
            if matches!(
                self.tasks[index].state,
                TaskState::Reading | TaskState::Ending | TaskState::Exhausted
            ) {
                self.snapshot(index, barrier)?;
            }
        }
        Ok(())
    }

    /// Has every stage that can cut do so, unless it was aligned already.
    fn overtake(&mut self, barrier: Barrier) -> Result<()> {
        let began = self.clock.monotonic();
        for index in 0..self.tasks.len() {
            let cuts = |gate: &mut InputGate, codec: &dyn BatchCodec| {
                Ok(codec.overtakes() && gate.overtake(barrier, codec)?)
            };
            if self.gate(index, cuts)? == Some(true) {
                self.cut_early(index, barrier)?;
            }
        }
        let pause = self.clock.monotonic().saturating_sub(began);
        tracing::debug!(snapshot = barrier.snapshot.0, ?pause, "overtaken");
        Ok(())
    }

    /// Has a task cut whose gate records.
    fn cut_early(&mut self, index: usize, barrier: Barrier) -> Result<()> {
        let _ = self.reports.send(Report::CutEarly(self.tasks[index].id, barrier.snapshot));
        self.snapshot(index, barrier)?;
        self.record(index)
    }

    /// Records what is in flight to a task that has cut early, as far as it has come in.
    fn record(&mut self, index: usize) -> Result<()> {
        let recorded =
            self.gate(index, |gate, codec| Ok(gate.record(codec)?.map(|all| (all, codec.input()))));
        let Some(Some((Recorded { snapshot, backlog }, input))) = recorded? else { return Ok(()) };
        let task = &mut self.tasks[index];
        if matches!(task.state, TaskState::Leaving(_)) {
            task.state = TaskState::Drained;
        }
        let (id, pool) = (self.tasks[index].id, self.pool.clone());
        self.write(move || {
            let written = pool.map(|pool| {
                let channel = write_channel(pool.path(), snapshot, id.subtask, input, &backlog)?;
                pool.publish_channels(&channel)?;
                Ok(channel)
            });
            match written.transpose() {
                Ok(channel) => Report::Recorded(id, snapshot, channel.flatten()),
                Err(error) => Report::SnapshotFailed(id, snapshot, Half::Channels, error),
            }
        });
        Ok(())
    }

    /// Calls a task's input gate with what can write its records down; `None` if there is not both.
    fn gate<T>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut InputGate, &dyn BatchCodec) -> Result<T>,
    ) -> Result<Option<T>> {
        let Task { id, stage, state: TaskState::Receiving(gate) | TaskState::Leaving(gate), .. } =
            &mut self.tasks[index]
        else {
            return Ok(None);
        };
        let Some(codec) = stage.codec() else { return Ok(None) };
        match panic::catch(|| call(gate, codec)) {
            Ok(result) => result.map(Some),
            Err(caught) => {
                let place = (self.describe)(id.stage, stage.whereabouts());
                Err(caught.into_error(format_args!("records in flight to {place}")))
            }
        }
    }

    fn commit(&mut self, snapshot: SnapshotId) -> Result<()> {
        for index in 0..self.tasks.len() {
            self.drive(index, |stage, out| stage.commit(snapshot, out))?;
            self.send(index);
            let _ = self.reports.send(Report::Committed(self.tasks[index].id, snapshot));
        }
        Ok(())
    }

    /// Takes a task's part of the snapshot and hands the barrier on.
    fn snapshot(&mut self, index: usize, barrier: Barrier) -> Result<()> {
        let began = self.clock.monotonic();
        let part = StageSnapshot::new(self.pool.is_some());
        let part = self.drive(index, |stage, out| stage.snapshot(barrier, part, out))?;
        let pause = self.clock.monotonic().saturating_sub(began);
        self.pauses.record(pause);
        tracing::debug!(task = ?self.tasks[index].id, snapshot = barrier.snapshot.0, ?pause, "frozen");
        self.send(index);
        if barrier.kind == BarrierKind::Last {
            let task = &mut self.tasks[index];
            task.wishes = Wishes::default();
            task.state = match std::mem::replace(&mut task.state, TaskState::Drained) {
                TaskState::Receiving(gate) if gate.is_recording() => TaskState::Leaving(gate),
                _ => TaskState::Drained,
            };
        }
        if part.keyed_follows {
            self.tasks[index].freezing = Some((barrier, part));
        } else {
            self.write_part(index, barrier, part, None);
        }
        Ok(())
    }

    /// Has the part of a task written, elsewhere, and reported.
    fn write_part(&self, index: usize, barrier: Barrier, part: StageSnapshot, frozen: Option<FrozenState>) {
        let (id, pool) = (self.tasks[index].id, self.pool.clone());
        self.write(move || match write_part(part, frozen, barrier.snapshot, id.subtask, pool) {
            Ok(part) => Report::Acknowledged(id, barrier.snapshot, part),
            Err(error) => Report::SnapshotFailed(id, barrier.snapshot, Half::State, error),
        });
    }

    /// Has something written, elsewhere, and what came of it reported.
    fn write(&self, work: impl FnOnce() -> Report + Send + 'static) {
        let reports = self.reports.clone();
        let write = move || {
            let _ = reports.send(work());
        };
        if self.writes_inline { write() } else { rayon::spawn(write) }
    }

    /// Lets a task do what it does between two batches.
    fn work(&mut self, index: usize) -> Result<Turn> {
        match self.drive(index, |stage, _| stage.work())? {
            Work::Nothing => return Ok(Turn::Idle),
            Work::Done => {}
            Work::Frozen(frozen) => {
                if let Some((barrier, part)) = self.tasks[index].freezing.take() {
                    self.write_part(index, barrier, part, Some(*frozen));
                }
            }
        }
        Ok(Turn::Busy)
    }

    /// Lets a task do one thing, if its output is free.
    fn turn(&mut self, index: usize) -> Result<Turn> {
        if self.tasks[index].state.gate().is_some_and(InputGate::is_recording) {
            self.record(index)?;
        }
        if let Some(waiting) = self.tasks[index].output.overflow() {
            let place = (self.describe)(self.tasks[index].id.stage, Whereabouts::default());
            tracing::warn!(
                "{waiting} records wait to be fed back behind {place}: a loop that makes more records than it ends grows without bound"
            );
        }
        let worked = self.work(index)?;
        if !self.tasks[index].output.flush() {
            // Whoever makes room rings; until then, waking it would be in vain.
            self.tasks[index].wishes.wake = None;
            return Ok(worked);
        }
        let held = self.tasks[index].wishes.hold;
        let fired = self.fire_processing_time(index)?;
        let turn = match &mut self.tasks[index].state {
            TaskState::Reading | TaskState::Receiving(_) if held => Turn::Idle,
            TaskState::Reading => self.read(index)?,
            TaskState::Receiving(gate) => match gate.poll() {
                None => Turn::Idle,
                Some(input) => self.receive(index, input)?,
            },
            TaskState::Ending | TaskState::Exhausted | TaskState::Leaving(_) | TaskState::Drained => {
                Turn::Idle
            }
        };
        let task = &mut self.tasks[index];
        if !matches!(task.state, TaskState::Leaving(_) | TaskState::Drained) {
            let now = self.clock.monotonic();
            let fill = if turn == Turn::Idle || now.saturating_sub(task.flushed_at) >= LINGER {
                task.flushed_at = now;
                Fill::Any
            } else {
                Fill::Full
            };
            self.drive(index, |stage, out| stage.flush(fill, out))?;
            self.tasks[index].wishes = std::mem::take(&mut self.outbox.wishes);
        }
        let freed = self.free(index, held);
        let sent = self.send(index);
        Ok(if [worked, fired, freed, sent].contains(&Turn::Busy) { Turn::Busy } else { turn })
    }

    /// Whether the stage has come to have room again, and what that was awaited for.
    fn free(&mut self, index: usize, held: bool) -> Turn {
        let task = &mut self.tasks[index];
        if task.wishes.hold {
            return Turn::Idle;
        }
        if matches!(task.state, TaskState::Ending) {
            task.state = TaskState::Exhausted;
            let _ = self.reports.send(Report::Exhausted(task.id));
        }
        if held { Turn::Busy } else { Turn::Idle }
    }

    fn fire_processing_time(&mut self, index: usize) -> Result<Turn> {
        let Some(due) = self.tasks[index].stage.next_processing_timer() else { return Ok(Turn::Idle) };
        let now = self.clock.now();
        let may_fire = match &self.tasks[index].state {
            // Of what was in flight, each record sees the watermark that it would have seen. A timer of the same key could see
            // an older one than the key has seen before: the restored subtask begins where the slowest had come to.
            TaskState::Receiving(gate) => !gate.is_catching_up(),
            TaskState::Reading | TaskState::Ending | TaskState::Exhausted => true,
            TaskState::Leaving(_) | TaskState::Drained => false,
        };
        if due > now || !may_fire || self.has_ended || self.tasks[index].wishes.hold {
            return Ok(Turn::Idle);
        }
        self.drive(index, |stage, out| stage.advance_processing_time(now, out))?;
        Ok(Turn::Busy)
    }

    fn read(&mut self, index: usize) -> Result<Turn> {
        match self.drive(index, |stage, out| stage.poll(out))? {
            Polled::Records(_) => Ok(Turn::Busy),
            Polled::Idle => Ok(Turn::Idle),
            Polled::Exhausted => {
                self.drive(index, |stage, out| stage.advance_watermark(EventTime::MAX, out))?;
                self.tasks[index].state = TaskState::Ending;
                Ok(Turn::Busy)
            }
        }
    }

    fn receive(&mut self, index: usize, input: Input) -> Result<Turn> {
        match input {
            Input::Batch(batch) => self.drive(index, |stage, out| stage.process(batch, out))?,
            Input::Watermark(watermark) => {
                self.drive(index, |stage, out| stage.advance_watermark(watermark, out))?;
            }
            Input::Status(status) => self.drive(index, |stage, out| stage.change_status(status, out))?,
            Input::Barrier(barrier, Cut::Whole) => self.snapshot(index, barrier)?,
            Input::Barrier(barrier, Cut::WithFeedback) => {
                self.gate(index, |gate, codec| gate.begin_recording(codec))?;
                self.cut_early(index, barrier)?;
            }
        }
        Ok(Turn::Busy)
    }

    /// Sends what a task has put out. Whoever is to receive it may be a stage of this worker.
    fn send(&mut self, index: usize) -> Turn {
        if self.outbox.is_empty() {
            return Turn::Idle;
        }
        self.tasks[index].output.send(&mut self.outbox);
        Turn::Busy
    }

    /// Calls a stage. Its panic, or what was thrown through it, is an error that says where it happened.
    fn drive<T>(
        &mut self,
        index: usize,
        call: impl FnOnce(&mut dyn Stage, &mut Outbox) -> Result<T>,
    ) -> Result<T> {
        let Task { id, stage, .. } = &mut self.tasks[index];
        match panic::catch(|| call(&mut **stage, &mut self.outbox)) {
            Ok(result) => result,
            Err(caught) => Err(caught.into_error((self.describe)(id.stage, stage.whereabouts()))),
        }
    }
}

/// Encodes and writes the frozen state of a part.
fn write_part(
    part: StageSnapshot,
    frozen: Option<FrozenState>,
    snapshot: SnapshotId,
    subtask: SubtaskIndex,
    pool: Option<StatePool>,
) -> Result<SnapshotPart> {
    let mut operators = Vec::new();
    if let (Some(pool), Some(frozen)) = (pool, frozen) {
        let file = write_state(pool.path(), snapshot, subtask, &frozen)?;
        pool.publish(&file)?;
        operators.push((frozen.operator, frozen.schema, file));
    }
    Ok(SnapshotPart { entries: part.entries, operators })
}
