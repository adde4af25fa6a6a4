//! Chance that can be repeated.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The environment variable that repeats a run.
const VARIABLE: &str = "TIDEGATE_SEED";

/// SplitMix64: a generator that a seed decides.
pub struct Random(u64);

impl Random {
    /// A generator for `test`, whose seed and how to repeat it are printed; the test's output is shown if it fails.
    pub fn of_test(test: &str) -> Random {
        let seed = match std::env::var(VARIABLE) {
            Ok(text) => text.parse().unwrap_or_else(|_| panic!("{VARIABLE}={text} is not a number")),
            Err(_) => RandomState::new().hash_one(test),
        };
        eprintln!(
            "seed {seed}; to repeat: {VARIABLE}={seed} cargo test -p tidegate-tests --test suites {test}"
        );
        Random(seed)
    }

    /// A generator with a seed of its own.
    pub fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A time from `min` to `max` milliseconds.
    pub fn millis(&mut self, min: u64, max: u64) -> Duration {
        Duration::from_millis(min + self.below(max - min + 1))
    }

    /// One of several.
    pub fn one_of<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }
}
