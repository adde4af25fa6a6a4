//! Any windows, and anything that can happen to them.

use proptest::prelude::*;

/// Windows, and what happens.
#[derive(Clone, Debug)]
pub struct Case {
    pub time: Time,
    pub assigner: Assigner,
    pub trigger: Trigger,
    pub purges: bool,
    pub evictor: Option<Evictor>,
    pub lateness: i64,
    /// Whether records are folded, or all shown to a function.
    pub aggregates: bool,
    pub steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    Event,
    Processing,
}

/// Tumbling windows are sliding ones whose slide is their size.
#[derive(Clone, Copy, Debug)]
pub enum Assigner {
    Sliding {
        size: i64,
        slide: i64,
        offset: i64,
    },
    Cumulating {
        max: i64,
        step: i64,
        offset: i64,
    },
    Session {
        gap: i64,
    },
    /// The gap is what the record says.
    SessionBy,
    Global,
    Count {
        size: i64,
        slide: i64,
        tumbles: bool,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Trigger {
    /// None is asked for: the assigner's own.
    Default,
    AtEnd {
        early_every: Option<i64>,
        early_count: Option<usize>,
        late_every: Option<i64>,
    },
    EveryCount {
        count: usize,
    },
    EveryEventTime {
        interval: i64,
    },
    EveryProcessingTime {
        interval: i64,
    },
}

#[derive(Clone, Copy, Debug)]
pub enum Evictor {
    Last(usize),
    Within(i64),
}

#[derive(Clone, Debug)]
pub enum Step {
    Record {
        key: u8,
        at: i64,
    },
    Watermark(i64),
    /// The clock advances by so much.
    Clock(i64),
    /// The operator is snapshot, thrown away and restored.
    Restore,
}

impl Assigner {
    pub fn merges(self) -> bool {
        matches!(self, Assigner::Session { .. } | Assigner::SessionBy)
    }

    /// Whether all records of a key are in one window, which never ends.
    pub fn is_endless(self) -> bool {
        matches!(self, Assigner::Global | Assigner::Count { .. })
    }
}

fn assigner() -> impl Strategy<Value = Assigner> {
    prop_oneof![
        2 => (1..30i64, -20..20i64).prop_map(|(size, offset)| Assigner::Sliding { size, slide: size, offset }),
        4 => (1..40i64, 1..15i64, -20..20i64).prop_map(|(size, slide, offset)| Assigner::Sliding { size, slide, offset }),
        2 => (1..30i64, 1..12i64, -20..20i64)
            .prop_map(|(max, step, offset)| Assigner::Cumulating { max, step: step.min(max), offset }),
        4 => (1..15i64).prop_map(|gap| Assigner::Session { gap }),
        1 => Just(Assigner::SessionBy),
        1 => Just(Assigner::Global),
        1 => (1..6i64).prop_map(|size| Assigner::Count { size, slide: size, tumbles: true }),
        2 => (1..8i64, 1..6i64).prop_map(|(size, slide)| Assigner::Count { size, slide, tumbles: false }),
    ]
}

fn trigger() -> impl Strategy<Value = Trigger> {
    let delay = || prop::option::of(1..20i64);
    prop_oneof![
        5 => Just(Trigger::Default),
        1 => Just(Trigger::AtEnd { early_every: None, early_count: None, late_every: None }),
        5 => (delay(), prop::option::of(2..5usize), delay())
            .prop_map(|(early_every, early_count, late_every)| Trigger::AtEnd { early_every, early_count, late_every }),
        1 => (1..5usize).prop_map(|count| Trigger::EveryCount { count }),
        2 => (1..20i64).prop_map(|interval| Trigger::EveryEventTime { interval }),
        2 => (1..20i64).prop_map(|interval| Trigger::EveryProcessingTime { interval }),
    ]
}

fn evictor() -> impl Strategy<Value = Option<Evictor>> {
    prop_oneof![
        6 => Just(None),
        1 => (0..4usize).prop_map(|count| Some(Evictor::Last(count))),
        1 => (0..15i64).prop_map(|length| Some(Evictor::Within(length))),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let near = prop_oneof![
        10 => (0..3u8, -30..60i64).prop_map(|(key, at)| Step::Record { key, at }),
        3 => (-40..70i64).prop_map(Step::Watermark),
        4 => (1..10i64).prop_map(Step::Clock),
        1 => Just(Step::Restore),
    ];
    // Most records come about in the order of their times, and some late.
    let steps = prop::collection::vec((near, any::<bool>()), 1..40);
    (steps, any::<bool>()).prop_map(|(steps, ends)| {
        let count = steps.len() as i64;
        let drift = |(place, (step, drifts)): (usize, (Step, bool))| match step {
            Step::Record { key, at } if drifts => {
                Step::Record { key, at: at / 6 + place as i64 * 60 / count }
            }
            Step::Watermark(at) if drifts => Step::Watermark(at / 6 + place as i64 * 60 / count - 10),
            step => step,
        };
        let mut steps: Vec<_> = steps.into_iter().enumerate().map(drift).collect();
        steps.extend(ends.then_some(Step::Watermark(i64::MAX)));
        steps
    })
}

pub fn case() -> impl Strategy<Value = Case> {
    let time = prop_oneof![4 => Just(Time::Event), 1 => Just(Time::Processing)];
    let lateness = prop_oneof![2 => Just(0), 1 => 1..40i64];
    (time, assigner(), trigger(), prop::bool::weighted(0.2), evictor(), lateness, any::<bool>(), steps())
        .prop_map(|(time, assigner, trigger, purges, evictor, lateness, aggregates, steps)| {
            // Windows of the clock know no event time.
            let is_odd = time == Time::Processing && matches!(trigger, Trigger::EveryEventTime { .. });
            let trigger = if is_odd { Trigger::Default } else { trigger };
            Case { time, assigner, trigger, purges, evictor, lateness, aggregates, steps }
        })
}
