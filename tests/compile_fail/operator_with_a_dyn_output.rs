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

#[event]
struct VisitCount {
    visits: u64,
}

struct CountVisits;

#[operator]
impl CountVisits {
    fn on_event(&self, visit: Visit, session: &mut Session, out: &mut dyn Emit<VisitCount>) {}
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
