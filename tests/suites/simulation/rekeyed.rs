//! Two keyed stages in a row, with records that become several in between.

use std::collections::BTreeMap;

use tidegate::prelude::*;

use super::{Dribble, Random, assert_same, under_seeds};

#[event]
#[derive(Clone, Debug)]
struct Order {
    customer: u32,
    items: Vec<u32>,
}

/// An item of the `place`-th order of a customer.
#[event]
#[derive(Clone, Debug)]
struct Item {
    item: u32,
    customer: u32,
    place: u64,
}

#[state(key = u32)]
#[derive(Default)]
struct Customer {
    orders: u64,
}

/// Numbers the orders of a customer.
#[operator]
fn number_orders(order: Order, customer: &mut Customer) -> (Order, u64) {
    customer.orders += 1;
    (order, customer.orders)
}

fn items((order, place): (Order, u64)) -> Vec<Item> {
    order.items.into_iter().map(|item| Item { item, customer: order.customer, place }).collect()
}

#[state(key = u32)]
#[derive(Default)]
struct Sales {
    sold: u64,
    places: u64,
    /// The last order of each customer that had the item.
    customers: BTreeMap<u32, u64>,
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Total {
    item: u32,
    sold: u64,
    places: u64,
}

/// Adds up the sales of an item, and gives them when the input has ended.
struct AddUp;

#[operator]
impl AddUp {
    fn on_event(&self, item: Item, sales: &mut Sales, cx: &mut Context<Self>) {
        if sales.sold == 0 {
            cx.set_timer(EventTime::MAX, item.item);
        }
        let before = sales.customers.insert(item.customer, item.place).unwrap_or(0);
        assert!(before <= item.place, "the records of one key keep their order through two exchanges");
        sales.sold += 1;
        sales.places += item.place;
    }

    fn on_timer(&self, item: u32, sales: &mut Sales, out: &mut impl Emit<Total>) {
        out.emit(Total { item, sold: sales.sold, places: sales.places });
    }
}

fn orders(random: &mut Random) -> Vec<Vec<Order>> {
    let splits = 1 + random.below(4);
    let split = |split: u64| {
        let count = random.below(1000);
        let order = |_| Order {
            customer: (split + splits * random.below(25)) as u32,
            items: (0..random.below(6)).map(|_| random.below(40) as u32).collect(),
        };
        (0..count).map(order).collect()
    };
    (0..splits).map(split).collect()
}

#[test]
fn records_that_are_keyed_twice_and_multiplied_in_between_are_neither_lost_nor_doubled() {
    under_seeds("records_that_are_keyed_twice", 40, |random, scenario| {
        let splits = orders(random);
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("orders", Dribble::of(splits.clone(), scenario.seed))
                .key_by_ref(|order| &order.customer)
                .process("number-orders", NumberOrders)
                .flat_map(items)
                .key_by(|item| item.item)
                .process("add-up", AddUp)
                .sink("totals", results.clone());
            Ok(())
        });
        let mut customers: BTreeMap<u32, u64> = BTreeMap::new();
        let mut totals: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        for order in splits.iter().flatten() {
            let place = customers.entry(order.customer).or_default();
            *place += 1;
            for item in &order.items {
                let (sold, places) = totals.entry(*item).or_default();
                *sold += 1;
                *places += *place;
            }
        }
        let total = |(item, (sold, places))| Total { item, sold, places };
        assert_same(results.take(), totals.into_iter().map(total).collect());
        run
    });
}
