#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[operator]
fn words(visit: Visit, out: &mut impl Emit<String>) {
    out.emit(visit.user);
}

fn main() {}
