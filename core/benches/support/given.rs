//! Records that are given away from memory, and when they were.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate::prelude::*;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};
use tidegate::time::Clock;

/// When the records that count were given: from the first of them to the last, over all splits.
pub struct Marks {
    clock: Clock,
    /// So many records of each split come before.
    before: u64,
    taken: Mutex<(Option<Duration>, Duration)>,
}

impl Marks {
    /// The first `before` records of each split do not count.
    pub fn behind(before: u64) -> Arc<Marks> {
        Arc::new(Marks { clock: Clock::system(), before, taken: Mutex::default() })
    }

    fn note(&self, given: u64, is_last: bool) {
        let now = self.clock.monotonic();
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if given >= self.before {
            taken.0.get_or_insert(now);
        }
        if is_last {
            taken.1 = taken.1.max(now);
        }
    }

    /// How long it took.
    pub fn time(&self) -> Duration {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.1.saturating_sub(taken.0.unwrap_or_default())
    }
}

/// A source that gives its records away, by value and once: nothing is cloned in the time that is measured.
pub struct Given<T> {
    splits: Mutex<Vec<Option<Vec<T>>>>,
    marks: Arc<Marks>,
}

impl<T> Given<T> {
    /// A split for each vector.
    pub fn of(splits: Vec<Vec<T>>, marks: &Arc<Marks>) -> Given<T> {
        Given { splits: Mutex::new(splits.into_iter().map(Some).collect()), marks: Arc::clone(marks) }
    }
}

impl<T: Send + 'static> Source for Given<T> {
    type Item = T;
    type Reader = GivenReader<T>;

    fn describe(&self) -> String {
        "records that are given away".to_string()
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    fn splits(&self) -> Result<Vec<Split>> {
        let splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok((0..splits).map(|split| Split { id: SplitId(split.to_string()), bytes: None }).collect())
    }

    fn open(&self, split: &SplitId, _: Offset) -> Result<GivenReader<T>> {
        let number = split.0.parse::<usize>().ok();
        let mut splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        let records = number.and_then(|number| splits.get_mut(number)).and_then(Option::take);
        let records = records.ok_or_else(|| Error::failure("these records have been given away"))?;
        Ok(GivenReader { records: records.into_iter(), given: 0, marks: Arc::clone(&self.marks) })
    }
}

/// Gives the records of one split away.
pub struct GivenReader<T> {
    records: std::vec::IntoIter<T>,
    given: u64,
    marks: Arc<Marks>,
}

impl<T: 'static> SplitReader for GivenReader<T> {
    type Item = T;

    fn read(&mut self, max: usize, each: &mut impl FnMut(T)) -> Result<ReadStatus> {
        let before = self.records.len();
        // The last is noted when it is asked for more: what came before has gone down the chain by then.
        self.marks.note(self.given, before == 0);
        self.records.by_ref().take(max).for_each(each);
        self.given += (before - self.records.len()) as u64;
        Ok(if before == 0 { ReadStatus::End } else { ReadStatus::More })
    }

    fn offset(&self) -> Offset {
        Offset { position: self.given, records: self.given }
    }
}
