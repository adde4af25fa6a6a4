//! A stage as a bridge drives it: it tells what it keeps in a snapshot at once, because Flink wants to know before anything is
//! written, and it reads its source only when Flink asks for records, never behind a barrier that is on its way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

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
}

impl Tapped {
    /// `stage`, which tells `told`, and reads while `reads` is set.
    pub fn new(stage: Box<dyn Stage>, told: Rc<RefCell<Vec<Vec<Entry>>>>, reads: Rc<Cell<bool>>) -> Tapped {
        Tapped { stage, told, reads }
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
        if self.reads.get() { self.stage.poll(out) } else { Ok(Polled::Idle) }
    }

    fn process(&mut self, batch: Batch, out: &mut Outbox) -> Result<()> {
        self.stage.process(batch, out)
    }

    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()> {
        self.stage.advance_watermark(watermark, out)
    }

    fn change_status(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        self.stage.change_status(status, out)
    }

    fn advance_processing_time(&mut self, now: EventTime, out: &mut Outbox) -> Result<()> {
        self.stage.advance_processing_time(now, out)
    }

    fn next_processing_timer(&self) -> Option<EventTime> {
        self.stage.next_processing_timer()
    }

    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()> {
        self.stage.flush(fill, out)
    }

    fn snapshot(
        &mut self,
        barrier: Barrier,
        snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot> {
        let snapshot = self.stage.snapshot(barrier, snapshot, out)?;
        self.told.borrow_mut().push(snapshot.entries.clone());
        Ok(snapshot)
    }

    fn work(&mut self) -> Result<Work> {
        self.stage.work()
    }

    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()> {
        self.stage.commit(snapshot, out)
    }

    fn codec(&self) -> Option<&dyn BatchCodec> {
        self.stage.codec()
    }

    fn whereabouts(&self) -> Whereabouts {
        self.stage.whereabouts()
    }
}
