//! A keyed stream: the records of one stream, or of two, on their way to the subtask that owns their key.
//!
//! What enters: streams that end in front of an exchange. What leaves: the stage of the operator that works on them, and an
//! edge to it from every stream.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::chain::{Head, MapHead};
use crate::exchange::partition::{KeyAccess, Partition};
use crate::exchange::sides::Sides;
use crate::job::broadcast_stream::NoBroadcast;
use crate::job::builder::{Job, LocalStream, NoSideOutput, Stream};
use crate::job::graph::StageRole;
use crate::job::plan::{Ship, StageKind};
use crate::operator::Operator;
use crate::operator::keyed::{KeyedHead, program_of};
use crate::record::Either;
use crate::snapshot::entry_state::EntryState;
use crate::state::{Data, KeyedBy};

/// Records that come together by a key of type `K`; `A` says how it is found, `I` is where they come from.
#[must_use = "a keyed stream goes nowhere until it is processed: `.process(\"name\", operator)`"]
pub struct KeyedStream<'j, K, T, A, I> {
    pub(crate) job: &'j Job,
    pub(super) access: A,
    pub(super) inputs: I,
    pub(super) key: PhantomData<fn() -> (K, T)>,
}

/// The streams that end in front of an exchange: a [`Stream`], or two that are [connected](KeyedStream::connect).
pub trait Inputs<T> {
    /// Ends them in edges to stage `to`, as records of `U` that `wrap` makes of theirs.
    #[doc(hidden)]
    fn wire<U, A, F>(self, to: usize, label: &str, access: A, wrap: F)
    where
        U: Data,
        A: KeyAccess<U>,
        F: Fn(T) -> U + Clone + Send + Sync + 'static;
}

impl<T: Data, H: Head<Out = T>> Inputs<T> for Stream<'_, T, H> {
    fn wire<U, A, F>(self, to: usize, label: &str, access: A, wrap: F)
    where
        U: Data,
        A: KeyAccess<U>,
        F: Fn(T) -> U + Clone + Send + Sync + 'static,
    {
        let edge = self.job.graph.borrow_mut().add_edge(self.stage, to, Ship::Hash, label);
        self.then(|head| MapHead::new(head, wrap)).end(move || Partition::new(edge, access.clone()));
    }
}

/// Two streams that one operator works on.
pub struct Connected<I, J> {
    left: I,
    right: J,
}

impl<L, R, I: Inputs<L>, J: Inputs<R>> Inputs<Either<L, R>> for Connected<I, J> {
    fn wire<U, A, F>(self, to: usize, _label: &str, access: A, wrap: F)
    where
        U: Data,
        A: KeyAccess<U>,
        F: Fn(Either<L, R>) -> U + Clone + Send + Sync + 'static,
    {
        let (left, right) = (wrap.clone(), wrap);
        self.left.wire(to, "left", access.clone(), move |record| left(Either::Left(record)));
        self.right.wire(to, "right", access, move |record| right(Either::Right(record)));
    }
}

impl<'j, K, T: Data, A: KeyAccess<T, Key = K>, I: Inputs<T>> KeyedStream<'j, K, T, A, I> {
    pub(super) fn new(job: &'j Job, inputs: I, access: A) -> KeyedStream<'j, K, T, A, I> {
        KeyedStream { job, access, inputs, key: PhantomData }
    }

    /// Has a stateful operator work on the records, key by key. The name is what snapshots know its state by.
    pub fn process<O>(self, name: &str, operator: O) -> Processed<'j, O, K, A>
    where
        O: Operator<In = T, Side: NoSideOutput + Send, Broadcast: NoBroadcast>,
        O::State: KeyedBy<K>,
    {
        self.begin(name, operator).stream()
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
        self.begin(name, operator).with_side()
    }

    /// This stream and another one of the same key, side by side: what follows is given the records of both, each as a side of
    /// [`Either`], and has one state per key. Flink's `connect`.
    ///
    /// Each stream keeps its order, and there is none between the two. Event time is the earlier of theirs.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event]
    /// #[derive(Clone)]
    /// struct Order { id: u32, amount: u64 }
    ///
    /// #[event]
    /// #[derive(Clone)]
    /// struct Payment { order: u32, amount: u64 }
    ///
    /// #[state(key = u32)]
    /// #[derive(Default)]
    /// struct Account { open: i64 }
    ///
    /// /// Settles orders with payments, whichever come first.
    /// struct Settle;
    ///
    /// #[operator]
    /// impl Settle {
    ///     fn on_left(&self, order: Order, account: &mut Account) -> Option<String> {
    ///         account.open += order.amount as i64;
    ///         (account.open == 0).then(|| format!("order {} is settled", order.id))
    ///     }
    ///
    ///     fn on_right(&self, payment: Payment, account: &mut Account) -> Option<String> {
    ///         account.open -= payment.amount as i64;
    ///         (account.open == 0).then(|| format!("order {} is settled", payment.order))
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let settled = Collect::new();
    /// TestJob::new("settle", |job| {
    ///     let orders = job.source("orders", Memory::of(vec![Order { id: 7, amount: 10 }, Order { id: 8, amount: 5 }]));
    ///     let payments = job.source("payments", Memory::of(vec![Payment { order: 7, amount: 10 }]));
    ///     orders
    ///         .key_by(|order| order.id)
    ///         .connect(payments.key_by(|payment| payment.order))
    ///         .process("settle", Settle)
    ///         .sink("settled", settled.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(settled.take(), ["order 7 is settled"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect<R, B, J>(
        self,
        right: KeyedStream<'j, K, R, B, J>,
    ) -> ConnectedStreams<'j, K, T, R, A, B, I, J>
    where
        R: Data,
        B: KeyAccess<R, Key = K>,
        J: Inputs<R>,
    {
        KeyedStream {
            job: self.job,
            access: Sides { left: self.access, right: right.access },
            inputs: Connected { left: self.inputs, right: right.inputs },
            key: PhantomData,
        }
    }

    /// Begins the stage of an operator: the chains of the streams end in front of it.
    pub(crate) fn begin<O>(self, name: &str, operator: O) -> OperatorStage<'j, O, A>
    where
        O: Operator<In = T>,
    {
        let KeyedStream { job, access, inputs, .. } = self;
        let role = StageRole::Keyed(program_of::<O>());
        let stage = {
            let mut graph = job.graph.borrow_mut();
            let stage = graph.begin_stage(name, StageKind::Keyed, role);
            graph.stages[stage].receives = Some(T::schema());
            stage
        };
        inputs.wire(stage, "", access.clone(), |record| record);
        job.step(stage, "process", name);
        job.graph.borrow_mut().entry_states.extend(EntryState::broadcast::<O::Shared>(name));
        let head = KeyedHead { name: name.to_string(), operator: Arc::new(operator), access, side: None };
        OperatorStage { job, stage, head }
    }
}

/// The stage of an operator, whose inputs are wired and whose results go nowhere yet.
#[doc(hidden)]
pub struct OperatorStage<'j, O, A> {
    pub(super) job: &'j Job,
    pub(super) stage: usize,
    head: KeyedHead<O, A>,
}

impl<'j, O: Operator, A> OperatorStage<'j, O, A> {
    /// The stream of what the operator emits. What it emits on the side is lost: it has nothing there, or was told so.
    pub(crate) fn stream<K>(self) -> Processed<'j, O, K, A>
    where
        O::State: KeyedBy<K>,
    {
        let OperatorStage { job, stage, head } = self;
        Stream { job, stage, head: O::State::through(head), item: PhantomData }
    }

    /// [`stream`](OperatorStage::stream), and that of what it emits on the side.
    pub(crate) fn with_side<K>(mut self) -> (Processed<'j, O, K, A>, LocalStream<'j, O::Side>)
    where
        O: Operator<Side: Send>,
        O::State: KeyedBy<K>,
    {
        let (edge, side) = self.job.local_stage(self.stage, "side");
        self.head.side = Some(edge);
        (self.stream(), side)
    }
}

/// Two keyed streams that are [connected](KeyedStream::connect).
pub type ConnectedStreams<'j, K, L, R, A, B, I, J> =
    KeyedStream<'j, K, Either<L, R>, Sides<A, B>, Connected<I, J>>;

/// The stream of what an operator emits.
pub type Processed<'j, O, K, A> =
    Stream<'j, <O as Operator>::Out, <<O as Operator>::State as KeyedBy<K>>::Through<KeyedHead<O, A>>>;
