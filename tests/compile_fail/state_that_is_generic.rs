#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Latest<T> {
    value: Option<T>,
}

fn main() {}
