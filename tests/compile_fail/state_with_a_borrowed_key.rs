#![allow(unused)]

use tidegate::prelude::*;

#[state(key = &str)]
#[derive(Default)]
struct Session {
    visits: u64,
}

fn main() {}
