//! Where threads start: each has a name that a debugger or `top -H` shows.

use std::sync::OnceLock;
use std::thread::JoinHandle;

use rayon::{ThreadPool, ThreadPoolBuilder};

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

/// Has `work`, which takes long and for which nobody waits, done beside the job: in threads of its own, half as many as
/// rayon has, so that the writing of a snapshot finds rayon's free. Work in rayon that it starts runs there, too.
///
/// It must not panic: that would end the process.
pub fn spawn_patient(work: impl FnOnce() + Send + 'static) {
    static THREADS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let threads = THREADS.get_or_init(|| {
        let count = (rayon::current_num_threads() / 2).max(1);
        ThreadPoolBuilder::new().num_threads(count).thread_name(|n| format!("patient-{n}")).build().ok()
    });
    match threads {
        Some(threads) => threads.spawn(work),
        // Without threads of its own it stands in the way, but is done.
        None => rayon::spawn(work),
    }
}
