//! Windows that are kept each for itself: those that merge, fire early, or are of an assigner of one's own.
//!
//! What happens, and in which order, is as in Flink's `WindowOperator`, with one liberty: a window from which all records were
//! purged and whose trigger waits for nothing is forgotten before its time, unless it might be merged.

use std::ops::Range;

use crate::key::Key;
use crate::operator::late::Late;
use crate::operator::{Context, Emit};
use crate::state::Data;
use crate::time::{EventTime, millis};
use crate::window::contents::Contents;
use crate::window::lone::LoneWindow;
use crate::window::open::{OpenWindow, OpenWindows};
use crate::window::operator::{Row, Stamped, WindowOperator, firing};
use crate::window::state::Wake;
use crate::window::trigger::{TriggerContext, Wanted, WindowTimer, WindowTimers};
use crate::window::{Domain, Element, Trigger, TriggerResult, Window, WindowAssigner};

/// A window of the operator.
type Open<K, T, W, Tr, C> = OpenWindow<
    <W as WindowAssigner<T>>::Window,
    <C as Contents<K, T, <W as WindowAssigner<T>>::Window>>::Acc,
    <Tr as Trigger<T, <W as WindowAssigner<T>>::Window>>::State,
>;

impl<K, T, W, Tr, C, L> WindowOperator<K, T, W, Tr, C, L>
where
    K: Key,
    T: Data + Clone,
    W: WindowAssigner<T>,
    Tr: Trigger<T, W::Window>,
    C: Contents<K, T, W::Window>,
    L: Late,
{
    #[inline]
    pub(super) fn add_to_windows(
        &self,
        record: T,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        side: &mut impl Emit<L::Side<T>>,
    ) {
        let at = match self.domain {
            Domain::ProcessingTime => cx.processing_time(),
            Domain::EventTime | Domain::Count => cx.event_time(),
        };
        let (mut wanted, mut is_kept) = (Wanted::NOTHING, false);
        let arrival = state.arrivals;
        state.arrivals += 1;
        let mut windows = self.assigner.assign(&record, at).into_iter();
        let mut last = windows.next();
        if self.merges_until_end
            && windows.size_hint().1 == Some(0)
            && let Some(window) = &last
            && let Some(contents) = state.lone_with(window, cx.watermark(), || self.contents.create())
        {
            drop(windows);
            return self.contents.add(contents, Element { value: record, at: cx.event_time(), arrival });
        }
        if state.lone().is_some() {
            state.windows_mut();
        }
        // The last window is given the record itself, those before it copies.
        for next in windows.by_ref() {
            let Some(window) = last.replace(next) else { break };
            if let Some(place) = self.open(window, state, cx, &mut wanted) {
                is_kept = true;
                let element = Element { value: record.clone(), at: cx.event_time(), arrival };
                self.add(element, at, place, state, cx, out, &mut wanted);
            }
        }
        drop(windows);
        match last.and_then(|window| self.open(window, state, cx, &mut wanted)) {
            Some(place) => {
                let element = Element { value: record, at: cx.event_time(), arrival };
                self.add(element, at, place, state, cx, out, &mut wanted);
            }
            None if !is_kept && self.is_late(at, cx) => cx.take_late::<L, T>(record, side),
            None => {}
        }
        state.wake_by(&wanted, cx);
        if self.merges_until_end {
            state.settle();
        }
        self.clear_if_empty(state, cx);
    }

    /// Whether the watermark has passed a time by more than the allowed lateness.
    fn is_late(&self, at: EventTime, cx: &Context<'_, Self>) -> bool {
        self.domain == Domain::EventTime && at + self.allowed_lateness <= cx.watermark()
    }

    fn context<'a>(
        &self,
        cx: &Context<'a, Self>,
        timers: &'a mut WindowTimers,
        wanted: &'a mut Wanted,
    ) -> TriggerContext<'a> {
        TriggerContext { domain: self.domain, watermark: cx.watermark, clock: cx.clock, timers, wanted }
    }

    /// When the window is dropped; nothing if that is never.
    fn closes(&self, window: &W::Window) -> Option<WindowTimer> {
        let last = window.max_timestamp();
        match self.domain {
            _ if last == EventTime::MAX => None,
            Domain::EventTime => Some(WindowTimer::EventTime(last + self.allowed_lateness)),
            Domain::ProcessingTime => Some(WindowTimer::ProcessingTime(last + millis(1))),
            Domain::Count => None,
        }
    }

    /// Where the window is, with others that it is merged with, opened if it was not; nothing if it is over for good.
    fn open(
        &self,
        window: W::Window,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        wanted: &mut Wanted,
    ) -> Option<usize> {
        let windows = state.windows();
        if windows.last().is_some_and(|newest| newest.window == window) {
            return Some(windows.len() - 1);
        }
        let place = if self.merges {
            if let [only] = windows
                && let Some(cover) = only.window.merged(&window)
            {
                if cover != only.window {
                    self.lengthen(&mut state.windows_mut().as_mut_slice()[0], cover, cx, wanted);
                }
                return Some(0);
            }
            let touches = |open: &Open<K, T, W, Tr, C>| open.window.merged(&window).is_some();
            let first = windows.partition_point(|open| open.window < window && !touches(open));
            let count = windows[first..].iter().take_while(|open| touches(open)).count();
            if count > 0 {
                self.merge(window, first..first + count, state.windows_mut(), cx, wanted);
                return Some(first);
            }
            first
        } else {
            match windows.binary_search_by(|open| open.window.cmp(&window)) {
                Ok(place) => return Some(place),
                Err(place) => place,
            }
        };
        if self.is_late(window.max_timestamp(), cx) {
            return None;
        }
        if let Some(closes) = self.closes(&window) {
            wanted.timer(closes);
        }
        state.windows_mut().insert(place, OpenWindow::new(window));
        Some(place)
    }

    /// Makes one window of a new one and those in these places.
    fn merge(
        &self,
        window: W::Window,
        places: Range<usize>,
        windows: &mut OpenWindows<W::Window, C::Acc, Tr::State>,
        cx: &Context<'_, Self>,
        wanted: &mut Wanted,
    ) {
        let touched = &mut windows.as_mut_slice()[places.clone()];
        let cover = touched.iter().fold(window, |cover, open| open.window.merged(&cover).unwrap_or(cover));
        let (merged, others) = touched.split_first_mut().expect("some are merged");
        let is_longer = !others.is_empty() || merged.window != cover;
        for other in others {
            self.trigger.merge(&mut merged.trigger, std::mem::take(&mut other.trigger));
            match (&mut merged.contents, other.contents.take()) {
                (Some(contents), Some(later)) => self.contents.merge(contents, later),
                (None, later) => merged.contents = later,
                (Some(_), None) => {}
            }
        }
        if is_longer {
            self.lengthen(merged, cover, cx, wanted);
        }
        windows.remove_range(places.start + 1..places.end);
    }

    /// A window becomes one that covers it.
    fn lengthen(
        &self,
        open: &mut Open<K, T, W, Tr, C>,
        cover: W::Window,
        cx: &Context<'_, Self>,
        wanted: &mut Wanted,
    ) {
        open.window = cover;
        open.timers = WindowTimers::None;
        if let Some(closes) = self.closes(&open.window) {
            wanted.timer(closes);
        }
        let mut context = self.context(cx, &mut open.timers, wanted);
        self.trigger.on_merge(&open.window, &mut open.trigger, &mut context);
    }

    /// Puts a record into an open window.
    #[allow(clippy::too_many_arguments)]
    fn add(
        &self,
        element: Element<T>,
        at: EventTime,
        place: usize,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        wanted: &mut Wanted,
    ) {
        let open = &mut state.windows_mut().as_mut_slice()[place];
        let mut context = self.context(cx, &mut open.timers, wanted);
        let result =
            self.trigger.on_element(&element.value, at, &open.window, &mut open.trigger, &mut context);
        self.contents.add(open.contents.get_or_insert_with(|| self.contents.create()), element);
        self.act(result, open, cx, out);
        if self.is_idle(open) {
            state.windows_mut().remove(place);
        }
    }

    fn act(
        &self,
        result: TriggerResult,
        open: &mut Open<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        if result.fires()
            && let Some(contents) = &mut open.contents
        {
            let mut out = Stamped::new(out, &open.window, cx);
            if !self.contents.fire(contents, &firing(&open.window, cx), &mut out) {
                open.contents = None;
            }
        }
        if result.purges() {
            open.contents = None;
        }
    }

    /// Whether a window without records need not be remembered.
    fn is_idle(&self, open: &Open<K, T, W, Tr, C>) -> bool {
        open.contents.is_none()
            && open.timers.is_empty()
            && !self.merges
            && open.trigger == Tr::State::default()
    }

    /// A time has come at which the only window of a key may be over.
    #[inline]
    pub(super) fn fire_lone(
        &self,
        wake: Wake,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        let (now, Some(lone)) = (cx.event_time(), state.lone()) else { return };
        let last = lone.window.max_timestamp();
        if wake == Wake::ProcessingTime || last > now {
            // A record may have come for it since it was noted when it would end.
            let mut wanted = Wanted::NOTHING;
            wanted.timer(WindowTimer::EventTime(last));
            state.wake_by(&wanted, cx);
        } else if now < EventTime::MAX && last + self.allowed_lateness > now {
            // It stays for late records.
            state.windows_mut();
        } else if let Some(LoneWindow { window, contents }) = state.take_lone() {
            let mut out = Stamped::new(out, &window, cx);
            self.contents.fire_last(contents, &firing(&window, cx), &mut out);
        }
    }

    /// A time has come at which something is due for some window.
    pub(super) fn fire_due_windows(
        &self,
        wake: Wake,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        wanted: &mut Wanted,
    ) {
        let now = cx.event_time();
        let is_due = |timer: WindowTimer| wake.time_of(timer).is_some_and(|at| at <= now);
        state.windows_mut().retain_mut(|open| {
            // Those that the trigger sets meanwhile come with the next timer.
            let due = open.timers.take(is_due);
            for at in due.as_slice().iter().filter_map(|timer| wake.time_of(*timer)) {
                let mut context = self.context(cx, &mut open.timers, wanted);
                let (window, trigger) = (&open.window, &mut open.trigger);
                let result = match wake {
                    Wake::EventTime => self.trigger.on_event_time(at, window, trigger, &mut context),
                    Wake::ProcessingTime => {
                        self.trigger.on_processing_time(at, window, trigger, &mut context)
                    }
                };
                self.act(result, open, cx, out);
            }
            let ends_with_time =
                wake == Wake::EventTime && self.domain == Domain::EventTime && now == EventTime::MAX;
            if ends_with_time || self.closes(&open.window).is_some_and(is_due) {
                let result = self.trigger.on_close(&open.window, &mut open.trigger);
                self.act(result, open, cx, out);
                return false;
            }
            !self.is_idle(open)
        });
        for open in state.windows() {
            open.timers
                .as_slice()
                .iter()
                .copied()
                .chain(self.closes(&open.window))
                .for_each(|timer| wanted.timer(timer));
        }
    }
}
