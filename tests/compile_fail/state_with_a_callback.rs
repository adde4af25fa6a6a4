#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    then: Option<fn(u64) -> u64>,
}

fn main() {}
