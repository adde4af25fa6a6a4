#![allow(unused)]

use tidegate::prelude::*;

struct Place {
    latitude: f64,
    longitude: f64,
}

#[event]
struct Visit {
    user: String,
    place: Option<Place>,
}

fn carried<T: Data>(_: T) {}

fn visit() {
    carried(Visit { user: String::new(), place: Some(Place { latitude: 0.0, longitude: 0.0 }) });
}

fn main() {}
