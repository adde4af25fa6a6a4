#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone, Debug)]
struct Visit {
    user: &'static str,
}

fn main() {}
