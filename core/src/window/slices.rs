//! The slices of one key, and the merged runs of them that windows are made of.
//!
//! A window is the merge of its slices. To merge all of them whenever a window slides on would cost as much as there are slices;
//! with [`Running`] it costs two merges a slice, all told. There is no inverse needed: it is the two stacks by which a queue is
//! kept minimal, applied to any merge (Tangwongsan, Hirzel, Schneider, [Low-latency sliding-window aggregation in worst-case
//! constant time](https://doi.org/10.1145/3093742.3093925), 2017, name it so).

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::state::{Describe, Schema};
use crate::window::TimeWindow;

/// How many slices are looked at from both ends before they are searched by halves.
const NEAR: usize = 3;

/// Records between two edges, folded.
#[derive(Serialize, Deserialize)]
struct Slice<Acc> {
    start: i64,
    acc: Acc,
}

/// All slices of a key that some window still needs, by time.
#[derive(Serialize, Deserialize)]
#[serde(transparent, bound(serialize = "Acc: Serialize", deserialize = "Acc: Deserialize<'de>"))]
pub struct Slices<Acc> {
    slices: VecDeque<Slice<Acc>>,
    /// Made of the slices, and made again where it is missing.
    #[serde(skip)]
    running: Option<Box<Running<Acc>>>,
}

impl<Acc> Default for Slices<Acc> {
    fn default() -> Slices<Acc> {
        Slices { slices: VecDeque::new(), running: None }
    }
}

impl<Acc: Describe> Describe for Slices<Acc> {
    fn schema() -> Schema {
        <VecDeque<(i64, Acc)>>::schema()
    }
}

impl<Acc> Slices<Acc> {
    pub(crate) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// The slice that begins at `start`, and whether it is new.
    #[inline]
    pub(crate) fn slice(&mut self, start: i64, create: impl FnOnce() -> Acc) -> (&mut Acc, bool) {
        if self.running.as_ref().is_some_and(|running| start < running.upto) {
            self.running = None;
        }
        // Nearly always it is the newest one.
        let place = match self.slices.back() {
            Some(newest) if newest.start == start => {
                let newest = self.slices.len() - 1;
                return (&mut self.slices[newest].acc, false);
            }
            Some(newest) if newest.start > start => self.place(start),
            _ => self.slices.len(),
        };
        let is_new = self.slices.get(place).is_none_or(|slice| slice.start != start);
        if is_new {
            self.slices.insert(place, Slice { start, acc: create() });
        }
        (&mut self.slices[place].acc, is_new)
    }

    /// Where the first slice is, or would be, that does not begin before `start`. Windows begin near the oldest slice, and end near
    /// the newest.
    fn place(&self, start: i64) -> usize {
        let count = self.slices.len();
        for near in 0..NEAR.min(count) {
            if self.slices[near].start >= start {
                return near;
            }
            if self.slices[count - 1 - near].start < start {
                return count - near;
            }
        }
        self.slices.partition_point(|slice| slice.start < start)
    }

    /// The first slice of which `is_before` is not true; it is true of none that follow one of which it is not.
    pub(crate) fn first(&self, is_before: impl Fn(i64) -> bool) -> Option<i64> {
        let oldest = self.slices.front()?.start;
        if !is_before(oldest) {
            return Some(oldest);
        }
        self.slices.get(self.slices.partition_point(|slice| is_before(slice.start))).map(|slice| slice.start)
    }

    /// Where the newest slice begins.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.slices.back().map(|slice| slice.start)
    }

    /// Drops the oldest slices, as long as they are `done`.
    pub(crate) fn drop_done(&mut self, done: impl Fn(i64) -> bool) {
        while self.slices.front().is_some_and(|slice| done(slice.start)) {
            self.slices.pop_front();
        }
    }

    fn between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = &Slice<Acc>> {
        let first = self.place(start);
        self.slices.range(first..self.place(end).max(first))
    }

    /// The slices of a window, oldest first.
    pub(crate) fn of(&self, window: &TimeWindow) -> impl Iterator<Item = &Acc> {
        self.between(window.start.as_millis(), window.end.as_millis()).map(|slice| &slice.acc)
    }

    /// Has the merge of the slices of a window looked at; not if it has none. `merge` folds what is later into what is earlier.
    pub(crate) fn with_merged<R>(
        &mut self,
        window: &TimeWindow,
        merge: impl Fn(&mut Acc, Acc),
        look: impl FnOnce(&Acc) -> R,
    ) -> Option<R>
    where
        Acc: Clone,
    {
        let mut slices = self.of(window);
        match (slices.next(), slices.next(), slices.next()) {
            (None, ..) => None,
            (Some(only), None, _) => Some(look(only)),
            (Some(earlier), Some(later), None) => {
                let mut acc = earlier.clone();
                merge(&mut acc, later.clone());
                Some(look(&acc))
            }
            _ => {
                drop(slices);
                let mut running = self.running.take().unwrap_or_default();
                let merged = running.merged(self, window, merge).map(|acc| look(&acc));
                self.running = Some(running);
                merged
            }
        }
    }
}

/// Merged runs of slices, from which the next window is made.
///
/// `front` has, for each of the oldest slices, the merge of it and all that follow up to `turned`; `back` is the merge of those from
/// there on. When a window begins behind all of `front`, everything is turned around into it. Of many slices it is only made for
/// some at once (`chunks`), and for the others when their turn comes: that keeps few accumulators instead of one for each slice.
struct Running<Acc> {
    /// Where each begins, and the merge from there on; the oldest is the last.
    front: Vec<(i64, Acc)>,
    /// The same, of slices that are further apart, and newer.
    chunks: Vec<(i64, Acc)>,
    turned: i64,
    back: Option<(i64, Acc)>,
    /// All slices before are in one of these.
    upto: i64,
}

impl<Acc> Default for Running<Acc> {
    fn default() -> Running<Acc> {
        Running { front: Vec::new(), chunks: Vec::new(), turned: i64::MIN, back: None, upto: i64::MIN }
    }
}

impl<Acc: Clone> Running<Acc> {
    fn merged(
        &mut self,
        slices: &Slices<Acc>,
        window: &TimeWindow,
        merge: impl Fn(&mut Acc, Acc),
    ) -> Option<Acc> {
        let (start, end) = (window.start.as_millis(), window.end.as_millis());
        if end < self.upto {
            // An earlier window, again: what is running is for the next one.
            let mut slices = slices.of(window).cloned();
            let mut acc = slices.next()?;
            slices.for_each(|later| merge(&mut acc, later));
            return Some(acc);
        }
        self.advance_to(start, slices, &merge);
        if self.front.is_empty() && self.back.as_ref().is_some_and(|(first, _)| *first < start) {
            self.turn_around(start, end, slices, &merge);
        }
        for Slice { start, acc } in slices.between(self.upto.max(start), end) {
            match &mut self.back {
                Some((_, back)) => merge(back, acc.clone()),
                None => self.back = Some((*start, acc.clone())),
            }
        }
        self.upto = end;
        match (self.front.last(), &self.back) {
            (Some((_, front)), Some((_, back))) => {
                let mut acc = front.clone();
                merge(&mut acc, back.clone());
                Some(acc)
            }
            (Some((_, acc)), None) | (None, Some((_, acc))) => Some(acc.clone()),
            (None, None) => None,
        }
    }

    /// Leaves out what is before `start`.
    fn advance_to(&mut self, start: i64, slices: &Slices<Acc>, merge: &impl Fn(&mut Acc, Acc)) {
        while self.front.last().is_some_and(|(first, _)| *first < start) {
            self.front.pop();
        }
        while self.front.is_empty()
            && let Some((first, _)) = self.chunks.pop()
        {
            let (end, mut later) = match self.chunks.last() {
                Some((end, acc)) => (*end, Some(acc.clone())),
                None => (self.turned, None),
            };
            for Slice { start, acc } in slices.between(first.max(start), end).rev() {
                let mut acc = acc.clone();
                if let Some(later) = later.take() {
                    merge(&mut acc, later);
                }
                later = Some(acc.clone());
                self.front.push((*start, acc));
            }
        }
    }

    /// Puts all slices of a window into the front.
    fn turn_around(&mut self, start: i64, end: i64, slices: &Slices<Acc>, merge: &impl Fn(&mut Acc, Acc)) {
        let places = slices.place(start)..slices.place(end);
        let chunk = places.len().isqrt().max(1);
        self.chunks.clear();
        let mut later = None;
        for place in places.clone().rev() {
            let Slice { start, acc } = &slices.slices[place];
            let mut acc = acc.clone();
            if let Some(later) = later.take() {
                merge(&mut acc, later);
            }
            if (place - places.start).is_multiple_of(chunk) {
                self.chunks.push((*start, acc.clone()));
            }
            later = Some(acc);
        }
        (self.turned, self.upto, self.back) = (end, end, None);
        self.advance_to(start, slices, merge);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;

    use super::*;

    /// Slices of the numbers they begin at, so that a merge shows its order.
    fn with(slices: &mut Slices<Vec<i64>>, start: i64) {
        slices.slice(start, || vec![start]);
    }

    fn merged(slices: &mut Slices<Vec<i64>>, start: i64, end: i64) -> Option<Vec<i64>> {
        let window = TimeWindow::of_millis(start, end);
        slices.with_merged(&window, |earlier, later| earlier.extend(later), Clone::clone)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn a_window_is_the_merge_of_its_slices_in_the_order_of_time(
            size in 1..60i64,
            slide in 1..25i64,
            steps in prop::collection::vec((prop::bool::weighted(0.7), 0..70i64, prop::bool::weighted(0.1)), 1..80),
        ) {
            let mut slices = Slices::default();
            let mut end = 0;
            for (moves, back, again) in steps {
                with(&mut slices, end + 5 - back);
                if !moves {
                    continue;
                }
                // Now and then a window fires again, or windows are left out.
                end = if again { end - slide } else { end + slide * (1 + back / 60) };
                let expected: Vec<i64> = slices.of(&TimeWindow::of_millis(end - size, end)).flatten().copied().collect();
                prop_assert_eq!(merged(&mut slices, end - size, end).unwrap_or_default(), expected);
                slices.drop_done(|start| start < end - size - slide);
            }
        }
    }

    #[test]
    fn a_window_that_slides_on_costs_two_merges_a_slice_and_one_more() {
        for size in [5, 60, 3600] {
            let (mut slices, merges) = (Slices::default(), Cell::new(0));
            for start in 0..3 * size {
                slices.slice(start, || 1u64);
                let window = TimeWindow::of_millis(start + 1 - size, start + 1);
                let merge = |acc: &mut u64, other| {
                    merges.set(merges.get() + 1);
                    *acc += other;
                };
                assert_eq!(slices.with_merged(&window, merge, |acc| *acc), Some(size.min(start + 1) as u64));
                slices.drop_done(|start| start < window.start.as_millis());
            }
            assert!(merges.get() <= 4 * 3 * size, "{} merges of {} slices", merges.get(), 3 * size);
            let kept = slices.running.map(|running| running.front.len() + running.chunks.len());
            assert!(
                kept < Some(3 * size.isqrt() as usize + 4),
                "{kept:?} accumulators for windows of {size} slices"
            );
        }
    }
}
