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

struct Batcher;

#[operator(unkeyed)]
impl Batcher {
    fn on_event(&self, line: Line, session: &mut Session) -> Option<u64> {
        None
    }
}

fn is_operator(_: impl UnkeyedOperator) {}

fn wired() {
    is_operator(Batcher);
}

fn main() {}
