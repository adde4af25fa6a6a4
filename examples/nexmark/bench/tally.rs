//! Counts the rows of an answer, and sums them up where answers are compared.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tidegate::chain::Head;
use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};

use super::super::output::Answer;
use super::super::queries::Query;
use super::clock::{Lap, Stopwatch};

/// Whether rows are looked at.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Check {
    /// They are made, counted and dropped: what is timed.
    Count,
    /// Their contents are summed up as well: what is compared.
    Sum,
}

/// How many rows, and what they come to whatever their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    pub rows: u64,
    /// Zero if they were only counted.
    pub sum: u64,
}

impl Total {
    pub fn add(&mut self, other: Total) {
        self.rows += other.rows;
        self.sum = self.sum.wrapping_add(other.sum);
    }
}

/// Counts on one thread.
pub struct Tally {
    total: Total,
    summing: Option<Summing>,
}

struct Summing {
    /// Columns that don't count, because they depend on the order of arrival.
    chance: &'static [&'static str],
    line: Vec<u8>,
}

/// Columns in which an answer may differ when events come from several splits side by side.
fn chance(query: Query, parallelism: u32) -> &'static [&'static str] {
    match query {
        // Of a bidder's bids at one time, the last to arrive is the last.
        Query::Q18 if parallelism > 1 => &["price", "channel", "url", "extra"],
        // Of bids at one price, the first to arrive ranks higher.
        Query::Q19 if parallelism > 1 => &["bidder", "channel", "url", "dateTime", "extra"],
        _ => &[],
    }
}

/// Whether there are such columns.
pub fn depends_on_order(query: Query) -> bool {
    !chance(query, u32::MAX).is_empty()
}

impl Tally {
    pub fn new(check: Check, query: Query, parallelism: u32) -> Tally {
        let summing =
            (check == Check::Sum).then(|| Summing { chance: chance(query, parallelism), line: Vec::new() });
        Tally { total: Total::default(), summing }
    }

    #[inline]
    pub fn count(&mut self, row: &impl Serialize) {
        self.total.rows += 1;
        match &mut self.summing {
            // It must have been made, though nobody reads it.
            None => _ = black_box(row),
            Some(summing) => self.total.sum = self.total.sum.wrapping_add(summing.of(row)),
        }
    }

    pub fn total(&self) -> Total {
        self.total
    }

    /// What was counted since it was last taken.
    pub fn take(&mut self) -> Total {
        std::mem::take(&mut self.total)
    }
}

impl Summing {
    /// FNV-1a of the row as JSON, stirred: so that sums of rows that are alike differ. The Java side does the same.
    fn of(&mut self, row: &impl Serialize) -> u64 {
        self.line.clear();
        let written = if self.chance.is_empty() {
            serde_json::to_writer(&mut self.line, row)
        } else {
            serde_json::to_value(row).and_then(|mut row| {
                if let Some(columns) = row.as_object_mut() {
                    self.chance.iter().for_each(|column| _ = columns.remove(*column));
                }
                serde_json::to_writer(&mut self.line, &row)
            })
        };
        written.expect("a row is an object of numbers and texts");
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        let hash = self.line.iter().fold(0xcbf2_9ce4_8422_2325, fold);
        (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

/// A sink that counts what is committed.
#[derive(Clone)]
pub struct TallySink {
    check: Check,
    query: Query,
    parallelism: u32,
    stopwatch: Stopwatch,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Default)]
struct Counted {
    committed: Total,
    /// When the last rows were.
    at: Option<Lap>,
    pending: BTreeMap<String, Total>,
}

impl TallySink {
    pub fn new(check: Check, query: Query, parallelism: u32, stopwatch: Stopwatch) -> TallySink {
        TallySink { check, query, parallelism, stopwatch, counted: Arc::default() }
    }

    /// When the last rows were committed.
    pub fn ended(&self) -> Option<Lap> {
        self.counted().at
    }

    /// What has been committed.
    pub fn total(&self) -> Total {
        self.counted().committed
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer for TallySink {
    fn rows<T: Serialize + 'static>(&self, name: &str, rows: Stream<'_, T, impl Head<Out = T>>) {
        rows.sink(name, self.clone());
    }
}

impl Settle for TallySink {
    fn describe(&self) -> String {
        "counted".to_string()
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    /// A run begins in its own process and never again: there is nothing before it.
    fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
        Ok(())
    }
}

impl<T: Serialize + 'static> Sink<T> for TallySink {
    type Writer = TallyWriter;

    fn open(&self, cx: &SinkContext) -> Result<TallyWriter> {
        let tally = Tally::new(self.check, self.query, self.parallelism);
        Ok(TallyWriter { tally, sink: self.clone(), subtask: cx.subtask.0 })
    }
}

/// Counts in one subtask.
pub struct TallyWriter {
    tally: Tally,
    sink: TallySink,
    subtask: u32,
}

impl<T: Serialize> SinkWriter<T> for TallyWriter {
    #[inline]
    fn write(&mut self, row: T) -> Result<()> {
        self.tally.count(&row);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        let transaction = format!("{}-{}", snapshot.0, self.subtask);
        self.sink.counted().pending.insert(transaction.clone(), self.tally.take());
        Ok(Some(Pending { transaction }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        let mut counted = self.sink.counted();
        if let Some(total) = counted.pending.remove(&pending.transaction) {
            counted.committed.add(total);
            counted.at = Some(self.sink.stopwatch.lap());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum_of(rows: &[(u64, &str)]) -> Total {
        let mut tally = Tally::new(Check::Sum, Query::Q0, 1);
        rows.iter().for_each(|row| tally.count(row));
        tally.total()
    }

    #[test]
    fn a_sum_tells_rows_apart_and_not_their_order() {
        let rows = [(1, "a"), (2, "b"), (2, "b")];
        assert_eq!(sum_of(&rows), sum_of(&[(2, "b"), (1, "a"), (2, "b")]));
        for other in
            [&[(1, "a"), (2, "b")][..], &[(1, "a"), (1, "a"), (2, "b")], &[(1, "b"), (2, "a"), (2, "b")]]
        {
            assert_ne!(sum_of(&rows), sum_of(other));
        }
    }

    #[test]
    fn columns_that_chance_decides_do_not_count() {
        #[derive(Serialize)]
        struct Row {
            auction: u64,
            price: u64,
        }
        let sum = |parallelism, price| {
            let mut tally = Tally::new(Check::Sum, Query::Q18, parallelism);
            tally.count(&Row { auction: 1, price });
            tally.total()
        };
        assert_eq!(sum(2, 5), sum(2, 6));
        assert_ne!(sum(1, 5), sum(1, 6));
    }
}
