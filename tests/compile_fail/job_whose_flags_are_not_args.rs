#![allow(unused)]

use tidegate::prelude::*;

struct Args {
    input: String,
}

#[job]
fn web_visits(job: &Job, args: Args) -> Result<()> {
    Ok(())
}
