//! Lookup joins: every record with what a table outside of the job has of its key.
//!
//! What enters: records. What leaves: each with every value that the lookup gives of its key, at the record's event time. What
//! the table says is what it says when it is asked, as in Flink's `FOR SYSTEM_TIME AS OF` a
//! processing time: so after a restore it may say something else.
//! A table whose history matters is better a stream, and a [`temporal join`](crate::job::KeyedStream::temporal_join).

use std::marker::PhantomData;
use std::sync::Arc;

use super::cache::{LookupCache, Remembered};
use super::step::{Ask, Asked, Attempt};
use super::stream::Asking;
use crate::chain::Head;
use crate::job::Stream;
use crate::key::Key;
use crate::state::Data;

impl<'j, T: Data + Clone, H: Head<Out = T>> Stream<'j, T, H> {
    /// Joins every record with what `lookup` finds of its key in a table outside of the job: an `Option`, a `Vec`, or whatever
    /// can be iterated. Flink's lookup join. The stream need not be keyed, and nothing is sent anywhere.
    ///
    /// [`inner`](LookupJoin::inner) or [`left_outer`](LookupJoin::left_outer) says which records go on; then it is an
    /// [`Asking`], as [`async_map`](Stream::async_map) is one, with capacity, timeout and retries.
    ///
    /// ```
    /// use tidegate::async_io::LookupCache;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event]
    /// #[derive(Clone, Debug, PartialEq)]
    /// struct Order { id: u32, country: String }
    ///
    /// /// Asks a database; that would be `sqlx::query_scalar(..).bind(country).fetch_optional(&pool).await`.
    /// async fn rate_of(country: String) -> Result<Option<u32>, String> {
    ///     Ok(match country.as_str() { "de" => Some(19), "ch" => Some(8), _ => None })
    /// }
    ///
    /// # let order = |id, country: &str| Order { id, country: country.to_string() };
    /// let rated = Collect::new();
    /// TestJob::new("rates", |job| {
    ///     job.source("orders", Memory::of(vec![order(1, "ch"), order(2, "aq"), order(3, "ch")]))
    ///         .lookup_join("rate", |order| order.country.clone(), rate_of)
    ///         .cache(LookupCache::of(1_000).expire_after_write(minutes(10)))
    ///         .left_outer()
    ///         .timeout(secs(5))
    ///         .or_fail()
    ///         .map(|(order, rate)| (order.id, rate))
    ///         .sink("rated", rated.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(rated.take(), [(1, Some(8)), (2, None), (3, Some(8))]);
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    pub fn lookup_join<K, V, I, E, F, L, A>(
        self,
        name: &str,
        key: F,
        lookup: L,
    ) -> LookupJoin<'j, T, H, K, V, F, L>
    where
        K: Key,
        F: Fn(&T) -> K + Clone + Send + Sync + 'static,
        L: Fn(K) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<I, E>> + 'static,
        I: IntoIterator<Item = V>,
    {
        let name = name.to_string();
        LookupJoin { stream: self, name, key, lookup, cache: None, types: PhantomData }
    }
}

/// A lookup join of which is still to be said which records go on.
#[must_use = "say which records go on: `.inner()` or `.left_outer()`"]
pub struct LookupJoin<'j, T, H, K, V, F, L> {
    stream: Stream<'j, T, H>,
    name: String,
    key: F,
    lookup: L,
    cache: Option<LookupCache>,
    types: PhantomData<fn() -> (K, V)>,
}

impl<'j, T, H, K, V, F, L> LookupJoin<'j, T, H, K, V, F, L>
where
    T: Data + Clone,
    H: Head<Out = T>,
    K: Key + Sync,
    V: Clone + Send + Sync + 'static,
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
{
    /// Remembers answers. Nothing is remembered if nothing is said. A retry does not look there.
    pub fn cache(self, cache: LookupCache) -> Self {
        LookupJoin { cache: Some(cache), ..self }
    }

    /// Each record with every value that was found of its key; those of which there is none are left out.
    pub fn inner<I, E, A>(self) -> Asking<'j, T, H, Lookup<K, V, F, L, Inner>>
    where
        L: Fn(K) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<I, E>> + 'static,
        I: IntoIterator<Item = V>,
        E: 'static,
    {
        self.asking(Inner)
    }

    /// The same, and each record of which nothing was found once, alone.
    pub fn left_outer<I, E, A>(self) -> Asking<'j, T, H, Lookup<K, V, F, L, LeftOuter>>
    where
        L: Fn(K) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<I, E>> + 'static,
        I: IntoIterator<Item = V>,
        E: 'static,
    {
        self.asking(LeftOuter)
    }

    fn asking<J, I, E, A>(self, joins: J) -> Asking<'j, T, H, Lookup<K, V, F, L, J>>
    where
        J: Joins<T, V>,
        L: Fn(K) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<I, E>> + 'static,
        I: IntoIterator<Item = V>,
        E: 'static,
    {
        let LookupJoin { stream, name, key, lookup, cache, .. } = self;
        let remembered = cache.map(|declared| Arc::new(Remembered::new(declared)));
        Asking::new(stream, "lookup_join", &name, Lookup { key, lookup, remembered, joins })
    }
}

/// Asks by the key of a record.
pub struct Lookup<K, V, F, L, J> {
    key: F,
    lookup: L,
    remembered: Option<Arc<Remembered<K, V>>>,
    joins: J,
}

impl<K, V, F: Clone, L: Clone, J: Clone> Clone for Lookup<K, V, F, L, J> {
    fn clone(&self) -> Self {
        let Lookup { key, lookup, remembered, joins } = self;
        let (key, lookup, joins) = (key.clone(), lookup.clone(), joins.clone());
        Lookup { key, lookup, remembered: remembered.clone(), joins }
    }
}

/// Which records of a lookup join go on.
pub trait Joins<T, V>: Clone + Send + Sync + 'static {
    /// As what.
    type Out: 'static;

    /// Gives what comes of a record and the values that were found.
    fn join(record: T, found: &[V], each: &mut impl FnMut(Self::Out));
}

/// Those of which something was found.
#[derive(Clone, Copy, Debug)]
pub struct Inner;

impl<T: Clone + 'static, V: Clone + 'static> Joins<T, V> for Inner {
    type Out = (T, V);

    fn join(record: T, found: &[V], each: &mut impl FnMut((T, V))) {
        if let [others @ .., last] = found {
            others.iter().for_each(|value| each((record.clone(), value.clone())));
            each((record, last.clone()));
        }
    }
}

/// All.
#[derive(Clone, Copy, Debug)]
pub struct LeftOuter;

impl<T: Clone + 'static, V: Clone + 'static> Joins<T, V> for LeftOuter {
    type Out = (T, Option<V>);

    fn join(record: T, found: &[V], each: &mut impl FnMut((T, Option<V>))) {
        match found {
            [] => each((record, None)),
            found => Inner::join(record, found, &mut |(record, value)| each((record, Some(value)))),
        }
    }
}

impl<T, K, V, F, L, J, A, I, E> Ask<T> for Lookup<K, V, F, L, J>
where
    K: Key + Sync,
    V: Clone + Send + Sync + 'static,
    F: Fn(&T) -> K + Clone + Send + Sync + 'static,
    L: Fn(K) -> A + Clone + Send + Sync + 'static,
    J: Joins<T, V>,
    A: Future<Output = Result<I, E>> + 'static,
    I: IntoIterator<Item = V>,
    E: 'static,
{
    type Answer = Arc<[V]>;
    type Error = E;
    type Out = J::Out;

    fn ask(&self, record: &T, attempt: &Attempt<'_>) -> Asked<Result<Arc<[V]>, E>> {
        let key = (self.key)(record);
        let Some(remembered) = self.remembered.clone() else {
            let found = (self.lookup)(key);
            return Asked::Request(Box::pin(async { Ok(found.await?.into_iter().collect()) }));
        };
        if attempt.number == 1
            && let Some(found) = remembered.get(&key, attempt.clock.monotonic())
        {
            return Asked::Answered(Ok(found));
        }
        let (found, clock) = ((self.lookup)(key.clone()), attempt.clock.clone());
        Asked::Request(Box::pin(async move {
            let found = found.await?.into_iter().collect();
            remembered.put(key, &found, clock.monotonic());
            Ok(found)
        }))
    }

    fn hand_on(&self, record: T, found: Arc<[V]>, each: &mut impl FnMut(J::Out)) {
        J::join(record, &found, each);
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::time::{Clock, EventTime, millis};

    /// What comes of records, and about which keys was asked.
    fn joined<J>(joins: J, cache: LookupCache, records: &[(u64, u32)]) -> (Vec<J::Out>, Vec<u64>)
    where
        J: Joins<(u64, u32), char>,
    {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let clock = Clock::virtual_at(EventTime::from_millis(0));
        let lookup = {
            let asked = Arc::clone(&asked);
            move |key: u64| {
                asked.lock().unwrap().push(key);
                let found: Vec<char> = "abc".chars().take(key as usize).collect();
                async { Ok::<_, ()>(found) }
            }
        };
        let key = |(key, _): &(u64, u32)| *key;
        let ask = Lookup { key, lookup, remembered: Some(Arc::new(Remembered::new(cache))), joins };
        let mut out = Vec::new();
        for (place, record) in records.iter().enumerate() {
            clock.set(EventTime::from_millis(place as i64));
            let found = match ask.ask(record, &Attempt { number: record.1, clock: &clock }) {
                Asked::Answered(found) => found,
                Asked::Request(request) => {
                    match pin!(request).poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(found) => found,
                        Poll::Pending => unreachable!("it has the answer already"),
                    }
                }
            };
            ask.hand_on(*record, found.unwrap(), &mut |each| out.push(each));
        }
        let asked = asked.lock().unwrap().clone();
        (out, asked)
    }

    #[test]
    fn a_record_comes_with_every_value_and_alone_only_in_a_left_outer_join() {
        let records = [(2, 1), (0, 1), (1, 1)];
        let (inner, _) = joined(Inner, LookupCache::of(9), &records);
        assert_eq!(inner, [((2, 1), 'a'), ((2, 1), 'b'), ((1, 1), 'a')]);
        let (outer, _) = joined(LeftOuter, LookupCache::of(9), &records);
        let expected = [((2, 1), Some('a')), ((2, 1), Some('b')), ((0, 1), None), ((1, 1), Some('a'))];
        assert_eq!(outer, expected);
    }

    #[test]
    fn a_key_is_asked_about_when_it_is_not_remembered_or_when_it_is_a_retry() {
        let (out, asked) =
            joined(Inner, LookupCache::of(9), &[(1, 1), (1, 1), (0, 1), (0, 1), (1, 2), (1, 1)]);
        assert_eq!((out.len(), asked), (4, vec![1, 0, 1]));
        let brief = LookupCache::of(9).expire_after_write(millis(2));
        let (_, asked) = joined(Inner, brief.found_only(), &[(1, 1), (1, 1), (1, 1), (0, 1), (0, 1)]);
        assert_eq!(asked, [1, 1, 0, 0]);
    }
}
