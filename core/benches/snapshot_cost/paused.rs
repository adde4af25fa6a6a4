//! Records that do not come for a while, until something is so.

use std::sync::Arc;

use tidegate::prelude::*;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};

/// From record number `at` on there is nothing to read for a time.
#[derive(Clone)]
pub struct Pause {
    pub at: u64,
    pub is_over: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// Generated records, with a pause: the operator goes on with its snapshots meanwhile.
pub struct Paused<F> {
    pub records: Generate<F>,
    pub pause: Pause,
}

/// Reads up to the pause, and behind it.
pub struct PausedReader<R> {
    records: R,
    pause: Option<Pause>,
}

impl<F: Fn(u64) -> u64 + Send + Sync + 'static> Source for Paused<F> {
    type Item = u64;
    type Reader = PausedReader<<Generate<F> as Source>::Reader>;

    fn describe(&self) -> String {
        self.records.describe()
    }

    fn replay(&self) -> Replay {
        self.records.replay()
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Source::splits(&self.records)
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<Self::Reader> {
        Ok(PausedReader { records: self.records.open(split, from)?, pause: Some(self.pause.clone()) })
    }
}

impl<R: SplitReader<Item = u64>> SplitReader for PausedReader<R> {
    type Item = u64;

    fn read(&mut self, max: usize, each: &mut impl FnMut(u64)) -> Result<ReadStatus> {
        let Some(Pause { at, is_over }) = &self.pause else { return self.records.read(max, each) };
        let before = at.saturating_sub(self.records.offset().records);
        if before == 0 && !is_over() {
            return Ok(ReadStatus::Idle);
        }
        if before == 0 {
            self.pause = None;
            return self.records.read(max, each);
        }
        self.records.read(usize::try_from(before).map_or(max, |before| before.min(max)), each)
    }

    fn offset(&self) -> Offset {
        self.records.offset()
    }
}
