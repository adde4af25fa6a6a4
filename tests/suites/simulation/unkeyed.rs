//! State that belongs to a subtask: what is held back, and lists that all subtasks are given.

use tidegate::prelude::*;

use super::{Dribble, Random, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    number: u64,
    at: EventTime,
}

/// Readings with numbers of their own, up to 10 ms out of order.
fn readings(random: &mut Random) -> Vec<Vec<Reading>> {
    let splits = 1 + random.below(5);
    let mut split = |split: u64| {
        let count = random.below(800);
        let mut reading = |place: u64| {
            let at = EventTime::from_millis((3 * place + random.below(10)) as i64);
            Reading { number: split + splits * place, at }
        };
        (0..count).map(&mut reading).collect()
    };
    (0..splits).map(&mut split).collect()
}

#[state(unkeyed)]
#[derive(Default)]
struct Pending {
    readings: DealtList<Reading>,
}

/// Holds readings back until there are `size`, or until all that is older has come.
struct Batch {
    size: usize,
}

#[operator(unkeyed)]
impl Batch {
    fn on_event(&self, reading: Reading, pending: &mut Pending) -> Option<Vec<Reading>> {
        pending.readings.push(reading);
        (pending.readings.len() >= self.size).then(|| pending.readings.split_off(0))
    }

    fn on_watermark(&self, pending: &mut Pending, cx: &UnkeyedContext) -> Vec<Reading> {
        assert!(cx.watermark() < EventTime::MAX, "the end is another matter");
        pending.readings.extract_if(.., |reading| reading.at <= cx.watermark()).collect()
    }

    fn on_end(&self, pending: &mut Pending) -> Vec<Reading> {
        pending.readings.split_off(0)
    }
}

#[state(key = u64)]
#[derive(Default)]
struct Seen {
    times: u64,
}

/// Passes readings on; none comes behind the watermark that let it go.
#[operator]
fn pass(reading: Reading, seen: &mut Seen, cx: &mut Context<Pass>) -> Reading {
    assert!(!cx.is_late(), "what is emitted at a watermark goes before it");
    seen.times += 1;
    assert_eq!(seen.times, 1, "reading {} came twice", reading.number);
    reading
}

#[test]
fn what_subtasks_hold_back_comes_out_once_however_the_job_is_killed_and_rescaled() {
    under_seeds("what_subtasks_hold_back", 24, |random, scenario| {
        let splits = readings(random);
        // The largest are never full: watermarks empty them.
        let size = [3, 40, 1000][random.below(3) as usize];
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("readings", Dribble::of(splits.clone(), scenario.seed))
                .event_time(|reading| reading.at, Watermarks::bounded(millis(10)))
                .process("batch", Batch { size })
                .flat_map(|batch| batch)
                .key_by(|reading| reading.number)
                .process("pass", Pass)
                // In the chain of a keyed stage, too.
                .process("batch again", Batch { size: 7 })
                .flat_map(|batch| batch)
                .sink("readings", results.clone());
            Ok(())
        });
        assert_same(results.take(), splits.concat());
        run
    });
}

#[state(unkeyed)]
#[derive(Default)]
struct Known {
    numbers: UnionList<u64>,
}

/// Remembers every number, in one of the subtasks.
struct Remember;

#[operator(unkeyed)]
impl Remember {
    fn on_event(&self, reading: Reading, known: &mut Known) {
        known.numbers.push(reading.number);
    }

    fn on_restore(&self, known: &mut Known, cx: &UnkeyedContext) {
        known.numbers.retain(|number| *number % u64::from(cx.parallelism()) == u64::from(cx.subtask()));
    }

    fn on_end(&self, known: &mut Known, out: &mut impl Emit<u64>) {
        known.numbers.drain(..).for_each(|number| out.emit(number));
    }
}

#[test]
fn every_subtask_is_given_every_element_of_a_union_list_and_so_each_can_find_its_own() {
    under_seeds("every_subtask_is_given_every_element", 16, |random, scenario| {
        let splits = readings(random);
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("readings", Dribble::of(splits.clone(), scenario.seed))
                .process("remember", Remember)
                .sink("numbers", results.clone());
            Ok(())
        });
        assert_same(results.take(), splits.concat().iter().map(|reading| reading.number).collect());
        run
    });
}
