//! Bounds how many records a second are read.
//!
//! A pacer in the manner of the generic cell rate algorithm (ITU-T I.371): the record number `n` since an origin is due at
//! `origin + n / rate`, so that nothing drifts. Who has been kept from reading may catch up, a little at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::Clock;

/// What is granted at once is worth at most this long, so that the stream is smooth.
const GRANT: Duration = Duration::from_millis(50);

/// Up to this much of the past is caught up with, after a stop (a slow snapshot, a full channel) no more.
const CREDIT: Duration = Duration::from_secs(1);

/// A bound on the rate of everything that asks it.
///
/// ```
/// # use tidegate::source::Throttle;
/// # use tidegate::time::{Clock, EventTime};
/// let clock = Clock::virtual_at(EventTime::from_millis(0));
/// let throttle = Throttle::per_second(100.0, clock.clone());
/// assert_eq!(throttle.grant(1000), 1); // the first is due at once, the next after 10 ms
/// clock.set(EventTime::from_millis(30));
/// assert_eq!(throttle.grant(1000), 3);
/// ```
#[derive(Debug)]
pub struct Throttle(Option<Pacer>);

#[derive(Debug)]
struct Pacer {
    /// Records per second; greater than zero.
    rate: f64,
    clock: Clock,
    /// Locked once per batch.
    schedule: Mutex<Schedule>,
}

/// When records are due.
#[derive(Debug, Default)]
struct Schedule {
    /// When record 0 was due. `None` before the first question.
    origin: Option<Duration>,
    /// How many have been granted since.
    granted: u64,
}

impl Throttle {
    /// Grants everything.
    pub fn unlimited() -> Throttle {
        Throttle(None)
    }

    /// Grants `rate` records a second by `clock`. An infinite rate is no bound; one that is not above zero grants nothing.
    pub fn per_second(rate: f64, clock: Clock) -> Throttle {
        let pacer = Pacer { rate, clock, schedule: Mutex::default() };
        Throttle((rate != f64::INFINITY).then_some(pacer))
    }

    /// How many of `wanted` records may be read now.
    pub fn grant(&self, wanted: usize) -> usize {
        let Some(pacer) = &self.0 else { return wanted };
        if pacer.rate.is_nan() || pacer.rate <= 0.0 {
            return 0;
        }
        let now = pacer.clock.monotonic();
        let mut schedule = pacer.schedule();
        let origin = schedule.origin.unwrap_or(now);
        let due = ((now.saturating_sub(origin).as_secs_f64() * pacer.rate).floor() as u64).saturating_add(1);
        let mut outstanding = due.saturating_sub(schedule.granted);
        let credit = ((CREDIT.as_secs_f64() * pacer.rate) as u64).saturating_add(1);
        if outstanding > credit {
            // The rest of the past is forgotten: its records are taken as granted.
            schedule.granted += outstanding - credit;
            outstanding = credit;
        }
        let at_once = (GRANT.as_secs_f64() * pacer.rate).max(1.0) as u64;
        let grant = outstanding.min(at_once).min(wanted as u64);
        schedule.origin = Some(origin);
        schedule.granted += grant;
        grant as usize
    }

    /// Takes back what was granted and not used.
    pub fn take_back(&self, unused: usize) {
        if let Some(pacer) = &self.0 {
            let mut schedule = pacer.schedule();
            schedule.granted = schedule.granted.saturating_sub(unused as u64);
        }
    }
}

impl Pacer {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        // Nothing in here can panic half-way; a schedule is never left broken.
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;

    fn at(clock: &Clock, millis: i64) {
        clock.set(EventTime::from_millis(millis));
    }

    fn throttle(rate: f64) -> (Throttle, Clock) {
        let clock = Clock::virtual_at(EventTime::from_millis(0));
        (Throttle::per_second(rate, clock.clone()), clock)
    }

    #[test]
    fn a_low_rate_grants_a_record_at_a_time() {
        let (throttle, clock) = throttle(2.0);
        let mut granted_at = Vec::new();
        for now in (0..2000).step_by(10) {
            at(&clock, now);
            match throttle.grant(1024) {
                0 => (),
                n => granted_at.push((now, n)),
            }
        }
        assert_eq!(granted_at, [(0, 1), (500, 1), (1000, 1), (1500, 1)]);
    }

    #[test]
    fn the_rate_is_exact_in_the_long_run_and_smooth_in_the_short() {
        for rate in [0.7, 3.0, 333.3, 12_345.0, 7_000_000.0] {
            let (throttle, clock) = throttle(rate);
            let (mut granted, mut now) = (0, 0);
            while now < 100_000 {
                now += [1, 7, 13, 40][now as usize % 4];
                at(&clock, now);
                let grant = throttle.grant(usize::MAX);
                assert!(grant as f64 <= (rate * 0.05).max(1.0), "{grant} at once at {rate} a second");
                granted += grant;
            }
            // The schedule begins at the first question, with one record that is due at once.
            let expected = rate * now as f64 / 1000.0;
            assert!((granted as f64 - expected).abs() <= rate * 0.05 + 2.0, "{granted} of {expected}");
        }
    }

    #[test]
    fn a_short_stop_is_caught_up_with_and_a_long_one_is_not() {
        let (throttle, clock) = throttle(100.0);
        assert_eq!(throttle.grant(10), 1);
        at(&clock, 500);
        let caught_up: usize = std::iter::repeat_with(|| throttle.grant(1024)).take_while(|&n| n > 0).sum();
        assert_eq!(caught_up, 50);
        at(&clock, 60_000);
        let caught_up: usize = std::iter::repeat_with(|| throttle.grant(1024)).take_while(|&n| n > 0).sum();
        assert_eq!(caught_up, 101);
        at(&clock, 60_010);
        assert_eq!(throttle.grant(1024), 1);
    }

    #[test]
    fn what_is_taken_back_can_be_granted_again() {
        let (throttle, clock) = throttle(1000.0);
        at(&clock, 5);
        assert_eq!(throttle.grant(8), 1);
        at(&clock, 10);
        assert_eq!(throttle.grant(8), 5);
        throttle.take_back(3);
        assert_eq!(throttle.grant(8), 3);
        assert_eq!(throttle.grant(8), 0);
    }

    #[test]
    fn no_bound_grants_everything_and_no_rate_nothing() {
        assert_eq!(Throttle::unlimited().grant(77), 77);
        assert_eq!(throttle(f64::INFINITY).0.grant(77), 77);
        assert_eq!(throttle(0.0).0.grant(77), 0);
        assert_eq!(throttle(f64::NAN).0.grant(77), 0);
    }
}
