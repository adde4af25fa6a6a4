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
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(Settle);
}

fn main() {}
