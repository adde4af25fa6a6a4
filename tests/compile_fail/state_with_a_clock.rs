#![allow(unused)]

use tidegate::prelude::*;

use std::time::Instant;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    started: Option<Instant>,
}

fn main() {}
