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
    fn on_event(&self, visit: Visit, session: &mut Session, out: &mut impl Emit<VisitCount>) {}

    fn on_timer(&self, _: u64, session: &mut Session, out: &mut impl Emit<u64>) {}
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
