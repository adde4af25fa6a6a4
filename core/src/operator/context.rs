//! What an operator may ask and do while it handles one record or timer.

use crate::key::KeyHash;
use crate::operator::late::LateCount;
use crate::operator::timers::{TimeDomain, Timer, Timers};
use crate::operator::{KeyOf, Operator, TimerId};
use crate::time::{Clock, EventTime};

/// The surroundings of one record or timer: its key and times, and the timers of the key.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
///
/// #[state(key = u32)]
/// #[derive(Default)]
/// struct Order { reminder: Option<TimerId> }
///
/// /// Reminds of orders that were not paid in a minute.
/// struct Remind;
///
/// #[event]
/// struct Overdue;
///
/// #[operator]
/// impl Remind {
///     fn on_event(&self, is_payment: bool, order: &mut Order, cx: &mut Context<Self>) -> Option<String> {
///         match order.reminder.take() {
///             Some(reminder) if is_payment => { cx.cancel_timer(reminder); }
///             _ => order.reminder = Some(cx.set_processing_timer(cx.processing_time() + minutes(1), Overdue)),
///         }
///         None
///     }
///
///     fn on_timer(&self, _: Overdue, _order: &mut Order, cx: &mut Context<Self>) -> Option<String> {
///         cx.clear_state();
///         Some(format!("order {} is not paid", cx.key()))
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut harness = Harness::new(Remind, |_: &bool| 7u32)?;
/// harness.push(false, EventTime::MIN)?;
/// harness.advance_processing_time(EventTime::from_millis(59_999))?;
/// harness.push(true, EventTime::MIN)?;
/// harness.advance_processing_time(EventTime::from_millis(60_000))?;
/// assert!(harness.take_output().is_empty());
/// # Ok(())
/// # }
/// ```
pub struct Context<'a, O: Operator> {
    pub(crate) key: &'a KeyOf<O>,
    pub(crate) hash: KeyHash,
    pub(crate) at: EventTime,
    pub(crate) watermark: EventTime,
    pub(crate) clock: &'a Clock,
    pub(crate) timers: &'a mut Timers<KeyOf<O>, O::Timer>,
    pub(crate) late: &'a LateCount,
    pub(crate) cleared: bool,
}

impl<O: Operator> Context<'_, O> {
    /// The key of the record or timer.
    pub fn key(&self) -> &KeyOf<O> {
        self.key
    }

    /// The event time of the record, or the time that the timer was set for. What is emitted carries it too.
    pub fn event_time(&self) -> EventTime {
        self.at
    }

    /// How far event time has come: no record older than this is expected.
    pub fn watermark(&self) -> EventTime {
        self.watermark
    }

    /// Whether the record is late: older than the watermark. One that was given no event time is not.
    pub fn is_late(&self) -> bool {
        EventTime::MIN < self.at && self.at <= self.watermark
    }

    /// The time of the clock on the wall. A result that depends on it is not the same after a restore.
    pub fn processing_time(&self) -> EventTime {
        self.clock.now()
    }

    /// Whether nobody will ever see the state again: event time has ended, and there are no snapshots.
    pub(crate) fn is_last(&self) -> bool {
        self.watermark == EventTime::MAX && !self.timers.are_tracked()
    }

    /// Sets a timer of this key in event time: it fires when the watermark reaches `at`; if it has already, then with
    /// the next watermark. If one of the same time and payload waits already, it is that one, and fires once. When a bounded input ends event time is at its end, and every timer is due: an operator that
    /// sets another one whenever one fires must stop at [`watermark`](Context::watermark) `== EventTime::MAX`, or the
    /// job never ends (as in Flink).
    pub fn set_timer(&mut self, at: EventTime, payload: O::Timer) -> TimerId {
        self.set(TimeDomain::Event, at, payload)
    }

    /// Sets a timer of this key in processing time: it fires when the clock on the wall reaches `at`, once however often it
    /// was set with the same payload. Those that are not
    /// due when a bounded input ends do not fire (as in Flink).
    pub fn set_processing_timer(&mut self, at: EventTime, payload: O::Timer) -> TimerId {
        self.set(TimeDomain::Processing, at, payload)
    }

    fn set(&mut self, domain: TimeDomain, at: EventTime, payload: O::Timer) -> TimerId {
        self.timers.set(domain, at, self.timer(payload))
    }

    /// As [`set_processing_timer`](Context::set_processing_timer), if it is known that this one does not wait already: nobody need
    /// look.
    pub(crate) fn set_new_processing_timer(&mut self, at: EventTime, payload: O::Timer) -> TimerId {
        self.timers.set_new(TimeDomain::Processing, at, self.timer(payload))
    }

    fn timer(&self, payload: O::Timer) -> Timer<KeyOf<O>, O::Timer> {
        Timer { hash: self.hash, key: self.key.clone(), payload }
    }

    /// Cancels a timer of this key. Whether it was still waiting.
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.timers.cancel(id, self.hash, self.key)
    }

    /// Forgets the state of this key when the operator returns: its row is gone, and the key's next record starts from
    /// `Default`. A key that has nothing left to remember should be cleared, or state only ever grows. Timers stay.
    pub fn clear_state(&mut self) {
        self.cleared = true;
    }
}
