//! What the user asks of a running job by a signal.
//!
//! Ctrl-C and SIGTERM: the first one asks the job to stop with a snapshot, the second one ends the process at once. SIGUSR1
//! asks for a savepoint. Nothing else is touched: SIGPIPE, SIGHUP and the rest do what they would do without us.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// What has been asked for. Clones see the same requests.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    savepoint: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on. A second SIGINT or SIGTERM exits with 130 or 143, as a shell would report it.
    ///
    /// # Errors
    /// If the operating system does not let the process listen.
    pub fn install() -> Result<Signals> {
        let signals = Signals::default();
        let deaf = |error| Error::failure("can't listen for signals").caused_by(error);
        for (signal, exit_code) in [(SIGINT, 128 + SIGINT), (SIGTERM, 128 + SIGTERM)] {
            // In this order: the exit must see the flag as it was before this signal.
            flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&signals.stop))
                .and_then(|_| flag::register(signal, Arc::clone(&signals.stop)))
                .map_err(deaf)?;
        }
        // Also in a job that can't take savepoints: without a handler the signal would end the process.
        #[cfg(unix)]
        flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&signals.savepoint)).map_err(deaf)?;
        Ok(signals)
    }

    /// Requests that are only made by calls: for tests, and for jobs that are part of another program.
    pub fn by_hand() -> Signals {
        Signals::default()
    }

    /// Asks the job to stop, as SIGTERM would.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
    }

    /// Whether the job has been asked to stop.
    pub fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Asks the job for a savepoint, as SIGUSR1 would.
    pub fn request_savepoint(&self) {
        self.savepoint.store(true, Ordering::SeqCst);
    }

    /// Whether a savepoint has been asked for since this was last called.
    pub(crate) fn take_savepoint_request(&self) -> bool {
        self.savepoint.swap(false, Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_requests_that_all_clones_see_and_one_for_a_savepoint_is_taken_once() {
        let signals = Signals::install().unwrap();
        let clone = signals.clone();
        assert!(!clone.stop_requested());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(signals.stop_requested() && clone.stop_requested());
        #[cfg(unix)]
        {
            assert!(!clone.take_savepoint_request());
            signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
            assert!(clone.take_savepoint_request() && !signals.take_savepoint_request());
        }
    }

    #[test]
    fn a_request_by_hand_needs_no_signal() {
        let signals = Signals::by_hand();
        signals.request_stop();
        assert!(signals.stop_requested());
        signals.request_savepoint();
        assert!(signals.take_savepoint_request() && !signals.take_savepoint_request());
    }
}
