//! Days and minutes, in UTC: numbers to count by, which the calendar is asked about when one is shown.

use std::fmt;

use jiff::Timestamp;
use tidegate::prelude::*;

const DAY_MILLIS: i64 = 86_400_000;
const MINUTE_MILLIS: i64 = 60_000;

/// A day; as a text `2015-07-15`.
#[key]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Day(i64);

/// A minute of some day; as a text `07:59`.
#[event]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Minute(u16);

impl Day {
    pub fn of(at: EventTime) -> Day {
        Day(at.as_millis().div_euclid(DAY_MILLIS))
    }
}

impl Minute {
    pub fn of(at: EventTime) -> Minute {
        Minute((at.as_millis().rem_euclid(DAY_MILLIS) / MINUTE_MILLIS) as u16)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begins = EventTime::from_millis(self.0.saturating_mul(DAY_MILLIS));
        utc(begins).strftime("%Y-%m-%d").fmt(f)
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// The hour of the day, from 0 to 23.
pub fn hour(at: EventTime) -> i64 {
    at.as_millis().div_euclid(3_600_000).rem_euclid(24)
}

/// A time as the calendar has it; one before or after all its years is their beginning or end.
fn utc(at: EventTime) -> Timestamp {
    let (first, last) = (Timestamp::MIN, Timestamp::MAX);
    let within = at.as_millis().clamp(first.as_millisecond(), last.as_millisecond());
    Timestamp::from_millisecond(within).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_minutes_and_hours_are_those_of_utc() {
        for (millis, expected) in [
            (1_436_947_199_999, ("2015-07-15", "07:59", 7)),
            (1_436_947_200_000, ("2015-07-15", "08:00", 8)),
            (951_782_400_000, ("2000-02-29", "00:00", 0)),
            (-1, ("1969-12-31", "23:59", 23)),
        ] {
            let at = EventTime::from_millis(millis);
            let (day, minute) = (Day::of(at).to_string(), Minute::of(at).to_string());
            assert_eq!((day.as_str(), minute.as_str(), hour(at)), expected);
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_no_panic() {
        assert!(Day::of(EventTime::MAX).to_string().starts_with("9999-"));
        assert!(Day::of(EventTime::MIN).to_string().starts_with("-9999-"));
    }
}
