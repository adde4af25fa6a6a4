//! [`Never`].

use crate::time::EventTime;
use crate::window::{Trigger, TriggerContext, TriggerResult, Window};

/// Fires no window, ever: Flink's `NeverTrigger`.
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
