//! Drives the subtasks of one operator without keys by hand, and makes them more or fewer.

use std::rc::Rc;
use std::sync::Arc;

use super::harness::{Gather, Output, SIDE, context, take_side};
use crate::chain::{Head, LocalHead};
use crate::error::Result;
use crate::key::{KeyGroupRange, MaxParallelism, Parallelism};
use crate::operator::UnkeyedOperator;
use crate::operator::unkeyed::UnkeyedHead;
use crate::outbox::Outbox;
use crate::record::{Barrier, BarrierKind, Batch, Fill, Origin, SnapshotId, Timed};
use crate::snapshot::part::{Entry, RestoredState, StageSnapshot, StateRow};
use crate::task::stage::{Stage, StageContext};
use crate::time::{Clock, EventTime};

/// A test bench for an operator whose state belongs to the subtask: push records, move the time, rescale.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::UnkeyedHarness;
///
/// #[state(unkeyed)]
/// #[derive(Default)]
/// struct Pending { words: DealtList<String> }
///
/// struct Pairs;
///
/// #[operator(unkeyed)]
/// impl Pairs {
///     fn on_event(&self, word: String, pending: &mut Pending) -> Option<Vec<String>> {
///         pending.words.push(word);
///         (pending.words.len() == 2).then(|| pending.words.split_off(0))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut harness = UnkeyedHarness::new(Pairs)?;
/// harness.push("tide".to_string(), EventTime::MIN)?;
/// harness.rescale(2)?;
/// harness.rescale(1)?;
/// harness.push("gate".to_string(), EventTime::MIN)?;
/// assert_eq!(harness.take_output(), [["tide", "gate"]]);
/// # Ok(())
/// # }
/// ```
pub struct UnkeyedHarness<O: UnkeyedOperator> {
    head: UnkeyedHead<LocalHead<O::In>, O>,
    subtasks: Vec<Box<dyn Stage>>,
    /// Which subtask the next record comes to.
    next: usize,
    output: Output<O::Out>,
    side: Vec<(O::Side, EventTime)>,
    outbox: Outbox,
    clock: Clock,
    snapshots: u64,
}

impl<O: UnkeyedOperator<In: Send, Side: Send>> UnkeyedHarness<O> {
    /// A bench for `operator`, with one subtask. Processing time stands at the epoch.
    ///
    /// # Errors
    /// If the subtask can't open.
    pub fn new(operator: O) -> Result<UnkeyedHarness<O>> {
        let mut harness = UnkeyedHarness {
            head: UnkeyedHead::new(LocalHead::new(), "operator under test", operator, Some(SIDE)),
            subtasks: Vec::new(),
            next: 0,
            output: Output::default(),
            side: Vec::new(),
            outbox: Outbox::default(),
            clock: Clock::virtual_at(EventTime::from_millis(0)),
            snapshots: 0,
        };
        harness.subtasks = harness.open(Parallelism::ONE)?;
        Ok(harness)
    }

    /// A record that happened at `at` arrives, at each subtask in turn.
    ///
    /// # Errors
    /// None that an operator could cause.
    pub fn push(&mut self, record: O::In, at: EventTime) -> Result<()> {
        let records = vec![Timed { value: record, at }];
        let batch = Batch { len: 1, records: Box::new(records), origin: Origin::default() };
        let subtask = self.next % self.subtasks.len();
        self.next = subtask + 1;
        self.subtasks[subtask].process(batch, &mut self.outbox)?;
        self.after_step()
    }

    /// Event time advances to `watermark`, in every subtask. [`EventTime::MAX`] ends the input.
    ///
    /// # Errors
    /// None that an operator could cause.
    pub fn advance_watermark(&mut self, watermark: EventTime) -> Result<()> {
        for subtask in &mut self.subtasks {
            subtask.advance_watermark(watermark, &mut self.outbox)?;
        }
        self.after_step()
    }

    /// Snapshots all subtasks, throws them away, and restores `subtasks` of them from the snapshot. The next record comes to
    /// the first.
    ///
    /// # Errors
    /// If the state can't be written or read.
    ///
    /// # Panics
    /// If `subtasks` is 0 or above 128.
    pub fn rescale(&mut self, subtasks: u32) -> Result<()> {
        self.snapshots += 1;
        let barrier = Barrier { snapshot: SnapshotId(self.snapshots), kind: BarrierKind::Periodic };
        let mut kept = Kept(Vec::new());
        for subtask in &mut self.subtasks {
            let part = subtask.snapshot(barrier, StageSnapshot::new(true), &mut self.outbox)?;
            kept.0.extend(part.entries);
        }
        let parallelism = Parallelism::new(subtasks, MaxParallelism::DEFAULT);
        let parallelism = parallelism.expect("the parallelism of a harness is from 1 to 128");
        self.subtasks = self.open(parallelism)?;
        let kept: Arc<dyn RestoredState> = Arc::new(kept);
        self.subtasks.iter_mut().try_for_each(|subtask| subtask.restore(&kept))?;
        self.next = 0;
        self.after_step()
    }

    /// What has been emitted since the last time it was asked for.
    pub fn take_output(&mut self) -> Vec<O::Out> {
        self.output.take().into_iter().map(|(value, _)| value).collect()
    }

    /// [`take_output`](UnkeyedHarness::take_output), each with the event time it carries.
    pub fn take_timed_output(&mut self) -> Vec<(O::Out, EventTime)> {
        self.output.take()
    }

    /// What has been emitted on the side since the last time it was asked for.
    pub fn take_side_output(&mut self) -> Vec<O::Side> {
        std::mem::take(&mut self.side).into_iter().map(|(value, _)| value).collect()
    }

    fn open(&self, parallelism: Parallelism) -> Result<Vec<Box<dyn Stage>>> {
        let open = |subtask| {
            let mut stage = self.head.build(Gather(Rc::clone(&self.output)));
            stage.open(StageContext { subtask, parallelism, ..context(&self.clock) })?;
            Ok(stage)
        };
        parallelism.subtasks().map(open).collect()
    }

    fn after_step(&mut self) -> Result<()> {
        for subtask in &mut self.subtasks {
            subtask.flush(Fill::Any, &mut self.outbox)?;
        }
        take_side(&mut self.outbox, &mut self.side);
        Ok(())
    }
}

/// A snapshot in memory: entries are all that such an operator keeps.
struct Kept(Vec<Entry>);

impl RestoredState for Kept {
    fn entries(&self, owner: &str) -> Vec<&Entry> {
        self.0.iter().filter(|entry| entry.owner == owner).collect()
    }

    fn rows(
        &self,
        _operator: &str,
        _groups: KeyGroupRange,
        _each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_macros::{operator, state};

    use super::*;
    use crate::operator::{Emit, UnkeyedContext};
    use crate::state::{DealtList, UnionList};

    #[state(unkeyed, crate = crate)]
    #[derive(Default)]
    struct Held {
        numbers: DealtList<f64>,
        subtasks: UnionList<u32>,
        #[serde(skip)]
        seen: u32,
    }

    struct Hold;

    #[operator(unkeyed, crate = crate)]
    impl Hold {
        fn on_event(
            &self,
            number: f64,
            held: &mut Held,
            cx: &UnkeyedContext,
            late: &mut impl Emit<String>,
            side: &mut impl Emit<f64>,
        ) {
            if cx.is_late() {
                side.emit(number);
            }
            held.seen += 1;
            held.numbers.push(number);
            held.subtasks.push(cx.subtask());
            late.emit(format!("{} has seen {}", cx.subtask(), held.seen));
        }

        fn on_watermark(&self, held: &mut Held, cx: &UnkeyedContext) -> Option<String> {
            let due = cx.watermark().as_millis() as f64;
            let due = held.numbers.iter().position(|number| *number <= due)?;
            Some(format!("{} is due", held.numbers.remove(due)))
        }

        fn on_end(&self, held: &mut Held, cx: &UnkeyedContext) -> String {
            format!("{} holds {:?} of {:?}", cx.subtask(), *held.numbers, *held.subtasks)
        }

        fn on_restore(&self, held: &mut Held, cx: &UnkeyedContext) {
            held.subtasks.retain(|subtask| subtask % cx.parallelism() == cx.subtask());
        }
    }

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    #[test]
    fn what_three_subtasks_hold_comes_to_two_to_the_bit_and_the_time_stays() {
        let mut harness = UnkeyedHarness::new(Hold).unwrap();
        harness.rescale(3).unwrap();
        for number in [1.0, f64::NAN, f64::INFINITY, 4.0, -0.0] {
            harness.push(number, at(7)).unwrap();
        }
        harness.advance_watermark(at(1)).unwrap();
        assert_eq!(
            harness.take_timed_output()[5..],
            [("1 is due".to_string(), at(1)), ("-0 is due".to_string(), at(1)),]
        );
        harness.rescale(2).unwrap();
        harness.push(9.0, at(1)).unwrap();
        assert_eq!(harness.take_output(), ["0 has seen 1"], "what is skipped begins anew");
        assert_eq!(harness.take_side_output(), [9.0], "event time had come to 1 ms, and does not go back");
        harness.advance_watermark(EventTime::MAX).unwrap();
        assert_eq!(
            harness.take_timed_output(),
            [
                ("0 holds [4.0, 9.0] of [0, 0, 2, 0]".to_string(), EventTime::MAX),
                ("1 holds [NaN, inf] of [1, 1]".to_string(), EventTime::MAX),
            ]
        );
    }

    #[test]
    fn event_time_that_does_not_advance_and_a_second_end_call_nothing() {
        let mut harness = UnkeyedHarness::new(Hold).unwrap();
        harness.push(1.0, at(7)).unwrap();
        harness.push(2.0, at(7)).unwrap();
        harness.take_output();
        for watermark in [at(3), at(3), at(2)] {
            harness.advance_watermark(watermark).unwrap();
        }
        assert_eq!(harness.take_output(), ["1 is due"]);
        harness.advance_watermark(EventTime::MAX).unwrap();
        harness.advance_watermark(EventTime::MAX).unwrap();
        assert_eq!(harness.take_output(), ["0 holds [2.0] of [0, 0]"]);
    }
}
