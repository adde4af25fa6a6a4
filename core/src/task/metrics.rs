//! Counters that workers write once per batch or barrier, and that the progress display and the summary read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the subtasks of all sources have read.
#[derive(Debug, Default)]
pub struct SourceMetrics {
    /// Records read in this attempt.
    pub records: AtomicU64,
    /// Bytes read, as they lie in the source.
    pub bytes: AtomicU64,
}

/// For how long tasks stood still at barriers, all of them since the run began.
#[derive(Debug)]
pub(crate) struct PauseMetrics {
    /// How many pauses there were of about each length: four buckets for every power of two nanoseconds.
    buckets: [AtomicU64; BUCKETS],
    max_nanos: AtomicU64,
}

const BUCKETS: usize = 252;

/// For how long tasks stood still at barriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pauses {
    /// How many pauses there were: one for every task at every barrier.
    pub count: u64,
    /// All but one in a hundred were no longer than this; up to a quarter too much.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Default for PauseMetrics {
    fn default() -> PauseMetrics {
        PauseMetrics { buckets: [const { AtomicU64::new(0) }; BUCKETS], max_nanos: AtomicU64::new(0) }
    }
}

impl PauseMetrics {
    pub fn record(&self, pause: Duration) {
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.max_nanos.fetch_max(nanos, Ordering::Relaxed);
    }

    /// What there has been so far.
    pub fn read(&self) -> Pauses {
        let counts = self.buckets.each_ref().map(|count| count.load(Ordering::Relaxed));
        let count: u64 = counts.iter().sum();
        let max = self.max_nanos.load(Ordering::Relaxed);
        let mut longer = count;
        let p99 = counts.iter().position(|in_bucket| {
            longer -= in_bucket;
            longer.saturating_mul(100) <= count
        });
        let p99 = p99.map_or(0, |bucket| longest_in(bucket).min(max));
        Pauses { count, p99: Duration::from_nanos(p99), max: Duration::from_nanos(max) }
    }
}

/// The bucket of a pause.
fn bucket(nanos: u64) -> usize {
    if nanos < 4 {
        return nanos as usize;
    }
    let exponent = nanos.ilog2();
    (exponent as usize - 1) * 4 + (nanos >> (exponent - 2) & 3) as usize
}

/// The longest pause that belongs into a bucket, in nanoseconds.
fn longest_in(bucket: usize) -> u64 {
    if bucket < 4 {
        return bucket as u64;
    }
    let (exponent, quarter) = (bucket / 4 + 1, bucket as u128 % 4);
    u64::try_from(((quarter + 5) << (exponent - 2)) - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    #[test]
    fn every_pause_is_in_the_bucket_that_ends_with_the_longest_one_like_it() {
        for nanos in (0..10_000).chain([1 << 20, 5 << 40, u64::MAX - 1, u64::MAX]) {
            let bucket = bucket(nanos);
            assert!(nanos <= longest_in(bucket) && bucket < BUCKETS, "{nanos}");
            assert!(bucket == 0 || nanos > longest_in(bucket - 1), "{nanos}");
            assert!(longest_in(bucket) - nanos <= nanos / 4, "{nanos}");
        }
    }

    #[test]
    fn a_hundred_pauses_are_no_longer_than_the_99th_but_for_one() {
        let metrics = PauseMetrics::default();
        assert_eq!(metrics.read(), Pauses::default());
        (1..=99).for_each(|n| metrics.record(millis(n)));
        metrics.record(secs(3));
        let Pauses { count, p99, max } = metrics.read();
        assert_eq!((count, max), (100, secs(3)));
        assert!(p99 >= millis(99) && p99 < millis(125), "{p99:?}");
        metrics.record(secs(3));
        assert_eq!(metrics.read().p99, secs(3));
    }
}
