//! Event time, processing time, and the clock that tells the latter.
//!
//! Everything that asks for the time asks a [`Clock`], so that a test can run a job under virtual time.

use std::fmt;
use std::ops::{Add, RangeInclusive, Sub};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since the Unix epoch, UTC.
///
/// Used for event time (when something happened) and for processing time (when it was seen). Arithmetic saturates:
/// [`EventTime::MAX`] plus anything is still the end of time.
///
/// ```
/// use tidegate::time::{EventTime, secs};
/// let noon = EventTime::from_millis(43_200_000);
/// assert_eq!((noon + secs(60)).as_millis(), 43_260_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventTime(i64);

impl EventTime {
    /// Before every record: the watermark of a stream that has not said anything yet.
    pub const MIN: EventTime = EventTime(i64::MIN);
    /// After every record: the watermark that closes a bounded stream.
    pub const MAX: EventTime = EventTime(i64::MAX);

    /// The time `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: i64) -> Self {
        EventTime(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: EventTime) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

impl Add<Duration> for EventTime {
    type Output = EventTime;

    fn add(self, duration: Duration) -> EventTime {
        EventTime(self.0.saturating_add(saturating_millis(duration)))
    }
}

impl Sub<Duration> for EventTime {
    type Output = EventTime;

    fn sub(self, duration: Duration) -> EventTime {
        EventTime(self.0.saturating_sub(saturating_millis(duration)))
    }
}

impl fmt::Display for EventTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            EventTime::MIN => f.write_str("the beginning of time"),
            EventTime::MAX => f.write_str("the end of time"),
            EventTime(millis) if (0..=253_402_300_799_999).contains(&millis) => {
                let time = UNIX_EPOCH + Duration::from_millis(millis as u64);
                write!(f, "{}", humantime::format_rfc3339_millis(time))
            }
            EventTime(millis) => write!(f, "{millis} ms"),
        }
    }
}

/// How far a time is from another one, before it or after it, in milliseconds.
///
/// ```
/// use tidegate::time::{EventTime, TimeOffset, secs};
/// let noon = EventTime::from_millis(43_200_000);
/// assert_eq!((noon + TimeOffset::before(secs(60))).as_millis(), 43_140_000);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimeOffset(i64);

impl TimeOffset {
    /// The same time.
    pub const NONE: TimeOffset = TimeOffset(0);

    /// So much earlier.
    pub const fn before(duration: Duration) -> TimeOffset {
        TimeOffset(-saturating_millis(duration))
    }

    /// So much later.
    pub const fn after(duration: Duration) -> TimeOffset {
        TimeOffset(saturating_millis(duration))
    }

    /// The offset the other way round.
    pub const fn back(self) -> TimeOffset {
        TimeOffset(self.0.saturating_neg())
    }
}

impl fmt::Display for TimeOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let duration = humantime::format_duration(Duration::from_millis(self.0.unsigned_abs()));
        match self.0 {
            0 => f.write_str("the same time"),
            ..0 => write!(f, "{duration} before"),
            _ => write!(f, "{duration} after"),
        }
    }
}

impl Add<TimeOffset> for EventTime {
    type Output = EventTime;

    fn add(self, offset: TimeOffset) -> EventTime {
        EventTime(self.0.saturating_add(offset.0))
    }
}

impl EventTime {
    /// The times from `lower` to `upper` of this one, both ends included; none if all of them are beyond the ends of time.
    pub(crate) fn around(self, lower: TimeOffset, upper: TimeOffset) -> Option<RangeInclusive<EventTime>> {
        let is_beyond = |offset: TimeOffset| self.0.checked_add(offset.0).is_none();
        if lower > upper || (lower.0 > 0 && is_beyond(lower)) || (upper.0 < 0 && is_beyond(upper)) {
            return None;
        }
        Some(self + lower..=self + upper)
    }
}

const fn saturating_millis(duration: Duration) -> i64 {
    let millis = duration.as_millis();
    if millis > i64::MAX as u128 { i64::MAX } else { millis as i64 }
}

/// A duration of `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A duration of `n` seconds.
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A duration of `n` minutes.
pub const fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

/// Tells processing time. The system's clock in a running job, a hand-set one in a test.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System { origin: Instant },
    Virtual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the operating system.
    #[allow(clippy::disallowed_methods)] // The one place that reads the system's clock.
    pub fn system() -> Clock {
        Clock(Kind::System { origin: Instant::now() })
    }

    /// A clock that stands at `now` until [`Clock::set`] moves it. Clones share their hand.
    pub fn virtual_at(now: EventTime) -> Clock {
        Clock(Kind::Virtual(Arc::new(AtomicI64::new(now.0))))
    }

    /// The wall-clock time, for processing-time timers and for people.
    #[allow(clippy::disallowed_methods)]
    pub fn now(&self) -> EventTime {
        match &self.0 {
            Kind::System { .. } => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                EventTime(since_epoch.as_millis() as i64)
            }
            Kind::Virtual(now) => EventTime(now.load(Ordering::Relaxed)),
        }
    }

    /// A time that never goes back, since an arbitrary origin: for intervals and rates.
    #[allow(clippy::disallowed_methods)]
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Kind::System { origin } => Instant::now().duration_since(*origin),
            Kind::Virtual(now) => Duration::from_millis(now.load(Ordering::Relaxed).max(0) as u64),
        }
    }

    /// Whether it stands still unless it is moved.
    pub(crate) fn is_virtual(&self) -> bool {
        matches!(self.0, Kind::Virtual(_))
    }

    /// Moves a virtual clock to `now`; a system clock can't be moved, and stays.
    pub fn set(&self, now: EventTime) {
        if let Kind::Virtual(hand) = &self.0 {
            hand.store(now.0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_time_is_displayed_as_rfc_3339_and_its_ends_in_words() {
        assert_eq!(EventTime::from_millis(1_431_857_103_000).to_string(), "2015-05-17T10:05:03.000Z");
        assert_eq!(EventTime::MIN.to_string(), "the beginning of time");
        assert_eq!(EventTime::from_millis(-5).to_string(), "-5 ms");
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(EventTime::MAX + secs(1), EventTime::MAX);
        assert_eq!(EventTime::MIN - Duration::MAX, EventTime::MIN);
        assert_eq!(EventTime::from_millis(3).since(EventTime::from_millis(5)), Duration::ZERO);
    }

    #[test]
    fn clones_of_a_virtual_clock_share_their_hand() {
        let clock = Clock::virtual_at(EventTime::from_millis(5));
        clock.clone().set(EventTime::from_millis(9));
        assert_eq!(clock.now(), EventTime::from_millis(9));
        assert_eq!(clock.monotonic(), millis(9));
    }
}
