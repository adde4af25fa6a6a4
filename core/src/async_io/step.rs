//! The step of a chain that asks about records and waits for the answers.
//!
//! *Enters:* records and whatever is rarer. *Leaves:* results, and the rest in its place among them. *Always:* the records whose
//! results have not gone on are in the snapshot, and are asked about again when it is restored; so nothing else has to be known
//! of requests. A driver that is asked to hold its input back does so: then no more records wait than one turn brings.
//! *Absent:* waiting. Each turn takes what is there.
//!
//! At a restore the records are dealt to the subtasks that there are then. Each record is put behind the watermark behind which
//! it was; but none that not every subtask had been told goes on, because records that it would make late may now come here.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::blocking::calling;
use super::on_failure::{OnFailure, Settled};
use super::queue::{Due, Held, Mark, Number, Order, Passed, Queue};
use super::requests::{Request, Requests};
use super::retry::{Failure, Retry};
use super::runtime::Runtime;
use crate::chain::{Head, LocalEdge, Signal, Step};
use crate::error::Result;
use crate::event;
use crate::key::SubtaskIndex;
use crate::operator::SideOutput;
use crate::outbox::{EdgeIndex, Outbox};
use crate::snapshot::entry_state::EntryState;
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::state::{Data, DealtList, Describe, Field, Redealt, Share, UnkeyedState};
use crate::task::panic;
use crate::task::stage::{Stage, StageContext};
use crate::time::{Clock, EventTime};

/// How a record is asked about. A function that gives a future is one.
pub trait Ask<T>: Clone + Send + Sync + 'static {
    /// What is answered.
    type Answer: 'static;
    /// What an attempt fails with.
    type Error: 'static;
    /// What comes of answers.
    type Out: 'static;

    /// Asks about a record.
    fn ask(&self, record: &T, attempt: &Attempt<'_>) -> Asked<Result<Self::Answer, Self::Error>>;

    /// Gives what comes of the answer.
    fn hand_on(&self, record: T, answer: Self::Answer, each: &mut impl FnMut(Self::Out));
}

/// The circumstances under which is asked.
pub struct Attempt<'a> {
    /// How often it is asked about the record, this time included.
    pub number: u32,
    /// Tells the time.
    pub clock: &'a Clock,
}

/// What there is as soon as one has asked.
pub enum Asked<R> {
    /// The answer.
    Answered(R),
    /// A request.
    Request(Request<R>),
}

/// How is asked, whatever is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub order: Order,
    pub capacity: usize,
    pub timeout: Duration,
    pub retry: Retry,
}

/// Says of what an attempt came to whether to ask again.
pub(super) type RetryIf<A, E> = Arc<dyn Fn(Result<&A, &E>) -> bool + Send + Sync>;

/// What a snapshot has of a subtask.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Data"))]
struct InFlight<T> {
    records: DealtList<Unanswered<T>>,
}

/// A record whose result had not gone on.
#[event(crate = crate)]
struct Unanswered<T> {
    record: T,
    at: EventTime,
    /// The last watermark in front of it.
    behind: EventTime,
}

/// The same, of records that stay where they are.
#[derive(Serialize)]
struct InFlightNow<'a, T> {
    records: Vec<(&'a T, EventTime, EventTime)>,
}

impl<T: Data> Serialize for InFlight<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let records = self.records.iter().map(|held| (&held.record, held.at, held.behind)).collect();
        InFlightNow { records }.serialize(serializer)
    }
}

#[diagnostic::do_not_recommend]
impl<T: Data> UnkeyedState for InFlight<T> {
    const NAME: &'static str = "InFlight";

    fn initial() -> Self {
        InFlight { records: DealtList::default() }
    }

    fn fields() -> Vec<Field> {
        vec![Field::new("records", DealtList::<Unanswered<T>>::schema())]
    }

    fn deal(kept: Vec<Self>, share: Share) -> Self {
        InFlight { records: DealtList::redeal(kept.into_iter().map(|kept| kept.records).collect(), share) }
    }
}

/// The state as the job's graph knows it.
pub(super) fn entry_state<T: Data>(name: &str) -> EntryState {
    EntryState::unkeyed::<InFlight<T>>(name)
}

const WATERMARKS: &str = "watermarks";

/// How far event time had come before the end of the input.
#[derive(Serialize, Deserialize)]
struct Reached {
    received: EventTime,
    passed: EventTime,
}

type Outcome<A, T> = Result<<A as Ask<T>>::Answer, Failure<<A as Ask<T>>::Error>>;

struct AskStep<T, A: Ask<T>, F: OnFailure<T, A::Out, A::Error>, N> {
    name: String,
    ask: A,
    settings: Settings,
    retry_if: Option<RetryIf<A::Answer, A::Error>>,
    on_failure: F,
    kept: EntryState,
    queue: Queue<T, Outcome<A, T>>,
    /// There from `Open` on.
    working: Option<Working<Result<A::Answer, A::Error>>>,
    /// The last watermarks before the end of the input.
    reached: Reached,
    side: SideOutput<F::Side>,
    next: N,
}

struct Working<R> {
    requests: Requests<R>,
    runtime: Runtime,
    clock: Clock,
    subtask: SubtaskIndex,
    share: Share,
}

const OPEN: &str = "a chain is opened before it is used";

impl<T, A, F, N> AskStep<T, A, F, N>
where
    T: Data + Clone,
    A: Ask<T>,
    F: OnFailure<T, A::Out, A::Error>,
    N: Step<A::Out>,
{
    fn open(&mut self, cx: &StageContext) -> Result<()> {
        self.working = Some(Working {
            requests: Requests::new(cx.waker.clone()),
            runtime: Runtime::open()?,
            clock: cx.clock.clone(),
            subtask: cx.subtask,
            share: Share { index: cx.subtask.index(), of: cx.parallelism.get() as usize },
        });
        Ok(())
    }

    fn restore(&mut self, restored: &dyn RestoredState) -> Result<()> {
        let share = self.working.as_ref().expect(OPEN).share;
        let kept = self.kept.take_back::<InFlight<T>>(restored)?;
        let entries = restored.entries(&self.kept.owner());
        let reached = entries.into_iter().filter(|entry| entry.item == WATERMARKS);
        let reached = reached.map(|entry| serde_json::from_value(entry.value.clone()));
        let reached = reached.collect::<Result<Vec<Reached>, _>>()?;
        let least = |of: fn(&Reached) -> EventTime| reached.iter().map(of).min().unwrap_or(EventTime::MIN);
        let told = least(|reached| reached.received);
        self.queue.begin_at(least(|reached| reached.passed));
        let mut records =
            if kept.is_empty() { Vec::new() } else { InFlight::deal(kept, share).records.split_off(0) };
        // Of several subtasks; those of one are in this order already.
        records.sort_by_key(|held| held.behind);
        for Unanswered { record, at, behind } in records {
            self.mark(Mark::Watermark(behind.min(told)));
            self.queue.push(record, at);
        }
        self.mark(Mark::Watermark(told));
        Ok(())
    }

    fn keep(&self, snapshot: &mut StageSnapshot) -> Result<()> {
        let working = self.working.as_ref().expect(OPEN);
        let records = self.queue.held().map(|Held { record, at, behind }| (record, *at, *behind)).collect();
        snapshot.put(&self.kept.owner(), WATERMARKS, &self.reached)?;
        self.kept.keep(working.subtask, &InFlightNow { records }, snapshot)
    }

    fn mark(&mut self, mark: Mark) {
        self.queue.mark(mark);
        self.note_reached();
    }

    /// The end of time is no watermark to go on from: a job that is restored may have more input.
    fn note_reached(&mut self) {
        let (received, passed) = self.queue.watermarks();
        for (reached, now) in [(&mut self.reached.received, received), (&mut self.reached.passed, passed)] {
            if now < EventTime::MAX {
                *reached = now;
            }
        }
    }

    /// Takes what has been answered, hands on what may go on, and asks about what there is room for.
    fn work(&mut self, out: &mut Outbox) -> Result<()> {
        let mut working = self.working.take().expect(OPEN);
        let Working { requests, runtime, clock, .. } = &mut working;
        let in_place = clock.is_virtual();
        let worked = runtime.within(|| calling(in_place, || self.turn(requests, clock, out)));
        self.working = Some(working);
        worked
    }

    fn turn(
        &mut self,
        requests: &mut Requests<Result<A::Answer, A::Error>>,
        clock: &Clock,
        out: &mut Outbox,
    ) -> Result<()> {
        for bell in requests.take_woken() {
            if let Some(result) = self.guarded(bell.number, || requests.poll_woken(&bell))? {
                self.settle(bell.number, result, clock);
            }
        }
        let now = clock.monotonic();
        while let Some(due) = self.queue.due(now) {
            match due {
                Due::Again(number) => self.ask(number, requests, clock)?,
                Due::TimedOut(number, attempts) => {
                    requests.cancel(number);
                    let timeout = self.settings.timeout;
                    self.queue.answer(number, Err(Failure::TimedOut { timeout, attempts }));
                }
            }
        }
        loop {
            self.pass(out)?;
            let Some((number, _)) = self.queue.start(clock.monotonic()) else { return Ok(()) };
            self.ask(number, requests, clock)?;
            while let Some((number, _)) = self.queue.start(clock.monotonic()) {
                self.ask(number, requests, clock)?;
            }
        }
    }

    fn ask(
        &mut self,
        number: Number,
        requests: &mut Requests<Result<A::Answer, A::Error>>,
        clock: &Clock,
    ) -> Result<()> {
        let (Some(record), Some(attempt)) = (self.queue.record(number), self.queue.attempt(number)) else {
            return Ok(());
        };
        let attempt = Attempt { number: attempt, clock };
        let asked = self.guarded(number, || match self.ask.ask(record, &attempt) {
            Asked::Answered(result) => Some(result),
            Asked::Request(request) => requests.begin(number, request),
        });
        if let Some(result) = asked? {
            self.settle(number, result, clock);
        }
        Ok(())
    }

    /// Runs what the user has written; a panic of it is one about the record.
    fn guarded<R>(&self, number: Number, body: impl FnOnce() -> R) -> Result<R> {
        panic::catch(body).map_err(|caught| {
            let record = self.queue.record(number).map(in_words).unwrap_or_default();
            caught.into_error(format_args!("operator {:?}, asking about the record {record},", self.name))
        })
    }

    /// An attempt has come to its end.
    fn settle(&mut self, number: Number, result: Result<A::Answer, A::Error>, clock: &Clock) {
        let Some(attempts) = self.queue.attempt(number) else { return };
        let again = match &self.retry_if {
            Some(retry_if) => retry_if(result.as_ref()),
            None => result.is_err(),
        };
        match self.settings.retry.pause_after(attempts) {
            Some(pause) if again => self.queue.pause(number, clock.monotonic().saturating_add(pause)),
            _ => {
                let result = result.map_err(|error| Failure::Failed { error, attempts });
                self.queue.answer(number, result);
            }
        }
    }

    /// Hands on what may go on.
    fn pass(&mut self, out: &mut Outbox) -> Result<()> {
        while let Some(passed) = self.queue.pass() {
            let (held, result) = match passed {
                Passed::Result(held, result) => (held, result),
                Passed::Mark(Mark::Watermark(watermark)) => {
                    self.note_reached();
                    self.signal_all(&mut Signal::Watermark(watermark), out)?;
                    continue;
                }
                Passed::Mark(Mark::Status(status)) => {
                    self.signal_all(&mut Signal::Status(status), out)?;
                    continue;
                }
            };
            let Held { record, at, .. } = held;
            let next = &mut self.next;
            match result {
                Ok(answer) => self.ask.hand_on(record, answer, &mut |each| next.push(each, at)),
                Err(failure) => match self.on_failure.settle(&self.name, record, failure)? {
                    Settled::Out(instead) => next.push(instead, at),
                    Settled::Side(rejected) => self.side.push(rejected, at),
                },
            }
        }
        Ok(())
    }

    fn signal_all(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.side.signal(signal, out)?;
        self.next.signal(signal, out)
    }
}

impl<T, A, F, N> Step<T> for AskStep<T, A, F, N>
where
    T: Data + Clone,
    A: Ask<T>,
    F: OnFailure<T, A::Out, A::Error>,
    N: Step<A::Out>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.queue.push(value, at);
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        match signal {
            Signal::Open(cx) => self.open(cx)?,
            Signal::Restore(restored) => self.restore(*restored)?,
            Signal::Watermark(watermark) => {
                self.mark(Mark::Watermark(*watermark));
                return self.pass(out);
            }
            Signal::Status(status) => {
                self.mark(Mark::Status(*status));
                return self.pass(out);
            }
            // Results of several splits come in between each other: behind this step there are none.
            Signal::Ask(..) | Signal::Split(_) | Signal::SplitEnd(_) => return Ok(()),
            Signal::Flush(_) => {
                self.work(out)?;
                out.wishes.hold |= self.queue.is_full();
                out.wishes.is_at_work |= self.queue.held().next().is_some();
                out.wishes.wake_by(self.queue.next_due());
            }
            Signal::Barrier(_, snapshot) => self.keep(snapshot)?,
            Signal::Commit(_) => {}
        }
        self.signal_all(signal, out)
    }
}

/// A chain that ends, so far, in a step that asks about records.
pub struct AskHead<H: Head, A: Ask<H::Out>, F> {
    pub(super) head: H,
    pub(super) name: String,
    pub(super) ask: A,
    pub(super) settings: Settings,
    pub(super) retry_if: Option<RetryIf<A::Answer, A::Error>>,
    pub(super) on_failure: F,
    pub(super) side: Option<EdgeIndex>,
}

impl<H, A, F> Head for AskHead<H, A, F>
where
    H: Head<Out: Data + Clone>,
    A: Ask<H::Out>,
    F: OnFailure<H::Out, A::Out, A::Error>,
{
    type Out = A::Out;

    fn build<N: Step<A::Out>>(&self, next: N) -> Box<dyn Stage> {
        let Settings { order, capacity, timeout, .. } = self.settings;
        self.head.build(AskStep {
            name: self.name.clone(),
            ask: self.ask.clone(),
            settings: self.settings,
            retry_if: self.retry_if.clone(),
            on_failure: self.on_failure.clone(),
            kept: entry_state::<H::Out>(&self.name),
            queue: Queue::new(order, capacity, timeout),
            working: None,
            reached: Reached { received: EventTime::MIN, passed: EventTime::MIN },
            side: SideOutput(self.side.map(LocalEdge::new)),
            next,
        })
    }
}

/// A record in a message: as JSON, and not much of it.
pub(super) fn in_words<T: Serialize>(record: &T) -> String {
    const CHARS_MAX: usize = 200;
    let Ok(text) = serde_json::to_string(record) else { return "that JSON can't write".to_string() };
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}
