//! Records that go from two workers to two workers by their key, beside two threads that do nothing else.
//!
//! ```text
//! cargo bench -p tidegate --bench exchange
//! ```
//!
//! Half of the records of each worker belong to the other one. There is no exchange without a keyed operator behind it: this one has
//! few keys, so that its rows are in the first cache, and emits their count. The two threads hash a record as the job does, gather it
//! in a batch of 1,024 for its owner, send that through a ring or a channel, and add one to the count of its key. A thread keeps
//! its own records, as a worker does; nothing is given back to be filled again.

use std::process::ExitCode;
use std::sync::mpsc;

use clap::Parser;
use support::{Given, Marks, Pairs, Ran, Summed, heading, nanos_of, time, uniform};
use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;

mod support;

/// Measures the exchange between two workers beside two threads
#[derive(Parser, Debug)]
struct Args {
    /// Number of records
    #[arg(long, default_value_t = 20_000_000)]
    records: u64,

    /// Number of keys
    #[arg(long, default_value_t = 256)]
    keys: u64,

    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const WORKERS: u32 = 2;
const BATCH: usize = 1_024;
/// Batches that may wait.
const WAITING: usize = 8;

#[state(key = u64)]
#[derive(Default)]
struct Tally {
    count: u64,
}

#[operator]
fn count(_key: u64, tally: &mut Tally) -> u64 {
    tally.count += 1;
    tally.count
}

fn splits(args: &Args) -> Vec<Vec<u64>> {
    let split = |split: u64| (split..args.records).step_by(WORKERS as usize).map(|n| uniform(n, args.keys));
    (0..u64::from(WORKERS)).map(|number| split(number).collect()).collect()
}

fn job(splits: Vec<Vec<u64>>) -> Result<Ran> {
    let (marks, sum) = (Marks::behind(0), Summed::default());
    let given = Given::of(splits, &marks);
    support::run(&support::on_the_heap(WORKERS)?, |job| {
        let keyed = job.source("keys", given).key_by(|key: &u64| *key);
        keyed.process("count", Count).sink("sum", sum.clone());
    })?;
    Ok((marks.time(), sum.sum()))
}

type Batch = Vec<u64>;

/// Where a thread sends batches to.
trait Outlet: Send {
    /// The batch, if there is no room.
    fn try_send(&mut self, batch: Batch) -> Option<Batch>;
}

/// Where a thread has batches from.
trait Inlet: Send {
    /// `Err` if there will be no more.
    fn try_receive(&mut self) -> Result<Option<Batch>, ()>;
}

impl Outlet for rtrb::Producer<Batch> {
    fn try_send(&mut self, batch: Batch) -> Option<Batch> {
        self.push(batch).err().map(|rtrb::PushError::Full(batch)| batch)
    }
}

impl Inlet for rtrb::Consumer<Batch> {
    fn try_receive(&mut self) -> Result<Option<Batch>, ()> {
        // Whether it is the end must be asked first: a last batch may come in between.
        let is_end = self.is_abandoned();
        match self.pop() {
            Ok(batch) => Ok(Some(batch)),
            Err(_) if is_end => Err(()),
            Err(_) => Ok(None),
        }
    }
}

impl Outlet for mpsc::SyncSender<Batch> {
    fn try_send(&mut self, batch: Batch) -> Option<Batch> {
        match mpsc::SyncSender::try_send(self, batch) {
            Err(mpsc::TrySendError::Full(batch)) => Some(batch),
            _ => None,
        }
    }
}

impl Inlet for mpsc::Receiver<Batch> {
    fn try_receive(&mut self) -> Result<Option<Batch>, ()> {
        match self.try_recv() {
            Ok(batch) => Ok(Some(batch)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(()),
        }
    }
}

/// The counts of a thread.
struct Counts {
    of_key: Vec<u64>,
    sum: u64,
}

impl Counts {
    #[inline]
    fn add(&mut self, key: u64) {
        let count = &mut self.of_key[key as usize];
        *count += 1;
        self.sum += *count;
    }

    /// Takes one batch, if there is one. `Err` if there will be no more.
    fn take(&mut self, inlet: &mut impl Inlet) -> Result<bool, ()> {
        let batch = inlet.try_receive()?;
        let is_some = batch.is_some();
        batch.into_iter().flatten().for_each(|key| self.add(key));
        Ok(is_some)
    }
}

/// What one of the two threads does. What it emits in all.
fn thread(own: u32, keys: Vec<u64>, distinct: u64, mut outlet: impl Outlet, mut inlet: impl Inlet) -> u64 {
    let max = MaxParallelism::DEFAULT;
    let both = Parallelism::new(WORKERS, max).expect("there are more key groups than two");
    let mut counts = Counts { of_key: vec![0; distinct as usize], sum: 0 };
    let mut batch = Vec::with_capacity(BATCH);
    let mut send = |mut batch: Batch, counts: &mut Counts| {
        while let Some(back) = outlet.try_send(batch) {
            batch = back;
            if counts.take(&mut inlet) != Ok(true) {
                std::thread::yield_now();
            }
        }
        let _ = counts.take(&mut inlet);
    };
    for key in keys {
        if key.hash().group(max).owner(both, max).0 == own {
            counts.add(key);
        } else {
            batch.push(key);
            if batch.len() == BATCH {
                send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)), &mut counts);
            }
        }
    }
    send(batch, &mut counts);
    drop(outlet);
    while let Ok(some) = counts.take(&mut inlet) {
        if !some {
            std::thread::yield_now();
        }
    }
    counts.sum
}

/// Two threads; `channel` makes what leads from one to the other.
fn by_hand<O: Outlet, I: Inlet>(splits: Vec<Vec<u64>>, keys: u64, channel: fn() -> (O, I)) -> Result<Ran> {
    let ((to_first, at_first), (to_second, at_second)) = (channel(), channel());
    let mut splits = splits.into_iter();
    let mut next = || splits.next().unwrap_or_default();
    let (first, second) = (next(), next());
    let (took, sums) = time(|| {
        std::thread::scope(|scope| {
            let other = scope.spawn(move || thread(1, second, keys, to_first, at_second));
            let sum = thread(0, first, keys, to_second, at_first);
            other.join().map(|other| sum + other)
        })
    });
    Ok((took, sums.map_err(|_| Error::failure("a thread of the loop has panicked"))?))
}

fn run(args: &Args) -> Result<()> {
    heading("two workers, by key", "ns/record");
    let job = || job(splits(args));
    let rings = || by_hand(splits(args), args.keys, || rtrb::RingBuffer::new(WAITING));
    Pairs::run(args.repetitions, job, rings)?.show("beside rings (rtrb)", nanos_of(args.records));
    let channels = || by_hand(splits(args), args.keys, || mpsc::sync_channel(WAITING));
    Pairs::run(args.repetitions, job, channels)?.show("beside channels (mpsc)", nanos_of(args.records));
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
