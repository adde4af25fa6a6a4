//! State that belongs to no key, in jobs on real threads: it goes on in the next run, or that run does not start.

mod snapshots;

use std::collections::BTreeSet;
use std::path::Path;

use tidegate::job::Job;
use tidegate::job::signals::Signals;
use tidegate::prelude::*;

use crate::simulation::assert_same;
use crate::threads::{Number, kept_in, run_in_time};

#[state(unkeyed)]
#[derive(Default)]
struct Held {
    numbers: DealtList<u64>,
}

/// Gives numbers in sevens; what is left when the input ends stays where it is.
#[operator(unkeyed)]
fn sevens(number: Number, held: &mut Held) -> Option<Vec<u64>> {
    held.numbers.push(number.n);
    (held.numbers.len() >= 7).then(|| held.numbers.drain(..7).collect())
}

fn splits(count: u64) -> Vec<Vec<Number>> {
    (0..count).map(|split| (0..101).map(|n| Number { key: n % 9, n: 101 * split + n }).collect()).collect()
}

fn run(
    directory: &Path,
    workers: u32,
    count: u64,
    wire: impl FnOnce(tidegate::job::builder::LocalStream<'_, Number>),
) -> Result<()> {
    run_in_time(kept_in(directory, workers), &Signals::by_hand(), |job| {
        let numbers = job.source("numbers", crate::simulation::Dribble::of(splits(count), 7));
        let (rest, numbers) = numbers.tee();
        rest.discard();
        wire(numbers);
        Ok(())
    })
    .map(drop)
}

#[test]
fn what_is_held_when_a_job_has_ended_is_dealt_when_it_goes_on() {
    let (sink, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    for (count, workers) in [(3, 3), (4, 2), (9, 4), (10, 1)] {
        run(directory.path(), workers, count, |numbers| {
            numbers.process("sevens", Sevens).flat_map(|seven| seven).sink("numbers", sink.clone());
        })
        .unwrap();
    }
    let committed = sink.committed();
    let different: BTreeSet<u64> = committed.iter().copied().collect();
    // In the last run all that was held came to one subtask: it holds less than seven.
    assert_eq!((committed.len(), different.len()), (1010 / 7 * 7, 1010 / 7 * 7));
}

#[state(unkeyed, name = "Held")]
#[derive(Default)]
struct HeldAsText {
    numbers: DealtList<String>,
}

#[operator(unkeyed)]
fn count_texts(_: Number, held: &mut HeldAsText) -> usize {
    held.numbers.len()
}

#[state(unkeyed, name = "Held")]
#[derive(Default)]
struct HeldWidely {
    more: DealtList<u64>,
    #[state(was = "numbers")]
    wide: UnionList<u128>,
}

/// Gives at the end what a subtask has been given.
struct GiveHeld;

#[operator(unkeyed)]
impl GiveHeld {
    fn on_event(&self, number: Number, held: &mut HeldWidely) {
        held.more.push(number.n);
    }

    fn on_end(&self, held: &mut HeldWidely, out: &mut impl Emit<u128>) {
        held.wide.drain(..).for_each(|number| out.emit(number));
    }
}

#[test]
fn a_job_does_not_start_without_a_place_for_what_its_subtasks_hold() {
    let (sink, directory) = (Collect::new(), tempfile::tempdir().unwrap());
    let sevens = |name: &str| {
        run(directory.path(), 2, 1, |numbers| {
            numbers.process(name, Sevens).flat_map(|seven| seven).sink("numbers", sink.clone());
        })
    };
    sevens("sevens").unwrap();
    let error = sevens("by seven").unwrap_err();
    let held = "state \"Held\" of operator \"sevens (unkeyed)\" in snapshot";
    assert!(error.to_string().contains(held) && error.to_string().contains("no place to go"), "{error}");
    let error = run(directory.path(), 2, 1, |numbers| {
        numbers.process("sevens", CountTexts).discard();
    });
    let error = error.unwrap_err().to_string();
    assert!(error.contains(held) && error.contains("numbers: DealtList<String>"), "{error}");
    sevens("sevens").unwrap();
}

#[test]
fn what_is_held_goes_on_in_a_program_that_calls_it_otherwise() {
    let (sink, given, directory) = (Collect::new(), Collect::new(), tempfile::tempdir().unwrap());
    run(directory.path(), 2, 1, |numbers| {
        numbers.process("sevens", Sevens).flat_map(|seven| seven).sink("numbers", sink.clone());
    })
    .unwrap();
    run(directory.path(), 3, 1, |numbers| {
        numbers.process("sevens", GiveHeld).sink("numbers", given.clone());
    })
    .unwrap();
    // Of 101 numbers 3 are held: each of three subtasks is given them all.
    assert_same(given.committed(), [98, 99, 100].repeat(3));
}

#[state(key = u64)]
#[derive(Default)]
struct Seen {
    times: u64,
}

#[operator]
fn count(_: Number, seen: &mut Seen) -> u64 {
    seen.times += 1;
    seen.times
}

#[test]
fn an_operator_without_keys_needs_a_name_of_its_own_too() {
    let job = Job::new("twins");
    let (numbers, copies) = job.source("numbers", Memory::of(splits(1).concat())).tee();
    numbers.process("numbers seen", Sevens).discard();
    copies.key_by(|number| number.key).process("numbers seen", Count).discard();
    let error = job.finish().err().unwrap();
    assert_eq!(error.to_string(), "two operators are called \"numbers seen\"");

    // Nor may a report or a lock file take one for the state of the other.
    let job = Job::new("twins");
    let (numbers, copies) = job.source("numbers", Memory::of(splits(1).concat())).tee();
    numbers.process("seen", Sevens).discard();
    copies.key_by(|number| number.key).process("seen (unkeyed)", Count).discard();
    let error = job.finish().err().unwrap();
    assert_eq!(error.to_string(), "two operators are called \"seen (unkeyed)\"");
}
