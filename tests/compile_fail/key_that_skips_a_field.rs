#![allow(unused)]

use tidegate::prelude::*;

#[key]
struct Link {
    router: u32,
    #[serde(skip)]
    label: String,
}

fn main() {}
