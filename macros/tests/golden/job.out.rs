/// Counts the visits of every user
/// of a web server.
///
/// More of it.
fn web_visits(job: &Job, args: Args) -> Result<()> {
    Ok(())
}
#[allow(dead_code)]
fn main() -> ::std::process::ExitCode {
    ::tidegate::job::main::<
        Args,
    >(
        ::tidegate::job::Program {
            name: "web-visits",
            version: ::core::env!("CARGO_PKG_VERSION"),
            about: "Counts the visits of every user of a web server.",
        },
        web_visits,
    )
}
