#![allow(unused)]

use tidegate::prelude::*;

struct CountVisits;

#[operator]
impl CountVisits {
    fn helper(&self) {}
}

fn is_operator(_: impl Operator) {}

fn wired() {
    is_operator(CountVisits);
}

fn main() {}
