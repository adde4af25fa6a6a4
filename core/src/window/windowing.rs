//! [`Windowing`]: what is asked of windows, and the operators that do it.

use std::marker::PhantomData;
use std::time::Duration;

use crate::aggregate::{Aggregate, Reducer};
use crate::key::Key;
use crate::operator::late::{Dropped, Late, ToSide};
use crate::state::Data;
use crate::window::contents::{AsWindowed, Contents, Elements, Finish, Folding, Look, Then};
use crate::window::operator::WindowOperator;
use crate::window::{Evictor, Firing, KeepAll, Trigger, Window, WindowAssigner};

/// Windows of records of type `T`: which, when they fire, what they keep. It makes the operators that
/// [`.window(..)`](crate::job::KeyedStream::window) puts into a job, for a [`Harness`](crate::testing::Harness) or a stream of
/// one's own.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let counts = Windowing::of(Tumbling::of(secs(10))).allowed_lateness(secs(5)).aggregate(Count);
/// let mut harness = Harness::new(counts, |user: &String| user.clone())?.restore_after_every_step();
/// harness.push("ada".to_string(), EventTime::from_millis(3_000))?;
/// harness.advance_watermark(EventTime::from_millis(9_999))?;
/// harness.push("ada".to_string(), EventTime::from_millis(4_000))?;
/// let counts: Vec<_> = harness.take_output().iter().map(|counted| counted.value).collect();
/// assert_eq!(counts, [1, 2]);
/// # Ok(())
/// # }
/// ```
#[must_use = "windows are nothing until something is made of their records: `.aggregate(..)`, `.process(..)`"]
pub struct Windowing<T, W, Tr, Ev = KeepAll, L = Dropped> {
    assigner: W,
    trigger: Tr,
    keeps: Ev,
    allowed_lateness: Duration,
    is_own_trigger: bool,
    of: PhantomData<fn(T) -> L>,
}

impl<T, W: WindowAssigner<T>> Windowing<T, W, W::Trigger> {
    /// The windows of an assigner.
    pub fn of(assigner: W) -> Self {
        let trigger = assigner.default_trigger();
        Windowing {
            assigner,
            trigger,
            keeps: KeepAll,
            allowed_lateness: Duration::ZERO,
            is_own_trigger: false,
            of: PhantomData,
        }
    }
}

impl<T, W, Tr, Ev, L> Windowing<T, W, Tr, Ev, L>
where
    T: Data + Clone,
    W: WindowAssigner<T>,
    Tr: Trigger<T, W::Window>,
    Ev: Keeps<T, W::Window>,
    L: Late,
{
    /// Keeps windows in event time for so long after their end: each record that comes meanwhile makes its window fire again.
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        Windowing { allowed_lateness: lateness, ..self }
    }

    /// Makes the windows fire by another trigger than that of their assigner.
    pub fn trigger<U: Trigger<T, W::Window>>(self, trigger: U) -> Windowing<T, W, U, Ev, L> {
        let Windowing { assigner, keeps, allowed_lateness, of, .. } = self;
        Windowing { assigner, trigger, keeps, allowed_lateness, is_own_trigger: true, of }
    }

    /// Has records dropped from windows that fire. All records are kept until then, also for an aggregate.
    pub fn evictor<E: Evictor<T, W::Window>>(self, evictor: E) -> Windowing<T, W, Tr, Evicting<E>, L> {
        let Windowing { assigner, trigger, allowed_lateness, is_own_trigger, of, .. } = self;
        Windowing { assigner, trigger, keeps: Evicting(evictor), allowed_lateness, is_own_trigger, of }
    }

    /// Emits late records on the side. Otherwise they are counted, and the log says so.
    pub fn side_output_late(self) -> Windowing<T, W, Tr, Ev, ToSide> {
        let Windowing { assigner, trigger, keeps, allowed_lateness, is_own_trigger, .. } = self;
        Windowing { assigner, trigger, keeps, allowed_lateness, is_own_trigger, of: PhantomData }
    }

    fn with<K, C>(self, contents: impl FnOnce(Ev) -> C) -> WindowOperator<K, T, W, Tr, C, L>
    where
        K: Key,
        C: Contents<K, T, W::Window>,
    {
        let Windowing { assigner, trigger, keeps, allowed_lateness, is_own_trigger, .. } = self;
        WindowOperator::new(assigner, (trigger, is_own_trigger), contents(keeps), allowed_lateness)
    }

    /// Folds the records of each window as they come: what is emitted is the result with its key and window.
    pub fn aggregate<K, A>(self, aggregate: A) -> Aggregated<K, T, W, Tr, Ev, L, A>
    where
        K: Key,
        A: Aggregate<In = T> + Send + Sync,
    {
        self.with(|keeps| keeps.folded(aggregate, AsWindowed))
    }

    /// Folds the records of each window as they come, and makes of the result any number of records.
    pub fn aggregate_then<K, A, F, I>(
        self,
        aggregate: A,
        then: F,
    ) -> AggregatedThen<K, T, W, Tr, Ev, L, A, F, I>
    where
        K: Key,
        A: Aggregate<In = T> + Send + Sync,
        F: Fn(&Firing<'_, K, W::Window>, A::Out) -> I + Send + Sync + 'static,
        I: IntoIterator<Item: 'static> + 'static,
    {
        self.with(|keeps| keeps.folded(aggregate, Then::new(then)))
    }

    /// Folds the records of each window into one of their own type.
    pub fn reduce<K, F>(self, reduce: F) -> Aggregated<K, T, W, Tr, Ev, L, Reducer<T, F>>
    where
        K: Key,
        F: Fn(&mut T, T) + Send + Sync + 'static,
    {
        self.aggregate(Reducer::of(reduce))
    }

    /// Keeps all records of each window, and has `look` make something of them.
    pub(crate) fn look<K, P>(self, look: P) -> Looking<K, T, W, Tr, Ev, L, P>
    where
        K: Key,
        P: Look<K, T, WindowOf<T, W>>,
    {
        self.with(|keeps| Elements { evictor: keeps.evictor(), evicts: Ev::EVICTS, look })
    }

    /// Keeps all records of each window, and makes of them any number of others. They are in the order in which they came.
    pub fn process<K, F, I>(self, process: F) -> ProcessedAll<K, T, W, Tr, Ev, L, F, I>
    where
        K: Key,
        F: Fn(&Firing<'_, K, W::Window>, Vec<&T>) -> I + Send + Sync + 'static,
        I: IntoIterator<Item: 'static> + 'static,
    {
        self.look(Then::new(process))
    }
}

/// The windows of an assigner.
type WindowOf<T, W> = <W as WindowAssigner<T>>::Window;

/// The operator of [`Windowing::aggregate`].
pub type Aggregated<K, T, W, Tr, Ev, L, A> =
    WindowOperator<K, T, W, Tr, <Ev as Keeps<T, WindowOf<T, W>>>::Folded<K, A, AsWindowed>, L>;

/// The operator of [`Windowing::aggregate_then`].
pub type AggregatedThen<K, T, W, Tr, Ev, L, A, F, I> =
    WindowOperator<K, T, W, Tr, <Ev as Keeps<T, WindowOf<T, W>>>::Folded<K, A, Then<F, I>>, L>;

/// The operator of [`Windowing::process`].
pub type ProcessedAll<K, T, W, Tr, Ev, L, F, I> = Looking<K, T, W, Tr, Ev, L, Then<F, I>>;

/// The operator of windows that keep all their records.
pub type Looking<K, T, W, Tr, Ev, L, P> =
    WindowOperator<K, T, W, Tr, Elements<<Ev as Keeps<T, WindowOf<T, W>>>::Evictor, P>, L>;

/// Which records windows keep: all, or what an evictor leaves.
pub trait Keeps<T, W: Window>: Send + Sync + Sized + 'static {
    /// What is kept for an aggregate.
    type Folded<K: Key, A: Aggregate<In = T> + Send + Sync, F: Finish<K, W, A::Out>>: Contents<K, T, W, Out = F::Out>;
    /// What drops records.
    type Evictor: Evictor<T, W>;

    /// Whether records are dropped when a window fires.
    const EVICTS: bool;

    /// Keeps what an aggregate needs.
    fn folded<K: Key, A, F>(self, aggregate: A, finish: F) -> Self::Folded<K, A, F>
    where
        A: Aggregate<In = T> + Send + Sync,
        F: Finish<K, W, A::Out>;

    /// What drops records.
    fn evictor(self) -> Self::Evictor;
}

impl<T: Data + Clone, W: Window> Keeps<T, W> for KeepAll {
    type Folded<K: Key, A: Aggregate<In = T> + Send + Sync, F: Finish<K, W, A::Out>> = Folding<A, F>;
    type Evictor = KeepAll;

    const EVICTS: bool = false;

    fn folded<K: Key, A, F>(self, aggregate: A, finish: F) -> Folding<A, F>
    where
        A: Aggregate<In = T> + Send + Sync,
        F: Finish<K, W, A::Out>,
    {
        Folding { aggregate, finish }
    }

    fn evictor(self) -> KeepAll {
        KeepAll
    }
}

/// What an evictor leaves.
pub struct Evicting<E>(E);

impl<T: Data + Clone, W: Window, E: Evictor<T, W>> Keeps<T, W> for Evicting<E> {
    type Folded<K: Key, A: Aggregate<In = T> + Send + Sync, F: Finish<K, W, A::Out>> =
        Elements<E, Folding<A, F>>;
    type Evictor = E;

    const EVICTS: bool = true;

    fn folded<K: Key, A, F>(self, aggregate: A, finish: F) -> Elements<E, Folding<A, F>>
    where
        A: Aggregate<In = T> + Send + Sync,
        F: Finish<K, W, A::Out>,
    {
        Elements { evictor: self.0, evicts: true, look: Folding { aggregate, finish } }
    }

    fn evictor(self) -> E {
        self.0
    }
}
