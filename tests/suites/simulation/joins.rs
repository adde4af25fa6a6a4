//! Two streams of one key, joined in each of the ways that there are, while the job is killed and rescaled.

use tidegate::join::{JoinKind, Joined};
use tidegate::prelude::*;

use super::{Dribble, Random, assert_same, under_seeds};

/// Something with a key, a number of its own, and a time.
#[event(time = at)]
#[derive(Clone, Debug, PartialEq)]
struct Item {
    key: u32,
    number: u64,
    at: EventTime,
}

/// The numbers of what belongs together.
type Pair = (Option<u64>, Option<u64>);

/// How far out of order the items of a split are, at most.
const DISORDER: u64 = 40;

fn at(millis: u64) -> EventTime {
    EventTime::from_millis(millis as i64)
}

/// Up to three splits of items whose times go on, with some disorder, to about 1,000.
fn items(random: &mut Random) -> Vec<Vec<Item>> {
    let splits = 1 + random.below(3);
    let mut number = 0;
    let mut split = |_| {
        let count = 1 + random.below(500);
        let mut item = |place| {
            number += 1;
            let time = 1_000 * place / count + random.below(DISORDER);
            Item { key: random.below(30) as u32, number, at: at(time) }
        };
        (0..count).map(&mut item).collect()
    };
    (0..splits).map(&mut split).collect()
}

fn pair(joined: Joined<'_, Item, Item>) -> Pair {
    match joined {
        Joined::Both(left, right) => (Some(left.number), Some(right.number)),
        Joined::Left(left) => (Some(left.number), None),
        Joined::Right(right) => (None, Some(right.number)),
    }
}

/// The joined records by the definition: those of a key of which `belong` is true, and all that are alone.
fn full_outer(left: &[Item], right: &[Item], belong: impl Fn(&Item, &Item) -> bool) -> Vec<Pair> {
    let together = |l: &Item, r: &Item| l.key == r.key && belong(l, r);
    let mut pairs = Vec::new();
    for l in left {
        let with = right.iter().filter(|r| together(l, r));
        pairs.extend(with.map(|r| pair(Joined::Both(l, r))));
        if !right.iter().any(|r| together(l, r)) {
            pairs.push(pair(Joined::Left(l)));
        }
    }
    let alone = right.iter().filter(|r| !left.iter().any(|l| together(l, r)));
    pairs.extend(alone.map(|r| pair(Joined::Right(r))));
    pairs
}

#[test]
fn an_interval_join_gives_every_pair_once_however_the_job_is_killed_and_rescaled() {
    under_seeds("an_interval_join_gives_every_pair", 24, |random, scenario| {
        let (left, right) = (items(random), items(random));
        let (before, after) = (random.below(30), random.below(30));
        let pairs = Collect::new();
        let run = scenario.run(|job| {
            let watermarks = Watermarks::bounded(millis(DISORDER));
            let left = job.source("left", Dribble::of(left.clone(), scenario.seed)).watermarks(watermarks);
            let right =
                job.source("right", Dribble::of(right.clone(), !scenario.seed)).watermarks(watermarks);
            left.key_by(|item| item.key)
                .interval_join(
                    right.key_by(|item| item.key),
                    TimeOffset::before(millis(before)),
                    TimeOffset::after(millis(after)),
                )
                .full_outer("pairs", pair)
                .sink("pairs", pairs.clone());
            Ok(())
        });
        let near = |l: &Item, r: &Item| l.at <= r.at + millis(before) && r.at <= l.at + millis(after);
        assert_same(pairs.take(), full_outer(&left.concat(), &right.concat(), near));
        run
    });
}

#[test]
fn a_temporal_join_gives_every_record_its_version_however_the_job_is_killed_and_rescaled() {
    under_seeds("a_temporal_join_gives_every_record", 24, |random, scenario| {
        let records = items(random);
        // One split, so that the order of two versions of one time is known.
        let versions = vec![items(random).swap_remove(0)];
        let joined = Collect::new();
        let run = scenario.run(|job| {
            let watermarks = Watermarks::bounded(millis(DISORDER));
            let records =
                job.source("records", Dribble::of(records.clone(), scenario.seed)).watermarks(watermarks);
            let versions =
                job.source("versions", Dribble::of(versions.clone(), !scenario.seed)).watermarks(watermarks);
            records
                .key_by(|item| item.key)
                .temporal_join(versions.key_by(|item| item.key))
                .left_outer("versions of records", |record, version| {
                    (record.number, version.map(|version| version.number))
                })
                .sink("joined", joined.clone());
            Ok(())
        });
        let versions = versions.concat();
        let valid = |record: &Item| {
            let of_key =
                versions.iter().filter(|version| version.key == record.key && version.at <= record.at);
            of_key.max_by_key(|version| (version.at, version.number)).map(|version| version.number)
        };
        let expected = records.concat().iter().map(|record| (record.number, valid(record))).collect();
        assert_same(joined.take(), expected);
        run
    });
}

#[test]
fn an_updating_join_makes_the_joined_table_however_the_job_is_killed_and_rescaled() {
    under_seeds("an_updating_join_makes_the_joined_table", 24, |random, scenario| {
        let (left, right) = (items(random), items(random));
        let changes = Collect::new();
        let run = scenario.run(|job| {
            let left = job.source("left", Dribble::of(left.clone(), scenario.seed)).key_by(|item| item.key);
            let right =
                job.source("right", Dribble::of(right.clone(), !scenario.seed)).key_by(|item| item.key);
            left.join(right).changes("joined", JoinKind::FullOuter, pair).sink("changes", changes.clone());
            Ok(())
        });
        let mut table = std::collections::BTreeMap::<Pair, i64>::new();
        for change in changes.take() {
            *table.entry(*change.row()).or_default() += if change.adds() { 1 } else { -1 };
        }
        let counted = table.into_iter().flat_map(|(row, count)| {
            assert!(count >= 0, "{row:?} went more often than it came");
            std::iter::repeat_n(row, count as usize)
        });
        assert_same(counted.collect(), full_outer(&left.concat(), &right.concat(), |_, _| true));
        run
    });
}
