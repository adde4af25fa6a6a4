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

struct Thefts;

impl Thefts {
    #[pattern]
    fn card_theft(&self, #[begin] small: Payment) -> u32 {
        small.card
    }
}

fn main() {}
