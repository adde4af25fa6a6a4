//! What a record costs in session windows, beside a loop.
//!
//! ```text
//! cargo bench -p tidegate --bench sessions -- --keys 100000
//! ```
//!
//! A tenth of the keys has records for a second of event time, some ten each, in no order; then the next tenth. A session ends
//! after three seconds without a record, and a key comes back after nine: so sessions begin and end all the time, as many as there are
//! keys in ten seconds. Each emits its count, squared, so that two sessions taken for one are seen. The loop keeps a session by
//! key and a heap of the times when it has to look at a key again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::process::ExitCode;

use clap::Parser;
use hashbrown::HashMap;
use support::{Given, Marks, Pairs, Ran, Summed, heading, nanos_of, time, uniform};
use tidegate::prelude::*;

mod support;

/// Measures session windows beside a loop
#[derive(Parser, Debug)]
struct Args {
    /// Numbers of keys
    #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
    keys: Vec<u64>,

    /// Number of records
    #[arg(long, default_value_t = 5_000_000)]
    records: u64,

    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const GAP_MS: i64 = 3_000;
/// As many parts of the keys come one after the other, a second each.
const PARTS: u64 = 10;
const PER_SESSION: u64 = 10;

type Visit = (u64, EventTime);

fn visit(number: u64, keys: u64) -> Visit {
    let of_part = keys.div_ceil(PARTS);
    let a_second = of_part * PER_SESSION;
    let part = number / a_second % PARTS;
    (part * of_part + uniform(number, of_part), EventTime::from_millis((number * 1000 / a_second) as i64))
}

fn job(visits: Vec<Visit>) -> Result<Ran> {
    let (marks, sum) = (Marks::behind(0), Summed::default());
    let given = Given::of(vec![visits], &marks);
    support::run(&support::on_the_heap(1)?, |job| {
        job.source("visits", given)
            .event_time(|visit: &Visit| visit.1, Watermarks::monotonous())
            .key_by(|visit: &Visit| visit.0)
            .window(Session::gap(millis(GAP_MS as u64)))
            .aggregate("sessions", Count)
            .map(|session| session.value * session.value)
            .sink("sum", sum.clone());
    })?;
    Ok((marks.time(), sum.sum()))
}

/// A session that may go on.
struct Open {
    last: i64,
    count: u64,
}

#[derive(Default)]
struct ByHand {
    open: HashMap<u64, Open, foldhash::fast::RandomState>,
    /// When to look at a key again: once for each that is open.
    due: BinaryHeap<Reverse<(i64, u64)>>,
    emitted: u64,
}

impl ByHand {
    #[inline]
    fn take(&mut self, (key, at): Visit) {
        let at = at.as_millis();
        self.advance(at);
        let due = &mut self.due;
        let open = self.open.entry(key).or_insert_with(|| {
            due.push(Reverse((at + GAP_MS, key)));
            Open { last: at, count: 0 }
        });
        open.last = at;
        open.count += 1;
    }

    /// Closes what ends before `now`.
    #[inline]
    fn advance(&mut self, now: i64) {
        while let Some(&Reverse((at, key))) = self.due.peek()
            && at <= now
        {
            self.due.pop();
            match self.open.get(&key) {
                Some(open) if open.last + GAP_MS > now => self.due.push(Reverse((open.last + GAP_MS, key))),
                Some(open) => {
                    self.emitted += open.count * open.count;
                    self.open.remove(&key);
                }
                None => {}
            }
        }
    }
}

fn by_hand(visits: Vec<Visit>) -> Ran {
    let mut by_hand = ByHand::default();
    let (took, ()) = time(|| visits.into_iter().for_each(|visit| by_hand.take(visit)));
    by_hand.advance(i64::MAX - GAP_MS);
    (took, by_hand.emitted)
}

fn run(args: &Args) -> Result<()> {
    heading("session windows", "ns/record");
    for &keys in &args.keys {
        let visits = || (0..args.records).map(|number| visit(number, keys)).collect::<Vec<_>>();
        let pairs = Pairs::run(args.repetitions, || job(visits()), || Ok(by_hand(visits())))?;
        pairs.show(&format!("{keys} keys"), nanos_of(args.records));
    }
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
