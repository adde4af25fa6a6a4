//! The tokio runtime that requests find themselves in, with the feature `tokio`: what wakes the futures of clients that want one.
//!
//! It is one for the process, and has one thread: that reads sockets, tells the time, and runs what clients spawn. The requests
//! themselves are polled by the workers. Without the feature there is nothing here, and futures bring what wakes them.

use crate::error::Result;

#[cfg(feature = "tokio")]
pub(super) use with_tokio::Runtime;
#[cfg(not(feature = "tokio"))]
pub(super) use without_tokio::Runtime;

impl Runtime {
    /// The runtime of the process.
    ///
    /// # Errors
    /// If it can't start.
    pub fn open() -> Result<Runtime> {
        Runtime::of_process()
    }
}

#[cfg(feature = "tokio")]
mod with_tokio {
    use std::sync::{Mutex, PoisonError};

    use tokio::runtime::{Builder, Handle};

    use crate::error::Result;
    use crate::task::thread::spawn;

    pub struct Runtime(Handle);

    impl Runtime {
        pub(super) fn of_process() -> Result<Runtime> {
            static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);
            let mut running = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(handle) = &*running {
                return Ok(Runtime(handle.clone()));
            }
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            // It ends with the process: what clients have spawned there may outlive a job.
            spawn("async-io", move || runtime.block_on(std::future::pending::<()>()))?;
            *running = Some(handle.clone());
            Ok(Runtime(handle))
        }

        /// Runs `body` within the runtime.
        pub fn within<T>(&self, body: impl FnOnce() -> T) -> T {
            let _guard = self.0.enter();
            body()
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod without_tokio {
    use crate::error::Result;

    pub struct Runtime;

    impl Runtime {
        #[allow(clippy::unnecessary_wraps)] // With tokio it can fail.
        pub(super) fn of_process() -> Result<Runtime> {
            Ok(Runtime)
        }

        pub fn within<T>(&self, body: impl FnOnce() -> T) -> T {
            body()
        }
    }
}
