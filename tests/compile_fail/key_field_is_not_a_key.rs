#![allow(unused)]

use tidegate::prelude::*;

enum Region {
    Europe,
    America,
}

#[key]
struct Shop {
    region: Region,
    number: u32,
}

fn keyed<K: Key>(_: K) {}

fn shop() {
    keyed(Shop { region: Region::Europe, number: 7 });
}

fn main() {}
