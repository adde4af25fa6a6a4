#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
    pages: List<String>,
}

fn main() {}
