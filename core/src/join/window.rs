//! Joins in windows: records of two sides belong together if they are in the same window.
//!
//! They are the windows of a [connected](crate::job::KeyedStream::connect) stream, whose records are of either side. What
//! becomes of late records, and when windows fire, is the windows' matter.

use std::marker::PhantomData;

use crate::exchange::partition::KeyAccess;
use crate::job::keyed_stream::Inputs;
use crate::join::For;
use crate::key::Key;
use crate::operator::Emit;
use crate::operator::late::Late;
use crate::record::Either;
use crate::state::Data;
use crate::window::contents::Look;
use crate::window::windowing::{Keeps, Looking};
use crate::window::{Firing, Trigger, WindowAssigner, WindowedStream, Windowing};

/// Makes of all records of a window any number of others: what a window's records of each side are given to.
pub struct CoGroup<F, Out> {
    group: F,
    out: For<Out>,
}

/// Makes of every pair of records of a window one record.
pub struct Pairs<F, Out> {
    join: F,
    out: For<Out>,
}

impl<K, L, R, W, F, Out> Look<K, Either<L, R>, W> for CoGroup<F, Out>
where
    F: Fn(&Firing<'_, K, W>, Vec<&L>, Vec<&R>) -> Out + Send + Sync + 'static,
    Out: IntoIterator<Item: 'static> + 'static,
{
    type Out = Out::Item;

    fn look<'a>(
        &self,
        firing: &Firing<'_, K, W>,
        records: impl ExactSizeIterator<Item = &'a Either<L, R>>,
        out: &mut impl Emit<Out::Item>,
    ) where
        Either<L, R>: 'a,
    {
        let (left, right) = sides(records);
        (self.group)(firing, left, right).into_iter().for_each(|record| out.emit(record));
    }
}

impl<K, L, R, W, F, Out> Look<K, Either<L, R>, W> for Pairs<F, Out>
where
    F: Fn(&L, &R) -> Out + Send + Sync + 'static,
    Out: 'static,
{
    type Out = Out;

    fn look<'a>(
        &self,
        _firing: &Firing<'_, K, W>,
        records: impl ExactSizeIterator<Item = &'a Either<L, R>>,
        out: &mut impl Emit<Out>,
    ) where
        Either<L, R>: 'a,
    {
        let (left, right) = sides(records);
        for left in left {
            right.iter().for_each(|right| out.emit((self.join)(left, right)));
        }
    }
}

/// The records of each side, in the order in which they came.
fn sides<'a, L, R>(records: impl Iterator<Item = &'a Either<L, R>>) -> (Vec<&'a L>, Vec<&'a R>) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for record in records {
        match record {
            Either::Left(record) => left.push(record),
            Either::Right(record) => right.push(record),
        }
    }
    (left, right)
}

// The types say what was asked for; nobody writes them out.
#[allow(clippy::type_complexity)]
impl<'j, K, L, R, A, I, W, Tr, Ev, La>
    WindowedStream<'j, K, Either<L, R>, A, I, Windowing<Either<L, R>, W, Tr, Ev, La>>
where
    K: Key,
    L: Data + Clone,
    R: Data + Clone,
    A: KeyAccess<Either<L, R>, Key = K>,
    I: Inputs<Either<L, R>>,
    W: WindowAssigner<Either<L, R>>,
    Tr: Trigger<Either<L, R>, W::Window>,
    Ev: Keeps<Either<L, R>, W::Window>,
    La: Late,
{
    /// Every pair of records of the two sides that are in the same window of a key: Flink's window join.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let at = |second: &u64| EventTime::from_millis(0) + secs(*second);
    /// let pairs = Collect::new();
    /// TestJob::new("pairs", |job| {
    ///     let left = job.source("left", Memory::of(vec![1u64, 12])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let right = job.source("right", Memory::of(vec![2u64, 3])).event_time(at, Watermarks::bounded(secs(5)));
    ///     left.key_by(|_| 0u8)
    ///         .connect(right.key_by(|_| 0u8))
    ///         .window(Tumbling::of(secs(10)))
    ///         .join("pairs", |left, right| (*left, *right))
    ///         .sink("pairs", pairs.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut pairs = pairs.take();
    /// pairs.sort();
    /// assert_eq!(pairs, [(1, 2), (1, 3)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn join<F, Out>(
        self,
        name: &str,
        join: F,
    ) -> La::Streams<'j, Either<L, R>, Looking<K, Either<L, R>, W, Tr, Ev, La, Pairs<F, Out>>, K, A>
    where
        F: Fn(&L, &R) -> Out + Send + Sync + 'static,
        Out: 'static,
    {
        self.look(name, Pairs { join, out: PhantomData })
    }

    /// What a function makes of all records of a window, those of one side beside those of the other; there may be none of one:
    /// Flink's `coGroup`.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let at = |second: &u64| EventTime::from_millis(0) + secs(*second);
    /// let counts = Collect::new();
    /// TestJob::new("counts", |job| {
    ///     let left = job.source("left", Memory::of(vec![1u64, 12])).event_time(at, Watermarks::bounded(secs(5)));
    ///     let right = job.source("right", Memory::of(vec![2u64, 3])).event_time(at, Watermarks::bounded(secs(5)));
    ///     left.key_by(|_| 0u8)
    ///         .connect(right.key_by(|_| 0u8))
    ///         .window(Tumbling::of(secs(10)))
    ///         .co_group("counts", |_, left, right| Some((left.len(), right.len())))
    ///         .sink("counts", counts.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(counts.take(), [(1, 2), (1, 0)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn co_group<F, Out>(
        self,
        name: &str,
        group: F,
    ) -> La::Streams<'j, Either<L, R>, Looking<K, Either<L, R>, W, Tr, Ev, La, CoGroup<F, Out>>, K, A>
    where
        F: Fn(&Firing<'_, K, W::Window>, Vec<&L>, Vec<&R>) -> Out + Send + Sync + 'static,
        Out: IntoIterator<Item: 'static> + 'static,
    {
        self.look(name, CoGroup { group, out: PhantomData })
    }
}
