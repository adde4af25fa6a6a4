//! What a job emits, summed up: enough to compare it with what a loop makes of the same records.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidegate::prelude::*;
use tidegate::record::SnapshotId;
use tidegate::sink::{Delivery, Pending, Settle, SettleContext, Sink, SinkContext, SinkWriter};

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
