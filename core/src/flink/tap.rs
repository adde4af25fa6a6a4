//! A stage as a bridge drives it: it tells what it keeps in a snapshot at once, because Flink wants to know before anything is
//! written, it reads its source only when Flink asks for records, never behind a barrier that is on its way, and it counts what goes
//! through it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::figures::Traffic;
use crate::error::Result;
use crate::exchange::codec::BatchCodec;
use crate::outbox::Outbox;
use crate::record::{Barrier, Batch, Fill, SnapshotId, WatermarkStatus};
use crate::snapshot::part::{Entry, RestoredState, StageSnapshot};
use crate::task::stage::{Polled, Stage, StageContext, Whereabouts, Work};
use crate::time::EventTime;

/// A stage whose entries are told when the barrier has come to it: a list for every barrier.
pub(super) struct Tapped {
    stage: Box<dyn Stage>,
    told: Rc<RefCell<Vec<Vec<Entry>>>>,
    reads: Rc<Cell<bool>>,
    traffic: Rc<Traffic>,
}

impl Tapped {
    /// `stage`, which tells `told`, reads while `reads` is set, and counts in `traffic`.
    pub fn new(
        stage: Box<dyn Stage>,
        told: Rc<RefCell<Vec<Vec<Entry>>>>,
        reads: Rc<Cell<bool>>,
        traffic: Rc<Traffic>,
    ) -> Tapped {
        Tapped { stage, told, reads, traffic }
    }

    /// Calls the stage, and counts what it puts out.
    fn call<T>(
        &mut self,
        out: &mut Outbox,
        call: impl FnOnce(&mut dyn Stage, &mut Outbox) -> Result<T>,
    ) -> Result<T> {
        let before = out.len();
        let done = call(&mut *self.stage, out)?;
        self.traffic.send(out, before);
        Ok(done)
    }
}

impl Stage for Tapped {
    fn open(&mut self, cx: StageContext) -> Result<()> {
        self.stage.open(cx)
    }

    fn restore(&mut self, state: &Arc<dyn RestoredState>) -> Result<()> {
        self.stage.restore(state)
    }

    fn poll(&mut self, out: &mut Outbox) -> Result<Polled> {
        if !self.reads.get() {
            return Ok(Polled::Idle);
        }
        let polled = self.call(out, |stage, out| stage.poll(out))?;
        if let Polled::Records(records) = polled {
            self.traffic.receive(records);
        }
        Ok(polled)
    }

    fn process(&mut self, batch: Batch, out: &mut Outbox) -> Result<()> {
        self.traffic.receive(batch.len);
        self.call(out, |stage, out| stage.process(batch, out))
    }

    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()> {
        self.call(out, |stage, out| stage.advance_watermark(watermark, out))
    }

    fn change_status(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        self.call(out, |stage, out| stage.change_status(status, out))
    }

    fn advance_processing_time(&mut self, now: EventTime, out: &mut Outbox) -> Result<()> {
        self.call(out, |stage, out| stage.advance_processing_time(now, out))
    }

    fn next_processing_timer(&self) -> Option<EventTime> {
        self.stage.next_processing_timer()
    }

    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()> {
        self.call(out, |stage, out| stage.flush(fill, out))
    }

    fn snapshot(
        &mut self,
        barrier: Barrier,
        snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot> {
        let snapshot = self.call(out, |stage, out| stage.snapshot(barrier, snapshot, out))?;
        self.told.borrow_mut().push(snapshot.entries.clone());
        Ok(snapshot)
    }

    fn work(&mut self) -> Result<Work> {
        self.stage.work()
    }

    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()> {
        self.call(out, |stage, out| stage.commit(snapshot, out))
    }

    fn codec(&self) -> Option<&dyn BatchCodec> {
        self.stage.codec()
    }

    fn whereabouts(&self) -> Whereabouts {
        self.stage.whereabouts()
    }
}
