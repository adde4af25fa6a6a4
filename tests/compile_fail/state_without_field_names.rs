#![allow(unused)]

use tidegate::prelude::*;

#[state(key = String)]
#[derive(Default)]
struct Visits(u64);

fn main() {}
