//! How streams are asked about: [`Stream::async_map`], and what may be said of it before it is a stream again.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::on_failure::{OnFailure, OrElse, OrFail, OrReject};
use super::queue::Order;
use super::retry::{Failure, Retry};
use super::step::{Ask, AskHead, Asked, Attempt, RetryIf, Settings, entry_state};
use crate::chain::Head;
use crate::error::Error;
use crate::job::Stream;
use crate::job::builder::LocalStream;
use crate::outbox::EdgeIndex;
use crate::state::Data;
use crate::time::minutes;

/// A function that gives a future.
pub struct AskFunction<F, R, E> {
    ask: F,
    answer: PhantomData<fn() -> (R, E)>,
}

impl<F: Clone, R, E> Clone for AskFunction<F, R, E> {
    fn clone(&self) -> Self {
        AskFunction { ask: self.ask.clone(), answer: PhantomData }
    }
}

impl<T, R, E, F, A> Ask<T> for AskFunction<F, R, E>
where
    T: Clone,
    R: 'static,
    E: 'static,
    F: Fn(T) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<R, E>> + 'static,
{
    type Answer = R;
    type Error = E;
    type Out = R;

    fn ask(&self, record: &T, _attempt: &Attempt<'_>) -> Asked<Result<R, E>> {
        Asked::Request(Box::pin((self.ask)(record.clone())))
    }

    fn hand_on(&self, _record: T, answer: R, each: &mut impl FnMut(R)) {
        each(answer);
    }
}

impl<'j, T: Data + Clone, H: Head<Out = T>> Stream<'j, T, H> {
    /// Asks something outside of the job about every record: a server, a database. Up to [`capacity`](Asking::capacity) requests
    /// are on their way at once, and nothing waits for them: other records, watermarks and barriers go on being served. Flink's
    /// `AsyncDataStream`. The name is what snapshots know the records by that are being asked about.
    ///
    /// What is to be said about it comes behind it, and last what becomes of a record about which there is no answer:
    /// [`or_fail`](Asking::or_fail), [`or_else`](Asking::or_else) or [`or_reject`](Asking::or_reject).
    ///
    /// - **Once**: a snapshot has the records whose results have not gone on. They are asked about again when it is restored, so
    ///   a server may be asked twice, and every result goes on once.
    /// - **Event time**: a result carries that of its record, and no watermark passes it. Say `.event_time(..)` before: behind
    ///   here the splits of a source can't be told apart.
    /// - **Futures** are polled in the worker's thread, and need not be `Send`; what they compute holds up other records. With the
    ///   feature `tokio` they are within a runtime, as clients want that are built on it. For clients without futures there is
    ///   [`blocking`](super::blocking()).
    /// - **The end** of the input waits for all results.
    ///
    /// ```
    /// use tidegate::async_io::Retry;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// /// Asks a server; that would be `client.get(..).send().await?`.
    /// async fn city_of(postcode: u32) -> Result<String, String> {
    ///     match postcode {
    ///         10115 => Ok("Berlin".to_string()),
    ///         _ => Err("404".to_string()),
    ///     }
    /// }
    ///
    /// let cities = Collect::new();
    /// TestJob::new("cities", |job| {
    ///     job.source("postcodes", Memory::of(vec![10115, 99999]))
    ///         .async_map("city", city_of)
    ///         .unordered()
    ///         .capacity(200)
    ///         .timeout(secs(5))
    ///         .retry(Retry::exponential(3, millis(100)))
    ///         .or_else(|postcode, failure| format!("{postcode}? {failure}"))
    ///         .sink("cities", cities.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut cities = cities.take();
    /// cities.sort();
    /// assert_eq!(cities, ["99999? 404 (4 attempts)", "Berlin"]);
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    pub fn async_map<R, E, F, A>(self, name: &str, ask: F) -> Asking<'j, T, H, AskFunction<F, R, E>>
    where
        R: 'static,
        E: 'static,
        F: Fn(T) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Result<R, E>> + 'static,
    {
        Asking::new(self, "async_map", name, AskFunction { ask, answer: PhantomData })
    }
}

/// A stream whose records are asked about: [`Stream::async_map`], [`Stream::lookup_join`].
#[must_use = "say what becomes of records about which there is no answer: `.or_fail()`, `.or_else(..)` or `.or_reject()`"]
pub struct Asking<'j, T, H, A: Ask<T>> {
    stream: Stream<'j, T, H>,
    kind: &'static str,
    name: String,
    ask: A,
    settings: Settings,
    retry_if: Option<RetryIf<A::Answer, A::Error>>,
}

/// What [`Asking`] becomes.
pub type Answered<'j, T, H, A, F> = Stream<'j, <A as Ask<T>>::Out, AskHead<H, A, F>>;

impl<'j, T, H, A> Asking<'j, T, H, A>
where
    T: Data + Clone,
    H: Head<Out = T>,
    A: Ask<T>,
{
    pub(super) fn new(stream: Stream<'j, T, H>, kind: &'static str, name: &str, ask: A) -> Self {
        let settings =
            Settings { order: Order::AsTheyCame, capacity: 100, timeout: minutes(3), retry: Retry::NEVER };
        Asking { stream, kind, name: name.to_string(), ask, settings, retry_if: None }
    }

    /// Results go on in the order of their records. That is so if nothing is said.
    pub fn ordered(mut self) -> Self {
        self.settings.order = Order::AsTheyCame;
        self
    }

    /// Results go on as soon as they are there, but none passes a watermark.
    pub fn unordered(mut self) -> Self {
        self.settings.order = Order::AsAnswered;
        self
    }

    /// How many records may be asked about at once, in each subtask: 100 if nothing is said. Results that wait for their turn
    /// count. When there are as many, nothing more is read.
    pub fn capacity(mut self, capacity: usize) -> Self {
        if capacity == 0 {
            self.mistake("a capacity of 0");
        }
        self.settings.capacity = capacity;
        self
    }

    /// How long an answer may take, over all attempts: 3 minutes if nothing is said. The time before the first attempt does not
    /// count. After a restore it begins anew.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        if timeout.is_zero() {
            self.mistake("no time for an answer");
        }
        self.settings.timeout = timeout;
        self
    }

    /// How often is asked again about a record, and when: never if nothing is said. After a restore it is counted anew.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.settings.retry = retry;
        self
    }

    /// What makes [`retry`](Asking::retry) ask again: any error if nothing is said. An answer that is still not the wanted one
    /// after the last attempt is one all the same.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    /// use tidegate::async_io::Retry;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// let asked = Arc::new(AtomicU32::new(0));
    /// let pages = Collect::new();
    /// TestJob::new("pages", |job| {
    ///     let asked = Arc::clone(&asked);
    ///     job.source("urls", Memory::of(vec!["/".to_string()]))
    ///         .async_map("page", move |url| {
    ///             let status = if asked.fetch_add(1, Ordering::Relaxed) == 0 { 503 } else { 200 };
    ///             async move { Ok::<_, std::io::Error>((url, status)) }
    ///         })
    ///         .retry(Retry::fixed(3, millis(20)))
    ///         .retry_if(|result| !matches!(result, Ok((_, 200))))
    ///         .or_fail()
    ///         .sink("pages", pages.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(pages.take(), [("/".to_string(), 200)]);
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    pub fn retry_if(
        mut self,
        retry_if: impl Fn(Result<&A::Answer, &A::Error>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry_if = Some(Arc::new(retry_if));
        self
    }

    /// A record about which there is no answer is the job's failure: it says which operator and which record, and goes back to
    /// the last snapshot, if it has restarts left.
    pub fn or_fail(self) -> Answered<'j, T, H, A, OrFail>
    where
        A::Error: fmt::Display,
    {
        self.settled(OrFail, None)
    }

    /// What goes on instead of an answer, if there is none.
    pub fn or_else<G>(self, instead: G) -> Answered<'j, T, H, A, OrElse<G>>
    where
        G: Fn(T, Failure<A::Error>) -> A::Out + Clone + Send + Sync + 'static,
    {
        self.settled(OrElse(instead), None)
    }

    /// The second stream has the records about which there is no answer, and why; it must go somewhere, too.
    ///
    /// ```
    /// use tidegate::async_io::Failure;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// let (halves, odd) = (Collect::new(), Collect::new());
    /// TestJob::new("halves", |job| {
    ///     let (half, failed) = job
    ///         .source("numbers", Memory::of(vec![1, 2, 3, 4]))
    ///         .async_map("half", async |n: u32| if n % 2 == 0 { Ok(n / 2) } else { Err("it is odd") })
    ///         .or_reject();
    ///     half.sink("halves", halves.clone());
    ///     failed.map(|(number, failure): (u32, Failure<&str>)| format!("{number}: {failure}")).sink("odd", odd.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(halves.take(), [1, 2]);
    /// assert_eq!(odd.take(), ["1: it is odd", "3: it is odd"]);
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    #[allow(clippy::type_complexity)] // Two streams, each in the words that it is known by.
    pub fn or_reject(self) -> (Answered<'j, T, H, A, OrReject>, LocalStream<'j, (T, Failure<A::Error>)>)
    where
        A::Error: Send,
    {
        let (edge, rejects) = self.stream.job().local_stage(self.stream.stage(), "rejects");
        (self.settled(OrReject, Some(edge)), rejects)
    }

    fn settled<F>(self, on_failure: F, side: Option<EdgeIndex>) -> Answered<'j, T, H, A, F>
    where
        F: OnFailure<T, A::Out, A::Error>,
    {
        let Asking { stream, kind, name, ask, settings, retry_if } = self;
        stream.with_entry_state(kind, &name, entry_state::<T>(&name)).then(|head| AskHead {
            head,
            name,
            ask,
            settings,
            retry_if,
            on_failure,
            side,
        })
    }

    fn mistake(&self, what: &str) {
        let what = format!("operator {:?} is given {what}: it would never have an answer", self.name);
        self.stream.job().mistake(Error::usage(what).hint("give it a greater one, or leave it out"));
    }
}
