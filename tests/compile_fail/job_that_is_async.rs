#![allow(unused)]

use tidegate::prelude::*;

#[job]
async fn web_visits(job: &Job) -> Result<()> {
    Ok(())
}
