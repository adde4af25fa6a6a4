/// Counts the visits of every user
/// of a web server.
///
/// More of it.
#[job]
fn web_visits(job: &Job, args: Args) -> Result<()> {
    Ok(())
}
