//! What windows must give, by definition, for one key.
//!
//! After the Dataflow model (Akidau et al., 2015): a record is assigned to windows; windows of sessions are merged; a window is late
//! when the watermark has passed its end by the allowed lateness; a trigger says when a pane is made of a window's records, which
//! are all of them or, where firing purges, those since the last pane.
//!
//! There are no windows here that are kept and updated. There is the list of all records that were let in, each with the window it
//! was assigned to; whenever something happens, the windows are made of the whole list anew. Windows are found by trying all.

use super::case::{Assigner, Case, Evictor, Time, Trigger};

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

/// A pane: window and values, in the order in which they came.
pub type Pane = ((i64, i64), Vec<u32>);

/// One key.
pub struct Model<'a> {
    case: &'a Case,
    watermark: i64,
    clock: i64,
    members: Vec<Member>,
    /// Of triggers that fire at intervals: the window, and when it fires next.
    next: Vec<((i64, i64), i64)>,
    pub panes: Vec<Pane>,
    pub late: Vec<u32>,
}

/// When something is due, of which window, and what: the order in which things happen.
type Turn = (i64, (i64, i64), Due);

/// What is due for a window: one after the other, if at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Pane,
    Close,
}

impl<'a> Model<'a> {
    pub fn new(case: &'a Case) -> Model<'a> {
        let (panes, late) = (Vec::new(), Vec::new());
        Model { case, watermark: i64::MIN, clock: 0, members: Vec::new(), next: Vec::new(), panes, late }
    }

    fn in_event_time(&self) -> bool {
        self.case.time == Time::Event
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

    fn closes(&self, (_, end): (i64, i64)) -> i64 {
        if self.in_event_time() { end - 1 + self.case.lateness } else { end }
    }

    pub fn record(&mut self, at: i64, value: u32) {
        let time = if self.in_event_time() { at } else { self.clock };
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
            self.on_member(place, &group, time);
        }
        if !let_in && self.in_event_time() && at.saturating_add(self.case.lateness) <= self.watermark {
            self.late.push(value);
        }
    }

    fn on_member(&mut self, place: usize, group: &Group, time: i64) {
        let is_over = self.in_event_time() && group.window.1 - 1 <= self.watermark;
        let unfired: Vec<_> = group.members.iter().filter(|member| !self.members[**member].fired).collect();
        let is_due = unfired.iter().any(|member| self.members[**member].pane_due.is_some());
        let mut after = |delay: i64, clock: i64| {
            if !is_due {
                self.members[place].pane_due = Some(clock + delay);
            }
        };
        match self.case.trigger {
            Trigger::AtEnd { late_every: None, .. } if is_over => self.pane(group),
            Trigger::AtEnd { late_every: Some(delay), .. } if is_over => after(delay, self.clock),
            Trigger::AtEnd { early_count: Some(count), .. } if unfired.len() >= count => self.pane(group),
            Trigger::AtEnd { early_every: Some(delay), .. } => after(delay, self.clock),
            Trigger::AtEnd { .. } => {}
            Trigger::EveryCount { count } if unfired.len() >= count => self.pane(group),
            Trigger::EveryCount { .. } => {}
            Trigger::EveryEventTime { .. } if is_over => self.pane(group),
            Trigger::EveryEventTime { interval } => self.first_at(group, time, interval, group.window.1 - 1),
            Trigger::EveryProcessingTime { interval } => {
                let last = if self.in_event_time() { i64::MAX } else { group.window.1 };
                self.first_at(group, self.clock, interval, last);
            }
        }
    }

    fn first_at(&mut self, group: &Group, time: i64, interval: i64, last: i64) {
        if self.next.iter().all(|(window, _)| *window != group.window) {
            self.next.push((group.window, multiple_after(time, interval).min(last)));
        }
    }

    /// A pane is made of a window.
    fn pane(&mut self, group: &Group) {
        let mut members: Vec<usize> = group.members.clone();
        members.iter().for_each(|member| self.members[*member].fired = true);
        members.retain(|member| !self.members[*member].dropped);
        if members.is_empty() {
            return;
        }
        let kept = match self.case.evictor {
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
            self.panes.push((group.window, values));
        }
        for member in members {
            self.members[member].dropped = self.case.purges || !kept.contains(&member);
        }
    }

    /// What is due in event time.
    fn due_in_event_time(&self, group: &Group, since: i64) -> Vec<(i64, Due)> {
        let mut due = Vec::new();
        let at_end = matches!(self.case.trigger, Trigger::AtEnd { .. } | Trigger::EveryEventTime { .. });
        if !self.in_event_time() {
            return due;
        }
        if at_end && group.window.1 - 1 > since {
            due.push((group.window.1 - 1, Due::Pane));
        }
        due.push((self.closes(group.window), Due::Close));
        due
    }

    pub fn advance_watermark(&mut self, watermark: i64) {
        if watermark <= self.watermark {
            return;
        }
        let since = std::mem::replace(&mut self.watermark, watermark);
        let interval = match self.case.trigger {
            Trigger::EveryEventTime { interval } => Some(interval),
            _ => None,
        };
        let mut done = (i64::MIN, (i64::MIN, i64::MIN), Due::Pane);
        loop {
            let mut waiting: Vec<(Turn, Group)> = Vec::new();
            for group in self.groups() {
                for (at, due) in self.due_in_event_time(&group, since) {
                    let due = (at, group.window, due);
                    if at > since && due > done {
                        waiting.push((due, group.clone()));
                    }
                }
                if interval.is_some()
                    && let Some((_, next)) = self.next.iter().find(|(window, _)| *window == group.window)
                {
                    waiting.push(((*next, group.window, Due::Pane), group));
                }
            }
            let first = waiting.into_iter().min().filter(|((at, ..), _)| *at <= watermark);
            let Some(((at, window, due), group)) = first else { break };
            match due {
                Due::Pane => self.pane(&group),
                Due::Close => self.close(&group),
            }
            if let Some(interval) = interval {
                let last = window.1 - 1;
                let fired = |(of, next): &&mut ((i64, i64), i64)| *of == window && *next == at;
                for (_, next) in self.next.iter_mut().filter(fired) {
                    *next = if at == last { i64::MAX } else { multiple_after(at, interval).min(last) };
                }
            }
            done = done.max((at, window, due));
        }
    }

    /// A window is over for good.
    fn close(&mut self, group: &Group) {
        let late_is_pending = matches!(self.case.trigger, Trigger::AtEnd { late_every: Some(_), .. });
        if late_is_pending && group.members.iter().any(|member| !self.members[*member].fired) {
            self.pane(group);
        }
        self.next.retain(|(window, _)| *window != group.window);
        let mut place = 0;
        self.members.retain(|_| {
            place += 1;
            !group.members.contains(&(place - 1))
        });
    }

    pub fn advance_clock(&mut self, clock: i64) {
        let clock = clock.max(self.clock);
        self.clock = clock;
        let interval = match self.case.trigger {
            Trigger::EveryProcessingTime { interval } => Some(interval),
            _ => None,
        };
        loop {
            let mut due: Vec<(i64, Group, Due)> = Vec::new();
            for group in self.groups() {
                let unfired =
                    group.members.iter().map(|member| &self.members[*member]).filter(|member| !member.fired);
                if let Some(pane_due) = unfired.filter_map(|member| member.pane_due).min() {
                    due.push((pane_due, group.clone(), Due::Pane));
                }
                if interval.is_some()
                    && let Some((_, next)) = self.next.iter().find(|(window, _)| *window == group.window)
                {
                    due.push((*next, group.clone(), Due::Pane));
                }
                if !self.in_event_time() {
                    if matches!(self.case.trigger, Trigger::AtEnd { .. }) {
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
            match kind {
                Due::Pane => {
                    self.pane(&group);
                    if let Some(interval) = interval {
                        let last = if self.in_event_time() { i64::MAX } else { group.window.1 };
                        let next = self.next.iter_mut().filter(|(window, _)| *window == group.window);
                        next.for_each(|(_, next)| {
                            *next =
                                if at == last { i64::MAX } else { multiple_after(at, interval).min(last) };
                        });
                    }
                    if !self.in_event_time() && at == group.window.1 {
                        self.close(&group);
                    }
                }
                Due::Close => self.close(&group),
            }
        }
    }
}

fn multiple_after(time: i64, interval: i64) -> i64 {
    (time.div_euclid(interval) + 1) * interval
}
