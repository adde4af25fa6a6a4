fn traffic(job: &Job) -> Result<()> {
    Ok(())
}
#[allow(dead_code)]
fn main() -> ::std::process::ExitCode {
    ::tidegate::job::main::<
        ::tidegate::job::NoArgs,
    >(
        ::tidegate::job::Program {
            name: "traffic-2",
            version: ::core::env!("CARGO_PKG_VERSION"),
            about: "",
        },
        |job, _| traffic(job),
    )
}
