#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[operator]
fn note(visit: Visit) {
    drop(visit.user);
}

fn main() {}
