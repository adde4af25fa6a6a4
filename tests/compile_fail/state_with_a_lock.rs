#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

use std::sync::Mutex;

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
    pages: Mutex<Vec<String>>,
}

#[operator]
fn count(visit: Visit, session: &mut Session) -> u64 {
    session.visits += 1;
    session.visits + visit.user.len() as u64
}

fn main() {}
