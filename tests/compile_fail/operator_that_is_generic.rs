#![allow(unused)]

use tidegate::prelude::*;

#[event]
struct Visit {
    user: String,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
}

struct CountVisits<T> {
    keep: T,
}

#[operator]
impl<T> CountVisits<T> {
    fn on_event(&self, visit: Visit, session: &mut Session) {}
}

fn main() {}
