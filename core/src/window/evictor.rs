//! Evictors: which records of a window that fires are dropped, before or after.

use std::time::Duration;

use crate::event;
use crate::time::EventTime;
use crate::window::{Firing, Window};

/// A record of a window.
#[event(crate = crate)]
#[derive(Clone, Debug)]
pub struct Element<T> {
    /// The record.
    pub value: T,
    /// Its event time; [`EventTime::MIN`] if it has none.
    pub at: EventTime,
    /// The how manieth it was of its key, of those that are kept.
    pub(crate) arrival: u64,
}

/// Drops records of a window that fires: Flink's `Evictor`. What it drops is gone from this window, not from others.
///
/// The records are in the order in which they came.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{Element, Evictor, Firing, TimeWindow, Windowing};
///
/// /// Leaves the two extreme values out.
/// struct Trimmed;
///
/// impl Evictor<u64, TimeWindow> for Trimmed {
///     fn before<K>(&self, elements: &mut Vec<Element<u64>>, _: &Firing<'_, K>) {
///         let [low, high] = [elements.iter().map(|e| e.value).min(), elements.iter().map(|e| e.value).max()];
///         elements.retain(|element| Some(element.value) != low && Some(element.value) != high);
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(secs(10))).evictor(Trimmed).aggregate(Avg::of(|n: &u64| *n));
/// let mut harness = Harness::new(windows, |_: &u64| 0u8)?;
/// for n in [5, 1_000, 7, 0] {
///     harness.push(n, EventTime::from_millis(0))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// assert_eq!(harness.take_output()[0].value, 6.0);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no evictor for windows `{W}` of records `{T}`",
    label = "not an evictor",
    note = "use `KeepLast::of(..)` or `KeepWithin::of(..)`, or implement `Evictor<{T}, {W}>`"
)]
pub trait Evictor<T, W: Window>: Send + Sync + 'static {
    /// Drops records before the result is made.
    fn before<K>(&self, elements: &mut Vec<Element<T>>, firing: &Firing<'_, K, W>) {
        let _ = (elements, firing);
    }

    /// Drops records after the result was made.
    fn after<K>(&self, elements: &mut Vec<Element<T>>, firing: &Firing<'_, K, W>) {
        let _ = (elements, firing);
    }
}

/// Keeps the last so many records: Flink's `CountEvictor`.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{KeepLast, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(secs(10))).evictor(KeepLast::of(2));
/// let windows = windows.process(|_, numbers: Vec<&u64>| numbers.into_iter().copied().collect::<Vec<_>>());
/// let mut harness = Harness::new(windows, |_: &u64| 0u8)?;
/// for n in 1..=4 {
///     harness.push(n, EventTime::from_millis(0))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// assert_eq!(harness.take_output(), [3, 4]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KeepLast {
    records: usize,
    after: bool,
}

impl KeepLast {
    /// The last `records`.
    pub fn of(records: usize) -> KeepLast {
        KeepLast { records, after: false }
    }

    /// Drops the others after the result was made, and not before.
    #[must_use]
    pub fn after_firing(self) -> KeepLast {
        KeepLast { after: true, ..self }
    }

    fn evict<T>(&self, elements: &mut Vec<Element<T>>) {
        elements.drain(..elements.len().saturating_sub(self.records));
    }
}

impl<T, W: Window> Evictor<T, W> for KeepLast {
    fn before<K>(&self, elements: &mut Vec<Element<T>>, _: &Firing<'_, K, W>) {
        if !self.after {
            self.evict(elements);
        }
    }

    fn after<K>(&self, elements: &mut Vec<Element<T>>, _: &Firing<'_, K, W>) {
        if self.after {
            self.evict(elements);
        }
    }
}

/// Keeps the records that happened less than so long before the newest: Flink's `TimeEvictor`.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{KeepWithin, Windowing};
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Tumbling::of(secs(10))).evictor(KeepWithin::of(secs(1)));
/// let mut harness = Harness::new(windows.aggregate(Count), |_: &String| 0u8)?;
/// for millis in [0, 500, 1_000, 1_499] {
///     harness.push("visit".to_string(), EventTime::from_millis(millis))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// assert_eq!(harness.take_output()[0].value, 3);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct KeepWithin {
    length: Duration,
    after: bool,
}

impl KeepWithin {
    /// Those less than `length` before the newest.
    pub fn of(length: Duration) -> KeepWithin {
        KeepWithin { length, after: false }
    }

    /// Drops the others after the result was made, and not before.
    #[must_use]
    pub fn after_firing(self) -> KeepWithin {
        KeepWithin { after: true, ..self }
    }

    /// Records without a time are neither old nor new.
    fn evict<T>(&self, elements: &mut Vec<Element<T>>) {
        let Some(newest) = elements.iter().map(|element| element.at).max() else { return };
        let cutoff = newest - self.length;
        elements.retain(|element| element.at > cutoff || element.at == EventTime::MIN);
    }
}

impl<T, W: Window> Evictor<T, W> for KeepWithin {
    fn before<K>(&self, elements: &mut Vec<Element<T>>, _: &Firing<'_, K, W>) {
        if !self.after {
            self.evict(elements);
        }
    }

    fn after<K>(&self, elements: &mut Vec<Element<T>>, _: &Firing<'_, K, W>) {
        if self.after {
            self.evict(elements);
        }
    }
}

/// Drops nothing.
#[derive(Clone, Copy, Debug)]
pub struct KeepAll;

impl<T, W: Window> Evictor<T, W> for KeepAll {}
