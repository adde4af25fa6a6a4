#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    #[state(ttl = "7d")]
    pages: Map<String, u64>,
}

#[event]
struct Closed {
    user: String,
    session: Session,
}

fn main() {}
