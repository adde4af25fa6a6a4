//! What records are put into: [`TimeWindow`], [`GlobalWindow`], or a [`Window`] of one's own.

use std::fmt;

use crate::key;
use crate::state::Data;
use crate::time::{EventTime, millis};

/// A part of a key's records. Windows are ordered, so that what is made of them is always made in the same order.
pub trait Window: Data + Clone + Ord {
    /// The last time that belongs to the window. Its result carries it as event time, and is due when the watermark reaches it.
    /// [`EventTime::MAX`] if the window has no end.
    fn max_timestamp(&self) -> EventTime;

    /// The window that covers both, if they are to be one: asked where the assigner [merges](crate::window::WindowAssigner::merges).
    /// A new window can bring others together; those that were there before are apart.
    fn merged(&self, other: &Self) -> Option<Self> {
        let _ = other;
        None
    }
}

/// The time from `start` on and before `end`: Flink's `TimeWindow`.
///
/// It is a key, too, so that all results of one time can be brought together: `.key_by(|counted| counted.window)`.
///
/// ```
/// use tidegate::window::{TimeWindow, Window};
/// use tidegate::time::EventTime;
///
/// let window = TimeWindow { start: EventTime::from_millis(0), end: EventTime::from_millis(1000) };
/// assert_eq!(window.max_timestamp(), EventTime::from_millis(999));
/// assert_eq!(window.to_string(), "1970-01-01T00:00:00.000Z .. 1970-01-01T00:00:01.000Z");
/// ```
#[key(crate = crate)]
#[derive(Copy, Debug, PartialOrd, Ord, Hash)]
pub struct TimeWindow {
    /// The first time that belongs to it.
    pub start: EventTime,
    /// The first time that does not any more.
    pub end: EventTime,
}

impl TimeWindow {
    pub(crate) fn of_millis(start: i64, end: i64) -> TimeWindow {
        TimeWindow { start: EventTime::from_millis(start), end: EventTime::from_millis(end) }
    }
}

impl Window for TimeWindow {
    fn max_timestamp(&self) -> EventTime {
        self.end - millis(1)
    }

    /// One that ends where the other starts is merged with it, as in Flink.
    fn merged(&self, other: &TimeWindow) -> Option<TimeWindow> {
        (self.start <= other.end && other.start <= self.end)
            .then(|| TimeWindow { start: self.start.min(other.start), end: self.end.max(other.end) })
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} .. {}", self.start, self.end)
    }
}

/// The one window of all records of a key: Flink's `GlobalWindow`.
///
/// ```
/// use tidegate::time::EventTime;
/// use tidegate::window::{GlobalWindow, Window};
///
/// assert_eq!(GlobalWindow {}.max_timestamp(), EventTime::MAX);
/// assert_eq!(GlobalWindow {}.to_string(), "all time");
/// ```
#[key(crate = crate)]
#[derive(Copy, Debug, PartialOrd, Ord, Hash)]
pub struct GlobalWindow {}

impl Window for GlobalWindow {
    fn max_timestamp(&self) -> EventTime {
        EventTime::MAX
    }
}

impl fmt::Display for GlobalWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all time")
    }
}
