//! Crash points: places in the snapshot protocol where a test can have the process die.
//!
//! The environment variable `TIDEGATE_CRASH_AT` names one of [`POINTS`]: the process aborts the first time it gets there,
//! or the n-th time with `<point>:<n>`. It dies as under `kill -9`: no destructor runs, nothing is flushed. Without the
//! variable a point costs one load. What a crash leaves behind must never be taken for a complete snapshot; the torture
//! suite dies at each point in turn to show it.

use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::Error;

/// The environment variable that arms a point: `before-commit`, or `before-commit:3` for the third time.
pub const VARIABLE: &str = "TIDEGATE_CRASH_AT";

/// The barrier has arrived; nothing of a subtask's state is on disk.
pub const BEFORE_STATE_WRITE: &str = "before-state-write";
/// A state file is written, but not yet durable.
pub const AFTER_STATE_WRITE: &str = "after-state-write";
/// All state files are durable; there is no manifest.
pub const BEFORE_MANIFEST: &str = "before-manifest";
/// The manifest is durable; the directory still has its pending name.
pub const AFTER_MANIFEST: &str = "after-manifest";
/// The snapshot is complete; no sink knows.
pub const AFTER_RENAME: &str = "after-rename";
/// An older snapshot is gone; the next state file that only it referred to is not.
pub const DURING_RETENTION: &str = "during-retention";
/// A sink is about to commit.
pub const BEFORE_COMMIT: &str = "before-commit";
/// A sink has committed a part of what is pending.
pub const DURING_COMMIT: &str = "during-commit";
/// A sink has committed.
pub const AFTER_COMMIT: &str = "after-commit";
/// Some of the files of a compaction are written; nobody refers to them.
pub const DURING_COMPACTION: &str = "during-compaction";
/// All files of a compaction are written and taken into account; no snapshot refers to them.
pub const AFTER_COMPACTION: &str = "after-compaction";
/// A subtask has taken back a part of its state.
pub const DURING_RESTORE: &str = "during-restore";

/// Every point, in the order in which a job passes them.
pub const POINTS: [&str; 12] = [
    BEFORE_STATE_WRITE,
    AFTER_STATE_WRITE,
    BEFORE_MANIFEST,
    AFTER_MANIFEST,
    AFTER_RENAME,
    DURING_RETENTION,
    BEFORE_COMMIT,
    DURING_COMMIT,
    AFTER_COMMIT,
    DURING_COMPACTION,
    AFTER_COMPACTION,
    DURING_RESTORE,
];

/// Where and when the process is to die.
#[derive(Debug)]
struct Plan {
    at: &'static str,
    /// How many times the point is still to be passed, the last one included.
    times_left: AtomicU32,
}

impl FromStr for Plan {
    type Err = Error;

    fn from_str(text: &str) -> Result<Plan, Error> {
        let (name, times) = text.split_once(':').unwrap_or((text, "1"));
        let at = POINTS.into_iter().find(|&point| point == name);
        let times = times.parse().ok().filter(|&times| times > 0);
        match (at, times) {
            (Some(at), Some(times)) => Ok(Plan { at, times_left: AtomicU32::new(times) }),
            _ => {
                let names = POINTS.join(", ");
                Err(Error::usage(format!("{VARIABLE}={text} is not a crash point"))
                    .hint(format!("write <point> or <point>:<n>, n from 1; the points are {names}")))
            }
        }
    }
}

impl Plan {
    fn is_due(&self, point: &str) -> bool {
        point == self.at && self.times_left.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

static PLAN: OnceLock<Option<Plan>> = OnceLock::new();

/// The process has come to `point`, one of [`POINTS`]: dies if that is what the environment asks for.
#[inline]
pub fn point(point: &str) {
    debug_assert!(POINTS.contains(&point), "a point that can't be armed: {point}");
    if let Some(plan) = PLAN.get_or_init(planned)
        && plan.is_due(point)
    {
        std::process::abort();
    }
}

/// A plan that can't be understood aborts too: a torture test that never dies would prove nothing.
fn planned() -> Option<Plan> {
    let text = std::env::var(VARIABLE).ok()?;
    match text.parse() {
        Ok(plan) => Some(plan),
        Err(error) => {
            tracing::error!("{error:#}");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_comes_due_the_nth_time_its_point_is_passed_and_only_then() {
        let plan: Plan = "after-rename:2".parse().unwrap();
        assert!(!plan.is_due(AFTER_RENAME));
        assert!(!plan.is_due(BEFORE_COMMIT));
        assert!(plan.is_due(AFTER_RENAME));
    }

    #[test]
    fn a_bare_point_means_the_first_time() {
        assert!("during-restore".parse::<Plan>().unwrap().is_due(DURING_RESTORE));
    }

    #[test]
    fn every_point_is_armed_by_its_name() {
        for point in POINTS {
            assert_eq!(point.parse::<Plan>().unwrap().at, point);
        }
    }

    #[test]
    fn what_names_no_point_is_refused_with_the_names_there_are() {
        for text in ["", "after-lunch", "after-rename:0", "after-rename:often"] {
            let error = format!("{:#}", text.parse::<Plan>().unwrap_err());
            assert!(error.contains("is not a crash point") && error.contains("before-manifest"), "{error}");
        }
    }

    #[test]
    fn a_point_that_is_not_armed_is_passed() {
        point(BEFORE_MANIFEST);
    }
}
