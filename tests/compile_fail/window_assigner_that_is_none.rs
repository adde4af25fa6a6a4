#![allow(unused)]

use tidegate::prelude::*;

#[event(time = at)]
#[derive(Clone)]
struct Visit {
    user: String,
    at: EventTime,
}

#[job]
fn visits(job: &Job) -> Result<()> {
    job.source("visits", Memory::of(Vec::<Visit>::new()))
        .key_by(|visit| visit.user.clone())
        .window(secs(10))
        .aggregate("visits", Count)
        .sink("counts", Stdout::json());
    Ok(())
}
