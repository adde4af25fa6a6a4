#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
    #[cfg(feature = "tracing")]
    trace: u64,
}

fn main() {}
