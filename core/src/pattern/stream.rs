//! The methods of a keyed stream by which a pattern is looked for.

use crate::chain::Head;
use crate::exchange::partition::KeyAccess;
use crate::job::Stream;
use crate::job::builder::LocalStream;
use crate::job::keyed_stream::{Inputs, KeyedStream, Processed};
use crate::key::Key;
use crate::operator::late::LateRecords;
use crate::pattern::machine::Machine;
use crate::pattern::{Aside, Match, Matcher, PatternMatch};
use crate::state::Data;

/// The stream of what is made of every match.
pub type Matches<'j, K, P, A> = Processed<'j, PatternMatch<K, P>, K, A>;

impl<'j, K, T, A, I> KeyedStream<'j, K, T, A, I>
where
    K: Key,
    T: Data + Clone,
    A: KeyAccess<T, Key = K>,
    I: Inputs<T>,
{
    /// Looks for a pattern in the events of each key, in the order of event time: Flink's `CEP.pattern`. The name is what
    /// snapshots know the partial matches by.
    ///
    /// Partial matches whose time is up are dropped; late records are counted, and warned of.
    /// [`pattern_with_timeouts`](KeyedStream::pattern_with_timeouts) and [`pattern_with_sides`](KeyedStream::pattern_with_sides)
    /// give them streams.
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
    ///         .pattern("thefts", CardTheft)
    ///         .sink("thefts", thefts.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(thefts.take(), [Theft { card: 7, amounts: vec![900, 800] }]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn pattern<P: Matcher<Event = T>>(self, name: &str, matcher: P) -> Matches<'j, K, P, A> {
        let operator = self.looking_for(name, matcher, false);
        self.process_without_side(name, operator)
    }

    /// [`pattern`](KeyedStream::pattern), and partial matches that were not completed [`within`](crate::pattern::Pattern::within)
    /// their time as the second stream.
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
    ///         .pattern_with_timeouts("paid", paid);
    ///     paid.discard();
    ///     unpaid.flat_map(|unpaid| unpaid.first("ordered").map(|step| step.order)).sink("reminders", reminders.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(reminders.take(), [8]);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::type_complexity, reason = "two streams")]
    pub fn pattern_with_timeouts<P: Matcher<Event = T>>(
        self,
        name: &str,
        matcher: P,
    ) -> (Matches<'j, K, P, A>, Stream<'j, Match<T>, impl Head<Out = Match<T>>>) {
        let operator = self.looking_for(name, matcher, false);
        let (found, aside) = self.process_with_side(name, operator);
        let timeouts = aside.flat_map(|aside| match aside {
            Aside::TimedOut(partial) => Some(partial),
            Aside::Late(_) => None,
        });
        (found, timeouts)
    }

    /// [`pattern_with_timeouts`](KeyedStream::pattern_with_timeouts), and late records as the third stream.
    #[expect(clippy::type_complexity, reason = "three streams")]
    pub fn pattern_with_sides<P: Matcher<Event = T>>(
        self,
        name: &str,
        matcher: P,
    ) -> (Matches<'j, K, P, A>, Stream<'j, Match<T>, impl Head<Out = Match<T>>>, LocalStream<'j, T>) {
        let operator = self.looking_for(name, matcher, true);
        let (found, aside) = self.process_with_side(name, operator);
        let (timeouts, late) = aside.try_map(|aside| match aside {
            Aside::TimedOut(partial) => Ok(partial),
            Aside::Late(record) => Err(record),
        });
        (found, timeouts, late)
    }

    fn looking_for<P: Matcher<Event = T>>(
        &self,
        name: &str,
        matcher: P,
        keeps_late: bool,
    ) -> PatternMatch<K, P> {
        let machine = matcher.pattern().machine(name).unwrap_or_else(|mistake| {
            self.job.mistake(mistake);
            Machine::idle()
        });
        PatternMatch::new(matcher, machine, LateRecords::of(name, keeps_late))
    }
}
