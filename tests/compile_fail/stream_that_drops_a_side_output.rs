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

#[operator]
fn split_visits(visit: Visit, session: &mut Session, out: &mut impl Emit<u64>, late: &mut impl Emit<Visit>) {
    session.visits += 1;
    out.emit(session.visits);
    late.emit(visit);
}

fn wire(job: &Job, visits: Vec<Visit>) {
    job.source("visits", Memory::of(visits))
        .key_by(|visit| visit.user.clone())
        .process("split-visits", SplitVisits)
        .discard();
}

fn main() {}
