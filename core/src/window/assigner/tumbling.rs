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

    /// Windows that begin later by this: days in the time zone UTC-8 are `Tumbling::of(minutes(24 * 60)).offset(minutes(8 * 60))`,
    /// those in UTC+8
    /// have an offset of 16 hours.
    #[must_use]
    pub fn offset(self, offset: Duration) -> Tumbling {
        Tumbling { offset: lateness(offset), ..self }
    }

    /// The same windows of the time at which records arrive.
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
