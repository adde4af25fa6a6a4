//! What is asked about, in the order in which it came: which record is asked about next, and which result goes on when. Pure.
//!
//! *Enters:* records, marks (what goes down a chain between records), answers, and the time. *Leaves:* numbers of records to ask
//! about, and results and marks to hand on. *Always:* a result passes no mark, neither forward nor backward; in order, it passes
//! no other result either. No more than the capacity are asked about and not handed on. *Absent:* futures, clocks and errors.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use crate::record::WatermarkStatus;
use crate::time::EventTime;

/// In which order results go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// In the order of their records.
    #[default]
    AsTheyCame,
    /// As they are there, between two watermarks.
    AsAnswered,
}

/// What goes down a chain between records and must not be passed by any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Watermark(EventTime),
    Status(WatermarkStatus),
}

/// A record that waits for its result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held<T> {
    pub record: T,
    /// Its event time.
    pub at: EventTime,
    /// The last watermark in front of it.
    pub behind: EventTime,
}

/// What goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Passed<T, R> {
    Result(Held<T>, R),
    Mark(Mark),
}

/// What the time has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The record is to be asked about again.
    Again(Number),
    /// It took too long; how often it was asked about.
    TimedOut(Number, u32),
}

/// The place of a record or a mark in all that ever came.
pub(super) type Number = u64;

pub(super) struct Queue<T, R> {
    order: Order,
    capacity: usize,
    timeout: Duration,
    entries: VecDeque<Entry<T, R>>,
    /// The number of the entry in front.
    first: Number,
    /// Everything before it has been asked about.
    next: Number,
    /// How many are asked about, or answered and not handed on.
    open: usize,
    /// How many are not asked about yet.
    waiting: usize,
    /// The marks, in order.
    marks: VecDeque<Number>,
    /// What may go on though it is not in front; some of it may have gone.
    ready: VecDeque<Number>,
    /// What each open record waits for.
    alarms: BTreeSet<(Duration, Number)>,
    /// The last watermark that came in.
    received: EventTime,
    /// The last watermark that went on.
    passed: EventTime,
}

enum Entry<T, R> {
    Record(Held<T>, Progress<R>),
    Mark(Mark),
    /// A result that has gone on before its turn.
    Gone,
}

/// How far a record is.
enum Progress<R> {
    /// It has not been asked about: there was no room.
    Waiting,
    /// It is being asked about.
    Asked { attempt: u32, deadline: Duration },
    /// It will be asked about again.
    Pausing { attempt: u32, until: Duration, deadline: Duration },
    /// Its result waits for its turn.
    Answered(R),
}

impl<T, R> Queue<T, R> {
    pub fn new(order: Order, capacity: usize, timeout: Duration) -> Queue<T, R> {
        Queue {
            order,
            capacity,
            timeout,
            entries: VecDeque::new(),
            first: 0,
            next: 0,
            open: 0,
            waiting: 0,
            marks: VecDeque::new(),
            ready: VecDeque::new(),
            alarms: BTreeSet::new(),
            received: EventTime::MIN,
            passed: EventTime::MIN,
        }
    }

    /// Whether nothing else should come in just now: there are records for which there is no room; or event time has come to
    /// its end, and there are results of which the end has to wait.
    pub fn is_full(&self) -> bool {
        self.waiting > 0 || (self.received == EventTime::MAX && !self.entries.is_empty())
    }

    /// The last watermark that came in, and the last that went on.
    pub fn watermarks(&self) -> (EventTime, EventTime) {
        (self.received, self.passed)
    }

    /// Event time had come so far before anything came in.
    pub fn begin_at(&mut self, watermark: EventTime) {
        (self.received, self.passed) = (watermark, watermark);
    }

    pub fn push(&mut self, record: T, at: EventTime) {
        let held = Held { record, at, behind: self.received };
        self.entries.push_back(Entry::Record(held, Progress::Waiting));
        self.waiting += 1;
    }

    /// A mark comes in. A watermark that is not news is left out.
    pub fn mark(&mut self, mark: Mark) {
        if let Mark::Watermark(watermark) = mark {
            if watermark <= self.received {
                return;
            }
            self.received = watermark;
            if let Some(Entry::Mark(last @ Mark::Watermark(_))) = self.entries.back_mut() {
                *last = mark;
                return;
            }
        }
        self.marks.push_back(self.end());
        self.entries.push_back(Entry::Mark(mark));
    }

    /// The next record to ask about, if there is room.
    pub fn start(&mut self, now: Duration) -> Option<(Number, &T)> {
        if self.waiting == 0 || self.open >= self.capacity {
            return None;
        }
        let waits = |entry: &Entry<T, R>| matches!(entry, Entry::Record(_, Progress::Waiting));
        self.next = self.next.max(self.first);
        while !self.entry(self.next).is_some_and(waits) {
            self.next += 1;
        }
        let (number, deadline) = (self.next, now.saturating_add(self.timeout));
        self.next += 1;
        self.waiting -= 1;
        self.open += 1;
        self.alarms.insert((deadline, number));
        match self.entry_mut(number) {
            Some(Entry::Record(held, progress)) => {
                *progress = Progress::Asked { attempt: 1, deadline };
                Some((number, &held.record))
            }
            _ => None,
        }
    }

    /// A record that is in the queue.
    pub fn record(&self, number: Number) -> Option<&T> {
        match self.entry(number) {
            Some(Entry::Record(held, _)) => Some(&held.record),
            _ => None,
        }
    }

    /// How often a record has been asked about that waits for its answer.
    pub fn attempt(&self, number: Number) -> Option<u32> {
        match self.entry(number) {
            Some(Entry::Record(_, Progress::Asked { attempt, .. })) => Some(*attempt),
            _ => None,
        }
    }

    /// The result of a record is there.
    pub fn answer(&mut self, number: Number, result: R) {
        self.disarm(number);
        let Some(Entry::Record(_, progress)) = self.entry_mut(number) else { return };
        *progress = Progress::Answered(result);
        if self.order == Order::AsAnswered && self.marks.front().is_none_or(|mark| number < *mark) {
            self.ready.push_back(number);
        }
    }

    /// A record that was asked about is to be asked about again, when this time has come.
    pub fn pause(&mut self, number: Number, until: Duration) {
        self.disarm(number);
        let Some(Entry::Record(_, progress)) = self.entry_mut(number) else { return };
        let Progress::Asked { attempt, deadline } = *progress else { return };
        *progress = Progress::Pausing { attempt, until, deadline };
        self.alarms.insert((until.min(deadline), number));
    }

    /// What is due, one after another. A record that is to be asked about again is taken to be, from now on.
    pub fn due(&mut self, now: Duration) -> Option<Due> {
        let (_, number) = self.alarms.first().copied().filter(|(at, _)| *at <= now)?;
        self.alarms.pop_first();
        let Some(Entry::Record(_, progress)) = self.entry_mut(number) else { return None };
        let (attempt, deadline) = match *progress {
            Progress::Asked { attempt, deadline } => (attempt, deadline),
            Progress::Pausing { attempt, deadline, .. } => (attempt, deadline),
            Progress::Waiting | Progress::Answered(_) => return None,
        };
        if deadline <= now {
            return Some(Due::TimedOut(number, attempt));
        }
        *progress = Progress::Asked { attempt: attempt + 1, deadline };
        self.alarms.insert((deadline, number));
        Some(Due::Again(number))
    }

    /// When something is due next.
    pub fn next_due(&self) -> Option<Duration> {
        self.alarms.first().map(|(at, _)| *at)
    }

    /// What goes on, one after another.
    pub fn pass(&mut self) -> Option<Passed<T, R>> {
        while let Some(Entry::Record(_, Progress::Answered(_)) | Entry::Mark(_) | Entry::Gone) =
            self.entries.front()
        {
            self.first += 1;
            match self.entries.pop_front() {
                Some(Entry::Record(held, Progress::Answered(result))) => {
                    self.open -= 1;
                    return Some(Passed::Result(held, result));
                }
                Some(Entry::Mark(mark)) => {
                    self.open_up();
                    if let Mark::Watermark(watermark) = mark {
                        self.passed = watermark;
                    }
                    return Some(Passed::Mark(mark));
                }
                _ => {}
            }
        }
        while let Some(number) = self.ready.pop_front() {
            let Some(entry @ Entry::Record(_, Progress::Answered(_))) = self.entry_mut(number) else {
                continue;
            };
            if let Entry::Record(held, Progress::Answered(result)) = std::mem::replace(entry, Entry::Gone) {
                self.open -= 1;
                return Some(Passed::Result(held, result));
            }
        }
        None
    }

    /// The records whose results have not gone on, in their order.
    pub fn held(&self) -> impl Iterator<Item = &Held<T>> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Record(held, _) => Some(held),
            Entry::Mark(_) | Entry::Gone => None,
        })
    }

    /// The first mark has gone: what is answered behind it, up to the next, need not wait any more.
    fn open_up(&mut self) {
        self.marks.pop_front();
        if self.order == Order::AsTheyCame {
            return;
        }
        let until = self.marks.front().copied().unwrap_or_else(|| self.end());
        let answered =
            |number: &Number| matches!(self.entry(*number), Some(Entry::Record(_, Progress::Answered(_))));
        self.ready = (self.first..until).filter(answered).collect();
    }

    fn disarm(&mut self, number: Number) {
        let alarm = match self.entry(number) {
            Some(Entry::Record(_, Progress::Asked { deadline, .. })) => *deadline,
            Some(Entry::Record(_, Progress::Pausing { until, deadline, .. })) => *deadline.min(until),
            _ => return,
        };
        self.alarms.remove(&(alarm, number));
    }

    /// The number of what comes in next.
    fn end(&self) -> Number {
        self.first + self.entries.len() as u64
    }

    fn entry(&self, number: Number) -> Option<&Entry<T, R>> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn entry_mut(&mut self, number: Number) -> Option<&mut Entry<T, R>> {
        self.entries.get_mut(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn watermark(millis: i64) -> Mark {
        Mark::Watermark(at(millis))
    }

    /// A queue into which the words have come: numbers are records, `w5` a watermark, `idle` a status.
    fn queue(order: Order, capacity: usize, words: &str) -> Queue<u64, &'static str> {
        let mut queue = Queue::new(order, capacity, millis(10));
        for word in words.split_whitespace() {
            match word.strip_prefix('w') {
                Some(time) => queue.mark(watermark(time.parse().unwrap())),
                None if word == "idle" => queue.mark(Mark::Status(WatermarkStatus::Idle)),
                None => queue.push(word.parse().unwrap(), at(0)),
            }
        }
        queue
    }

    fn started(queue: &mut Queue<u64, &'static str>) -> Vec<u64> {
        std::iter::from_fn(|| queue.start(millis(0)).map(|(_, record)| *record)).collect()
    }

    fn number(queue: &Queue<u64, &'static str>, record: u64) -> Number {
        (queue.first..queue.end()).find(|number| queue.record(*number) == Some(&record)).unwrap()
    }

    fn answer(queue: &mut Queue<u64, &'static str>, record: u64) {
        queue.answer(number(queue, record), "yes");
    }

    /// What goes on, in the words of [`queue`].
    fn passed(queue: &mut Queue<u64, &'static str>) -> String {
        let passed = std::iter::from_fn(|| queue.pass()).map(|passed| match passed {
            Passed::Result(held, _) => held.record.to_string(),
            Passed::Mark(Mark::Watermark(watermark)) => format!("w{}", watermark.as_millis()),
            Passed::Mark(Mark::Status(_)) => "idle".to_string(),
        });
        passed.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn in_order_a_result_waits_for_those_before_it() {
        let mut queue = queue(Order::AsTheyCame, 10, "1 2 w5 3");
        assert_eq!(started(&mut queue), [1, 2, 3]);
        answer(&mut queue, 2);
        answer(&mut queue, 3);
        assert_eq!(passed(&mut queue), "");
        answer(&mut queue, 1);
        assert_eq!(passed(&mut queue), "1 2 w5 3");
    }

    #[test]
    fn out_of_order_results_pass_each_other_and_no_mark() {
        let mut queue = queue(Order::AsAnswered, 10, "1 2 w5 3 4 idle 5");
        started(&mut queue);
        answer(&mut queue, 5);
        answer(&mut queue, 4);
        assert_eq!(passed(&mut queue), "");
        answer(&mut queue, 2);
        assert_eq!(passed(&mut queue), "2");
        answer(&mut queue, 1);
        assert_eq!(passed(&mut queue), "1 w5 4");
        answer(&mut queue, 3);
        assert_eq!(passed(&mut queue), "3 idle 5");
        assert!(!queue.is_full() && queue.entries.is_empty());
    }

    #[test]
    fn no_more_than_the_capacity_are_asked_about_and_not_handed_on() {
        let mut queue = queue(Order::AsTheyCame, 2, "1 2 w1 3 4");
        assert_eq!(started(&mut queue), [1, 2]);
        assert!(queue.is_full(), "3 and 4 wait");
        answer(&mut queue, 2);
        assert_eq!(passed(&mut queue), "");
        assert_eq!(started(&mut queue), [0; 0], "an answer that waits for its turn takes up room");
        answer(&mut queue, 1);
        assert_eq!(passed(&mut queue), "1 2 w1");
        assert_eq!(started(&mut queue), [3, 4]);
        assert!(!queue.is_full());
    }

    #[test]
    fn at_the_end_of_time_it_is_full_until_all_is_handed_on() {
        let mut queue = queue(Order::AsAnswered, 5, "1");
        queue.mark(Mark::Watermark(EventTime::MAX));
        started(&mut queue);
        assert!(queue.is_full());
        answer(&mut queue, 1);
        passed(&mut queue);
        assert!(!queue.is_full());
    }

    #[test]
    fn watermarks_with_nothing_between_them_are_one_and_old_ones_are_none() {
        let mut queue = queue(Order::AsTheyCame, 5, "w1 w3 w2 1 w3 w4");
        started(&mut queue);
        answer(&mut queue, 1);
        assert_eq!(queue.held().map(|held| held.behind).collect::<Vec<_>>(), [at(3)]);
        assert_eq!(passed(&mut queue), "w3 1 w4");
        assert_eq!(queue.watermarks(), (at(4), at(4)));
    }

    #[test]
    fn the_time_for_all_attempts_is_counted_from_the_first() {
        let mut queue = queue(Order::AsTheyCame, 5, "1");
        started(&mut queue);
        assert_eq!((queue.next_due(), queue.attempt(0)), (Some(millis(10)), Some(1)));
        queue.pause(0, millis(4));
        assert_eq!((queue.next_due(), queue.due(millis(3)), queue.attempt(0)), (Some(millis(4)), None, None));
        assert_eq!(queue.due(millis(4)), Some(Due::Again(0)));
        assert_eq!((queue.next_due(), queue.attempt(0)), (Some(millis(10)), Some(2)));
        queue.pause(0, millis(14));
        assert_eq!(queue.next_due(), Some(millis(10)), "it is over before the third attempt");
        assert_eq!(queue.due(millis(12)), Some(Due::TimedOut(0, 2)));
        queue.answer(0, "late");
        assert_eq!(passed(&mut queue), "1");
        assert_eq!(queue.next_due(), None);
    }

    #[test]
    fn an_answer_in_time_takes_its_alarm_away() {
        let mut queue = queue(Order::AsTheyCame, 5, "1 2");
        started(&mut queue);
        answer(&mut queue, 1);
        assert_eq!(queue.due(millis(99)), Some(Due::TimedOut(1, 1)));
        assert_eq!(queue.due(millis(99)), None);
    }

    #[test]
    fn what_is_held_is_what_has_not_been_handed_on_in_the_order_in_which_it_came() {
        let mut queue = queue(Order::AsAnswered, 3, "1 2 w5 3 4 5");
        started(&mut queue);
        answer(&mut queue, 2);
        answer(&mut queue, 3);
        passed(&mut queue);
        assert_eq!(queue.held().map(|held| held.record).collect::<Vec<_>>(), [1, 3, 4, 5]);
    }
}
