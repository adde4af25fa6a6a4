//! Records that come too late for an operator, and have no stream of their own to go to: they are counted, and said once.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the late records that an operator drops, over all its subtasks. The first is a warning; the total is said at the end.
#[derive(Debug)]
pub(crate) struct LateRecords {
    operator: String,
    /// Whether they come out on the side: then nothing is lost and nothing is said.
    kept: bool,
    dropped: AtomicU64,
}

impl LateRecords {
    pub fn of(operator: &str, kept: bool) -> LateRecords {
        LateRecords { operator: operator.to_string(), kept, dropped: AtomicU64::new(0) }
    }

    /// The operator's name.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// A record is late.
    pub fn count(&self) {
        if !self.kept && self.dropped.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "operator {:?} drops records that come too late; give them a stream of their own, or watermarks more time",
                self.operator
            );
        }
    }
}

impl Drop for LateRecords {
    fn drop(&mut self) {
        let dropped = *self.dropped.get_mut();
        if dropped > 0 {
            tracing::warn!("operator {:?} has dropped {dropped} late records", self.operator);
        }
    }
}
