#![allow(unused)]

use tidegate::prelude::*;

#[event(time = tiem)]
struct Visit {
    user: String,
    time: EventTime,
}

fn when(visit: &Visit) -> EventTime {
    tidegate::record::Event::event_time(visit)
}

fn main() {}
