#![allow(unused)]

use tidegate::prelude::*;

#[key]
struct Place {
    latitude: f64,
}

fn keyed<K: Key>(_: K) {}

fn place() {
    keyed(Place { latitude: 47.4 });
}

fn main() {}
