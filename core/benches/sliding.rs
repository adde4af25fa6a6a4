//! What a record costs in sliding windows, by how many of them it is in: size / slide = 5, 60, 3600.
//!
//! ```text
//! cargo bench -p tidegate --bench sliding
//! ```
//!
//! One operator, one thread, 100 keys, sums; ten records of each key per slide, so that there are many firings too.

#![allow(clippy::print_stdout, clippy::disallowed_methods)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use tidegate::Result;
use tidegate::aggregate::Sum;
use tidegate::state::backend::StateBackend;
use tidegate::testing::Subtasks;
use tidegate::time::EventTime;
use tidegate::window::{Sliding, Windowing};

const KEYS: i64 = 100;
const PER_KEY_AND_SLIDE: i64 = 10;
const SLIDE: i64 = 1_000;
/// Until the windows are full, and then as many slides again.
const SLIDES: i64 = 4_000;

/// Nanoseconds a record.
fn measure(ratio: i64) -> Result<f64> {
    let windows =
        Sliding::of(Duration::from_millis((ratio * SLIDE) as u64)).every(Duration::from_millis(SLIDE as u64));
    let operator = Windowing::of(windows).aggregate(Sum::of(|(_, price): &(u64, u64)| *price));
    let store = Arc::new(StateBackend::heap());
    let mut subtasks = Subtasks::new(operator, |(key, _): &(u64, u64)| *key, 1, &store)?;
    let mut spent = Duration::ZERO;
    for slide in 0..2 * SLIDES {
        let records = (0..KEYS * PER_KEY_AND_SLIDE).map(|n| {
            let at = slide * SLIDE + n * SLIDE / (KEYS * PER_KEY_AND_SLIDE);
            (((n * 7919 % KEYS) as u64, n as u64), EventTime::from_millis(at))
        });
        let records: Vec<_> = records.collect();
        let began = Instant::now();
        subtasks.push(records)?;
        subtasks.advance_watermark(EventTime::from_millis((slide + 1) * SLIDE - 1))?;
        if slide >= SLIDES {
            spent += began.elapsed();
        }
        subtasks.take_output();
    }
    Ok(spent.as_nanos() as f64 / (SLIDES * KEYS * PER_KEY_AND_SLIDE) as f64)
}

fn main() -> Result<()> {
    // The best of three: what is else going on only adds.
    let best = |ratio| {
        (0..3).map(|_| measure(ratio)).try_fold(f64::MAX, |best, this| this.map(|this| best.min(this)))
    };
    let costs = [5, 60, 3600].map(|ratio| best(ratio).map(|nanos| (ratio, nanos)));
    let mut extremes = (f64::MAX, f64::MIN);
    for cost in costs {
        let (ratio, nanos) = cost?;
        println!("size / slide = {ratio:>4}: {nanos:.0} ns a record");
        extremes = (extremes.0.min(nanos), extremes.1.max(nanos));
    }
    println!("the dearest is {:.2} times the cheapest", extremes.1 / extremes.0);
    Ok(())
}
