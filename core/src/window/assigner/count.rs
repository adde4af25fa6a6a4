//! [`TumblingCount`] and [`SlidingCount`]: windows of so many records of a key, whenever they happened.

use crate::time::EventTime;
use crate::window::assigner::{Domain, Slicing};
use crate::window::edges::{Edges, REACH};
use crate::window::{EveryCount, GlobalWindow, Purging, WindowAssigner};

fn records(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(REACH).clamp(1, REACH)
}

/// Windows of so many records of a key, one behind the other: Flink's `countWindow(size)`. Made by
/// [`Tumbling::count`](crate::window::Tumbling::count).
///
/// A result carries the event time of the record that completes its window. The window of the last records of a key is not
/// complete, and so does not fire.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::count(2));
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
pub struct TumblingCount {
    size: i64,
}

impl TumblingCount {
    pub(super) fn of(size: u64) -> TumblingCount {
        TumblingCount { size: records(size) }
    }
}

/// Windows of the last so many records of a key, told every so many: Flink's `countWindow(size, slide)`. Made by
/// [`Sliding::count`](crate::window::Sliding::count).
///
/// The first windows have fewer records, as in Flink. A result carries the event time of the record that completes its window.
/// With a trigger of one's own no record is ever dropped: use [`Global`](crate::window::Global) with
/// [`KeepLast`](crate::window::KeepLast).
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Sliding::count(3).every(2));
/// let mut harness = Harness::new(windows.aggregate(Sum::of(|n: &u64| *n)), |_: &u64| 0u8)?;
/// for n in 1..=5 {
///     harness.push(n, EventTime::MIN)?;
/// }
/// let sums: Vec<_> = harness.take_output().iter().map(|summed| summed.value).collect();
/// assert_eq!(sums, [1 + 2, 2 + 3 + 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SlidingCount {
    size: i64,
    every: i64,
}

impl SlidingCount {
    pub(super) fn of(size: u64) -> SlidingCount {
        SlidingCount { size: records(size), every: 1 }
    }

    /// After how many records the next window is complete; after each, if nothing is said.
    #[must_use]
    pub fn every(self, slide: u64) -> SlidingCount {
        SlidingCount { every: records(slide), ..self }
    }
}

impl<T> WindowAssigner<T> for TumblingCount {
    type Window = GlobalWindow;
    type Trigger = Purging<EveryCount>;

    fn assign(&self, _: &T, _: EventTime) -> impl IntoIterator<Item = GlobalWindow> {
        Some(GlobalWindow {})
    }

    fn default_trigger(&self) -> Purging<EveryCount> {
        Purging::of(EveryCount::of(self.size as u64))
    }

    fn domain(&self) -> Domain {
        Domain::Count
    }

    fn slicing(&self) -> Option<Slicing<GlobalWindow>> {
        Some(Slicing { edges: Edges::sliding(self.size, self.size, 0), window: |_| GlobalWindow {} })
    }
}

impl<T> WindowAssigner<T> for SlidingCount {
    type Window = GlobalWindow;
    type Trigger = EveryCount;

    fn assign(&self, _: &T, _: EventTime) -> impl IntoIterator<Item = GlobalWindow> {
        Some(GlobalWindow {})
    }

    fn default_trigger(&self) -> EveryCount {
        EveryCount::of(self.every as u64)
    }

    fn domain(&self) -> Domain {
        Domain::Count
    }

    fn slicing(&self) -> Option<Slicing<GlobalWindow>> {
        Some(Slicing {
            edges: Edges::sliding(self.size, self.every, -self.size),
            window: |_| GlobalWindow {},
        })
    }
}
