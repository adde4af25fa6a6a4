#![allow(unused)]

use tidegate::prelude::*;

#[job]
fn web_visits<T>(job: &Job) -> Result<()> {
    Ok(())
}
