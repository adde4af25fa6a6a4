//! How event time advances: what a job declares of it.
//!
//! What enters: the strategy, and what is to happen when a split falls silent, runs ahead of the others, or has records from
//! the far future. What leaves: a watch over the splits of a subtask. Absent: the clock, which is asked by the
//! [step](crate::chain) that watches.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::WatermarkStrategy;
use super::generator::{BoundedOutOfOrderness, Custom, NoWatermarks, Punctuated};
use crate::time::EventTime;

/// How a stream's watermark follows from its records.
///
/// The watermark promises that no older record follows; one that does is late. Splits are watched one by one, as Kafka
/// partitions are in Flink, and the slowest one counts: the watermark is the minimum over the splits that are not idle.
///
/// **Times that do not count.** A record without an event time ([`EventTime::MIN`]), one from the year 9999 or later (which
/// is how systems write "never"), and one that is further ahead of the clock than [`max_ahead`](Watermarks::max_ahead)
/// allows does not move the watermark: one such record would make all that follow late. Nor does it keep its split from
/// becoming idle. Such records go on with the time they have, are counted in the job's summary and warned of once; or they
/// leave on a stream of their own: [`event_time_with_rejects`](crate::job::Stream::event_time_with_rejects).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks<S = BoundedOutOfOrderness> {
    pub(super) strategy: S,
    pub(super) idle_after: Option<Duration>,
    pub(super) max_ahead: Option<Duration>,
    pub(crate) alignment: Option<Alignment>,
}

/// Which sources read side by side, and how far one of them may be ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Alignment {
    pub group: &'static str,
    pub max_drift: Duration,
}

/// The event times from here on, 9999-01-01T00:00:00Z, stand for "never".
pub(super) const NEVER: EventTime = EventTime::from_millis(253_370_764_800_000);

impl Watermarks<BoundedOutOfOrderness> {
    /// A record comes at most this long, in event time, after one of its split that is younger. The watermark is what
    /// Flink's `BoundedOutOfOrdernessWatermarks` makes it: the greatest event time so far, less the bound, less 1 ms.
    ///
    /// ```
    /// # use tidegate::source::Watermarks;
    /// # use tidegate::time::secs;
    /// let a_minute_out_of_order_at_most = Watermarks::bounded(secs(60));
    /// ```
    pub const fn bounded(max_out_of_orderness: Duration) -> Watermarks {
        Watermarks::by(BoundedOutOfOrderness { bound: max_out_of_orderness })
    }

    /// The records of a split come in the order of their event times.
    pub const fn monotonous() -> Watermarks {
        Watermarks::bounded(Duration::ZERO)
    }
}

impl<F> Watermarks<Punctuated<F>> {
    /// A record can carry a watermark of its split. It goes on behind the record and before the next one.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event(time = at)]
    /// #[derive(Clone)]
    /// struct Tick { at: EventTime, last_of_its_second: bool }
    ///
    /// let watermarks = Watermarks::punctuated(|tick: &Tick| tick.last_of_its_second.then_some(tick.at));
    /// # let ticks = Collect::new();
    /// TestJob::new("ticks", |job| {
    ///     # let recorded: Vec<Tick> = vec![];
    ///     job.source("ticks", Memory::of(recorded)).watermarks(watermarks).sink("ticks", ticks.clone());
    ///     Ok(())
    /// })?;
    /// # Ok::<(), tidegate::Error>(())
    /// ```
    pub const fn punctuated<T>(watermark_of: F) -> Watermarks<Punctuated<F>>
    where
        F: Fn(&T) -> Option<EventTime>,
    {
        Watermarks::by(Punctuated { watermark_of })
    }
}

impl<F: Fn() -> G, G> Watermarks<Custom<F, G>> {
    /// Watermarks by a [`WatermarkGenerator`](super::WatermarkGenerator) of your own: `make` makes one for every split.
    pub const fn custom(make: F) -> Watermarks<Custom<F, G>> {
        Watermarks::by(Custom { make, makes: PhantomData })
    }
}

impl Watermarks<NoWatermarks> {
    /// Records have event times, and event time does not advance before the end of the input.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// # fn main() -> Result<()> {
    /// let counts = Collect::new();
    /// TestJob::new("counts", |job| {
    ///     job.source("seconds", Memory::of(vec![1u64, 90, 2]))
    ///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::none())
    ///         .key_by(|_| 0u8)
    ///         .window(Tumbling::of(minutes(1)))
    ///         .aggregate("counts", Count)
    ///         .map(|counted| counted.value)
    ///         .sink("counts", counts.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// assert_eq!(counts.take(), [2, 1], "none is late");
    /// # Ok(())
    /// # }
    /// ```
    pub const fn none() -> Watermarks<NoWatermarks> {
        Watermarks::by(NoWatermarks)
    }
}

impl<S> Watermarks<S> {
    const fn by(strategy: S) -> Watermarks<S> {
        Watermarks { strategy, idle_after: None, max_ahead: None, alignment: None }
    }

    /// A split that has given no record for longer than this is *idle*: event time does not wait for it, until its next
    /// record. If all splits of a subtask are idle, so is what the subtask puts out, and the stages that follow do not wait
    /// for it either. Flink's `withIdleness`.
    ///
    /// Records that come after the silence may be late by then. The time counts in which the split was looked at: not while
    /// the job is held up behind a slow stage, not while the split is kept waiting by [`aligned`](Watermarks::aligned).
    ///
    /// ```
    /// # use tidegate::source::Watermarks;
    /// # use tidegate::time::secs;
    /// let watermarks = Watermarks::bounded(secs(60)).idle_after(secs(30));
    /// ```
    #[must_use]
    pub const fn idle_after(mut self, silence: Duration) -> Watermarks<S> {
        self.idle_after = Some(silence);
        self
    }

    /// A split whose watermark is more than `max_drift` ahead of the slowest split in `group` is not read until the others
    /// have come nearer. Sources of the job whose watermarks name the same group read side by side; so what a join or a
    /// window must hold of the fast ones stays small. Flink's `withWatermarkAlignment`.
    ///
    /// Only what directly follows a source can keep it from reading. Idle splits are not waited for: without
    /// [`idle_after`](Watermarks::idle_after), a split that falls silent stops the others.
    ///
    /// ```
    /// # use tidegate::source::Watermarks;
    /// # use tidegate::time::{minutes, secs};
    /// let orders = Watermarks::bounded(secs(5)).idle_after(secs(30)).aligned("checkout", minutes(10));
    /// let payments = Watermarks::monotonous().idle_after(secs(30)).aligned("checkout", minutes(10));
    /// ```
    #[must_use]
    pub const fn aligned(mut self, group: &'static str, max_drift: Duration) -> Watermarks<S> {
        self.alignment = Some(Alignment { group, max_drift });
        self
    }

    /// A record whose event time is more than this ahead of the clock does not move the watermark: its clock is wrong. One
    /// such record would make everything late that is not as far ahead.
    ///
    /// Of history that is read again nothing is ahead of the clock. What is ahead of it depends on when it is read, and can
    /// count after a restore if it did not before.
    ///
    /// ```
    /// # use tidegate::source::Watermarks;
    /// # use tidegate::time::{minutes, secs};
    /// let watermarks = Watermarks::bounded(secs(60)).max_ahead(minutes(5));
    /// ```
    #[must_use]
    pub const fn max_ahead(mut self, ahead: Duration) -> Watermarks<S> {
        self.max_ahead = Some(ahead);
        self
    }

    /// The last event time that counts, when it is `now`.
    pub(super) fn latest(&self, now: EventTime) -> EventTime {
        let before_never = NEVER - crate::time::millis(1);
        self.max_ahead.map_or(before_never, |ahead| (now + ahead).min(before_never))
    }

    /// What it is, for plans.
    pub(crate) fn describe<T>(&self) -> String
    where
        S: WatermarkStrategy<T>,
    {
        let mut text = self.strategy.describe();
        let mut add = |words: fmt::Arguments<'_>| text += &format!(", {words}");
        if let Some(silence) = self.idle_after {
            add(format_args!("idle after {}", humantime::format_duration(silence)));
        }
        if let Some(ahead) = self.max_ahead {
            add(format_args!("at most {} ahead of the clock", humantime::format_duration(ahead)));
        }
        if let Some(Alignment { group, max_drift }) = self.alignment {
            add(format_args!("at most {} ahead in {group:?}", humantime::format_duration(max_drift)));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{WatermarkGenerator, WatermarkOutput};
    use crate::time::{minutes, secs};

    #[test]
    fn a_plan_says_all_that_was_declared() {
        struct Heartbeat<T>(PhantomData<T>);
        impl<T: 'static> WatermarkGenerator<T> for Heartbeat<T> {
            fn on_event(&mut self, _: &T, _: EventTime, _: &mut WatermarkOutput) {}
        }
        assert_eq!(Watermarks::monotonous().describe::<u8>(), "monotonous");
        assert_eq!(Watermarks::bounded(secs(60)).describe::<u8>(), "out of order by up to 1m");
        assert_eq!(
            Watermarks::custom(|| Heartbeat(PhantomData::<u8>))
                .idle_after(secs(30))
                .max_ahead(minutes(60))
                .aligned("checkout", minutes(10))
                .describe::<u8>(),
            "by Heartbeat, idle after 30s, at most 1h ahead of the clock, at most 10m ahead in \"checkout\""
        );
    }

    #[test]
    fn the_last_time_that_counts_is_before_the_year_9999_and_not_too_far_ahead_of_the_clock() {
        let at = EventTime::from_millis;
        assert_eq!(NEVER.to_string(), "9999-01-01T00:00:00.000Z");
        assert_eq!(Watermarks::monotonous().latest(at(0)), NEVER - Duration::from_millis(1));
        let bounded = Watermarks::monotonous().max_ahead(secs(5));
        assert_eq!(bounded.latest(at(1000)), at(6000));
        assert_eq!(bounded.latest(EventTime::MAX), NEVER - Duration::from_millis(1));
        assert_eq!(bounded.max_ahead(Duration::MAX).latest(at(0)), NEVER - Duration::from_millis(1));
    }
}
