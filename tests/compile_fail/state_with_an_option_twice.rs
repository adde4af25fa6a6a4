#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String, key = u64)]
#[derive(Default)]
struct Session {
    visits: u64,
}

fn main() {}
