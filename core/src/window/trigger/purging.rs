//! [`Purging`].

use crate::time::EventTime;
use crate::window::{Trigger, TriggerContext, TriggerResult, Window};

/// Another trigger, and whenever that fires, the records that the window has fired with are dropped: Flink's `PurgingTrigger`. A
/// window that fires several times then gives results that add up.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{AtEnd, Purging, Windowing};
///
/// # fn main() -> Result<()> {
/// let trigger = Purging::of(AtEnd::new().early_count(2));
/// let windows = Windowing::of(Tumbling::of(secs(10))).trigger(trigger);
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// for millis in 0..5 {
///     harness.push("visit".to_string(), EventTime::from_millis(millis))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// let counts: Vec<_> = harness.take_output().iter().map(|counted| counted.value).collect();
/// assert_eq!(counts, [2, 2, 1]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Purging<Tr> {
    trigger: Tr,
}

impl<Tr> Purging<Tr> {
    /// `trigger`, whose windows are emptied when they fire.
    pub fn of(trigger: Tr) -> Purging<Tr> {
        Purging { trigger }
    }
}

fn purging(result: TriggerResult) -> TriggerResult {
    if result.fires() { TriggerResult::FireAndPurge } else { result }
}

impl<T, W: Window, Tr: Trigger<T, W>> Trigger<T, W> for Purging<Tr> {
    type State = Tr::State;

    fn on_element(
        &self,
        element: &T,
        at: EventTime,
        window: &W,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.trigger.on_element(element, at, window, state, cx))
    }

    fn on_event_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.trigger.on_event_time(at, window, state, cx))
    }

    fn on_processing_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Tr::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        purging(self.trigger.on_processing_time(at, window, state, cx))
    }

    fn on_close(&self, window: &W, state: &mut Tr::State) -> TriggerResult {
        self.trigger.on_close(window, state)
    }

    fn merge(&self, state: &mut Tr::State, other: Tr::State) {
        self.trigger.merge(state, other);
    }

    fn on_merge(&self, window: &W, state: &mut Tr::State, cx: &mut TriggerContext<'_>) {
        self.trigger.on_merge(window, state, cx);
    }
}
