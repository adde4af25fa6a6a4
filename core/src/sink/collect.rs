//! Results in memory: for tests.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};
use crate::error::Result;
use crate::record::SnapshotId;

/// A sink whose committed records can be looked at. Clones share them.
///
/// Every result is there once, even if the job restarts: what was written behind the snapshot that a job goes on from is
/// taken out again, committed or not. That holds within the process: a collection is empty when a process begins.
///
/// ```
/// # use tidegate::sink::Collect;
/// let results = Collect::new();
/// let sink = results.clone(); // goes into the job: `.sink("results", sink)`
/// # let _: Collect<u64> = sink;
/// assert!(results.take().is_empty()); // nothing is committed yet
/// ```
pub struct Collect<T> {
    transactions: Arc<Mutex<Vec<Transaction<T>>>>,
}

/// What one subtask has pre-committed for one snapshot.
struct Transaction<T> {
    job: String,
    sink: String,
    name: String,
    snapshot: SnapshotId,
    committed: bool,
    records: Vec<T>,
}

impl<T> Collect<T> {
    /// An empty collection.
    pub fn new() -> Collect<T> {
        Collect { transactions: Arc::default() }
    }

    /// Takes the committed records out: by snapshot, then by subtask, then in the order in which they were written.
    pub fn take(&self) -> Vec<T> {
        let mut transactions = self.transactions();
        transactions
            .extract_if(.., |transaction| transaction.committed)
            .flat_map(|taken| taken.records)
            .collect()
    }

    /// The committed records, which stay.
    pub fn committed(&self) -> Vec<T>
    where
        T: Clone,
    {
        let transactions = self.transactions();
        let committed = transactions.iter().filter(|transaction| transaction.committed);
        committed.flat_map(|transaction| transaction.records.iter().cloned()).collect()
    }

    /// In the order of their names: by sink, snapshot and subtask.
    fn transactions(&self) -> MutexGuard<'_, Vec<Transaction<T>>> {
        // A panic while the lock is held can only come from a record's `clone`, which changes nothing.
        self.transactions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn commit(&self, job: &str, sink: &str, pending: &Pending) {
        let mut transactions = self.transactions();
        let wanted =
            |it: &&mut Transaction<T>| it.job == job && it.sink == sink && it.name == pending.transaction;
        // One that is not there was taken already, or was another process's.
        if let Some(transaction) = transactions.iter_mut().find(wanted) {
            transaction.committed = true;
        }
    }
}

impl<T> Default for Collect<T> {
    fn default() -> Collect<T> {
        Collect::new()
    }
}

impl<T> Clone for Collect<T> {
    fn clone(&self) -> Collect<T> {
        Collect { transactions: Arc::clone(&self.transactions) }
    }
}

impl<T> fmt::Debug for Collect<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transactions = self.transactions();
        let count = |committed: bool| {
            let counted = transactions.iter().filter(|it| it.committed == committed);
            counted.map(|it| it.records.len()).sum::<usize>()
        };
        f.debug_struct("Collect").field("committed", &count(true)).field("pending", &count(false)).finish()
    }
}

impl<T: Send + 'static> Settle for Collect<T> {
    fn describe(&self) -> String {
        "a collection in memory".to_string()
    }

    fn delivery(&self) -> Delivery {
        Delivery::ExactlyOnce
    }

    fn settle(&self, cx: &SettleContext<'_>) -> Result<()> {
        for pending in cx.pending {
            self.commit(cx.job, cx.sink, pending);
        }
        // Unlike a file that somebody may have read, what is shown in memory can be taken back.
        self.transactions().retain(|transaction| {
            let ours = transaction.job == cx.job && transaction.sink == cx.sink;
            !ours || (transaction.committed && Some(transaction.snapshot) <= cx.restored)
        });
        Ok(())
    }
}

impl<T: Send + 'static> Sink<T> for Collect<T> {
    type Writer = CollectWriter<T>;

    fn open(&self, cx: &SinkContext) -> Result<CollectWriter<T>> {
        Ok(CollectWriter { collect: self.clone(), cx: cx.clone(), open: Vec::new() })
    }
}

/// Collects in one subtask.
pub struct CollectWriter<T> {
    collect: Collect<T>,
    cx: SinkContext,
    /// What no barrier has followed yet.
    open: Vec<T>,
}

impl<T: Send + 'static> SinkWriter<T> for CollectWriter<T> {
    fn write(&mut self, record: T) -> Result<()> {
        self.open.push(record);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }

    fn pre_commit(&mut self, snapshot: SnapshotId) -> Result<Option<Pending>> {
        if self.open.is_empty() {
            return Ok(None);
        }
        // Padded, so that the order of names is the order of transactions.
        let name = format!("{}-s{:020}-{:05}", self.cx.sink, snapshot.0, self.cx.subtask.0);
        let (job, sink, records) =
            (self.cx.job.clone(), self.cx.sink.clone(), std::mem::take(&mut self.open));
        let transaction = Transaction { job, sink, name: name.clone(), snapshot, committed: false, records };
        let mut transactions = self.collect.transactions();
        let place = transactions.partition_point(|before| before.name < transaction.name);
        transactions.insert(place, transaction);
        Ok(Some(Pending { transaction: name }))
    }

    fn commit(&mut self, pending: &Pending) -> Result<()> {
        self.collect.commit(&self.cx.job, &self.cx.sink, pending);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SubtaskIndex;

    fn writer(collect: &Collect<u64>, subtask: u32) -> CollectWriter<u64> {
        let restored = None;
        let (job, sink, subtask) = ("job".to_string(), "out".to_string(), SubtaskIndex(subtask));
        collect.open(&SinkContext { job, sink, subtask, restored }).unwrap()
    }

    fn write(writer: &mut CollectWriter<u64>, snapshot: u64, records: &[u64]) -> Pending {
        records.iter().for_each(|record| writer.write(*record).unwrap());
        writer.pre_commit(SnapshotId(snapshot)).unwrap().unwrap()
    }

    fn settle(collect: &Collect<u64>, restored: Option<u64>, pending: &[Pending]) {
        let restored = restored.map(SnapshotId);
        collect.settle(&SettleContext { job: "job", sink: "out", restored, pending }).unwrap();
    }

    #[test]
    fn only_committed_records_are_shown_and_in_a_fixed_order() {
        let collect = Collect::new();
        let (mut first, mut second) = (writer(&collect, 0), writer(&collect, 1));
        let late = write(&mut second, 1, &[3, 4]);
        let early = write(&mut first, 1, &[1, 2]);
        assert!(collect.committed().is_empty());
        second.commit(&late).unwrap();
        first.commit(&early).unwrap();
        first.commit(&early).unwrap();
        assert_eq!(collect.committed(), [1, 2, 3, 4]);
        assert_eq!(collect.take(), [1, 2, 3, 4]);
        first.commit(&early).unwrap();
        assert!(collect.take().is_empty());
        assert_eq!(first.pre_commit(SnapshotId(2)).unwrap(), None);
    }

    #[test]
    fn a_restart_shows_what_its_snapshot_has_and_nothing_twice() {
        let collect = Collect::new();
        let mut before = writer(&collect, 0);
        let one = write(&mut before, 1, &[1]);
        before.commit(&one).unwrap();
        let two = write(&mut before, 2, &[2]);
        let three = write(&mut before, 3, &[3]);
        before.write(4).unwrap();
        settle(&collect, Some(2), std::slice::from_ref(&two));
        assert_eq!(collect.committed(), [1, 2]);
        let mut after = writer(&collect, 0);
        let three_again = write(&mut after, 3, &[3, 4]);
        assert_eq!(three_again, three);
        after.commit(&three_again).unwrap();
        assert_eq!(collect.committed(), [1, 2, 3, 4]);
        settle(&collect, Some(1), &[]);
        assert_eq!(collect.committed(), [1]);
        settle(&collect, None, &[]);
        assert!(collect.committed().is_empty());
    }

    #[test]
    fn another_sink_is_left_alone() {
        let collect = Collect::new();
        let mut other = writer(&collect, 0);
        other.cx.sink = "other".to_string();
        let pending = write(&mut other, 5, &[7]);
        settle(&collect, None, &[]);
        other.commit(&pending).unwrap();
        assert_eq!(collect.take(), [7]);
    }
}
