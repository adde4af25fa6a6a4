#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Line {
    text: String,
}

#[state(unkeyed)]
#[derive(Default)]
struct Pending {
    lines: DealtList<Line>,
}

struct CountVisits;

#[operator]
impl CountVisits {
    fn on_event(&self, line: Line, pending: &mut Pending) -> u64 {
        0
    }
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
