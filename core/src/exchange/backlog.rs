//! What was on its way to a subtask at its cut, as one sequence. Pure.
//!
//! Enters: what a gate recorded between its cut and the barriers of its channels. Leaves: the same elements, as the input
//! that a restored subtask reads before any other. The sequence is one in which the elements could have come: that of every
//! channel is kept, and the watermarks in it are merged ones, so that nothing needs to know the channels any more.
//!
//! Always, for a stage behind an exchange: *all its subtasks come to one and the same watermark at the end of their
//! backlogs.* A watermark goes to all subtasks, and a barrier goes to all, each channel in the same order; so behind its
//! backlog every subtask has seen the same watermarks, and stands where an aligned snapshot would have found it.
//!
//! [`Backlog::merge`] makes one sequence of those of several subtasks, when a restore at another parallelism brings their
//! keys together. It goes on with the subtask that is furthest behind in event time. So whenever a record's turn comes, the
//! others have come at least as far as its own subtask had: the record sees the very watermark that it would have seen at
//! the old parallelism, is late if it was late, and a window that has fired is not opened again.
//!
//! Absent: [the end of time](EventTime::MAX). It is not told again, because the input may have grown since; a source that
//! has really ended says so itself.

use std::collections::VecDeque;

use crate::time::EventTime;

/// What was on its way to a subtask. `B` is a batch: of records, or of the bytes that they are in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog<B> {
    /// How far event time had come for the subtask, by the minimum of its channels.
    pub watermark: EventTime,
    /// What it had still to read, in order.
    pub elements: VecDeque<Queued<B>>,
}

/// An element of a backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Queued<B> {
    /// Records.
    Batch(B),
    /// Event time has come this far, by the minimum of all channels; each is greater than the one before.
    Watermark(EventTime),
}

impl<B> Backlog<B> {
    /// Nothing was on its way, and event time had come to `watermark`.
    pub fn new(watermark: EventTime) -> Backlog<B> {
        Backlog { watermark, elements: VecDeque::new() }
    }

    /// How far event time has come when all of it has been read.
    pub fn last_watermark(&self) -> EventTime {
        let last = self.elements.iter().rev().find_map(|queued| match queued {
            Queued::Watermark(watermark) => Some(*watermark),
            Queued::Batch(_) => None,
        });
        last.unwrap_or(self.watermark)
    }

    /// One sequence of several, those of a subtask's predecessors. Of none, an empty one that knows nothing of event time.
    pub fn merge(mut backlogs: Vec<Backlog<B>>) -> Backlog<B> {
        let slowest = |backlogs: &[Backlog<B>]| {
            backlogs.iter().map(|backlog| backlog.watermark).min().unwrap_or(EventTime::MIN)
        };
        let mut merged = Backlog::new(slowest(&backlogs));
        let mut told = merged.watermark;
        loop {
            let left = backlogs.iter_mut().filter(|backlog| !backlog.elements.is_empty());
            let Some(furthest_behind) = left.min_by_key(|backlog| backlog.watermark) else { return merged };
            match furthest_behind.elements.pop_front() {
                Some(Queued::Watermark(watermark)) => furthest_behind.watermark = watermark,
                Some(batch @ Queued::Batch(_)) => merged.elements.push_back(batch),
                None => {}
            }
            let reached = slowest(&backlogs);
            if told < reached && reached < EventTime::MAX {
                told = reached;
                merged.elements.push_back(Queued::Watermark(reached));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    /// A batch: the number of its subtask and its place there.
    type Numbered = (usize, usize);

    fn backlog(subtask: usize, from: i64, watermarks: &[Option<i64>]) -> Backlog<Numbered> {
        let queued = watermarks.iter().enumerate().map(|(place, watermark)| match watermark {
            Some(watermark) => Queued::Watermark(at(*watermark)),
            None => Queued::Batch((subtask, place)),
        });
        Backlog { watermark: at(from), elements: queued.collect() }
    }

    /// Every batch with the watermark that it sees, and the last watermark.
    fn seen(backlog: &Backlog<Numbered>) -> (Vec<(Numbered, EventTime)>, EventTime) {
        let mut now = backlog.watermark;
        let mut batches = Vec::new();
        for queued in &backlog.elements {
            match queued {
                Queued::Batch(batch) => batches.push((*batch, now)),
                Queued::Watermark(watermark) => {
                    assert!(*watermark > now, "a watermark says something new");
                    now = *watermark;
                }
            }
        }
        assert_eq!(now, backlog.last_watermark());
        (batches, now)
    }

    /// Every backlog with up to three batches between the watermarks from `from` to 3.
    fn every(subtask: usize) -> Vec<Backlog<Numbered>> {
        let mut all = Vec::new();
        for from in 0..=3 {
            // What comes before each of the watermarks, and behind the last.
            for batches in 0..1 << (2 * (4 - from)) {
                let mut elements = Vec::new();
                for watermark in from..=3 {
                    if watermark > from {
                        elements.push(Some(watermark));
                    }
                    let here = (batches >> (2 * (watermark - from))) & 3;
                    elements.extend(std::iter::repeat_n(None, here));
                }
                all.push(backlog(subtask, from, &elements));
            }
        }
        all
    }

    #[test]
    fn merged_every_record_sees_the_watermark_that_its_own_subtask_would_have_shown_it() {
        let (left, right) = (every(0), every(1));
        assert_eq!(left.len(), 4 + 16 + 64 + 256);
        for a in &left {
            for b in &right {
                let merged = Backlog::merge(vec![a.clone(), b.clone()]);
                assert_eq!(merged.watermark, a.watermark.min(b.watermark));
                let (batches, last) = seen(&merged);
                assert_eq!(last, at(3));
                for (subtask, own) in [a, b].into_iter().enumerate() {
                    let of_own: Vec<_> =
                        batches.iter().filter(|((of, _), _)| *of == subtask).copied().collect();
                    assert_eq!(of_own, seen(own).0, "of {a:?} and {b:?}");
                }
            }
        }
    }

    #[test]
    fn of_one_backlog_nothing_changes() {
        for one in every(0) {
            assert_eq!(Backlog::merge(vec![one.clone()]), one);
        }
        assert_eq!(Backlog::<()>::merge(Vec::new()), Backlog::new(EventTime::MIN));
    }

    #[test]
    fn the_end_of_time_holds_nothing_back_and_is_not_told() {
        let ended = Backlog {
            watermark: at(5),
            elements: VecDeque::from([
                Queued::Batch((0, 0)),
                Queued::Watermark(EventTime::MAX),
                Queued::Batch((0, 2)),
            ]),
        };
        let behind = backlog(1, 3, &[Some(7), None]);
        let merged = Backlog::merge(vec![ended, behind]);
        let expected = [((0, 0), at(5)), ((1, 1), at(7)), ((0, 2), at(7))];
        assert_eq!(seen(&merged), (expected.to_vec(), at(7)));
    }
}
