//! A second stream that every subtask is sent, beside a keyed one.

use std::collections::BTreeMap;

use tidegate::prelude::*;

use super::{Dribble, Random, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug)]
struct Order {
    customer: u32,
    item: u32,
    count: u64,
}

/// The price of an item, from the version on that it has; the highest version counts.
#[event]
#[derive(Clone, Debug)]
struct Price {
    item: u32,
    version: u64,
    cents: u64,
}

#[state(broadcast)]
#[derive(Default)]
struct Prices {
    by_item: BTreeMap<u32, Price>,
    told: u64,
}

#[state(key = u32)]
#[derive(Default)]
struct Basket {
    items: BTreeMap<u32, u64>,
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bill {
    customer: u32,
    cents: u64,
    told: u64,
}

/// Bills every customer when both inputs have ended.
struct BillAtEnd;

#[operator]
impl BillAtEnd {
    fn on_event(&self, order: Order, basket: &mut Basket, prices: &Prices, cx: &mut Context<Self>) {
        assert!(prices.told >= prices.by_item.len() as u64);
        if basket.items.is_empty() {
            cx.set_timer(EventTime::MAX, order.customer);
        }
        *basket.items.entry(order.item).or_default() += order.count;
    }

    fn on_broadcast(&self, price: Price, prices: &mut Prices) {
        prices.told += 1;
        let known = prices.by_item.entry(price.item).or_insert_with(|| price.clone());
        if known.version < price.version {
            *known = price;
        }
    }

    fn on_timer(&self, customer: u32, basket: &mut Basket, prices: &Prices) -> Bill {
        let cents =
            |(item, count): (&u32, &u64)| count * prices.by_item.get(item).map_or(0, |price| price.cents);
        Bill { customer, cents: basket.items.iter().map(cents).sum(), told: prices.told }
    }
}

fn split<T>(random: &mut Random, most: u64, record: impl Fn(&mut Random, u64) -> T) -> Vec<Vec<T>> {
    let splits = 1 + random.below(3);
    let mut number = 0;
    let mut split = |_| {
        let count = random.below(most);
        let mut record = |_| {
            number += 1;
            record(random, number)
        };
        (0..count).map(&mut record).collect()
    };
    (0..splits).map(&mut split).collect()
}

#[test]
fn every_subtask_knows_all_that_was_broadcast_once_however_the_job_is_killed_and_rescaled() {
    under_seeds("every_subtask_knows_all", 24, |random, scenario| {
        // Either stream may be the longer one, and be read to its end long before the other.
        let orders = split(random, 900, |random, _| Order {
            customer: random.below(50) as u32,
            item: random.below(20) as u32,
            count: 1 + random.below(3),
        });
        let prices = split(random, 400, |random, version| Price {
            item: random.below(20) as u32,
            version,
            cents: random.below(1000),
        });
        let bills = Collect::new();
        let run = scenario.run(|job| {
            let prices = job.source("prices", Dribble::of(prices.clone(), !scenario.seed));
            job.source("orders", Dribble::of(orders.clone(), scenario.seed))
                .key_by(|order| order.customer)
                .connect_broadcast(prices.filter(|price| price.cents > 0))
                .process("bill", BillAtEnd)
                .sink("bills", bills.clone());
            Ok(())
        });
        let prices: Vec<Price> = prices.concat().into_iter().filter(|price| price.cents > 0).collect();
        let last: BTreeMap<u32, u64> = prices.iter().map(|price| (price.item, price.cents)).collect();
        let mut expected: BTreeMap<u32, Bill> = BTreeMap::new();
        for Order { customer, item, count } in orders.concat() {
            let told = prices.len() as u64;
            let bill = expected.entry(customer).or_insert(Bill { customer, cents: 0, told });
            bill.cents += count * last.get(&item).copied().unwrap_or(0);
        }
        assert_same(bills.take(), expected.into_values().collect());
        run
    });
}
