//! The timers of a window: when its trigger wants to be asked.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::{Data, Describe, Field, Schema, Variant};
use crate::time::EventTime;

/// A time at which a trigger wants to be asked about its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum WindowTimer {
    EventTime(EventTime),
    ProcessingTime(EventTime),
}

impl Describe for WindowTimer {
    fn schema() -> Schema {
        let at = ["EventTime", "ProcessingTime"]
            .map(|domain| Variant::new(domain, vec![Field::of::<EventTime>("0")]));
        Schema::Enum("WindowTimer".to_string(), Vec::from(at))
    }
}

impl Data for WindowTimer {}

/// The timers of a window, each once. Nearly every window has one, which needs no memory elsewhere.
#[derive(Default)]
pub(crate) enum WindowTimers {
    #[default]
    None,
    One(WindowTimer),
    Several(Vec<WindowTimer>),
}

impl WindowTimers {
    pub fn as_slice(&self) -> &[WindowTimer] {
        match self {
            WindowTimers::None => &[],
            WindowTimers::One(timer) => std::slice::from_ref(timer),
            WindowTimers::Several(timers) => timers,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }

    /// Adds a timer. Whether it was not there.
    #[inline]
    pub fn add(&mut self, timer: WindowTimer) -> bool {
        match self {
            WindowTimers::None => *self = WindowTimers::One(timer),
            WindowTimers::One(first) if *first == timer => return false,
            WindowTimers::One(first) => *self = WindowTimers::Several(vec![*first, timer]),
            WindowTimers::Several(timers) if timers.contains(&timer) => return false,
            WindowTimers::Several(timers) => timers.push(timer),
        }
        true
    }

    pub fn remove(&mut self, timer: WindowTimer) {
        self.take(|other| other == timer);
    }

    /// Takes those out that `is_due` is true of.
    pub fn take(&mut self, is_due: impl Fn(WindowTimer) -> bool) -> WindowTimers {
        match self {
            WindowTimers::None => WindowTimers::None,
            WindowTimers::One(timer) if is_due(*timer) => std::mem::take(self),
            WindowTimers::One(_) => WindowTimers::None,
            WindowTimers::Several(timers) => {
                WindowTimers::Several(timers.extract_if(.., |timer| is_due(*timer)).collect())
            }
        }
    }
}

/// As a sequence.
impl Serialize for WindowTimers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for WindowTimers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WindowTimers, D::Error> {
        let timers = Vec::<WindowTimer>::deserialize(deserializer)?;
        Ok(match timers[..] {
            [] => WindowTimers::None,
            [timer] => WindowTimers::One(timer),
            _ => WindowTimers::Several(timers),
        })
    }
}

impl Describe for WindowTimers {
    fn schema() -> Schema {
        <Vec<WindowTimer>>::schema()
    }
}

impl Data for WindowTimers {}
