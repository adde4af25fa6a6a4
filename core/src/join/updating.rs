//! The updating join: every record of the left side belongs to every one of the right that has the same key, whenever they
//! come. The result is a table that changes: what leaves are its [`Change`]s.
//!
//! What enters: records, or changes of them. Both sides are kept for ever, unless a time to live is given; what has lived too
//! long is forgotten, and what was made of it stays (as in Flink). Semantics: the regular join of Flink SQL.
//!
//! Of a key with few records all are in its row; of one with many the newest, and those before them in [pieces](older) that
//! are entries of their own. So a snapshot costs what changed, however many records there are of a key.

pub(crate) mod older;

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::changelog::Change;
use crate::error::Result;
use crate::exchange::partition::KeyAccess;
use crate::job::Stream;
use crate::job::keyed_stream::{ConnectedStreams, Inputs, KeyedStream};
use crate::join::updating::older::{Kept, Older, Side};
use crate::join::{For, JoinKind, Joined};
use crate::key::Key;
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::record::Either;
use crate::state::{
    Data, Describe, Field, ManagedSpec, ManagedVisitor, State, StateSchema, state_of_any_key,
};
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
    /// The newest of either side.
    left: Vec<Kept<L>>,
    right: Vec<Kept<R>>,
    /// When rows are next looked at for those that have lived too long.
    looks: Option<EventTime>,
    /// All others. Builds that did not have them left all rows in the first two.
    older_left: Older<L>,
    older_right: Older<R>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
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
        let (left, right) = tables.sides();
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
        let (mut left, mut right) = tables.sides();
        let oldest = left.oldest().into_iter().chain(right.oldest()).min();
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
fn apply<T: Data + PartialEq, U: Data, Out>(
    change: Change<T>,
    now: EventTime,
    (mut own, mut other): (Side<'_, T>, Side<'_, U>),
    keeps: Keeps,
    both: impl Fn(&T, &U) -> Out,
    (own_alone, other_alone): (impl Fn(&T) -> Out, impl Fn(&U) -> Out),
    out: &mut impl Emit<Change<Out>>,
) {
    let adds = change.adds();
    let row = change.into_row();
    if !adds && !own.take(&row) {
        // It lived too long, or never was: nothing was made of it that is still there.
        return;
    }
    let changed: fn(Out) -> Change<Out> = if adds { Change::Insert } else { Change::Delete };
    let first_or_last = keeps.other && own.is_empty();
    if adds && first_or_last {
        other.each(|other| out.emit(Change::Delete(other_alone(other))));
    }
    let mut is_alone = true;
    other.each(|other| {
        is_alone = false;
        out.emit(changed(both(&row, other)));
    });
    if is_alone && keeps.own {
        out.emit(changed(own_alone(&row)));
    }
    if !adds && first_or_last {
        other.each(|other| out.emit(Change::Insert(other_alone(other))));
    }
    if adds {
        own.push(Kept { row, came: now });
    }
}

impl<K, L: Data, R: Data> Tables<K, L, R> {
    /// The rows of the left and of the right.
    fn sides(&mut self) -> (Side<'_, L>, Side<'_, R>) {
        let left = Side { older: &mut self.older_left, newest: &mut self.left };
        (left, Side { older: &mut self.older_right, newest: &mut self.right })
    }

    /// Drops the rows that came longer ago than `ttl`.
    fn forget(&mut self, ttl: Duration, now: EventTime) {
        let (mut left, mut right) = self.sides();
        left.forget(ttl, now);
        right.forget(ttl, now);
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, L: Data, R: Data> State for Tables<K, L, R> {
    type Key = K;

    const MANAGED: &'static [ManagedSpec] = &[
        ManagedSpec { name: "older_left", ttl: None, max: None },
        ManagedSpec { name: "older_right", ttl: None, max: None },
    ];

    fn initial() -> Self {
        Tables {
            left: Vec::new(),
            right: Vec::new(),
            looks: None,
            older_left: Older::default(),
            older_right: Older::default(),
            key: PhantomData,
        }
    }

    fn schema() -> StateSchema {
        StateSchema {
            name: "Tables".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![
                Field::new("left", <Vec<Kept<L>>>::schema()),
                Field::new("right", <Vec<Kept<R>>>::schema()),
                Field::of::<Option<EventTime>>("looks"),
                Field::new("older_left", <Older<L>>::schema()),
                Field::new("older_right", <Older<R>>::schema()),
            ],
        }
    }

    fn managed<V: ManagedVisitor>(&mut self, visitor: &mut V) -> Result<()> {
        visitor.visit(0, &Self::MANAGED[0], &mut self.older_left)?;
        visitor.visit(1, &Self::MANAGED[1], &mut self.older_right)
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

    use super::older::ROWS;
    use super::*;
    use crate::evolution::{OperatorProgram, Plan};
    use crate::snapshot::part::{OperatorSchema, Section};
    use crate::state::StateProgram;
    use crate::state::kinds::Now;
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

    /// As many as fill the key's own row and some pieces, of one key, and changes among them.
    fn many_changes() -> impl Strategy<Value = Vec<Sides>> {
        let many = (0..3 * ROWS).map(|n| Either::Left(Change::Insert((0, (n % 7) as u8))));
        let change = (any::<bool>(), 0..4u8, 0..8u8).prop_map(|(left, what, n)| {
            let change = if what == 0 { Change::Insert((0, n)) } else { Change::Delete((0, n)) };
            if left || what > 0 { Either::Left(change) } else { Either::Right(change) }
        });
        prop::collection::vec(change, 0..200).prop_map(move |changes| many.clone().chain(changes).collect())
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn of_many_rows_of_a_key_the_first_that_is_equal_goes_and_all_others_stay_in_order(
            changes in many_changes(),
            every in 1..50usize,
        ) {
            let operator = UpdatingJoin::<u8, Change<Row>, Change<Row>, Changes, _, _> {
                kind: JoinKind::Inner, ttl: None, join: pair, sides: PhantomData,
            };
            let mut harness = Harness::new(operator, |_: &Sides| 0u8).unwrap();
            let (mut left, mut right) = (Vec::new(), 0);
            for (number, change) in changes.into_iter().enumerate() {
                match &change {
                    Either::Left(Change::Insert(row)) => left.push(*row),
                    Either::Left(change) => {
                        if let Some(place) = left.iter().position(|kept| kept == change.row()) {
                            left.remove(place);
                        }
                    }
                    Either::Right(_) => right += 1,
                }
                harness.push(change, EventTime::MIN).unwrap();
                if number % every == 0 {
                    harness.restore().unwrap();
                }
            }
            harness.take_output();
            harness.push(Either::Right(Change::Insert((0, 99))), EventTime::MIN).unwrap();
            let met: Vec<_> = harness.take_output().into_iter().map(|change| change.row().0).collect();
            prop_assert_eq!(met, left.iter().map(|row| Some(*row)).collect::<Vec<_>>());
            for row in left {
                harness.push(Either::Left(Change::Delete(row)), EventTime::MIN).unwrap();
            }
            // Rows of the right are left, and those of the left are not.
            let gone = harness.take_output();
            prop_assert!(gone.iter().all(|change| !change.adds()) && gone.len() % (right + 1) == 0);
            harness.push(Either::Right(Change::Insert((0, 98))), EventTime::MIN).unwrap();
            prop_assert_eq!(harness.take_output().len(), 0);
        }
    }

    #[test]
    fn a_row_of_a_build_that_had_no_pieces_is_taken_over() {
        type State = Tables<u8, Row, Row>;
        let mut was = State::schema();
        was.fields.truncate(3);
        let program = OperatorProgram { state: StateProgram::of::<State>(), timer: <()>::schema() };
        let now = EventTime::MIN;
        let now = Now { event: now, record: now, processing: now, uptime: now };
        let plan = Plan::of(&OperatorSchema { state: was, timer: <()>::schema() }, &program, now);
        let at = EventTime::from_millis(5);
        let left: Vec<(Row, EventTime)> = (0..100).map(|n| ((7, n), at)).collect();
        let row = postcard::to_stdvec(&(left, vec![((7u8, 1u8), at)], Some(at))).unwrap();
        let (_, row) = plan.row(Section::State, &[7], &row).unwrap().unwrap();
        let mut tables: State = postcard::from_bytes(&row).unwrap();
        tables.forget(millis(10), at);
        let (mut left, mut right) = tables.sides();
        left.push(Kept { row: (7, 100), came: at });
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        left.each(|row| lefts.push(row.1));
        right.each(|row| rights.push(row.1));
        assert_eq!((lefts, rights, tables.looks), ((0..=100).collect(), vec![1], Some(at)));
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
