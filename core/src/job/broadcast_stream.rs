//! A second stream beside a keyed one: its records are sent to every subtask of the operator behind.

use std::marker::PhantomData;

use crate::chain::Head;
use crate::exchange::broadcast::Broadcast;
use crate::exchange::partition::KeyAccess;
use crate::job::builder::{LocalStream, NoSideOutput, Stream};
use crate::job::keyed_stream::{Inputs, KeyedStream, OperatorStage, Processed};
use crate::job::plan::Ship;
use crate::operator::{Never, Operator};
use crate::outbox::EdgeIndex;
use crate::state::{Data, KeyedBy};

impl<'j, K, T: Data, A: KeyAccess<T, Key = K>, I: Inputs<T>> KeyedStream<'j, K, T, A, I> {
    /// Has the records of another stream sent to every subtask of the operator that comes next: its `on_broadcast` keeps what
    /// they say in its `#[state(broadcast)]`, and its `on_event` reads it. For streams of few records: rules, rates, settings.
    ///
    /// There is no order between the two streams. Event time is the earlier of the two: a broadcast stream that has no event
    /// time holds back that of the operator until it ends.
    ///
    /// ```
    /// use std::collections::BTreeMap;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event]
    /// #[derive(Clone)]
    /// struct Order { customer: u32, currency: String, amount: u64 }
    ///
    /// #[event]
    /// #[derive(Clone)]
    /// struct Rate { currency: String, euros: u64 }
    ///
    /// #[state(broadcast)]                      // the same in every subtask; kept once
    /// #[derive(Default)]
    /// struct Rates { euros: BTreeMap<String, u64> }
    ///
    /// #[state(key = u32)]
    /// #[derive(Default)]
    /// struct Account { orders: Vec<Order> }
    ///
    /// /// What a customer has spent, when all is known.
    /// struct Spent;
    ///
    /// #[operator]
    /// impl Spent {
    ///     fn on_event(&self, order: Order, account: &mut Account, cx: &mut Context<Self>) {
    ///         if account.orders.is_empty() {
    ///             cx.set_timer(EventTime::MAX, ());
    ///         }
    ///         account.orders.push(order);
    ///     }
    ///
    ///     fn on_timer(&self, _: (), account: &mut Account, rates: &Rates, cx: &mut Context<Self>) -> (u32, u64) {
    ///         let euros = |order: &Order| order.amount * rates.euros[&order.currency];
    ///         (*cx.key(), account.orders.iter().map(euros).sum())
    ///     }
    ///
    ///     fn on_broadcast(&self, rate: Rate, rates: &mut Rates) {
    ///         rates.euros.insert(rate.currency, rate.euros);
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let order = |customer, currency: &str, amount| Order { customer, currency: currency.to_string(), amount };
    /// # let rate = |currency: &str, euros| Rate { currency: currency.to_string(), euros };
    /// # let orders = vec![order(1, "pound", 10), order(2, "euro", 5), order(1, "euro", 1)];
    /// let spent = Collect::new();
    /// TestJob::new("spent", |job| {
    ///     let rates = job.source("rates", Memory::of(vec![rate("euro", 1), rate("pound", 2)]));
    ///     job.source("orders", Memory::of(orders))
    ///         .key_by(|order| order.customer)
    ///         .connect_broadcast(rates)
    ///         .process("spent", Spent)
    ///         .sink("spent", spent.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(spent.take(), [(1, 21), (2, 5)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect_broadcast<B: Data + Clone, G: Head<Out = B>>(
        self,
        records: Stream<'j, B, G>,
    ) -> BroadcastStream<'j, K, T, A, I, B> {
        records.job.step(records.stage, "broadcast", "");
        let from = records.stage;
        let end = Box::new(move |edge| records.end(move || Broadcast::new(edge)));
        BroadcastStream { keyed: self, from, end, record: PhantomData }
    }
}

/// A keyed stream, and another one whose records are sent to every subtask.
#[must_use = "a keyed stream goes nowhere until it is processed: `.process(\"name\", operator)`"]
pub struct BroadcastStream<'j, K, T, A, I, B> {
    keyed: KeyedStream<'j, K, T, A, I>,
    /// The stage that the other stream is in, and what ends it, once there is an edge.
    from: usize,
    end: Box<dyn FnOnce(EdgeIndex) + 'j>,
    record: PhantomData<fn() -> B>,
}

impl<'j, K, T: Data, A: KeyAccess<T, Key = K>, I: Inputs<T>, B> BroadcastStream<'j, K, T, A, I, B> {
    /// Has a stateful operator work on the records of both. The name is what snapshots know its state by.
    pub fn process<O>(self, name: &str, operator: O) -> Processed<'j, O, K, A>
    where
        O: Operator<In = T, Side: NoSideOutput + Send, Broadcast: BroadcastOf<B>>,
        O::State: KeyedBy<K>,
    {
        self.begin(name, operator).stream()
    }

    /// [`process`](BroadcastStream::process) for an operator with a side output: the second stream.
    pub fn process_with_side<O>(
        self,
        name: &str,
        operator: O,
    ) -> (Processed<'j, O, K, A>, LocalStream<'j, O::Side>)
    where
        O: Operator<In = T, Side: Send, Broadcast: BroadcastOf<B>>,
        O::State: KeyedBy<K>,
    {
        self.begin(name, operator).with_side()
    }

    fn begin<O>(self, name: &str, operator: O) -> OperatorStage<'j, O, A>
    where
        O: Operator<In = T>,
    {
        let begun = self.keyed.begin(name, operator);
        let edge = begun.job.graph.borrow_mut().add_edge(self.from, begun.stage, Ship::Broadcast, "");
        (self.end)(edge);
        begun
    }
}

/// What is broadcast to an operator that `process` may connect to nothing, because it listens to nothing.
#[diagnostic::on_unimplemented(
    message = "the operator listens to records of `{Self}`, and nothing is broadcast to it here",
    label = "its `on_broadcast` would never be called",
    note = "write `keyed.connect_broadcast(rules).process(\"name\", operator)`"
)]
pub trait NoBroadcast {}

impl NoBroadcast for Never {}

/// What an operator listens to that records of type `B` are broadcast to.
#[diagnostic::on_unimplemented(
    message = "records of `{B}` are broadcast, but the operator listens to `{Self}`",
    label = "listens to `{Self}`",
    note = "an operator listens by `fn on_broadcast(&self, rule: Rule, rules: &mut Rules)`; one that has no `on_broadcast` listens to `Never`"
)]
pub trait BroadcastOf<B> {}

impl<B> BroadcastOf<B> for B {}
