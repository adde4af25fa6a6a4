#![allow(unused)]

use tidegate::prelude::*;

#[state(unkeyed, version = 2)]
#[derive(Default)]
struct Pending {
    lines: DealtList<String>,
}

fn main() {}
