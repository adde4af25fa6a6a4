//! Triggers that fire again and again: [`EveryCount`], [`EveryEventTime`], [`EveryProcessingTime`].

use std::time::Duration;

use crate::time::{EventTime, millis};
use crate::window::edges::{length, within_reach};
use crate::window::{Domain, Trigger, TriggerContext, TriggerResult, Window};

/// Fires a window whenever so many records have come: Flink's `CountTrigger`. Not at its end.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{EveryCount, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(secs(10))).trigger(EveryCount::of(2));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// for millis in 0..5 {
///     harness.push("visit".to_string(), EventTime::from_millis(millis))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// let counts: Vec<_> = harness.take_output().iter().map(|counted| counted.value).collect();
/// assert_eq!(counts, [2, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EveryCount {
    records: u64,
}

impl EveryCount {
    /// After each so many records.
    pub fn of(records: u64) -> EveryCount {
        EveryCount { records: records.max(1) }
    }
}

impl<T, W: Window> Trigger<T, W> for EveryCount {
    /// How many have come since it fired.
    type State = u64;

    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        _: &W,
        count: &mut u64,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        *count += 1;
        if *count < self.records {
            return TriggerResult::Continue;
        }
        *count = 0;
        TriggerResult::Fire
    }

    fn merge(&self, count: &mut u64, other: u64) {
        *count += other;
    }
}

/// The first multiple of `interval` after `at`.
fn next_multiple(at: EventTime, interval: Duration) -> EventTime {
    let (at, interval) = (within_reach(at), length(interval));
    EventTime::from_millis(at - at.rem_euclid(interval) + interval)
}

/// Fires a window again and again as event time passes, at multiples of the interval, and at its end: Flink's
/// `ContinuousEventTimeTrigger`.
///
/// A window that has no end fires once at the end of the input. In Flink it goes on for every interval until then, for ever.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{EveryEventTime, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(secs(10))).trigger(EveryEventTime::of(secs(4)));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// harness.push("visit".to_string(), EventTime::from_millis(1_000))?;
/// harness.advance_watermark(EventTime::from_millis(5_000))?;
/// assert_eq!(harness.take_output().len(), 1);
/// harness.advance_watermark(EventTime::from_millis(9_999))?;
/// assert_eq!(harness.take_output().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EveryEventTime {
    interval: Duration,
}

impl EveryEventTime {
    /// After each so much event time.
    pub fn of(interval: Duration) -> EveryEventTime {
        EveryEventTime { interval }
    }
}

impl<T, W: Window> Trigger<T, W> for EveryEventTime {
    /// When it fires next.
    type State = Option<EventTime>;

    fn on_element(
        &self,
        _: &T,
        at: EventTime,
        window: &W,
        next: &mut Option<EventTime>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if window.max_timestamp() <= cx.watermark() {
            return TriggerResult::Fire;
        }
        cx.set_timer(window.max_timestamp());
        if next.is_none() {
            let first = next_multiple(at, self.interval).min(window.max_timestamp());
            *next = Some(first);
            cx.set_timer(first);
        }
        TriggerResult::Continue
    }

    fn on_event_time(
        &self,
        at: EventTime,
        window: &W,
        next: &mut Option<EventTime>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if at == window.max_timestamp() {
            return TriggerResult::Fire;
        }
        if *next != Some(at) {
            return TriggerResult::Continue;
        }
        // An interval later, which is no multiple if a session was to end at this time and has become longer: as in Flink.
        let is_over_for_good = cx.watermark() == EventTime::MAX && window.max_timestamp() == EventTime::MAX;
        let then = match is_over_for_good {
            true => EventTime::MAX,
            false => (at + self.interval.max(millis(1))).min(window.max_timestamp()),
        };
        *next = Some(then);
        cx.set_timer(then);
        TriggerResult::Fire
    }

    fn merge(&self, next: &mut Option<EventTime>, other: Option<EventTime>) {
        *next = [*next, other].into_iter().flatten().min();
    }

    fn on_merge(&self, window: &W, next: &mut Option<EventTime>, cx: &mut TriggerContext<'_>) {
        if window.max_timestamp() > cx.watermark() {
            cx.set_timer(window.max_timestamp());
        }
        if let Some(next) = *next {
            cx.set_timer(next);
        }
    }
}

/// Fires a window again and again as the clock passes, at multiples of the interval, from its first record on: Flink's
/// `ContinuousProcessingTimeTrigger`. A window in event time does not fire at its end, but goes on firing as long as it is kept.
///
/// See [`AtEnd::early_every`](crate::window::AtEnd::early_every) for one that fires only if there is something new, and at the end.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{EveryProcessingTime, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Global).trigger(EveryProcessingTime::of(secs(1)));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// harness.push("visit".to_string(), EventTime::MIN)?;
/// harness.advance_processing_time(EventTime::from_millis(1_000))?;
/// harness.advance_processing_time(EventTime::from_millis(2_000))?;
/// assert_eq!(harness.take_output().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EveryProcessingTime {
    interval: Duration,
}

impl EveryProcessingTime {
    /// After each so much time on the clock.
    pub fn of(interval: Duration) -> EveryProcessingTime {
        EveryProcessingTime { interval }
    }

    /// When the window fires that is to fire at `next`: one that is over in processing time before that fires for the last time
    /// then.
    fn until_end(next: EventTime, window: &impl Window, cx: &TriggerContext<'_>) -> EventTime {
        match cx.domain() {
            Domain::ProcessingTime => next.min(window.max_timestamp() + millis(1)),
            Domain::EventTime | Domain::Count => next,
        }
    }
}

impl<T, W: Window> Trigger<T, W> for EveryProcessingTime {
    /// When it fires next.
    type State = Option<EventTime>;

    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        window: &W,
        next: &mut Option<EventTime>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if next.is_none() {
            let first = Self::until_end(next_multiple(cx.processing_time(), self.interval), window, cx);
            *next = Some(first);
            cx.set_processing_timer(first);
        }
        TriggerResult::Continue
    }

    fn on_processing_time(
        &self,
        at: EventTime,
        window: &W,
        next: &mut Option<EventTime>,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if *next != Some(at) {
            return TriggerResult::Continue;
        }
        // As in Flink an interval later, also if this is the end that a session was to have.
        let then = Self::until_end(at + self.interval.max(millis(1)), window, cx);
        *next = Some(then);
        cx.set_processing_timer(then);
        TriggerResult::Fire
    }

    fn merge(&self, next: &mut Option<EventTime>, other: Option<EventTime>) {
        *next = [*next, other].into_iter().flatten().min();
    }

    fn on_merge(&self, _: &W, next: &mut Option<EventTime>, cx: &mut TriggerContext<'_>) {
        if let Some(next) = *next {
            cx.set_processing_timer(next);
        }
    }
}
