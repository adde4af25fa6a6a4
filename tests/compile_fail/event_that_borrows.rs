#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Visit<'a> {
    user: &'a str,
    url: &'a str,
}

fn main() {}
