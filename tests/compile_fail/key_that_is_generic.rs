#![allow(unused)]

use tidegate::prelude::*;

#[key]
struct Tagged<T> {
    tag: u32,
    value: T,
}

fn main() {}
