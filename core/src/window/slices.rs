//! The slices of one key, and the merged runs of them that windows are made of.
//!
//! A window is the merge of its slices. To merge all of them whenever a window slides on would cost as much as there are slices;
//! with [`Running`] it costs two merges a slice, all told. There is no inverse needed: it is the two stacks by which a queue is
//! kept minimal, applied to any merge (Tangwongsan, Hirzel, Schneider, [Low-latency sliding-window aggregation in worst-case
//! constant time](https://doi.org/10.1145/3093742.3093925), 2017, name it so).

use std::borrow::Cow;
use std::collections::VecDeque;

use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::touch::touch;
use crate::state::{Describe, Schema};
use crate::window::TimeWindow;

/// How many slices are looked at from both ends before they are searched by halves.
const NEAR: usize = 3;
/// So many slices beside the newest are kept in a list, and merged one by one.
const FEW: usize = 8;

/// Records between two edges, folded.
#[derive(Serialize, Deserialize)]
struct Slice<Acc> {
    start: i64,
    acc: Acc,
}

/// All slices of a key that some window still needs, by time.
///
/// Nearly every record belongs to the newest, which lies in the row of the key itself: last, as its accumulator may be large.
#[repr(C)]
pub struct Slices<Acc> {
    older: Older<Acc>,
    newest: Option<Slice<Acc>>,
}

/// The slices before the newest.
enum Older<Acc> {
    Few(Vec<Slice<Acc>>),
    Many(Box<Many<Acc>>),
}

struct Many<Acc> {
    slices: VecDeque<Slice<Acc>>,
    /// Made of the slices, and made again where it is missing.
    running: Option<Running<Acc>>,
}

impl<Acc> Default for Slices<Acc> {
    fn default() -> Slices<Acc> {
        Slices { newest: None, older: Older::Few(Vec::new()) }
    }
}

impl<Acc: Describe> Describe for Slices<Acc> {
    fn schema() -> Schema {
        <VecDeque<(i64, Acc)>>::schema()
    }
}

/// A sequence, oldest first.
impl<Acc: Serialize> Serialize for Slices<Acc> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = self.parts();
        let mut sequence = serializer.serialize_seq(Some(parts.iter().map(|part| part.len()).sum()))?;
        for slice in parts.into_iter().flatten() {
            sequence.serialize_element(slice)?;
        }
        sequence.end()
    }
}

impl<'de, Acc: Deserialize<'de>> Deserialize<'de> for Slices<Acc> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Slices<Acc>, D::Error> {
        let mut older = Vec::<Slice<Acc>>::deserialize(deserializer)?;
        let newest = older.pop();
        let older = match older.len() {
            ..=FEW => Older::Few(older),
            _ => Older::Many(Box::new(Many { slices: older.into(), running: None })),
        };
        Ok(Slices { newest, older })
    }
}

/// Where the first slice of a part is, or would be, that does not begin before `start`. Windows begin near the oldest slice, and
/// end near the newest.
#[inline]
fn place<Acc>(part: &[Slice<Acc>], start: i64) -> usize {
    let count = part.len();
    for near in 0..NEAR.min(count) {
        if part[near].start >= start {
            return near;
        }
        if part[count - 1 - near].start < start {
            return count - near;
        }
    }
    part.partition_point(|slice| slice.start < start)
}

impl<Acc> Slices<Acc> {
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.newest.is_none()
    }

    /// The slice that begins at `start`, and whether it is new.
    #[inline]
    pub(crate) fn slice(&mut self, start: i64, create: impl FnOnce() -> Acc) -> (&mut Acc, bool) {
        if let Older::Many(many) = &mut self.older {
            many.running.take_if(|running| start < running.upto);
        }
        if self.newest.as_ref().is_some_and(|newest| start < newest.start) {
            return self.older.slice(start, create);
        }
        let is_new = self.newest.as_ref().is_none_or(|newest| start > newest.start);
        if is_new && let Some(before) = self.newest.take() {
            self.older.push(before);
        }
        (&mut self.newest.get_or_insert_with(|| Slice { start, acc: create() }).acc, is_new)
    }

    /// The newest slice, if it begins at `start`.
    #[inline]
    pub(crate) fn newest_from(&mut self, start: i64) -> Option<&mut Acc> {
        self.newest.as_mut().filter(|newest| newest.start == start).map(|newest| &mut newest.acc)
    }

    /// The slices as they lie in memory, oldest first.
    fn parts(&self) -> [&[Slice<Acc>]; 3] {
        let (first, second) = self.older.parts();
        [first, second, self.newest.as_slice()]
    }

    /// The first slice of which `is_before` is not true; it is true of none that follow one of which it is not.
    #[inline]
    pub(crate) fn first(&self, is_before: impl Fn(i64) -> bool) -> Option<i64> {
        let oldest = self.older.first().or(self.newest.as_ref())?;
        if !is_before(oldest.start) {
            return Some(oldest.start);
        }
        let first = |part: &[Slice<Acc>]| part.partition_point(|slice| is_before(slice.start));
        self.parts().into_iter().find_map(|part| part.get(first(part))).map(|slice| slice.start)
    }

    /// Where the newest slice begins.
    pub(crate) fn newest(&self) -> Option<i64> {
        self.newest.as_ref().map(|slice| slice.start)
    }

    /// Drops the oldest slices, as long as they are `done`.
    #[inline]
    pub(crate) fn drop_done(&mut self, done: impl Fn(i64) -> bool) {
        self.older.drop_done(&done);
        if self.older.is_empty() {
            self.newest.take_if(|slice| done(slice.start));
        }
    }

    /// Looks at what hangs off the newest; the number means nothing. Others are not needed for nearly any record.
    #[inline]
    pub(crate) fn look(&self) -> u8
    where
        Acc: Serialize,
    {
        let newest = self.newest.as_ref().filter(|_| std::mem::needs_drop::<Acc>());
        newest.map_or(0, |slice| touch(&slice.acc))
    }

    /// Looks at the slices that lie elsewhere.
    #[inline]
    pub(crate) fn look_at_older(&self) -> u8 {
        let older = match &self.older {
            Older::Few(slices) => slices.first().zip(slices.last()),
            Older::Many(many) => many.slices.front().zip(many.slices.back()),
        };
        older.map_or(0, |(first, last)| first.start as u8 ^ last.start as u8)
    }

    fn between(&self, start: i64, end: i64) -> impl DoubleEndedIterator<Item = &Slice<Acc>> + Clone {
        let [first, second, newest] = self.parts().map(|part| {
            let first = place(part, start);
            &part[first..place(part, end).max(first)]
        });
        first.iter().chain(second).chain(newest)
    }

    /// The slices of a window, oldest first.
    pub(crate) fn of(&self, window: &TimeWindow) -> impl Iterator<Item = &Acc> {
        self.between(window.start.as_millis(), window.end.as_millis()).map(|slice| &slice.acc)
    }

    /// Has the merge of the slices of a window looked at; not if it has none. `merge` folds what is later into what is earlier.
    /// A slice that is `done` is not needed any more: it may be taken instead of copied.
    #[inline]
    pub(crate) fn with_merged<R>(
        &mut self,
        window: &TimeWindow,
        done: impl Fn(i64) -> bool,
        merge: impl Fn(&mut Acc, Acc),
        look: impl FnOnce(Cow<'_, Acc>) -> R,
    ) -> Option<R>
    where
        Acc: Clone,
    {
        let Slices { newest, older: Older::Few(older) } = self else {
            return self.merged_of_many(window, merge).map(|acc| look(Cow::Owned(acc)));
        };
        let (start, end) = (window.start.as_millis(), window.end.as_millis());
        let first = place(older, start);
        let last = place(older, end).max(first);
        let has_newest = newest.as_ref().is_some_and(|newest| start <= newest.start && newest.start < end);
        if first == last {
            // The newest, if any.
            let only = newest.as_ref().filter(|_| has_newest)?;
            return match done(only.start) {
                true => newest.take().map(|slice| look(Cow::Owned(slice.acc))),
                false => Some(look(Cow::Borrowed(&only.acc))),
            };
        }
        let (mut acc, later) = if done(older[first].start) {
            (older.remove(first).acc, first..last - 1)
        } else if last - first == 1 && !has_newest {
            return Some(look(Cow::Borrowed(&older[first].acc)));
        } else {
            (older[first].acc.clone(), first + 1..last)
        };
        let newest = newest.as_ref().filter(|_| has_newest);
        older[later].iter().chain(newest).for_each(|later| merge(&mut acc, later.acc.clone()));
        Some(look(Cow::Owned(acc)))
    }

    #[cold]
    fn merged_of_many(&mut self, window: &TimeWindow, merge: impl Fn(&mut Acc, Acc)) -> Option<Acc>
    where
        Acc: Clone,
    {
        let Older::Many(many) = &mut self.older else { return None };
        let mut running = many.running.take().unwrap_or_default();
        let merged = running.merged(self, window, merge);
        if let Older::Many(many) = &mut self.older {
            many.running = Some(running);
        }
        merged
    }
}

impl<Acc> Older<Acc> {
    fn is_empty(&self) -> bool {
        match self {
            Older::Few(slices) => slices.is_empty(),
            Older::Many(many) => many.slices.is_empty(),
        }
    }

    #[inline]
    fn first(&self) -> Option<&Slice<Acc>> {
        match self {
            Older::Few(slices) => slices.first(),
            Older::Many(many) => many.slices.front(),
        }
    }

    fn parts(&self) -> (&[Slice<Acc>], &[Slice<Acc>]) {
        match self {
            Older::Few(slices) => (slices, &[]),
            Older::Many(many) => many.slices.as_slices(),
        }
    }

    /// Puts one behind all others.
    fn push(&mut self, slice: Slice<Acc>) {
        match self {
            Older::Few(slices) if slices.len() < FEW => {
                // A key that is in two windows at a time, of which one begins as the other ends, needs no more.
                slices.reserve_exact(usize::from(slices.is_empty()));
                slices.push(slice);
            }
            Older::Few(slices) => {
                let slices = std::mem::take(slices).into_iter().chain([slice]).collect();
                *self = Older::Many(Box::new(Many { slices, running: None }));
            }
            Older::Many(many) => many.slices.push_back(slice),
        }
    }

    /// The slice that begins at `start`, and whether it is new.
    #[cold]
    fn slice(&mut self, start: i64, create: impl FnOnce() -> Acc) -> (&mut Acc, bool) {
        let (first, second) = self.parts();
        let place = match place(first, start) {
            all if all == first.len() => all + place(second, start),
            place => place,
        };
        let is_it = |slice: &Slice<Acc>| slice.start == start;
        let is_new = !first.get(place).or_else(|| second.get(place - first.len())).is_some_and(is_it);
        if is_new {
            let slice = Slice { start, acc: create() };
            match self {
                Older::Few(slices) if slices.len() < FEW => slices.insert(place, slice),
                Older::Few(slices) => {
                    let mut slices = VecDeque::from(std::mem::take(slices));
                    slices.insert(place, slice);
                    *self = Older::Many(Box::new(Many { slices, running: None }));
                }
                Older::Many(many) => many.slices.insert(place, slice),
            }
        }
        let slice = match self {
            Older::Few(slices) => &mut slices[place],
            Older::Many(many) => &mut many.slices[place],
        };
        (&mut slice.acc, is_new)
    }

    #[inline]
    fn drop_done(&mut self, done: impl Fn(i64) -> bool) {
        match self {
            // Most often the only one that was done has been taken for the window that was the last to have it.
            Older::Few(slices) if slices.first().is_none_or(|oldest| !done(oldest.start)) => {}
            Older::Few(slices) => {
                let still = slices.iter().position(|slice| !done(slice.start));
                slices.drain(..still.unwrap_or(slices.len()));
            }
            Older::Many(many) => {
                while many.slices.front().is_some_and(|slice| done(slice.start)) {
                    many.slices.pop_front();
                }
                if many.slices.is_empty() {
                    *self = Older::Few(Vec::new());
                }
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
        let window = slices.between(start, end);
        let count = window.clone().count();
        let chunk = count.isqrt().max(1);
        self.chunks.clear();
        let mut later = None;
        for (place, Slice { start, acc }) in (0..count).rev().zip(window.rev()) {
            let mut acc = acc.clone();
            if let Some(later) = later.take() {
                merge(&mut acc, later);
            }
            if place.is_multiple_of(chunk) {
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

    fn merged(
        slices: &mut Slices<Vec<i64>>,
        start: i64,
        end: i64,
        done: impl Fn(i64) -> bool,
    ) -> Option<Vec<i64>> {
        let window = TimeWindow::of_millis(start, end);
        slices.with_merged(&window, done, |earlier, later| earlier.extend(later), |acc| acc.into_owned())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn a_window_is_the_merge_of_its_slices_in_the_order_of_time(
            size in 1..60i64,
            slide in 1..25i64,
            fires_again in prop::bool::ANY,
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
                end = if again && fires_again { end - slide } else { end + slide * (1 + back / 60) };
                let expected: Vec<i64> = slices.of(&TimeWindow::of_millis(end - size, end)).flatten().copied().collect();
                let next = if fires_again { end - size - slide } else { end - size + slide };
                let done = |start| start < next;
                prop_assert_eq!(merged(&mut slices, end - size, end, done).unwrap_or_default(), expected);
                slices.drop_done(done);
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
                assert_eq!(
                    slices.with_merged(&window, |_| false, merge, |acc| *acc),
                    Some(size.min(start + 1) as u64)
                );
                slices.drop_done(|start| start < window.start.as_millis());
            }
            assert!(merges.get() <= 4 * 3 * size, "{} merges of {} slices", merges.get(), 3 * size);
            let Older::Many(many) = slices.older else { continue };
            let kept = many.running.map(|running| running.front.len() + running.chunks.len());
            assert!(
                kept < Some(3 * size.isqrt() as usize + 4),
                "{kept:?} accumulators for windows of {size} slices"
            );
        }
    }
}
