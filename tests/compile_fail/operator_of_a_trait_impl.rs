#![allow(unused)]

use tidegate::prelude::*;

struct CountVisits;

#[operator]
impl Clone for CountVisits {
    fn clone(&self) -> Self {
        CountVisits
    }
}

fn main() {}
