#![allow(unused)]

use tidegate::prelude::*;

#[event]
fn visit() {}

fn main() {}
