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

struct Batcher;

#[operator(unkeyed)]
impl Batcher {
    fn on_event(&self, line: Line, pending: &mut Pending) -> Option<u64> {
        pending.lines.push(line);
        None
    }
}

fn wire(job: &Job, lines: Vec<String>) {
    job.source("lines", Memory::of(lines))
        .process("batcher", Batcher)
        .discard();
}

fn main() {}
