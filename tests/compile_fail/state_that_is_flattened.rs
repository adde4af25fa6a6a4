#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Default)]
struct Times {
    first: u64,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    #[serde(flatten)]
    times: Times,
}

fn main() {}
