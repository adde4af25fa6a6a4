//! Broadcast: the end of a chain whose records go to every subtask of the stage at the other end.
//!
//! What enters: records. What leaves: batches of [`Timed`] records, one copy for every subtask. Meant for streams of few
//! records: a record costs as much as there are subtasks.

use crate::chain::{Gather, Signal, Step};
use crate::error::Result;
use crate::key::Parallelism;
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::{Batch, Element, Fill, Origin, Timed, batch_size};
use crate::time::EventTime;

/// Ends a chain: gathers records for all subtasks.
pub(crate) struct Broadcast<T> {
    edge: EdgeIndex,
    parallelism: Parallelism,
    gathered: Vec<Timed<T>>,
    origin: Origin,
}

impl<T> Broadcast<T> {
    pub fn new(edge: EdgeIndex) -> Broadcast<T> {
        Broadcast { edge, parallelism: Parallelism::ONE, gathered: Vec::new(), origin: Origin::default() }
    }
}

impl<T: Clone + Send + 'static> Gather for Broadcast<T> {
    fn edge(&self) -> EdgeIndex {
        self.edge
    }

    fn hand_on(&mut self, fill: Fill, out: &mut Outbox) {
        self.origin = self.origin.merge(out.origin);
        if self.gathered.is_empty() || (fill == Fill::Full && self.gathered.len() < batch_size::<Timed<T>>())
        {
            return;
        }
        let origin = std::mem::take(&mut self.origin);
        for subtask in self.parallelism.subtasks() {
            let mut records = out.spares.take();
            records.extend(
                self.gathered.iter().map(|Timed { value, at }| Timed { value: value.clone(), at: *at }),
            );
            let batch = Batch { len: records.len(), records: Box::new(records), origin };
            out.put(self.edge, Target::Subtask(subtask), Element::Batch(batch));
        }
        self.gathered.clear();
    }
}

impl<T: Clone + Send + 'static> Step<T> for Broadcast<T> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.gathered.push(Timed { value, at });
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        if let Signal::Open(cx) = signal {
            self.parallelism = cx.parallelism;
        }
        self.pass_on(signal, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::downcast;

    #[test]
    fn every_subtask_is_sent_every_record_before_what_comes_behind_it() {
        let mut edge = Broadcast::new(EdgeIndex(3));
        edge.parallelism = Parallelism::new(3, crate::key::MaxParallelism::DEFAULT).unwrap();
        edge.push("first", EventTime::from_millis(1));
        edge.push("second", EventTime::MIN);
        let mut out = Outbox::default();
        edge.signal(&mut Signal::Flush(Fill::Full), &mut out).unwrap();
        assert!(out.is_empty(), "a batch that is not full waits");
        edge.signal(&mut Signal::Watermark(EventTime::from_millis(9)), &mut out).unwrap();
        let sent = out.drain().map(|(edge, target, element)| {
            assert_eq!(edge, EdgeIndex(3));
            match (target, element) {
                (Target::Subtask(subtask), Element::Batch(batch)) => {
                    let records = downcast::<Timed<&str>>(batch.records);
                    format!(
                        "{subtask}: {}",
                        records.iter().map(|record| record.value).collect::<Vec<_>>().join(" ")
                    )
                }
                (Target::Everywhere, Element::Watermark(watermark)) => {
                    format!("all: {}", watermark.as_millis())
                }
                _ => unreachable!(),
            }
        });
        assert_eq!(
            sent.collect::<Vec<_>>(),
            ["0: first second", "1: first second", "2: first second", "all: 9"]
        );
        edge.signal(&mut Signal::Flush(Fill::Any), &mut out).unwrap();
        assert!(out.is_empty(), "what was sent is not sent again");
    }
}
