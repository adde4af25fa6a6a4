#![allow(unused)]

use tidegate::prelude::*;

#[derive(Clone)]
struct Line {
    text: String,
}

#[state(unkeyed)]
#[derive(Default)]
struct Pending {
    lines: DealtList<Line>,
}

fn main() {}
