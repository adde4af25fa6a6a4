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
struct CardTheft;

fn main() {}
