//! [`AtEnd`].

use std::time::Duration;

use crate::event;
use crate::time::{EventTime, millis};
use crate::window::{Domain, Trigger, TriggerContext, TriggerResult, Window};

/// Fires a window when it is over, and again for each late record: Flink's `EventTimeTrigger`, or, of windows in processing time,
/// `ProcessingTimeTrigger`. What windows do unless something else is asked for.
///
/// It can fire before that, too, with what has come so far, and less often after it: the early, on-time and late firings of the
/// [Dataflow model](https://www.vldb.org/pvldb/vol8/p1792-Akidau.pdf) (Akidau et al., 2015). A window fires early or late only
/// if it has a record that it has not fired with yet.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{AtEnd, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(minutes(60))).trigger(AtEnd::new().early_every(secs(10)));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// harness.push("visit".to_string(), EventTime::from_millis(5))?;
/// harness.advance_processing_time(EventTime::from_millis(10_000))?;
/// harness.push("visit".to_string(), EventTime::from_millis(7))?;
/// harness.advance_watermark(EventTime::from_millis(3_599_999))?;
/// let counts: Vec<_> = harness.take_output().iter().map(|counted| counted.value).collect();
/// assert_eq!(counts, [1, 2]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AtEnd {
    early_every: Option<Duration>,
    early_count: Option<u64>,
    late_every: Option<Duration>,
}

/// What has come since a window fired.
#[event(crate = crate)]
#[derive(Default, PartialEq)]
pub struct SinceFired {
    records: u64,
    /// When the window is to fire, in processing time.
    fires: Option<EventTime>,
}

impl AtEnd {
    /// Fires at the end, and for each late record.
    pub fn new() -> AtEnd {
        AtEnd::default()
    }

    /// Fires before the end, too: so much processing time after the first record that the window has not fired with.
    #[must_use]
    pub fn early_every(self, delay: Duration) -> AtEnd {
        AtEnd { early_every: Some(delay), ..self }
    }

    /// Fires before the end, too: when so many records have come that the window has not fired with.
    #[must_use]
    pub fn early_count(self, records: u64) -> AtEnd {
        AtEnd { early_count: Some(records.max(1)), ..self }
    }

    /// Fires for late records not one by one, but so much processing time after the first that the window has not fired with. A
    /// window that is dropped before that, because the allowed lateness is over, fires then.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::Harness;
    /// use tidegate::window::{AtEnd, Windowing};
    ///
    /// # fn main() -> Result<()> {
    /// let windows = Windowing::of(Tumbling::of(secs(10))).allowed_lateness(minutes(1)).trigger(AtEnd::new().late_every(secs(1)));
    /// let mut harness = Harness::new(windows.aggregate(Count), |_: &u64| 0u8)?;
    /// harness.push(1, EventTime::from_millis(1_000))?;
    /// harness.advance_watermark(EventTime::from_millis(20_000))?;
    /// harness.push(2, EventTime::from_millis(2_000))?;
    /// harness.push(3, EventTime::from_millis(3_000))?;
    /// harness.advance_processing_time(EventTime::from_millis(1_000))?;
    /// let counts: Vec<_> = harness.take_output().iter().map(|counted| counted.value).collect();
    /// assert_eq!(counts, [1, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn late_every(self, delay: Duration) -> AtEnd {
        AtEnd { late_every: Some(delay), ..self }
    }

    /// A timer that is set stays: at the same time another one may be due.
    fn fire(since: &mut SinceFired) -> TriggerResult {
        *since = SinceFired::default();
        TriggerResult::Fire
    }

    fn fire_after(delay: Duration, since: &mut SinceFired, cx: &mut TriggerContext<'_>) {
        if since.fires.is_none() {
            let fires = cx.processing_time() + delay;
            since.fires = Some(fires);
            cx.set_processing_timer(fires);
        }
    }

    /// Has the window fire at its end.
    fn at_end(window: &impl Window, cx: &mut TriggerContext<'_>) {
        match cx.domain() {
            Domain::EventTime | Domain::Count => cx.set_timer(window.max_timestamp()),
            // Until the last millisecond of it has passed.
            Domain::ProcessingTime => cx.set_processing_timer(window.max_timestamp() + millis(1)),
        }
    }
}

impl<T, W: Window> Trigger<T, W> for AtEnd {
    type State = SinceFired;

    #[inline]
    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        window: &W,
        since: &mut SinceFired,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let is_over = cx.domain() == Domain::EventTime && window.max_timestamp() <= cx.watermark();
        if is_over {
            return match self.late_every {
                None => Self::fire(since),
                Some(delay) => {
                    since.records += 1;
                    Self::fire_after(delay, since, cx);
                    TriggerResult::Continue
                }
            };
        }
        Self::at_end(window, cx);
        if self.early_every.is_none() && self.early_count.is_none() {
            return TriggerResult::Continue;
        }
        since.records += 1;
        if self.early_count.is_some_and(|records| since.records >= records) {
            return Self::fire(since);
        }
        if let Some(delay) = self.early_every {
            Self::fire_after(delay, since, cx);
        }
        TriggerResult::Continue
    }

    fn on_event_time(
        &self,
        at: EventTime,
        window: &W,
        since: &mut SinceFired,
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        if at == window.max_timestamp() { Self::fire(since) } else { TriggerResult::Continue }
    }

    fn on_processing_time(
        &self,
        at: EventTime,
        window: &W,
        since: &mut SinceFired,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let ends = cx.domain() == Domain::ProcessingTime && at > window.max_timestamp();
        if ends || since.fires == Some(at) { Self::fire(since) } else { TriggerResult::Continue }
    }

    fn on_close(&self, _: &W, since: &mut SinceFired) -> TriggerResult {
        TriggerResult::fire_if(self.late_every.is_some() && since.records > 0)
    }

    fn merge(&self, since: &mut SinceFired, other: SinceFired) {
        since.records += other.records;
        since.fires = [since.fires, other.fires].into_iter().flatten().min();
    }

    fn on_merge(&self, window: &W, since: &mut SinceFired, cx: &mut TriggerContext<'_>) {
        if cx.domain() != Domain::EventTime || window.max_timestamp() > cx.watermark() {
            Self::at_end(window, cx);
        }
        if let Some(fires) = since.fires {
            cx.set_processing_timer(fires);
        }
    }

    fn fires_at_end_only(&self) -> bool {
        self.early_every.is_none() && self.early_count.is_none() && self.late_every.is_none()
    }
}
