//! The interval join: a record of the left side belongs to those of the right that happened in an interval around it.
//!
//! What enters: records of both sides, in any order. What leaves: every pair whose times are so apart, once, with the later of
//! the two event times. A record is kept until the watermark says that nothing more can belong to it. Semantics: Flink's
//! `intervalJoin`, and for the outer kinds the interval join of Flink SQL. A late record, one that is not younger than the
//! watermark, is joined with nothing and comes out on the side.
//!
//! Of a key there is one timer at most: at the earliest moment at which anything of it is over.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::event;
use crate::exchange::partition::KeyAccess;
use crate::exchange::sides::Sides;
use crate::job::keyed_stream::{ConnectedStreams, Inputs, KeyedStream};
use crate::join::{For, JoinKind, Joined};
use crate::key::Key;
use crate::operator::late::{Dropped, Late, ToSide};
use crate::operator::{Context, Emit, Never, Operator, TimerId, UnkeyedContext};
use crate::record::Either;
use crate::state::{Data, Describe, Field, Schema, State, StateSchema, state_of_any_key};
use crate::time::{EventTime, TimeOffset};

/// Joins records of two sides that happened near each other.
pub struct IntervalJoin<K, L, R, Out, F, La = Dropped> {
    /// From where on, seen from a record of the left side, those of the right belong to it; both ends included.
    lower: TimeOffset,
    upper: TimeOffset,
    kind: JoinKind,
    join: F,
    of: For<(K, L, R, Out, La)>,
}

/// The records of a key that something can still belong to.
#[derive(Serialize, Deserialize)]
#[serde(bound = "L: Data, R: Data")]
pub struct Buffers<K, L, R> {
    left: Buffer<L>,
    right: Buffer<R>,
    /// Waits for the first of them to be over. Builds that did not have it set a timer for every time.
    timer: Option<TimerId>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

/// Records by when they happened, those of one time in the order in which they came.
type Buffer<T> = BTreeMap<EventTime, Vec<Kept<T>>>;

#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
struct Kept<T> {
    record: T,
    /// Whether anything belongs to it.
    joined: bool,
}

/// Nothing can belong any more to some records of a key.
#[event(crate = crate)]
#[derive(Clone, Copy, Debug)]
pub struct Over;

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data, Out: 'static, F, La: Late> Operator for IntervalJoin<K, L, R, Out, F, La>
where
    F: Fn(Joined<'_, L, R>) -> Out + Send + Sync + 'static,
{
    type In = Either<L, R>;
    type State = Buffers<K, L, R>;
    type Out = Out;
    type Side = La::Side<Either<L, R>>;
    type Timer = Over;
    type Shared = ();
    type Broadcast = Never;

    fn on_event(
        &self,
        event: Either<L, R>,
        buffers: &mut Buffers<K, L, R>,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Out>,
        late: &mut impl Emit<La::Side<Either<L, R>>>,
    ) {
        if cx.has_no_place() {
            cx.take_late::<La, _>(event, late);
            if buffers.are_empty() {
                cx.clear_state();
            }
            return;
        }
        let at = cx.event_time();
        match event {
            Either::Left(record) => {
                let joined = join(&mut buffers.right, at.around(self.lower, self.upper), |other, then| {
                    out.emit_at((self.join)(Joined::Both(&record, other)), at.max(then));
                });
                buffers.left.entry(at).or_default().push(Kept { record, joined });
                buffers.wake_by(self.left_is_over(at), cx);
            }
            Either::Right(record) => {
                let (lower, upper) = (self.upper.back(), self.lower.back());
                let joined = join(&mut buffers.left, at.around(lower, upper), |other, then| {
                    out.emit_at((self.join)(Joined::Both(other, &record)), at.max(then));
                });
                buffers.right.entry(at).or_default().push(Kept { record, joined });
                buffers.wake_by(self.right_is_over(at), cx);
            }
        }
    }

    fn on_timer(
        &self,
        Over: Over,
        buffers: &mut Buffers<K, L, R>,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Out>,
        _late: &mut impl Emit<La::Side<Either<L, R>>>,
    ) {
        let now = cx.event_time();
        buffers.timer.take_if(|timer| timer.due() <= now);
        for kept in over(&mut buffers.left, |at| self.left_is_over(at) <= now) {
            if self.kind.keeps_left() && !kept.joined {
                out.emit((self.join)(Joined::Left(&kept.record)));
            }
        }
        for kept in over(&mut buffers.right, |at| self.right_is_over(at) <= now) {
            if self.kind.keeps_right() && !kept.joined {
                out.emit((self.join)(Joined::Right(&kept.record)));
            }
        }
        let left = buffers.left.first_key_value().map(|(at, _)| self.left_is_over(*at));
        let right = buffers.right.first_key_value().map(|(at, _)| self.right_is_over(*at));
        match left.into_iter().chain(right).min() {
            Some(next) => buffers.wake_by(next, cx),
            None => cx.clear_state(),
        }
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _cx: &UnkeyedContext,
        _out: &mut impl Emit<Out>,
        _late: &mut impl Emit<La::Side<Either<L, R>>>,
    ) {
        match record {}
    }
}

impl<K, L, R, Out, F, La> IntervalJoin<K, L, R, Out, F, La> {
    /// When nothing can belong any more to records of the left side that happened then.
    fn left_is_over(&self, at: EventTime) -> EventTime {
        at.max(at + self.upper)
    }

    /// The same for the right side.
    fn right_is_over(&self, at: EventTime) -> EventTime {
        at.max(at + self.lower.back())
    }
}

impl<K, L, R> Buffers<K, L, R> {
    fn are_empty(&self) -> bool {
        self.left.is_empty() && self.right.is_empty()
    }

    /// Has the operator look at the key at this time, if it does not do so before.
    #[inline]
    fn wake_by<O: Operator<Timer = Over>>(&mut self, at: EventTime, cx: &mut Context<'_, O>) {
        if self.timer.as_ref().is_some_and(|timer| timer.due() <= at) {
            return;
        }
        if let Some(later) = self.timer.take() {
            cx.cancel_timer(later);
        }
        self.timer = Some(cx.set_timer(at, Over));
    }
}

/// Shows every record of these times, in their order. Whether there was any.
fn join<T>(
    buffer: &mut Buffer<T>,
    times: Option<RangeInclusive<EventTime>>,
    mut show: impl FnMut(&T, EventTime),
) -> bool {
    let Some(times) = times else { return false };
    let mut any = false;
    for (at, kept) in buffer.range_mut(times) {
        for kept in kept {
            kept.joined = true;
            show(&kept.record, *at);
            any = true;
        }
    }
    any
}

/// Lets the records go that are over: times are in order.
fn over<T>(buffer: &mut Buffer<T>, is_over: impl Fn(EventTime) -> bool) -> impl Iterator<Item = Kept<T>> {
    let times = std::iter::from_fn(move || {
        let first = buffer.first_entry()?;
        is_over(*first.key()).then(|| first.remove())
    });
    times.flatten()
}

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data> State for Buffers<K, L, R> {
    type Key = K;

    fn initial() -> Self {
        Buffers { left: BTreeMap::new(), right: BTreeMap::new(), timer: None, key: PhantomData }
    }

    fn schema() -> StateSchema {
        let side = |name, record: Schema| {
            let kept = vec![Field::new("record", record), Field::of::<bool>("joined")];
            let of_time = Schema::Generic("Vec".to_string(), vec![Schema::Struct("Kept".to_string(), kept)]);
            Field::new(name, Schema::Generic("BTreeMap".to_string(), vec![EventTime::schema(), of_time]))
        };
        StateSchema {
            name: "Buffers".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![
                side("left", L::schema()),
                side("right", R::schema()),
                Field::of::<Option<TimerId>>("timer"),
            ],
        }
    }
}

state_of_any_key!(Buffers<K, L, R>);

impl<'j, K, L, A, I> KeyedStream<'j, K, L, A, I>
where
    K: Key,
    L: Data,
    A: KeyAccess<L, Key = K>,
    I: Inputs<L>,
{
    /// Joins every record with those of another stream of the same key that happened from `lower` to `upper` of it, both ends
    /// included: Flink's `intervalJoin`. Say which kind of join by the method that follows.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Order { id: u32, at: EventTime }
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Payment { order: u32, at: EventTime }
    ///
    /// # fn main() -> Result<()> {
    /// # let at = EventTime::from_millis;
    /// # let order = |id, millis| Order { id, at: at(millis) };
    /// # let payment = |order, millis| Payment { order, at: at(millis) };
    /// let (orders, payments) = (vec![order(7, 0), order(8, 0)], vec![payment(7, 2_000), payment(8, 9_000)]);
    /// let paid = Collect::new();
    /// TestJob::new("paid in time", |job| {
    ///     let orders = job.source("orders", Memory::of(orders)).watermarks(Watermarks::bounded(secs(1)));
    ///     let payments = job.source("payments", Memory::of(payments)).watermarks(Watermarks::bounded(secs(1)));
    ///     orders
    ///         .key_by(|order| order.id)
    ///         .interval_join(payments.key_by(|payment| payment.order), TimeOffset::NONE, TimeOffset::after(secs(5)))
    ///         .left_outer("payments of orders", |order, payment| (order.id, payment.is_some()))
    ///         .sink("paid", paid.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut paid = paid.take();
    /// paid.sort();
    /// assert_eq!(paid, [(7, true), (8, false)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn interval_join<R, B, J>(
        self,
        right: KeyedStream<'j, K, R, B, J>,
        lower: TimeOffset,
        upper: TimeOffset,
    ) -> IntervalJoined<'j, K, L, R, A, B, I, J>
    where
        R: Data,
        B: KeyAccess<R, Key = K>,
        J: Inputs<R>,
    {
        IntervalJoined { sides: self.connect(right), lower, upper, late: PhantomData }
    }
}

/// Two streams whose records are to be joined where they happened near each other.
#[must_use = "a join goes nowhere until its kind is said: `.inner(\"name\", |left, right| ..)`"]
pub struct IntervalJoined<'j, K, L, R, A, B, I, J, La = Dropped> {
    sides: ConnectedStreams<'j, K, L, R, A, B, I, J>,
    lower: TimeOffset,
    upper: TimeOffset,
    late: For<La>,
}

/// The streams of an interval join.
pub type IntervalStreams<'j, K, L, R, Out, F, A, B, La> =
    <La as Late>::Streams<'j, Either<L, R>, IntervalJoin<K, L, R, Out, F, La>, K, Sides<A, B>>;

// The types say what was asked for; nobody writes them out.
#[allow(clippy::type_complexity)]
impl<'j, K, L, R, A, B, I, J, La> IntervalJoined<'j, K, L, R, A, B, I, J, La>
where
    K: Key,
    L: Data,
    R: Data,
    A: KeyAccess<L, Key = K>,
    B: KeyAccess<R, Key = K>,
    I: Inputs<L>,
    J: Inputs<R>,
    La: Late,
{
    /// Makes a stream of late records, of either side: what follows gives two streams, the joined records and those that came
    /// when event time had passed them, or had no event time. Without it they are counted, and the log says so.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let at = |second: &u64| EventTime::from_millis(0) + secs(*second);
    /// let (pairs, late) = (Collect::new(), Collect::new());
    /// TestJob::new("pairs", |job| {
    ///     let left = job.source("left", Memory::of(vec![1u64, 2])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let right = job.source("right", Memory::of(vec![3u64, 60, 4])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let (joined, too_late) = left
    ///         .key_by(|_| 0u8)
    ///         .interval_join(right.key_by(|_| 0u8), TimeOffset::NONE, TimeOffset::after(secs(1)))
    ///         .side_output_late()
    ///         .inner("pairs", |left, right| (*left, *right));
    ///     joined.sink("pairs", pairs.clone());
    ///     too_late.sink("late", late.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(pairs.take(), [(2, 3)]);
    /// // Whether the last one is late depends on when the watermark comes.
    /// assert!(matches!(late.take()[..], [] | [Either::Right(4)]));
    /// # Ok(())
    /// # }
    /// ```
    pub fn side_output_late(self) -> IntervalJoined<'j, K, L, R, A, B, I, J, ToSide> {
        let IntervalJoined { sides, lower, upper, .. } = self;
        IntervalJoined { sides, lower, upper, late: PhantomData }
    }

    /// Every pair of records that belong together. The name is what snapshots know the waiting records by.
    pub fn inner<Out: 'static, F>(
        self,
        name: &str,
        join: F,
    ) -> IntervalStreams<'j, K, L, R, Out, impl Fn(Joined<'_, L, R>) -> Out + Send + Sync + 'static, A, B, La>
    where
        F: Fn(&L, &R) -> Out + Send + Sync + 'static,
    {
        self.joined(name, JoinKind::Inner, move |joined| match joined {
            Joined::Both(left, right) => join(left, right),
            Joined::Left(_) | Joined::Right(_) => unreachable!("an inner join has no record alone"),
        })
    }

    /// As [`inner`](IntervalJoined::inner), and every record of the left side to which none belongs, when that is certain.
    pub fn left_outer<Out: 'static, F>(
        self,
        name: &str,
        join: F,
    ) -> IntervalStreams<'j, K, L, R, Out, impl Fn(Joined<'_, L, R>) -> Out + Send + Sync + 'static, A, B, La>
    where
        F: Fn(&L, Option<&R>) -> Out + Send + Sync + 'static,
    {
        self.joined(name, JoinKind::LeftOuter, move |joined| match joined {
            Joined::Both(left, right) => join(left, Some(right)),
            Joined::Left(left) => join(left, None),
            Joined::Right(_) => unreachable!("a left outer join has no record of the right side alone"),
        })
    }

    /// As [`inner`](IntervalJoined::inner), and every record of either side to which none belongs, when that is certain.
    ///
    /// ```
    /// use tidegate::join::Joined;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let at = |second: &u64| EventTime::from_millis(0) + secs(*second);
    /// let joined = Collect::new();
    /// TestJob::new("pairs", |job| {
    ///     let left = job.source("left", Memory::of(vec![1u64, 20])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let right = job.source("right", Memory::of(vec![2u64, 40])).event_time(at, Watermarks::bounded(secs(5)));
    ///     left.key_by(|_| 0u8)
    ///         .interval_join(right.key_by(|_| 0u8), TimeOffset::before(secs(3)), TimeOffset::after(secs(3)))
    ///         .full_outer("pairs", |joined| match joined {
    ///             Joined::Both(left, right) => (Some(*left), Some(*right)),
    ///             Joined::Left(left) => (Some(*left), None),
    ///             Joined::Right(right) => (None, Some(*right)),
    ///         })
    ///         .sink("joined", joined.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut joined = joined.take();
    /// joined.sort();
    /// assert_eq!(joined, [(None, Some(40)), (Some(1), Some(2)), (Some(20), None)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn full_outer<Out: 'static, F>(
        self,
        name: &str,
        join: F,
    ) -> IntervalStreams<'j, K, L, R, Out, F, A, B, La>
    where
        F: Fn(Joined<'_, L, R>) -> Out + Send + Sync + 'static,
    {
        self.joined(name, JoinKind::FullOuter, join)
    }

    fn joined<Out: 'static, F>(
        self,
        name: &str,
        kind: JoinKind,
        join: F,
    ) -> IntervalStreams<'j, K, L, R, Out, F, A, B, La>
    where
        F: Fn(Joined<'_, L, R>) -> Out + Send + Sync + 'static,
    {
        let IntervalJoined { sides, lower, upper, .. } = self;
        if lower > upper {
            sides.job.mistake(Error::usage(format!(
                "the interval join {name:?} ends before it begins: from {lower} to {upper}"
            )).hint("give the earlier end first: `.interval_join(right, TimeOffset::before(..), TimeOffset::after(..))`"));
        }
        La::streams(sides, name, IntervalJoin { lower, upper, kind, join, of: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evolution::{OperatorProgram, Plan};
    use crate::snapshot::part::{OperatorSchema, Section};
    use crate::state::StateProgram;
    use crate::state::kinds::Now;
    use crate::testing::Harness;

    type Out = (Option<u32>, Option<u32>, EventTime);

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    /// What happens to the join: a record of a side, `(key, number)`, at a time; or a watermark.
    /// From here on times are near the end of time; from its opposite on, near the beginning.
    const FAR: i64 = i64::MAX - 50;

    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Left(u8, i64),
        Right(u8, i64),
        Watermark(i64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        happening_from(0)
    }

    fn happening_from(start: i64) -> impl Strategy<Value = Happening> {
        let record = move || (0..3u8, start..start + 40);
        prop_oneof![
            4 => record().prop_map(|(key, at)| Happening::Left(key, at)),
            4 => record().prop_map(|(key, at)| Happening::Right(key, at)),
            2 => (start..start + 45).prop_map(Happening::Watermark),
        ]
    }

    /// Also at the ends of time, and of the year 9999.
    fn far_happening() -> impl Strategy<Value = Happening> {
        let end = (0..3u8, prop::sample::select(vec![i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX]));
        prop_oneof![
            4 => happening_from(FAR),
            4 => happening_from(-FAR - 2),
            1 => happening_from(-20),
            1 => happening_from(253_402_300_799_000),
            1 => end.clone().prop_map(|(key, at)| Happening::Left(key, at)),
            1 => end.prop_map(|(key, at)| Happening::Right(key, at)),
        ]
    }

    fn offset(millis: i64) -> TimeOffset {
        let duration = crate::time::millis(millis.unsigned_abs());
        if millis < 0 { TimeOffset::before(duration) } else { TimeOffset::after(duration) }
    }

    /// A record of the model: key, number, time.
    type Seen = (u8, u32, i64);

    /// The definition, of all that has come: every pair of records of a key whose times are so apart and of which none was
    /// late; and, of a record alone, itself.
    fn expected(happenings: &[Happening], lower: i64, upper: i64, kind: JoinKind) -> (Vec<Out>, Vec<u32>) {
        let (mut left, mut right, mut late) = (Vec::<Seen>::new(), Vec::<Seen>::new(), Vec::new());
        let mut watermark = i64::MIN;
        for (number, happening) in (0..).zip(happenings) {
            match *happening {
                Happening::Watermark(time) => watermark = watermark.max(time),
                Happening::Left(_, time) | Happening::Right(_, time) if time <= watermark => {
                    late.push(number)
                }
                Happening::Left(key, time) => left.push((key, number, time)),
                Happening::Right(key, time) => right.push((key, number, time)),
            }
        }
        let (lower, upper) = (i128::from(lower), i128::from(upper));
        let apart = |l: &Seen, r: &Seen| i128::from(r.2) - i128::from(l.2);
        let belong = |l: &Seen, r: &Seen| l.0 == r.0 && (lower..=upper).contains(&apart(l, r));
        let shifted =
            |time: i64, by: i128| at((i128::from(time) + by).clamp(i64::MIN.into(), i64::MAX.into()) as i64);
        let mut out = Vec::new();
        for l in &left {
            let pairs = right.iter().filter(|r| belong(l, r));
            out.extend(pairs.map(|r| (Some(l.1), Some(r.1), at(l.2.max(r.2)))));
            if kind.keeps_left() && !right.iter().any(|r| belong(l, r)) {
                out.push((Some(l.1), None, at(l.2).max(shifted(l.2, upper))));
            }
        }
        for r in right.iter().filter(|r| kind.keeps_right() && !left.iter().any(|l| belong(l, r))) {
            out.push((None, Some(r.1), at(r.2).max(shifted(r.2, -lower))));
        }
        out.sort();
        (out, late)
    }

    fn join(happenings: &[Happening], lower: i64, upper: i64, kind: JoinKind) -> (Vec<Out>, Vec<u32>, usize) {
        let join = |joined: Joined<'_, (u8, u32), (u8, u32)>| match joined {
            Joined::Both(left, right) => (Some(left.1), Some(right.1)),
            Joined::Left(left) => (Some(left.1), None),
            Joined::Right(right) => (None, Some(right.1)),
        };
        let (lower, upper) = (offset(lower), offset(upper));
        let operator: IntervalJoin<u8, _, _, _, _, ToSide> =
            IntervalJoin { lower, upper, kind, join, of: PhantomData };
        let key = |record: &Either<(u8, u32), (u8, u32)>| match record {
            Either::Left((key, _)) | Either::Right((key, _)) => *key,
        };
        let mut harness = Harness::new(operator, key).unwrap();
        for (number, happening) in (0..).zip(happenings) {
            match *happening {
                Happening::Watermark(time) => harness.advance_watermark(at(time)).unwrap(),
                Happening::Left(key, time) => harness.push(Either::Left((key, number)), at(time)).unwrap(),
                Happening::Right(key, time) => harness.push(Either::Right((key, number)), at(time)).unwrap(),
            }
            if number % 7 == 3 {
                harness.restore().unwrap();
            }
        }
        harness.advance_watermark(EventTime::MAX).unwrap();
        let output = harness.take_timed_output().into_iter();
        let mut output: Vec<Out> = output.map(|((left, right), at)| (left, right, at)).collect();
        output.sort();
        let late = harness.take_side_output().into_iter().map(|record| match record {
            Either::Left((_, number)) | Either::Right((_, number)) => number,
        });
        let late = late.collect();
        (output, late, harness.rows().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        #[test]
        fn it_joins_what_its_definition_says(
            happenings in prop::collection::vec(happening(), 0..40),
            (lower, width) in (-12..12i64, 0..15i64),
            kind in prop::sample::select(vec![
                JoinKind::Inner, JoinKind::LeftOuter, JoinKind::RightOuter, JoinKind::FullOuter,
            ]),
        ) {
            let upper = lower + width;
            let (output, late) = expected(&happenings, lower, upper, kind);
            prop_assert_eq!(join(&happenings, lower, upper, kind), (output, late, 0));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// Nothing wraps around, overflows or waits for ever. Of records that are beyond the ends of time from each other, neither
        /// belongs to the other, whichever comes first.
        #[test]
        fn it_does_so_at_the_ends_of_time(
            happenings in prop::collection::vec(far_happening(), 0..40),
            (lower, width) in (-60..60i64, 0..60i64),
            kind in prop::sample::select(vec![JoinKind::Inner, JoinKind::FullOuter]),
        ) {
            let upper = lower + width;
            let (output, late) = expected(&happenings, lower, upper, kind);
            prop_assert_eq!(join(&happenings, lower, upper, kind), (output, late, 0));
        }
    }

    #[test]
    fn what_a_build_with_a_timer_for_every_time_has_left_is_taken_over() {
        type State = Buffers<u8, u16, u16>;
        let mut was = State::schema();
        was.fields.truncate(2);
        let over = Field::new("0", <Either<EventTime, EventTime>>::schema());
        let timer = Schema::Struct("Over".to_string(), vec![over]);
        let program = OperatorProgram { state: StateProgram::of::<State>(), timer: Over::schema() };
        let now = EventTime::MIN;
        let now = Now { event: now, record: now, processing: now, uptime: now };
        let plan = Plan::of(&OperatorSchema { state: was, timer }, &program, now);
        let left: Buffer<u16> = BTreeMap::from([(at(3), vec![Kept { record: 9, joined: true }])]);
        let row = postcard::to_stdvec(&(&left, Buffer::<u16>::new())).unwrap();
        let (_, row) = plan.row(Section::State, &[7], &row).unwrap().unwrap();
        let buffers: State = postcard::from_bytes(&row).unwrap();
        assert_eq!((buffers.left[&at(3)][0].record, buffers.timer), (9, None));
        let mut key = vec![0; 16];
        key.push(7);
        let timer = postcard::to_stdvec(&Either::<EventTime, EventTime>::Left(at(3))).unwrap();
        let (_, timer) = plan.row(Section::EventTimer, &key, &timer).unwrap().unwrap();
        assert_eq!(timer.len(), 0);
    }

    #[test]
    fn an_interval_may_be_as_wide_as_time() {
        let happenings =
            [Happening::Left(1, i64::MIN + 1), Happening::Right(1, 0), Happening::Left(1, i64::MAX)];
        let everything = join(&happenings, -i64::MAX, i64::MAX, JoinKind::FullOuter);
        let pair = |left, right, time| (Some(left), Some(right), at(time));
        assert_eq!(everything, (vec![pair(0, 1, 0), pair(2, 1, i64::MAX)], vec![], 0));
    }

    #[test]
    fn an_interval_that_ends_before_it_begins_is_refused_by_its_name() {
        let job = crate::job::Job::new("orders");
        let stream = |name| job.source(name, crate::source::Memory::of(vec![1u64])).key_by(|n| *n);
        let (lower, upper) = (offset(1), offset(-1));
        stream("a").interval_join(stream("b"), lower, upper).inner("pairs", |a, b| a + b).discard();
        let error = job.finish().map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(
            error.to_string(),
            "the interval join \"pairs\" ends before it begins: from 1ms after to 1ms before"
        );
    }
}
