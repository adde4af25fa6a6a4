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

    fn on_timer(&self, flush: Line, pending: &mut Pending) -> Option<u64> {
        None
    }
}

fn wire(job: &Job, lines: Vec<Line>) {
    job.source("lines", Memory::of(lines))
        .process("batcher", Batcher)
        .discard();
}

fn main() {}
