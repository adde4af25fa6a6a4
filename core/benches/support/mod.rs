//! What the benchmarks share: records that are given away from memory, pairs of runs, medians.

// Every benchmark compiles this file for itself and needs a part of it.
#![allow(dead_code)]

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tidegate::job::signals::Signals;
use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};
use tidegate::time::Clock;

pub use tidegate::job::RunOptions;

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): chance that a number decides.
#[inline]
pub fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One of `keys`, each as likely.
#[inline]
pub fn uniform(number: u64, keys: u64) -> u64 {
    ((u128::from(scatter(number)) * u128::from(keys)) >> 64) as u64
}

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

/// A sink that sums up what is committed.
#[derive(Clone, Default)]
pub struct Summed(Arc<Mutex<Sums>>);

#[derive(Default)]
struct Sums {
    committed: u64,
    pending: Vec<(String, u64)>,
}

impl Summed {
    /// The sum of all that is committed.
    pub fn sum(&self) -> u64 {
        self.sums().committed
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settle for Summed {
    fn describe(&self) -> String {
        "a sum".to_string()
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl Sink<u64> for Summed {
    type Writer = SummedWriter;

    fn open(&self, cx: &SinkContext) -> Result<SummedWriter> {
        Ok(SummedWriter { sink: self.clone(), subtask: cx.subtask.0, sum: 0 })
    }
}

/// Sums up in one subtask.
pub struct SummedWriter {
    sink: Summed,
    subtask: u32,
    sum: u64,
}

impl SinkWriter<u64> for SummedWriter {
    #[inline]
    fn write(&mut self, number: u64) -> Result<()> {
        self.sum += number;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        let transaction = format!("{}-{}", snapshot.0, self.subtask);
        self.sink.sums().pending.push((transaction.clone(), std::mem::take(&mut self.sum)));
        Ok(Some(Pending { transaction }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        let mut sums = self.sink.sums();
        let place = sums.pending.iter().position(|(name, _)| *name == pending.transaction);
        if let Some((_, sum)) = place.map(|place| sums.pending.swap_remove(place)) {
            sums.committed += sum;
        }
        Ok(())
    }
}

/// Wires a job and runs it to its end.
pub fn run(options: &RunOptions, wire: impl FnOnce(&Job)) -> Result<()> {
    let job = Job::new("bench");
    wire(&job);
    tidegate::job::run::run(job.finish()?, options, &Signals::by_hand())?;
    Ok(())
}

/// How long something takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let clock = Clock::system();
    let began = clock.monotonic();
    let made = work();
    (clock.monotonic() - began, made)
}

/// The median.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A line on the standard output.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
