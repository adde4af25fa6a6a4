#![allow(unused)]

use tidegate::prelude::*;

#[event]
#[derive(Clone)]
struct Visit {
    user: String,
}

fn wire(job: &Job, visits: Vec<Visit>) {
    let _keyed = job.source("visits", Memory::of(visits))
        .map(|visit| List::from([visit.user]))
        .key_by(|_| 1u64);
}

fn main() {}
