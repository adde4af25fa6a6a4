//! Windows against a model of them: whatever happens to whatever windows, what comes out is what the definitions say.
//!
//! Every case drives one operator by hand, with records in and out of order, watermarks, a clock, and snapshots that it is restored
//! from. The [model](model) keeps no windows at all.

mod case;
mod jobs;
mod model;

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate::operator::Operator;
use tidegate::prelude::*;
use tidegate::testing::Harness;
use tidegate::window::assigner::Slicing;
use tidegate::window::{
    AtEnd, Domain, EveryCount, EveryEventTime, EveryProcessingTime, Evictor, GlobalWindow, KeepLast,
    KeepWithin, Purging, SlidingCount, Trigger, TriggerContext, TriggerResult, TumblingCount, Window,
    WindowAssigner, Windowing,
};

use self::case::{Case, Step, Time};
use self::model::{Model, Pane};
use super::state_model::under_seeds;

/// A record: its key and its number. The time comes beside it.
type Record = (u8, u32);

fn span(millis: i64) -> Duration {
    Duration::from_millis(millis as u64)
}

/// One assigner that is any of those by time, so that the operator is compiled once and not for each.
enum AnyAssigner {
    Tumbling(Tumbling),
    Sliding(Sliding),
    Cumulating(Cumulating),
    Session(Session),
    SessionBy(tidegate::window::SessionBy<Record, fn(&Record) -> Duration>),
}

impl AnyAssigner {
    fn of(case: &Case) -> AnyAssigner {
        let offset = |offset: i64, period: i64| span(offset.rem_euclid(period));
        let by_clock = case.time == Time::Processing;
        match case.assigner {
            case::Assigner::Sliding { size, slide, offset: o } if size == slide => {
                let windows = Tumbling::of(span(size)).offset(offset(o, size));
                AnyAssigner::Tumbling(if by_clock { windows.processing_time() } else { windows })
            }
            case::Assigner::Sliding { size, slide, offset: o } => {
                let windows = Sliding::of(span(size)).every(span(slide)).offset(offset(o, slide));
                AnyAssigner::Sliding(if by_clock { windows.processing_time() } else { windows })
            }
            case::Assigner::Cumulating { max, step, offset: o } => {
                let windows = Cumulating::of(span(max)).step(span(step)).offset(offset(o, max));
                AnyAssigner::Cumulating(if by_clock { windows.processing_time() } else { windows })
            }
            case::Assigner::Session { gap } => {
                let windows = Session::gap(span(gap));
                AnyAssigner::Session(if by_clock { windows.processing_time() } else { windows })
            }
            case::Assigner::SessionBy => {
                let gap: fn(&Record) -> Duration = |(_, number)| span(1 + i64::from(number % 7));
                let windows = Session::gap_by(gap);
                AnyAssigner::SessionBy(if by_clock { windows.processing_time() } else { windows })
            }
            case::Assigner::Global | case::Assigner::Count { .. } => unreachable!("its windows have no end"),
        }
    }
}

macro_rules! any_assigner {
    ($self:ident, $windows:ident => $then:expr) => {
        match $self {
            AnyAssigner::Tumbling($windows) => $then,
            AnyAssigner::Sliding($windows) => $then,
            AnyAssigner::Cumulating($windows) => $then,
            AnyAssigner::Session($windows) => $then,
            AnyAssigner::SessionBy($windows) => $then,
        }
    };
}

impl WindowAssigner<Record> for AnyAssigner {
    type Window = TimeWindow;
    type Trigger = AnyTrigger;

    fn assign(&self, record: &Record, at: EventTime) -> impl IntoIterator<Item = TimeWindow> {
        any_assigner!(self, windows => windows.assign(record, at).into_iter().collect::<Vec<_>>())
    }

    fn default_trigger(&self) -> AnyTrigger {
        AnyTrigger::AtEnd(AtEnd::new())
    }

    fn domain(&self) -> Domain {
        any_assigner!(self, windows => WindowAssigner::<Record>::domain(windows))
    }

    fn merges(&self) -> bool {
        any_assigner!(self, windows => WindowAssigner::<Record>::merges(windows))
    }

    fn slicing(&self) -> Option<Slicing<TimeWindow>> {
        any_assigner!(self, windows => WindowAssigner::<Record>::slicing(windows))
    }
}

/// One assigner that is any of those whose window has no end.
enum Endless {
    Global,
    Tumbling(TumblingCount),
    Sliding(SlidingCount),
}

impl Endless {
    fn of(assigner: case::Assigner) -> Endless {
        match assigner {
            case::Assigner::Count { size, tumbles: true, .. } => {
                Endless::Tumbling(Tumbling::count(size as u64))
            }
            case::Assigner::Count { size, slide, .. } => {
                Endless::Sliding(Sliding::count(size as u64).every(slide as u64))
            }
            _ => Endless::Global,
        }
    }
}

macro_rules! endless {
    ($self:ident, $windows:ident => $then:expr) => {
        match $self {
            Endless::Global => {
                let $windows = &Global;
                $then
            }
            Endless::Tumbling($windows) => $then,
            Endless::Sliding($windows) => $then,
        }
    };
}

impl WindowAssigner<Record> for Endless {
    type Window = GlobalWindow;
    type Trigger = AnyTrigger;

    fn assign(&self, record: &Record, at: EventTime) -> impl IntoIterator<Item = GlobalWindow> {
        endless!(self, windows => windows.assign(record, at).into_iter().collect::<Vec<_>>())
    }

    fn default_trigger(&self) -> AnyTrigger {
        match self {
            Endless::Global => AnyTrigger::AtEnd(WindowAssigner::<Record>::default_trigger(&Global)),
            Endless::Tumbling(windows) => {
                AnyTrigger::PurgingEveryCount(WindowAssigner::<Record>::default_trigger(windows))
            }
            Endless::Sliding(windows) => {
                AnyTrigger::EveryCount(WindowAssigner::<Record>::default_trigger(windows))
            }
        }
    }

    fn domain(&self) -> Domain {
        endless!(self, windows => WindowAssigner::<Record>::domain(windows))
    }

    fn slicing(&self) -> Option<Slicing<GlobalWindow>> {
        endless!(self, windows => WindowAssigner::<Record>::slicing(windows))
    }
}

/// One trigger that is any of them.
enum AnyTrigger {
    AtEnd(AtEnd),
    EveryCount(EveryCount),
    EveryEventTime(EveryEventTime),
    EveryProcessingTime(EveryProcessingTime),
    PurgingAtEnd(Purging<AtEnd>),
    PurgingEveryCount(Purging<EveryCount>),
    PurgingEveryEventTime(Purging<EveryEventTime>),
    PurgingEveryProcessingTime(Purging<EveryProcessingTime>),
}

impl AnyTrigger {
    /// The trigger that is asked for, if any is.
    fn of(case: &Case) -> Option<AnyTrigger> {
        Some(match (case.trigger, case.purges) {
            (case::Trigger::Default, _) => return None,
            (case::Trigger::AtEnd { early_every, early_count, late_every }, purges) => {
                let mut trigger = AtEnd::new();
                trigger = early_every.map_or(trigger, |delay| trigger.early_every(span(delay)));
                trigger = early_count.map_or(trigger, |count| trigger.early_count(count as u64));
                trigger = late_every.map_or(trigger, |delay| trigger.late_every(span(delay)));
                match purges {
                    true => AnyTrigger::PurgingAtEnd(Purging::of(trigger)),
                    false => AnyTrigger::AtEnd(trigger),
                }
            }
            (case::Trigger::EveryCount { count }, false) => {
                AnyTrigger::EveryCount(EveryCount::of(count as u64))
            }
            (case::Trigger::EveryCount { count }, true) => {
                AnyTrigger::PurgingEveryCount(Purging::of(EveryCount::of(count as u64)))
            }
            (case::Trigger::EveryEventTime { interval }, false) => {
                AnyTrigger::EveryEventTime(EveryEventTime::of(span(interval)))
            }
            (case::Trigger::EveryEventTime { interval }, true) => {
                AnyTrigger::PurgingEveryEventTime(Purging::of(EveryEventTime::of(span(interval))))
            }
            (case::Trigger::EveryProcessingTime { interval }, false) => {
                AnyTrigger::EveryProcessingTime(EveryProcessingTime::of(span(interval)))
            }
            (case::Trigger::EveryProcessingTime { interval }, true) => {
                AnyTrigger::PurgingEveryProcessingTime(Purging::of(EveryProcessingTime::of(span(interval))))
            }
        })
    }
}

type OfAtEnd = <AtEnd as Trigger<Record, TimeWindow>>::State;

macro_rules! any_trigger {
    ($self:ident, $state:ident: $part:ident, $trigger:ident => $then:expr) => {{
        let (at_end, count, next) = $state;
        match $self {
            AnyTrigger::AtEnd($trigger) => {
                let $part = at_end;
                $then
            }
            AnyTrigger::PurgingAtEnd($trigger) => {
                let $part = at_end;
                $then
            }
            AnyTrigger::EveryCount($trigger) => {
                let $part = count;
                $then
            }
            AnyTrigger::PurgingEveryCount($trigger) => {
                let $part = count;
                $then
            }
            AnyTrigger::EveryEventTime($trigger) => {
                let $part = next;
                $then
            }
            AnyTrigger::PurgingEveryEventTime($trigger) => {
                let $part = next;
                $then
            }
            AnyTrigger::EveryProcessingTime($trigger) => {
                let $part = next;
                $then
            }
            AnyTrigger::PurgingEveryProcessingTime($trigger) => {
                let $part = next;
                $then
            }
        }
    }};
}

impl<W: Window> Trigger<Record, W> for AnyTrigger {
    type State = (OfAtEnd, u64, Option<EventTime>);

    fn on_element(
        &self,
        record: &Record,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        any_trigger!(self, state: state, trigger => trigger.on_element(record, at, window, state, cx))
    }

    fn on_event_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        any_trigger!(self, state: state, trigger => {
            Trigger::<Record, _>::on_event_time(trigger, at, window, state, cx)
        })
    }

    fn on_processing_time(
        &self,
        at: EventTime,
        window: &W,
        state: &mut Self::State,
        cx: &mut TriggerContext<'_>,
    ) -> TriggerResult {
        any_trigger!(self, state: state, trigger => {
            Trigger::<Record, _>::on_processing_time(trigger, at, window, state, cx)
        })
    }

    fn on_close(&self, window: &W, state: &mut Self::State) -> TriggerResult {
        any_trigger!(self, state: state, trigger => Trigger::<Record, _>::on_close(trigger, window, state))
    }

    fn merge(&self, state: &mut Self::State, other: Self::State) {
        match self {
            AnyTrigger::AtEnd(trigger) => Trigger::<Record, W>::merge(trigger, &mut state.0, other.0),
            AnyTrigger::PurgingAtEnd(trigger) => Trigger::<Record, W>::merge(trigger, &mut state.0, other.0),
            AnyTrigger::EveryCount(trigger) => Trigger::<Record, W>::merge(trigger, &mut state.1, other.1),
            AnyTrigger::PurgingEveryCount(trigger) => {
                Trigger::<Record, W>::merge(trigger, &mut state.1, other.1);
            }
            AnyTrigger::EveryEventTime(trigger) => {
                Trigger::<Record, W>::merge(trigger, &mut state.2, other.2);
            }
            AnyTrigger::PurgingEveryEventTime(trigger) => {
                Trigger::<Record, W>::merge(trigger, &mut state.2, other.2);
            }
            AnyTrigger::EveryProcessingTime(trigger) => {
                Trigger::<Record, W>::merge(trigger, &mut state.2, other.2);
            }
            AnyTrigger::PurgingEveryProcessingTime(trigger) => {
                Trigger::<Record, W>::merge(trigger, &mut state.2, other.2);
            }
        }
    }

    fn on_merge(&self, window: &W, state: &mut Self::State, cx: &mut TriggerContext<'_>) {
        any_trigger!(self, state: state, trigger => Trigger::<Record, _>::on_merge(trigger, window, state, cx));
    }

    fn fires_at_end_only(&self) -> bool {
        match self {
            AnyTrigger::AtEnd(trigger) => Trigger::<Record, W>::fires_at_end_only(trigger),
            AnyTrigger::PurgingAtEnd(trigger) => Trigger::<Record, W>::fires_at_end_only(trigger),
            _ => false,
        }
    }
}

/// One evictor that is any of them.
enum AnyEvictor {
    Last(KeepLast),
    Within(KeepWithin),
}

impl<W: Window> Evictor<Record, W> for AnyEvictor {
    fn before<K>(
        &self,
        elements: &mut Vec<tidegate::window::Element<Record>>,
        firing: &tidegate::window::Firing<'_, K, W>,
    ) {
        match self {
            AnyEvictor::Last(evictor) => evictor.before(elements, firing),
            AnyEvictor::Within(evictor) => evictor.before(elements, firing),
        }
    }
}

/// Gathers the numbers of records, and sorts them: they came in that order.
struct Numbers;

impl Aggregate for Numbers {
    type In = Record;
    type Acc = Vec<u32>;
    type Out = Vec<u32>;

    fn create(&self) -> Vec<u32> {
        Vec::new()
    }

    fn add(&self, acc: &mut Vec<u32>, (_, number): Record) {
        acc.push(number);
    }

    fn merge(&self, acc: &mut Vec<u32>, other: Vec<u32>) {
        acc.extend(other);
    }

    fn result(&self, acc: &Vec<u32>) -> Vec<u32> {
        let mut numbers = acc.clone();
        numbers.sort_unstable();
        numbers
    }
}

/// What came out of each key: panes, and late records.
type Outcome = BTreeMap<u8, (Vec<Pane>, Vec<u32>)>;

/// A window as the model has it: the first time that belongs to it, and the first that does not.
trait Bounds: Window {
    fn bounds(&self) -> (i64, i64);
}

impl Bounds for TimeWindow {
    fn bounds(&self) -> (i64, i64) {
        (self.start.as_millis(), self.end.as_millis())
    }
}

impl Bounds for GlobalWindow {
    fn bounds(&self) -> (i64, i64) {
        model::ALL_TIME
    }
}

fn run<O, W: Bounds>(case: &Case, operator: O) -> Outcome
where
    O: Operator<In = Record, Out = (u8, W, Vec<u32>), Side = Record>,
    O::State: tidegate::state::State<Key = u8>,
{
    let mut harness = Harness::new(operator, |(key, _): &Record| *key).unwrap();
    let mut clock = 0;
    for (number, step) in case.steps.iter().enumerate() {
        match *step {
            Step::Record { key, at } => {
                harness.push((key, number as u32), EventTime::from_millis(at)).unwrap()
            }
            Step::Watermark(at) => harness.advance_watermark(EventTime::from_millis(at)).unwrap(),
            Step::Clock(by) => {
                clock += by;
                harness.advance_processing_time(EventTime::from_millis(clock)).unwrap();
            }
            Step::Restore => harness.restore().unwrap(),
        }
    }
    let mut outcome = Outcome::new();
    for ((key, window, numbers), at) in harness.take_timed_output() {
        outcome.entry(key).or_default().0.push((window.bounds(), at.as_millis(), numbers));
    }
    for (key, number) in harness.take_side_output() {
        outcome.entry(key).or_default().1.push(number);
    }
    outcome
}

fn expected(case: &Case) -> Outcome {
    let mut models: BTreeMap<u8, Model<'_>> = (0..3).map(|key| (key, Model::new(case))).collect();
    let mut clock = 0;
    for (number, step) in case.steps.iter().enumerate() {
        match *step {
            Step::Record { key, at } => models.get_mut(&key).unwrap().record(at, number as u32),
            Step::Watermark(at) => models.values_mut().for_each(|model| model.advance_watermark(at)),
            Step::Clock(by) => {
                clock += by;
                models.values_mut().for_each(|model| model.advance_clock(clock));
            }
            Step::Restore => {}
        }
    }
    let outcome = models.into_iter().map(|(key, model)| (key, (model.panes, model.late)));
    outcome.filter(|(_, (panes, late))| !panes.is_empty() || !late.is_empty()).collect()
}

fn outcome(case: &Case) -> Outcome {
    match case.assigner.is_endless() {
        true => in_windows(case, Endless::of(case.assigner)),
        false => in_windows(case, AnyAssigner::of(case)),
    }
}

fn in_windows<W>(case: &Case, assigner: W) -> Outcome
where
    W: WindowAssigner<Record, Window: Bounds, Trigger = AnyTrigger>,
{
    let windows = Windowing::of(assigner);
    let windows = match AnyTrigger::of(case) {
        Some(trigger) => windows.trigger(trigger),
        None => windows,
    };
    let windows = windows.allowed_lateness(span(case.lateness)).side_output_late();
    let evictor = case.evictor.map(|evictor| match evictor {
        case::Evictor::Last(count) => AnyEvictor::Last(KeepLast::of(count)),
        case::Evictor::Within(length) => AnyEvictor::Within(KeepWithin::of(span(length))),
    });
    macro_rules! numbers {
        ($windows:expr) => {
            match case.aggregates {
                true => run(
                    case,
                    $windows.aggregate_then(Numbers, |window, numbers| {
                        Some((*window.key(), window.window().clone(), numbers))
                    }),
                ),
                false => run(
                    case,
                    $windows.process(|window, records: Vec<&Record>| {
                        Some((
                            *window.key(),
                            window.window().clone(),
                            records.into_iter().map(|(_, number)| *number).collect(),
                        ))
                    }),
                ),
            }
        };
    }
    match evictor {
        Some(evictor) => numbers!(windows.evictor(evictor)),
        None => numbers!(windows),
    }
}

#[test]
fn whatever_happens_to_whatever_windows_is_what_the_definitions_say() {
    under_seeds("whatever_windows", 20_000, &case::case(), |case| {
        let (seen, expected) = (outcome(case), expected(case));
        if seen == expected {
            return Ok(());
        }
        Err(Error::failure(format!("there came out {seen:?}, and by definition it is {expected:?}")))
    });
}
