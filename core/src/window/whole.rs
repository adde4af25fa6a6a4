//! The one window of everything, which fires when event time ends.
//!
//! It is kept as the one slice of its key, which lies in the row itself. It stays when it has fired: a finished job that is
//! restored with more input goes on with it.

use crate::key::Key;
use crate::operator::late::Late;
use crate::operator::{Context, Emit};
use crate::state::Data;
use crate::time::EventTime;
use crate::window::contents::Contents;
use crate::window::operator::{Row, Stamped, WindowOperator, firing};
use crate::window::trigger::{Wanted, WindowTimer};
use crate::window::{Element, Trigger, WindowAssigner};

/// Where the slice begins.
const START: i64 = 0;

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
    pub(super) fn add_to_whole(
        &self,
        record: T,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &mut Context<'_, Self>,
    ) {
        let arrival = state.arrivals;
        state.arrivals += 1;
        let (acc, _) = state.slices_mut().slice(START, || self.contents.create());
        self.contents.add(acc, Element { value: record, at: cx.event_time(), arrival });
        let mut wanted = Wanted::NOTHING;
        wanted.timer(WindowTimer::EventTime(EventTime::MAX));
        state.wake_by(&wanted, cx);
    }

    pub(super) fn fire_whole(
        &self,
        window: W::Window,
        state: &mut Row<K, T, W, Tr, C>,
        cx: &Context<'_, Self>,
        out: &mut impl Emit<C::Out>,
    ) {
        let (firing, mut out) = (firing(&window, cx), Stamped::new(out, &window, cx));
        let (acc, _) = state.slices_mut().slice(START, || self.contents.create());
        if cx.is_last() {
            self.contents.fire_last(std::mem::replace(acc, self.contents.create()), &firing, &mut out);
        } else {
            self.contents.fire(acc, &firing, &mut out);
        }
    }
}
