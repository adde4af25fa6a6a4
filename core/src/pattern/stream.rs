//! The methods by which a pattern is looked for in a keyed stream.

use std::marker::PhantomData;

use crate::chain::{FlatMapHead, LocalHead};
use crate::exchange::partition::KeyAccess;
use crate::job::Stream;
use crate::job::builder::{LocalStream, TryMapped};
use crate::job::keyed_stream::{Inputs, KeyedStream, OperatorStage, Processed};
use crate::key::Key;
use crate::operator::Operator;
use crate::operator::late::{Dropped, Late, ToSide};
use crate::pattern::machine::Machine;
use crate::pattern::{Aside, Match, Matcher, PatternMatch};
use crate::state::{Data, KeyedBy};

/// A stream in which a pattern is looked for.
#[must_use = "nothing is found until the matches are asked for: `.matches(\"name\")`"]
pub struct PatternStream<'j, K, T, A, I, P, Timeouts = Dropped, La = Dropped> {
    keyed: KeyedStream<'j, K, T, A, I>,
    matcher: P,
    sides: PhantomData<fn() -> (Timeouts, La)>,
}

/// The stream of what is made of every match, and what was asked for beside it.
pub type Matches<'j, K, T, A, P, Timeouts, La> =
    <Timeouts as Sides<La>>::Streams<'j, Processed<'j, PatternMatch<K, P, La>, K, A>, T>;

impl<'j, K, T, A, I> KeyedStream<'j, K, T, A, I>
where
    K: Key,
    T: Data + Clone,
    A: KeyAccess<T, Key = K>,
    I: Inputs<T>,
{
    /// Looks for a pattern in the events of each key, in the order of event time: Flink's `CEP.pattern`.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Payment { card: u32, amount: u64, at: EventTime }
    ///
    /// #[event]
    /// #[derive(Debug, PartialEq)]
    /// struct Theft { card: u32, amounts: Vec<u64> }
    ///
    /// /// A card is tried out with a small payment, and then emptied.
    /// #[pattern(within = "10m", skip = past_last)]
    /// fn card_theft(
    ///     #[begin(|payment| payment.amount < 10)] small: Payment,
    ///     #[not_followed_by(|payment| payment.amount > 5000)] _: (),
    ///     #[followed_by(|payment| payment.amount > 100 * small.amount)] large: [Payment; 2],
    ///     #[next(|payment| payment.amount < large[0].amount)] tip: Option<Payment>,
    /// ) -> Theft {
    ///     let amounts = large.into_iter().chain(tip).map(|payment| payment.amount).collect();
    ///     Theft { card: small.card, amounts }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// # let payment = |amount, minute: i64| Payment { card: 7, amount, at: EventTime::from_millis(minute * 60_000) };
    /// let payments = vec![payment(1, 0), payment(900, 2), payment(40, 5), payment(800, 6), payment(9, 11)];
    /// let thefts = Collect::new();
    /// TestJob::new("thefts", |job| {
    ///     job.source("payments", Memory::of(payments))
    ///         .watermarks(Watermarks::bounded(minutes(1)))
    ///         .key_by(|payment| payment.card)
    ///         .pattern(CardTheft)
    ///         .matches("thefts")
    ///         .sink("thefts", thefts.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(thefts.take(), [Theft { card: 7, amounts: vec![900, 800] }]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pattern<P: Matcher<Event = T>>(self, matcher: P) -> PatternStream<'j, K, T, A, I, P> {
        PatternStream { keyed: self, matcher, sides: PhantomData }
    }
}

// The types say what was asked for; nobody writes them out.
#[allow(clippy::type_complexity)]
impl<'j, K, T, A, I, P, Timeouts, La> PatternStream<'j, K, T, A, I, P, Timeouts, La>
where
    K: Key,
    T: Data + Clone,
    A: KeyAccess<T, Key = K>,
    I: Inputs<T>,
    P: Matcher<Event = T>,
    La: Late,
{
    /// Makes a stream of the partial matches that were not completed [`within`](crate::pattern::Pattern::within) their time: what
    /// follows gives it behind the matches. Without it they are dropped.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Step { order: u32, what: String, at: EventTime }
    ///
    /// # fn main() -> Result<()> {
    /// # let step = |order, what: &str, second: i64| Step { order, what: what.to_string(), at: EventTime::from_millis(second * 1000) };
    /// let steps = vec![step(7, "ordered", 0), step(8, "ordered", 10), step(7, "paid", 30), step(8, "paid", 90)];
    /// let paid = Pattern::begin("ordered")
    ///     .filter(|step: &Step| step.what == "ordered")
    ///     .followed_by("paid").filter(|step| step.what == "paid")
    ///     .within(minutes(1));
    /// let reminders = Collect::new();
    /// TestJob::new("reminders", |job| {
    ///     let (paid, unpaid) = job.source("steps", Memory::of(steps))
    ///         .watermarks(Watermarks::monotonous())
    ///         .key_by(|step| step.order)
    ///         .pattern(paid)
    ///         .side_output_timeouts()
    ///         .matches("paid");
    ///     paid.discard();
    ///     unpaid.flat_map(|unpaid| unpaid.first("ordered").map(|step| step.order)).sink("reminders", reminders.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(reminders.take(), [8]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn side_output_timeouts(self) -> PatternStream<'j, K, T, A, I, P, ToSide, La> {
        PatternStream { keyed: self.keyed, matcher: self.matcher, sides: PhantomData }
    }

    /// Makes a stream of late records: what follows gives as the last stream those that came when event time had passed them, or
    /// had no event time. Without it they are counted, and the log says so.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let (rises, late) = (Collect::new(), Collect::new());
    /// TestJob::new("rises", |job| {
    ///     let rise = Pattern::begin("low").next("high").filter_with(|high, so_far| so_far.first("low") < Some(high));
    ///     let (found, too_late) = job
    ///         .source("seconds", Memory::of(vec![1u64, 2, 60, 3]))
    ///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::bounded(secs(5)))
    ///         .key_by(|_| 0u8)
    ///         .pattern(rise)
    ///         .side_output_late()
    ///         .matches("rises");
    ///     found.map(|found| found.first("low").copied()).sink("rises", rises.clone());
    ///     too_late.sink("late", late.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// // Whether the last one is late depends on when the watermark comes: if it is, there is a rise the less.
    /// assert_eq!(rises.take().len() + late.take().len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn side_output_late(self) -> PatternStream<'j, K, T, A, I, P, Timeouts, ToSide> {
        PatternStream { keyed: self.keyed, matcher: self.matcher, sides: PhantomData }
    }

    /// What is made of every match; behind it, if they were asked for, the partial matches whose time was up, and late records.
    /// The name is what snapshots know the partial matches by.
    pub fn matches(self, name: &str) -> Matches<'j, K, T, A, P, Timeouts, La>
    where
        Timeouts: Sides<La>,
    {
        let machine = self.matcher.pattern().machine(name).unwrap_or_else(|mistake| {
            self.keyed.job.mistake(mistake);
            Machine::idle()
        });
        Timeouts::of(self.keyed.begin(name, PatternMatch::new(self.matcher, machine)))
    }
}

/// What comes beside the matches: partial matches whose time was up, if this is [`ToSide`], and late records, if `La` is.
pub trait Sides<La> {
    /// The matches `M`, and what was asked for.
    type Streams<'j, M, T: Send + 'static>;

    /// The streams of an operator.
    #[doc(hidden)]
    fn of<'j, O, K, A, T>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, Processed<'j, O, K, A>, T>
    where
        O: Operator<Side = Aside<T>, State: KeyedBy<K>>,
        T: Send + 'static;
}

/// The stream of the partial matches, or of the late records, of all that comes beside the matches.
pub type Picked<'j, T, U> =
    Stream<'j, U, FlatMapHead<LocalHead<Aside<T>>, fn(Aside<T>) -> Option<U>, Option<U>>>;

/// The stream of the partial matches; the late records part from it.
pub type Parted<'j, T> = TryMapped<'j, LocalHead<Aside<T>>, fn(Aside<T>) -> Result<Match<T>, T>, Match<T>, T>;

impl Sides<Dropped> for Dropped {
    type Streams<'j, M, T: Send + 'static> = M;

    fn of<'j, O, K, A, T>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, Processed<'j, O, K, A>, T>
    where
        O: Operator<Side = Aside<T>, State: KeyedBy<K>>,
        T: Send + 'static,
    {
        stage.stream()
    }
}

impl Sides<Dropped> for ToSide {
    type Streams<'j, M, T: Send + 'static> = (M, Picked<'j, T, Match<T>>);

    fn of<'j, O, K, A, T>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, Processed<'j, O, K, A>, T>
    where
        O: Operator<Side = Aside<T>, State: KeyedBy<K>>,
        T: Send + 'static,
    {
        let (found, aside) = stage.with_side();
        (found, aside.flat_map(Aside::timed_out as fn(_) -> _))
    }
}

impl Sides<ToSide> for Dropped {
    type Streams<'j, M, T: Send + 'static> = (M, Picked<'j, T, T>);

    fn of<'j, O, K, A, T>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, Processed<'j, O, K, A>, T>
    where
        O: Operator<Side = Aside<T>, State: KeyedBy<K>>,
        T: Send + 'static,
    {
        let (found, aside) = stage.with_side();
        (found, aside.flat_map(Aside::late as fn(_) -> _))
    }
}

impl Sides<ToSide> for ToSide {
    type Streams<'j, M, T: Send + 'static> = (M, Parted<'j, T>, LocalStream<'j, T>);

    fn of<'j, O, K, A, T>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, Processed<'j, O, K, A>, T>
    where
        O: Operator<Side = Aside<T>, State: KeyedBy<K>>,
        T: Send + 'static,
    {
        let (found, aside) = stage.with_side();
        let (timed_out, late) = aside.try_map(Aside::part as fn(_) -> _);
        (found, timed_out, late)
    }
}
