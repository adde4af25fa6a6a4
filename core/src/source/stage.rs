//! The stage of a source: reads the splits of one subtask in turn, a batch from each, and pushes the records down its chain.
//!
//! All splits of a subtask are read side by side, so that event time, which is the minimum over them, advances in all of
//! them alike whatever their names' order; one that is too far ahead waits, if a step of the chain
//! [wants it to](Signal::Ask). At most [`OPEN_SPLITS_MAX`] are open at a time; those that wait hold event time back. A snapshot keeps the position of every split, also of those that have been read to their end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::chain::{Head, Signal, Step};
use crate::error::{Error, Result};
use crate::outbox::Outbox;
use crate::record::{Barrier, Batch, Fill, Origin, SnapshotId, SplitNumber, WatermarkStatus, batch_size};
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::source::{AssignedSplit, Offset, ReadStatus, Source, SplitId, SplitPosition, SplitReader};
use crate::task::stage::{Polled, Stage, StageContext, Whereabouts};
use crate::time::EventTime;

/// How many splits a subtask reads side by side.
const OPEN_SPLITS_MAX: usize = 64;

/// The beginning of a stage that reads a source.
pub struct SourceHead<S> {
    pub(crate) name: String,
    pub(crate) source: Arc<S>,
}

impl<S: Source> Head for SourceHead<S> {
    type Out = S::Item;

    fn build<N: Step<S::Item>>(&self, next: N) -> Box<dyn Stage> {
        Box::new(SourceStage {
            name: self.name.clone(),
            source: Arc::clone(&self.source),
            reading: VecDeque::new(),
            waiting: VecDeque::new(),
            finished: Vec::new(),
            current: Origin::default(),
            cx: None,
            next,
        })
    }
}

struct SourceStage<S: Source, N> {
    name: String,
    source: Arc<S>,
    reading: VecDeque<OpenSplit<S::Reader>>,
    waiting: VecDeque<AssignedSplit>,
    finished: Vec<(SplitId, Offset)>,
    current: Origin,
    /// There from `open` on.
    cx: Option<StageContext>,
    next: N,
}

struct OpenSplit<R> {
    split: AssignedSplit,
    reader: R,
    bytes_reported: u64,
}

/// The owner of a source's split positions in a snapshot.
pub(crate) fn owner(source: &str) -> String {
    format!("source {source}")
}

impl<S: Source, N: Step<S::Item>> SourceStage<S, N> {
    /// Opens waiting splits as far as the limit allows.
    fn open_splits(&mut self) -> Result<()> {
        while self.reading.len() < OPEN_SPLITS_MAX
            && let Some(split) = self.waiting.pop_front()
        {
            let SplitPosition::At(from) = split.from else { continue };
            let reader = self.source.open(&split.split.id, from)?;
            self.reading.push_back(OpenSplit { split, reader, bytes_reported: 0 });
        }
        Ok(())
    }

    /// Reads up to a batch from the split whose turn it is.
    fn read_split(
        &mut self,
        open: &mut OpenSplit<S::Reader>,
        max: usize,
        out: &mut Outbox,
    ) -> Result<(usize, ReadStatus)> {
        self.next.signal(&mut Signal::Split(&open.split.split.id), out)?;
        let before = open.reader.offset().records;
        self.current = Origin { split: Some(open.split.number), first: before + 1, last: before };
        let (next, current) = (&mut self.next, &mut self.current);
        let status = open.reader.read(max, &mut |record| {
            current.last += 1;
            next.push(record, EventTime::MIN);
        })?;
        out.origin = *current;
        Ok(((current.last - before) as usize, status))
    }

    /// Whether the split whose turn it is must wait.
    fn must_wait(&mut self, open: &OpenSplit<S::Reader>, out: &mut Outbox) -> Result<bool> {
        let mut waits = false;
        self.next.signal(&mut Signal::Ask(&open.split.split.id, &mut waits), out)?;
        Ok(waits)
    }

    fn report(&self, open: &mut OpenSplit<S::Reader>, records: usize) {
        let Some(cx) = &self.cx else { return };
        let bytes = open.reader.bytes_read();
        cx.source_metrics.records.fetch_add(records as u64, Ordering::Relaxed);
        cx.source_metrics.bytes.fetch_add(bytes.saturating_sub(open.bytes_reported), Ordering::Relaxed);
        open.bytes_reported = bytes.max(open.bytes_reported);
    }
}

impl<S: Source, N: Step<S::Item>> Stage for SourceStage<S, N> {
    fn open(&mut self, cx: StageContext) -> Result<()> {
        let mut opened = Outbox::default();
        self.next.signal(&mut Signal::Open(&cx), &mut opened)?;
        for split in &cx.splits {
            match split.from {
                SplitPosition::At(_) => {
                    // Announced at once: event time must wait for a split that is not open yet.
                    self.next.signal(&mut Signal::Split(&split.split.id), &mut opened)?;
                    self.waiting.push_back(split.clone());
                }
                SplitPosition::Finished(offset) => self.finished.push((split.split.id.clone(), offset)),
            }
        }
        self.cx = Some(cx);
        self.open_splits()
    }

    fn restore(&mut self, state: &Arc<dyn RestoredState>) -> Result<()> {
        // Its own positions came with the splits that it was assigned.
        self.next.signal(&mut Signal::Restore(&**state), &mut Outbox::default())
    }

    fn poll(&mut self, out: &mut Outbox) -> Result<Polled> {
        let (batch, throttle) =
            (batch_size::<S::Item>(), self.cx.as_ref().map(|cx| Arc::clone(&cx.throttle)));
        for _ in 0..self.reading.len() {
            let Some(mut open) = self.reading.pop_front() else { break };
            if self.must_wait(&open, out)? {
                self.reading.push_back(open);
                continue;
            }
            let granted = throttle.as_ref().map_or(batch, |throttle| throttle.grant(batch));
            if granted == 0 {
                self.reading.push_front(open);
                return Ok(Polled::Idle);
            }
            let (records, status) = self
                .read_split(&mut open, granted, out)
                .map_err(|error| error.within(format_args!("source {:?}", self.name)))?;
            if let Some(throttle) = &throttle {
                throttle.take_back(granted.saturating_sub(records));
            }
            self.report(&mut open, records);
            match status {
                ReadStatus::End => {
                    let id = open.split.split.id;
                    self.finished.push((id.clone(), open.reader.offset()));
                    self.next.signal(&mut Signal::SplitEnd(&id), out)?;
                    self.open_splits()?;
                }
                ReadStatus::More | ReadStatus::Idle => self.reading.push_back(open),
            }
            if records > 0 {
                return Ok(Polled::Records(records));
            }
        }
        Ok(if self.reading.is_empty() { Polled::Exhausted } else { Polled::Idle })
    }

    fn process(&mut self, _batch: Batch, _out: &mut Outbox) -> Result<()> {
        unreachable!("a source has no input")
    }

    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Watermark(watermark), out)
    }

    fn change_status(&mut self, _status: WatermarkStatus, _out: &mut Outbox) -> Result<()> {
        unreachable!("a source has no input")
    }

    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()> {
        out.origin = self.current;
        self.next.signal(&mut Signal::Flush(fill), out)
    }

    fn snapshot(
        &mut self,
        barrier: Barrier,
        mut snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot> {
        let owner = owner(&self.name);
        for open in &self.reading {
            snapshot.put(&owner, &open.split.split.id.0, SplitPosition::At(open.reader.offset()))?;
        }
        for split in &self.waiting {
            snapshot.put(&owner, &split.split.id.0, split.from)?;
        }
        for (id, offset) in &self.finished {
            snapshot.put(&owner, &id.0, SplitPosition::Finished(*offset))?;
        }
        self.next.signal(&mut Signal::Barrier(barrier, &mut snapshot), out)?;
        Ok(snapshot)
    }

    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()> {
        self.next.signal(&mut Signal::Commit(snapshot), out)
    }

    fn whereabouts(&self) -> Whereabouts {
        Whereabouts { group: None, origin: self.current }
    }
}

/// Deals the splits of a source to its subtasks, in turn. `positions` are those of the snapshot that is restored: a split
/// that it does not know begins at its beginning, one that is gone must have been read to its end.
///
/// # Errors
/// If a split that was not finished is gone.
pub(crate) fn deal_splits(
    source: &str,
    splits: Vec<crate::source::Split>,
    mut positions: std::collections::BTreeMap<SplitId, SplitPosition>,
    first_number: u32,
    subtasks: usize,
) -> Result<Vec<Vec<AssignedSplit>>> {
    let mut dealt = vec![Vec::new(); subtasks];
    let mut number = first_number;
    let mut deal = |split: crate::source::Split, from: SplitPosition| {
        let subtask = (number - first_number) as usize % subtasks;
        dealt[subtask].push(AssignedSplit { split, from, number: SplitNumber(number) });
        number += 1;
    };
    for split in splits {
        let from = positions.remove(&split.id).unwrap_or(SplitPosition::At(Offset::default()));
        deal(split, from);
    }
    for (id, position) in positions {
        match position {
            SplitPosition::Finished(_) => deal(crate::source::Split { id, bytes: None }, position),
            SplitPosition::At(offset) => {
                return Err(Error::failure(format!(
                    "{} of source {source:?} is gone, and the snapshot had read only {} records of it",
                    id.0, offset.records
                ))
                .hint("give the job the same input as before, or start without --restore"));
            }
        }
    }
    Ok(dealt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Split;
    use std::collections::BTreeMap;

    fn split(id: &str) -> Split {
        Split { id: SplitId(id.to_string()), bytes: None }
    }

    #[test]
    fn splits_are_dealt_in_turn_and_new_ones_begin_at_their_beginning() {
        let offset = Offset { position: 70, records: 7 };
        let positions = BTreeMap::from([(SplitId("b".to_string()), SplitPosition::At(offset))]);
        let dealt = deal_splits("s", vec![split("a"), split("b"), split("c")], positions, 10, 2).unwrap();
        let ids =
            |subtask: usize| dealt[subtask].iter().map(|split| split.split.id.0.as_str()).collect::<Vec<_>>();
        assert_eq!((ids(0), ids(1)), (vec!["a", "c"], vec!["b"]));
        assert_eq!(dealt[1][0].from, SplitPosition::At(offset));
        assert_eq!(dealt[0][1].number, SplitNumber(12));
    }

    #[test]
    fn a_split_that_is_gone_is_an_error_unless_it_was_read_to_its_end() {
        let gone = |position| BTreeMap::from([(SplitId("old".to_string()), position)]);
        let finished = SplitPosition::Finished(Offset::default());
        assert_eq!(deal_splits("s", vec![], gone(finished), 0, 1).unwrap()[0].len(), 1);
        let error = deal_splits("s", vec![], gone(SplitPosition::At(Offset::default())), 0, 1).unwrap_err();
        assert!(error.to_string().contains("old of source \"s\" is gone"), "{error}");
    }
}
