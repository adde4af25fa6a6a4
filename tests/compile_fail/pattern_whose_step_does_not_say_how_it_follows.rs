#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Payment {
    card: u32,
    amount: u64,
}

#[event]
#[derive(Clone)]
struct Refund {
    card: u32,
}

#[pattern]
fn card_theft(#[begin(|payment| payment.amount < 10)] small: Payment, large: Payment) -> u32 {
    7
}

fn is_pattern(_: impl tidegate::pattern::Matcher) {}

fn wired() {
    is_pattern(CardTheft);
}

fn main() {}
