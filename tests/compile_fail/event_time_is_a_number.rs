#![allow(unused)]

use tidegate::prelude::*;

#[event(time = at)]
struct Visit {
    user: String,
    at: u64,
}

fn when(visit: &Visit) -> EventTime {
    tidegate::record::Event::event_time(visit)
}

fn main() {}
