//! What a `#[job]` function writes with: [`Job::source`] begins a [`Stream`], its methods add steps, a sink ends it.
//!
//! A stream has one end: methods take it by value. Where records part (`try_map`, `tee`, a side output) two streams come
//! back. Names are given to what a snapshot must know again: sources, stateful operators, sinks.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::chain::{
    Discard, EventTimeHead, FilterHead, FlatMapHead, Head, LocalEdge, LocalHead, MapHead, TeeHead, TryMapHead,
};
use crate::error::Result;
use crate::exchange::partition::{Borrowed, Computed, KeyAccess, Partition};
use crate::job::broadcast_stream::NoBroadcast;
use crate::job::graph::{Graph, SinkNode, StageRole};
use crate::job::plan::{PlanStep, Ship, StageKind};
use crate::key::Key;
use crate::operator::keyed::{KeyedHead, program_of};
use crate::operator::unkeyed::UnkeyedHead;
use crate::operator::{Never, Operator, UnkeyedOperator, WorksOn};
use crate::outbox::EdgeIndex;
use crate::record::Event;
use crate::sink::Sink;
use crate::sink::step::SinkStep;
use crate::snapshot::entry_state::EntryState;
use crate::source::stage::SourceHead;
use crate::source::{Source, Watermarks};
use crate::state::{Data, KeyedBy};
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
        let graph = self.graph.into_inner();
        graph.validate()?;
        Ok(graph)
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
    pub(super) fn local_stage<T: Send + 'static>(
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
    /// The same stream with another head.
    fn then<U, L>(self, head: impl FnOnce(H) -> L) -> Stream<'j, U, L> {
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
    pub fn event_time<F>(self, time_of: F, watermarks: Watermarks) -> Stream<'j, T, EventTimeHead<H, F>>
    where
        F: Fn(&T) -> EventTime + Clone + Send + Sync + 'static,
    {
        let owner = {
            let stage = &self.job.graph.borrow().stages[self.stage];
            let earlier = stage.steps.iter().filter(|step| step.kind == "event_time").count();
            let number = if earlier == 0 { String::new() } else { format!(" {}", earlier + 1) };
            format!("watermarks {}{number}", stage.name)
        };
        self.job.step(self.stage, "event_time", watermarks.to_string());
        self.then(|head| EventTimeHead::new(head, time_of, watermarks, owner))
    }

    /// [`event_time`](Stream::event_time) for records that say themselves when they happened: `#[event(time = field)]`.
    /// The field is read through a function pointer; what `.event_time(|record| record.at, ..)` is given is inlined.
    pub fn watermarks(self, watermarks: Watermarks) -> Stream<'j, T, EventTimeHead<H, TimeOf<T>>>
    where
        T: Event,
    {
        self.event_time(T::event_time as TimeOf<T>, watermarks)
    }

    /// Brings the records of each key together: what follows sees all records of a key in one place and in order. The
    /// key is computed once and travels with the record; see [`key_by_ref`](Stream::key_by_ref) for one that need not.
    pub fn key_by<K: Key, F>(self, key: F) -> KeyedStream<'j, K, T, Computed<F>, H>
    where
        T: Data,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    {
        self.exchange(Computed(key))
    }

    /// [`key_by`](Stream::key_by) for a key that is a part of the record, and so need not be copied:
    /// `.key_by_ref(|visit| &visit.user)`.
    pub fn key_by_ref<K: Key, F>(self, key: F) -> KeyedStream<'j, K, T, Borrowed<F, K>, H>
    where
        T: Data,
        F: Fn(&T) -> &K + Clone + Send + Sync + 'static,
    {
        self.exchange(Borrowed(key, PhantomData))
    }

    fn exchange<K: Key, A: KeyAccess<T, Key = K>>(self, access: A) -> KeyedStream<'j, K, T, A, H>
    where
        T: Data,
    {
        self.job.step(
            self.stage,
            "key_by",
            std::any::type_name::<K>().rsplit("::").next().unwrap_or_default(),
        );
        KeyedStream { stream: self, access, key: PhantomData }
    }

    /// Ends the stream in a sink. The name is what snapshots know the sink's transactions by.
    pub fn sink<S: Sink<T>>(self, name: &str, sink: S) {
        let sink = Arc::new(sink);
        self.job.step(self.stage, "sink", format!("{name}: {}", sink.describe()));
        let node = SinkNode { name: name.to_string(), sink: sink.clone() };
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

/// Records that come together by a key of type `K`; `A` says how it is found, `H` is the chain before it.
#[must_use = "a keyed stream goes nowhere until it is processed: `.process(\"name\", operator)`"]
pub struct KeyedStream<'j, K, T, A, H> {
    stream: Stream<'j, T, H>,
    access: A,
    key: PhantomData<fn() -> K>,
}

impl<'j, K, T: Data, A: KeyAccess<T, Key = K>, H: Head<Out = T>> KeyedStream<'j, K, T, A, H> {
    /// Has a stateful operator work on the records, key by key. The name is what snapshots know its state by.
    pub fn process<O>(self, name: &str, operator: O) -> Processed<'j, O, K, A>
    where
        O: Operator<In = T, Side: NoSideOutput + Send, Broadcast: NoBroadcast>,
        O::State: KeyedBy<K>,
    {
        let (job, stage, head) = self.operator_stage(name, operator);
        Stream { job, stage, head: O::State::through(head), item: PhantomData }
    }

    /// [`process`](KeyedStream::process) for an operator with a side output: the second stream.
    pub fn process_with_side<O>(
        self,
        name: &str,
        operator: O,
    ) -> (Processed<'j, O, K, A>, LocalStream<'j, O::Side>)
    where
        O: Operator<In = T, Side: Send, Broadcast: NoBroadcast>,
        O::State: KeyedBy<K>,
    {
        let (job, stage, mut head) = self.operator_stage(name, operator);
        let (edge, side) = job.local_stage(stage, "side");
        head.side = Some(edge);
        (Stream { job, stage, head: O::State::through(head), item: PhantomData }, side)
    }

    /// Begins the stage of an operator: the chain of the stream ends in front of it.
    pub(super) fn operator_stage<O>(self, name: &str, operator: O) -> (&'j Job, usize, KeyedHead<O, A>)
    where
        O: Operator<In = T>,
    {
        let KeyedStream { stream, access, .. } = self;
        let job = stream.job;
        let (stage, edge) = {
            let mut graph = job.graph.borrow_mut();
            let stage = graph.begin_stage(name, StageKind::Keyed, StageRole::Keyed(program_of::<O>()));
            (stage, graph.add_edge(stream.stage, stage, Ship::Hash, ""))
        };
        let route = access.clone();
        stream.end(move || Partition::new(edge, route.clone()));
        job.step(stage, "process", name);
        job.graph.borrow_mut().entry_states.extend(EntryState::broadcast::<O::Shared>(name));
        (job, stage, KeyedHead { name: name.to_string(), operator: Arc::new(operator), access, side: None })
    }
}

/// The stream of what an operator on a stream without keys emits.
pub type ProcessedUnkeyed<'j, T, H, O> =
    Stream<'j, <<O as WorksOn<T>>::As as UnkeyedOperator>::Out, UnkeyedHead<H, <O as WorksOn<T>>::As>>;

/// The stream of what it emits on the side.
pub type UnkeyedSide<'j, T, O> = LocalStream<'j, <<O as WorksOn<T>>::As as UnkeyedOperator>::Side>;

/// The stream of what an operator emits.
pub type Processed<'j, O, K, A> =
    Stream<'j, <O as Operator>::Out, <<O as Operator>::State as KeyedBy<K>>::Through<KeyedHead<O, A>>>;
