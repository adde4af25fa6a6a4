//! A source that gives few records at a time and now and then none, so that a short input makes a long run.

use std::sync::Arc;

use tidegate::Result;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};

/// Splits of records in memory. How many come with a read is decided by a seed and the offset, so that it is the same again
/// after a restore.
#[derive(Clone)]
pub struct Dribble<T> {
    splits: Arc<Vec<Vec<T>>>,
    seed: u64,
    /// How often a split is found idle behind its last record before it ends.
    idle_at_end: u32,
    /// Which split that is true of; of all if none is named.
    idle_split: Option<usize>,
}

impl<T> Dribble<T> {
    pub fn of(splits: Vec<Vec<T>>, seed: u64) -> Dribble<T> {
        Dribble { splits: Arc::new(splits), seed, idle_at_end: 0, idle_split: None }
    }

    pub fn idle_at_end(self, reads: u32) -> Dribble<T> {
        Dribble { idle_at_end: reads, ..self }
    }

    pub fn only_split(self, split: usize) -> Dribble<T> {
        Dribble { idle_split: Some(split), ..self }
    }
}

/// The most records that come with one read.
pub const READ_MAX: u64 = 24;

impl<T: Clone + Send + Sync + 'static> Source for Dribble<T> {
    type Item = T;
    type Reader = DribbleReader<T>;

    fn describe(&self) -> String {
        "a dribble".to_string()
    }

    fn replay(&self) -> Replay {
        Replay::FromOffset
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok((0..self.splits.len()).map(|n| Split { id: SplitId(n.to_string()), bytes: None }).collect())
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<DribbleReader<T>> {
        let (split, next) = (split.0.parse().unwrap(), from.position as usize);
        Ok(DribbleReader { source: self.clone(), split, next, paused: false, idle: 0 })
    }
}

pub struct DribbleReader<T> {
    source: Dribble<T>,
    split: usize,
    next: usize,
    /// Whether the last read gave nothing: two in a row would only cost time.
    paused: bool,
    idle: u32,
}

impl<T: Clone + 'static> SplitReader for DribbleReader<T> {
    type Item = T;

    fn read(&mut self, max: usize, each: &mut impl FnMut(T)) -> Result<ReadStatus> {
        let records = &self.source.splits[self.split];
        if self.next == records.len() {
            self.idle += 1;
            let idles = self.source.idle_split.is_none_or(|split| split == self.split);
            return Ok(if !idles || self.idle > self.source.idle_at_end {
                ReadStatus::End
            } else {
                ReadStatus::Idle
            });
        }
        let mut random =
            super::Random::seeded(self.source.seed ^ ((self.split as u64) << 40) ^ self.next as u64);
        if !self.paused && random.below(4) == 0 {
            self.paused = true;
            return Ok(ReadStatus::Idle);
        }
        self.paused = false;
        let count = max.min(1 + random.below(READ_MAX) as usize);
        for record in records[self.next..].iter().take(count) {
            self.next += 1;
            each(record.clone());
        }
        Ok(ReadStatus::More)
    }

    fn offset(&self) -> Offset {
        Offset { position: self.next as u64, records: self.next as u64 }
    }
}
