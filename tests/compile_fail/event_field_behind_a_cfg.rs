#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
    #[cfg(debug_assertions)]
    trace: u64,
}

fn main() {}
