//! Jobs on real threads, inside of this process: back-pressure, stopping and going on.
//!
//! Where a thread is when it is stopped is left to chance; the results may not depend on it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use tidegate::job::progress::{Outcome, Summary};
use tidegate::job::run::run;
use tidegate::job::signals::Signals;
use tidegate::job::{Job, RunOptions};
use tidegate::key::{MaxParallelism, Parallelism};
use tidegate::prelude::*;
use tidegate::snapshot::{Manifest, RestoreTarget, SnapshotMode};

use crate::simulation::{Dribble, assert_same};
use crate::support::Random;

/// Far longer than anything here takes: who waits this long waits for ever.
const FOREVER: Duration = secs(120);

pub fn options(workers: u32) -> RunOptions {
    let parallelism = Parallelism::new(workers, MaxParallelism::DEFAULT).unwrap();
    RunOptions { parallelism, snapshot_interval: millis(20), ..RunOptions::default() }
}

pub fn kept_in(dir: &Path, workers: u32) -> RunOptions {
    RunOptions {
        snapshot_dir: Some(dir.to_path_buf()),
        restore: Some(RestoreTarget::Latest),
        ..options(workers)
    }
}

/// Runs a job, and panics if it does not come to an end.
pub fn run_in_time(
    options: RunOptions,
    stop: &Signals,
    wire: impl FnOnce(&Job) -> Result<()>,
) -> Result<Summary> {
    let job = Job::new("threaded");
    wire(&job)?;
    let (graph, stop) = (job.finish()?, stop.clone());
    let (ended, end) = channel();
    let body = move || ended.send(run(graph, &options, &stop)).unwrap();
    let runner = thread::Builder::new().name("job".to_string()).spawn(body).unwrap();
    let result = end.recv_timeout(FOREVER).expect("the job hangs");
    runner.join().unwrap();
    result
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    pub key: u64,
    pub n: u64,
}

/// A key, how many numbers it has had, and their sum.
pub type Sum = (u64, u64, u64);

#[state(key = u64)]
#[derive(Default)]
pub struct Total {
    pub count: u64,
    pub sum: u64,
}

/// Adds up the numbers of a key. Every so often it takes its time.
pub struct AddUp {
    pub slow_every: u64,
}

#[operator]
impl AddUp {
    fn on_event(&self, number: Number, total: &mut Total) -> Option<Sum> {
        total.count += 1;
        total.sum += number.n;
        if total.count.is_multiple_of(self.slow_every) {
            thread::sleep(millis(1));
        }
        Some((number.key, total.count, total.sum))
    }
}

#[test]
fn a_slow_last_stage_behind_a_flood_holds_everything_up_and_nothing_is_lost() {
    const NUMBERS: u64 = 400;
    const COPIES: u64 = 300;
    let auto = SnapshotMode::Auto { alignment_timeout: millis(2) };
    for (interval, mode) in [
        (millis(1), SnapshotMode::Aligned),
        (millis(1), SnapshotMode::Unaligned),
        (millis(1), auto),
        (secs(3600), SnapshotMode::Aligned),
    ] {
        let (results, others) = (Collect::new(), Collect::new());
        let directory = tempfile::tempdir().unwrap();
        let kept = kept_in(directory.path(), 4);
        let options = RunOptions { snapshot_interval: interval, snapshot_mode: mode, ..kept };
        let summary = run_in_time(options, &Signals::by_hand(), |job| {
            let flood = job
                .source("numbers", Generate::new(NUMBERS, |n| Number { key: n % 7, n }).splits(5))
                .flat_map(|number| (0..COPIES).map(move |copy| Number { key: copy, n: number.n }));
            let (flood, copies) = flood.tee();
            let sums = flood
                .key_by(|number| number.key)
                .process("first", AddUp { slow_every: 1_000 })
                .map(|(key, _, _)| Number { key: key % 3, n: 1 });
            // The one way is short, the other leads through an exchange; both end at the same stage.
            let (last, copies) = sums
                .union(copies.map(|number| Number { key: number.key % 3, n: 1 }))
                .key_by(|number| number.key)
                .process("last", AddUp { slow_every: 400 })
                .tee();
            last.filter(|(_, count, _)| *count == 2 * NUMBERS * COPIES / 3).sink("results", results.clone());
            copies.sink("others", others.clone());
            Ok(())
        });
        let summary = summary.unwrap();
        assert_eq!((summary.outcome, summary.records), (Outcome::Finished, NUMBERS));
        let all = 2 * NUMBERS * COPIES / 3;
        assert_same(results.take(), (0..3).map(|key| (key, all, all)).collect());
        assert_eq!(others.take().len() as u64, 3 * all);
    }
}

/// Adds up like [`AddUp`], slowly, and gives up as soon as a snapshot in the directory has records in flight.
struct AddUpUntil {
    gives_up: Option<PathBuf>,
}

#[operator]
impl AddUpUntil {
    fn on_event(&self, number: Number, total: &mut Total) -> Option<Sum> {
        if number.n.is_multiple_of(50) {
            thread::sleep(millis(1));
            assert!(self.gives_up.as_deref().is_none_or(|dir| in_flight(dir) == 0), "it is too much");
        }
        total.count += 1;
        total.sum += number.n;
        Some((number.key, total.count, total.sum))
    }
}

/// A number in a version of the program that has renamed a field.
#[event]
struct Figure {
    key: u64,
    #[event(was = "n")]
    figure: u64,
}

struct AddUpFigures;

#[operator]
impl AddUpFigures {
    fn on_event(&self, figure: Figure, total: &mut Total) -> Option<Sum> {
        total.count += 1;
        total.sum += figure.figure;
        Some((figure.key, total.count, total.sum))
    }
}

/// A number in a version that has no room for it.
#[event]
struct Narrow {
    key: u64,
    n: u32,
}

struct AddUpNarrow;

#[operator]
impl AddUpNarrow {
    fn on_event(&self, narrow: Narrow, total: &mut Total) -> Option<Sum> {
        total.sum += u64::from(narrow.n);
        Some((narrow.key, total.count, total.sum))
    }
}

/// The records in flight of every complete snapshot that lies in `dir`.
fn in_flight(dir: &Path) -> u64 {
    let directories = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let snapshots = directories.filter(|path| path.extension().is_none());
    let manifests = snapshots.filter_map(|path| std::fs::read(path.join("manifest.json")).ok());
    let channels = manifests.flat_map(|text| Manifest::from_text(&text).unwrap().channels);
    channels.map(|channel| channel.records).sum()
}

#[test]
fn what_was_in_flight_when_a_job_failed_reaches_the_operator_it_was_on_its_way_to_and_no_other() {
    const COUNT: u64 = 20_000;
    let (results, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    let number = |n| Number { key: n % 4 + 4 * (n / 4 % 5), n };
    let splits: Vec<Vec<Number>> =
        (0..4).map(|split| (split..COUNT).step_by(4).map(number).collect()).collect();
    let run = |workers, gives_up| {
        let kept = kept_in(directory.path(), workers);
        let options = RunOptions { snapshot_mode: SnapshotMode::Unaligned, ..kept };
        run_in_time(options, &Signals::by_hand(), |job| {
            // With every read a batch for each worker: the channels are full before much has been read.
            job.source("numbers", Dribble::of(splits.clone(), 7))
                .event_time(|number| EventTime::from_millis(number.n as i64), Watermarks::monotonous())
                .key_by(|number| number.key)
                .process("add-up", AddUpUntil { gives_up })
                .sink("sums", results.clone());
            Ok(())
        })
    };
    let error = run(3, Some(directory.path().to_path_buf())).unwrap_err();
    assert!(error.to_string().contains("it is too much"), "{error}");

    let other = run_in_time(kept_in(directory.path(), 2), &Signals::by_hand(), |job| {
        job.source("numbers", Dribble::of(splits.clone(), 7))
            .map(|number| Narrow { key: number.key, n: number.n as u32 })
            .key_by(|narrow| narrow.key)
            .process("add-up", AddUpNarrow)
            .sink("sums", results.clone());
        Ok(())
    });
    let error = format!("{:#}", other.unwrap_err());
    assert!(error.contains("records in flight to operator \"add-up\"; it has field"), "{error}");
    assert!(error.contains("hint: restore it with the program that took it"), "{error}");

    // Another version of the program, to which the records are carried.
    run_in_time(kept_in(directory.path(), 2), &Signals::by_hand(), |job| {
        job.source("numbers", Dribble::of(splits.clone(), 7))
            .event_time(|number| EventTime::from_millis(number.n as i64), Watermarks::monotonous())
            .map(|number| Figure { key: number.key, figure: number.n })
            .key_by(|figure| figure.key)
            .process("add-up", AddUpFigures)
            .sink("sums", results.clone());
        Ok(())
    })
    .unwrap();
    assert_same(results.take(), sums(COUNT));
}

pub fn numbers(count: u64) -> Generate<impl Fn(u64) -> Number> {
    Generate::new(count, |n| Number { key: n % 4 + 4 * (n / 4 % 5), n }).splits(4)
}

/// What [`AddUp`] makes of [`numbers`]: all of a key are in one split, in order.
pub fn sums(count: u64) -> Vec<Sum> {
    let mut totals = [(0, 0); 20];
    let sum = |n: u64| {
        let key = n % 4 + 4 * (n / 4 % 5);
        let (count, sum) = &mut totals[key as usize];
        *count += 1;
        *sum += n;
        (key, *count, *sum)
    };
    (0..count).map(sum).collect()
}

#[test]
fn a_job_that_is_stopped_again_and_again_gives_exactly_the_rest_each_time() {
    const COUNT: u64 = 30_000;
    let mut random = Random::of_test("a_job_that_is_stopped_again_and_again");
    for _ in 0..4 {
        let results = Collect::new();
        let directory = tempfile::tempdir().unwrap();
        let mut committed = 0;
        let mut runs = 0;
        loop {
            runs += 1;
            let stop = Signals::by_hand();
            let options = RunOptions {
                max_rate: std::num::NonZeroU64::new(100_000),
                snapshot_mode: *random.one_of(&[SnapshotMode::Aligned, SnapshotMode::Unaligned]),
                ..kept_in(directory.path(), 1 + random.below(4) as u32)
            };
            let (asked, patience) = (stop.clone(), random.millis(0, 150));
            let asks = thread::Builder::new().spawn(move || {
                thread::sleep(patience);
                asked.request_stop();
            });
            let summary = run_in_time(options, &stop, |job| {
                job.source("numbers", numbers(COUNT))
                    .key_by_ref(|number| &number.key)
                    .process("add-up", AddUp { slow_every: u64::MAX })
                    .sink("sums", results.clone());
                Ok(())
            });
            let summary = summary.unwrap();
            asks.unwrap().join().unwrap();
            committed += summary.records;
            assert_eq!(
                results.committed().len() as u64,
                committed,
                "all that was read before the stop is there"
            );
            match summary.outcome {
                Outcome::Stopped => assert!(runs < 1_000, "the job gets on"),
                _ => break,
            }
        }
        assert_same(results.take(), sums(COUNT));
    }
}

/// What comes of a number: at once, and 10 ms of event time later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Echo {
    AtOnce,
    Later,
    Late,
}

struct EchoTwice;

#[operator]
impl EchoTwice {
    fn on_event(
        &self,
        number: Number,
        _: &mut Total,
        cx: &mut Context<Self>,
        out: &mut impl Emit<(u64, Echo)>,
    ) {
        out.emit((number.n, if cx.is_late() { Echo::Late } else { Echo::AtOnce }));
        cx.set_timer(cx.event_time() + millis(10), number.n);
    }

    fn on_timer(&self, n: u64, _: &mut Total, out: &mut impl Emit<(u64, Echo)>) {
        out.emit((n, Echo::Later));
    }
}

fn echoes(
    source: &str,
    dir: &Path,
    workers: u32,
    numbers: &[Vec<Number>],
    sink: &Collect<(u64, Echo)>,
) -> Result<Summary> {
    run_in_time(kept_in(dir, workers), &Signals::by_hand(), |job| {
        job.source(source, Dribble::of(numbers.to_vec(), 7))
            .event_time(|number| EventTime::from_millis(number.n as i64), Watermarks::bounded(millis(5)))
            .key_by(|number| number.key)
            .process("echo", EchoTwice)
            .sink("echoes", sink.clone());
        Ok(())
    })
}

#[test]
fn a_job_that_had_come_to_its_end_goes_on_when_its_source_has_more() {
    // The end of the input is the end of event time. Kept in the snapshot, it made whatever came later late.
    let numbers = |range: std::ops::Range<u64>| range.map(|n| Number { key: n % 9, n }).collect::<Vec<_>>();
    let splits = [numbers(0..500), numbers(500..1_000), numbers(1_000..1_500)];
    let (sink, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    for (count, workers) in [(1, 2), (2, 1), (2, 3), (3, 2)] {
        echoes("numbers", directory.path(), workers, &splits[..count], &sink).unwrap();
        let expected = (0..500 * count as u64).flat_map(|n| [(n, Echo::AtOnce), (n, Echo::Later)]);
        assert_same(sink.committed(), expected.collect());
    }
}

#[test]
fn a_source_that_was_renamed_is_not_read_again_in_silence() {
    // A snapshot knows a source by its name. Under another one all of it was read once more, into state that had it.
    let numbers: Vec<Number> = (0..2_000).map(|n| Number { key: n % 9, n }).collect();
    let (sink, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    let stop = Signals::by_hand();
    let asked = stop.clone();
    let stopped = run_in_time(kept_in(directory.path(), 2), &stop, |job| {
        job.source("numbers", Dribble::of(vec![numbers.clone()], 7))
            .map(move |number| {
                if number.n == 100 {
                    asked.request_stop();
                }
                number
            })
            .filter(|_| {
                thread::sleep(Duration::from_micros(200));
                true
            })
            .event_time(|number| EventTime::from_millis(number.n as i64), Watermarks::monotonous())
            .key_by(|number| number.key)
            .process("echo", EchoTwice)
            .sink("echoes", sink.clone());
        Ok(())
    });
    assert_eq!(stopped.unwrap().outcome, Outcome::Stopped);
    let error = echoes("figures", directory.path(), 2, std::slice::from_ref(&numbers), &sink).unwrap_err();
    assert!(
        error.to_string().contains("of source \"numbers\", and this program has no such source"),
        "{error}"
    );
    echoes("numbers", directory.path(), 2, std::slice::from_ref(&numbers), &sink).unwrap();
    let expected = (0..2_000).flat_map(|n| [(n, Echo::AtOnce), (n, Echo::Later)]);
    assert_same(sink.committed(), expected.collect());
}

#[test]
fn a_sink_that_was_renamed_while_it_had_results_pending_is_not_left_behind() {
    // Results that only the snapshot knows of belong to a sink by its name. Under another one nobody would ever see them.
    let numbers: Vec<Number> = (0..500).map(|n| Number { key: n % 9, n }).collect();
    let (sink, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    let run = |name: &str| {
        run_in_time(kept_in(directory.path(), 2), &Signals::by_hand(), |job| {
            let numbers = job.source("numbers", Memory::of(numbers.clone()));
            numbers.map(|number| number.n).sink(name, sink.clone());
            Ok(())
        })
    };
    run("numbers seen").unwrap();
    let error = run("figures seen").unwrap_err();
    assert!(error.to_string().contains("results of sink \"numbers seen\" pending"), "{error}");
    assert!(format!("{error:#}").contains("hint: a sink is known by its name"), "{error:#}");
    run("numbers seen").unwrap();
    assert_same(sink.committed(), (0..500).collect());
}
