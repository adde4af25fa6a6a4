#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Order {
    customer: u32,
    amount: u64,
}

#[event]
#[derive(Clone)]
struct Rate {
    cents: u64,
}

#[state(key = u32)]
#[derive(Default)]
struct Account {
    spent: u64,
}

#[state(broadcast)]
#[derive(Default)]
struct Rates {
    cents: u64,
}

#[state(unkeyed)]
#[derive(Default)]
struct Pending {
    orders: DealtList<Order>,
}

struct Batch;

#[operator(unkeyed)]
impl Batch {
    fn on_event(&self, order: Order, pending: &mut Pending) {
        pending.orders.push(order);
    }

    fn on_broadcast(&self, rate: Rate, rates: &mut Rates) {}
}

fn main() {}
