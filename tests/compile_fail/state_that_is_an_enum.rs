#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
enum Session {
    #[default]
    Closed,
    Open {
        visits: u64,
    },
}

fn main() {}
