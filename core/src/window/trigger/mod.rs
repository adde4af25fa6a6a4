//! Triggers: when a window fires, and whether its records are dropped then.

mod at_end;
mod every;
mod never;
mod purging;
mod timers;

pub use at_end::AtEnd;
pub use every::{EveryCount, EveryEventTime, EveryProcessingTime};
pub use never::Never;
pub use purging::Purging;
pub(crate) use timers::{WindowTimer, WindowTimers};

use crate::state::Data;
use crate::time::{Clock, EventTime};
use crate::window::{Domain, Window};

/// Says when windows fire: Flink's `Trigger`.
///
/// What it remembers of a window is in its `State`, and rests in snapshots with the window.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{Trigger, TriggerContext, TriggerResult, Window, Windowing};
///
/// /// Fires when a price differs from the last that was told by more than so much: Flink's `DeltaTrigger`.
/// struct Moved(u64);
///
/// impl<W: Window> Trigger<u64, W> for Moved {
///     type State = Option<u64>;
///
///     fn on_element(
///         &self, price: &u64, _: EventTime, _: &W, told: &mut Option<u64>, _: &mut TriggerContext,
///     ) -> TriggerResult {
///         if told.is_some_and(|told| told.abs_diff(*price) <= self.0) {
///             return TriggerResult::Continue;
///         }
///         *told = Some(*price);
///         TriggerResult::FireAndPurge
///     }
///
///     fn merge(&self, told: &mut Option<u64>, other: Option<u64>) {
///         *told = other.or(*told);
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Global).trigger(Moved(10)).aggregate(Last::by(|_: &u64| 0u8, |price| *price));
/// let mut harness = Harness::new(windows, |_: &u64| 0u8)?;
/// for price in [100, 105, 111, 120, 95] {
///     harness.push(price, EventTime::MIN)?;
/// }
/// let told: Vec<_> = harness.take_output().iter().map(|told| told.value).collect();
/// assert_eq!(told, [100, 111, 95]);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no trigger for windows `{W}` of records `{T}`",
    label = "not a trigger",
    note = "use `AtEnd::new()`, `EveryCount::of(..)`, `EveryEventTime::of(..)`, `EveryProcessingTime::of(..)`, `Purging::of(..)`, `Never`, or implement `Trigger<{T}, {W}>`"
)]
pub trait Trigger<T, W: Window>: Send + Sync + 'static {
    /// What it remembers of a window: `()` if nothing.
    type State: Data + Default + PartialEq;

    /// A record has come into the window, which has it already.
    fn on_element(
        &self,
        element: &T,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult;

    /// The watermark has reached the time of a timer that was [set](TriggerContext::set_timer) for this window.
    fn on_event_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (at, window, state, cx);
        TriggerResult::Continue
    }

    /// The clock has reached the time of a timer that was [set](TriggerContext::set_processing_timer) for this window.
    fn on_processing_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        let _ = (at, window, state, cx);
        TriggerResult::Continue
    }

    /// The window is over for good and is about to be dropped: whether it fires once more.
    fn on_close(&self, window: &W, state: &mut Self::State) -> TriggerResult {
        let _ = (window, state);
        TriggerResult::Continue
    }

    /// Two windows become one: takes in what is remembered of the later.
    fn merge(&self, state: &mut Self::State, other: Self::State);

    /// Windows have become this one, and their states `state`. Their timers are gone: those that the window needs are to be set.
    fn on_merge(&self, window: &W, state: &mut Self::State, cx: &mut TriggerContext<'_>) {
        let _ = (window, state, cx);
    }

    /// Whether all it does is to fire a window once it is over, and again for each late record.
    #[doc(hidden)]
    fn fires_at_end_only(&self) -> bool {
        false
    }
}

/// What becomes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TriggerResult {
    /// Nothing.
    Continue,
    /// Its result is made of the records that it has, and they stay.
    Fire,
    /// Its records are dropped.
    Purge,
    /// Its result is made, and the records are dropped.
    FireAndPurge,
}

impl TriggerResult {
    /// Whether a result is made.
    pub fn fires(self) -> bool {
        matches!(self, TriggerResult::Fire | TriggerResult::FireAndPurge)
    }

    /// Whether the records are dropped.
    pub fn purges(self) -> bool {
        matches!(self, TriggerResult::Purge | TriggerResult::FireAndPurge)
    }

    fn fire_if(fires: bool) -> TriggerResult {
        if fires { TriggerResult::Fire } else { TriggerResult::Continue }
    }
}

/// What a trigger may ask and do for a window.
pub struct TriggerContext<'a> {
    pub(crate) domain: Domain,
    pub(crate) watermark: EventTime,
    pub(crate) clock: &'a Clock,
    pub(crate) timers: &'a mut WindowTimers,
    pub(crate) wanted: &'a mut Wanted,
}

/// The earliest of the times that were asked for.
pub(crate) struct Wanted {
    pub event_time: Option<EventTime>,
    pub processing_time: Option<EventTime>,
}

impl Wanted {
    pub const NOTHING: Wanted = Wanted { event_time: None, processing_time: None };

    #[inline]
    pub fn timer(&mut self, timer: WindowTimer) {
        let (earliest, at) = match timer {
            WindowTimer::EventTime(at) => (&mut self.event_time, at),
            WindowTimer::ProcessingTime(at) => (&mut self.processing_time, at),
        };
        *earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
    }
}

impl TriggerContext<'_> {
    /// What makes time pass for the windows.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// How far event time has come.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// The time of the clock on the wall.
    pub fn processing_time(&self) -> EventTime {
        self.clock.now()
    }

    /// Has [`on_event_time`](Trigger::on_event_time) called when the watermark reaches `at`; if it has already, then with the next
    /// timers. Set twice, a timer fires once.
    pub fn set_timer(&mut self, at: EventTime) {
        self.set(WindowTimer::EventTime(at));
    }

    /// Has [`on_processing_time`](Trigger::on_processing_time) called when the clock reaches `at`.
    pub fn set_processing_timer(&mut self, at: EventTime) {
        self.set(WindowTimer::ProcessingTime(at));
    }

    #[inline]
    fn set(&mut self, timer: WindowTimer) {
        if self.timers.add(timer) {
            self.wanted.timer(timer);
        }
    }

    /// Takes back [`set_timer`](TriggerContext::set_timer).
    pub fn cancel_timer(&mut self, at: EventTime) {
        self.timers.remove(WindowTimer::EventTime(at));
    }

    /// Takes back [`set_processing_timer`](TriggerContext::set_processing_timer).
    pub fn cancel_processing_timer(&mut self, at: EventTime) {
        self.timers.remove(WindowTimer::ProcessingTime(at));
    }
}
