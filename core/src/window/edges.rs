//! Where windows that recur begin and end, and the slices between: pure arithmetic.
//!
//! Overlapping windows are cut at every edge of any of them. A record belongs to one slice, and a window is a run of slices: so a
//! record costs the same however many windows it is in. Of sliding windows whose size is no multiple of their slide every other
//! slice is shorter: the *paired windows* of Krishnamurthy, Wu and Franklin, [On-the-fly sharing for streamed
//! aggregation](https://doi.org/10.1145/1142473.1142543) (2006), of which there are never more than two per slide.
//!
//! What is counted here are milliseconds, or records. Nothing overflows: lengths are at most [`REACH`], and times beyond it are put
//! to its end ([`within_reach`]). That is 36 million years from the epoch.

use std::time::Duration;

use crate::time::EventTime;
use crate::window::TimeWindow;

/// Times and lengths beyond this, in milliseconds, are put to it.
pub(crate) const REACH: i64 = 1 << 60;

/// The time in milliseconds, or the end of what is reached.
pub(crate) fn within_reach(at: EventTime) -> i64 {
    at.as_millis().clamp(-REACH, REACH)
}

/// A watermark, so that every time that is reached can be before or after it.
pub(crate) fn watermark_within_reach(watermark: EventTime) -> i64 {
    watermark.as_millis().clamp(-4 * REACH, 4 * REACH - 1)
}

/// A length of time: at least a millisecond.
pub(crate) fn length(duration: Duration) -> i64 {
    lateness(duration).max(1)
}

/// A length of time that may be none.
pub(crate) fn lateness(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(REACH).min(REACH)
}

/// What the end of a time means for windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WhenOver {
    over: i64,
    /// The window of which that is the last time.
    pub window: Option<TimeWindow>,
    /// All slices before are in no window that ends later.
    pub needed_from: i64,
    /// Where the first window ends that ends later.
    next_end: i64,
}

impl WhenOver {
    /// The end of the first window that ends later and has the slice, of one that is needed.
    #[inline]
    pub fn next_end(&self, slice: i64, edges: Edges) -> Option<i64> {
        if slice < self.next_end { Some(self.next_end) } else { edges.next_end(slice, self.over) }
    }
}

/// The edges of windows that recur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edges {
    /// A window of `size` begins `every` so often.
    Sliding {
        size: i64,
        every: i64,
        /// From 0 to `every`: where one begins.
        offset: i64,
        /// How far into a slide the windows end: `size % every`; `size` if there are gaps between them.
        rest: i64,
    },
    /// A run of windows begins every `max`; the first is of one `step`, each of the others longer by a step, the last of `max`.
    Cumulating { max: i64, step: i64, offset: i64 },
}

impl Edges {
    pub fn sliding(size: i64, every: i64, offset: i64) -> Edges {
        Edges::Sliding { size, every, offset: offset.rem_euclid(every), rest: size % every }
    }

    pub fn cumulating(max: i64, step: i64, offset: i64) -> Edges {
        Edges::Cumulating { max, step: step.min(max), offset: offset.rem_euclid(max) }
    }

    /// How far `at` is into the slide, or the run of windows.
    #[inline]
    fn position(self, at: i64) -> i64 {
        let (Edges::Sliding { every: period, offset, .. } | Edges::Cumulating { max: period, offset, .. }) =
            self;
        let position = at.rem_euclid(period) - offset;
        if position < 0 { position + period } else { position }
    }

    /// Where the slice begins that `at` belongs to; nothing if it is in a gap between windows.
    #[inline]
    pub fn slice_at(self, at: i64) -> Option<i64> {
        let position = self.position(at);
        match self {
            Edges::Sliding { rest, .. } if position < rest => Some(at - position),
            Edges::Sliding { size, every, .. } if size < every => None,
            Edges::Sliding { rest, .. } => Some(at - position + rest),
            Edges::Cumulating { step, .. } => Some(at - position % step),
        }
    }

    /// Every slice is as long as this, or longer; the last of a run of windows, too.
    pub fn shortest(self) -> i64 {
        match self {
            Edges::Sliding { every, rest: 0, .. } => every,
            Edges::Sliding { size, every, rest, .. } if size < every => rest,
            Edges::Sliding { every, rest, .. } => rest.min(every - rest),
            Edges::Cumulating { max, step, .. } if max % step == 0 => step,
            Edges::Cumulating { max, step, .. } => max % step,
        }
    }

    /// Where the last window ends that has the slice.
    pub fn last_end(self, slice: i64) -> i64 {
        let position = self.position(slice);
        match self {
            Edges::Sliding { size, .. } => slice - position + size,
            Edges::Cumulating { max, .. } => slice - position + max,
        }
    }

    /// The end of the first window that has the slice and whose last time is after `after`, if there is one.
    pub fn next_end(self, slice: i64, after: i64) -> Option<i64> {
        let before = slice.max(after + 1);
        let last = self.last_end(slice);
        if before >= last {
            return None;
        }
        Some(match self {
            Edges::Sliding { every, .. } => {
                // The windows that have the slice end at `last`, and whole slides before.
                last - (last - before - 1) / every * every
            }
            Edges::Cumulating { max, step, .. } => {
                let first = last - max;
                (first + ((before - first) / step + 1) * step).min(last)
            }
        })
    }

    /// What the end of time `over` means, for whatever slices there are.
    #[inline]
    pub fn when_over(self, over: i64) -> WhenOver {
        let end = over + 1;
        match self {
            Edges::Sliding { size, every, .. } => {
                // Where the first window begins that ends later.
                let first = end + 1 - size;
                let needed_from = match self.position(first) {
                    0 => first,
                    position => first + every - position,
                };
                let window =
                    (needed_from - every == end - size).then(|| TimeWindow::of_millis(end - size, end));
                WhenOver { over, window, needed_from, next_end: needed_from + size }
            }
            Edges::Cumulating { max, step, .. } => {
                let covered = self.position(end);
                let window = match covered {
                    0 => Some(TimeWindow::of_millis(end - max, end)),
                    _ => (covered % step == 0).then(|| TimeWindow::of_millis(end - covered, end)),
                };
                let needed_from = end - covered;
                let next_end = needed_from + (covered / step * step + step).min(max);
                WhenOver { over, window, needed_from, next_end }
            }
        }
    }

    /// As [`Edges::when_over`] of the last time before `known`, where a window ends. Nothing is divided; there is no answer for
    /// windows of which that would be needed.
    #[inline]
    pub fn when_over_before(self, known: i64) -> Option<WhenOver> {
        let Edges::Sliding { size, every, .. } = self else { return None };
        let window = TimeWindow::of_millis(known - size, known);
        let needed_from = known - size + every;
        Some(WhenOver { over: known - 1, window: Some(window), needed_from, next_end: known + every })
    }

    /// As [`Edges::next_end`] of a slice that begins after `after`. Nothing is divided; there is no answer unless the window that is
    /// asked for ends where one is known to end, or is one of the next.
    #[inline]
    pub fn next_end_near(self, known: i64, slice: i64, after: i64) -> Option<i64> {
        let Edges::Sliding { size, every, .. } = self else { return None };
        // If windows overlap or touch, the first that ends after a slice begins has it.
        let is_first = |end: &i64| end - every <= slice && slice < *end;
        let near = [known + every, known + 2 * every, known];
        near.into_iter().find(|end| size >= every && after < slice && is_first(end))
    }

    /// Where some window ends.
    pub fn some_end(self) -> i64 {
        match self {
            Edges::Sliding { size, offset, .. } => offset + size,
            Edges::Cumulating { max, offset, .. } => offset + max,
        }
    }

    /// The window that ends at `end`, if one does.
    pub fn window_to(self, end: i64) -> Option<TimeWindow> {
        match self {
            Edges::Sliding { size, .. } => {
                (self.position(end - size) == 0).then(|| TimeWindow::of_millis(end - size, end))
            }
            Edges::Cumulating { max, step, .. } => {
                let covered = self.position(end - 1) + 1;
                (covered % step == 0 || covered == max).then(|| TimeWindow::of_millis(end - covered, end))
            }
        }
    }

    /// The windows that `at` belongs to, in the order of Flink: those that end later come before.
    pub fn windows_at(self, at: i64) -> impl Iterator<Item = TimeWindow> {
        let slice = self.slice_at(at);
        let (mut end, first) = match slice {
            Some(slice) => (Some(self.last_end(slice)), self.next_end(slice, slice - 1)),
            None => (None, None),
        };
        std::iter::from_fn(move || {
            let this = end?;
            end = (Some(this) > first).then(|| self.end_before(this));
            self.window_to(this)
        })
    }

    /// Of several windows that have a slice, the end of the one that ends before `end`.
    fn end_before(self, end: i64) -> i64 {
        match self {
            Edges::Sliding { every, .. } => end - every,
            Edges::Cumulating { step, .. } => {
                let covered = self.position(end - 1) + 1;
                end - covered + (covered - 1) / step * step
            }
        }
    }

    /// Whether the edges after `at` are as those after 0.
    pub fn repeat_at(self, at: i64) -> bool {
        self.position(at) == self.position(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::millis;

    /// Flink's `TimeWindow.getWindowStartWithOffset`.
    fn flinks_start(at: i64, offset: i64, size: i64) -> i64 {
        let remainder = (at - offset) % size;
        if remainder < 0 { at - (remainder + size) } else { at - remainder }
    }

    /// What Flink's `SlidingEventTimeWindows` and, with slide = size, `TumblingEventTimeWindows` assign.
    fn flinks_sliding(at: i64, size: i64, slide: i64, offset: i64) -> Vec<TimeWindow> {
        let mut windows = Vec::new();
        let mut start = flinks_start(at, offset, slide);
        while start > at - size {
            windows.push(TimeWindow::of_millis(start, start + size));
            start -= slide;
        }
        windows
    }

    fn cumulating(at: i64, max: i64, step: i64, offset: i64) -> Vec<TimeWindow> {
        let start = flinks_start(at, offset, max);
        let steps = (1..=max).filter(|k| (k - 1) * step < max).map(|k| (k * step).min(max));
        let mut ends: Vec<_> = steps.map(|length| start + length).filter(|end| *end > at).collect();
        ends.reverse();
        ends.into_iter().map(|end| TimeWindow::of_millis(start, end)).collect()
    }

    fn edges() -> impl Strategy<Value = (Edges, Vec<i64>)> {
        prop_oneof![
            (1..40i64, 1..40i64, -50..50i64).prop_map(|(size, every, offset)| (
                Edges::sliding(size, every, offset),
                vec![size, every, offset]
            )),
            (1..40i64, 1..40i64, -50..50i64).prop_map(|(max, step, offset)| (
                Edges::cumulating(max, step, offset),
                vec![max, step, offset]
            )),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn windows_are_flinks_before_the_epoch_too((edges, shape) in edges(), at in -200..200i64) {
            let expected = match edges {
                Edges::Sliding { .. } => flinks_sliding(at, shape[0], shape[1], shape[2]),
                Edges::Cumulating { .. } => cumulating(at, shape[0], shape[1].min(shape[0]), shape[2]),
            };
            prop_assert_eq!(edges.windows_at(at).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn a_slice_is_in_the_windows_that_each_of_its_times_is_in((edges, _) in edges(), at in -200..200i64) {
            let windows: Vec<_> = edges.windows_at(at).collect();
            match edges.slice_at(at) {
                None => prop_assert!(windows.is_empty()),
                Some(slice) => {
                    prop_assert!(slice <= at);
                    prop_assert_eq!(edges.windows_at(slice).collect::<Vec<_>>(), windows.clone());
                    prop_assert_eq!(edges.slice_at(slice), Some(slice));
                    for within in slice..slice + edges.shortest() {
                        prop_assert_eq!(edges.slice_at(within), Some(slice));
                    }
                    prop_assert_eq!(edges.last_end(slice), windows[0].end.as_millis());
                    for after in slice - 3..=edges.last_end(slice) {
                        let next = windows.iter().rev().find(|window| window.end.as_millis() - 1 > after);
                        let next = next.map(|window| window.end.as_millis());
                        prop_assert_eq!(edges.next_end(slice, after), next, "after {}", after);
                    }
                }
            }
        }

        #[test]
        fn what_is_over_is_over_for_every_slice((edges, _) in edges(), over in -200..200i64) {
            let when_over = edges.when_over(over);
            prop_assert_eq!(when_over.window, edges.window_to(over + 1));
            for slice in (over - 150..over + 150).filter(|at| edges.slice_at(*at) == Some(*at)) {
                let next = edges.next_end(slice, over);
                prop_assert_eq!(next.is_none(), slice < when_over.needed_from, "slice {}", slice);
                if next.is_some() {
                    prop_assert_eq!(when_over.next_end(slice, edges), next, "slice {}", slice);
                }
            }
        }

        #[test]
        fn what_is_known_of_an_end_is_what_is_divided_for((edges, _) in edges(), over in -200..200i64) {
            prop_assert!(edges.window_to(edges.some_end()).is_some());
            let when_over = edges.when_over(over);
            if when_over.window.is_none() {
                return Ok(());
            }
            let known = edges.when_over_before(over + 1);
            prop_assert!(known.is_none_or(|known| known == when_over));
            let is_sliding = matches!(edges, Edges::Sliding { .. });
            prop_assert_eq!(known.is_some(), is_sliding);
            for slice in (over - 150..over + 150).filter(|at| edges.slice_at(*at) == Some(*at)) {
                for after in slice - 3..slice + 3 {
                    let near = edges.next_end_near(over + 1, slice, after);
                    prop_assert!(near.is_none_or(|end| Some(end) == edges.next_end(slice, after)), "{} {}", slice, after);
                }
            }
        }

        #[test]
        fn only_windows_that_some_time_is_in_end_somewhere((edges, _) in edges(), end in -200..200i64) {
            let expected = edges.windows_at(end - 1).find(|window| window.end.as_millis() == end);
            prop_assert_eq!(edges.window_to(end), expected);
        }
    }

    #[test]
    fn nothing_overflows_at_the_ends_of_time() {
        let ends = [i64::MIN, i64::MIN + 1, -REACH - 1, REACH + 1, i64::MAX - 1, i64::MAX];
        let edges = [
            Edges::sliding(length(Duration::MAX), 1, 0),
            Edges::sliding(length(Duration::MAX), length(Duration::MAX), REACH - 1),
            Edges::sliding(1, length(Duration::MAX), -REACH),
            Edges::cumulating(length(Duration::MAX), 7, 3),
        ];
        for (at, edges) in ends.into_iter().flat_map(|at| edges.map(|edges| (at, edges))) {
            let at = within_reach(EventTime::from_millis(at));
            let Some(slice) = edges.slice_at(at) else { continue };
            assert!(slice <= at && at < edges.last_end(slice));
            for watermark in [EventTime::MIN, EventTime::from_millis(0), EventTime::MAX] {
                let after = watermark_within_reach(watermark) - lateness(Duration::MAX);
                let next = edges.next_end(slice, after);
                assert!(next.is_none_or(|end| edges.window_to(end).is_some()));
                assert!(
                    edges.last_end(slice) - 1 + lateness(Duration::MAX)
                        < watermark_within_reach(EventTime::MAX)
                );
            }
        }
        assert_eq!(length(Duration::ZERO), length(millis(1)));
    }
}
