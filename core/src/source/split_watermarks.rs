//! The splits of one subtask and the watermark that follows from them. Pure: told what time it is; no clock, no thread.
//!
//! What enters: which split is looked at, its records with their event times, and the time. What leaves: the watermark and
//! whether the subtask is idle. The watermark never goes back, whatever begins, ends or falls silent: it is the minimum over
//! the splits that are not idle (Flink's `WatermarkOutputMultiplexer`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::silence::Silence;
use super::watermarks::Watermarks;
use super::{SplitId, WatermarkGenerator, WatermarkOutput, WatermarkStrategy};
use crate::record::WatermarkStatus;
use crate::time::{EventTime, millis, secs};

/// A split that holds event time back and gives nothing for longer than this is worth a word.
const HINT_AFTER: Duration = secs(30);

/// The splits that one subtask watches.
///
/// A stream that is not directly behind a source is told of no splits; it is watched as a single one, which is called
/// [implicit](SplitWatermarks::implicit) and gives way to the first split that begins.
pub(crate) struct SplitWatermarks<T, S: WatermarkStrategy<T>> {
    watermarks: Watermarks<S>,
    /// The last event time that counts.
    latest: EventTime,
    now: Duration,
    /// Which of `splits` the records come from.
    current: usize,
    /// Whether that one is being looked at.
    looking: bool,
    /// Whether it has been any split's turn.
    asked: bool,
    /// The splits that have begun and not ended; empty once the last one has ended.
    splits: Vec<Watched<S::Generator>>,
    /// What a snapshot says of splits, whether they have begun here or not.
    restored: Vec<(SplitId, Kept)>,
    /// The greatest watermark given.
    reached: EventTime,
    status: WatermarkStatus,
}

/// A split under watch.
#[derive(Debug)]
struct Watched<G> {
    id: SplitId,
    generator: G,
    /// The greatest that the generator has given.
    watermark: EventTime,
    /// What the generator says.
    status: WatermarkStatus,
    /// Whether the current look has found a record.
    heard: bool,
    silence: Silence,
    /// Whether it was its turn already. Until then nobody can know whether it has records, and it can't be kept waiting for.
    asked: bool,
    hinted: bool,
}

/// What a record came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observed {
    /// It counts.
    Counted,
    /// It counts, and the watermark or the status of the subtask has changed with it.
    Changed,
    /// Its event time does not count.
    Uncounted,
}

/// What a snapshot keeps of a split. As JSON: a number or null, or `{"watermark": 7}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Kept {
    /// What its generator keeps: the greatest event time. None if there is nothing to keep.
    Generator(Option<EventTime>),
    /// Its watermark, of a generator that keeps nothing.
    Watermark { watermark: EventTime },
}

/// A split that holds event time back and gives nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    pub split: SplitId,
    pub silent: Duration,
    pub watermark: EventTime,
}

impl Kept {
    /// Of two values for one split the one that promises less.
    fn least(self, other: Kept) -> Kept {
        match (self, other) {
            (Kept::Generator(one), Kept::Generator(other)) => Kept::Generator(one.min(other)),
            (Kept::Watermark { watermark: one }, Kept::Watermark { watermark: other }) => {
                Kept::Watermark { watermark: one.min(other) }
            }
            // The strategy has changed from one snapshot to the next, and so has its measure.
            _ => Kept::Generator(None),
        }
    }
}

impl<G> Watched<G> {
    fn begin<T>(id: SplitId, generator: G, restored: Option<Kept>) -> Watched<G>
    where
        G: WatermarkGenerator<T>,
    {
        let (watermark, status, silence) = (EventTime::MIN, WatermarkStatus::Active, Silence::default());
        let mut split =
            Watched { id, generator, watermark, status, heard: false, silence, asked: false, hinted: false };
        restored.into_iter().for_each(|kept| split.resume::<T>(kept));
        split
    }

    fn resume<T>(&mut self, kept: Kept)
    where
        G: WatermarkGenerator<T>,
    {
        match kept {
            Kept::Generator(Some(kept)) => {
                self.generator.resume(kept);
                // It is known at once how far the split is: it may be too far ahead to be read.
                let mut out = WatermarkOutput::default();
                self.generator.on_periodic(&mut out);
                self.take(&out, EventTime::MAX);
            }
            Kept::Generator(None) => {}
            Kept::Watermark { watermark } => self.watermark = watermark.max(self.watermark),
        }
    }

    /// Takes what the generator says. A watermark beyond the times that count is none.
    fn take(&mut self, out: &WatermarkOutput, latest: EventTime) {
        if let Some(watermark) = out.watermark.filter(|watermark| *watermark <= latest) {
            self.watermark = watermark.max(self.watermark);
        }
        self.status = out.status.unwrap_or(self.status);
    }

    fn is_silent(&self, idle_after: Option<Duration>) -> bool {
        !self.heard && idle_after.is_some_and(|longest| self.silence.lasted() > longest)
    }

    fn is_idle(&self, idle_after: Option<Duration>) -> bool {
        self.status == WatermarkStatus::Idle || self.is_silent(idle_after)
    }
}

impl<T, S: WatermarkStrategy<T>> SplitWatermarks<T, S> {
    /// Begins to watch.
    pub fn new(watermarks: Watermarks<S>) -> SplitWatermarks<T, S> {
        let generator = watermarks.strategy.generator();
        SplitWatermarks {
            latest: watermarks.latest(EventTime::MAX),
            watermarks,
            now: Duration::ZERO,
            current: 0,
            looking: false,
            asked: false,
            splits: vec![Watched::begin(Self::implicit(), generator, None)],
            restored: Vec::new(),
            reached: EventTime::MIN,
            status: WatermarkStatus::Active,
        }
    }

    /// The split of a stream that has no splits.
    pub fn implicit() -> SplitId {
        SplitId(String::new())
    }

    /// It is `split`'s turn to be read. Its watermark, by which can be said whether it is too far ahead.
    pub fn ask(&mut self, split: &SplitId) -> EventTime {
        self.asked = true;
        self.place(split).map_or(EventTime::MIN, |place| {
            self.splits[place].asked = true;
            self.splits[place].watermark
        })
    }

    /// The records that follow come from `split`, which holds the watermark back from now on, until it ends.
    pub fn begin(&mut self, split: &SplitId) {
        self.end_look();
        if let [only] = &self.splits[..]
            && only.id == Self::implicit()
            && *split != only.id
        {
            self.splits.clear();
        }
        self.current = self.place(split).unwrap_or_else(|| {
            let restored =
                self.restored.iter().find(|(restored, _)| restored == split).map(|(_, kept)| *kept);
            let generator = self.watermarks.strategy.generator();
            self.splits.push(Watched::begin(split.clone(), generator, restored));
            self.splits.len() - 1
        });
        self.looking = self.splits[self.current].asked;
    }

    /// The split has ended: the watermark does not wait for it any more.
    pub fn end(&mut self, split: &SplitId) {
        self.end_look();
        if let Some(place) = self.place(split) {
            self.splits.remove(place);
            self.current = if place < self.current { self.current - 1 } else { self.current };
        }
        self.current = self.current.min(self.splits.len().saturating_sub(1));
    }

    /// A record of the current split happened at `at`.
    #[inline]
    pub fn observe(&mut self, event: &T, at: EventTime) -> Observed {
        if at > self.latest || at == EventTime::MIN {
            return Observed::Uncounted;
        }
        let Some(split) = self.splits.get_mut(self.current) else { return Observed::Counted };
        split.heard = true;
        let mut out = WatermarkOutput::default();
        split.generator.on_event(event, at, &mut out);
        if out.has_spoken() { self.take(&out) } else { Observed::Counted }
    }

    #[cold]
    fn take(&mut self, out: &WatermarkOutput) -> Observed {
        self.splits[self.current].take(out, self.latest);
        let before = (self.reached, self.status);
        self.combine();
        if before == (self.reached, self.status) { Observed::Counted } else { Observed::Changed }
    }

    /// A batch has ended, or there was none; it is `now` by a clock that never goes back, and `wall` by the one on the wall.
    pub fn settle(&mut self, now: Duration, wall: EventTime) {
        self.now = now;
        self.latest = self.watermarks.latest(wall);
        self.end_look();
        for split in &mut self.splits {
            if !split.is_silent(self.watermarks.idle_after) {
                let mut out = WatermarkOutput::default();
                split.generator.on_periodic(&mut out);
                split.take(&out, self.latest);
            }
        }
        self.combine();
    }

    /// The watermark: [`EventTime::MIN`] as long as a split that has begun and is not idle has not given a record. Once all
    /// splits have ended it stays.
    pub fn current(&self) -> EventTime {
        self.reached
    }

    /// Whether anything is to be expected of this subtask.
    pub fn status(&self) -> WatermarkStatus {
        self.status
    }

    /// How far the slowest split is that others can wait for: one that is not idle and whose turn it has been.
    /// [`EventTime::MAX`] if there is none, [`EventTime::MIN`] if it has been nobody's turn yet.
    pub fn pace(&self) -> EventTime {
        let idle_after = self.watermarks.idle_after;
        let is_implicit = |split: &Watched<_>| split.id == Self::implicit();
        if !self.asked && !self.splits.iter().all(is_implicit) {
            return EventTime::MIN;
        }
        let counts = self.splits.iter().filter(|split| split.asked && !split.is_idle(idle_after));
        counts.map(|split| split.watermark).min().unwrap_or(EventTime::MAX)
    }

    /// A split that gives nothing and that the watermark waits for, while other splits, here or `elsewhere`, are ahead. Each
    /// is told once, and only if no idle timeout was declared.
    pub fn hold(&mut self, elsewhere: EventTime) -> Option<Hold> {
        let is_long = |split: &Watched<_>| split.silence.lasted() > HINT_AFTER && !split.hinted;
        if self.watermarks.idle_after.is_some() || !self.splits.iter().any(is_long) {
            return None;
        }
        let active = || self.splits.iter().filter(|split| split.status == WatermarkStatus::Active);
        let slowest = active().map(|split| split.watermark).min()?;
        let fastest = active().map(|split| split.watermark).max()?.max(elsewhere);
        if fastest <= slowest {
            return None;
        }
        let split = self.splits.iter_mut().find(|split| {
            is_long(split) && split.status == WatermarkStatus::Active && split.watermark == slowest
        })?;
        split.hinted = true;
        Some(Hold { split: split.id.clone(), silent: split.silence.lasted(), watermark: slowest })
    }

    /// What a snapshot keeps of every split that has begun and not ended.
    pub fn entries(&self) -> impl Iterator<Item = (&SplitId, Kept)> {
        self.splits.iter().map(|split| {
            let kept = match split.generator.keep() {
                None if split.watermark > EventTime::MIN => Kept::Watermark { watermark: split.watermark },
                kept => Kept::Generator(kept),
            };
            (&split.id, kept)
        })
    }

    /// Takes back what a snapshot kept, before the first record, of a split that may begin here or has begun. Of several
    /// values for one split the least counts: the subtasks that watched an implicit split may have become fewer.
    pub fn restore(&mut self, split: &SplitId, kept: Kept) {
        let kept = match self.restored.iter_mut().find(|(restored, _)| restored == split) {
            Some((_, restored)) => {
                *restored = restored.least(kept);
                *restored
            }
            None => {
                self.restored.push((split.clone(), kept));
                kept
            }
        };
        if let Some(place) = self.place(split) {
            // Anew: what it was given before may have promised more.
            let generator = self.watermarks.strategy.generator();
            let asked = self.splits[place].asked;
            self.splits[place] = Watched { asked, ..Watched::begin(split.clone(), generator, Some(kept)) };
        }
    }

    /// Counts what the look at the current split has found.
    fn end_look(&mut self) {
        let Some(split) = self.splits.get_mut(self.current) else { return };
        // An implicit split can't be asked: it is looked at all the time.
        if self.looking || split.heard || split.id.0.is_empty() {
            let heard = std::mem::take(&mut split.heard);
            // Several looks must agree before a short silence is long enough.
            let idle_after = self.watermarks.idle_after.unwrap_or(HINT_AFTER);
            split.silence.look(heard, self.now, (idle_after / 4).clamp(millis(1), secs(1)));
        }
        self.looking = false;
    }

    fn combine(&mut self) {
        if self.splits.is_empty() {
            return;
        }
        let idle_after = self.watermarks.idle_after;
        let active = self.splits.iter().filter(|split| !split.is_idle(idle_after));
        match active.map(|split| split.watermark).min() {
            Some(slowest) => {
                self.reached = self.reached.max(slowest);
                self.status = WatermarkStatus::Active;
            }
            None => self.status = WatermarkStatus::Idle,
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
    use crate::source::BoundedOutOfOrderness;
    use WatermarkStatus::{Active, Idle};

    type Watch = SplitWatermarks<(), BoundedOutOfOrderness>;

    fn id(name: &str) -> SplitId {
        SplitId(name.to_string())
    }

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn watch(watermarks: Watermarks) -> Watch {
        SplitWatermarks::new(watermarks)
    }

    /// Lets a split be read: it gives records of these times.
    fn read<S: WatermarkStrategy<()>>(watch: &mut SplitWatermarks<(), S>, split: &str, times: &[i64]) {
        watch.ask(&id(split));
        watch.begin(&id(split));
        for time in times {
            watch.observe(&(), at(*time));
        }
    }

    /// The watermark, after a batch at a time of no interest.
    fn settled<S: WatermarkStrategy<()>>(watch: &mut SplitWatermarks<(), S>) -> EventTime {
        watch.settle(watch.now, at(0));
        watch.current()
    }

    fn kept<T, S: WatermarkStrategy<T>>(watch: &SplitWatermarks<T, S>) -> Vec<(SplitId, Kept)> {
        watch.entries().map(|(split, kept)| (split.clone(), kept)).collect()
    }

    fn greatest(time: i64) -> Kept {
        Kept::Generator(Some(at(time)))
    }

    #[test]
    fn the_watermark_is_the_greatest_time_less_the_bound_less_one() {
        let mut bounded = watch(Watermarks::bounded(millis(60)));
        assert_eq!(settled(&mut bounded), EventTime::MIN);
        bounded.observe(&(), at(1000));
        bounded.observe(&(), at(950));
        assert_eq!(settled(&mut bounded), at(939));
        let mut monotonous = watch(Watermarks::monotonous());
        monotonous.observe(&(), at(1000));
        assert_eq!(settled(&mut monotonous), at(999));
        let mut boundless = watch(Watermarks::bounded(Duration::MAX));
        boundless.observe(&(), at(-1000));
        assert_eq!(settled(&mut boundless), EventTime::MIN);
    }

    #[test]
    fn a_split_that_has_given_nothing_holds_the_watermark() {
        let mut watermarks = watch(Watermarks::monotonous());
        watermarks.begin(&id("a"));
        watermarks.begin(&id("b"));
        watermarks.observe(&(), at(500));
        assert_eq!(settled(&mut watermarks), EventTime::MIN);
        watermarks.begin(&id("a"));
        watermarks.observe(&(), at(100));
        assert_eq!(settled(&mut watermarks), at(99));
        watermarks.end(&id("a"));
        assert_eq!(settled(&mut watermarks), at(499));
        watermarks.end(&id("b"));
        assert_eq!(settled(&mut watermarks), at(499), "it stays once all splits have ended");
        assert_eq!(watermarks.status(), Active, "that its splits have ended does not make a subtask idle");
    }

    #[test]
    fn the_watermark_does_not_go_back_when_a_split_begins_late() {
        let mut watermarks = watch(Watermarks::monotonous());
        read(&mut watermarks, "a", &[500]);
        assert_eq!(settled(&mut watermarks), at(499));
        watermarks.begin(&id("b"));
        assert_eq!(settled(&mut watermarks), at(499));
        watermarks.observe(&(), at(300));
        assert_eq!(settled(&mut watermarks), at(499));
    }

    #[test]
    fn times_that_do_not_count_neither_move_the_watermark_nor_stall_it() {
        let never = 253_370_764_800_000;
        for wrong in [i64::MIN, i64::MAX, i64::MAX - 1, never, never + 1, 1_700_000_000_000_000] {
            let mut watermarks = watch(Watermarks::bounded(millis(9)));
            assert_eq!(watermarks.observe(&(), at(wrong)), Observed::Uncounted, "{wrong}");
            assert_eq!(settled(&mut watermarks), EventTime::MIN, "{wrong}");
            assert_eq!(watermarks.observe(&(), at(1000)), Observed::Counted);
            assert_eq!(settled(&mut watermarks), at(990), "{wrong}");
        }
        for odd in [i64::MIN + 1, -62_135_596_800_000, -1, 0] {
            let mut watermarks = watch(Watermarks::bounded(millis(9)));
            assert_eq!(
                watermarks.observe(&(), at(odd)),
                Observed::Counted,
                "before 1970 things happened, too"
            );
            assert_eq!(settled(&mut watermarks), at(odd) - millis(10));
        }
        let mut last = watch(Watermarks::monotonous());
        assert_eq!(last.observe(&(), at(never - 1)), Observed::Counted);
        assert_eq!(settled(&mut last), at(never - 2));
    }

    #[test]
    fn a_time_too_far_ahead_of_the_clock_counts_when_the_clock_has_come_near() {
        let mut watermarks = watch(Watermarks::monotonous().max_ahead(millis(100)));
        watermarks.settle(millis(1), at(5_000));
        assert_eq!(watermarks.observe(&(), at(5_100)), Observed::Counted);
        assert_eq!(watermarks.observe(&(), at(5_101)), Observed::Uncounted);
        watermarks.settle(millis(2), at(5_001));
        assert_eq!(watermarks.current(), at(5_099));
        assert_eq!(watermarks.observe(&(), at(5_101)), Observed::Counted);
    }

    /// Ten looks at every split, 100 ms apart.
    fn a_second_of_looks(watermarks: &mut Watch, splits: &[&str], from_ms: u64) {
        for look in 0..=10 {
            splits.iter().for_each(|split| read(watermarks, split, &[]));
            watermarks.settle(millis(from_ms + 100 * look), at(0));
        }
    }

    #[test]
    fn a_silent_split_is_left_out_until_its_next_record() {
        let mut watermarks = watch(Watermarks::monotonous().idle_after(millis(900)));
        read(&mut watermarks, "a", &[100]);
        read(&mut watermarks, "b", &[500]);
        assert_eq!(settled(&mut watermarks), at(99));
        let mut idle_at = None;
        for now in (0..2000).step_by(50) {
            read(&mut watermarks, "a", &[]);
            read(&mut watermarks, "b", &[500]);
            watermarks.settle(millis(now), at(0));
            if watermarks.current() == at(499) {
                idle_at = idle_at.or(Some(now));
            }
        }
        assert_eq!(idle_at, Some(1000), "the first look that found nothing was at 50");
        assert_eq!(watermarks.status(), Active);

        read(&mut watermarks, "a", &[120]);
        read(&mut watermarks, "b", &[900]);
        assert_eq!(settled(&mut watermarks), at(499), "it is waited for again");
        read(&mut watermarks, "a", &[800]);
        assert_eq!(settled(&mut watermarks), at(799));
    }

    #[test]
    fn when_all_splits_are_silent_the_subtask_is_idle_and_the_watermark_stays() {
        let mut watermarks = watch(Watermarks::monotonous().idle_after(millis(900)));
        read(&mut watermarks, "a", &[100]);
        read(&mut watermarks, "b", &[500]);
        settled(&mut watermarks);
        a_second_of_looks(&mut watermarks, &["a", "b"], 100);
        assert_eq!((watermarks.status(), watermarks.current()), (Idle, at(99)));
        assert_eq!(watermarks.pace(), EventTime::MAX, "nobody waits for it");
        read(&mut watermarks, "b", &[501]);
        assert_eq!(settled(&mut watermarks), at(500));
        assert_eq!(watermarks.status(), Active);
    }

    #[test]
    fn a_split_that_nobody_looks_at_is_not_silent() {
        let mut watermarks = watch(Watermarks::monotonous().idle_after(millis(900)));
        read(&mut watermarks, "a", &[100]);
        read(&mut watermarks, "b", &[500]);
        for now in (0..5000).step_by(50) {
            // "a" is kept waiting, as if it were too far ahead: its turn comes, and it is not read.
            watermarks.ask(&id("a"));
            read(&mut watermarks, "b", &[500]);
            watermarks.settle(millis(now), at(0));
        }
        assert_eq!(watermarks.current(), at(99));
    }

    #[test]
    fn a_stream_without_splits_is_looked_at_with_every_batch() {
        let mut watermarks = watch(Watermarks::monotonous().idle_after(millis(900)));
        watermarks.observe(&(), at(100));
        for now in (0..=1000).step_by(100) {
            watermarks.settle(millis(now), at(0));
            assert_eq!(watermarks.status(), Active, "{now}");
        }
        watermarks.settle(millis(1100), at(0));
        assert_eq!(watermarks.status(), Idle);
        watermarks.observe(&(), EventTime::MAX);
        watermarks.settle(millis(1200), at(0));
        assert_eq!(watermarks.status(), Idle, "a record that does not count is none");
        watermarks.observe(&(), at(50));
        watermarks.settle(millis(1300), at(0));
        assert_eq!((watermarks.status(), watermarks.current()), (Active, at(99)));
    }

    #[test]
    fn nobody_waits_for_a_stream_without_splits() {
        let mut watermarks = watch(Watermarks::monotonous());
        watermarks.observe(&(), at(5));
        settled(&mut watermarks);
        assert_eq!(watermarks.pace(), EventTime::MAX, "it can't be read sooner or later");
    }

    #[test]
    fn splits_are_waited_for_only_when_it_was_their_turn() {
        let mut watermarks = watch(Watermarks::monotonous());
        watermarks.begin(&id("waits for room"));
        watermarks.begin(&id("a"));
        assert_eq!(watermarks.pace(), EventTime::MIN, "it will be somebody's turn at once");
        read(&mut watermarks, "a", &[700]);
        settled(&mut watermarks);
        assert_eq!(watermarks.pace(), at(699), "the one that is not open can't come nearer");
        assert_eq!(watermarks.ask(&id("a")), at(699));
        assert_eq!(watermarks.ask(&id("waits for room")), EventTime::MIN);
        assert_eq!(watermarks.pace(), EventTime::MIN);
    }

    #[test]
    fn the_split_that_holds_the_others_back_is_named_once() {
        let mut watermarks = watch(Watermarks::monotonous());
        let mut holds = Vec::new();
        for now in 0..80 {
            read(&mut watermarks, "a", if now == 0 { &[100] } else { &[] });
            read(&mut watermarks, "b", &[500 + now]);
            watermarks.settle(secs(now as u64), at(0));
            holds.extend(watermarks.hold(EventTime::MIN));
        }
        assert_eq!(holds, [Hold { split: id("a"), silent: secs(31), watermark: at(99) }]);
    }

    #[test]
    fn a_silent_split_is_not_named_if_nobody_is_ahead_of_it_or_if_it_becomes_idle_anyway() {
        let mut watermarks = watch(Watermarks::monotonous());
        let mut declared = watch(Watermarks::monotonous().idle_after(secs(500)));
        let mut holds = Vec::new();
        for now in 0..80 {
            for watermarks in [&mut watermarks, &mut declared] {
                read(watermarks, "a", if now == 0 { &[100] } else { &[] });
                watermarks.settle(secs(now), at(0));
            }
            holds.extend(watermarks.hold(at(99)));
            assert_eq!(declared.hold(at(700)), None);
        }
        assert_eq!(holds, []);
        assert!(watermarks.hold(at(100)).is_some(), "another subtask is ahead");
    }

    /// Every sequence of up to six happenings on two splits, against the definition written out.
    #[test]
    fn it_is_the_minimum_over_the_open_splits_that_are_not_idle_whatever_happens() {
        #[derive(Clone, Copy, Debug, PartialEq)]
        enum What {
            Begin(usize),
            End(usize),
            Record(i64),
            /// The split is looked at, and has nothing, until it is idle.
            Silence(usize),
        }
        #[derive(Clone, Default)]
        struct Model {
            open: Vec<(usize, Option<i64>, bool)>,
            current: Option<usize>,
            reached: Option<i64>,
            idle: bool,
        }
        fn explore(model: &Model, happened: &mut Vec<What>) {
            // Replays what happened on the real thing, so that no clone is needed.
            let names = ["a", "b"];
            let mut watermarks = watch(Watermarks::bounded(millis(9)).idle_after(millis(900)));
            let mut now = 0;
            for what in &*happened {
                match *what {
                    What::Begin(split) => watermarks.begin(&id(names[split])),
                    What::End(split) => watermarks.end(&id(names[split])),
                    What::Record(time) => {
                        watermarks.observe(&(), at(time));
                    }
                    What::Silence(split) => {
                        let current = watermarks.splits.get(watermarks.current).map(|split| split.id.clone());
                        now += 10_000;
                        a_second_of_looks(&mut watermarks, &[names[split]], now);
                        // A look at a split makes it the current one; the model knows of no looks.
                        current.into_iter().for_each(|current| watermarks.begin(&current));
                    }
                }
                now += 1;
                watermarks.settle(millis(now), at(0));
            }
            let reached = model.reached.map_or(EventTime::MIN, |reached| at(reached - 10));
            assert_eq!(watermarks.current(), reached, "{happened:?}");
            assert_eq!(watermarks.status() == Idle, model.idle, "{happened:?}");
            if happened.len() == 6 {
                return;
            }
            use What::{Begin, End, Record, Silence};
            let happenings =
                [Begin(0), Begin(1), End(0), End(1), Record(100), Record(200), Record(300)].into_iter();
            for what in happenings.chain([Silence(0), Silence(1)]) {
                let mut next = model.clone();
                match what {
                    Begin(split) => {
                        if !next.open.iter().any(|(open, ..)| *open == split) {
                            next.open.push((split, None, false));
                        }
                        next.current = Some(split);
                    }
                    End(split) => {
                        next.open.retain(|(open, ..)| *open != split);
                        if next.current == Some(split) {
                            next.current = None;
                        }
                    }
                    Record(time) => {
                        let Some(current) = next.current else { continue };
                        let open = next.open.iter_mut().find(|(open, ..)| *open == current).unwrap();
                        (open.1, open.2) = (open.1.max(Some(time)), false);
                    }
                    Silence(split) => {
                        let Some(open) = next.open.iter_mut().find(|(open, ..)| *open == split) else {
                            continue;
                        };
                        open.2 = true;
                    }
                }
                let active = next.open.iter().filter(|(.., idle)| !idle);
                let slowest = active.map(|(_, greatest, _)| *greatest).min();
                next.reached = next.reached.max(slowest.flatten());
                if !next.open.is_empty() {
                    next.idle = slowest.is_none();
                }
                happened.push(what);
                explore(&next, happened);
                happened.pop();
            }
        }
        explore(&Model::default(), &mut Vec::new());
    }

    #[test]
    fn a_restored_split_goes_on_where_it_was_whichever_is_told_first() {
        let mut before = watch(Watermarks::bounded(millis(9)));
        read(&mut before, "a", &[700]);
        before.begin(&id("b"));
        assert_eq!(kept(&before), [(id("a"), greatest(700)), (id("b"), Kept::Generator(None))]);
        for begin_first in [true, false] {
            let mut after = watch(Watermarks::bounded(millis(9)));
            if begin_first {
                after.begin(&id("a"));
            }
            for (split, kept) in kept(&before) {
                after.restore(&split, kept);
            }
            after.begin(&id("a"));
            assert_eq!(settled(&mut after), at(690), "b has not begun here: another subtask may have it");
            assert_eq!(kept(&after), [(id("a"), greatest(700))]);
        }
    }

    #[test]
    fn of_several_restored_implicit_splits_the_slowest_counts() {
        let mut after = watch(Watermarks::monotonous());
        for time in [5, 3, 8] {
            after.restore(&Watch::implicit(), greatest(time));
        }
        assert_eq!(after.ask(&Watch::implicit()), at(2), "it is known before the first batch");
        assert_eq!(settled(&mut after), at(2));
    }

    #[test]
    fn a_watermark_that_a_record_carries_counts_at_once_and_is_kept() {
        let strategy = Watermarks::punctuated(|mark: &Option<i64>| mark.map(at));
        let mut watermarks = SplitWatermarks::new(strategy);
        watermarks.begin(&id("a"));
        assert_eq!(watermarks.observe(&None, at(500)), Observed::Counted);
        assert_eq!(watermarks.observe(&Some(450), at(510)), Observed::Changed);
        assert_eq!(watermarks.current(), at(450));
        assert_eq!(watermarks.observe(&Some(400), at(510)), Observed::Counted, "that was known");
        assert_eq!(watermarks.observe(&Some(i64::MAX), at(520)), Observed::Counted, "that does not count");
        watermarks.settle(millis(1), at(0));
        assert_eq!(watermarks.current(), at(450));
        let kept = kept(&watermarks);
        assert_eq!(kept, [(id("a"), Kept::Watermark { watermark: at(450) })]);
        let mut after = SplitWatermarks::new(strategy);
        after.restore(&id("a"), kept[0].1);
        after.begin(&id("a"));
        after.settle(millis(1), at(0));
        assert_eq!(after.current(), at(450));
    }

    #[test]
    fn a_generator_can_say_that_its_split_is_idle() {
        struct Says;
        impl WatermarkGenerator<char> for Says {
            fn on_event(&mut self, event: &char, at: EventTime, out: &mut WatermarkOutput) {
                match event {
                    'i' => out.mark_idle(),
                    'a' => out.mark_active(),
                    _ => out.emit(at),
                }
            }
        }
        let mut watermarks = SplitWatermarks::new(Watermarks::custom(|| Says));
        watermarks.begin(&id("a"));
        watermarks.begin(&id("b"));
        assert_eq!(watermarks.observe(&'e', at(5)), Observed::Counted, "the other one has said nothing");
        assert_eq!(watermarks.observe(&'i', at(6)), Observed::Counted);
        watermarks.begin(&id("a"));
        assert_eq!(watermarks.observe(&'e', at(9)), Observed::Changed);
        assert_eq!(watermarks.current(), at(9));
        assert_eq!(watermarks.observe(&'i', at(9)), Observed::Changed);
        assert_eq!(watermarks.status(), Idle);
        assert_eq!(watermarks.observe(&'a', at(9)), Observed::Changed);
        assert_eq!(watermarks.status(), Active);
    }

    #[test]
    fn what_is_kept_reads_as_it_always_did() {
        let json = |kept: Kept| serde_json::to_string(&kept).unwrap();
        for (kept, text) in [
            (greatest(700), "700"),
            (Kept::Generator(None), "null"),
            (Kept::Watermark { watermark: at(7) }, r#"{"watermark":7}"#),
        ] {
            assert_eq!(json(kept), text);
            assert_eq!(serde_json::from_str::<Kept>(text).unwrap(), kept);
        }
        let other = Kept::Watermark { watermark: at(3) };
        assert_eq!(other.least(Kept::Watermark { watermark: at(2) }), Kept::Watermark { watermark: at(2) });
        assert_eq!(greatest(1).least(other), Kept::Generator(None), "two measures can't be compared");
    }
}
