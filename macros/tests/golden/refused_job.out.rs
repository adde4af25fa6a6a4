#[allow(dead_code)]
fn web_visits<T>(job: &Job) -> Result<()> {
    Ok(())
}
::core::compile_error! {
    "`web_visits` is generic, but `main` calls it, and nothing tells `main` with which types\nhelp: name the types; what is to be chosen at the start is a flag in the job's `Args`"
}
fn main() {}
