//! What a subtask counts, for Flink's metrics: the figures that a job of its own shows while it runs, and how many records go through
//! each stage.
//!
//! *Enters:* what the stages say of each batch. *Leaves:* all figures at once, from time to time: a [`Telling`] says when. Always: they count
//! from when the process began, as Flink's own do from when a task did. Absent: anything per record.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use super::subtask::Next;
use crate::job::graph::{Graph, StageRole};
use crate::outbox::{EdgeIndex, Outbox};
use crate::task::event_time::EventTimeBoard;
use crate::task::metrics::{PauseMetrics, SourceMetrics};
use crate::time::{EventTime, millis};

/// How often they are told at most.
const PERIOD: Duration = millis(500);

/// How many records have gone through a stage.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    received: Cell<u64>,
    /// By each edge that leaves it; one that is broadcast counts for every subtask that it goes to.
    sent: RefCell<BTreeMap<EdgeIndex, u64>>,
}

impl Traffic {
    /// A batch of so many records has come in, or has been read.
    pub fn receive(&self, records: usize) {
        self.received.set(self.received.get() + records as u64);
    }

    /// What lies behind the first so many elements has been put out.
    pub fn send(&self, out: &Outbox, elements: usize) {
        if out.len() > elements {
            let mut sent = self.sent.borrow_mut();
            for (edge, records) in out.records_behind(elements) {
                *sent.entry(edge).or_default() += records as u64;
            }
        }
    }
}

/// What the stages of a subtask count, and where.
pub(super) struct Meters {
    pub graph: Arc<Graph>,
    pub stages: Vec<Meter>,
    pub event_time: Arc<EventTimeBoard>,
    pub pauses: Arc<PauseMetrics>,
}

/// What a stage counts.
pub(super) struct Meter {
    /// Its place in the graph.
    pub stage: usize,
    pub traffic: Rc<Traffic>,
    pub source: Arc<SourceMetrics>,
}

/// All figures of a subtask.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Figures {
    /// Records that its sources have read.
    pub read: u64,
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Figure {
    /// Of which stage it is, if not of the whole subtask.
    pub stage: Option<String>,
    /// Of which of the stage's outputs, if not of the main one: `rejects`, `late`.
    pub output: Option<String>,
    pub name: &'static str,
    /// Whether it only ever grows.
    pub counts: bool,
    pub value: i64,
}

impl Meters {
    /// What they show when it is `now`.
    pub fn read(&self, now: EventTime) -> Figures {
        let mut all = Figures { read: 0, figures: Vec::new() };
        for Meter { stage, traffic, source } in &self.stages {
            let node = &self.graph.stages[*stage];
            all.count(Some(&node.name), "", "recordsIn", traffic.received.get());
            if matches!(node.role, StageRole::Source(_)) {
                all.read += traffic.received.get();
                all.count(Some(&node.name), "", "bytesRead", source.bytes.load(Ordering::Relaxed));
            }
            let mut outputs = BTreeMap::<&str, u64>::new();
            for (edge, node) in self.graph.edges_from(*stage) {
                let sent = traffic.sent.borrow().get(&edge).copied();
                *outputs.entry(&node.label).or_default() += sent.unwrap_or_default();
            }
            for (output, records) in outputs {
                all.count(Some(&node.name), output, "recordsOut", records);
            }
        }
        let event_time = self.event_time.read(now);
        for source in event_time.sources {
            all.watermark(&source.source, source.watermark);
            all.count(Some(&source.source), "", "eventTimesIgnored", source.uncounted);
        }
        for operator in event_time.operators {
            all.watermark(&operator.operator, operator.watermark);
            all.count(Some(&operator.operator), "", "lateRecords", operator.late);
            all.count(Some(&operator.operator), "", "lateRecordsDropped", operator.dropped);
        }
        let pauses = self.pauses.read();
        all.count(None, "", "barrierPauses", pauses.count);
        for (name, pause) in [("barrierPauseP99Micros", pauses.p99), ("barrierPauseMaxMicros", pauses.max)] {
            all.gauge(None, name, i64::try_from(pause.as_micros()).unwrap_or(i64::MAX));
        }
        all
    }
}

impl Figures {
    fn count(&mut self, stage: Option<&str>, output: &str, name: &'static str, value: u64) {
        let output = (!output.is_empty()).then(|| output.to_string());
        let value = i64::try_from(value).unwrap_or(i64::MAX);
        self.figures.push(Figure { stage: stage.map(str::to_string), output, name, counts: true, value });
    }

    fn gauge(&mut self, stage: Option<&str>, name: &'static str, value: i64) {
        let stage = stage.map(str::to_string);
        self.figures.push(Figure { stage, output: None, name, counts: false, value });
    }

    /// As Flink calls it where there is none yet: the least number.
    fn watermark(&mut self, stage: &str, watermark: Option<EventTime>) {
        self.gauge(Some(stage), "watermark", watermark.unwrap_or(EventTime::MIN).as_millis());
    }
}

/// When figures are told: with an answer that is sent anyway, some time after they have changed; at the end of the input at once.
#[derive(Debug, Default)]
pub(super) struct Telling {
    told_at: Option<Duration>,
    has_changed: bool,
    has_ended: bool,
}

impl Telling {
    /// Something was done, of which figures may have changed.
    pub fn change(&mut self) {
        self.has_changed = true;
    }

    /// The input has ended: nobody may ask later.
    pub fn end(&mut self) {
        self.has_ended = true;
    }

    /// Whether they are to be told now. If so, they have been.
    pub fn is_due(&mut self, now: Duration) -> bool {
        let is_due = self.has_changed && (self.has_ended || self.left(now).is_zero());
        if is_due {
            self.told_at = Some(now);
            self.has_changed = false;
        }
        is_due
    }

    fn left(&self, now: Duration) -> Duration {
        self.told_at.map_or(Duration::ZERO, |at| (at + PERIOD).saturating_sub(now))
    }

    /// What is to be done next: who would not ask for long is to ask when they are due.
    pub fn next(&self, next: Next, now: Duration) -> Next {
        match next {
            Next::Rest if self.has_changed => Next::Wake(self.left(now)),
            Next::Wake(after) if self.has_changed => Next::Wake(after.min(self.left(now))),
            Next::Rest | Next::Wake(_) | Next::Flush(_) | Next::Exhausted => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::secs;

    #[test]
    fn figures_are_told_twice_a_second_if_they_have_changed_and_at_the_end_at_once() {
        let mut telling = Telling::default();
        assert!(!telling.is_due(secs(9)), "there is nothing to tell");
        telling.change();
        assert!(telling.is_due(secs(9)));
        assert_eq!(telling.next(Next::Rest, secs(9)), Next::Rest);
        telling.change();
        let soon = secs(9) + millis(100);
        assert!(!telling.is_due(soon));
        assert_eq!(telling.next(Next::Rest, soon), Next::Wake(millis(400)));
        assert_eq!(telling.next(Next::Wake(secs(1)), soon), Next::Wake(millis(400)));
        assert_eq!(telling.next(Next::Wake(millis(3)), soon), Next::Wake(millis(3)));
        assert_eq!(telling.next(Next::Exhausted, soon), Next::Exhausted);
        assert!(telling.is_due(secs(9) + PERIOD));
        telling.end();
        telling.change();
        assert!(telling.is_due(secs(9) + PERIOD));
        assert!(!telling.is_due(secs(99)));
    }
}
