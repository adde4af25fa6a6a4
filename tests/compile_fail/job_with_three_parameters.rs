#![allow(unused)]

use tidegate::prelude::*;

#[derive(clap::Args)]
struct Args {}

#[job]
fn web_visits(job: &Job, args: Args, more: u64) -> Result<()> {
    Ok(())
}
