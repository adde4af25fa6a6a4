#![allow(unused)]

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
    let _counts = job.source("visits", Memory::of(visits))
        .map(|visit| visit.user)
        .key_by(|user| user.clone())
        .process("count-visits", CountVisits);
}

fn main() {}
