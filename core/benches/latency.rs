//! How late results are while a job is under load: a sliding count over many keys, exactly once, a snapshot every second.
//!
//! ```text
//! cargo bench -p tidegate --bench latency -- --rate 1000000 --keys 100000 --seconds 20
//! ```
//!
//! Record i is due at i / rate, and that is its event time, too; whoever is behind hands the records out that are due, and none is
//! left out because the job was slow. A result is late by the time from when its window should have been complete, by that
//! schedule, until the sink has it. So what waits behind a pause counts with all of its waiting: there is no coordinated omission.
//! The first seconds, until the first windows are full, are left out. First the job runs as fast as it can, to see of what the
//! rate is the half.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use hdrhistogram::Histogram;
use support::{RunOptions, say, uniform};
use tidegate::prelude::*;
use tidegate::time::Clock;

mod support;

const SIZE: Duration = secs(2);
const SLIDE: Duration = millis(500);

/// Measures how late results are under load
#[derive(Parser, Debug)]
struct Args {
    /// Number of keys
    #[arg(long, default_value_t = 100_000)]
    keys: u64,

    /// Records a second; half of what the job can do, if nothing is said
    #[arg(long)]
    rate: Option<u64>,

    /// How long to measure
    #[arg(long, default_value_t = 20)]
    seconds: u64,

    /// Time between two snapshots
    #[arg(long, value_parser = humantime::parse_duration, default_value = "1s")]
    snapshot_interval: Duration,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// A record in a second of event time, while it is found out how many the job can do.
const RATE_OF_TRIAL: u64 = 1_000_000;

fn run(args: &Args, rate: u64, records: u64, paced: bool) -> Result<(Duration, Histogram<u64>)> {
    let scratch = tempfile::Builder::new().prefix("tidegate-latency-").tempdir()?;
    let options = RunOptions {
        state_dir: Some(scratch.path().join("state")),
        snapshot_dir: Some(scratch.path().join("snapshots")),
        snapshot_interval: args.snapshot_interval,
        ..RunOptions::default()
    };
    let clock = Clock::system();
    let keys = args.keys;
    let at = move |number: u64| EventTime::from_millis((u128::from(number) * 1000 / u128::from(rate)) as i64);
    let source = Generate::new(records, move |number| (uniform(number, keys), at(number)));
    let source = if paced { source.rate(rate as f64) } else { source };
    // Processing time begins with the first record: the pace is counted from there.
    let began = Arc::new(Mutex::new(None::<Duration>));
    let histogram = Histogram::<u64>::new(3).map_err(|error| Error::failure(error.to_string()))?;
    let histogram = Arc::new(Mutex::new(histogram));
    let (noted, timer) = (Arc::clone(&began), clock.clone());
    let start = move |record: (u64, EventTime)| {
        if record.1 == EventTime::from_millis(0) {
            noted.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| timer.monotonic());
        }
        record
    };
    let (first, timer, late) = (Arc::clone(&began), clock.clone(), Arc::clone(&histogram));
    let end_of_schedule = at(records);
    let note = move |window: TimeWindow| {
        let (is_full, is_whole) = (window.start >= EventTime::from_millis(0), window.end <= end_of_schedule);
        if !(paced && is_full && is_whole) {
            return;
        }
        let began = first.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or_default();
        let due = began + Duration::from_millis(window.end.as_millis() as u64);
        let late_by = timer.monotonic().saturating_sub(due);
        let _ = late.lock().unwrap_or_else(PoisonError::into_inner).record(late_by.as_micros() as u64);
    };
    let began_at = clock.monotonic();
    support::run(&options, |job| {
        job.source("records", source)
            .map(start)
            .event_time(|record| record.1, Watermarks::bounded(Duration::ZERO))
            .key_by(|record| record.0)
            .window(Sliding::of(SIZE).every(SLIDE))
            .aggregate("counts", Count)
            .map(move |count| note(count.window))
            .discard();
    })?;
    let took = clock.monotonic() - began_at;
    let histogram = histogram.lock().unwrap_or_else(PoisonError::into_inner).clone();
    scratch.close()?;
    Ok((took, histogram))
}

fn measure(args: &Args) -> Result<()> {
    let rate = match args.rate {
        Some(rate) => rate,
        None => {
            let records = 10 * RATE_OF_TRIAL;
            let (took, _) = run(args, RATE_OF_TRIAL, records, false)?;
            let most = records as f64 / took.as_secs_f64();
            say(&format!("as fast as it can: {:.2} M records/s", most / 1e6));
            (most / 2.0) as u64
        }
    };
    let (_, late) = run(args, rate, rate * args.seconds, true)?;
    say(&format!("{:.2} M records/s, {} results", rate as f64 / 1e6, late.len()));
    let millis = |micros: u64| micros as f64 / 1e3;
    for percentile in [50.0, 99.0, 99.9, 99.99] {
        say(&format!("p{percentile:<6} {:>9.3} ms", millis(late.value_at_percentile(percentile))));
    }
    say(&format!("max     {:>9.3} ms", millis(late.max())));
    Ok(())
}

fn main() -> ExitCode {
    support::end(measure(&Args::parse()))
}
