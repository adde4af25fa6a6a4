//! Folds changes into the table that they make: the row of every key as it is when the input ends.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::chain::Head;
use crate::changelog::Change;
use crate::exchange::partition::KeyAccess;
use crate::job::Stream;
use crate::job::keyed_stream::{Inputs, KeyedStream};
use crate::key::Key;
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::state::{Data, Field, State, StateSchema, state_of_any_key};
use crate::time::EventTime;

/// Keeps the row of every key, and emits it when event time has come to its end.
pub struct Latest<K, T>(PhantomData<fn() -> (K, T)>);

/// The row of a key.
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
pub struct Row<K, T> {
    row: Option<T>,
    /// Whether the end of the input is waited for.
    waits: bool,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

#[diagnostic::do_not_recommend]
impl<K: Key, T: Data> Operator for Latest<K, T> {
    type In = Change<T>;
    type State = Row<K, T>;
    type Out = T;
    type Side = Never;
    type Timer = ();
    type Shared = ();
    type Broadcast = Never;

    fn on_event(
        &self,
        change: Change<T>,
        kept: &mut Row<K, T>,
        (): &(),
        cx: &mut Context<'_, Self>,
        _out: &mut impl Emit<T>,
        _side: &mut impl Emit<Never>,
    ) {
        if !kept.waits {
            cx.set_timer(EventTime::MAX, ());
            kept.waits = true;
        }
        match change {
            Change::Insert(row) | Change::UpdateAfter(row) => kept.row = Some(row),
            // What it was is known here.
            Change::UpdateBefore(_) => {}
            Change::Delete(_) => kept.row = None,
        }
    }

    fn on_timer(
        &self,
        (): (),
        kept: &mut Row<K, T>,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<T>,
        _side: &mut impl Emit<Never>,
    ) {
        if let Some(row) = kept.row.take() {
            out.emit(row);
        }
        cx.clear_state();
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _cx: &UnkeyedContext,
        _out: &mut impl Emit<T>,
        _side: &mut impl Emit<Never>,
    ) {
        match record {}
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, T: Data> State for Row<K, T> {
    type Key = K;

    fn initial() -> Self {
        Row { row: None, waits: false, key: PhantomData }
    }

    fn schema() -> StateSchema {
        StateSchema {
            name: "Row".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![Field::of::<Option<T>>("row"), Field::of::<bool>("waits")],
        }
    }
}

state_of_any_key!(Row<K, T>);

impl<'j, K: Key, T: Data, A, I> KeyedStream<'j, K, Change<T>, A, I>
where
    A: KeyAccess<Change<T>, Key = K>,
    I: Inputs<Change<T>>,
{
    /// The table that the changes make, of one row per key: what it is when a bounded input has ended. The row that was put in
    /// last is the key's.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let counts = vec![
    ///     Change::Insert(("tide".to_string(), 1)),
    ///     Change::Insert(("gate".to_string(), 1)),
    ///     Change::UpdateBefore(("tide".to_string(), 1)),
    ///     Change::UpdateAfter(("tide".to_string(), 2)),
    ///     Change::Delete(("gate".to_string(), 1)),
    /// ];
    /// let table = Collect::new();
    /// TestJob::new("words", |job| {
    ///     job.source("counts", Memory::of(counts))
    ///         .key_by(|change| change.row().0.clone())
    ///         .latest("table")
    ///         .sink("table", table.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(table.take(), [("tide".to_string(), 2)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn latest(self, name: &str) -> Stream<'j, T, impl Head<Out = T> + use<K, T, A, I>> {
        self.process(name, Latest(PhantomData))
    }
}
