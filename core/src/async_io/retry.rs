//! Asking again, and what is said when that is over.

use std::fmt;
use std::time::Duration;

/// How often, and after which pause, is asked again about a record. Flink's `AsyncRetryStrategy`.
///
/// ```
/// use tidegate::async_io::Retry;
/// use tidegate::time::{millis, secs};
///
/// let patient = Retry::exponential(5, millis(100)).factor(3.0).longest(secs(2));
/// assert_eq!((1..=6).map_while(|attempt| patient.pause_after(attempt)).collect::<Vec<_>>(), [
///     millis(100), millis(300), millis(900), secs(2), secs(2),
/// ]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    times: u32,
    first: Duration,
    factor: f64,
    longest: Duration,
}

impl Retry {
    /// Never.
    pub const NEVER: Retry = Retry { times: 0, first: Duration::ZERO, factor: 1.0, longest: Duration::MAX };

    /// Up to so many times, each after the same pause.
    pub const fn fixed(times: u32, pause: Duration) -> Retry {
        Retry { times, first: pause, factor: 1.0, longest: Duration::MAX }
    }

    /// Up to so many times; each pause is twice as long as the one before it, and the first is this one.
    pub const fn exponential(times: u32, first: Duration) -> Retry {
        Retry { times, first, factor: 2.0, longest: Duration::MAX }
    }

    /// By what each pause is multiplied for the next; 1 at least.
    #[must_use]
    pub const fn factor(self, factor: f64) -> Retry {
        Retry { factor: factor.max(1.0), ..self }
    }

    /// No pause is longer.
    #[must_use]
    pub const fn longest(self, longest: Duration) -> Retry {
        Retry { longest, ..self }
    }

    /// The pause after so many attempts, from 1; none if that was the last one.
    pub fn pause_after(&self, attempts: u32) -> Option<Duration> {
        if attempts > self.times {
            return None;
        }
        let grown = self.first.as_secs_f64() * self.factor.powi(attempts.saturating_sub(1) as i32);
        let pause = Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX);
        Some(pause.min(self.longest))
    }
}

/// Why there is no answer about a record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure<E> {
    /// There was none in time.
    TimedOut {
        /// For how long was waited, over all attempts.
        timeout: Duration,
        /// How many attempts there were.
        attempts: u32,
    },
    /// The last attempt failed.
    Failed {
        /// With this error.
        error: E,
        /// How many attempts there were.
        attempts: u32,
    },
}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = match self {
            Failure::TimedOut { timeout, attempts } => {
                write!(f, "no answer in {}", humantime::format_duration(*timeout))?;
                *attempts
            }
            Failure::Failed { error, attempts } => {
                write!(f, "{error}")?;
                *attempts
            }
        };
        if attempts > 1 { write!(f, " ({attempts} attempts)") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    #[test]
    fn a_fixed_pause_stays_and_ends_with_the_last_time() {
        let retry = Retry::fixed(2, millis(7));
        assert_eq!(
            [1, 2, 3].map(|attempts| retry.pause_after(attempts)),
            [Some(millis(7)), Some(millis(7)), None]
        );
        assert_eq!(Retry::NEVER.pause_after(1), None);
    }

    #[test]
    fn a_pause_that_grows_beyond_time_is_the_longest() {
        assert_eq!(Retry::exponential(u32::MAX, secs(1)).pause_after(100_000), Some(Duration::MAX));
        assert_eq!(Retry::exponential(9_999, secs(1)).longest(secs(60)).pause_after(9_999), Some(secs(60)));
    }

    #[test]
    fn a_failure_says_how_often_it_was_tried_if_more_than_once() {
        let failed = |attempts| Failure::Failed { error: "refused", attempts }.to_string();
        assert_eq!([failed(1), failed(3)], ["refused", "refused (3 attempts)"]);
        let late = Failure::<&str>::TimedOut { timeout: millis(1500), attempts: 2 };
        assert_eq!(late.to_string(), "no answer in 1s 500ms (2 attempts)");
    }
}
