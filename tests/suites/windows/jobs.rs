//! Whole jobs with windows, killed and restored at another parallelism: their results are those of a plain loop.

use std::collections::BTreeMap;

use tidegate::prelude::*;
use tidegate::testing::TestJob;

#[event(time = at)]
#[derive(Clone, Debug)]
struct Bid {
    auction: u64,
    price: u64,
    at: EventTime,
}

/// A number that looks like any other: SplitMix64.
fn mixed(n: u64) -> u64 {
    let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Bids of 10 s, out of order by up to 100 ms.
fn bids() -> Vec<Bid> {
    let bid = |n: u64| {
        let at = n as i64 - (mixed(n) % 100) as i64;
        Bid { auction: mixed(n + 1) % 11, price: mixed(n + 2) % 1000, at: EventTime::from_millis(at) }
    };
    (0..10_000).map(bid).collect()
}

type Results = Vec<(u64, i64, i64, (u64, u64))>;

/// How many bids there were in each window, and the highest.
fn run<W: tidegate::window::WindowAssigner<Bid, Window = TimeWindow>>(seed: u64, assigner: W) -> Results {
    let results = Collect::new();
    let run = TestJob::new("auctions", |job| {
        job.source("bids", Memory::of(bids()))
            .watermarks(Watermarks::bounded(millis(100)))
            .key_by(|bid| bid.auction)
            .window(assigner)
            .aggregate("bids", (Count, Max::of(|bid: &Bid| bid.price)))
            .map(|bids| (bids.key, bids.window.start.as_millis(), bids.window.end.as_millis(), bids.value))
            .sink("results", results.clone());
        Ok(())
    })
    .unwrap()
    .seed(seed)
    .snapshot_interval(millis(1))
    .parallelism([2, 3, 1])
    .crash_after([10, 20])
    .run()
    .unwrap();
    assert_eq!(run.crashes, 2);
    let mut results = results.take();
    results.sort_unstable();
    results
}

fn sliding(size: i64, slide: i64) -> Results {
    let mut windows: BTreeMap<(u64, i64), (u64, u64)> = BTreeMap::new();
    for bid in bids() {
        let at = bid.at.as_millis();
        for start in (at - size + 1..=at).filter(|start| start % slide == 0) {
            let (count, highest) = windows.entry((bid.auction, start)).or_default();
            (*count, *highest) = (*count + 1, bid.price.max(*highest));
        }
    }
    windows.into_iter().map(|((auction, start), value)| (auction, start, start + size, value)).collect()
}

#[test]
fn sliding_windows_survive_crashes_at_any_parallelism() {
    let expected = sliding(100, 20);
    for seed in 0..3 {
        assert_eq!(run(seed, Sliding::of(millis(100)).every(millis(20))), expected, "seed {seed}");
    }
}

#[test]
fn sessions_survive_crashes_at_any_parallelism() {
    let mut by_auction: BTreeMap<u64, Vec<Bid>> = BTreeMap::new();
    bids().into_iter().for_each(|bid| by_auction.entry(bid.auction).or_default().push(bid));
    let mut expected = Results::new();
    for (auction, mut bids) in by_auction {
        bids.sort_by_key(|bid| bid.at);
        for session in bids.chunk_by(|earlier, later| later.at.as_millis() - earlier.at.as_millis() <= 10) {
            let (start, end) = (session[0].at.as_millis(), session[session.len() - 1].at.as_millis() + 10);
            let highest = session.iter().map(|bid| bid.price).max().unwrap();
            expected.push((auction, start, end, (session.len() as u64, highest)));
        }
    }
    expected.sort_unstable();
    assert!(expected.len() > 100);
    for seed in 0..3 {
        assert_eq!(run(seed, Session::gap(millis(10))), expected, "seed {seed}");
    }
}
