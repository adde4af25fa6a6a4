//! The definition of a match, and a matcher by brute force that is written from it: it tries every way to give events to
//! steps, and looks at each as a whole. The operator must find the same, in the same order.
//!
//! A *reading* is a list of takes, each a step and an event. Its next take is bound to a step by the first event after its
//! last; a reading is alive for as long as there is a step that could still take its next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::step::{Contiguity, Inner};
use super::{Aside, Match, Pattern, PatternMatch, Skip, SoFar, Times};
use crate::testing::Harness;
use crate::time::EventTime;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Key, letter, value, number.
type Event = (u8, u8, u8, u32);

/// Which events are meant: some letters, perhaps only with a value above that of the last event of a step.
#[derive(Clone, Copy, Debug)]
struct Meant {
    letters: u8,
    above: Option<usize>,
}

#[derive(Clone, Debug)]
struct StepSpec {
    not_next: Option<Meant>,
    not_followed_by: Option<Meant>,
    contiguity: Contiguity,
    meant: Meant,
    /// One event only, without.
    times: Option<Times>,
    inner: Inner,
    until: Option<Meant>,
    optional: bool,
    greedy: bool,
}

#[derive(Clone, Debug)]
struct Spec {
    steps: Vec<StepSpec>,
    /// What must not come at the end.
    not_next: Option<Meant>,
    not_followed_by: Option<Meant>,
    within: Option<i64>,
    by_clock: bool,
    skip: Skip,
}

impl Spec {
    fn pattern(&self) -> Pattern<Event> {
        let mut pattern: Option<Pattern<Event>> = None;
        for (index, step) in self.steps.iter().enumerate() {
            let name = NAMES[index];
            let mut next = match pattern {
                None => Pattern::begin(name),
                Some(pattern) => {
                    let pattern = forbid(pattern, index, step.not_next, step.not_followed_by);
                    match step.contiguity {
                        Contiguity::Next => pattern.next(name),
                        Contiguity::FollowedBy => pattern.followed_by(name),
                        Contiguity::FollowedByAny => pattern.followed_by_any(name),
                    }
                }
            };
            next = next.filter_with(step.meant.condition());
            if let Some(times) = step.times {
                next = next.times(times);
            }
            next = match step.inner {
                Inner::Relaxed => next,
                Inner::Consecutive => next.consecutive(),
                Inner::Combinations => next.allow_combinations(),
            };
            next = if step.optional { next.optional() } else { next };
            next = if step.greedy { next.greedy() } else { next };
            next = match step.until {
                Some(until) => next.until_with(until.condition()),
                None => next,
            };
            pattern = Some(next);
        }
        let pattern = pattern.unwrap().skip(self.skip);
        let pattern = forbid(pattern, self.steps.len(), self.not_next, self.not_followed_by);
        let pattern = if self.by_clock { pattern.processing_time() } else { pattern };
        match self.within {
            Some(within) => pattern.within(Duration::from_millis(within as u64)),
            None => pattern,
        }
    }
}

fn forbid(
    mut pattern: Pattern<Event>,
    gap: usize,
    not_next: Option<Meant>,
    not_followed_by: Option<Meant>,
) -> Pattern<Event> {
    const NOT_NEXT: [&str; 5] = ["", "not next 1", "not next 2", "not next 3", "not next 4"];
    const NOT_FOLLOWED_BY: [&str; 5] = ["", "not 1", "not 2", "not 3", "not 4"];
    if let Some(meant) = not_next {
        pattern = pattern.not_next(NOT_NEXT[gap]).filter_with(meant.condition());
    }
    if let Some(meant) = not_followed_by {
        pattern = pattern.not_followed_by(NOT_FOLLOWED_BY[gap]).filter_with(meant.condition());
    }
    pattern
}

impl Meant {
    fn condition(self) -> impl Fn(&Event, &SoFar<'_, Event>) -> bool + Send + Sync + 'static {
        move |event, so_far| {
            self.letters & (1 << event.1) != 0
                && self
                    .above
                    .is_none_or(|step| so_far.last(NAMES[step]).is_none_or(|before| event.2 > before.2))
        }
    }
}

/// The takes of a reading: step and event.
type Takes = Vec<(usize, usize)>;

/// The model: the events of one key, in order, with their times.
struct Model<'a> {
    spec: &'a Spec,
    events: &'a [(Event, i64)],
}

impl Model<'_> {
    fn is(&self, meant: Meant, event: usize, takes: &[(usize, usize)]) -> bool {
        let value = |event: usize| self.events[event].0.2;
        let before = |step: usize| takes.iter().rfind(|take| take.0 == step).map(|take| value(take.1));
        let above = meant.above.and_then(before).is_none_or(|before| value(event) > before);
        meant.letters & (1 << self.events[event].0.1) != 0 && above
    }

    fn meant(&self, step: usize, event: usize, takes: &[(usize, usize)]) -> bool {
        self.is(self.spec.steps[step].meant, event, takes)
    }

    fn ended(&self, step: usize, event: usize, takes: &[(usize, usize)]) -> bool {
        self.spec.steps[step].until.is_some_and(|until| self.is(until, event, takes))
    }

    fn times(&self, step: usize) -> Times {
        self.spec.steps[step].times.unwrap_or(Times::ONCE)
    }

    fn count(takes: &[(usize, usize)]) -> u32 {
        let last = takes.last().map(|take| take.0);
        takes.iter().filter(|take| Some(take.0) == last).count() as u32
    }

    fn enough(&self, takes: &[(usize, usize)]) -> bool {
        takes.last().is_none_or(|last| Self::count(takes) >= self.times(last.0).min)
    }

    /// The forbidden ones behind a step: directly, anywhere.
    fn forbidden(&self, behind: usize) -> (Option<Meant>, Option<Meant>) {
        match self.spec.steps.get(behind + 1) {
            Some(step) => (step.not_next, step.not_followed_by),
            None => (self.spec.not_next, self.spec.not_followed_by),
        }
    }

    /// The steps that may take the next event; one more than there are is the end, where something must not come.
    fn targets(&self, takes: &[(usize, usize)]) -> Vec<usize> {
        let end = self.spec.steps.len();
        let to_the_end = self.spec.not_next.is_some() || self.spec.not_followed_by.is_some();
        let mut targets = Vec::new();
        let mut next = 0;
        if let Some(&(step, _)) = takes.last() {
            if self.times(step).max.is_none_or(|max| Self::count(takes) < max) {
                targets.push(step);
            }
            if !self.enough(takes) {
                return targets;
            }
            next = step + 1;
        }
        while next < end {
            targets.push(next);
            if !self.optional(next) {
                return targets;
            }
            next += 1;
        }
        targets.extend(to_the_end.then_some(end));
        targets
    }

    fn optional(&self, step: usize) -> bool {
        self.spec.steps[step].optional || self.spec.steps[step].times.is_some_and(|times| times.min == 0)
    }

    /// Whether the event ends the reading because it must not come.
    fn stops(&self, takes: &[(usize, usize)], event: usize) -> bool {
        let Some(&(step, last)) = takes.last() else { return false };
        let (not_next, not_followed_by) = self.forbidden(step);
        let directly_behind = event == last + 1 && self.enough(takes);
        not_followed_by.is_some_and(|meant| self.is(meant, event, takes))
            || (directly_behind && not_next.is_some_and(|meant| self.is(meant, event, takes)))
    }

    /// Whether a greedy step before the target would have the event, and has not come to its end before.
    fn wanted(&self, takes: &[(usize, usize)], target: usize, event: usize) -> bool {
        let (from, since) = takes.last().map_or((0, event), |last| (last.0, last.1 + 1));
        let again = takes.last().is_some_and(|last| last.0 == target);
        (from..target).filter(|_| !again).any(|step| {
            let spec = &self.spec.steps[step];
            let guards = spec.greedy && spec.times.is_some_and(|times| times.max != Some(times.min.max(1)));
            guards
                && self.meant(step, event, takes)
                && !(since..=event).any(|event| self.ended(step, event, takes))
        })
    }

    /// Whether the target may take the event.
    fn takes(&self, takes: &[(usize, usize)], target: usize, event: usize) -> bool {
        self.meant(target, event, takes)
            && !self.ended(target, event, takes)
            && !self.wanted(takes, target, event)
    }

    /// Whether the event may pass while the target waits.
    fn passes(&self, takes: &[(usize, usize)], target: usize, event: usize) -> bool {
        let Some(&(step, _)) = takes.last() else { return false };
        if self.stops(takes, event) || self.wanted(takes, target, event) {
            return false;
        }
        let Some(spec) = self.spec.steps.get(target) else { return self.spec.not_followed_by.is_some() };
        if target == step {
            let ended = self.ended(target, event, takes);
            match spec.inner {
                Inner::Consecutive => false,
                Inner::Relaxed => !ended && !self.meant(target, event, takes),
                Inner::Combinations => !ended,
            }
        } else {
            match spec.contiguity {
                Contiguity::Next => false,
                Contiguity::FollowedBy => !self.meant(target, event, takes),
                Contiguity::FollowedByAny => true,
            }
        }
    }

    /// Whether every event behind the reading, up to but without `end`, may pass while the target waits.
    fn waits(&self, takes: &[(usize, usize)], target: usize, end: usize) -> bool {
        takes.last().is_none_or(|last| (last.1 + 1..end).all(|event| self.passes(takes, target, event)))
    }

    /// Whether the reading with its last take is a match, all that could follow being optional.
    fn whole(&self, takes: &[(usize, usize)]) -> bool {
        let Some((&(step, event), before)) = takes.split_last() else { return false };
        let steps = self.spec.steps.len();
        let rest_is_optional = (step + 1..steps).all(|step| self.optional(step));
        let (not_next, _) = self.forbidden(step);
        let wants_more = |step: usize| {
            let spec = &self.spec.steps[step];
            spec.greedy
                && spec.times.is_some_and(|times| times.max != Some(times.min.max(1)))
                && self.meant(step, event, before)
                && !self.ended(step, event, before)
        };
        self.enough(takes)
            && rest_is_optional
            && self.spec.not_next.is_none()
            && self.spec.not_followed_by.is_none()
            && !(step..steps - 1).any(wants_more)
            && !not_next.is_some_and(|meant| self.is(meant, event, before))
    }

    fn in_time(&self, takes: &[(usize, usize)], at: i64) -> bool {
        takes
            .first()
            .is_none_or(|first| self.spec.within.is_none_or(|within| at - self.events[first.1].1 < within))
    }

    /// Every reading there is that is still open behind its last take, and every match: with the event that completes it.
    fn readings(&self, takes: &mut Takes, open: &mut Vec<Takes>, matches: &mut Vec<(usize, Takes)>) {
        let from = takes.last().map_or(0, |last| last.1 + 1);
        for event in from..self.events.len() {
            for target in self.targets(takes) {
                if target == self.spec.steps.len() {
                    let completes = self.spec.not_followed_by.is_none() && event == from;
                    if completes
                        && !self.stops(takes, event)
                        && !self.wanted(takes, target, event)
                        && self.in_time(takes, self.events[event].1)
                    {
                        matches.push((event, takes.clone()));
                    }
                    continue;
                }
                if !self.waits(takes, target, event)
                    || !self.takes(takes, target, event)
                    || !self.in_time(takes, self.events[event].1)
                {
                    continue;
                }
                let stops = self.stops(takes, event);
                takes.push((target, event));
                if self.whole(takes) {
                    matches.push((event, takes.clone()));
                }
                if !stops {
                    open.push(takes.clone());
                    self.readings(takes, open, matches);
                }
                takes.pop();
            }
        }
    }

    /// Whether a reading is alive when all events before `end` have happened.
    fn alive(&self, takes: &[(usize, usize)], end: usize) -> bool {
        self.targets(takes).into_iter().any(|target| {
            let only_not_next = target == self.spec.steps.len() && self.spec.not_followed_by.is_none();
            self.waits(takes, target, end)
                && !(only_not_next && takes.last().is_some_and(|last| last.1 + 1 < end))
        })
    }

    /// What comes out: matches in their order, with their times; and timed-out readings.
    fn run(&self) -> (Vec<(Takes, i64)>, Vec<Takes>) {
        let (mut open, mut whole) = (Vec::new(), Vec::new());
        self.readings(&mut Vec::new(), &mut open, &mut whole);
        // What happens, in order: the end of a time comes before the events of that time.
        let mut moments: BTreeMap<(i64, bool), Vec<usize>> = BTreeMap::new();
        for (event, (_, at)) in self.events.iter().enumerate() {
            moments.entry((*at, true)).or_default().push(event);
            if let Some(within) = self.spec.within {
                moments.entry((at + within, false)).or_default().push(event);
            }
        }
        let (mut out, mut timed_out) = (Vec::new(), Vec::new());
        let mut waiting: Vec<(usize, Takes)> = Vec::new();
        let (mut happened, mut given_up) = (0, 0);
        let mut over = BTreeSet::new();
        for ((at, is_event), events) in moments {
            let steps: Vec<Vec<usize>> =
                if is_event { events.into_iter().map(|event| vec![event]).collect() } else { vec![events] };
            for events in steps {
                let mut complete: Vec<Takes> = Vec::new();
                if is_event {
                    happened = events[0] + 1;
                    complete.extend(
                        whole.iter().filter(|found| found.0 == events[0]).map(|found| found.1.clone()),
                    );
                    complete.retain(|takes| takes[0].1 >= given_up);
                } else {
                    let ends = |takes: &&Takes| {
                        events.contains(&takes[0].1)
                            && takes[0].1 >= given_up
                            && takes[takes.len() - 1].1 < happened
                            && self.alive(takes, happened)
                    };
                    for takes in open.iter().filter(ends) {
                        let end = self.spec.steps.len();
                        let waited = self.spec.not_followed_by.is_some()
                            && self.targets(takes).contains(&end)
                            && self.waits(takes, end, happened);
                        if waited {
                            complete.push(takes.clone());
                        } else {
                            timed_out.push(takes.clone());
                        }
                    }
                    over.extend(events);
                }
                let order = |takes: &Takes| {
                    let mut events: Vec<usize> = takes.iter().map(|take| take.1).collect();
                    events.push(usize::MAX);
                    (events, takes.iter().map(|take| take.0).collect::<Vec<_>>())
                };
                complete.sort_by_key(order);
                waiting.extend(complete.into_iter().map(|takes| (takes[0].1, takes)));
                waiting.sort_by_key(|(first, _)| *first);
                while let Some((first, takes)) = waiting.first().cloned() {
                    let earlier = open.iter().any(|reading| {
                        let began = reading[0].1;
                        began < first
                            && began >= given_up
                            && !over.contains(&began)
                            && reading[reading.len() - 1].1 < happened
                            && self.alive(reading, happened)
                    });
                    if self.spec.skip != Skip::None && earlier {
                        break;
                    }
                    waiting.remove(0);
                    let of = |name: &'static str| takes.iter().filter(move |take| NAMES[take.0] == name);
                    let until = match self.spec.skip {
                        Skip::None => 0,
                        Skip::ToNext => first + 1,
                        Skip::PastLast => takes[takes.len() - 1].1 + 1,
                        Skip::ToFirst(name) => of(name).next().map_or(0, |take| take.1),
                        Skip::ToLast(name) => of(name).next_back().map_or(0, |take| take.1),
                    };
                    given_up = given_up.max(until);
                    waiting.retain(|(first, _)| *first >= given_up);
                    out.push((takes, at));
                }
            }
        }
        (out, timed_out)
    }
}

#[derive(Clone, Copy, Debug)]
enum Happening {
    Event { key: u8, letter: u8, value: u8, at: i64 },
    Watermark(i64),
    Restore,
}

/// Events whose times go up and down a little, with watermarks behind them: a few events are late.
fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    let event = |(key, letter, value, at)| Happening::Event { key: u8::from(key == 0), letter, value, at };
    let happening = prop_oneof![
        12 => (0..4u8, 0..3u8, 0..4u8, 0..4i64).prop_map(event),
        2 => (0..4i64).prop_map(Happening::Watermark),
        1 => Just(Happening::Restore),
    ];
    prop::collection::vec((happening, 0..3i64), 0..14).prop_map(|happenings| {
        let mut now = 0;
        let placed = |(happening, passes)| {
            now += passes;
            match happening {
                Happening::Event { key, letter, value, at } => {
                    Happening::Event { key, letter, value, at: now - at }
                }
                Happening::Watermark(behind) => Happening::Watermark(now - behind),
                Happening::Restore => Happening::Restore,
            }
        };
        happenings.into_iter().map(placed).collect()
    })
}

fn meant(step: usize) -> impl Strategy<Value = Meant> {
    let letters = prop::sample::select(vec![1u8, 1, 2, 2, 4, 4, 3, 5, 6, 7]);
    (letters, prop::option::weighted(0.15, 0..=step)).prop_map(|(letters, above)| Meant { letters, above })
}

fn step(index: usize) -> impl Strategy<Value = StepSpec> {
    let times = prop_oneof![
        5 => Just(None),
        4 => Just(Some(Times::from(1..))),
        1 => Just(Some(Times::from(0..))),
        1 => Just(Some(Times::from(2..))),
        1 => Just(Some(Times::from(2))),
        2 => (0..3u32, 1..3u32).prop_map(|(min, more)| Some(Times::from(min..=min + more))),
    ];
    let contiguity = [Contiguity::Next, Contiguity::FollowedBy, Contiguity::FollowedByAny];
    let inner = vec![Inner::Relaxed, Inner::Relaxed, Inner::Consecutive, Inner::Combinations];
    let flags = (prop::bool::weighted(0.2), prop::bool::weighted(0.3));
    let until = prop::option::weighted(0.15, meant(index));
    let forbidden = (prop::option::weighted(0.12, meant(index)), prop::option::weighted(0.15, meant(index)));
    let of = (prop::sample::select(contiguity.to_vec()), prop::sample::select(inner));
    (of, meant(index), times, until, flags, forbidden).prop_map(
        move |((contiguity, inner), meant, times, until, (optional, greedy), (not_next, not_followed_by))| {
            let several = times.is_some();
            let inner = if several { inner } else { Inner::Relaxed };
            StepSpec {
                not_next: not_next.filter(|_| index > 0),
                not_followed_by: not_followed_by.filter(|_| index > 0),
                contiguity,
                meant,
                times,
                inner,
                until: until.filter(|_| times.is_some_and(|times| times.max.is_none())),
                optional,
                greedy: greedy && several && inner != Inner::Combinations,
            }
        },
    )
}

fn spec() -> impl Strategy<Value = Spec> {
    let steps = (1..=4usize).prop_flat_map(|count| (0..count).map(step).collect::<Vec<_>>());
    let skip = prop::sample::select(vec![
        Skip::None,
        Skip::None,
        Skip::None,
        Skip::ToNext,
        Skip::PastLast,
        Skip::ToFirst("a"),
        Skip::ToFirst("b"),
        Skip::ToLast("a"),
        Skip::ToLast("b"),
    ]);
    let forbidden = (prop::option::weighted(0.1, meant(0)), prop::option::weighted(0.2, meant(0)));
    let time = (prop::option::of(1..12i64), prop::bool::weighted(0.2));
    (steps, forbidden, time, skip).prop_map(
        |(mut steps, (not_next, not_followed_by), (within, by_clock), skip)| {
            // What must not come can't be behind what may be left out.
            let optional: Vec<bool> = steps
                .iter()
                .map(|step| step.optional || step.times.is_some_and(|times| times.min == 0))
                .collect();
            for index in 1..steps.len() {
                if optional[index - 1] {
                    (steps[index].not_next, steps[index].not_followed_by) = (None, None);
                }
            }
            let last_is_optional = optional[optional.len() - 1];
            let named = skip.step().is_none_or(|name| NAMES[..steps.len()].contains(&name));
            Spec {
                not_next: not_next.filter(|_| !last_is_optional),
                not_followed_by: not_followed_by.filter(|_| !last_is_optional && within.is_some()),
                within,
                by_clock,
                skip: if named { skip } else { Skip::PastLast },
                steps,
            }
        },
    )
}

/// A match as the numbers of its events, each with its step.
fn numbers(found: &Match<Event>) -> Vec<(String, u32)> {
    found.iter().map(|(step, event)| (step.to_string(), event.3)).collect()
}

type Numbers = Vec<(String, u32)>;

/// What the operator finds: matches of each key in order, timed-out partial matches sorted, late ones.
type Outcome = (BTreeMap<u8, Vec<(Numbers, i64)>>, Vec<Numbers>, Vec<u32>);

fn operate(spec: &Spec, happenings: &[Happening]) -> (Outcome, usize) {
    let mut harness =
        Harness::new(PatternMatch::of(spec.pattern()).unwrap(), |event: &Event| event.0).unwrap();
    let mut clock = 0;
    for (number, happening) in (0..).zip(happenings) {
        match *happening {
            Happening::Event { key, letter, value, at } if spec.by_clock => {
                clock = at.max(clock);
                let now = EventTime::from_millis(clock);
                harness.advance_processing_time(now).unwrap();
                harness.push((key, letter, value, number), now).unwrap();
            }
            Happening::Watermark(at) => harness.advance_watermark(EventTime::from_millis(at)).unwrap(),
            Happening::Restore => harness.restore().unwrap(),
            Happening::Event { key, letter, value, at } => {
                harness.push((key, letter, value, number), EventTime::from_millis(at)).unwrap();
            }
        }
    }
    // All time is up.
    harness.advance_processing_time(EventTime::from_millis(1_000)).unwrap();
    harness.advance_watermark(EventTime::MAX).unwrap();
    let mut matches: BTreeMap<u8, Vec<(Numbers, i64)>> = BTreeMap::new();
    for (found, at) in harness.take_timed_output() {
        let key = found.iter().next().unwrap().1.0;
        matches.entry(key).or_default().push((numbers(&found), at.as_millis()));
    }
    let (mut timed_out, mut late) = (Vec::new(), Vec::new());
    for aside in harness.take_side_output() {
        match aside {
            Aside::TimedOut(partial) => timed_out.push(numbers(&partial)),
            Aside::Late(event) => late.push(event.3),
        }
    }
    timed_out.sort();
    let rows = if spec.within.is_some() { harness.rows().unwrap() } else { 0 };
    ((matches, timed_out, late), rows)
}

fn model(spec: &Spec, happenings: &[Happening]) -> Outcome {
    let mut events: BTreeMap<u8, Vec<(Event, i64)>> = BTreeMap::new();
    let (mut watermark, mut clock, mut late) = (i64::MIN, 0, Vec::new());
    for (number, happening) in (0..).zip(happenings) {
        match *happening {
            Happening::Event { key, letter, value, at } if spec.by_clock => {
                clock = at.max(clock);
                events.entry(key).or_default().push(((key, letter, value, number), clock));
            }
            Happening::Watermark(at) => watermark = watermark.max(at),
            Happening::Event { at, .. } if at <= watermark => late.push(number),
            Happening::Event { key, letter, value, at } => {
                events.entry(key).or_default().push(((key, letter, value, number), at));
            }
            Happening::Restore => {}
        }
    }
    let (mut matches, mut timed_out) = (BTreeMap::new(), Vec::new());
    for (key, mut events) in events {
        events.sort_by_key(|(_, at)| *at);
        let numbers = |takes: &Takes| -> Numbers {
            takes.iter().map(|(step, event)| (NAMES[*step].to_string(), events[*event].0.3)).collect()
        };
        let (out, over) = Model { spec, events: &events }.run();
        let out: Vec<(Numbers, i64)> = out.iter().map(|(takes, at)| (numbers(takes), *at)).collect();
        if !out.is_empty() {
            matches.insert(key, out);
        }
        timed_out.extend(over.iter().map(numbers));
    }
    timed_out.sort();
    (matches, timed_out, late)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn it_finds_what_brute_force_finds(
        spec in spec(),
        happenings in happenings(),
    ) {
        let (found, rows) = operate(&spec, &happenings);
        prop_assert_eq!(found, model(&spec, &happenings));
        prop_assert_eq!(rows, 0, "nothing is remembered when all time is up");
    }
}
