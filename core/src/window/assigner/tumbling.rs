//! [`Tumbling`].

use std::time::Duration;

use crate::time::EventTime;
use crate::window::assigner::{Domain, Slicing, TumblingCount};
use crate::window::edges::{Edges, lateness, length, within_reach};
use crate::window::{AtEnd, TimeWindow, WindowAssigner};

/// Windows of one length, side by side: every record is in one of them. Flink's `TumblingEventTimeWindows` and
/// `TumblingProcessingTimeWindows`.
///
/// They begin at multiples of their length since the epoch, UTC, plus the offset.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// # fn main() -> Result<()> {
/// let counts = Collect::new();
/// TestJob::new("counts", |job| {
///     job.source("seconds", Memory::of(vec![1u64, 2, 8, 12]))
///         .event_time(|second| EventTime::from_millis(0) + secs(*second), Watermarks::bounded(secs(1)))
///         .key_by(|_| 0u8)
///         .window(Tumbling::of(secs(5)))
///         .aggregate("counts", Count)
///         .map(|counted| (counted.window.start.as_millis(), counted.value))
///         .sink("counts", counts.clone());
///     Ok(())
/// })?
/// .run()?;
/// assert_eq!(counts.take(), [(0, 2), (5_000, 1), (10_000, 1)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tumbling {
    size: i64,
    offset: i64,
    domain: Domain,
}

impl Tumbling {
    /// Windows of this length, of a millisecond at least.
    pub fn of(size: Duration) -> Tumbling {
        Tumbling { size: length(size), offset: 0, domain: Domain::EventTime }
    }

    /// Windows of so many records of a key: Flink's `countWindow(size)`.
    pub fn count(records: u64) -> TumblingCount {
        TumblingCount::of(records)
    }

    /// Windows that begin later by this: days in the time zone UTC-8 have an offset of 8 hours, those in UTC+8 one of 16.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::Harness;
    /// use tidegate::window::Windowing;
    ///
    /// # fn main() -> Result<()> {
    /// let days = Tumbling::of(minutes(24 * 60)).offset(minutes(8 * 60));
    /// let mut harness = Harness::new(Windowing::of(days).aggregate(Count), |_: &u64| 0u8)?;
    /// harness.push(7, EventTime::from_millis(0))?;
    /// harness.advance_watermark(EventTime::MAX)?;
    /// assert_eq!(harness.take_output()[0].window.start, EventTime::from_millis(-16 * 3_600_000));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn offset(self, offset: Duration) -> Tumbling {
        Tumbling { offset: lateness(offset), ..self }
    }

    /// The same windows of the time at which records arrive.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::Harness;
    /// use tidegate::window::Windowing;
    ///
    /// # fn main() -> Result<()> {
    /// let windows = Windowing::of(Tumbling::of(secs(10)).processing_time());
    /// let mut harness = Harness::new(windows.aggregate(Count), |_: &u64| 0u8)?;
    /// harness.push(7, EventTime::MIN)?; // it needs no event time
    /// harness.advance_processing_time(EventTime::from_millis(10_000))?;
    /// assert_eq!(harness.take_output()[0].value, 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn processing_time(self) -> Tumbling {
        Tumbling { domain: Domain::ProcessingTime, ..self }
    }

    fn edges(&self) -> Edges {
        Edges::sliding(self.size, self.size, self.offset)
    }
}

impl<T> WindowAssigner<T> for Tumbling {
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
