#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[key]
struct Link {
    router: u32,
}

fn keyed<K: Key>(_: K) {}

fn link() {
    keyed(Link { router: 1 });
}

fn main() {}
