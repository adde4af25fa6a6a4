#![allow(unused)]

use tidegate::prelude::*;

#[state(broadcast)]
#[derive(Default)]
struct Rates {
    cents: Map<String, u64>,
}

fn main() {}
