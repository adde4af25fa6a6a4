//! Where threads start: each has a name that a debugger or `top -H` shows.

use std::thread::JoinHandle;

/// Starts a thread called `name`.
///
/// # Errors
/// If the operating system has none left.
#[allow(clippy::disallowed_methods)] // The one place where threads start.
pub fn spawn<T: Send + 'static>(
    name: &str,
    body: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(name.to_string()).spawn(body)
}
