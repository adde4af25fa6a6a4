//! The updating join: every record of the left side belongs to every one of the right that has the same key, whenever they
//! come. The result is a table that changes: what leaves are its [`Change`]s.
//!
//! What enters: records, or changes of them. Both sides are kept for ever, unless a time to live is given; what has lived too
//! long is forgotten, and what was made of it stays (as in Flink). Semantics: the regular join of Flink SQL.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::changelog::Change;
use crate::exchange::partition::KeyAccess;
use crate::job::Stream;
use crate::job::keyed_stream::{ConnectedStreams, Inputs, KeyedStream};
use crate::join::{For, JoinKind, Joined};
use crate::key::Key;
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::record::Either;
use crate::state::{Data, Field, Schema, State, StateSchema, state_of_any_key};
use crate::time::EventTime;

/// How a side's records change its table.
pub trait Feed<T>: 'static {
    /// What the table's rows are.
    type Row: Data + PartialEq;

    /// The change that a record is.
    fn change(record: T) -> Change<Self::Row>;
}

/// Every record is a new row.
pub enum Inserts {}

/// The records are changes.
pub enum Changes {}

impl<T: Data + PartialEq> Feed<T> for Inserts {
    type Row = T;

    fn change(record: T) -> Change<T> {
        Change::Insert(record)
    }
}

impl<T: Data + PartialEq> Feed<Change<T>> for Changes {
    type Row = T;

    fn change(record: Change<T>) -> Change<T> {
        record
    }
}

/// Joins all records of a key, and what comes of them later.
pub struct UpdatingJoin<K, L, R, E, Out, F> {
    kind: JoinKind,
    ttl: Option<Duration>,
    join: F,
    sides: For<(K, L, R, E, Out)>,
}

/// The rows of a key on both sides.
#[derive(Serialize, Deserialize)]
#[serde(bound = "L: Data, R: Data")]
pub struct Tables<K, L, R> {
    left: Vec<Row<L>>,
    right: Vec<Row<R>>,
    /// When rows are next looked at for those that have lived too long.
    looks: Option<EventTime>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
struct Row<T> {
    row: T,
    /// When it came, in processing time.
    came: EventTime,
}

#[diagnostic::do_not_recommend]
impl<K, L, R, E, Out, F> Operator for UpdatingJoin<K, L, R, E, Out, F>
where
    K: Key,
    L: Data,
    R: Data,
    E: Feed<L> + Feed<R>,
    Out: 'static,
    F: Fn(Joined<'_, RowOf<E, L>, RowOf<E, R>>) -> Out + Send + Sync + 'static,
{
    type In = Either<L, R>;
    type State = Tables<K, RowOf<E, L>, RowOf<E, R>>;
    type Out = Change<Out>;
    type Side = Never;
    type Timer = ();
    type Shared = ();
    type Broadcast = Never;

    fn on_event(
        &self,
        event: Either<L, R>,
        tables: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Change<Out>>,
        _side: &mut impl Emit<Never>,
    ) {
        let now = match self.ttl {
            Some(ttl) => {
                tables.forget(ttl, cx.processing_time());
                cx.processing_time()
            }
            None => EventTime::MIN,
        };
        let (join, kind) = (&self.join, self.kind);
        let Tables { left, right, .. } = tables;
        match event {
            Either::Left(record) => {
                let both = |left: &_, right: &_| join(Joined::Both(left, right));
                let keeps = Keeps { own: kind.keeps_left(), other: kind.keeps_right() };
                let alone = (|left: &_| join(Joined::Left(left)), |right: &_| join(Joined::Right(right)));
                apply(<E as Feed<L>>::change(record), now, (left, right), keeps, both, alone, out);
            }
            Either::Right(record) => {
                let both = |right: &_, left: &_| join(Joined::Both(left, right));
                let keeps = Keeps { own: kind.keeps_right(), other: kind.keeps_left() };
                let alone = (|right: &_| join(Joined::Right(right)), |left: &_| join(Joined::Left(left)));
                apply(<E as Feed<R>>::change(record), now, (right, left), keeps, both, alone, out);
            }
        }
        self.look_again(tables, cx);
    }

    fn on_timer(
        &self,
        (): (),
        tables: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        _out: &mut impl Emit<Change<Out>>,
        _side: &mut impl Emit<Never>,
    ) {
        tables.looks = None;
        if let Some(ttl) = self.ttl {
            tables.forget(ttl, cx.processing_time());
        }
        self.look_again(tables, cx);
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _cx: &UnkeyedContext,
        _out: &mut impl Emit<Change<Out>>,
        _side: &mut impl Emit<Never>,
    ) {
        match record {}
    }
}

impl<K, L, R, E, Out, F> UpdatingJoin<K, L, R, E, Out, F>
where
    Self: Operator<State = Tables<K, RowOf<E, L>, RowOf<E, R>>, Timer = ()>,
    K: Key,
    E: Feed<L> + Feed<R>,
{
    /// Makes sure that rows are looked at when the first of them has lived too long, and that a key without rows is forgotten.
    fn look_again(&self, tables: &mut Tables<K, RowOf<E, L>, RowOf<E, R>>, cx: &mut Context<'_, Self>) {
        let oldest = tables.left.first().map(|row| row.came).into_iter();
        let oldest = oldest.chain(tables.right.first().map(|row| row.came)).min();
        match (oldest, self.ttl, tables.looks) {
            (None, _, None) => cx.clear_state(),
            (Some(oldest), Some(ttl), None) => {
                tables.looks = Some(oldest + ttl);
                cx.set_processing_timer(oldest + ttl, ());
            }
            _ => {}
        }
    }
}

type RowOf<E, T> = <E as Feed<T>>::Row;

/// Which sides' records are handed on alone, seen from the one that changes.
#[derive(Clone, Copy)]
struct Keeps {
    own: bool,
    other: bool,
}

/// A change of one side: what becomes of the joined table.
fn apply<T: PartialEq, U, Out>(
    change: Change<T>,
    now: EventTime,
    (own, other): (&mut Vec<Row<T>>, &[Row<U>]),
    keeps: Keeps,
    both: impl Fn(&T, &U) -> Out,
    (own_alone, other_alone): (impl Fn(&T) -> Out, impl Fn(&U) -> Out),
    out: &mut impl Emit<Change<Out>>,
) {
    let adds = change.adds();
    let row = change.into_row();
    if !adds {
        // A row that lived too long, or never was: nothing was made of it that is still there.
        let Some(place) = own.iter().position(|kept| kept.row == row) else { return };
        own.remove(place);
    }
    let changed: fn(Out) -> Change<Out> = if adds { Change::Insert } else { Change::Delete };
    let first_or_last = own.is_empty() && keeps.other;
    if adds && first_or_last {
        other.iter().for_each(|other| out.emit(Change::Delete(other_alone(&other.row))));
    }
    other.iter().for_each(|other| out.emit(changed(both(&row, &other.row))));
    if other.is_empty() && keeps.own {
        out.emit(changed(own_alone(&row)));
    }
    if !adds && first_or_last {
        other.iter().for_each(|other| out.emit(Change::Insert(other_alone(&other.row))));
    }
    if adds {
        own.push(Row { row, came: now });
    }
}

impl<K, L, R> Tables<K, L, R> {
    /// Drops the rows that came longer ago than `ttl`.
    fn forget(&mut self, ttl: Duration, now: EventTime) {
        self.left.retain(|row| now < row.came + ttl);
        self.right.retain(|row| now < row.came + ttl);
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data> State for Tables<K, L, R> {
    type Key = K;

    fn initial() -> Self {
        Tables { left: Vec::new(), right: Vec::new(), looks: None, key: PhantomData }
    }

    fn schema() -> StateSchema {
        let side = |name, row: Schema| {
            let row = Schema::Struct(
                "Row".to_string(),
                vec![Field::new("row", row), Field::of::<EventTime>("came")],
            );
            Field::new(name, Schema::Generic("Vec".to_string(), vec![row]))
        };
        StateSchema {
            name: "Tables".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![
                side("left", L::schema()),
                side("right", R::schema()),
                Field::of::<Option<EventTime>>("looks"),
            ],
        }
    }
}

state_of_any_key!(Tables<K, L, R>);

impl<'j, K: Key, L: Data, A, I> KeyedStream<'j, K, L, A, I>
where
    A: KeyAccess<L, Key = K>,
    I: Inputs<L>,
{
    /// Joins every record with every one of another stream that has the same key, whenever they come: the regular join of
    /// Flink SQL. Both sides are kept, for ever if no [`ttl`](UpdatingJoined::ttl) is given.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let people = Memory::of(vec![(1, "Ada".to_string()), (2, "Grace".to_string())]);
    /// let cities = Memory::of(vec![(2, "Arlington".to_string())]);
    /// let named = Collect::new();
    /// TestJob::new("names", |job| {
    ///     let people = job.source("people", people).key_by(|(id, _)| *id);
    ///     let cities = job.source("cities", cities).key_by(|(id, _)| *id);
    ///     people
    ///         .join(cities)
    ///         .inner("people of cities", |(_, name), (_, city)| format!("{name} lives in {city}"))
    ///         .sink("named", named.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(named.take(), ["Grace lives in Arlington"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join<R, B, J>(
        self,
        right: KeyedStream<'j, K, R, B, J>,
    ) -> UpdatingJoined<'j, K, L, R, A, B, I, J, Inserts>
    where
        L: PartialEq,
        R: Data + PartialEq,
        B: KeyAccess<R, Key = K>,
        J: Inputs<R>,
    {
        UpdatingJoined { sides: self.connect(right), ttl: None, feed: PhantomData }
    }
}

impl<'j, K: Key, L: Data + PartialEq, A, I> KeyedStream<'j, K, Change<L>, A, I>
where
    A: KeyAccess<Change<L>, Key = K>,
    I: Inputs<Change<L>>,
{
    /// [`join`](KeyedStream::join) of two tables that change: what leaves are the changes of the joined table.
    ///
    /// ```
    /// use tidegate::join::JoinKind;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let people = vec![Change::Insert((1u32, "Ada".to_string())), Change::Delete((1, "Ada".to_string()))];
    /// let cities = vec![Change::Insert((1u32, "London".to_string()))];
    /// let changes = Collect::new();
    /// TestJob::new("names", |job| {
    ///     let people = job.source("people", Memory::of(people)).key_by(|change| change.row().0);
    ///     let cities = job.source("cities", Memory::of(cities)).key_by(|change| change.row().0);
    ///     people
    ///         .updating_join(cities)
    ///         .changes("people of cities", JoinKind::Inner, |joined| match joined {
    ///             tidegate::join::Joined::Both((_, name), (_, city)) => format!("{name} lives in {city}"),
    ///             alone => unreachable!("{alone:?} is of an outer join"),
    ///         })
    ///         .sink("changes", changes.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// // Ada comes and goes: nothing is left, whichever side came first.
    /// let left: i32 = changes.take().iter().map(|change| if change.adds() { 1 } else { -1 }).sum();
    /// assert_eq!(left, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn updating_join<R, B, J>(
        self,
        right: KeyedStream<'j, K, Change<R>, B, J>,
    ) -> UpdatingJoined<'j, K, Change<L>, Change<R>, A, B, I, J, Changes>
    where
        R: Data + PartialEq,
        B: KeyAccess<Change<R>, Key = K>,
        J: Inputs<Change<R>>,
    {
        UpdatingJoined { sides: self.connect(right), ttl: None, feed: PhantomData }
    }
}

/// Two streams of which all records of a key are to be joined.
#[must_use = "a join goes nowhere until its kind is said: `.inner(\"name\", |left, right| ..)`"]
pub struct UpdatingJoined<'j, K, L, R, A, B, I, J, E> {
    sides: ConnectedStreams<'j, K, L, R, A, B, I, J>,
    ttl: Option<Duration>,
    feed: PhantomData<fn() -> E>,
}

impl<'j, K, L, R, A, B, I, J, E> UpdatingJoined<'j, K, L, R, A, B, I, J, E>
where
    K: Key,
    L: Data,
    R: Data,
    A: KeyAccess<L, Key = K>,
    B: KeyAccess<R, Key = K>,
    I: Inputs<L>,
    J: Inputs<R>,
    E: Feed<L> + Feed<R>,
{
    /// Forgets a record so long after it came, in processing time. What was made of it stays (as in Flink).
    pub fn ttl(self, ttl: Duration) -> Self {
        UpdatingJoined { ttl: Some(ttl), ..self }
    }

    /// The changes of the table that has every pair, and of `kind` the records to which none belongs.
    pub fn changes<Out: 'static, F>(
        self,
        name: &str,
        kind: JoinKind,
        join: F,
    ) -> Stream<'j, Change<Out>, impl Head<Out = Change<Out>>>
    where
        F: Fn(Joined<'_, RowOf<E, L>, RowOf<E, R>>) -> Out + Send + Sync + 'static,
    {
        let UpdatingJoined { sides, ttl, .. } = self;
        sides.process(name, UpdatingJoin::<K, L, R, E, Out, F> { kind, ttl, join, sides: PhantomData })
    }
}

impl<'j, K, L, R, A, B, I, J> UpdatingJoined<'j, K, L, R, A, B, I, J, Inserts>
where
    K: Key,
    L: Data + PartialEq,
    R: Data + PartialEq,
    A: KeyAccess<L, Key = K>,
    B: KeyAccess<R, Key = K>,
    I: Inputs<L>,
    J: Inputs<R>,
{
    /// Every pair. As records only come, pairs only come, and nothing changes. The name is what snapshots know the records by.
    pub fn inner<Out: 'static, F>(self, name: &str, join: F) -> Stream<'j, Out, impl Head<Out = Out>>
    where
        F: Fn(&L, &R) -> Out + Send + Sync + 'static,
    {
        self.changes(name, JoinKind::Inner, move |joined| match joined {
            Joined::Both(left, right) => join(left, right),
            Joined::Left(_) | Joined::Right(_) => unreachable!("an inner join has no record alone"),
        })
        .map(Change::into_row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::Harness;
    use crate::time::millis;

    type Row = (u8, u8);
    type Sides = Either<Change<Row>, Change<Row>>;

    fn change() -> impl Strategy<Value = Sides> {
        (any::<bool>(), any::<bool>(), (0..2u8, 0..3u8)).prop_map(|(left, adds, row)| {
            let change = if adds { Change::Insert(row) } else { Change::Delete(row) };
            if left { Either::Left(change) } else { Either::Right(change) }
        })
    }

    fn pair(joined: Joined<'_, Row, Row>) -> (Option<Row>, Option<Row>) {
        match joined {
            Joined::Both(left, right) => (Some(*left), Some(*right)),
            Joined::Left(left) => (Some(*left), None),
            Joined::Right(right) => (None, Some(*right)),
        }
    }

    /// The joined table of two tables, by its definition; each row with how often it is there.
    fn joined(left: &[Row], right: &[Row], kind: JoinKind) -> BTreeMap<(Option<Row>, Option<Row>), usize> {
        let mut table = BTreeMap::new();
        let mut put = |row| *table.entry(row).or_default() += 1;
        for l in left {
            right.iter().filter(|r| r.0 == l.0).for_each(|r| put((Some(*l), Some(*r))));
            if kind.keeps_left() && !right.iter().any(|r| r.0 == l.0) {
                put((Some(*l), None));
            }
        }
        for r in right.iter().filter(|r| kind.keeps_right() && !left.iter().any(|l| l.0 == r.0)) {
            put((None, Some(*r)));
        }
        table
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_changes_make_the_joined_table_after_every_step(
            changes in prop::collection::vec(change(), 0..40),
            kind in prop::sample::select(vec![
                JoinKind::Inner, JoinKind::LeftOuter, JoinKind::RightOuter, JoinKind::FullOuter,
            ]),
        ) {
            let operator = UpdatingJoin::<u8, Change<Row>, Change<Row>, Changes, _, _> {
                kind, ttl: None, join: pair, sides: PhantomData,
            };
            let key = |record: &Sides| match record {
                Either::Left(change) | Either::Right(change) => change.row().0,
            };
            let mut harness = Harness::new(operator, key).unwrap();
            let (mut left, mut right, mut table) = (Vec::new(), Vec::new(), BTreeMap::new());
            for (number, change) in changes.into_iter().enumerate() {
                let (side, change_of) = match &change {
                    Either::Left(change) => (&mut left, change),
                    Either::Right(change) => (&mut right, change),
                };
                match (change_of.adds(), side.iter().position(|row| row == change_of.row())) {
                    (true, _) => side.push(*change_of.row()),
                    (false, Some(place)) => drop(side.remove(place)),
                    (false, None) => {}
                }
                harness.push(change, EventTime::MIN).unwrap();
                if number % 5 == 2 {
                    harness.restore().unwrap();
                }
                for change in harness.take_output() {
                    let count: &mut usize = table.entry(*change.row()).or_default();
                    *count = if change.adds() { *count + 1 } else { count.checked_sub(1).expect("it is there") };
                    table.retain(|_, count| *count > 0);
                }
                prop_assert_eq!(&table, &joined(&left, &right, kind));
            }
            if left.is_empty() && right.is_empty() {
                prop_assert_eq!(harness.rows().unwrap(), 0);
            }
        }
    }

    #[test]
    fn what_has_lived_too_long_is_joined_with_nothing_and_leaves_no_row() {
        let operator = UpdatingJoin::<u8, Row, Row, Inserts, _, _> {
            kind: JoinKind::Inner,
            ttl: Some(millis(100)),
            join: pair,
            sides: PhantomData,
        };
        let key = |record: &Either<Row, Row>| match record {
            Either::Left(row) | Either::Right(row) => row.0,
        };
        let mut harness = Harness::new(operator, key).unwrap().restore_after_every_step();
        let at = EventTime::from_millis;
        harness.push(Either::Left((1, 1)), EventTime::MIN).unwrap();
        harness.advance_processing_time(at(60)).unwrap();
        harness.push(Either::Left((1, 2)), EventTime::MIN).unwrap();
        harness.advance_processing_time(at(100)).unwrap();
        harness.push(Either::Right((1, 3)), EventTime::MIN).unwrap();
        assert_eq!(harness.take_output(), [Change::Insert((Some((1, 2)), Some((1, 3))))]);
        harness.advance_processing_time(at(199)).unwrap();
        assert!(harness.rows().unwrap() > 0);
        harness.advance_processing_time(at(200)).unwrap();
        assert_eq!(harness.rows().unwrap(), 0);
    }
}
