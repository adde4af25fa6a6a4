//! Windows in a job: `.key_by(..).window(..)`.

use std::time::Duration;

use crate::aggregate::{Aggregate, Reducer};
use crate::exchange::partition::KeyAccess;
use crate::job::KeyedStream;
use crate::job::keyed_stream::Inputs;
use crate::key::Key;
use crate::operator::late::{Late, ToSide};
use crate::state::Data;
use crate::window::contents::{Look, Then};
use crate::window::windowing::{Aggregated, AggregatedThen, Evicting, Keeps, Looking, ProcessedAll};
use crate::window::{Evictor, Firing, Trigger, WindowAssigner, Windowing};

impl<'j, K: Key, T: Data, A: KeyAccess<T, Key = K>, I: Inputs<T>> KeyedStream<'j, K, T, A, I> {
    /// Puts the records of each key into windows.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Bid { auction: u64, price: u64, at: EventTime }
    ///
    /// # fn main() -> Result<()> {
    /// let bid = |auction, price, second| Bid { auction, price, at: EventTime::from_millis(0) + secs(second) };
    /// let highest = Collect::new();
    /// TestJob::new("auctions", |job| {
    ///     job.source("bids", Memory::of(vec![bid(1, 30, 1), bid(1, 50, 3), bid(2, 10, 4), bid(1, 40, 12)]))
    ///         .watermarks(Watermarks::bounded(secs(2)))
    ///         .key_by(|bid| bid.auction)
    ///         .window(Sliding::of(secs(10)).every(secs(5)))
    ///         .aggregate("highest-bids", Max::of(|bid: &Bid| bid.price))
    ///         .filter(|highest| highest.key == 1)
    ///         .map(|highest| (highest.window.start.as_millis(), highest.value))
    ///         .sink("highest", highest.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(highest.take(), [(-5_000, 50), (0, 50), (5_000, 40), (10_000, 40)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn window<W>(self, assigner: W) -> InWindows<'j, K, T, A, I, W>
    where
        T: Clone,
        W: WindowAssigner<T>,
    {
        <TriggerState<T, W, W::Trigger>>::known(WindowedStream {
            keyed: self,
            windowing: Windowing::of(assigner),
        })
    }
}

/// Records in windows, by key.
#[must_use = "windows go nowhere until something is made of their records: `.aggregate(\"name\", ..)`, `.process(\"name\", ..)`"]
pub struct WindowedStream<'j, K, T, A, I, Win> {
    keyed: KeyedStream<'j, K, T, A, I>,
    windowing: Win,
}

// The types say what was asked for; nobody writes them out.
#[allow(clippy::type_complexity)]
impl<'j, K, T, A, I, W, Tr, Ev, L> WindowedStream<'j, K, T, A, I, Windowing<T, W, Tr, Ev, L>>
where
    K: Key,
    T: Data + Clone,
    A: KeyAccess<T, Key = K>,
    I: Inputs<T>,
    W: WindowAssigner<T>,
    Tr: Trigger<T, W::Window>,
    Ev: Keeps<T, W::Window>,
    L: Late,
{
    fn with<Win>(
        self,
        with: impl FnOnce(Windowing<T, W, Tr, Ev, L>) -> Win,
    ) -> WindowedStream<'j, K, T, A, I, Win> {
        WindowedStream { keyed: self.keyed, windowing: with(self.windowing) }
    }

    /// Keeps windows in event time for so long after their end: each record that comes meanwhile makes its window fire again.
    /// Those that come later are late: see [`side_output_late`](WindowedStream::side_output_late).
    pub fn allowed_lateness(self, lateness: Duration) -> Self {
        self.with(|windowing| windowing.allowed_lateness(lateness))
    }

    /// Makes the windows fire by another trigger than that of their assigner.
    pub fn trigger<U>(
        self,
        trigger: U,
    ) -> Of<U::State, WindowedStream<'j, K, T, A, I, Windowing<T, W, U, Ev, L>>>
    where
        U: Trigger<T, W::Window>,
    {
        U::State::known(self.with(|windowing| windowing.trigger(trigger)))
    }

    /// Has records dropped from windows that fire. All records are kept until then, also for an aggregate.
    pub fn evictor<E>(self, evictor: E) -> WindowedStream<'j, K, T, A, I, Windowing<T, W, Tr, Evicting<E>, L>>
    where
        E: Evictor<T, W::Window>,
    {
        self.with(|windowing| windowing.evictor(evictor))
    }

    /// Makes a stream of late records: what follows gives two streams, the results and the records whose windows were all gone
    /// when they came. Without it they are counted, and the log says so.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let (counts, late) = (Collect::new(), Collect::new());
    /// TestJob::new("counts", |job| {
    ///     let (counted, too_late) = job
    ///         .source("seconds", Memory::of(vec![1u64, 20, 2]))
    ///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::bounded(secs(5)))
    ///         .key_by(|_| 0u8)
    ///         .window(Tumbling::of(secs(10)))
    ///         .side_output_late()
    ///         .aggregate("counts", Count);
    ///     counted.map(|counted| counted.value).sink("counts", counts.clone());
    ///     too_late.sink("late", late.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// // Whether the last one is late depends on when the watermark comes; it is in one of the two.
    /// assert_eq!(counts.take().iter().sum::<u64>() + late.take().len() as u64, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub fn side_output_late(self) -> WindowedStream<'j, K, T, A, I, Windowing<T, W, Tr, Ev, ToSide>> {
        self.with(|windowing| windowing.side_output_late())
    }

    /// Folds the records of each window as they come; only an accumulator is kept. What comes out is the result with its key and
    /// window. The name is what snapshots know the state by.
    pub fn aggregate<G>(
        self,
        name: &str,
        aggregate: G,
    ) -> Of<G::Acc, L::Streams<'j, T, Aggregated<K, T, W, Tr, Ev, L, G>, K, A>>
    where
        G: Aggregate<In = T> + Send + Sync,
    {
        let operator = self.windowing.aggregate(aggregate);
        G::Acc::known(L::streams(self.keyed, name, operator))
    }

    /// [`aggregate`](WindowedStream::aggregate), and a function that makes of each result any number of records.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let busy = Collect::new();
    /// TestJob::new("busy", |job| {
    ///     job.source("seconds", Memory::of(vec![1u64, 2, 12]))
    ///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::bounded(secs(0)))
    ///         .key_by(|_| 0u8)
    ///         .window(Tumbling::of(secs(10)))
    ///         .aggregate_then("busy", Count, |window, count| (count > 1).then(|| (*window.key(), count)))
    ///         .sink("busy", busy.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(busy.take(), [(0, 2)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn aggregate_then<G, F, It>(
        self,
        name: &str,
        aggregate: G,
        then: F,
    ) -> L::Streams<'j, T, AggregatedThen<K, T, W, Tr, Ev, L, G, F, It>, K, A>
    where
        G: Aggregate<In = T> + Send + Sync,
        F: Fn(&Firing<'_, K, W::Window>, G::Out) -> It + Send + Sync + 'static,
        It: IntoIterator<Item: 'static> + 'static,
    {
        let operator = self.windowing.aggregate_then(aggregate, then);
        L::streams(self.keyed, name, operator)
    }

    /// Folds the records of each window into one of their own type: `reduce` folds a record into those that came before.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let longest = Collect::new();
    /// TestJob::new("longest", |job| {
    ///     let words = ["tide", "breakwater", "lock"].map(String::from);
    ///     job.source("words", Memory::of(words.into()))
    ///         .key_by(|_| 0u8)
    ///         .window(Global)
    ///         .reduce("longest", |longest, word| if word.len() > longest.len() { *longest = word })
    ///         .map(|longest| longest.value)
    ///         .sink("longest", longest.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(longest.take(), ["breakwater"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reduce<F>(
        self,
        name: &str,
        reduce: F,
    ) -> L::Streams<'j, T, Aggregated<K, T, W, Tr, Ev, L, Reducer<T, F>>, K, A>
    where
        F: Fn(&mut T, T) + Send + Sync + 'static,
    {
        let operator = self.windowing.reduce(reduce);
        L::streams(self.keyed, name, operator)
    }

    /// Keeps all records of each window, and makes of them any number of others when it fires. They are in the order in which they
    /// came. Where an [`aggregate`](WindowedStream::aggregate) will do, it needs far less memory.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let medians = Collect::new();
    /// TestJob::new("medians", |job| {
    ///     job.source("seconds", Memory::of(vec![1u64, 7, 2, 12]))
    ///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::bounded(secs(5)))
    ///         .key_by(|_| 0u8)
    ///         .window(Tumbling::of(secs(10)))
    ///         .process("medians", |_, mut seconds| {
    ///             seconds.sort();
    ///             Some(*seconds[seconds.len() / 2])
    ///         })
    ///         .sink("medians", medians.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(medians.take(), [2, 12]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn process<F, It>(
        self,
        name: &str,
        process: F,
    ) -> L::Streams<'j, T, ProcessedAll<K, T, W, Tr, Ev, L, F, It>, K, A>
    where
        F: Fn(&Firing<'_, K, W::Window>, Vec<&T>) -> It + Send + Sync + 'static,
        It: IntoIterator<Item: 'static> + 'static,
    {
        self.look(name, Then::new(process))
    }

    /// Keeps all records of each window, and has `look` make something of them.
    pub(crate) fn look<P>(
        self,
        name: &str,
        look: P,
    ) -> L::Streams<'j, T, Looking<K, T, W, Tr, Ev, L, P>, K, A>
    where
        P: Look<K, T, W::Window>,
    {
        let operator = self.windowing.look(look);
        L::streams(self.keyed, name, operator)
    }
}

/// The stream in windows.
pub type InWindows<'j, K, T, A, I, W> = Of<
    TriggerState<T, W, <W as WindowAssigner<T>>::Trigger>,
    WindowedStream<'j, K, T, A, I, Windowing<T, W, <W as WindowAssigner<T>>::Trigger>>,
>;

/// What a trigger remembers.
pub type TriggerState<T, W, Tr> = <Tr as Trigger<T, <W as WindowAssigner<T>>::Window>>::State;

/// `S`, if `D` is known.
pub type Of<D, S> = <D as Known>::As<S>;

/// All data. A stream has this behind it, by way of something that is only known of what fits, so that the stream is unknown to
/// rustc where an assigner, a trigger or an aggregate does not, and the steps that follow give no errors of their own.
pub trait Known {
    /// `S` itself.
    type As<S>;

    /// The value itself.
    fn known<S>(value: S) -> Self::As<S>;
}

impl<D: Data> Known for D {
    type As<S> = S;

    fn known<S>(value: S) -> S {
        value
    }
}

/// Is no data. Because of it rustc does not take what is unknown for data.
pub struct Unknown;

impl Known for Unknown {
    type As<S> = S;

    fn known<S>(value: S) -> S {
        value
    }
}
