//! Counters that workers write once per batch and the progress display reads.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::key::SubtaskIndex;
use crate::time::EventTime;

/// What the subtasks of all sources have read.
#[derive(Debug, Default)]
pub struct SourceMetrics {
    /// Records read in this attempt.
    pub records: AtomicU64,
    /// Bytes read, as they lie in the source.
    pub bytes: AtomicU64,
}

/// How far event time has come in every subtask of every source.
#[derive(Debug)]
pub(crate) struct WatermarkMetrics {
    subtasks: Vec<AtomicI64>,
}

impl WatermarkMetrics {
    pub fn new(subtasks: usize) -> WatermarkMetrics {
        let silent = || AtomicI64::new(EventTime::MIN.as_millis());
        WatermarkMetrics { subtasks: std::iter::repeat_with(silent).take(subtasks).collect() }
    }

    pub fn advance(&self, subtask: SubtaskIndex, watermark: EventTime) {
        if let Some(own) = self.subtasks.get(subtask.index()) {
            own.fetch_max(watermark.as_millis(), Ordering::Relaxed);
        }
    }

    /// The minimum over the subtasks.
    pub fn current(&self) -> EventTime {
        let minimum = self.subtasks.iter().map(|own| own.load(Ordering::Relaxed)).min();
        EventTime::from_millis(minimum.unwrap_or(i64::MIN))
    }
}
