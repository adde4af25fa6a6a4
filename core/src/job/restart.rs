//! Whether a failed job starts again, and after how long.
//!
//! Enter: a [`RestartStrategy`] from the command line, and the time of each failure. Leaves: a [`Decision`]. Pure: the
//! time is told and the waiting is the caller's. The strategies are Flink's fixed-delay and exponential-delay.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::time::secs;

/// What a job does about a failed task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartStrategy {
    /// It ends, with the error.
    #[default]
    None,
    /// It starts again, so many times in all, each time after the same delay.
    Fixed {
        /// How often at most, over the whole run.
        attempts: u32,
        /// How long it waits before each restart.
        delay: Duration,
    },
    /// It starts again however often, and waits twice as long each time.
    Exponential {
        /// How long it waits before the first restart.
        initial: Duration,
        /// How long it waits at most.
        max: Duration,
        /// After running this long without a failure, it begins again with `initial`.
        reset_after: Duration,
    },
}

/// For how long a job must run without a failure to have its delay reset, unless said otherwise.
const RESET_AFTER_DEFAULT: Duration = secs(3600);

impl FromStr for RestartStrategy {
    type Err = String;

    /// Reads `none`, `fixed:N,DELAY` or `exponential:INITIAL,MAX[,RESET]`.
    fn from_str(text: &str) -> Result<RestartStrategy, String> {
        let (name, arguments) = match text.split_once(':') {
            Some((name, arguments)) => (name, arguments.split(',').map(str::trim).collect()),
            None => (text, Vec::new()),
        };
        match (name, arguments.as_slice()) {
            ("none", []) => Ok(RestartStrategy::None),
            ("fixed", [attempts, delay]) => fixed(attempts, delay),
            ("exponential", [initial, max]) => exponential(initial, max, None),
            ("exponential", [initial, max, reset]) => exponential(initial, max, Some(reset)),
            _ => Err("expected none, fixed:N,DELAY or exponential:INITIAL,MAX[,RESET], \
                      for example fixed:3,1s or exponential:1s,1m"
                .to_string()),
        }
    }
}

fn fixed(attempts: &str, delay: &str) -> Result<RestartStrategy, String> {
    let attempts = attempts.parse().map_err(|error| {
        format!("fixed:N,DELAY takes a number of restarts, but {attempts:?} is none: {error}")
    })?;
    match attempts {
        0 => Err("no restarts at all is written none".to_string()),
        attempts => Ok(RestartStrategy::Fixed { attempts, delay: duration(delay)? }),
    }
}

fn exponential(initial: &str, max: &str, reset: Option<&str>) -> Result<RestartStrategy, String> {
    let (initial, max) = (duration(initial)?, duration(max)?);
    if initial.is_zero() {
        return Err("the first delay must be longer than nothing, or it can't double".to_string());
    }
    if max < initial {
        return Err(format!("the longest delay ({max:?}) is shorter than the first ({initial:?})"));
    }
    let reset_after = reset.map_or(Ok(RESET_AFTER_DEFAULT), duration)?;
    Ok(RestartStrategy::Exponential { initial, max, reset_after })
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is not a duration like 500ms or 1m: {error}"))
}

impl fmt::Display for RestartStrategy {
    /// The way it is written on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            RestartStrategy::None => f.write_str("none"),
            RestartStrategy::Fixed { attempts, delay } => write!(f, "fixed:{attempts},{}", Compact(delay)),
            RestartStrategy::Exponential { initial, max, reset_after } => {
                write!(f, "exponential:{},{},{}", Compact(initial), Compact(max), Compact(reset_after))
            }
        }
    }
}

/// A duration without spaces: `1m30s`.
struct Compact(Duration);

impl fmt::Display for Compact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&humantime::format_duration(self.0).to_string().replace(' ', ""))
    }
}

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Start again after this long.
    RestartAfter(Duration),
    /// End with the error.
    GiveUp,
}

/// Counts the failures of one run of a job's executable.
#[derive(Clone, Debug)]
pub struct Restarts {
    strategy: RestartStrategy,
    count: u32,
    /// The last failure: when it was, and how long the job then waited. Only what it ran since the wait is running.
    last: Option<(Duration, Duration)>,
}

impl Restarts {
    /// No failure has happened yet.
    pub fn new(strategy: RestartStrategy) -> Restarts {
        Restarts { strategy, count: 0, last: None }
    }

    /// The job has failed at `now`, on a clock that never goes back.
    pub fn on_failure(&mut self, now: Duration) -> Decision {
        let delay = match self.strategy {
            RestartStrategy::None => return Decision::GiveUp,
            RestartStrategy::Fixed { attempts, .. } if self.count >= attempts => return Decision::GiveUp,
            RestartStrategy::Fixed { delay, .. } => delay,
            RestartStrategy::Exponential { initial, max, reset_after } => match self.last {
                Some((at, delay)) if now < at.saturating_add(delay).saturating_add(reset_after) => {
                    delay.saturating_mul(2).min(max)
                }
                _ => initial,
            },
        };
        self.count += 1;
        self.last = Some((now, delay));
        Decision::RestartAfter(delay)
    }

    /// How often the job was started again.
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;

    fn parse(text: &str) -> RestartStrategy {
        text.parse().unwrap()
    }

    #[test]
    fn a_strategy_is_displayed_as_it_is_written() {
        for text in ["none", "fixed:3,1s", "fixed:1,0s", "exponential:500ms,1m30s,10m"] {
            assert_eq!(parse(text).to_string(), text);
        }
        assert_eq!(parse("exponential:1s,1m").to_string(), "exponential:1s,1m,1h");
        assert_eq!(parse("fixed: 3, 1s"), RestartStrategy::Fixed { attempts: 3, delay: secs(1) });
    }

    #[test]
    fn what_is_no_strategy_is_refused_with_the_reason() {
        for (text, reason) in [
            ("", "expected none, fixed:N,DELAY"),
            ("always", "expected none"),
            ("none:3", "expected none"),
            ("fixed:3", "for example fixed:3,1s"),
            ("fixed:x,1s", "\"x\" is none"),
            ("fixed:0,1s", "is written none"),
            ("fixed:3,1", "\"1\" is not a duration like 500ms or 1m"),
            ("exponential:0s,1m", "can't double"),
            ("exponential:1m,1s", "(1s) is shorter than the first (60s)"),
        ] {
            let error = text.parse::<RestartStrategy>().unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn none_gives_up_at_once() {
        assert_eq!(Restarts::new(RestartStrategy::None).on_failure(secs(1)), Decision::GiveUp);
    }

    #[test]
    fn fixed_restarts_so_many_times_in_all_however_long_the_job_ran_between() {
        let mut restarts = Restarts::new(parse("fixed:2,3s"));
        assert_eq!(restarts.on_failure(secs(1)), Decision::RestartAfter(secs(3)));
        assert_eq!(restarts.on_failure(secs(100_000)), Decision::RestartAfter(secs(3)));
        assert_eq!(restarts.on_failure(secs(200_000)), Decision::GiveUp);
        assert_eq!(restarts.count(), 2);
    }

    #[test]
    fn exponential_doubles_up_to_its_maximum() {
        let mut restarts = Restarts::new(parse("exponential:1s,5s,1m"));
        let delays = [1, 2, 4, 5, 5].map(|delay| Decision::RestartAfter(secs(delay)));
        assert_eq!([1, 3, 6, 11, 17].map(|now| restarts.on_failure(secs(now))), delays);
    }

    #[test]
    fn exponential_begins_again_after_it_ran_long_enough_not_counting_the_wait() {
        let mut restarts = Restarts::new(parse("exponential:1s,5s,1m"));
        restarts.on_failure(secs(0));
        assert_eq!(restarts.on_failure(millis(60_999)), Decision::RestartAfter(secs(2)));
        // It ran again from 62.999 s on.
        assert_eq!(restarts.on_failure(millis(122_998)), Decision::RestartAfter(secs(4)));
        assert_eq!(restarts.on_failure(millis(186_998)), Decision::RestartAfter(secs(1)));
    }
}
