//! A stage: one fused chain between two exchanges, as an object that is driven from outside.
//!
//! A stage owns no thread, no channel and no clock. Its driver opens it, gives it batches and watermarks, sends what it put
//! into the [`Outbox`], and asks it for its part of a snapshot. The [worker](crate::task) of a job is one driver, the
//! [harness](crate::testing) another; a Flink task can be a third.

use std::sync::Arc;
use std::task::Waker;

use crate::error::Result;
use crate::exchange::codec::BatchCodec;
use crate::key::{KeyGroup, KeyGroupRange, MaxParallelism, Parallelism, SubtaskIndex};
use crate::outbox::Outbox;
use crate::record::{Barrier, Batch, Fill, Origin, SnapshotId, WatermarkStatus};
use crate::snapshot::part::{FrozenState, RestoredState, StageSnapshot};
use crate::source::{AssignedSplit, Throttle};
use crate::state::backend::StateBackend;
use crate::task::event_time::EventTimeBoard;
use crate::task::metrics::SourceMetrics;
use crate::task::mode::Mode;
use crate::time::{Clock, EventTime};

/// What a subtask is told when it opens.
pub struct StageContext {
    /// The job's name.
    pub job: String,
    /// Whether event time goes on before the input ends.
    pub mode: Mode,
    /// The stage's name: that of its source or its stateful operator.
    pub stage: String,
    /// Which subtask of the stage this is.
    pub subtask: SubtaskIndex,
    /// How many there are.
    pub parallelism: Parallelism,
    /// How many key groups there are.
    pub max_parallelism: MaxParallelism,
    /// The key groups that this subtask owns.
    pub groups: KeyGroupRange,
    /// Where keyed state lies.
    pub state: Arc<StateBackend>,
    /// Whether the job keeps snapshots, for which changes of state are remembered.
    pub snapshots: bool,
    /// The snapshot that the job was restored from, if it was.
    pub restored: Option<SnapshotId>,
    /// The splits that this subtask reads, if the stage is a source.
    pub splits: Vec<AssignedSplit>,
    /// Bounds the rate of all sources together.
    pub throttle: Arc<Throttle>,
    /// What a source says of its progress.
    pub source_metrics: Arc<SourceMetrics>,
    /// Where steps that make watermarks say how far they are.
    pub event_time: Arc<EventTimeBoard>,
    /// Tells processing time to whoever is asked for it between two calls of the driver.
    pub clock: Clock,
    /// Wakes the driver: for what happens in the stage though no input has come.
    pub waker: Waker,
}

/// How a source's poll ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// It pushed this many records, and there may be more.
    Records(usize),
    /// There is nothing just now.
    Idle,
    /// There will never be anything again.
    Exhausted,
}

/// What a stage did between two batches.
pub enum Work {
    /// There was nothing to do.
    Nothing,
    /// Some; there may be more.
    Done,
    /// The last of what it froze at the barrier is encoded.
    Frozen(Box<FrozenState>),
}

/// A stage as its driver sees it.
pub trait Stage {
    /// Begins: creates what the subtask works with.
    ///
    /// # Errors
    /// If a store, a split or a sink can't be opened.
    fn open(&mut self, cx: StageContext) -> Result<()>;

    /// Takes back what a snapshot kept of this stage, for the key groups that this subtask owns.
    ///
    /// # Errors
    /// If the snapshot can't be read, or holds what this program can't decode.
    fn restore(&mut self, state: &Arc<dyn RestoredState>) -> Result<()>;

    /// Reads from the stage's source about one batch of records, and pushes them down the chain. Only for source stages.
    ///
    /// # Errors
    /// If the source can't be read, or a step of the chain failed.
    fn poll(&mut self, out: &mut Outbox) -> Result<Polled> {
        let _ = out;
        Ok(Polled::Exhausted)
    }

    /// Pushes a batch, which came in at `input`, down the chain. Not for source stages.
    ///
    /// # Errors
    /// If a step of the chain failed.
    fn process(&mut self, batch: Batch, out: &mut Outbox) -> Result<()>;

    /// Event time has come to `watermark`, by the minimum of all inputs: fires timers, and passes it on.
    ///
    /// # Errors
    /// If a step of the chain failed.
    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()>;

    /// Whether watermarks are to be expected of the stage's inputs has changed: passes it on.
    ///
    /// # Errors
    /// If a step of the chain failed.
    fn change_status(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()>;

    /// Processing time is `now`: fires the processing-time timers that are due.
    ///
    /// # Errors
    /// If a step of the chain failed.
    fn advance_processing_time(&mut self, now: EventTime, out: &mut Outbox) -> Result<()> {
        let _ = (now, out);
        Ok(())
    }

    /// When the next processing-time timer is due, if there is one.
    fn next_processing_timer(&self) -> Option<EventTime> {
        None
    }

    /// Hands on gathered records.
    ///
    /// # Errors
    /// If a step of the chain failed; a sink that could not write says so here.
    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()>;

    /// The barrier has arrived on every input, or overtakes what is on its way: freezes the subtask's part of the snapshot
    /// and passes the barrier on. Frozen keyed state is encoded later, by [`Stage::work`], and written elsewhere.
    ///
    /// # Errors
    /// If state could not be frozen or a sink could not pre-commit.
    fn snapshot(
        &mut self,
        barrier: Barrier,
        snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot>;

    /// Does a slice of what can be done between two batches: encodes what was frozen at the last barrier, loads what was
    /// restored. To be called in every turn, also while the stage's output is blocked.
    ///
    /// # Errors
    /// If state can't be encoded or loaded.
    fn work(&mut self) -> Result<Work> {
        Ok(Work::Nothing)
    }

    /// The snapshot is complete: makes visible what was pre-committed for it. May be told twice.
    ///
    /// # Errors
    /// If a sink could not commit.
    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()>;

    /// What can write down the records that come in, if anything can: then a barrier may overtake them.
    fn codec(&self) -> Option<&dyn BatchCodec> {
        None
    }

    /// Where the stage is just now: asked when a step of it panicked.
    fn whereabouts(&self) -> Whereabouts;
}

/// Where a stage was when something went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// Whether a keyed operator was at work, and on which key group.
    pub group: Option<KeyGroup>,
    /// Which source records it was working on.
    pub origin: Origin,
}
