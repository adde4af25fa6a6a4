#![allow(unused)]

use tidegate::prelude::*;

#[event(time = at)]
#[derive(Clone)]
struct Visit {
    user: String,
    at: EventTime,
}

struct CountVisits;

#[job]
fn visits(job: &Job) -> Result<()> {
    job.source("visits", Memory::of(Vec::<Visit>::new()))
        .key_by(|visit| visit.user.clone())
        .window(Tumbling::of(secs(10)))
        .aggregate("visits", CountVisits)
        .sink("counts", Stdout::json());
    Ok(())
}
