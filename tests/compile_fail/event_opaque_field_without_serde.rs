#![allow(unused)]

use tidegate::prelude::*;

struct Agent(String);

#[event]
struct Visit {
    #[event(opaque)]
    agent: Agent,
}

fn main() {}
