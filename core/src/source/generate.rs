//! Records that are made up: for tests, benchmarks and trying things out.

use std::sync::Arc;

use super::deal::Share;
use super::{Boundedness, Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader, Throttle};
use crate::error::Result;
use crate::time::Clock;

/// A source whose record number `i` is a function of `i`. It can be read again because it always says the same.
///
/// ```
/// # use tidegate::source::Generate;
/// let squares = Generate::new(1_000_000, |i| i * i).rate(5000.0).splits(4);
/// ```
pub struct Generate<F> {
    /// `None`: there is no end.
    count: Option<u64>,
    make: Arc<F>,
    splits: u32,
    rate: f64,
    clock: Clock,
    /// One for all splits.
    throttle: Arc<Throttle>,
}

impl<T: 'static, F: Fn(u64) -> T + Send + Sync + 'static> Generate<F> {
    /// `count` records: those that `make` makes of `0..count`.
    pub fn new(count: u64, make: F) -> Generate<F> {
        Generate::of(Some(count), make)
    }

    /// Records for ever: those that `make` makes of 0, 1, 2, ...
    pub fn unbounded(make: F) -> Generate<F> {
        Generate::of(None, make)
    }

    fn of(count: Option<u64>, make: F) -> Generate<F> {
        let throttle = Arc::new(Throttle::unlimited());
        Generate {
            count,
            make: Arc::new(make),
            splits: 1,
            rate: f64::INFINITY,
            clock: Clock::system(),
            throttle,
        }
    }

    /// At most this many records a second, by all splits together.
    #[must_use]
    pub fn rate(self, records_per_second: f64) -> Generate<F> {
        Generate { rate: records_per_second, ..self }.paced()
    }

    /// The clock that the rate is measured by, instead of the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Generate<F> {
        Generate { clock, ..self }.paced()
    }

    /// Deals the records to `splits` splits in turn (at least one), which different subtasks can read: record `i` belongs
    /// to split `i % splits`.
    #[must_use]
    pub fn splits(self, splits: u32) -> Generate<F> {
        Generate { splits: splits.max(1), ..self }
    }

    fn paced(self) -> Generate<F> {
        Generate { throttle: Arc::new(Throttle::per_second(self.rate, self.clock.clone())), ..self }
    }
}

impl<T: 'static, F: Fn(u64) -> T + Send + Sync + 'static> Source for Generate<F> {
    type Item = T;
    type Reader = GenerateReader<F>;

    fn describe(&self) -> String {
        match self.count {
            Some(count) => format!("{count} generated records"),
            None => "generated records".to_string(),
        }
    }

    fn replay(&self) -> Replay {
        Replay::FromOffset
    }

    fn boundedness(&self) -> Boundedness {
        if self.count.is_some() { Boundedness::Ends } else { Boundedness::Endless }
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Ok(Share::all(self.splits))
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<GenerateReader<F>> {
        let share = Share::named(split, self.splits, &self.describe())?;
        let length = self.count.map_or(u64::MAX, |count| share.of(count));
        let given = share.check(from, length, &self.describe())?;
        let (make, throttle) = (Arc::clone(&self.make), Arc::clone(&self.throttle));
        Ok(GenerateReader { make, throttle, share, given, length })
    }
}

/// Reads one split of a [`Generate`].
pub struct GenerateReader<F> {
    make: Arc<F>,
    throttle: Arc<Throttle>,
    share: Share,
    given: u64,
    length: u64,
}

impl<T, F: Fn(u64) -> T + 'static> SplitReader for GenerateReader<F> {
    type Item = T;

    fn read(&mut self, max: usize, each: &mut impl FnMut(T)) -> Result<ReadStatus> {
        let wanted = usize::try_from(self.length - self.given).map_or(max, |left| left.min(max));
        let granted = self.throttle.grant(wanted);
        for _ in 0..granted {
            let record = (self.make)(self.share.record(self.given));
            self.given += 1;
            each(record);
        }
        Ok(match () {
            () if self.given == self.length => ReadStatus::End,
            () if granted < wanted => ReadStatus::Idle,
            () => ReadStatus::More,
        })
    }

    fn offset(&self) -> Offset {
        Offset { position: self.given, records: self.given }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;

    fn read<F: Fn(u64) -> u64 + Send + Sync + 'static>(
        source: &Generate<F>,
        split: usize,
        from: u64,
    ) -> Vec<u64> {
        let split = &Source::splits(source).unwrap()[split].id;
        let mut reader = source.open(split, Offset { position: from, records: from }).unwrap();
        let mut records = Vec::new();
        while reader.read(2, &mut |record| records.push(record)).unwrap() == ReadStatus::More {}
        assert_eq!(reader.offset().records, from + records.len() as u64);
        records
    }

    #[test]
    fn a_split_gives_its_share_and_gives_it_again_from_any_offset() {
        let source = Generate::new(10, |i| i * i).splits(4);
        assert_eq!(read(&source, 1, 0), [1, 25, 81]);
        assert_eq!(read(&source, 1, 2), [81]);
        assert_eq!(read(&source, 3, 0), [9, 49]);
        assert!(read(&Generate::new(0, |i| i), 0, 0).is_empty());
    }

    #[test]
    fn the_rate_holds_for_all_splits_together() {
        let clock = Clock::virtual_at(EventTime::from_millis(0));
        let source = Generate::unbounded(|i| i).rate(100.0).clock(clock.clone()).splits(2);
        let splits = Source::splits(&source).unwrap();
        let mut readers: Vec<_> =
            splits.iter().map(|split| source.open(&split.id, Offset::default()).unwrap()).collect();
        let mut given = 0;
        for now in 0..1000 {
            clock.set(EventTime::from_millis(now));
            for reader in &mut readers {
                assert_eq!(reader.read(64, &mut |_| given += 1).unwrap(), ReadStatus::Idle);
            }
        }
        assert_eq!(given, 100);
    }
}
