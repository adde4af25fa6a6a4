//! Ctrl-C and SIGTERM: the first one asks the job to stop with a snapshot, the second one ends the process at once.
//!
//! Nothing else is touched: SIGPIPE, SIGHUP and the rest do what they would do without us.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Whether the user has asked the job to stop. Clones see the same request.
#[derive(Clone, Debug, Default)]
pub struct StopSignal {
    requested: Arc<AtomicBool>,
}

impl StopSignal {
    /// Listens for SIGINT and SIGTERM from now on. A second one exits with 130 or 143, as a shell would report it.
    ///
    /// # Errors
    /// If the operating system does not let the process listen.
    pub fn install() -> Result<StopSignal> {
        let stop = StopSignal::default();
        for (signal, exit_code) in [(SIGINT, 128 + SIGINT), (SIGTERM, 128 + SIGTERM)] {
            // In this order: the exit must see the flag as it was before this signal.
            flag::register_conditional_shutdown(signal, exit_code, Arc::clone(&stop.requested))
                .and_then(|_| flag::register(signal, Arc::clone(&stop.requested)))
                .map_err(|error| Error::failure("can't listen for Ctrl-C and SIGTERM").caused_by(error))?;
        }
        Ok(stop)
    }

    /// A request that only [`StopSignal::request`] makes: for tests, and for jobs that are part of another program.
    pub fn by_hand() -> StopSignal {
        StopSignal::default()
    }

    /// Asks the job to stop, as a signal would.
    pub fn request(&self) {
        self.requested.store(true, Ordering::SeqCst);
    }

    /// Whether the job has been asked to stop.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sigterm_is_a_request_to_stop_that_all_clones_see() {
        let stop = StopSignal::install().unwrap();
        let clone = stop.clone();
        assert!(!clone.requested());
        signal_hook::low_level::raise(SIGTERM).unwrap();
        assert!(stop.requested() && clone.requested());
    }

    #[test]
    fn a_request_by_hand_needs_no_signal() {
        let stop = StopSignal::by_hand();
        stop.request();
        assert!(stop.requested());
    }
}
