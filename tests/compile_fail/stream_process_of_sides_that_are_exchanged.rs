#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Order {
    id: u32,
}

#[event]
#[derive(Clone)]
struct Payment {
    order: u32,
}

#[state(key = u32)]
#[derive(Default)]
struct Account {
    open: i64,
}

struct Settle;

#[operator]
impl Settle {
    fn on_left(&self, order: Order, account: &mut Account) -> i64 {
        account.open
    }

    fn on_right(&self, payment: Payment, account: &mut Account) -> i64 {
        account.open
    }
}

#[job]
fn settle(job: &Job) -> Result<()> {
    let orders = job.source("orders", Memory::of(vec![Order { id: 7 }]));
    let payments = job.source("payments", Memory::of(vec![Payment { order: 7 }]));
    let settled = payments
        .key_by(|payment| payment.order)
        .connect(orders.key_by(|order| order.id))
        .process("settle", Settle);
    Ok(())
}
