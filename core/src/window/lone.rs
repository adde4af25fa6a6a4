//! The only window of a key, as long as it just waits for its end in event time: a session, nearly always.
//!
//! It lies in the row itself, for there may be very many that come and go. In snapshots and in the store it is an open window like
//! any other; one that is restored becomes a lone one with the next record that comes for it.

use serde::{Serialize, Serializer};

use crate::time::EventTime;
use crate::window::Window;
use crate::window::open::{OpenWindow, OpenWindows};
use crate::window::trigger::{WindowTimer, WindowTimers};

/// A window whose trigger has nothing to remember and waits for nothing else.
pub(crate) struct LoneWindow<W, Acc> {
    pub window: W,
    pub contents: Acc,
}

impl<W: Window, Acc> LoneWindow<W, Acc> {
    /// Becomes one with a window that touches it, ends no sooner, and is not over; nothing changes otherwise. What is kept of its
    /// records. Its row is looked at when it would have ended, or before.
    #[inline]
    pub fn go_on(&mut self, other: &W, watermark: EventTime) -> Option<&mut Acc> {
        let cover = self.window.merged(other)?;
        let last = cover.max_timestamp();
        if last <= watermark || last < self.window.max_timestamp() {
            return None;
        }
        self.window = cover;
        Some(&mut self.contents)
    }

    /// As one of any number of windows.
    pub fn open<S: Default>(self) -> OpenWindow<W, Acc, S> {
        let timers = WindowTimers::One(WindowTimer::EventTime(self.window.max_timestamp()));
        OpenWindow { contents: Some(self.contents), timers, ..OpenWindow::new(self.window) }
    }

    /// The window, if that is all there is of it.
    pub fn of<S: Default + PartialEq>(windows: &mut OpenWindows<W, Acc, S>) -> Option<LoneWindow<W, Acc>> {
        let OpenWindows::One(only) = windows else { return None };
        let end = WindowTimer::EventTime(only.window.max_timestamp());
        if only.timers.as_slice() != [end] || only.trigger != S::default() {
            return None;
        }
        let contents = only.contents.take()?;
        match std::mem::replace(windows, OpenWindows::None) {
            OpenWindows::One(only) => Some(LoneWindow { window: only.window, contents }),
            OpenWindows::None | OpenWindows::Several(_) => None,
        }
    }
}

/// A lone window, told as a sequence of one open window.
pub(crate) struct Told<'a, W, Acc, S>(pub &'a LoneWindow<W, Acc>, pub std::marker::PhantomData<S>);

impl<W: Window, Acc: Serialize, S: Serialize + Default> Serialize for Told<'_, W, Acc, S> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let LoneWindow { window, contents } = self.0;
        let timers = WindowTimers::One(WindowTimer::EventTime(window.max_timestamp()));
        let open = OpenWindow { window, contents: Some(contents), trigger: S::default(), timers };
        [open].as_slice().serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use std::marker::PhantomData;

    use super::*;
    use crate::window::TimeWindow;

    fn session(start: i64, end: i64) -> LoneWindow<TimeWindow, u64> {
        LoneWindow { window: TimeWindow::of_millis(start, end), contents: 7 }
    }

    #[test]
    fn a_session_goes_on_if_it_is_not_over_and_ends_no_sooner() {
        let goes_on = |open: &mut LoneWindow<TimeWindow, u64>, (start, end): (i64, i64), watermark| {
            let record = TimeWindow::of_millis(start, end);
            let is_longer = open.go_on(&record, EventTime::from_millis(watermark)).is_some();
            is_longer.then_some((open.window.start.as_millis(), open.window.end.as_millis()))
        };
        let mut lone = session(10, 20);
        assert_eq!(goes_on(&mut lone, (15, 25), 9), Some((10, 25)));
        assert_eq!(goes_on(&mut lone, (5, 15), 9), Some((5, 25)));
        assert_eq!(goes_on(&mut lone, (26, 36), 9), None, "it does not touch");
        assert_eq!(goes_on(&mut lone, (6, 16), 24), None, "it is over");
        assert_eq!((lone.window, lone.contents), (TimeWindow::of_millis(5, 25), 7));
    }

    #[test]
    fn a_lone_window_and_an_open_one_are_the_same_in_a_snapshot_and_become_each_other() {
        let bytes = postcard::to_stdvec(&Told::<_, _, Option<u8>>(&session(10, 20), PhantomData)).unwrap();
        let mut open: OpenWindows<TimeWindow, u64, Option<u8>> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(postcard::to_stdvec(&open).unwrap(), bytes);
        let lone = LoneWindow::of(&mut open).unwrap();
        assert!(open.as_slice().is_empty());
        assert_eq!((lone.window, lone.contents), (TimeWindow::of_millis(10, 20), 7));
        let opened = OpenWindows::One(lone.open::<Option<u8>>());
        assert_eq!(postcard::to_stdvec(&opened).unwrap(), bytes);
    }

    #[test]
    fn a_window_that_waits_for_more_than_its_end_is_not_a_lone_one() {
        let open = || session(10, 20).open::<Option<u8>>();
        let later = WindowTimer::ProcessingTime(EventTime::from_millis(1));
        let early = WindowTimer::EventTime(EventTime::from_millis(5));
        let mut waits = open();
        waits.timers.add(later);
        let asks_early = OpenWindow { timers: WindowTimers::One(early), ..open() };
        let remembers = OpenWindow { trigger: Some(1), ..open() };
        let is_empty = OpenWindow { contents: None, ..open() };
        for open in [waits, asks_early, remembers, is_empty] {
            let mut open = OpenWindows::One(open);
            assert!(LoneWindow::of(&mut open).is_none());
            assert_eq!(open.as_slice().len(), 1);
        }
        assert!(LoneWindow::of(&mut OpenWindows::One(open())).is_some());
        assert!(LoneWindow::of(&mut OpenWindows::Several(vec![open(), session(40, 50).open()])).is_none());
    }
}
