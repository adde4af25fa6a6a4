#![allow(unused)]

use tidegate::prelude::*;

#[event(time = at)]
#[derive(Clone)]
struct Order {
    id: u32,
    at: EventTime,
}

#[event(time = at)]
#[derive(Clone)]
struct Payment {
    order: String,
    at: EventTime,
}

#[job]
fn paid(job: &Job) -> Result<()> {
    let orders = job.source("orders", Memory::of(Vec::<Order>::new()));
    let payments = job.source("payments", Memory::of(Vec::<Payment>::new()));
    orders
        .key_by(|order| order.id)
        .interval_join(payments.key_by(|payment| payment.order.clone()), TimeOffset::NONE, TimeOffset::after(secs(5)))
        .inner("paid", |order, payment| (order.id, payment.at))
        .sink("paid", Stdout::json());
    Ok(())
}
