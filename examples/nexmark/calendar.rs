//! Days and minutes, in UTC, as texts.

use jiff::Timestamp;
use tidegate::prelude::*;

/// The day, as `2015-07-15`.
pub fn day(at: EventTime) -> String {
    utc(at).strftime("%Y-%m-%d").to_string()
}

/// The minute of the day, as `07:59`.
pub fn minute(at: EventTime) -> String {
    utc(at).strftime("%H:%M").to_string()
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
            assert_eq!((day(at).as_str(), minute(at).as_str(), hour(at)), expected);
        }
    }

    #[test]
    fn a_time_beyond_the_calendar_is_no_panic() {
        assert!(day(EventTime::MAX).starts_with("9999-"));
        assert!(day(EventTime::MIN).starts_with("-9999-"));
    }
}
