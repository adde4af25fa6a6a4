//! How late results are while a job is under load: a sliding count over many keys, exactly once, a snapshot every second.
//!
//! ```text
//! cargo bench -p tidegate --bench latency -- --rate 1000000 --keys 100000 --seconds 20
//! ```
//!
//! Record i is due at i / rate, and that is its event time, too; whoever is behind hands the records out that are due, and none is
//! left out because the job was slow. A result is late by the time from when its window should have been complete, by that
//! schedule, until the sink has it, or one of the few that come right after it. So what waits behind a pause counts with all of its waiting: there is no coordinated omission.
//! The first seconds, until the first windows are full, are left out. First the job runs as fast as it can, to see of what the
//! rate is the half.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use clap::Parser;
use hdrhistogram::Histogram;
use support::{RunOptions, say, uniform};
use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};
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

/// How late results are by the schedule.
#[derive(Clone)]
struct Lateness {
    clock: Clock,
    /// When the first record was handed out: the pace is counted from there.
    began: Arc<OnceLock<Duration>>,
    /// Where the schedule ends; unless there is one, nothing is late.
    end: Option<EventTime>,
    all: Arc<Mutex<Histogram<u64>>>,
}

impl Settle for Lateness {
    fn describe(&self) -> String {
        "how late it is".to_string()
    }

    /// The process runs once and is not restored.
    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl Sink<TimeWindow> for Lateness {
    type Writer = LatenessWriter;

    fn open(&self, _: &SinkContext) -> Result<LatenessWriter> {
        Ok(LatenessWriter { own: histogram()?, sink: self.clone(), together: (EventTime::MIN, 0) })
    }
}

/// Notes them in one subtask: what is shared is waited for at snapshots only.
struct LatenessWriter {
    sink: Lateness,
    own: Histogram<u64>,
    /// Results of the window that ends then which have come and are not noted: so many.
    together: (EventTime, u64),
}

/// So many results are noted together, all with the time at which the last of them came: to read the clock takes as long as much of
/// what is measured.
const TOGETHER: u64 = 16;

impl LatenessWriter {
    /// Notes those that wait.
    fn note(&mut self) {
        let (end, results) = (self.together.0, std::mem::take(&mut self.together.1));
        if results > 0 {
            let began = self.sink.began.get().copied().unwrap_or_default();
            let due = began + Duration::from_millis(end.as_millis() as u64);
            let late_by = self.sink.clock.monotonic().saturating_sub(due);
            self.own.saturating_record_n(late_by.as_micros() as u64, results);
        }
    }
}

impl SinkWriter<TimeWindow> for LatenessWriter {
    #[inline]
    fn write(&mut self, window: TimeWindow) -> Result<()> {
        let Some(end) = self.sink.end else { return Ok(()) };
        let (is_full, is_whole) = (window.start >= EventTime::from_millis(0), window.end <= end);
        if is_full && is_whole {
            if self.together.0 != window.end {
                self.note();
                self.together.0 = window.end;
            }
            self.together.1 += 1;
            if self.together.1 == TOGETHER {
                self.note();
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.note();
        Ok(())
    }

    fn pre_commit(&mut self, _: SnapshotId) -> Result<Option<Pending>> {
        self.note();
        let mut all = self.sink.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.add(&self.own).map_err(|error| Error::failure(error.to_string()))?;
        self.own.reset();
        Ok(None)
    }

    fn commit(&mut self, _: &Pending) -> Result<()> {
        Ok(())
    }
}

/// Of microseconds, up to a minute.
fn histogram() -> Result<Histogram<u64>> {
    Histogram::new_with_max(60_000_000, 3).map_err(|error| Error::failure(error.to_string()))
}

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
    let sink = Lateness {
        clock: clock.clone(),
        began: Arc::default(),
        end: paced.then(|| at(records)),
        all: Arc::new(Mutex::new(histogram()?)),
    };
    let (noted, timer) = (Arc::clone(&sink.began), clock.clone());
    let start = move |record: (u64, EventTime)| {
        if record.1 == EventTime::from_millis(0) {
            noted.get_or_init(|| timer.monotonic());
        }
        record
    };
    let (began_at, lateness) = (clock.monotonic(), sink.clone());
    support::run(&options, |job| {
        job.source("records", source)
            .map(start)
            .event_time(|record| record.1, Watermarks::bounded(Duration::ZERO))
            .key_by(|record| record.0)
            .window(Sliding::of(SIZE).every(SLIDE))
            .aggregate("counts", Count)
            .map(|count| count.window)
            .sink("lateness", lateness);
    })?;
    let took = clock.monotonic() - began_at;
    let all = sink.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
    scratch.close()?;
    Ok((took, all))
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
