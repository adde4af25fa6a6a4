//! [`Global`].

use crate::time::EventTime;
use crate::window::{AtEnd, Domain, GlobalWindow, WindowAssigner};

/// All records of a key in one window: Flink's `GlobalWindows`.
///
/// It ends when a bounded input does, and fires then: Flink's `GlobalWindows.createWithEndOfStreamTrigger()`. Before that only by a
/// [trigger](crate::window::Trigger) that is asked for.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{EveryCount, Purging, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Global).trigger(Purging::of(EveryCount::of(2)));
/// let mut harness = Harness::new(windows.aggregate(Sum::of(|n: &u64| *n)), |_: &u64| 0u8)?;
/// for n in 1..=5 {
///     harness.push(n, EventTime::MIN)?;
/// }
/// let sums: Vec<_> = harness.take_output().iter().map(|summed| summed.value).collect();
/// assert_eq!(sums, [1 + 2, 3 + 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Global;

impl<T> WindowAssigner<T> for Global {
    type Window = GlobalWindow;
    type Trigger = AtEnd;

    fn assign(&self, _: &T, _: EventTime) -> impl IntoIterator<Item = GlobalWindow> {
        Some(GlobalWindow {})
    }

    fn default_trigger(&self) -> AtEnd {
        AtEnd::new()
    }

    fn whole(&self) -> Option<fn() -> GlobalWindow> {
        Some(|| GlobalWindow {})
    }

    /// No record is late, and none needs a time.
    fn domain(&self) -> Domain {
        Domain::Count
    }
}
