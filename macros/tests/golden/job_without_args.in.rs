#[job(name = "traffic-2")]
fn traffic(job: &Job) -> Result<()> {
    Ok(())
}
