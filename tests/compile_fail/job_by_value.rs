#![allow(unused)]

use tidegate::prelude::*;

#[job]
fn web_visits(job: Job) -> Result<()> {
    Ok(())
}
