//! Operators on streams that are not keyed: their state belongs to the subtask.
//!
//! `#[operator(unkeyed)]` derives an [`UnkeyedOperator`]. It is a step of the chain and no stage: no record is sent anywhere,
//! a subtask works on what its chain brings it. What enters: records, watermarks, the end of the input. What leaves: what the
//! operator emits, and watermarks behind it. Absent on purpose: keys and timers. A timer is kept per key, so that it finds its
//! subtask again when there are others (as in Flink); what waits for event time can look at each watermark.

use std::sync::Arc;

use crate::chain::{Head, LocalEdge, Signal, Step};
use crate::error::Result;
use crate::key::{Parallelism, SubtaskIndex};
use crate::operator::Emit;
use crate::operator::emit::{Emitter, SideOutput};
use crate::outbox::{EdgeIndex, Outbox};
use crate::snapshot::entry_state::EntryState;
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::state::{Share, UnkeyedState};
use crate::task::stage::{Stage, StageContext};
use crate::time::{Clock, EventTime};

/// A step with state on a stream that is not keyed. Implemented by `#[operator(unkeyed)]`.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// #[state(unkeyed)]
/// #[derive(Default)]
/// struct Pending {
///     lines: DealtList<String>,   // after a restore at another parallelism each line is with one subtask
/// }
///
/// /// Gathers lines to write them several at a time.
/// struct Batcher { size: usize }
///
/// #[operator(unkeyed)]
/// impl Batcher {
///     fn on_event(&self, line: String, pending: &mut Pending) -> Option<Vec<String>> {
///         pending.lines.push(line);
///         (pending.lines.len() >= self.size).then(|| pending.lines.split_off(0))
///     }
///
///     fn on_end(&self, pending: &mut Pending) -> Option<Vec<String>> {
///         (!pending.lines.is_empty()).then(|| pending.lines.split_off(0))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let batches = Collect::new();
/// TestJob::new("batches", |job| {
///     let lines = ["a", "b", "c", "d", "e"].map(String::from);
///     job.source("lines", Memory::of(lines.into()))
///         .process("batcher", Batcher { size: 2 })
///         .sink("batches", batches.clone());
///     Ok(())
/// })?
/// .run()?;
/// assert_eq!(batches.take(), [vec!["a", "b"], vec!["c", "d"], vec!["e"]]);
/// # Ok(())
/// # }
/// ```
pub trait UnkeyedOperator: Send + Sync + Sized + 'static {
    /// What it receives.
    type In: 'static;
    /// What a subtask remembers.
    type State: UnkeyedState;
    /// What it emits.
    type Out: 'static;
    /// What it emits on the side; [`Never`](crate::operator::Never) if it has no side output.
    type Side: 'static;

    /// A record has arrived.
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    );

    /// Event time has advanced, and has not come to its end: [`UnkeyedContext::watermark`] says how far. What is emitted
    /// carries that time, and goes on before the watermark does.
    fn on_watermark(
        &self,
        state: &mut Self::State,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    ) {
        let _ = (state, cx, out, side);
    }

    /// The input of this subtask has ended: the last chance to emit what is held back. What is emitted carries
    /// [`EventTime::MAX`]. A job that is told to stop keeps its state instead.
    ///
    /// Take out of the state what you emit. Other subtasks may read on, and the next snapshot keeps what is left in the state:
    /// a job that is restored from it ends again, and would emit it again.
    fn on_end(
        &self,
        state: &mut Self::State,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    ) {
        let _ = (state, cx, out, side);
    }

    /// The job has been restored from a snapshot and the lists have been dealt; no record has come yet. Nothing can be emitted.
    fn on_restore(&self, state: &mut Self::State, cx: &UnkeyedContext) {
        let _ = (state, cx);
    }
}

/// Says which records an operator without keys works on, so that the compiler can say when a stream has others. Implemented
/// by `#[operator(unkeyed)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no operator for a stream of `{T}` that is not keyed",
    label = "expected an operator marked `#[operator(unkeyed)]` that receives `{T}`",
    note = "an operator that remembers something per key needs to know whose state it works on: write `.key_by(|record| record.user.clone())` before `.process(..)`",
    note = "one whose state belongs to the subtask is marked `#[operator(unkeyed)]`; a stateless step is a `.map(..)` or `.flat_map(..)`"
)]
pub trait WorksOn<T> {
    /// `Self`. An operator's stream has this type behind it, so that it is unknown to rustc where the operator does not fit,
    /// and the steps that follow give no errors of their own.
    type As: UnkeyedOperator<In = T>;

    /// The operator itself.
    fn itself(self) -> Self::As;
}

/// What there is to know where there is no key: the times, and which subtask it is.
#[derive(Clone, Debug)]
pub struct UnkeyedContext {
    pub(crate) at: EventTime,
    pub(crate) watermark: EventTime,
    pub(crate) subtask: SubtaskIndex,
    pub(crate) parallelism: Parallelism,
    pub(crate) clock: Clock,
}

impl UnkeyedContext {
    pub(crate) fn new(cx: &StageContext) -> UnkeyedContext {
        UnkeyedContext {
            at: EventTime::MIN,
            watermark: EventTime::MIN,
            subtask: cx.subtask,
            parallelism: cx.parallelism,
            clock: cx.clock.clone(),
        }
    }

    /// The event time of the record. What is emitted carries it too.
    pub fn event_time(&self) -> EventTime {
        self.at
    }

    /// How far event time has come: no record older than this is expected.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Whether the record is late: older than the watermark. One that was given no event time is not.
    pub fn is_late(&self) -> bool {
        EventTime::MIN < self.at && self.at <= self.watermark
    }

    /// The time of the clock on the wall. A result that depends on it is not the same after a restore.
    pub fn processing_time(&self) -> EventTime {
        self.clock.now()
    }

    /// Which subtask this is, from 0.
    pub fn subtask(&self) -> u32 {
        self.subtask.0
    }

    /// How many subtasks there are.
    pub fn parallelism(&self) -> u32 {
        self.parallelism.get()
    }
}

/// A chain that ends, so far, in an operator whose state belongs to the subtask.
pub struct UnkeyedHead<H, O> {
    head: H,
    operator: Arc<O>,
    kept: EntryState,
    side: Option<EdgeIndex>,
}

impl<H, O: UnkeyedOperator> UnkeyedHead<H, O> {
    pub(crate) fn new(head: H, name: &str, operator: O, side: Option<EdgeIndex>) -> UnkeyedHead<H, O> {
        let kept = EntryState::unkeyed::<O::State>(name);
        UnkeyedHead { head, operator: Arc::new(operator), kept, side }
    }
}

impl<H, O> Head for UnkeyedHead<H, O>
where
    H: Head,
    O: UnkeyedOperator<In = H::Out, Side: Send>,
{
    type Out = O::Out;

    fn build<N: Step<O::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(UnkeyedStep {
            operator: Arc::clone(&self.operator),
            kept: self.kept.clone(),
            working: None,
            side: SideOutput(self.side.map(LocalEdge::new)),
            next,
        })
    }
}

struct UnkeyedStep<O: UnkeyedOperator, N> {
    operator: Arc<O>,
    kept: EntryState,
    /// There from `Open` on.
    working: Option<Working<O::State>>,
    side: SideOutput<O::Side>,
    next: N,
}

struct Working<S> {
    state: S,
    cx: UnkeyedContext,
    /// The last watermark before the end of the input: what a snapshot keeps.
    reached: EventTime,
}

const OPEN: &str = "a chain is opened before it is used";
const WATERMARK: &str = "watermark";

impl<O, N> UnkeyedStep<O, N>
where
    O: UnkeyedOperator<Side: Send>,
    N: Step<O::Out>,
{
    fn restore(&mut self, restored: &dyn RestoredState) -> Result<()> {
        let Working { state, cx, reached } = self.working.as_mut().expect(OPEN);
        let kept = self.kept.take_back::<O::State>(restored)?;
        if !kept.is_empty() {
            let share = Share { index: cx.subtask.index(), of: cx.parallelism.get() as usize };
            *state = O::State::deal(kept, share);
        }
        let entries = restored.entries(&self.kept.owner());
        let watermarks = entries.into_iter().filter(|entry| entry.item == WATERMARK);
        let watermarks = watermarks.map(|entry| serde_json::from_value(entry.value.clone()));
        let watermarks = watermarks.collect::<Result<Vec<EventTime>, _>>()?;
        *reached = watermarks.into_iter().min().unwrap_or(EventTime::MIN);
        cx.watermark = *reached;
        self.operator.on_restore(state, cx);
        Ok(())
    }

    fn advance(&mut self, watermark: EventTime) {
        let Working { state, cx, reached } = self.working.as_mut().expect(OPEN);
        if watermark <= cx.watermark {
            return;
        }
        (cx.watermark, cx.at) = (watermark, watermark);
        let out = &mut Emitter { next: &mut self.next, at: watermark };
        let side = &mut Emitter { next: &mut self.side, at: watermark };
        if watermark == EventTime::MAX {
            self.operator.on_end(state, cx, out, side);
        } else {
            *reached = watermark;
            self.operator.on_watermark(state, cx, out, side);
        }
    }

    fn keep(&mut self, snapshot: &mut StageSnapshot) -> Result<()> {
        let Working { state, cx, reached } = self.working.as_ref().expect(OPEN);
        snapshot.put(&self.kept.owner(), WATERMARK, reached)?;
        self.kept.keep(cx.subtask, state, snapshot)
    }
}

impl<O, N> Step<O::In> for UnkeyedStep<O, N>
where
    O: UnkeyedOperator<Side: Send>,
    N: Step<O::Out>,
{
    #[inline]
    fn push(&mut self, value: O::In, at: EventTime) {
        let Working { state, cx, .. } = self.working.as_mut().expect(OPEN);
        cx.at = at;
        let out = &mut Emitter { next: &mut self.next, at };
        self.operator.on_event(value, state, cx, out, &mut Emitter { next: &mut self.side, at });
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        match signal {
            Signal::Open(cx) => {
                let (state, cx) = (O::State::initial(), UnkeyedContext::new(cx));
                self.working = Some(Working { state, cx, reached: EventTime::MIN });
            }
            Signal::Restore(restored) => self.restore(*restored)?,
            Signal::Watermark(watermark) => self.advance(*watermark),
            Signal::Barrier(_, snapshot) => self.keep(snapshot)?,
            Signal::Split(_) | Signal::SplitEnd(_) | Signal::Flush(_) | Signal::Commit(_) => {}
        }
        self.side.signal(signal, out)?;
        self.next.signal(signal, out)
    }
}
