//! [`WindowOperator`]: puts the records of each key into windows and makes a result of every window that fires.
//!
//! What enters: records, watermarks, processing time. What leaves: results, each with the last time of its window as event time
//! (a window without an end: with that of the record or timer that made it fire); and late records, on the side. Always: what
//! Flink's `WindowOperator` does. A record is late for a window if the watermark has reached the window's last time plus the
//! allowed lateness; late for all of its windows, it is a [late record](crate::operator::late). A record without event time
//! ([`EventTime::MIN`]) is in no window of event time, and is one, too.
//!
//! Windows that only fire at their end are made of slices, [`sliced`](super::sliced); the one of everything is
//! [`whole`](super::whole); all others are kept [`each`](super::each) for itself. A row that changes from one to the other, because the program has, fires what it has.

use std::marker::PhantomData;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use crate::key::Key;
use crate::operator::late::Late;
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::state::{Data, State};
use crate::time::EventTime;
use crate::window::assigner::Slicing;
use crate::window::contents::Contents;
use crate::window::edges::lateness;
use crate::window::state::{Wake, WindowState};
use crate::window::trigger::Wanted;
use crate::window::{Domain, Element, Firing, Trigger, Window, WindowAssigner};

/// An operator that works on windows of records of type `T`, keyed by `K`. Made by [`Windowing`](crate::window::Windowing).
pub struct WindowOperator<K, T, W: WindowAssigner<T>, Tr, C, L> {
    pub(super) assigner: W,
    pub(super) trigger: Tr,
    pub(super) contents: C,
    pub(super) domain: Domain,
    pub(super) merges: bool,
    /// Whether windows merge, and each just waits for its end in event time.
    pub(super) merges_until_end: bool,
    /// How windows are cut, if that can be: also if they are kept each for itself.
    pub(super) slicing: Option<Slicing<W::Window>>,
    /// Where the newest slice of event time begins that any key has had.
    pub(super) recent: AtomicI64,
    /// Where a window ends: the one that was over last, of any key.
    pub(super) known_end: AtomicI64,
    /// How much after that is sure to be of it: no slice is shorter.
    pub(super) shortest: i64,
    /// The window, if there is but one.
    pub(super) whole: Option<fn() -> W::Window>,
    kept: Kept,
    pub(super) allowed_lateness: Duration,
    /// The same in milliseconds.
    pub(super) lateness: i64,
    of: PhantomData<fn(K, T) -> L>,
}

/// How the windows of an operator are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// As slices that they share.
    Sliced,
    /// As one slice, for there is but one window.
    Whole,
    /// Each for itself.
    Each,
}

/// The state of a window operator.
pub(super) type Row<K, T, W, Tr, C> = WindowState<
    K,
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
    /// An operator by the trigger of the assigner, or by one's own.
    pub(super) fn new(
        assigner: W,
        (trigger, is_own): (Tr, bool),
        contents: C,
        allowed_lateness: Duration,
    ) -> Self {
        let (domain, merges) = (assigner.domain(), assigner.merges());
        let (slicing, whole) = (assigner.slicing(), assigner.whole());
        // Windows of so many records fire with the last of them by their own trigger alone: any other sees one without an end.
        let fires_at_end = if domain == Domain::Count { !is_own } else { trigger.fires_at_end_only() };
        let kept = match fires_at_end && !contents.evicts() {
            true if slicing.is_some() => Kept::Sliced,
            true if whole.is_some() => Kept::Whole,
            _ => Kept::Each,
        };
        WindowOperator {
            assigner,
            trigger,
            contents,
            domain,
            merges,
            merges_until_end: merges && fires_at_end && kept == Kept::Each && domain == Domain::EventTime,
            slicing,
            recent: AtomicI64::new(i64::MIN),
            known_end: AtomicI64::new(slicing.map_or(0, |slicing| slicing.edges.some_end())),
            shortest: slicing.map_or(0, |slicing| slicing.edges.shortest()),
            whole,
            kept,
            allowed_lateness,
            lateness: if domain == Domain::EventTime { lateness(allowed_lateness) } else { 0 },
            of: PhantomData,
        }
    }

    /// Whether there is nothing to remember.
    fn is_empty(&self, state: &Row<K, T, W, Tr, C>) -> bool {
        let counts = || self.domain == Domain::Count;
        let is_counting = || {
            counts() && self.slicing.is_some_and(|slicing| !slicing.edges.repeat_at(state.arrivals as i64))
        };
        state.is_empty() && !is_counting()
    }

    /// A record comes that is not just one more in the newest slice of its key.
    #[inline(never)]
    fn take_in(
        &self,
        record: T,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        side: &mut impl Emit<L::Side<T>>,
    ) {
        if self.domain == Domain::EventTime && cx.event_time() == EventTime::MIN {
            cx.take_late::<L, T>(record, side);
            return self.clear_if_empty(state, cx);
        }
        match (self.kept, self.slicing) {
            (Kept::Sliced, Some(slicing)) => self.add_to_slice(slicing, record, state, cx, out, side),
            (Kept::Whole, _) if state.windows().is_empty() && state.lone().is_none() => {
                self.add_to_whole(record, state, cx)
            }
            _ => self.add_to_windows(record, state, cx, out, side),
        }
    }

    /// Something may be due for the key.
    #[inline]
    fn wake(
        &self,
        wake: Wake,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        state.woken(wake);
        let mut wanted = Wanted::NOTHING;
        if state.lone().is_some() {
            self.fire_lone(wake, state, cx, out);
        }
        if state.has_slices() {
            match (self.slicing, self.whole) {
                (Some(slicing), _) => self.fire_due_slices(slicing, state, cx, out, &mut wanted),
                (None, Some(whole)) => self.fire_whole(whole(), state, cx, out),
                (None, None) => {}
            }
        }
        if !state.windows().is_empty() {
            self.fire_due_windows(wake, state, cx, out, &mut wanted);
        }
        state.wake_by(&wanted, cx);
        if self.merges_until_end {
            state.settle();
        }
        self.clear_if_empty(state, cx);
    }

    pub(super) fn clear_if_empty(&self, state: &mut Row<K, T, W, Tr, C>, cx: &mut Context<'_, Self>) {
        if self.is_empty(state) {
            state.sleep(cx);
            cx.clear_state();
        }
    }
}

/// What a window that fires has to know.
pub(super) fn firing<'a, O: Operator, W>(
    window: &'a W,
    cx: &Context<'a, O>,
) -> Firing<'a, crate::operator::KeyOf<O>, W> {
    Firing { key: cx.key, window, watermark: cx.watermark, clock: cx.clock }
}

/// Emits with the event time of a window.
pub(super) struct Stamped<'a, E> {
    out: &'a mut E,
    at: EventTime,
}

impl<'a, E> Stamped<'a, E> {
    /// With the last time of the window; if it has no end, with that of the record or timer.
    pub fn new<O: Operator>(out: &'a mut E, window: &impl Window, cx: &Context<'_, O>) -> Stamped<'a, E> {
        let at = match window.max_timestamp() {
            EventTime::MAX => cx.event_time(),
            last => last,
        };
        Stamped { out, at }
    }
}

impl<T, E: Emit<T>> Emit<T> for Stamped<'_, E> {
    #[inline]
    fn emit(&mut self, value: T) {
        self.out.emit_at(value, self.at);
    }

    fn emit_at(&mut self, value: T, at: EventTime) {
        self.out.emit_at(value, at);
    }
}

#[diagnostic::do_not_recommend]
impl<K, T, W, Tr, C, L> Operator for WindowOperator<K, T, W, Tr, C, L>
where
    K: Key,
    T: Data + Clone,
    W: WindowAssigner<T>,
    Tr: Trigger<T, W::Window>,
    C: Contents<K, T, W::Window>,
    L: Late,
{
    type In = T;
    type State = Row<K, T, W, Tr, C>;
    type Out = C::Out;
    type Side = L::Side<T>;
    type Timer = Wake;
    type Shared = ();
    type Broadcast = Never;

    #[inline]
    fn on_event(
        &self,
        record: T,
        state: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        side: &mut impl Emit<L::Side<T>>,
    ) {
        match self.known_slice(state, cx) {
            Some((acc, arrival)) => {
                self.contents.add(acc, Element { value: record, at: cx.event_time(), arrival })
            }
            None => self.take_in(record, state, cx, out, side),
        }
    }

    fn on_timer(
        &self,
        wake: Wake,
        state: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        _: &mut impl Emit<L::Side<T>>,
    ) {
        // A timer of event time is of a snapshot that was taken when there were any; the row says by itself when it is due.
        match wake {
            Wake::EventTime if state.due() != Some(cx.event_time()) => self.clear_if_empty(state, cx),
            _ => self.wake(wake, state, cx, out),
        }
    }

    #[inline]
    fn on_due(
        &self,
        state: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
        _: &mut impl Emit<L::Side<T>>,
    ) {
        self.wake(Wake::EventTime, state, cx, out);
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _: &UnkeyedContext,
        _: &mut impl Emit<C::Out>,
        _: &mut impl Emit<L::Side<T>>,
    ) {
        match record {}
    }
}
