//! What a `#[job]` function writes with: [`Job::source`] begins a [`Stream`], its methods add steps, a sink ends it.
//!
//! A stream has one end: methods take it by value. Where records part (`try_map`, `split`, `tee`, a side output) two streams come
//! back. Names are given to what a snapshot must know again: sources, stateful operators, sinks.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::chain::{
    Discard, EventTimeHead, FilterHead, FilterMapHead, FlatMapHead, Head, KeepUncounted, LocalEdge,
    LocalHead, MapHead, RejectUncounted, TeeHead, TryMapHead,
};
use crate::error::{Error, Result};
use crate::exchange::partition::{Borrowed, Computed, KeyAccess};
use crate::job::graph::{Graph, SinkNode, StageRole};
use crate::job::keyed_stream::KeyedStream;
use crate::job::plan::{PlanStep, Ship, StageKind};
use crate::key::Key;
use crate::operator::unkeyed::UnkeyedHead;
use crate::operator::{Never, UnkeyedOperator, WorksOn};
use crate::outbox::EdgeIndex;
use crate::record::{Either, Event};
use crate::sink::Sink;
use crate::sink::step::SinkStep;
use crate::snapshot::entry_state::EntryState;
use crate::source::stage::SourceHead;
use crate::source::{Source, WatermarkStrategy, Watermarks};
use crate::state::Data;
use crate::time::EventTime;

/// A job that is being wired.
pub struct Job {
    pub(super) graph: RefCell<Graph>,
}

impl Job {
    /// A job called `name`, without any stream yet. A `#[job]` function is given one.
    pub fn new(name: &str) -> Job {
        Job { graph: RefCell::new(Graph::new(name)) }
    }

    /// Begins a stream. The name is what snapshots know the source's offsets by.
    pub fn source<S: Source>(&self, name: &str, source: S) -> Stream<'_, S::Item, SourceHead<S>> {
        let source = Arc::new(source);
        let mut graph = self.graph.borrow_mut();
        let stage = graph.begin_stage(name, StageKind::Source, StageRole::Source(source.clone()));
        let detail = format!("{name}: {}", Source::describe(&*source));
        graph.stages[stage].steps.push(PlanStep { kind: "source".to_string(), detail });
        Stream { job: self, stage, head: SourceHead { name: name.to_string(), source }, item: PhantomData }
    }

    /// The wired graph.
    ///
    /// # Errors
    /// If a stream goes nowhere, or two things that a snapshot must tell apart have one name.
    pub fn finish(self) -> Result<Graph> {
        let mut graph = self.graph.into_inner();
        match graph.mistake.take() {
            Some(mistake) => Err(mistake),
            None => graph.validate().map(|()| graph),
        }
    }

    /// Something is wrong with what was wired: the job is refused when it is finished.
    pub(crate) fn mistake(&self, mistake: Error) {
        self.graph.borrow_mut().mistake.get_or_insert(mistake);
    }

    pub(super) fn step(&self, stage: usize, kind: &str, detail: impl Into<String>) {
        let step = PlanStep { kind: kind.to_string(), detail: detail.into() };
        self.graph.borrow_mut().stages[stage].steps.push(step);
    }

    fn unkeyed<O: UnkeyedOperator>(&self, stage: usize, name: &str) {
        self.step(stage, "process", name);
        self.graph.borrow_mut().entry_states.push(EntryState::unkeyed::<O::State>(name));
    }

    /// Begins a stage whose input comes from `stage` of the same worker.
    pub(crate) fn local_stage<T: Send + 'static>(
        &self,
        stage: usize,
        label: &str,
    ) -> (EdgeIndex, LocalStream<'_, T>) {
        let mut graph = self.graph.borrow_mut();
        let name = graph.unused_name(&format!("{}/{label}", graph.stages[stage].name));
        let local = graph.begin_stage(&name, StageKind::Local, StageRole::Local);
        let edge = graph.add_edge(stage, local, Ship::Local, label);
        (edge, Stream { job: self, stage: local, head: LocalHead::new(), item: PhantomData })
    }
}

/// Records of type `T` on their way. `H` is the chain that they have come through so far; it is never written out.
#[must_use = "a stream that goes nowhere loses its records: end it with `.sink(..)` or `.discard()`"]
pub struct Stream<'j, T, H> {
    pub(super) job: &'j Job,
    pub(super) stage: usize,
    pub(super) head: H,
    pub(super) item: PhantomData<fn() -> T>,
}

/// A stream that begins at a local edge: rejects, copies, a union, a side output.
pub type LocalStream<'j, T> = Stream<'j, T, LocalHead<T>>;

impl<'j, T: 'static, H: Head<Out = T>> Stream<'j, T, H> {
    /// The job that it is wired in.
    pub(crate) fn job(&self) -> &'j Job {
        self.job
    }

    /// The stage that it is in.
    pub(crate) fn stage(&self) -> usize {
        self.stage
    }

    /// A step `kind` called `name` comes next, whose state belongs to no key.
    pub(crate) fn with_entry_state(self, kind: &str, name: &str, state: EntryState) -> Self {
        self.job.step(self.stage, kind, name);
        self.job.graph.borrow_mut().entry_states.push(state);
        self
    }

    /// The same stream with another head.
    pub(crate) fn then<U, L>(self, head: impl FnOnce(H) -> L) -> Stream<'j, U, L> {
        Stream { job: self.job, stage: self.stage, head: head(self.head), item: PhantomData }
    }

    /// Makes of every record another one.
    pub fn map<U: 'static, F>(self, apply: F) -> Stream<'j, U, MapHead<H, F, U>>
    where
        F: Fn(T) -> U + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "map", "");
        self.then(|head| MapHead::new(head, apply))
    }

    /// Keeps the records that `keep` is true of.
    pub fn filter<F>(self, keep: F) -> Stream<'j, T, FilterHead<H, F>>
    where
        F: Fn(&T) -> bool + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "filter", "");
        self.then(|head| FilterHead::new(head, keep))
    }

    /// Makes of a record another one, or drops it: `filter` and `map` in one.
    pub fn filter_map<U: 'static, F>(self, apply: F) -> Stream<'j, U, FilterMapHead<H, F, U>>
    where
        F: Fn(T) -> Option<U> + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "filter_map", "");
        self.then(|head| FilterMapHead::new(head, apply))
    }

    /// Makes of every record any number of others. Those of one record are pushed at once, so they must be finite.
    pub fn flat_map<I, F>(self, apply: F) -> Stream<'j, I::Item, FlatMapHead<H, F, I>>
    where
        I: IntoIterator<Item: 'static> + 'static,
        F: Fn(T) -> I + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "flat_map", "");
        self.then(|head| FlatMapHead::new(head, apply))
    }

    /// A `map` that can fail. What it rejects comes out as the second stream, which must go somewhere too.
    pub fn try_map<U: 'static, E: Send + 'static, F>(
        self,
        apply: F,
    ) -> (TryMapped<'j, H, F, U, E>, LocalStream<'j, E>)
    where
        F: Fn(T) -> Result<U, E> + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "try_map", "");
        let (edge, rejects) = self.job.local_stage(self.stage, "rejects");
        (self.then(|head| TryMapHead::new(head, apply, edge)), rejects)
    }

    /// Two streams, each of some of the records: those that `apply` puts left, and those that it puts right. Nothing is copied.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let (numbers, words) = (Collect::new(), Collect::new());
    /// TestJob::new("numbers and words", |job| {
    ///     let texts = Memory::of(["4", "tide", "2"].map(String::from).to_vec());
    ///     let (numbered, named) = job.source("texts", texts).split(|text| match text.parse::<u32>() {
    ///         Ok(number) => Either::Left(number),
    ///         Err(_) => Either::Right(text),
    ///     });
    ///     numbered.sink("numbers", numbers.clone());
    ///     named.sink("words", words.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!((numbers.take(), words.take()), (vec![4, 2], vec!["tide".to_string()]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn split<L: 'static, R: Send + 'static, F>(
        self,
        apply: F,
    ) -> (Stream<'j, L, impl Head<Out = L> + use<L, R, T, H, F>>, LocalStream<'j, R>)
    where
        F: Fn(T) -> Either<L, R> + Clone + Send + Sync + 'static,
    {
        self.job.step(self.stage, "split", "");
        let (edge, right) = self.job.local_stage(self.stage, "right");
        let apply = move |record| match apply(record) {
            Either::Left(left) => Ok(left),
            Either::Right(right) => Err(right),
        };
        (self.then(|head| TryMapHead::new(head, apply, edge)), right)
    }

    /// Two streams of the same records.
    pub fn tee(self) -> (Stream<'j, T, TeeHead<H>>, LocalStream<'j, T>)
    where
        T: Clone + Send,
    {
        self.job.step(self.stage, "tee", "");
        let (edge, copies) = self.job.local_stage(self.stage, "copies");
        (self.then(|head| TeeHead::new(head, edge)), copies)
    }

    /// One stream of the records of two. Event time is the earlier of the two.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let all = Collect::new();
    /// TestJob::new("all", |job| {
    ///     let even = job.source("even", Memory::of(vec![2u64, 4]));
    ///     job.source("odd", Memory::of(vec![1u64, 3])).union(even).sink("all", all.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut all = all.take();
    /// all.sort();
    /// assert_eq!(all, [1, 2, 3, 4]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn union<G: Head<Out = T>>(self, other: Stream<'j, T, G>) -> LocalStream<'j, T>
    where
        T: Send,
    {
        let job = self.job;
        let (edge, union) = job.local_stage(self.stage, "union");
        let other_edge = job.graph.borrow_mut().add_edge(other.stage, union.stage, Ship::Local, "union");
        self.end(move || LocalEdge::new(edge));
        other.end(move || LocalEdge::new(other_edge));
        union
    }

    /// Says when each record happened, and by `watermarks` how far event time has come with it.
    pub fn event_time<F, S>(self, time_of: F, watermarks: Watermarks<S>) -> WithEventTime<'j, T, H, F, S>
    where
        F: Fn(&T) -> EventTime + Clone + Send + Sync + 'static,
        S: WatermarkStrategy<T>,
    {
        let owner = self.event_time_owner(&watermarks);
        self.then(|head| EventTimeHead::new(head, time_of, watermarks, owner, KeepUncounted))
    }

    /// [`event_time`](Stream::event_time) whose second stream has the records with a [time that does not
    /// count](Watermarks): none, one from the year 9999 or later, one too far ahead of the clock.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct Reading { at: EventTime, celsius: i32 }
    ///
    /// let (good, bad) = (Collect::new(), Collect::new());
    /// TestJob::new("readings", |job| {
    ///     let readings = [1_000, 253_402_300_799_000, 2_000];   // the second happened on 9999-12-31
    ///     let readings = readings.map(|at| Reading { at: EventTime::from_millis(at), celsius: 20 });
    ///     let (readings, rejects) = job
    ///         .source("readings", Memory::of(readings.to_vec()))
    ///         .event_time_with_rejects(|reading| reading.at, Watermarks::bounded(secs(5)));
    ///     readings.map(|reading| reading.at.as_millis()).sink("good", good.clone());
    ///     rejects.map(|reading| reading.at.to_string()).sink("bad", bad.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(good.take(), [1_000, 2_000]);
    /// assert_eq!(bad.take(), ["9999-12-31T23:59:59.000Z"]);
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    pub fn event_time_with_rejects<F, S>(
        self,
        time_of: F,
        watermarks: Watermarks<S>,
    ) -> (WithRejects<'j, T, H, F, S>, LocalStream<'j, T>)
    where
        T: Send,
        F: Fn(&T) -> EventTime + Clone + Send + Sync + 'static,
        S: WatermarkStrategy<T>,
    {
        let owner = self.event_time_owner(&watermarks);
        let (edge, rejects) = self.job.local_stage(self.stage, "rejects");
        let with = RejectUncounted(edge);
        (self.then(|head| EventTimeHead::new(head, time_of, watermarks, owner, with)), rejects)
    }

    /// Adds the step to the plan. Whose its entries are in a snapshot.
    fn event_time_owner<S: WatermarkStrategy<T>>(&self, watermarks: &Watermarks<S>) -> String {
        let owner = {
            let stage = &self.job.graph.borrow().stages[self.stage];
            let earlier = stage.steps.iter().filter(|step| step.kind == "event_time").count();
            crate::chain::event_time::owner(&stage.name, earlier)
        };
        self.job.step(self.stage, "event_time", watermarks.describe());
        owner
    }

    /// [`event_time`](Stream::event_time) for records that say themselves when they happened: `#[event(time = field)]`.
    /// The field is read through a function pointer; what `.event_time(|record| record.at, ..)` is given is inlined.
    pub fn watermarks<S>(self, watermarks: Watermarks<S>) -> WithEventTime<'j, T, H, TimeOf<T>, S>
    where
        T: Event,
        S: WatermarkStrategy<T>,
    {
        self.event_time(T::event_time as TimeOf<T>, watermarks)
    }

    /// Brings the records of each key together: what follows sees all records of a key in one place and in order. The
    /// key is computed once and travels with the record; see [`key_by_ref`](Stream::key_by_ref) for one that need not.
    pub fn key_by<K: Key, F>(self, key: F) -> KeyedStream<'j, K, T, Computed<F>, Self>
    where
        T: Data,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        self.exchange(Computed(key))
    }

    /// [`key_by`](Stream::key_by) for a key that is a part of the record, and so need not be copied:
    /// `.key_by_ref(|visit| &visit.user)`.
    pub fn key_by_ref<K: Key, F>(self, key: F) -> KeyedStream<'j, K, T, Borrowed<F, K>, Self>
    where
        T: Data,
        F: Fn(&T) -> &K + Clone + Send + Sync + 'static,
    {
        self.exchange(Borrowed(key, PhantomData))
    }

    fn exchange<K: Key, A: KeyAccess<T, Key = K>>(self, access: A) -> KeyedStream<'j, K, T, A, Self>
    where
        T: Data,
    {
        let key = std::any::type_name::<K>().rsplit("::").next().unwrap_or_default();
        self.job.step(self.stage, "key_by", key);
        KeyedStream::new(self.job, self, access)
    }

    /// Ends the stream in a sink. The name is what snapshots know the sink's transactions by.
    pub fn sink<S: Sink<T>>(self, name: &str, sink: S) {
        let sink = Arc::new(sink);
        self.job.step(self.stage, "sink", format!("{name}: {}", sink.describe()));
        let node = SinkNode {
            name: name.to_string(),
            sink: sink.clone(),
            #[cfg(feature = "flink")]
            commit: {
                let sink = Arc::clone(&sink);
                Box::new(move |cx, pending| crate::sink::SinkWriter::commit(&mut sink.open(cx)?, pending))
            },
        };
        self.job.graph.borrow_mut().stages[self.stage].sink = Some(node);
        let name = name.to_string();
        self.end(move || SinkStep::new(name.clone(), Arc::clone(&sink)));
    }

    /// Ends the stream: nobody needs its records.
    pub fn discard(self) {
        self.job.step(self.stage, "discard", "");
        self.end(|| Discard);
    }

    /// Has an operator work on the records whose state belongs to the subtask: an [`UnkeyedOperator`]. One with state per key
    /// comes behind a [`key_by`](Stream::key_by). The name is what snapshots know its state by.
    pub fn process<O>(self, name: &str, operator: O) -> ProcessedUnkeyed<'j, T, H, O>
    where
        O: WorksOn<T, As: UnkeyedOperator<Side: NoSideOutput + Send>>,
    {
        self.job.unkeyed::<O::As>(self.stage, name);
        self.then(|head| UnkeyedHead::new(head, name, operator.itself(), None))
    }

    /// [`process`](Stream::process) for an operator with a side output: the second stream.
    pub fn process_with_side<O>(
        self,
        name: &str,
        operator: O,
    ) -> (ProcessedUnkeyed<'j, T, H, O>, UnkeyedSide<'j, T, O>)
    where
        O: WorksOn<T, As: UnkeyedOperator<Side: Send>>,
    {
        self.job.unkeyed::<O::As>(self.stage, name);
        let (edge, side) = self.job.local_stage(self.stage, "side");
        (self.then(|head| UnkeyedHead::new(head, name, operator.itself(), Some(edge))), side)
    }

    pub(super) fn end<N: crate::chain::Step<T>>(self, last: impl Fn() -> N + Send + Sync + 'static) {
        let head = self.head;
        let build = Box::new(move || head.build(last()));
        self.job.graph.borrow_mut().stages[self.stage].build = Some(build);
    }
}

/// What [`Stream::event_time`] gives.
pub type WithEventTime<'j, T, H, F, S> = Stream<'j, T, EventTimeHead<H, F, S, KeepUncounted>>;

/// What [`Stream::event_time_with_rejects`] lets pass.
pub type WithRejects<'j, T, H, F, S> = Stream<'j, T, EventTimeHead<H, F, S, RejectUncounted>>;

/// What [`Stream::try_map`] lets pass.
pub type TryMapped<'j, H, F, U, E> = Stream<'j, U, TryMapHead<H, F, U, E>>;

/// Reads the event time of a record. A named type, and not a closure's, so that a record without one is a single error.
type TimeOf<T> = fn(&T) -> EventTime;

/// An operator's side output that `process` may leave aside, because there is none.
#[diagnostic::on_unimplemented(
    message = "the operator has a side output of `{Self}`, which would be lost here",
    label = "its side output goes nowhere",
    note = "write `let (results, side) = stream.process_with_side(\"name\", operator);` and give both streams a sink"
)]
pub trait NoSideOutput {}

impl NoSideOutput for Never {}

/// The stream of what an operator on a stream without keys emits.
pub type ProcessedUnkeyed<'j, T, H, O> =
    Stream<'j, <<O as WorksOn<T>>::As as UnkeyedOperator>::Out, UnkeyedHead<H, <O as WorksOn<T>>::As>>;

/// The stream of what it emits on the side.
pub type UnkeyedSide<'j, T, O> = LocalStream<'j, <<O as WorksOn<T>>::As as UnkeyedOperator>::Side>;
