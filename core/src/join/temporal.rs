//! The temporal join: a record of the left side belongs to the version of the right that was valid when it happened.
//!
//! What enters: records on the left, versions on the right, both in event time and in any order. What leaves, when the
//! watermark says that no earlier version can come: each record once, with its version. A version is valid from its event
//! time until that of the next; of two of the same time the later one counts. Versions that no record can ask for any more are
//! forgotten, but for the last of every key. Semantics: Flink's event-time temporal join, `FOR SYSTEM_TIME AS OF`.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::exchange::partition::KeyAccess;
use crate::exchange::sides::Sides;
use crate::job::keyed_stream::{ConnectedStreams, Inputs, KeyedStream};
use crate::join::For;
use crate::key::Key;
use crate::operator::late::{Dropped, Late, ToSide};
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::record::Either;
use crate::state::{Data, Describe, Field, Schema, State, StateSchema, state_of_any_key};
use crate::time::EventTime;

/// Joins records with the version that was valid when they happened.
pub struct TemporalJoin<K, L, R, Out, F, La = Dropped> {
    join: F,
    of: For<(K, L, R, Out, La)>,
}

/// What is known of a key: its versions, and the records that may still get another one.
#[derive(Serialize, Deserialize)]
#[serde(bound = "L: Data, R: Data")]
pub struct Versions<K, L, R> {
    waiting: BTreeMap<EventTime, Vec<L>>,
    versions: BTreeMap<EventTime, R>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

/// Event time has come to that of a record or of a version.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Certain;

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data, Out: 'static, F, La: Late> Operator for TemporalJoin<K, L, R, Out, F, La>
where
    F: Fn(L, Option<&R>) -> Option<Out> + Send + Sync + 'static,
{
    type In = Either<L, R>;
    type State = Versions<K, L, R>;
    type Out = Out;
    type Side = La::Side<L>;
    type Timer = Certain;
    type Shared = ();
    type Broadcast = Never;

    fn on_event(
        &self,
        event: Either<L, R>,
        key: &mut Versions<K, L, R>,
        (): &(),
        cx: &mut Context<'_, Self>,
        _out: &mut impl Emit<Out>,
        late: &mut impl Emit<La::Side<L>>,
    ) {
        let at = cx.event_time();
        match event {
            Either::Left(record) if cx.has_no_place() => {
                cx.take_late::<La, L>(record, late);
                if key.versions.is_empty() && key.waiting.is_empty() {
                    cx.clear_state();
                }
            }
            Either::Left(record) => {
                let of_time = key.waiting.entry(at).or_default();
                of_time.push(record);
                if of_time.len() == 1 {
                    cx.set_timer(at, Certain);
                }
            }
            // A late version is valid all the same, for what has not been joined yet.
            Either::Right(version) => {
                if key.versions.insert(at, version).is_none() {
                    cx.set_timer(at, Certain);
                }
            }
        }
    }

    fn on_timer(
        &self,
        Certain: Certain,
        key: &mut Versions<K, L, R>,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Out>,
        _late: &mut impl Emit<La::Side<L>>,
    ) {
        let at = cx.event_time();
        if let Some(records) = key.waiting.remove(&at) {
            let valid = key.versions.range(..=at).next_back().map(|(_, version)| version);
            for record in records {
                if let Some(joined) = (self.join)(record, valid) {
                    out.emit(joined);
                }
            }
        }
        // Whoever asks from now on happened later, or waits already.
        let asked = key.waiting.first_key_value().map_or(at, |(first, _)| at.min(*first));
        let valid = key.versions.range(..=asked).next_back().map(|(from, _)| *from);
        if let Some(valid) = valid {
            key.versions = key.versions.split_off(&valid);
        }
        if key.versions.is_empty() && key.waiting.is_empty() {
            cx.clear_state();
        }
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _cx: &UnkeyedContext,
        _out: &mut impl Emit<Out>,
        _late: &mut impl Emit<La::Side<L>>,
    ) {
        match record {}
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data> State for Versions<K, L, R> {
    type Key = K;

    fn initial() -> Self {
        Versions { waiting: BTreeMap::new(), versions: BTreeMap::new(), key: PhantomData }
    }

    fn schema() -> StateSchema {
        StateSchema {
            name: "Versions".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![
                Field::of::<BTreeMap<EventTime, Vec<L>>>("waiting"),
                Field::of::<BTreeMap<EventTime, R>>("versions"),
            ],
        }
    }
}

state_of_any_key!(Versions<K, L, R>);

impl Describe for Certain {
    fn schema() -> Schema {
        Schema::Struct("Certain".to_string(), Vec::new())
    }
}

impl Data for Certain {}

impl<'j, K, L, A, I> KeyedStream<'j, K, L, A, I>
where
    K: Key,
    L: Data,
    A: KeyAccess<L, Key = K>,
    I: Inputs<L>,
{
    /// Joins every record with the version of its key that was valid when it happened: an order with the price of its day.
    /// Flink's temporal join in event time.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Order { currency: String, amount: u64, at: EventTime }
    ///
    /// #[event(time = from)]
    /// #[derive(Clone)]
    /// struct Rate { currency: String, euros: u64, from: EventTime }
    ///
    /// # fn main() -> Result<()> {
    /// # let at = EventTime::from_millis;
    /// # let order = |amount, millis| Order { currency: "pound".to_string(), amount, at: at(millis) };
    /// # let rate = |euros, millis| Rate { currency: "pound".to_string(), euros, from: at(millis) };
    /// let (orders, rates) = (vec![order(1, 1_000), order(1, 7_000)], vec![rate(2, 0), rate(3, 5_000)]);
    /// let euros = Collect::new();
    /// TestJob::new("euros", |job| {
    ///     let orders = job.source("orders", Memory::of(orders)).watermarks(Watermarks::monotonous());
    ///     let rates = job.source("rates", Memory::of(rates)).watermarks(Watermarks::monotonous());
    ///     orders
    ///         .key_by_ref(|order| &order.currency)
    ///         .temporal_join(rates.key_by_ref(|rate| &rate.currency))
    ///         .inner("rates of orders", |order, rate| order.amount * rate.euros)
    ///         .sink("euros", euros.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(euros.take(), [2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn temporal_join<R, B, J>(
        self,
        versions: KeyedStream<'j, K, R, B, J>,
    ) -> TemporalJoined<'j, K, L, R, A, B, I, J>
    where
        R: Data,
        B: KeyAccess<R, Key = K>,
        J: Inputs<R>,
    {
        TemporalJoined { sides: self.connect(versions), late: PhantomData }
    }
}

/// A stream whose records are to be joined with versions.
#[must_use = "a join goes nowhere until its kind is said: `.inner(\"name\", |record, version| ..)`"]
pub struct TemporalJoined<'j, K, L, R, A, B, I, J, La = Dropped> {
    sides: ConnectedStreams<'j, K, L, R, A, B, I, J>,
    late: For<La>,
}

/// The streams of a temporal join.
pub type TemporalStreams<'j, K, L, R, Out, F, A, B, La> =
    <La as Late>::Streams<'j, L, TemporalJoin<K, L, R, Out, F, La>, K, Sides<A, B>>;

// The types say what was asked for; nobody writes them out.
#[allow(clippy::type_complexity)]
impl<'j, K, L, R, A, B, I, J, La> TemporalJoined<'j, K, L, R, A, B, I, J, La>
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
    /// Makes a stream of late records: what follows gives two streams, the joined records and those that came when event time
    /// had passed them, or had no event time. Without it they are counted, and the log says so. Versions are never late.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let at = |second: &u64| EventTime::from_millis(0) + secs(*second);
    /// let (joined, late) = (Collect::new(), Collect::new());
    /// TestJob::new("versions", |job| {
    ///     let records = job.source("records", Memory::of(vec![7u64, 60, 8])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let versions = job.source("versions", Memory::of(vec![1u64, 50])).event_time(at, Watermarks::monotonous());
    ///     let (results, too_late) = records
    ///         .key_by(|_| 0u8)
    ///         .temporal_join(versions.key_by(|_| 0u8))
    ///         .side_output_late()
    ///         .inner("versions of records", |record, version| (record, *version));
    ///     results.sink("joined", joined.clone());
    ///     too_late.sink("late", late.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// // Whether the last one is late depends on when the watermark comes; it is in one of the two.
    /// assert_eq!(joined.take().len() + late.take().len(), 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn side_output_late(self) -> TemporalJoined<'j, K, L, R, A, B, I, J, ToSide> {
        TemporalJoined { sides: self.sides, late: PhantomData }
    }

    /// Every record that has a version. The name is what snapshots know the versions by.
    pub fn inner<Out: 'static, F>(
        self,
        name: &str,
        join: F,
    ) -> TemporalStreams<
        'j,
        K,
        L,
        R,
        Out,
        impl Fn(L, Option<&R>) -> Option<Out> + Send + Sync + 'static,
        A,
        B,
        La,
    >
    where
        F: Fn(L, &R) -> Out + Send + Sync + 'static,
    {
        self.joined(name, move |record, version| version.map(|version| join(record, version)))
    }

    /// Every record, also one before the first version of its key.
    pub fn left_outer<Out: 'static, F>(
        self,
        name: &str,
        join: F,
    ) -> TemporalStreams<
        'j,
        K,
        L,
        R,
        Out,
        impl Fn(L, Option<&R>) -> Option<Out> + Send + Sync + 'static,
        A,
        B,
        La,
    >
    where
        F: Fn(L, Option<&R>) -> Out + Send + Sync + 'static,
    {
        self.joined(name, move |record, version| Some(join(record, version)))
    }

    fn joined<Out: 'static, F>(self, name: &str, join: F) -> TemporalStreams<'j, K, L, R, Out, F, A, B, La>
    where
        F: Fn(L, Option<&R>) -> Option<Out> + Send + Sync + 'static,
    {
        La::streams(self.sides, name, TemporalJoin { join, of: PhantomData })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Harness;

    type Record = (u8, u32);

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Record(u8, i64),
        Version(u8, i64),
        Watermark(i64),
    }

    fn happening() -> impl Strategy<Value = Happening> {
        // Now and then from one end of time to the other.
        let far = prop::sample::select(vec![
            i64::MIN,
            i64::MIN + 1,
            -253_402_300_799_999,
            -1,
            253_402_300_799_999,
            i64::MAX - 1,
            i64::MAX,
        ]);
        let record = || (0..2u8, prop_oneof![20 => 0..30i64, 1 => far.clone()]);
        prop_oneof![
            4 => record().prop_map(|(key, at)| Happening::Record(key, at)),
            3 => record().prop_map(|(key, at)| Happening::Version(key, at)),
            2 => (0..35i64).prop_map(Happening::Watermark),
        ]
    }

    #[test]
    fn a_version_without_event_time_is_valid_from_ever_and_a_record_without_is_late() {
        let join =
            |record: Record, version: Option<&Record>| Some((record.1, version.map(|version| version.1)));
        let operator = TemporalJoin::<u8, Record, Record, _, _, ToSide> { join, of: PhantomData };
        let key = |record: &Either<Record, Record>| match record {
            Either::Left((key, _)) | Either::Right((key, _)) => *key,
        };
        let mut harness = Harness::new(operator, key).unwrap().restore_after_every_step();
        harness.push(Either::Right((0, 1)), EventTime::MIN).unwrap();
        harness.push(Either::Left((0, 2)), at(i64::MIN + 1)).unwrap();
        harness.push(Either::Left((0, 3)), EventTime::MIN).unwrap();
        assert_eq!(harness.take_side_output(), [(0, 3)]);
        harness.advance_watermark(at(0)).unwrap();
        assert_eq!(harness.take_output(), [(2, Some(1))]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        /// In order: no version comes after the watermark has passed it.
        #[test]
        fn a_record_has_the_version_that_was_valid_when_it_happened(
            happenings in prop::collection::vec(happening(), 0..40),
        ) {
            let join = |record: Record, version: Option<&Record>| Some((record.1, version.map(|version| version.1)));
            let operator = TemporalJoin::<u8, Record, Record, _, _, ToSide> { join, of: PhantomData };
            let key = |record: &Either<Record, Record>| match record {
                Either::Left((key, _)) | Either::Right((key, _)) => *key,
            };
            let mut harness = Harness::new(operator, key).unwrap();
            let (mut records, mut versions, mut watermark) = (Vec::new(), Vec::new(), i64::MIN);
            for (number, happening) in (0u32..).zip(happenings) {
                match happening {
                    Happening::Watermark(time) => {
                        watermark = watermark.max(time);
                        harness.advance_watermark(at(time)).unwrap();
                    }
                    Happening::Record(key, time) => {
                        harness.push(Either::Left((key, number)), at(time)).unwrap();
                        if time > watermark {
                            records.push((key, number, time));
                        } else {
                            prop_assert_eq!(harness.take_side_output(), [(key, number)]);
                        }
                    }
                    Happening::Version(key, time) if time > watermark => {
                        harness.push(Either::Right((key, number)), at(time)).unwrap();
                        versions.push((key, number, time));
                    }
                    Happening::Version(..) => {}
                }
                if number % 6 == 4 {
                    harness.restore().unwrap();
                }
            }
            harness.advance_watermark(EventTime::MAX).unwrap();
            let mut output = harness.take_timed_output();
            output.sort();
            let valid = |key: u8, time: i64| {
                let of_key = versions.iter().filter(|version| version.0 == key && version.2 <= time);
                of_key.max_by_key(|version| (version.2, version.1)).map(|version| version.1)
            };
            let mut expected: Vec<_> =
                records.iter().map(|(key, number, time)| ((*number, valid(*key, *time)), at(*time))).collect();
            expected.sort();
            prop_assert_eq!(output, expected);
            let keys: std::collections::BTreeSet<u8> = versions.iter().map(|version| version.0).collect();
            prop_assert_eq!(harness.rows().unwrap(), keys.len(), "the last version of every key, and nothing else");
        }
    }
}
