//! Late records: those that an operator has no place for any more, because event time has passed them.
//!
//! What enters: a record that its operator calls late: windows, joins and patterns know such ones. What leaves: the same record on
//! the side, if `.side_output_late()` has asked for it; or else nothing but a count and, of the first one, the tenth, the hundredth,
//! .. a warning. Always: none is dropped that was not counted. Flink only counts (`numLateRecordsDropped`).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exchange::partition::KeyAccess;
use crate::job::KeyedStream;
use crate::job::builder::LocalStream;
use crate::job::keyed_stream::{Inputs, OperatorStage, Processed};
use crate::operator::{Context, Emit, Never, Operator};
use crate::state::{Data, KeyedBy};
use crate::time::EventTime;

/// What becomes of the late records of an operator: they are [`Dropped`], or go [`ToSide`].
pub trait Late: Send + Sync + 'static {
    /// Whether somebody is given them.
    const KEPT: bool;

    /// What the operator emits on the side, if its late records are of type `T`.
    type Side<T: Send + 'static>: Send + 'static;

    /// The streams that come of the operator: its results, and the late records if they are wanted.
    type Streams<'j, T: 'j, O: Operator, K, A: 'j>
    where
        O::State: KeyedBy<K>;

    /// Puts a late record where it belongs.
    fn put<T: Send + 'static>(record: T, side: &mut impl Emit<Self::Side<T>>);

    /// Has the operator work on a stream.
    fn streams<'j, T, U, O, K, A, I>(
        keyed: KeyedStream<'j, K, U, A, I>,
        name: &str,
        operator: O,
    ) -> Self::Streams<'j, T, O, K, A>
    where
        O: Operator<In = U, Side = Self::Side<T>, Broadcast = Never>,
        O::State: KeyedBy<K>,
        T: Send + 'static,
        U: Data,
        A: KeyAccess<U, Key = K>,
        I: Inputs<U>,
    {
        Self::of(keyed.begin(name, operator))
    }

    /// The streams that come of the operator's stage.
    #[doc(hidden)]
    fn of<'j, T, O, K, A>(stage: OperatorStage<'j, O, A>) -> Self::Streams<'j, T, O, K, A>
    where
        O: Operator<Side = Self::Side<T>>,
        O::State: KeyedBy<K>,
        T: Send + 'static;
}

/// They are counted, and the log says so.
#[derive(Clone, Copy, Debug)]
pub enum Dropped {}

impl Late for Dropped {
    const KEPT: bool = false;

    type Side<T: Send + 'static> = Never;

    type Streams<'j, T: 'j, O: Operator, K, A: 'j>
        = Processed<'j, O, K, A>
    where
        O::State: KeyedBy<K>;

    fn put<T: Send + 'static>(_: T, _: &mut impl Emit<Never>) {}

    fn of<'j, T, O, K, A>(stage: OperatorStage<'j, O, A>) -> Processed<'j, O, K, A>
    where
        O: Operator<Side = Never>,
        O::State: KeyedBy<K>,
        T: Send + 'static,
    {
        stage.stream()
    }
}

/// They come out as a stream of their own.
#[derive(Clone, Copy, Debug)]
pub enum ToSide {}

impl Late for ToSide {
    const KEPT: bool = true;

    type Side<T: Send + 'static> = T;

    type Streams<'j, T: 'j, O: Operator, K, A: 'j>
        = (Processed<'j, O, K, A>, LocalStream<'j, T>)
    where
        O::State: KeyedBy<K>;

    fn put<T: Send + 'static>(record: T, side: &mut impl Emit<T>) {
        side.emit(record);
    }

    fn of<'j, T, O, K, A>(stage: OperatorStage<'j, O, A>) -> (Processed<'j, O, K, A>, LocalStream<'j, T>)
    where
        O: Operator<Side = T>,
        O::State: KeyedBy<K>,
        T: Send + 'static,
    {
        stage.with_side()
    }
}

impl<O: Operator> Context<'_, O> {
    /// Whether event time has passed the record, or it has none: then it has no place among what is ordered by time.
    pub(crate) fn has_no_place(&self) -> bool {
        self.at <= self.watermark
    }

    /// Counts a late record, and puts it where it belongs.
    #[cold]
    pub(crate) fn take_late<L: Late, T: Send + 'static>(&self, record: T, side: &mut impl Emit<L::Side<T>>) {
        self.count_late(L::KEPT);
        L::put(record, side);
    }

    /// The operator's name.
    pub(crate) fn operator(&self) -> &str {
        self.late.operator()
    }

    /// Counts a late record, which is dropped if nobody is given it.
    #[cold]
    pub(crate) fn count_late(&self, kept: bool) {
        if let Some(warning) = self.late.count(kept, self.at, self.watermark) {
            tracing::warn!("{warning}");
        }
    }
}

/// How many records have been late for an operator, in all its subtasks.
#[derive(Debug)]
pub(crate) struct LateCount {
    operator: String,
    late: AtomicU64,
    dropped: AtomicU64,
}

impl LateCount {
    pub fn of(operator: &str) -> LateCount {
        LateCount { operator: operator.to_string(), late: AtomicU64::new(0), dropped: AtomicU64::new(0) }
    }

    /// The operator's name.
    pub fn operator(&self) -> &str {
        &self.operator
    }

    /// How many there were, also those that somebody was given.
    pub fn late(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// How many of them were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Counts one of time `at`. What there is to be said of it.
    pub fn count(&self, kept: bool, at: EventTime, watermark: EventTime) -> Option<impl fmt::Display> {
        self.late.fetch_add(1, Ordering::Relaxed);
        if kept {
            return None;
        }
        let count = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        let is_to_be_said = count == 10u64.pow(count.ilog10());
        is_to_be_said.then(|| {
            let operator = &self.operator;
            if at == EventTime::MIN {
                format!(
                    "a record without event time came to {operator:?}, which goes by it, and was left out, {count} so far: give \
                     records one by `.event_time(..)` before `.key_by(..)`, or a stream of their own by `.side_output_late()`"
                )
            } else {
                format!(
                    "a record of {at} came to {operator:?} too late (watermark {watermark}) and was left out, {count} so far: give \
                     watermarks more time, windows `.allowed_lateness(..)`, or late records a stream by `.side_output_late()`"
                )
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_is_dropped_is_warned_of_and_the_tenth_and_the_hundredth() {
        let count = LateCount::of("count");
        let at = EventTime::from_millis;
        assert!(count.count(true, at(3), at(7)).is_none(), "it is not dropped");
        let warned = (1..=100).filter(|_| count.count(false, at(3), at(7)).is_some()).collect::<Vec<_>>();
        assert_eq!(warned, [1, 10, 100]);
        assert_eq!((count.late(), count.dropped()), (101, 100));
        let warning = LateCount::of("count").count(false, at(3), at(7)).unwrap().to_string();
        assert!(
            warning.starts_with(
                "a record of 1970-01-01T00:00:00.003Z came to \"count\" too late (watermark 1970-01-01T00:00:00.007Z)"
            ),
            "{warning}"
        );
        let timeless = LateCount::of("count").count(false, EventTime::MIN, at(7)).unwrap().to_string();
        assert!(timeless.starts_with("a record without event time came to \"count\""), "{timeless}");
    }
}
