#![allow(unused)]

use tidegate::prelude::*;

#[event(tmie = at)]
struct Visit {
    at: EventTime,
}

fn main() {}
