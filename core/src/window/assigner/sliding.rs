//! [`Sliding`].

use std::time::Duration;

use crate::time::EventTime;
use crate::window::assigner::{Domain, Slicing, SlidingCount};
use crate::window::edges::{Edges, lateness, length, within_reach};
use crate::window::{AtEnd, TimeWindow, WindowAssigner};

/// Windows of one length, of which one begins every so often: Flink's `SlidingEventTimeWindows` and
/// `SlidingProcessingTimeWindows`, SQL's `HOP`.
///
/// A record is in as many windows as slides fit into one, but it costs the same however many they are: windows are made of slices
/// that they share. If one begins less often than the last ends, the records between are in none.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Sliding::of(secs(10)).every(secs(5)));
/// let mut harness = Harness::new(windows.aggregate(Count), |word: &String| word.len() as u64)?;
/// harness.push("tide".to_string(), EventTime::from_millis(7_000))?;
/// harness.advance_watermark(EventTime::MAX)?;
/// let starts: Vec<_> = harness.take_output().iter().map(|counted| counted.window.start.as_millis()).collect();
/// assert_eq!(starts, [0, 5_000]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Sliding {
    size: i64,
    every: i64,
    offset: i64,
    domain: Domain,
}

impl Sliding {
    /// Windows of this length, of a millisecond at least. One begins when the one before ends, until [`every`](Sliding::every) says
    /// otherwise.
    pub fn of(size: Duration) -> Sliding {
        Sliding { size: length(size), every: length(size), offset: 0, domain: Domain::EventTime }
    }

    /// Windows of so many records of a key: Flink's `countWindow(size, slide)`, where `every` gives the slide.
    pub fn count(records: u64) -> SlidingCount {
        SlidingCount::of(records)
    }

    /// A window begins this often: Flink's slide.
    #[must_use]
    pub fn every(self, slide: Duration) -> Sliding {
        Sliding { every: length(slide), ..self }
    }

    /// Windows that begin later by this.
    #[must_use]
    pub fn offset(self, offset: Duration) -> Sliding {
        Sliding { offset: lateness(offset), ..self }
    }

    /// The same windows of the time at which records arrive.
    #[must_use]
    pub fn processing_time(self) -> Sliding {
        Sliding { domain: Domain::ProcessingTime, ..self }
    }

    fn edges(&self) -> Edges {
        Edges::sliding(self.size, self.every, self.offset)
    }
}

impl<T> WindowAssigner<T> for Sliding {
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
