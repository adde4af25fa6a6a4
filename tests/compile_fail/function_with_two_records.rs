#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[operator]
fn join(left: Visit, right: Visit) -> String {
    left.user + &right.user
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(Join);
}

fn main() {}
