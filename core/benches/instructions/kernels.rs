//! The kernels: each does so many records of one kind of work, in one thread, and does the same whenever it is run.
//!
//! Whole jobs run under [`TestJob`], which gives the workers their turns by virtual time, in an order that its seed decides.
//! What a kernel prepares does not depend on the number of records, so it is in no difference between two runs.

use std::hint::black_box;
use std::io::Write;
use std::time::Duration;

use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;
use tidegate::state::backend::StoreKind;
use tidegate::testing::TestJob;

use crate::support::scatter;

/// A piece of work whose instructions are counted.
pub struct Kernel {
    pub name: &'static str,
    /// How many records are enough. With twice as many it is run again.
    pub records: u64,
    work: fn(u64) -> Result<()>,
}

impl Kernel {
    pub fn run(&self, records: u64) -> Result<()> {
        (self.work)(records)
    }
}

const fn kernel(name: &'static str, records: u64, work: fn(u64) -> Result<()>) -> Kernel {
    Kernel { name, records, work }
}

/// All kernels, in the way of a record.
pub const KERNELS: [Kernel; 14] = [
    kernel("lines", 50_000, lines),
    kernel("json-lines", 20_000, json_lines),
    kernel("stateless-chain", 100_000, stateless_chain),
    kernel("owner-of-a-key", 200_000, owner_of_a_key),
    kernel("count-1k-keys", 100_000, |records| count(records, 1_000, 1)),
    kernel("count-100k-keys", 200_000, |records| count(records, 100_000, 1)),
    kernel("count-1k-string-keys", 100_000, count_names),
    kernel("count-two-workers", 100_000, |records| count(records, 1_000, 2)),
    kernel("timer-set-and-fired", 50_000, timers),
    kernel("tumbling-window", 100_000, tumbling),
    kernel("sliding-window", 100_000, sliding),
    kernel("session-window", 100_000, sessions),
    kernel("count-with-snapshots", 256 * BATCH, snapshots),
    kernel("row-restored", 2 * RESTORED * BATCH, restore),
];

fn job(workers: u32, wire: impl FnOnce(&Job)) -> Result<()> {
    let wire = |job: &Job| {
        wire(job);
        Ok(())
    };
    // Only the snapshot at the end.
    let job = TestJob::new("kernel", wire)?.store(StoreKind::Heap).snapshot_interval(NEVER);
    job.parallelism([workers]).run().map(drop)
}

const NEVER: Duration = Duration::from_secs(1 << 30);

// --- sources ---

/// A file of so many lines, of which there are a thousand.
fn file(lines: u64, line: impl Fn(u64) -> String) -> Result<tempfile::NamedTempFile> {
    let block: String = (0..LINES_OF_BLOCK).map(|number| line(scatter(number)) + "\n").collect();
    let mut file = tempfile::NamedTempFile::new()?;
    (0..lines / LINES_OF_BLOCK).try_for_each(|_| file.write_all(block.as_bytes()))?;
    Ok(file)
}

const LINES_OF_BLOCK: u64 = 1_000;

#[event]
struct Visit {
    user: u64,
    page: String,
    bytes: u32,
    at: EventTime,
}

fn visit(chance: u64) -> String {
    let (user, page, bytes) = (chance % 1_000, chance >> 10 & 0xff, chance >> 20 & 0xffff);
    format!(r#"{{"user":{user},"page":"/pages/{page}/index.html","bytes":{bytes},"at":1741770000000}}"#)
}

fn lines(records: u64) -> Result<()> {
    let file = file(records, visit)?;
    job(1, |job| {
        let lines = job.source("visits", Lines::open([file.path()]));
        lines.map(|line| black_box(line.as_bytes().len())).discard();
    })
}

fn json_lines(records: u64) -> Result<()> {
    let file = file(records, visit)?;
    job(1, |job| {
        let (visits, bad) = job.source("visits", Lines::open([file.path()])).try_map(from_json::<Visit>);
        visits.map(|visit| black_box(visit.bytes)).discard();
        bad.discard();
    })
}

// --- chains and keys ---

fn stateless_chain(records: u64) -> Result<()> {
    job(1, |job| {
        let numbers = job.source("numbers", Generate::new(records, |number| number));
        let few = numbers.map(|number| number.wrapping_mul(7)).filter(|number| number % 16 != 0);
        few.flat_map(|number| [number, number + 1]).map(black_box).discard();
    })
}

fn owner_of_a_key(records: u64) -> Result<()> {
    let max = MaxParallelism::DEFAULT;
    let two = Parallelism::new(2, max).unwrap_or(Parallelism::ONE);
    for number in 0..records {
        black_box(black_box(number).hash().group(max).owner(two, max));
    }
    Ok(())
}

#[state(key = u64)]
#[derive(Default)]
struct Tally {
    count: u64,
}

#[operator]
fn count_number(_number: u64, tally: &mut Tally) -> u64 {
    tally.count += 1;
    tally.count
}

/// Every key comes as often; the first of each makes its row.
fn count(records: u64, keys: u64, workers: u32) -> Result<()> {
    job(workers, |job| {
        // An odd factor: each worker gets records of each split.
        let numbers = Generate::new(records, move |number| number.wrapping_mul(7_919) % keys).splits(workers);
        let keyed = job.source("numbers", numbers).key_by(|number: &u64| *number);
        keyed.process("count", CountNumber).map(black_box).discard();
    })
}

#[state(key = String)]
#[derive(Default)]
struct NamedTally {
    count: u64,
}

#[operator]
fn count_name(_name: String, tally: &mut NamedTally) -> u64 {
    tally.count += 1;
    tally.count
}

fn count_names(records: u64) -> Result<()> {
    let names: Vec<String> = (0..1_000).map(|name| format!("key-{name:012}")).collect();
    job(1, |job| {
        let names = Generate::new(records, move |number| names[number as usize % 1_000].clone());
        let keyed = job.source("names", names).key_by_ref(|name: &String| name);
        keyed.process("count", CountName).map(black_box).discard();
    })
}

// --- timers and windows ---

#[event]
struct Due;

struct Remind;

#[operator]
impl Remind {
    fn on_event(&self, _at: (u64, EventTime), tally: &mut Tally, cx: &mut Context<Self>) {
        tally.count += 1;
        cx.set_timer(cx.event_time() + millis(100), Due);
    }

    fn on_timer(&self, _: Due, tally: &mut Tally, _cx: &mut Context<Self>, out: &mut impl Emit<u64>) {
        out.emit(tally.count);
    }
}

/// A record of a thousand keys in turn, ten of them in a millisecond.
fn in_turn(number: u64) -> (u64, EventTime) {
    (number % 1_000, EventTime::from_millis((number / 10) as i64))
}

fn timers(records: u64) -> Result<()> {
    job(1, |job| {
        let timed = job.source("numbers", Generate::new(records, in_turn));
        let timed = timed.event_time(|record| record.1, Watermarks::bounded(Duration::ZERO));
        let keyed = timed.key_by(|record: &(u64, EventTime)| record.0);
        keyed.process("remind", Remind).map(black_box).discard();
    })
}

/// Ten records of a key in a window.
fn tumbling(records: u64) -> Result<()> {
    job(1, |job| {
        let timed = job.source("numbers", Generate::new(records, in_turn));
        let timed = timed.event_time(|record| record.1, Watermarks::bounded(Duration::ZERO));
        let windows = timed.key_by(|record: &(u64, EventTime)| record.0).window(Tumbling::of(secs(1)));
        windows.aggregate("counts", Count).map(|count| black_box(count.value)).discard();
    })
}

/// A record is in five windows, and ten of its key come while one ends.
fn sliding(records: u64) -> Result<()> {
    job(1, |job| {
        let timed = job.source("numbers", Generate::new(records, in_turn));
        let timed = timed.event_time(|record| record.1, Watermarks::bounded(Duration::ZERO));
        let windows = Sliding::of(secs(5)).every(secs(1));
        let windows = timed.key_by(|record: &(u64, EventTime)| record.0).window(windows);
        windows.aggregate("counts", Count).map(|count| black_box(count.value)).discard();
    })
}

/// Ten records of a key are a session; then there is silence for two gaps.
fn sessions(records: u64) -> Result<()> {
    let in_bursts = |number: u64| {
        let (key, at) = in_turn(number);
        (key, at + secs(2) * (number / 10_000) as u32)
    };
    job(1, |job| {
        let timed = job.source("numbers", Generate::new(records, in_bursts));
        let timed = timed.event_time(|record| record.1, Watermarks::bounded(Duration::ZERO));
        let windows = timed.key_by(|record: &(u64, EventTime)| record.0).window(Session::gap(secs(1)));
        windows.aggregate("counts", Count).map(|count| black_box(count.value)).discard();
    })
}

// --- snapshots ---

#[state(key = u64)]
#[derive(Default)]
struct Account {
    name: String,
    cents: i64,
    changes: u32,
    last: Option<EventTime>,
}

#[operator]
fn change(number: u64, account: &mut Account) {
    if account.name.is_empty() {
        account.name = "a name of some length".to_string();
    }
    account.cents += number as i64;
    account.changes += 1;
    account.last = Some(EventTime::from_millis(number as i64));
}

/// How many records a source reads in a turn of its worker; a turn is a millisecond.
const BATCH: u64 = 1_024;

/// Changes so many batches of accounts in turn. To encode them takes a snapshot twice as many turns as to change them, because a
/// slice is half a batch; after as many again there is another snapshot.
fn change_accounts(batches: u64, records: u64) -> Result<TestJob> {
    let wire = |job: &Job| {
        let numbers = job.source("changes", Generate::new(records, move |number| number % (batches * BATCH)));
        numbers.key_by(|number: &u64| *number).process("change", Change).discard();
        Ok(())
    };
    let job = TestJob::new("kernel", wire)?.store(StoreKind::Heap);
    Ok(job.snapshot_interval(millis(4 * batches)))
}

/// For every four records a row changes that is in the next snapshot: frozen, encoded, sorted, compressed, written, and merged
/// with older ones.
fn snapshots(records: u64) -> Result<()> {
    change_accounts(8, records)?.run().map(drop)
}

/// Of one snapshot all rows are restored, again and again: they are read because a record asks for one of their key group.
fn restore(rows: u64) -> Result<()> {
    let restores = (rows / (RESTORED * BATCH)) as usize;
    let (until_snapshot, until_loaded) = (8 * RESTORED - 1, 3);
    let crashes = std::iter::once(until_snapshot as usize).chain(std::iter::repeat_n(until_loaded, restores));
    let run = change_accounts(RESTORED, until_snapshot * BATCH)?.crash_after(crashes).run()?;
    if run.restores != restores + 1 {
        return Err(Error::failure(format!("{} restores of {}", run.restores, restores + 1)));
    }
    Ok(())
}

/// Batches of rows.
const RESTORED: u64 = 32;
