#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[state(key = (u32, f64))]
#[derive(Default)]
struct Session {
    visits: u64,
}

#[operator]
fn count(visit: Visit, session: &mut Session) -> u64 {
    session.visits += 1;
    session.visits + visit.user.len() as u64
}

fn main() {}
