//! The per-record path makes no allocation of ours: what is allocated is allocated per batch, per key and per job.
//!
//! A binary of its own, because the crate that counts is the allocator of the whole process. It counts what the calling
//! thread allocates; a [`TestJob`] is all in that thread.

// All of it is tests, though clippy only knows those that are marked: what fails panics, and what is printed is shown then.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::io::Write;

use allocation_counter::measure;
use tidegate::prelude::*;
use tidegate::testing::TestJob;

/// Allocations per record of a job with one worker, whose only snapshot is that at the end.
fn per_record(records: u64, wire: impl FnOnce(&Job) -> Result<()>) -> f64 {
    let job = TestJob::new("measured", wire).unwrap().snapshot_interval(secs(1 << 30));
    let allocated = measure(move || {
        job.run().unwrap();
    });
    let per_record = allocated.count_total as f64 / records as f64;
    println!("{} allocations for {records} records: {per_record:.4} per record", allocated.count_total);
    per_record
}

#[state(key = u64)]
#[derive(Default)]
struct Sum {
    sum: u64,
}

struct AddUp;

#[operator]
impl AddUp {
    fn on_event(&self, n: u64, sum: &mut Sum, cx: &mut Context<Self>) {
        if sum.sum == 0 {
            cx.set_timer(EventTime::MAX, Done);
        }
        sum.sum += n;
    }

    fn on_timer(&self, _: Done, sum: &mut Sum, cx: &mut Context<Self>, out: &mut impl Emit<(u64, u64)>) {
        out.emit((*cx.key(), sum.sum));
    }
}

#[event]
struct Done;

#[test]
fn a_job_over_numbers_allocates_per_batch_and_not_per_record() {
    const RECORDS: u64 = 1_000_000;
    let results = Collect::new();
    let allocations = per_record(RECORDS, |job| {
        job.source("numbers", Generate::new(RECORDS, |n| n))
            .event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(secs(1)))
            .filter(|n| n % 8 != 0)
            .map(|n| n + 1)
            .key_by(|n| n % 1000)
            .process("add-up", AddUp)
            .sink("sums", results.clone());
        Ok(())
    });
    let sum: u64 = results.take().iter().map(|(_, sum)| sum).sum();
    assert_eq!(sum, (0..RECORDS).filter(|n| n % 8 != 0).map(|n| n + 1).sum::<u64>());
    assert!(allocations < 0.02, "{allocations:.4} allocations per record");
}

#[test]
fn windows_allocate_per_slice_and_key_and_not_per_record() {
    const RECORDS: u64 = 1_000_000;
    let results = Collect::new();
    let allocations = per_record(RECORDS, |job| {
        job.source("numbers", Generate::new(RECORDS, |n| n))
            .event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(secs(1)))
            .key_by(|n| n % 10)
            .window(Sliding::of(secs(60)).every(secs(10)))
            .aggregate("counts", (Count, Max::of(|n: &u64| *n)))
            .sink("counts", results.clone());
        Ok(())
    });
    let counted: u64 = results.take().iter().map(|counted| counted.value.0).sum();
    assert_eq!(counted, 6 * RECORDS);
    assert!(allocations < 0.02, "{allocations:.4} allocations per record");
}

#[event(time = at)]
struct Visit {
    user: String,
    at: EventTime,
}

fn parse(line: Line) -> Result<Visit, BadLine> {
    let (user, at) = line.parse(|text| {
        let mut words = text.split(' ');
        let both = words.next().zip(words.next().and_then(|at| at.parse().ok()));
        both.ok_or("expected a user and a time")
    })?;
    Ok(Visit { user: user.to_string(), at: EventTime::from_millis(at) })
}

#[state(key = String)]
#[derive(Default)]
struct Visits {
    visits: u64,
    last: Option<EventTime>,
}

/// Counts the visits of a user, and emits a count when the user has been away for a while.
struct CountVisits;

#[event]
struct Look;

#[operator]
impl CountVisits {
    fn on_event(&self, visit: Visit, visits: &mut Visits, cx: &mut Context<Self>) {
        if visits.last.is_none() {
            cx.set_timer(visit.at + minutes(30), Look);
        }
        visits.visits += 1;
        visits.last = visits.last.max(Some(visit.at));
    }

    fn on_timer(&self, _: Look, visits: &mut Visits, cx: &mut Context<Self>, out: &mut impl Emit<u64>) {
        match visits.last {
            Some(last) if last + minutes(30) > cx.event_time() => {
                cx.set_timer(last + minutes(30), Look);
            }
            _ => {
                out.emit(visits.visits);
                cx.clear_state();
            }
        }
    }
}

#[test]
fn a_job_over_the_lines_of_a_log_allocates_what_the_user_asks_for_and_nothing_per_record() {
    const RECORDS: u64 = 300_000;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut log = std::io::BufWriter::new(file.as_file_mut());
    for n in 0..RECORDS {
        let user = n % 1_000;
        writeln!(
            log,
            "10.0.{}.{} {} \"GET /page/{n} HTTP/1.1\" 200 {}",
            user / 250,
            user % 250,
            n * 10,
            n % 7_000
        )
        .unwrap();
    }
    log.flush().unwrap();
    drop(log);
    let (results, rejects) = (Collect::new(), Collect::new());
    let allocations = per_record(RECORDS, |job| {
        let (visits, bad) = job.source("log", Lines::open([file.path()])).try_map(parse);
        visits
            .watermarks(Watermarks::bounded(secs(60)))
            .key_by_ref(|visit| &visit.user)
            .process("count-visits", CountVisits)
            .sink("visits", results.clone());
        bad.sink("bad", rejects.clone());
        Ok(())
    });
    assert!(rejects.take().is_empty());
    assert_eq!(results.take().iter().sum::<u64>(), RECORDS);
    assert!(
        allocations < 1.05,
        "{allocations:.4} allocations per record, of which 1 is the name of the user"
    );
}
