#![allow(unused)]

use tidegate::prelude::*;

struct Visit {
    user: String,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
}

struct CountVisits;

#[operator]
impl CountVisits {
    fn on_event(&self, visit: Visit, session: &mut Session) {}
}

fn main() {}
