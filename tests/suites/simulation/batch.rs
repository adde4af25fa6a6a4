//! Batches: no record is late, whatever the disorder, and a crash leaves nothing behind.

use std::collections::BTreeMap;

use tidegate::prelude::*;
use tidegate::testing::TestJob;

use super::{Dribble, Random, Scenario, assert_same};

#[event(time = at)]
#[derive(Clone, Debug)]
struct Sale {
    shop: u32,
    cents: u64,
    at: EventTime,
}

fn sales(random: &mut Random) -> Vec<Vec<Sale>> {
    let splits = 1 + random.below(4);
    let sale = |_| Sale {
        shop: random.below(20) as u32,
        cents: 1 + random.below(1000),
        at: EventTime::from_millis(random.below(100_000) as i64),
    };
    let sales: Vec<Sale> = (0..600).map(sale).collect();
    sales.chunks(600 / splits as usize).map(<[Sale]>::to_vec).collect()
}

#[test]
fn of_a_batch_no_record_is_late_and_every_result_is_there_once_however_often_it_began_anew() {
    let mut crashes = 0;
    for seed in 0..40 {
        let scenario = Scenario::of(&mut Random::seeded(!seed), seed);
        let splits = sales(&mut Random::seeded(seed));
        let (sums, late) = (Collect::new(), Collect::new());
        let run = TestJob::new("batch", |job| {
            let (windows, too_late) = job
                .source("sales", Dribble::of(splits.clone(), scenario.seed))
                .watermarks(Watermarks::monotonous())
                .key_by(|sale| sale.shop)
                .window(Tumbling::of(secs(10)))
                .side_output_late()
                .aggregate("sums", Sum::of(|sale: &Sale| sale.cents));
            windows.map(|sum| (sum.key, sum.window.start.as_millis(), sum.value)).sink("sums", sums.clone());
            too_late.sink("late", late.clone());
            Ok(())
        })
        .unwrap()
        .batch()
        .seed(scenario.seed)
        .parallelism(scenario.workers.iter().copied())
        .crash_after(scenario.crashes.iter().copied())
        .run()
        .unwrap();
        assert_eq!((run.snapshots, run.restores), (0, 0));
        let mut expected = BTreeMap::<(u32, i64), u64>::new();
        for Sale { shop, cents, at } in splits.iter().flatten() {
            *expected.entry((*shop, at.as_millis() / 10_000 * 10_000)).or_default() += cents;
        }
        println!("seed {seed}");
        assert_same(
            sums.take(),
            expected.into_iter().map(|((shop, start), sum)| (shop, start, sum)).collect(),
        );
        assert!(late.take().is_empty());
        crashes += run.crashes;
    }
    assert!(crashes > 20, "only {crashes} crashes");
}
