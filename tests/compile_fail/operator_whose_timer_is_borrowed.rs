#![allow(unused)]

use tidegate::prelude::*;

#[event]
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

    fn on_timer(&self, close: &u64, session: &mut Session) {}
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
