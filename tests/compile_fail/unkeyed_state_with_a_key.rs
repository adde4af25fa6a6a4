#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Line {
    text: String,
}

#[state(key = String, unkeyed)]
#[derive(Default)]
struct Pending {
    lines: DealtList<Line>,
}

struct Batcher;

#[operator(unkeyed)]
impl Batcher {
    fn on_event(&self, line: Line, pending: &mut Pending) -> Option<u64> {
        pending.lines.push(line);
        None
    }
}

fn is_operator(_: impl UnkeyedOperator) {}

fn wired() {
    is_operator(Batcher);
}

fn main() {}
