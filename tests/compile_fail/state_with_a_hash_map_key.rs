#![allow(unused)]

use tidegate::prelude::*;

use std::collections::HashMap;

#[state(key = HashMap<String, u64>)]
#[derive(Default)]
struct Session {
    visits: u64,
}

fn main() {}
