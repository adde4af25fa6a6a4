#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone, PartialEq, Eq)]
struct Link {
    router: u32,
}

#[state(key = Link)]
#[derive(Default)]
struct Load {
    bytes: u64,
}

fn main() {}
