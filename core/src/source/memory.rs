//! Records that are there already: for tests and examples.

use std::sync::Arc;

use super::deal::Share;
use super::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};
use crate::error::Result;

/// A source that gives the records of a vector, in order.
///
/// ```
/// # use tidegate::source::{Memory, Source};
/// let numbers = Memory::of(vec![1, 2, 3, 4, 5]).splits(2);
/// assert_eq!(Source::splits(&numbers).unwrap().len(), 2); // the one gives 1, 3, 5, the other 2, 4
/// ```
#[derive(Clone, Debug)]
pub struct Memory<T> {
    records: Arc<[T]>,
    splits: u32,
}

impl<T: Clone + Send + Sync + 'static> Memory<T> {
    /// The records of a vector.
    pub fn of(records: Vec<T>) -> Memory<T> {
        Memory { records: records.into(), splits: 1 }
    }

    /// Deals the records to `splits` splits in turn (at least one), which different subtasks can read. The order within a
    /// split stays.
    #[must_use]
    pub fn splits(self, splits: u32) -> Memory<T> {
        Memory { splits: splits.max(1), ..self }
    }
}

impl<T: Clone + Send + Sync + 'static> Source for Memory<T> {
    type Item = T;
    type Reader = MemoryReader<T>;

    fn describe(&self) -> String {
        format!("{} records in memory", self.records.len())
    }

    fn replay(&self) -> Replay {
        Replay::FromOffset
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(Share::all(self.splits))
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<MemoryReader<T>> {
        let share = Share::named(split, self.splits, &self.describe())?;
        let length = share.of(self.records.len() as u64);
        let given = share.check(from, length, &self.describe())?;
        Ok(MemoryReader { records: Arc::clone(&self.records), share, given, length })
    }
}

/// Reads one split of a [`Memory`].
pub struct MemoryReader<T> {
    records: Arc<[T]>,
    share: Share,
    given: u64,
    length: u64,
}

impl<T: Clone + 'static> SplitReader for MemoryReader<T> {
    type Item = T;

    fn read(&mut self, max: usize, each: &mut impl FnMut(T)) -> Result<ReadStatus> {
        let until = self.length.min(self.given.saturating_add(max as u64));
        while self.given < until {
            let record = self.records[self.share.record(self.given) as usize].clone();
            self.given += 1;
            each(record);
        }
        Ok(if self.given == self.length { ReadStatus::End } else { ReadStatus::More })
    }

    fn offset(&self) -> Offset {
        Offset { position: self.given, records: self.given }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(source: &Memory<u64>, split: usize, from: u64) -> Vec<u64> {
        let split = &Source::splits(source).unwrap()[split].id;
        let mut reader = source.open(split, Offset { position: from, records: from }).unwrap();
        let mut records = Vec::new();
        while reader.read(2, &mut |record| records.push(record)).unwrap() == ReadStatus::More {}
        records
    }

    #[test]
    fn records_are_dealt_in_turn_and_can_be_read_from_anywhere_on() {
        let source = Memory::of((0..8).collect()).splits(3);
        assert_eq!(read(&source, 0, 0), [0, 3, 6]);
        assert_eq!(read(&source, 2, 0), [2, 5]);
        assert_eq!(read(&source, 1, 1), [4, 7]);
        assert!(read(&source, 1, 3).is_empty());
    }

    #[test]
    fn an_offset_behind_the_end_is_refused() {
        let source = Memory::of(vec![1, 2]);
        let id = &Source::splits(&source).unwrap()[0].id;
        let error = source.open(id, Offset { position: 3, records: 3 }).err().unwrap();
        assert!(error.to_string().contains("has 2 records, and 3 had been read"), "{error}");
    }
}
