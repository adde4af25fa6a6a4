#![allow(unused)]

use tidegate::prelude::*;

use std::collections::HashMap;

#[key]
struct Labels {
    labels: HashMap<String, String>,
}

fn main() {}
