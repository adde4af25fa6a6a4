//! How much memory the state of a process may take, and takes: one account for all operators and workers.

use std::sync::atomic::{AtomicU64, Ordering};

/// An eighth of the limit is kept free, but no more than this.
const RESERVE_BYTES_MAX: u64 = 64 << 20;

/// The account. What is booked is an estimate: of rows, of what hangs off them, and of runs on their way to disk.
#[derive(Debug)]
pub struct StateMemory {
    bytes_max: u64,
    bytes: AtomicU64,
}

impl StateMemory {
    /// An account without a limit.
    pub fn unlimited() -> StateMemory {
        StateMemory::of(u64::MAX)
    }

    /// An account with a limit.
    pub fn of(bytes_max: u64) -> StateMemory {
        StateMemory { bytes_max, bytes: AtomicU64::new(0) }
    }

    /// What may be taken.
    pub fn bytes_max(&self) -> u64 {
        self.bytes_max
    }

    /// What is taken.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// By how much the limit is exceeded.
    pub fn excess(&self) -> u64 {
        self.bytes().saturating_sub(self.bytes_max)
    }

    /// By how much it is so near to the limit that rows must begin to leave: what is on its way out takes memory, too.
    pub fn pressure(&self) -> u64 {
        let reserve = (self.bytes_max / 8).min(RESERVE_BYTES_MAX);
        self.bytes().saturating_sub(self.bytes_max - reserve)
    }
}

/// One holder's share of an account; given back when it goes.
#[derive(Debug)]
pub(crate) struct Share {
    account: std::sync::Arc<StateMemory>,
    bytes: u64,
}

impl Share {
    pub fn of(account: std::sync::Arc<StateMemory>) -> Share {
        Share { account, bytes: 0 }
    }

    /// The account.
    pub fn account(&self) -> &StateMemory {
        &self.account
    }

    /// The holder takes `bytes` now.
    pub fn set(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.account.bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else {
            self.account.bytes.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}
