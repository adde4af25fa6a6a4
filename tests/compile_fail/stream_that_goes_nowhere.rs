#![deny(unused_must_use)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Visit {
    user: String,
    number: u64,
}

#[state(key = String)]
#[derive(Default)]
struct Session {
    visits: u64,
}

#[operator]
fn count_visits(visit: Visit, session: &mut Session) -> u64 {
    session.visits += visit.number;
    session.visits
}

fn wire(job: &Job, visits: Vec<Visit>) {
    job.source("visits", Memory::of(visits))
        .map(|visit| visit.number);
}

fn main() {}
