//! Which key comes when, and when what is measured began. All records are a function of their number:
//!
//! | records     | of which keys                                    | what for                                           |
//! |-------------|--------------------------------------------------|----------------------------------------------------|
//! | `--keys`    | each once                                        | afterwards all keys exist                          |
//! |             |                                                  | a pause until a snapshot has all of them, most in one layer |
//! | 4,096,000   | a hundredth of all                               | not measured: the job is under way again           |
//! | `--updates` | *1 % of keys*: a hundredth of all, all as often  | measured                                           |
//! | `--updates` | *zipf*: that of rank r in proportion to 1/r      | measured                                           |
//! | `--updates` | *uniform*: all as often                          | measured                                           |

use std::time::Duration;

use tidegate::time::Clock;

use super::support::thread_cpu;
use super::support::updates::{Distribution, Keys, sum_of_counts};

/// How many updates come between the making of the keys and the first that is measured.
const SETTLING: u64 = 4_096_000;

/// What is measured, in this order, and what it is called.
pub const MEASURED: [(Distribution, &str); 3] = [
    (Distribution::Hundredth, "1 % of keys"),
    (Distribution::Zipf, "zipf"),
    (Distribution::Uniform, "uniform"),
];

/// Which key a record is of, and which part of the records it belongs to.
#[derive(Clone, Copy)]
pub struct Script {
    pub keys: u64,
    pub updates: u64,
}

/// A part of the records of a script, and the number of a record in it.
pub enum Part {
    Making(u64),
    Settling,
    Measured(Distribution, u64),
}

impl Script {
    pub fn records(self) -> u64 {
        self.keys + SETTLING + self.updates * MEASURED.len() as u64
    }

    pub fn part(self, record: u64) -> Part {
        if record < self.keys {
            return Part::Making(record);
        }
        let update = record - self.keys;
        if update < SETTLING {
            return Part::Settling;
        }
        let (part, number) = ((update - SETTLING) / self.updates, (update - SETTLING) % self.updates);
        Part::Measured(MEASURED[part as usize].0, number)
    }

    pub fn key(self, record: u64) -> u64 {
        match self.part(record) {
            Part::Making(number) => number,
            Part::Settling => self.of(Distribution::Hundredth, record),
            Part::Measured(distribution, _) => self.of(distribution, record),
        }
    }

    fn of(self, distribution: Distribution, record: u64) -> u64 {
        Keys { count: self.keys, distribution }.of_update(record)
    }

    /// What all records together emit.
    pub fn sum(self) -> u64 {
        sum_of_counts(self.keys, (0..self.records()).map(|record| self.key(record)))
    }
}

/// When a part of the records began.
#[derive(Clone, Copy)]
pub struct Mark {
    pub at: Duration,
    /// What the worker's thread has had of a CPU.
    pub cpu: Option<Duration>,
}

impl Mark {
    pub fn now(clock: &Clock) -> Mark {
        Mark { at: clock.monotonic(), cpu: thread_cpu() }
    }
}
