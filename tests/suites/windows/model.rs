//! What windows must give, by definition, for one key.
//!
//! After the Dataflow model (Akidau et al., 2015): a record is assigned to windows; windows of sessions are merged; a window is late
//! when the watermark has passed its end by the allowed lateness; a trigger says when a pane is made of a window's records, which
//! are all of them or, where firing purges, those since the last pane.
//!
//! There are no windows here that are kept and updated. There is the list of all records that were let in, each with the window it
//! was assigned to; whenever something happens, the windows are made of the whole list anew. Windows are found by trying all.
//!
//! What the Dataflow model leaves open is as in Flink: of triggers that fire at intervals, when the next firing is, and what
//! becomes of it when windows are merged.

use std::collections::BTreeSet;

use super::case::{Assigner, Case, Evictor, Time, Trigger};

/// The window that never ends.
pub const ALL_TIME: (i64, i64) = (i64::MIN, i64::MAX);

/// A record in one of its windows.
#[derive(Clone, Debug)]
struct Member {
    value: u32,
    /// Its event time.
    at: i64,
    /// Its window, before any merging.
    window: (i64, i64),
    /// Whether a pane was made since it came.
    fired: bool,
    /// Whether it is no part of further panes.
    dropped: bool,
    /// When a pane is due because of it, in processing time.
    pane_due: Option<i64>,
}

/// A window, and its members' places.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group {
    window: (i64, i64),
    members: Vec<usize>,
}

/// A pane: window, event time, and values, in the order in which they came.
pub type Pane = ((i64, i64), i64, Vec<u32>);

/// What a trigger that fires at intervals knows of a window: when it fires next, and when it wants to be asked.
struct Interval {
    window: (i64, i64),
    next: Option<i64>,
    timers: BTreeSet<i64>,
}

/// One key.
pub struct Model<'a> {
    case: &'a Case,
    watermark: i64,
    clock: i64,
    members: Vec<Member>,
    /// Of triggers that fire at intervals.
    intervals: Vec<Interval>,
    pub panes: Vec<Pane>,
    pub late: Vec<u32>,
}

/// When something is due, of which window, and what: the order in which things happen.
type Turn = (i64, (i64, i64), Due);

/// What is due for a window: one after the other, if at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Pane,
    Interval,
    Close,
}

impl<'a> Model<'a> {
    pub fn new(case: &'a Case) -> Model<'a> {
        let (panes, late) = (Vec::new(), Vec::new());
        Model { case, watermark: i64::MIN, clock: 0, members: Vec::new(), intervals: Vec::new(), panes, late }
    }

    fn in_event_time(&self) -> bool {
        self.case.time == Time::Event && !self.case.assigner.is_endless()
    }

    fn by_clock(&self) -> bool {
        self.case.time == Time::Processing && !self.case.assigner.is_endless()
    }

    /// The trigger, and whether it purges.
    fn trigger(&self) -> (Trigger, bool) {
        match (self.case.trigger, self.case.assigner) {
            (Trigger::Default, Assigner::Count { slide, tumbles, .. }) => {
                (Trigger::EveryCount { count: slide as usize }, tumbles)
            }
            (Trigger::Default, _) => {
                (Trigger::AtEnd { early_every: None, early_count: None, late_every: None }, false)
            }
            (trigger, _) => (trigger, self.case.purges),
        }
    }

    /// What drops records: of sliding windows by count as they are, all but the last.
    fn evictor(&self) -> Option<Evictor> {
        match (self.case.evictor, self.case.trigger, self.case.assigner) {
            (None, Trigger::Default, Assigner::Count { size, tumbles: false, .. }) => {
                Some(Evictor::Last(size as usize))
            }
            (evictor, ..) => evictor,
        }
    }

    /// The last time of a window.
    fn last((_, end): (i64, i64)) -> i64 {
        if end == i64::MAX { end } else { end - 1 }
    }

    /// All windows that have the time, those that end later first.
    fn assign(&self, time: i64, value: u32) -> Vec<(i64, i64)> {
        let has = |window: &(i64, i64)| window.0 <= time && time < window.1;
        // Wherever a window of this length can begin that has the time, and then some.
        let around = |length: i64, every: i64, offset: i64| {
            let from = (time - length - offset).div_euclid(every) - 2;
            let to = (time - offset).div_euclid(every) + 2;
            (from..=to).map(move |n| n * every + offset)
        };
        let mut windows: Vec<(i64, i64)> = match self.case.assigner {
            Assigner::Sliding { size, slide, offset } => {
                around(size, slide, offset).map(|start| (start, start + size)).filter(has).collect()
            }
            Assigner::Cumulating { max, step, offset } => around(max, max, offset)
                .flat_map(|start| (1..=max).map(move |n| (start, start + (n * step).min(max))))
                .filter(has)
                .collect(),
            Assigner::Session { gap } => vec![(time, time + gap)],
            Assigner::SessionBy => vec![(time, time + 1 + i64::from(value % 7))],
            Assigner::Global | Assigner::Count { .. } => vec![ALL_TIME],
        };
        windows.sort_by_key(|(start, end)| (-end, -start));
        windows.dedup();
        windows
    }

    /// The windows of all members.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        for (place, member) in self.members.iter().enumerate() {
            let mut group = Group { window: member.window, members: vec![place] };
            loop {
                let joined = groups.iter().position(|other| match self.case.assigner.merges() {
                    true => other.window.0 <= group.window.1 && group.window.0 <= other.window.1,
                    false => other.window == group.window,
                });
                let Some(joined) = joined else { break };
                let other = groups.remove(joined);
                group.window = (group.window.0.min(other.window.0), group.window.1.max(other.window.1));
                group.members.extend(other.members);
                group.members.sort_unstable();
            }
            groups.push(group);
        }
        groups.sort();
        groups
    }

    /// When a window is over for good.
    fn closes(&self, (_, end): (i64, i64)) -> i64 {
        if self.in_event_time() { end - 1 + self.case.lateness } else { end }
    }

    pub fn record(&mut self, at: i64, value: u32) {
        let time = if self.by_clock() { self.clock } else { at };
        let mut let_in = false;
        for window in self.assign(time, value) {
            self.members.push(Member { value, at, window, fired: false, dropped: false, pane_due: None });
            let place = self.members.len() - 1;
            let group = self.groups().into_iter().find(|group| group.members.contains(&place)).unwrap();
            if self.in_event_time() && self.closes(group.window) <= self.watermark {
                self.members.pop();
                continue;
            }
            let_in = true;
            self.on_member(place, &group, time, at);
        }
        if !let_in && self.in_event_time() && at.saturating_add(self.case.lateness) <= self.watermark {
            self.late.push(value);
        }
    }

    fn on_member(&mut self, place: usize, group: &Group, time: i64, at: i64) {
        let last = Self::last(group.window);
        let is_over = self.in_event_time() && last <= self.watermark;
        let unfired: Vec<_> = group.members.iter().filter(|member| !self.members[**member].fired).collect();
        let is_due = unfired.iter().any(|member| self.members[**member].pane_due.is_some());
        let trigger = self.trigger().0;
        let mut after = |delay: i64, clock: i64| {
            if !is_due {
                self.members[place].pane_due = Some(clock + delay);
            }
        };
        match trigger {
            Trigger::Default => unreachable!("it stands for another one"),
            Trigger::AtEnd { late_every: None, .. } if is_over => self.pane(group, at),
            Trigger::AtEnd { late_every: Some(delay), .. } if is_over => after(delay, self.clock),
            Trigger::AtEnd { early_count: Some(count), .. } if unfired.len() >= count => self.pane(group, at),
            Trigger::AtEnd { early_every: Some(delay), .. } => after(delay, self.clock),
            Trigger::AtEnd { .. } => {}
            Trigger::EveryCount { count } if unfired.len() >= count => self.pane(group, at),
            Trigger::EveryCount { .. } => {}
            Trigger::EveryEventTime { interval } => {
                let known = self.interval_of(group.window);
                if is_over {
                    return self.pane(group, at);
                }
                let known = &mut self.intervals[known];
                known.timers.insert(last);
                if known.next.is_none() {
                    known.next = Some(multiple_after(time, interval).min(last));
                    known.timers.extend(known.next);
                }
            }
            Trigger::EveryProcessingTime { interval } => {
                let last = if self.by_clock() { group.window.1 } else { i64::MAX };
                let known = self.interval_of(group.window);
                let known = &mut self.intervals[known];
                if known.next.is_none() {
                    known.next = Some(multiple_after(self.clock, interval).min(last));
                    known.timers.extend(known.next);
                }
            }
        }
    }

    /// Where it stands what is known of a window. What was known of windows that have become this one is merged: the earliest of
    /// their firings comes next.
    fn interval_of(&mut self, window: (i64, i64)) -> usize {
        if let Some(place) = self.intervals.iter().position(|known| known.window == window) {
            return place;
        }
        let is_part = |known: &mut Interval| window.0 <= known.window.0 && known.window.1 <= window.1;
        let merges = self.case.assigner.merges();
        let merged = self.intervals.extract_if(.., |known| merges && is_part(known));
        let next = merged.filter_map(|known| known.next).min();
        self.intervals.push(Interval { window, next, timers: next.into_iter().collect() });
        self.intervals.len() - 1
    }

    /// A time has come at which a trigger that fires at intervals wants to be asked. Whether it fires. As in Flink the next firing is
    /// an interval later, also if this one was at the end of a window that is longer now; but all time ends with the input.
    fn interval_is_over(&mut self, window: (i64, i64), at: i64, interval: i64, last: i64) -> bool {
        let known = self.intervals.iter_mut().find(|known| known.window == window).unwrap();
        known.timers.remove(&at);
        let by_event_time = matches!(self.case.trigger, Trigger::EveryEventTime { .. });
        if by_event_time && at == last {
            return true;
        }
        if known.next != Some(at) {
            return false;
        }
        let ends_with_the_input = by_event_time && last == i64::MAX && self.watermark == i64::MAX;
        known.next = Some(if ends_with_the_input { last } else { (at + interval).min(last) });
        known.timers.extend(known.next);
        true
    }

    /// A pane is made of a window. The window that has no end gives it the event time `at`.
    fn pane(&mut self, group: &Group, at: i64) {
        let mut members: Vec<usize> = group.members.clone();
        members.iter().for_each(|member| self.members[*member].fired = true);
        members.retain(|member| !self.members[*member].dropped);
        if members.is_empty() {
            return;
        }
        let kept = match self.evictor() {
            None => members.clone(),
            Some(Evictor::Last(count)) => members[members.len().saturating_sub(count)..].to_vec(),
            Some(Evictor::Within(length)) => {
                let newest = members.iter().map(|member| self.members[*member].at).max().unwrap();
                let is_kept = |member: &usize| self.members[*member].at > newest - length;
                members.iter().copied().filter(is_kept).collect()
            }
        };
        let values: Vec<_> = kept.iter().map(|member| self.members[*member].value).collect();
        if !values.is_empty() || !self.case.aggregates {
            let at = if self.case.assigner.is_endless() { at } else { Self::last(group.window) };
            self.panes.push((group.window, at, values));
        }
        let purges = self.trigger().1;
        for member in members {
            self.members[member].dropped = purges || !kept.contains(&member);
        }
    }

    /// What is due of a window in event time.
    fn due_in_event_time(&self, group: &Group, since: i64) -> Vec<(i64, Due)> {
        let mut due = Vec::new();
        let last = Self::last(group.window);
        match self.trigger().0 {
            Trigger::AtEnd { .. } if !self.by_clock() && last > since => due.push((last, Due::Pane)),
            Trigger::EveryEventTime { .. } => due.extend(self.timers(group.window)),
            _ => {}
        }
        due.extend(self.in_event_time().then(|| (self.closes(group.window), Due::Close)));
        due
    }

    fn timers(&self, window: (i64, i64)) -> impl Iterator<Item = (i64, Due)> {
        let known = self.intervals.iter().filter(move |known| known.window == window);
        known.flat_map(|known| known.timers.iter().map(|at| (*at, Due::Interval)))
    }

    pub fn advance_watermark(&mut self, watermark: i64) {
        if watermark <= self.watermark {
            return;
        }
        let since = std::mem::replace(&mut self.watermark, watermark);
        let mut done = (i64::MIN, (i64::MIN, i64::MIN), Due::Pane);
        loop {
            let mut waiting: Vec<(Turn, Group)> = Vec::new();
            for group in self.groups() {
                for (at, due) in self.due_in_event_time(&group, since) {
                    let due = (at, group.window, due);
                    if due.2 == Due::Interval || (at > since && due > done) {
                        waiting.push((due, group.clone()));
                    }
                }
            }
            let first = waiting.into_iter().min().filter(|((at, ..), _)| *at <= watermark);
            let Some(((at, window, due), group)) = first else { break };
            match (due, self.case.trigger) {
                (Due::Pane, _) => self.pane(&group, at),
                (Due::Interval, Trigger::EveryEventTime { interval }) => {
                    if self.interval_is_over(window, at, interval, Self::last(window)) {
                        self.pane(&group, at);
                    }
                }
                _ => self.close(&group),
            }
            if due != Due::Interval {
                done = done.max((at, window, due));
            }
        }
    }

    /// A window is over for good.
    fn close(&mut self, group: &Group) {
        let late_is_pending = matches!(self.case.trigger, Trigger::AtEnd { late_every: Some(_), .. });
        if late_is_pending && group.members.iter().any(|member| !self.members[*member].fired) {
            self.pane(group, Self::last(group.window));
        }
        self.intervals.retain(|known| known.window != group.window);
        let mut place = 0;
        self.members.retain(|_| {
            place += 1;
            !group.members.contains(&(place - 1))
        });
    }

    pub fn advance_clock(&mut self, clock: i64) {
        let clock = clock.max(self.clock);
        self.clock = clock;
        loop {
            let mut due: Vec<(i64, Group, Due)> = Vec::new();
            for group in self.groups() {
                let unfired =
                    group.members.iter().map(|member| &self.members[*member]).filter(|member| !member.fired);
                if let Some(pane_due) = unfired.filter_map(|member| member.pane_due).min() {
                    due.push((pane_due, group.clone(), Due::Pane));
                }
                if matches!(self.case.trigger, Trigger::EveryProcessingTime { .. }) {
                    due.extend(self.timers(group.window).map(|(at, due)| (at, group.clone(), due)));
                }
                if self.by_clock() {
                    if matches!(self.trigger().0, Trigger::AtEnd { .. }) {
                        due.push((group.window.1, group.clone(), Due::Pane));
                    }
                    due.push((group.window.1, group.clone(), Due::Close));
                }
            }
            due.sort();
            due.dedup();
            let Some((at, group, kind)) = due.into_iter().next().filter(|(at, ..)| *at <= clock) else {
                break;
            };
            match (kind, self.case.trigger) {
                (Due::Pane, _) => {
                    self.pane(&group, at);
                    if self.by_clock() && at == group.window.1 {
                        self.close(&group);
                    }
                }
                (Due::Interval, Trigger::EveryProcessingTime { interval }) => {
                    let last = if self.by_clock() { group.window.1 } else { i64::MAX };
                    if self.interval_is_over(group.window, at, interval, last) {
                        self.pane(&group, at);
                    }
                    if at == last {
                        self.close(&group);
                    }
                }
                _ => self.close(&group),
            }
        }
    }
}

fn multiple_after(time: i64, interval: i64) -> i64 {
    (time.div_euclid(interval) + 1) * interval
}
