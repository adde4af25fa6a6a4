//! How event time advances: from the event times seen, split by split. Pure: no clock, no thread.
//!
//! What enters: which split the records are from, and their event times. What leaves: the watermark. It never goes back,
//! whatever begins or ends. Absent: idle splits, which need a clock.

use std::time::Duration;

use super::SplitId;
use crate::time::{EventTime, millis};

/// How a stream's watermark follows from the event times of its records.
///
/// The watermark promises that no older record follows; one that does is late. It is what Flink's
/// `BoundedOutOfOrdernessWatermarks` makes it: the greatest event time so far, less the bound, less 1 ms. Splits are
/// watched one by one, as Kafka partitions are in Flink, and the slowest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    bound: Duration,
}

impl Watermarks {
    /// A record comes at most this long, in event time, after one of its split that is younger.
    ///
    /// ```
    /// # use tidegate::source::Watermarks;
    /// # use tidegate::time::secs;
    /// let a_minute_out_of_order_at_most = Watermarks::bounded(secs(60));
    /// ```
    pub const fn bounded(max_out_of_orderness: Duration) -> Watermarks {
        Watermarks { bound: max_out_of_orderness }
    }

    /// The records of a split come in the order of their event times.
    pub const fn monotonous() -> Watermarks {
        Watermarks { bound: Duration::ZERO }
    }

    /// Begins to watch.
    pub(crate) fn watch(self) -> SplitWatermarks {
        SplitWatermarks {
            bound: self.bound.saturating_add(millis(1)),
            greatest: EventTime::MIN,
            current: 0,
            splits: vec![Watched { id: SplitWatermarks::implicit(), greatest: EventTime::MIN }],
            restored: Vec::new(),
            reached: EventTime::MIN,
        }
    }
}

impl std::fmt::Display for Watermarks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.bound {
            Duration::ZERO => f.write_str("monotonous"),
            bound => write!(f, "out of order by up to {}", humantime::format_duration(bound)),
        }
    }
}

/// The event times that one subtask has seen, split by split, and the watermark that follows.
///
/// A stream that is not directly behind a source is told of no splits; it is watched as a single one, which is called
/// [implicit](SplitWatermarks::implicit) and gives way to the first split that begins.
#[derive(Debug)]
pub(crate) struct SplitWatermarks {
    /// What to subtract: the bound and 1 ms.
    bound: Duration,
    /// The greatest event time of the current split: kept apart, because every record looks at it.
    greatest: EventTime,
    /// Which of `splits` the records come from.
    current: usize,
    /// The splits that have begun and not ended; empty once the last one has ended.
    splits: Vec<Watched>,
    /// What a snapshot says of splits, whether they have begun here or not.
    restored: Vec<Watched>,
    /// The greatest watermark given.
    reached: EventTime,
}

/// A split and the greatest event time seen in it, [`EventTime::MIN`] if none. That of the current split is out of date.
#[derive(Debug)]
struct Watched {
    id: SplitId,
    greatest: EventTime,
}

impl SplitWatermarks {
    /// The split of a stream that has no splits.
    pub fn implicit() -> SplitId {
        SplitId(String::new())
    }

    /// The records that follow come from `split`, which holds the watermark back from now on, until it ends.
    pub fn begin(&mut self, split: &SplitId) {
        self.park();
        if let [only] = &self.splits[..]
            && only.id == SplitWatermarks::implicit()
            && *split != only.id
        {
            self.splits.clear();
        }
        self.current = match self.place(split) {
            Some(place) => place,
            None => {
                let restored = self.restored.iter().find(|restored| restored.id == *split);
                let greatest = restored.map_or(EventTime::MIN, |restored| restored.greatest);
                self.splits.push(Watched { id: split.clone(), greatest });
                self.splits.len() - 1
            }
        };
        self.greatest = self.splits[self.current].greatest;
    }

    /// The split has ended: the watermark does not wait for it any more.
    pub fn end(&mut self, split: &SplitId) {
        self.park();
        if let Some(place) = self.place(split) {
            self.splits.remove(place);
            self.current = if place < self.current { self.current - 1 } else { self.current };
        }
        self.current = self.current.min(self.splits.len().saturating_sub(1));
        self.greatest = self.splits.get(self.current).map_or(EventTime::MIN, |split| split.greatest);
    }

    /// A record of the current split happened at `at`.
    #[inline]
    pub fn observe(&mut self, at: EventTime) {
        self.greatest = self.greatest.max(at);
    }

    /// The watermark: [`EventTime::MIN`] as long as a split that has begun has not given a record. Once all splits have
    /// ended it stays.
    pub fn current(&mut self) -> EventTime {
        self.park();
        let slowest = self.splits.iter().map(|split| split.greatest).min().unwrap_or(EventTime::MIN);
        self.reached = self.reached.max(slowest - self.bound);
        self.reached
    }

    /// What a snapshot keeps: the greatest event time of every split that has begun and not ended, if it has one.
    pub fn entries(&mut self) -> impl Iterator<Item = (&SplitId, Option<EventTime>)> {
        self.park();
        let seen = |greatest: EventTime| (greatest > EventTime::MIN).then_some(greatest);
        self.splits.iter().map(move |split| (&split.id, seen(split.greatest)))
    }

    /// Takes back what a snapshot kept, before the first record, of a split that may begin here or has begun. Of several
    /// values for one split the least counts: the subtasks that watched an implicit split may have become fewer.
    pub fn restore(&mut self, split: &SplitId, greatest: Option<EventTime>) {
        let greatest = greatest.unwrap_or(EventTime::MIN);
        let restored = match self.restored.iter_mut().find(|restored| restored.id == *split) {
            Some(restored) => {
                restored.greatest = restored.greatest.min(greatest);
                restored.greatest
            }
            None => {
                self.restored.push(Watched { id: split.clone(), greatest });
                greatest
            }
        };
        self.park();
        if let Some(place) = self.place(split) {
            self.splits[place].greatest = restored;
            self.greatest = self.splits[self.current].greatest;
        }
    }

    /// Brings the current split's entry up to date.
    fn park(&mut self) {
        if let Some(split) = self.splits.get_mut(self.current) {
            split.greatest = self.greatest;
        }
    }

    /// Where `split` is in `splits`. Splits are read in turn: it is most often the current one or the one behind it.
    fn place(&self, split: &SplitId) -> Option<usize> {
        let (before, from) = self.splits.split_at(self.current.min(self.splits.len()));
        let behind = from.iter().position(|watched| watched.id == *split).map(|place| before.len() + place);
        behind.or_else(|| before.iter().position(|watched| watched.id == *split))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> SplitId {
        SplitId(name.to_string())
    }

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn kept(watermarks: &mut SplitWatermarks) -> Vec<(SplitId, Option<EventTime>)> {
        watermarks.entries().map(|(split, greatest)| (split.clone(), greatest)).collect()
    }

    #[test]
    fn the_watermark_is_the_greatest_time_less_the_bound_less_one() {
        let mut bounded = Watermarks::bounded(millis(60)).watch();
        assert_eq!(bounded.current(), EventTime::MIN);
        bounded.observe(at(1000));
        bounded.observe(at(950));
        assert_eq!(bounded.current(), at(939));
        let mut monotonous = Watermarks::monotonous().watch();
        monotonous.observe(at(1000));
        assert_eq!(monotonous.current(), at(999));
        monotonous.observe(EventTime::MAX);
        assert_eq!(monotonous.current(), at(i64::MAX - 1));
        let mut boundless = Watermarks::bounded(Duration::MAX).watch();
        boundless.observe(at(-1000));
        assert_eq!(boundless.current(), EventTime::MIN);
    }

    #[test]
    fn a_split_that_has_given_nothing_holds_the_watermark() {
        let mut watermarks = Watermarks::monotonous().watch();
        watermarks.begin(&id("a"));
        watermarks.begin(&id("b"));
        watermarks.observe(at(500));
        assert_eq!(watermarks.current(), EventTime::MIN);
        watermarks.begin(&id("a"));
        watermarks.observe(at(100));
        assert_eq!(watermarks.current(), at(99));
        watermarks.end(&id("a"));
        assert_eq!(watermarks.current(), at(499));
        watermarks.end(&id("b"));
        assert_eq!(watermarks.current(), at(499), "it stays once all splits have ended");
    }

    #[test]
    fn the_watermark_does_not_go_back_when_a_split_begins_late() {
        let mut watermarks = Watermarks::monotonous().watch();
        watermarks.begin(&id("a"));
        watermarks.observe(at(500));
        assert_eq!(watermarks.current(), at(499));
        watermarks.begin(&id("b"));
        assert_eq!(watermarks.current(), at(499));
        watermarks.observe(at(300));
        assert_eq!(watermarks.current(), at(499));
    }

    /// Every sequence of up to six happenings on two splits, against the definition written out.
    #[test]
    fn it_is_the_minimum_over_the_open_splits_whatever_happens() {
        #[derive(Clone, Default)]
        struct Model {
            open: Vec<(usize, Option<i64>)>,
            current: Option<usize>,
            reached: Option<i64>,
        }
        fn explore(model: &Model, happened: &mut Vec<(char, usize)>) {
            // Replays what happened on the real thing, so that no clone is needed.
            let names = [id("a"), id("b")];
            let mut watermarks = Watermarks::bounded(millis(9)).watch();
            let mut last = EventTime::MIN;
            for &(what, n) in &*happened {
                match what {
                    'b' => watermarks.begin(&names[n]),
                    'e' => watermarks.end(&names[n]),
                    _ => watermarks.observe(at(n as i64)),
                }
                last = watermarks.current();
            }
            assert_eq!(
                last,
                model.reached.map_or(EventTime::MIN, |reached| at(reached - 10)),
                "{happened:?}"
            );
            if happened.len() == 6 {
                return;
            }
            for what in [('b', 0), ('b', 1), ('e', 0), ('e', 1), ('o', 100), ('o', 200), ('o', 300)] {
                let mut next = model.clone();
                match what {
                    ('b', split) => {
                        if !next.open.iter().any(|(open, _)| *open == split) {
                            next.open.push((split, None));
                        }
                        next.current = Some(split);
                    }
                    ('e', split) => {
                        next.open.retain(|(open, _)| *open != split);
                        if next.current == Some(split) {
                            next.current = None;
                        }
                    }
                    (_, time) => {
                        let Some(current) = next.current else { continue };
                        let open = next.open.iter_mut().find(|(open, _)| *open == current).unwrap();
                        open.1 = open.1.max(Some(time as i64));
                    }
                }
                let slowest = next.open.iter().map(|(_, greatest)| *greatest).min().flatten();
                next.reached = next.reached.max(slowest);
                happened.push(what);
                explore(&next, happened);
                happened.pop();
            }
        }
        explore(&Model::default(), &mut Vec::new());
    }

    #[test]
    fn a_restored_split_goes_on_where_it_was_whichever_is_told_first() {
        let mut before = Watermarks::bounded(millis(9)).watch();
        before.begin(&id("a"));
        before.observe(at(700));
        before.begin(&id("b"));
        assert_eq!(kept(&mut before), [(id("a"), Some(at(700))), (id("b"), None)]);
        for begin_first in [true, false] {
            let mut after = Watermarks::bounded(millis(9)).watch();
            if begin_first {
                after.begin(&id("a"));
            }
            for (split, greatest) in kept(&mut before) {
                after.restore(&split, greatest);
            }
            after.begin(&id("a"));
            assert_eq!(after.current(), at(690), "b has not begun here: another subtask may have it");
            assert_eq!(kept(&mut after), [(id("a"), Some(at(700)))]);
        }
    }

    #[test]
    fn of_several_restored_implicit_splits_the_slowest_counts() {
        let mut after = Watermarks::monotonous().watch();
        for greatest in [Some(at(5)), Some(at(3)), Some(at(8))] {
            after.restore(&SplitWatermarks::implicit(), greatest);
        }
        assert_eq!(after.current(), at(2));
    }
}
