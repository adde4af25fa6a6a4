#![allow(unused)]

use tidegate::prelude::*;

use std::rc::Rc;

#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
struct Visit {
    user: Rc<str>,
}

fn carried<T: Data>(_: T) {}

fn visit(visit: Visit) {
    carried(visit);
}

fn main() {}
