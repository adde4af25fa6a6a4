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

struct Spend;

#[operator]
impl Spend {
    fn on_event(&self, order: Order, account: &mut Account, rates: &Rates) -> u64 {
        account.spent += order.amount * rates.cents;
        account.spent
    }

    fn on_broadcast(&self, rate: Rate, rates: &Rates) {
    }
}

fn wire(job: &Job, orders: Vec<Order>, rates: Vec<Rate>) {
    let rates = job.source("rates", Memory::of(rates));
    job.source("orders", Memory::of(orders))
        .key_by(|order| order.customer)
        .connect_broadcast(rates)
        .process("spend", Spend)
        .discard();
}

fn main() {}
