#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    #[state(time = "event", max = 10)]
    pages: List<u64>,
}

#[event]
struct Visit {
    user: String,
}

#[operator]
fn count(visit: Visit, session: &mut Session) -> u64 {
    session.visits += 1;
    session.visits + visit.user.len() as u64
}

fn main() {}
