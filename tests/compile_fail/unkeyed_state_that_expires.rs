#![allow(unused)]

use tidegate::prelude::*;

#[state(unkeyed)]
#[derive(Default)]
struct Pending {
    #[state(ttl = "7d")]
    lines: DealtList<String>,
}

fn main() {}
