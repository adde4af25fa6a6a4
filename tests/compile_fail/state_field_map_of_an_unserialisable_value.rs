#![allow(unused)]

use tidegate::prelude::*;

#[derive(Default)]
struct Page {
    seen: bool,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    #[state(unbounded)]
    pages: Map<String, Page>,
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
