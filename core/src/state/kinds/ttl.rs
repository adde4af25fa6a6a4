//! How long a value is kept: its [`Ttl`], and what time it is.
//!
//! A value has expired when the time of its last refresh plus the TTL has been reached: `refreshed + ttl <= now`. Pure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::EventTime;

/// The time to live of a field's values: `#[state(ttl = "7d", time = "event", refresh = "read-and-write")]`.
///
/// ```
/// use tidegate::state::{Refresh, Ttl, TtlTime};
/// use tidegate::time::{EventTime, secs};
///
/// let ttl = Ttl { lasts: secs(60), time: TtlTime::Processing, refresh: Refresh::Write };
/// let refreshed = EventTime::from_millis(0);
/// assert!(!ttl.is_over(refreshed, EventTime::from_millis(59_999)));
/// assert!(ttl.is_over(refreshed, EventTime::from_millis(60_000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ttl {
    /// How long after its last refresh a value expires.
    #[serde(with = "in_words")]
    pub lasts: Duration,
    /// By which time.
    pub time: TtlTime,
    /// What counts as a refresh.
    pub refresh: Refresh,
}

/// The time by which a value expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TtlTime {
    /// Event time: now is the watermark; a value is refreshed at the record's event time, or at the watermark if the
    /// record is late.
    Event,
    /// The clock on the wall: Flink's only one.
    Processing,
    /// The clock on the wall while the job runs: a value does not expire because the job was down.
    Uptime,
}

/// What counts as a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// Writing (Flink's `OnCreateAndWrite`).
    Write,
    /// Writing and reading (Flink's `OnReadAndWrite`).
    ReadAndWrite,
}

impl Ttl {
    /// Whether a value that was last refreshed at `refreshed` has expired at `now`.
    #[inline]
    pub fn is_over(self, refreshed: EventTime, now: EventTime) -> bool {
        refreshed + self.lasts <= now
    }
}

/// What time it is for a visit of a row, in every domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The watermark. While the timers of the end of the input fire, it is the last one before the end: at the end of time
    /// everything would have expired.
    pub event: EventTime,
    /// The event time of the record, or that of the event-time timer; [`EventTime::MIN`] if there is none, as for a timer in
    /// processing time.
    pub record: EventTime,
    /// The clock on the wall.
    pub processing: EventTime,
    /// The time for which the job has run, over all its restores.
    pub uptime: EventTime,
}

/// What time it is for one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// What has expired is judged by this.
    pub now: EventTime,
    /// What is written now is refreshed at this.
    pub write: EventTime,
}

impl Reading {
    /// Of a field that has no place in a row yet: what is written into it gets its time when it is attached.
    pub const UNATTACHED: Reading = Reading { now: EventTime::MIN, write: EventTime::MIN };

    /// Of a field without a TTL: every time is 0, which is one byte on disk.
    const TIMELESS: Reading = Reading { now: EventTime::MIN, write: EventTime::from_millis(0) };

    pub fn of(ttl: Option<Ttl>, now: &Now) -> Reading {
        match ttl.map(|ttl| ttl.time) {
            None => Reading::TIMELESS,
            Some(TtlTime::Event) => Reading { now: now.event, write: now.event.max(now.record) },
            Some(TtlTime::Processing) => Reading { now: now.processing, write: now.processing },
            Some(TtlTime::Uptime) => Reading { now: now.uptime, write: now.uptime },
        }
    }
}

/// A duration in a manifest, which people read: `7days`.
mod in_words {
    use std::time::Duration;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        humantime::parse_duration(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn ttl(time: TtlTime) -> Ttl {
        Ttl { lasts: secs(7 * 86_400) + millis(1), time, refresh: Refresh::ReadAndWrite }
    }

    #[test]
    fn each_domain_reads_its_own_time_and_a_late_record_writes_at_the_watermark() {
        let now = Now { event: at(10), record: at(25), processing: at(1_000), uptime: at(70) };
        let reading = |time| Reading::of(Some(ttl(time)), &now);
        assert_eq!(reading(TtlTime::Event), Reading { now: at(10), write: at(25) });
        assert_eq!(reading(TtlTime::Processing), Reading { now: at(1_000), write: at(1_000) });
        assert_eq!(reading(TtlTime::Uptime), Reading { now: at(70), write: at(70) });
        let late = Now { record: at(3), ..now };
        assert_eq!(Reading::of(Some(ttl(TtlTime::Event)), &late).write, at(10));
    }

    #[test]
    fn a_ttl_is_readable_in_a_manifest_and_comes_back_from_it() {
        let json = serde_json::to_string(&ttl(TtlTime::Uptime)).unwrap();
        assert_eq!(json, r#"{"lasts":"7days 1ms","time":"uptime","refresh":"read-and-write"}"#);
        assert_eq!(serde_json::from_str::<Ttl>(&json).unwrap(), ttl(TtlTime::Uptime));
    }

    #[test]
    fn what_is_refreshed_near_the_end_of_time_does_not_expire_before_it() {
        assert!(!ttl(TtlTime::Event).is_over(EventTime::MAX - millis(1), EventTime::MAX - millis(1)));
        assert!(!ttl(TtlTime::Event).is_over(EventTime::MIN, EventTime::MIN));
    }
}
