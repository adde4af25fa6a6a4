#![allow(unused)]

use tidegate::prelude::*;

#[operator]
struct CountVisits;

fn main() {}
