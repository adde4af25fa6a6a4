//! The last step of a chain: hands records to a sink's writer, and takes the writer through its transactions.
//!
//! What enters: records and signals. What leaves: nothing but the snapshot's entries. Always: a transaction is remembered
//! from its pre-commit until its commit, and every snapshot between the two names it. So it is not lost if the snapshot
//! that it was pre-committed for is given up: it becomes visible with the next one.

use std::marker::PhantomData;
use std::sync::Arc;

use super::{Pending, Sink, SinkContext, SinkWriter};
use crate::chain::{Signal, Step};
use crate::error::{Error, Result};
use crate::outbox::Outbox;
use crate::record::SnapshotId;
use crate::snapshot::part::StageSnapshot;
use crate::task::stage::StageContext;
use crate::time::EventTime;

/// The owner of a sink's entries in a snapshot: its [`Pending`] transactions.
pub(crate) fn owner(sink: &str) -> String {
    format!("sink {sink}")
}

/// Writes what comes down a chain into a sink.
pub(crate) struct SinkStep<T, S: Sink<T>> {
    name: String,
    sink: Arc<S>,
    /// `None` until the chain opens.
    writer: Option<S::Writer>,
    /// Why a record could not be written. It is reported at the next signal; until then nothing is written.
    failed: Option<Error>,
    /// What is pre-committed and not yet committed, oldest first.
    pending: Vec<(SnapshotId, Pending)>,
    takes: PhantomData<fn(T)>,
}

impl<T: 'static, S: Sink<T>> SinkStep<T, S> {
    /// A step that writes into `sink`, which the job calls `name`.
    pub(crate) fn new(name: String, sink: Arc<S>) -> SinkStep<T, S> {
        SinkStep { name, sink, writer: None, failed: None, pending: Vec::new(), takes: PhantomData }
    }

    fn open(&mut self, cx: &StageContext) -> Result<()> {
        let context = SinkContext {
            job: cx.job.clone(),
            sink: self.name.clone(),
            subtask: cx.subtask,
            restored: cx.restored,
        };
        self.writer = Some(self.sink.open(&context)?);
        Ok(())
    }

    fn pre_commit(&mut self, id: SnapshotId, snapshot: &mut StageSnapshot) -> Result<()> {
        if let Some(writer) = &mut self.writer {
            writer.flush()?;
            if let Some(pending) = writer.pre_commit(id)? {
                self.pending.push((id, pending));
            }
        }
        for (_, pending) in &self.pending {
            snapshot.put(&owner(&self.name), &pending.transaction, pending)?;
        }
        Ok(())
    }

    fn commit(&mut self, id: SnapshotId) -> Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        // One at a time: what has not been committed when one fails is still pending.
        while let Some(due) = self.pending.iter().position(|(pre_committed, _)| *pre_committed <= id) {
            writer.commit(&self.pending[due].1)?;
            self.pending.remove(due);
        }
        Ok(())
    }
}

impl<T: 'static, S: Sink<T>> Step<T> for SinkStep<T, S> {
    #[inline]
    fn push(&mut self, value: T, _: EventTime) {
        if let (Some(writer), None) = (&mut self.writer, &self.failed)
            && let Err(error) = writer.write(value)
        {
            self.failed = Some(error);
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, _: &mut Outbox) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match signal {
            Signal::Open(cx) => self.open(cx),
            Signal::Flush(_) => self.writer.as_mut().map_or(Ok(()), SinkWriter::flush),
            Signal::Barrier(barrier, snapshot) => self.pre_commit(barrier.snapshot, snapshot),
            Signal::Commit(id) => self.commit(*id),
            // What a restored snapshot has pending is settled before any chain opens, once for all subtasks.
            Signal::Restore(_)
            | Signal::Ask(..)
            | Signal::Split(_)
            | Signal::SplitEnd(_)
            | Signal::Watermark(_)
            | Signal::Status(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::SubtaskIndex;
    use crate::record::{Barrier, BarrierKind};
    use crate::sink::{Collect, Delivery, Settle, SettleContext};

    /// The step with its writer open, without a stage around it.
    fn opened<S: Sink<u64>>(sink: S) -> SinkStep<u64, S> {
        let mut step = SinkStep::new("out".to_string(), Arc::new(sink));
        let (job, sink, subtask) = ("job".to_string(), "out".to_string(), SubtaskIndex(0));
        step.writer = Some(step.sink.open(&SinkContext { job, sink, subtask, restored: None }).unwrap());
        step
    }

    fn signal<S: Sink<u64>>(step: &mut SinkStep<u64, S>, signal: &mut Signal<'_>) -> Result<()> {
        step.signal(signal, &mut Outbox::default())
    }

    /// The transactions that the snapshot names.
    fn barrier<S: Sink<u64>>(step: &mut SinkStep<u64, S>, id: u64) -> Vec<Pending> {
        let mut snapshot = StageSnapshot::new(true);
        let barrier = Barrier { snapshot: SnapshotId(id), kind: BarrierKind::Periodic };
        signal(step, &mut Signal::Barrier(barrier, &mut snapshot)).unwrap();
        let entries = snapshot.entries.into_iter().inspect(|entry| assert_eq!(entry.owner, "sink out"));
        entries.map(|entry| serde_json::from_value(entry.value).unwrap()).collect()
    }

    fn commit<S: Sink<u64>>(step: &mut SinkStep<u64, S>, id: u64) {
        signal(step, &mut Signal::Commit(SnapshotId(id))).unwrap();
    }

    #[test]
    fn records_become_visible_with_the_snapshot_that_covers_them() {
        let collect = Collect::new();
        let mut step = opened(collect.clone());
        step.push(1, EventTime::MIN);
        assert_eq!(barrier(&mut step, 1).len(), 1);
        step.push(2, EventTime::MIN);
        assert!(collect.committed().is_empty());
        commit(&mut step, 1);
        assert_eq!(collect.committed(), [1]);
        assert_eq!(barrier(&mut step, 2).len(), 1);
        assert_eq!(barrier(&mut step, 3).len(), 1, "nothing new, but snapshot 2 may never be complete");
        commit(&mut step, 3);
        commit(&mut step, 3);
        assert_eq!(collect.committed(), [1, 2]);
        assert_eq!(barrier(&mut step, 4), []);
    }

    #[test]
    fn a_snapshot_that_was_given_up_leaves_its_records_to_the_next() {
        let collect = Collect::new();
        let mut step = opened(collect.clone());
        step.push(1, EventTime::MIN);
        barrier(&mut step, 1);
        step.push(2, EventTime::MIN);
        let pending = barrier(&mut step, 2);
        assert_eq!(pending.len(), 2);
        collect
            .settle(&SettleContext {
                job: "job",
                sink: "out",
                restored: Some(SnapshotId(2)),
                pending: &pending,
            })
            .unwrap();
        assert_eq!(collect.committed(), [1, 2]);
    }

    #[test]
    fn the_first_error_is_reported_at_the_next_signal_and_nothing_is_written_behind_it() {
        struct Broken;
        impl Settle for Broken {
            fn describe(&self) -> String {
                "broken".to_string()
            }
            fn delivery(&self) -> Delivery {
                Delivery::AtLeastOnce
            }
            fn settle(&self, _: &SettleContext<'_>) -> Result<()> {
                Ok(())
            }
        }
        impl Sink<u64> for Broken {
            type Writer = Broken;
            fn open(&self, _: &SinkContext) -> Result<Broken> {
                Ok(Broken)
            }
        }
        impl SinkWriter<u64> for Broken {
            fn write(&mut self, record: u64) -> Result<()> {
                Err(Error::failure(format!("can't write {record}")))
            }
            fn flush(&mut self) -> Result<()> {
                Ok(())
            }
            fn pre_commit(&mut self, _: SnapshotId) -> Result<Option<Pending>> {
                Ok(None)
            }
            fn commit(&mut self, _: &Pending) -> Result<()> {
                Ok(())
            }
        }
        let mut step = opened(Broken);
        step.push(1, EventTime::MIN);
        step.push(2, EventTime::MIN);
        let error = signal(&mut step, &mut Signal::Watermark(EventTime::MAX)).unwrap_err();
        assert_eq!(error.to_string(), "can't write 1");
        signal(&mut step, &mut Signal::Watermark(EventTime::MAX)).unwrap();
    }
}
