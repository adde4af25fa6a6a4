//! Windows that are made of slices: those that recur, and fire when they are over.
//!
//! A record is added to one slice. A window fires by merging its slices when its end has come, and again for each late record
//! that is added to one of them.

use std::sync::atomic::Ordering::Relaxed;

use crate::key::Key;
use crate::operator::late::Late;
use crate::operator::{Context, Emit};
use crate::state::Data;
use crate::time::EventTime;
use crate::window::assigner::Slicing;
use crate::window::contents::Contents;
use crate::window::edges::{REACH, WhenOver, watermark_within_reach, within_reach};
use crate::window::operator::{Row, Stamped, WindowOperator, firing};
use crate::window::trigger::{Wanted, WindowTimer};
use crate::window::{Domain, Element, TimeWindow, Trigger, WindowAssigner};

impl<K, T, W, Tr, C, L> WindowOperator<K, T, W, Tr, C, L>
where
    K: Key,
    T: Data + Clone,
    W: WindowAssigner<T>,
    Tr: Trigger<T, W::Window>,
    C: Contents<K, T, W::Window>,
    L: Late,
{
    /// What is kept of the slice that a record belongs to, and how many came before it, if the key has that slice and the record
    /// needs nothing else. Nearly every record is in the newest slice of any key, and so need not be divided by anything. If it is
    /// not late, no window has fired that has the slice; and when one will was noted when the slice came to be.
    #[inline]
    pub(super) fn known_slice<'s>(
        &self,
        state: &'s mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
    ) -> Option<(&'s mut C::Acc, u64)> {
        let (at, recent) = (cx.event_time(), self.recent.load(Relaxed));
        // Before `recent` the difference is below 0, which is too much without a sign.
        if at.as_millis().wrapping_sub(recent) as u64 >= self.shortest as u64 || at <= cx.watermark() {
            return None;
        }
        state.one_more_from(recent)
    }

    pub(super) fn add_to_slice(
        &self,
        slicing: Slicing<W::Window>,
        record: T,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        side: &mut impl Emit<L::Side<T>>,
    ) {
        let (at, over) = match self.domain {
            Domain::EventTime => (within_reach(cx.event_time()), watermark_within_reach(cx.watermark())),
            Domain::ProcessingTime => {
                let now = within_reach(cx.processing_time());
                (now, now - 1)
            }
            Domain::Count => (state.arrivals as i64, state.arrivals as i64 - 1),
        };
        let arrival = state.arrivals;
        state.arrivals += 1;
        let is_late = at <= over;
        let recent = self.recent.load(Relaxed);
        let is_recent = (at.wrapping_sub(recent) as u64) < self.shortest as u64;
        let slice = match if is_recent { Some(recent) } else { slicing.edges.slice_at(at) } {
            Some(slice) if !(is_late && self.is_done(slicing, slice, over)) => slice,
            found => {
                // Between two windows a record can be late, too; otherwise it is just in none.
                if found.is_some() || is_late && at + self.lateness <= over {
                    cx.take_late::<L, T>(record, side);
                }
                return self.clear_if_empty(state, cx);
            }
        };
        let is_newer = || slice > recent && slice.abs() < REACH - self.shortest;
        if self.domain == Domain::EventTime && is_newer() {
            self.recent.store(slice, Relaxed);
        }
        let (acc, is_new) = state.slices_mut().slice(slice, || self.contents.create());
        self.contents.add(acc, Element { value: record, at: cx.event_time(), arrival });
        if is_late {
            self.fire_late(slicing, slice, over, state, cx, out);
        }
        if is_new {
            let near = slicing.edges.next_end_near(self.known_end.load(Relaxed), slice, over);
            let next = near.or_else(|| slicing.edges.next_end(slice, over)).map(|end| end - 1);
            self.wake_when_over(next.unwrap_or_else(|| self.done_at(slicing, slice)), state, cx);
        }
        if self.domain == Domain::Count
            && let Some(span) = slicing.edges.window_to(at + 1)
        {
            let done = |slice| self.is_done(slicing, slice, at);
            self.fire(slicing, (span, done), state, cx, out);
            state.slices_mut().drop_done(done);
            self.clear_if_empty(state, cx);
        }
    }

    /// When no window needs the slice any more.
    fn done_at(&self, slicing: Slicing<W::Window>, slice: i64) -> i64 {
        slicing.edges.last_end(slice) - 1 + self.lateness
    }

    fn is_done(&self, slicing: Slicing<W::Window>, slice: i64, over: i64) -> bool {
        self.done_at(slicing, slice) <= over
    }

    /// Has the key looked at when this time is over.
    fn wake_when_over(&self, over: i64, state: &mut Row<K, T, W, Tr, C>, cx: &mut Context<'_, Self>) {
        if let Some(timer) = self.when_over(over) {
            let mut wanted = Wanted::NOTHING;
            wanted.timer(timer);
            state.wake_by(&wanted, cx);
        }
    }

    fn when_over(&self, over: i64) -> Option<WindowTimer> {
        match self.domain {
            Domain::EventTime => Some(WindowTimer::EventTime(EventTime::from_millis(over))),
            Domain::ProcessingTime => Some(WindowTimer::ProcessingTime(EventTime::from_millis(over + 1))),
            Domain::Count => None,
        }
    }

    fn fire(
        &self,
        slicing: Slicing<W::Window>,
        (span, done): (TimeWindow, impl Fn(i64) -> bool),
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        let window = (slicing.window)(span);
        let mut out = Stamped::new(out, &window, cx);
        self.contents.fire_slices(state.slices_mut(), (&span, done), &firing(&window, cx), &mut out);
    }

    /// Fires the windows again that are over and have the slice, those that end later before, as Flink does.
    #[cold]
    fn fire_late(
        &self,
        slicing: Slicing<W::Window>,
        slice: i64,
        over: i64,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        let next = |after: i64| slicing.edges.next_end(slice, after).filter(|end| end - 1 <= over);
        let ends: Vec<_> = std::iter::successors(next(over - self.lateness), |end| next(end - 1)).collect();
        for span in ends.into_iter().rev().filter_map(|end| slicing.edges.window_to(end)) {
            self.fire(slicing, (span, |_| false), state, cx, out);
        }
    }

    /// What the end of a time means: the same for all keys, of which as a rule many are looked at then.
    #[inline]
    fn when_slices_are_over(&self, slicing: Slicing<W::Window>, over: i64) -> WhenOver {
        let known = self.known_end.load(Relaxed);
        if known == over + 1
            && let Some(when_over) = slicing.edges.when_over_before(known)
        {
            return when_over;
        }
        let when_over = slicing.edges.when_over(over);
        if when_over.window.is_some() {
            self.known_end.store(over + 1, Relaxed);
        }
        when_over
    }

    /// A time has come at which a window may be over.
    #[inline]
    pub(super) fn fire_due_slices(
        &self,
        slicing: Slicing<W::Window>,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        wanted: &mut Wanted,
    ) {
        let over = match self.domain {
            Domain::ProcessingTime => within_reach(cx.event_time()) - 1,
            Domain::EventTime | Domain::Count => watermark_within_reach(cx.event_time()),
        };
        let when_over = self.when_slices_are_over(slicing, over);
        let needed_from = match self.lateness {
            0 => when_over.needed_from,
            lateness => slicing.edges.when_over(over - lateness).needed_from,
        };
        let done = |slice| slice < needed_from;
        if let Some(span) = when_over.window {
            self.fire(slicing, (span, done), state, cx, out);
        }
        let slices = state.slices_mut();
        slices.drop_done(done);
        let first = slices.first(|slice| slice < when_over.needed_from);
        let waiting = first.and_then(|slice| when_over.next_end(slice, slicing.edges)).map(|end| end - 1);
        // If no window waits for its end, there may be some that wait for late records.
        let newest = || slices.newest().map(|slice| self.done_at(slicing, slice));
        if let Some(timer) = waiting.or_else(newest).and_then(|over| self.when_over(over)) {
            wanted.timer(timer);
        }
    }
}
