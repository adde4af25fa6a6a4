//! Keyed state: sums, state that is cleared, the order of a key's records.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate::prelude::*;

use super::{Dribble, Random, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug)]
pub struct Entry {
    pub key: u32,
    pub amount: u64,
    /// Its place among the records of its key.
    pub place: u64,
}

/// Splits of entries; all entries of a key are in one split, so that their order is the key's.
pub fn entries(random: &mut Random) -> Vec<Vec<Entry>> {
    let splits = 1 + random.below(5);
    let keys = 1 + random.below(60);
    let mut places = BTreeMap::new();
    let split = |split: u64| {
        let count = random.below(1200);
        let mut entry = |_| {
            let key = (split + splits * random.below(keys)) as u32;
            let place = places.entry(key).or_insert(0);
            *place += 1;
            Entry { key, amount: random.below(100), place: *place }
        };
        (0..count).map(&mut entry).collect()
    };
    (0..splits).map(split).collect()
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sum {
    key: u32,
    place: u64,
    sum: u64,
}

#[state(key = u32)]
#[derive(Default)]
pub struct Running {
    place: u64,
    sum: u64,
}

pub struct SumUp;

#[operator]
impl SumUp {
    fn on_event(&self, entry: Entry, running: &mut Running, cx: &mut Context<Self>) -> Sum {
        assert_eq!(*cx.key(), entry.key);
        assert!(!cx.is_late(), "a record without an event time is not late");
        assert_eq!(entry.place, running.place + 1, "the records of key {} keep their order", entry.key);
        running.place = entry.place;
        running.sum += entry.amount;
        Sum { key: entry.key, place: entry.place, sum: running.sum }
    }
}

pub fn sums(splits: &[Vec<Entry>]) -> Vec<Sum> {
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    let mut expected = Vec::new();
    for entry in splits.iter().flatten() {
        let sum = sums.entry(entry.key).or_default();
        *sum += entry.amount;
        expected.push(Sum { key: entry.key, place: entry.place, sum: *sum });
    }
    expected
}

#[test]
fn a_running_sum_is_exact_and_keeps_the_order_of_each_key_however_the_job_is_killed_and_rescaled() {
    under_seeds("a_running_sum_is_exact", 40, |random, scenario| {
        let splits = entries(random);
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("entries", Dribble::of(splits.clone(), scenario.seed))
                .key_by_ref(|entry| &entry.key)
                .process("sum-up", SumUp)
                .sink("sums", results.clone());
            Ok(())
        });
        assert_same(results.take(), sums(&splits));
        run
    });
}

#[test]
fn files_of_json_lines_show_every_result_once_however_the_job_is_killed_and_rescaled() {
    under_seeds("files_of_json_lines", 16, |random, scenario| {
        let splits = entries(random);
        let dir = tempfile::tempdir().unwrap();
        let run = scenario.run(|job| {
            job.source("entries", Dribble::of(splits.clone(), scenario.seed))
                .key_by(|entry| entry.key)
                .process("sum-up", SumUp)
                .sink("sums", JsonLines::write(dir.path()));
            Ok(())
        });
        assert_same(read_sums(dir.path()), sums(&splits));
        run
    });
}

/// What a reader of the directory sees.
pub fn read_sums(dir: &Path) -> Vec<Sum> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let visible = files.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let texts: Vec<_> = visible.map(|path| fs::read_to_string(path).unwrap()).collect();
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Full {
    key: u32,
    sum: u64,
}

/// Fills up to `size`, gives what it holds, and is forgotten.
struct FillBuckets {
    size: u64,
}

#[operator]
impl FillBuckets {
    fn on_event(&self, entry: Entry, bucket: &mut Bucket, cx: &mut Context<Self>) -> Option<Full> {
        bucket.sum += entry.amount;
        if bucket.sum < self.size {
            return None;
        }
        cx.clear_state();
        Some(Full { key: entry.key, sum: bucket.sum })
    }
}

#[state(key = u32)]
#[derive(Default)]
struct Bucket {
    sum: u64,
}

#[test]
fn state_that_was_cleared_begins_anew_also_after_a_restore() {
    under_seeds("state_that_was_cleared", 24, |random, scenario| {
        let splits = entries(random);
        let size = 1 + random.below(300);
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("entries", Dribble::of(splits.clone(), scenario.seed))
                .key_by(|entry| entry.key)
                .process("fill", FillBuckets { size })
                .sink("full", results.clone());
            Ok(())
        });
        let mut buckets: BTreeMap<u32, u64> = BTreeMap::new();
        let mut expected = Vec::new();
        for entry in splits.iter().flatten() {
            let bucket = buckets.entry(entry.key).or_default();
            *bucket += entry.amount;
            if *bucket >= size {
                expected.push(Full { key: entry.key, sum: std::mem::take(bucket) });
            }
        }
        assert_same(results.take(), expected);
        run
    });
}
