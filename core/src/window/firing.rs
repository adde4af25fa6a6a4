//! What there is to know when a window fires, and what comes of it.

use crate::event;
use crate::time::{Clock, EventTime};
use crate::window::TimeWindow;

/// The result of a window of a key. Its event time is the last of the window: `end` - 1 ms.
#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub struct Windowed<K, R, W = TimeWindow> {
    /// The key.
    pub key: K,
    /// The window.
    pub window: W,
    /// What the aggregate makes of its records.
    pub value: R,
}

/// A window that fires: what is known beside its records.
pub struct Firing<'a, K, W = TimeWindow> {
    pub(crate) key: &'a K,
    pub(crate) window: &'a W,
    pub(crate) watermark: EventTime,
    pub(crate) clock: &'a Clock,
}

impl<'a, K, W> Firing<'a, K, W> {
    /// The key of the records.
    pub fn key(&self) -> &'a K {
        self.key
    }

    /// The window.
    pub fn window(&self) -> &'a W {
        self.window
    }

    /// How far event time has come.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// The time of the clock on the wall. A result that depends on it is not the same after a restore.
    pub fn processing_time(&self) -> EventTime {
        self.clock.now()
    }
}
