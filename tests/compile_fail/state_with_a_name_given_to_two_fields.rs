#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    #[state(name = "visits")]
    count: u32,
}

fn main() {}
