#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[derive(Default)]
struct Details {
    seen: bool,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    details: Details,
}

#[operator]
fn count(visit: Visit, session: &mut Session) -> u64 {
    session.visits += 1;
    session.visits + visit.user.len() as u64
}

fn main() {}
