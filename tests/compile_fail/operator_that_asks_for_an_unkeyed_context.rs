#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Line {
    text: String,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
}

struct CountVisits;

#[operator]
impl CountVisits {
    fn on_event(&self, line: Line, session: &mut Session, cx: &UnkeyedContext) -> u64 {
        session.visits
    }
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
