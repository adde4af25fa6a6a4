//! A local edge: a chain's end that hands records to another stage of the same worker, without an exchange.
//!
//! What leaves a chain sideways (rejects, a tee's copy, a side output) goes this way, and so do the inputs of a union: the
//! records are gathered in a typed buffer and handed over batch by batch. [`LocalHead`] is the stage at the other end.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{Gather, Head, Signal, Step};
use crate::error::Result;
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::Fill;
use crate::record::{Barrier, Batch, Element, Origin, SnapshotId, Timed, WatermarkStatus, batch_size};
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::task::stage::{Stage, StageContext, Whereabouts};
use crate::time::EventTime;

/// Gathers records for the stage at the other end of a local edge.
pub struct LocalEdge<T> {
    edge: EdgeIndex,
    gathered: Vec<Timed<T>>,
    origin: Origin,
}

impl<T> LocalEdge<T> {
    pub(crate) fn new(edge: EdgeIndex) -> LocalEdge<T> {
        LocalEdge { edge, gathered: Vec::new(), origin: Origin::default() }
    }
}

impl<T: Send + 'static> Gather for LocalEdge<T> {
    fn edge(&self) -> EdgeIndex {
        self.edge
    }

    fn hand_on(&mut self, fill: Fill, out: &mut Outbox) {
        self.origin = self.origin.merge(out.origin);
        if self.gathered.is_empty() || (fill == Fill::Full && self.gathered.len() < batch_size::<Timed<T>>())
        {
            return;
        }
        let records = std::mem::replace(&mut self.gathered, out.spares.take());
        let batch = Batch {
            len: records.len(),
            records: Box::new(records),
            origin: std::mem::take(&mut self.origin),
        };
        out.put(self.edge, Target::Everywhere, Element::Batch(batch));
    }
}

impl<T: Send + 'static> Step<T> for LocalEdge<T> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.gathered.push(Timed { value, at });
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.pass_on(signal, out);
        Ok(())
    }
}

/// The beginning of a stage whose input comes over local edges.
pub struct LocalHead<T> {
    item: PhantomData<fn() -> T>,
}

impl<T> LocalHead<T> {
    pub(crate) fn new() -> LocalHead<T> {
        LocalHead { item: PhantomData }
    }
}

impl<T: Send + 'static> Head for LocalHead<T> {
    type Out = T;

    fn build<N: Step<T>>(&self, next: N) -> Box<dyn Stage> {
        Box::new(LocalStage { item: PhantomData, origin: Origin::default(), next })
    }
}

/// A stage that only passes its input down its chain.
struct LocalStage<T, N> {
    item: PhantomData<fn() -> T>,
    origin: Origin,
    next: N,
}

impl<T: Send + 'static, N: Step<T>> Stage for LocalStage<T, N> {
    fn open(&mut self, cx: StageContext) -> Result<()> {
        self.next.signal(&mut Signal::Open(&cx), &mut Outbox::default())
    }

    fn restore(&mut self, state: &Arc<dyn RestoredState>) -> Result<()> {
        self.next.signal(&mut Signal::Restore(&**state), &mut Outbox::default())
    }

    fn process(&mut self, batch: Batch, out: &mut Outbox) -> Result<()> {
        self.origin = batch.origin;
        out.origin = batch.origin;
        let mut records = downcast::<Timed<T>>(batch.records);
        for Timed { value, at } in records.drain(..) {
            self.next.push(value, at);
        }
        out.spares.put(records);
        Ok(())
    }

    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Watermark(watermark), out)
    }

    fn change_status(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Status(status), out)
    }

    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Flush(fill), out)
    }

    fn snapshot(
        &mut self,
        barrier: Barrier,
        mut snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot> {
        self.next.signal(&mut Signal::Barrier(barrier, &mut snapshot), out)?;
        Ok(snapshot)
    }

    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Commit(snapshot), out)
    }

    fn whereabouts(&self) -> Whereabouts {
        Whereabouts { group: None, origin: self.origin }
    }
}

/// The records of a batch, which the stage at the other end of the edge made.
pub(crate) fn downcast<R: 'static>(records: Box<dyn Any + Send>) -> Vec<R> {
    *records.downcast::<Vec<R>>().expect(ONE_TYPE)
}

/// [`downcast`], of a batch that goes on.
pub(crate) fn downcast_ref<R: 'static>(records: &(dyn Any + Send)) -> &[R] {
    records.downcast_ref::<Vec<R>>().expect(ONE_TYPE)
}

const ONE_TYPE: &str = "an edge joins two stages that were wired for the same type";
