//! [`Never`].

use crate::time::EventTime;
use crate::window::{Trigger, TriggerContext, TriggerResult, Window};

/// Fires no window, ever: Flink's `NeverTrigger`. Windows do not fire at the end of the input either.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{Never, Windowing};
///
/// # fn main() -> Result<()> {
/// let mut harness = Harness::new(Windowing::of(Global).trigger(Never).aggregate(Count), |_: &u64| 0u8)?;
/// harness.push(7, EventTime::from_millis(1))?;
/// harness.advance_watermark(EventTime::MAX)?;
/// assert!(harness.take_output().is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Never;

impl<T, W: Window> Trigger<T, W> for Never {
    type State = ();

    fn on_element(
        &self,
        _: &T,
        _: EventTime,
        _: &W,
        (): &mut (),
        _: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        TriggerResult::Continue
    }

    fn merge(&self, (): &mut (), (): ()) {}
}
