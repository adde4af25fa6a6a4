#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[event]
struct VisitCount {
    visits: u64,
}

struct CountVisits;

#[operator]
impl CountVisits {
    fn on_event(&self, visit: Visit, out: &mut impl Emit<VisitCount>) {}
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
