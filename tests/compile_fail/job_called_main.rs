#![allow(unused)]

use tidegate::prelude::*;

#[job]
fn main(job: &Job) -> Result<()> {
    Ok(())
}
