//! [`Cumulating`].

use std::time::Duration;

use crate::time::EventTime;
use crate::window::assigner::{Domain, Slicing};
use crate::window::edges::{Edges, lateness, length, within_reach};
use crate::window::{AtEnd, TimeWindow, WindowAssigner};

/// Windows that begin together and end one step after the other, up to a greatest length; then the next ones begin. SQL's
/// `CUMULATE` in Flink: the visits of today, told every hour.
///
/// If the greatest length is no multiple of the step, the last step is shorter. (Flink refuses that.)
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Cumulating::of(secs(6)).step(secs(2)));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// for second in [1, 3] {
///     harness.push("visit".to_string(), EventTime::from_millis(0) + secs(second))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// let counts: Vec<_> = harness.take_output().iter().map(|c| (c.window.end.as_millis(), c.value)).collect();
/// assert_eq!(counts, [(2_000, 1), (4_000, 2), (6_000, 2)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Cumulating {
    max: i64,
    step: i64,
    offset: i64,
    domain: Domain,
}

impl Cumulating {
    /// Windows up to this length, of a millisecond at least; a single one, until [`step`](Cumulating::step) says otherwise.
    pub fn of(max: Duration) -> Cumulating {
        Cumulating { max: length(max), step: length(max), offset: 0, domain: Domain::EventTime }
    }

    /// By how much each is longer than the one before.
    #[must_use]
    pub fn step(self, step: Duration) -> Cumulating {
        Cumulating { step: length(step), ..self }
    }

    /// Windows that begin later by this.
    #[must_use]
    pub fn offset(self, offset: Duration) -> Cumulating {
        Cumulating { offset: lateness(offset), ..self }
    }

    /// The same windows of the time at which records arrive.
    #[must_use]
    pub fn processing_time(self) -> Cumulating {
        Cumulating { domain: Domain::ProcessingTime, ..self }
    }

    fn edges(&self) -> Edges {
        Edges::cumulating(self.max, self.step, self.offset)
    }
}

impl<T> WindowAssigner<T> for Cumulating {
    type Window = TimeWindow;
    type Trigger = AtEnd;

    fn assign(&self, _: &T, at: EventTime) -> impl IntoIterator<Item = TimeWindow> {
        self.edges().windows_at(within_reach(at))
    }

    fn default_trigger(&self) -> AtEnd {
        AtEnd::new()
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn slicing(&self) -> Option<Slicing<TimeWindow>> {
        Some(Slicing { edges: self.edges(), window: |window| window })
    }
}
