//! The board on which the steps that make watermarks, and the operators behind them, say how far they are: for the progress
//! display and the summary, for hints, and for each other, so that sources can read side by side.
//!
//! There is a board for every attempt. It decides nothing that a result depends on: what is on it is read a moment later.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::operator::late::LateCount;
use crate::record::WatermarkStatus;
use crate::time::EventTime;

/// How far event time has come in every subtask of every step that makes watermarks.
#[derive(Debug, Default)]
pub struct EventTimeBoard {
    gauges: Mutex<Vec<Arc<Gauge>>>,
    said: Mutex<BTreeSet<String>>,
    operators: Mutex<Vec<Arc<OperatorGauge>>>,
}

/// How far event time has come in a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventTimeFigures {
    /// The lowest watermark of the sources that are not idle. None if there is none yet.
    pub watermark: Option<EventTime>,
    /// How far it is behind the clock on the wall.
    pub lag: Option<Duration>,
    /// Whether all sources are idle.
    pub status: WatermarkStatus,
    /// Records of this attempt whose event time does not count: see [`Watermarks`](crate::source::Watermarks).
    pub uncounted: u64,
    /// The same of every source, and of every other stage in which watermarks are made.
    pub sources: Vec<SourceEventTime>,
    /// The same of every keyed operator.
    pub operators: Vec<OperatorEventTime>,
}

/// How far event time has come in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceEventTime {
    /// Its name.
    pub source: String,
    /// The lowest watermark of its subtasks that are not idle. None if there is none yet.
    pub watermark: Option<EventTime>,
    /// How far it is behind the clock on the wall.
    pub lag: Option<Duration>,
    /// Whether all its splits are idle.
    pub status: WatermarkStatus,
    /// Records whose event time does not count.
    pub uncounted: u64,
}

/// How far event time has come in a keyed operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorEventTime {
    /// Its name.
    pub operator: String,
    /// The lowest watermark of its subtasks. None if there is none yet.
    pub watermark: Option<EventTime>,
    /// How far it is behind the clock on the wall.
    pub lag: Option<Duration>,
    /// Records that came too late, for a window, a join or a pattern.
    pub late: u64,
    /// Those of them that were dropped, because nothing was to become of them.
    pub dropped: u64,
}

impl EventTimeFigures {
    /// How many late records were dropped, by all operators.
    pub fn dropped(&self) -> u64 {
        self.operators.iter().map(|operator| operator.dropped).sum()
    }

    /// The source that event time waits for, if there are several.
    pub fn slowest(&self) -> Option<&SourceEventTime> {
        let waited_for = |source: &&SourceEventTime| {
            source.status == WatermarkStatus::Active && source.watermark == self.watermark
        };
        self.sources.iter().find(waited_for).filter(|_| self.sources.len() > 1)
    }

    /// Those of a later attempt, and what was counted in the ones before.
    pub(crate) fn followed_by(&self, mut later: EventTimeFigures) -> EventTimeFigures {
        later.uncounted += self.uncounted;
        for before in &self.sources {
            if let Some(source) = later.sources.iter_mut().find(|later| later.source == before.source) {
                source.uncounted += before.uncounted;
            }
        }
        for before in &self.operators {
            let same = later.operators.iter_mut().find(|later| later.operator == before.operator);
            if let Some(operator) = same {
                operator.late += before.late;
                operator.dropped += before.dropped;
            }
        }
        later
    }
}

/// One subtask's line on the board, of a keyed operator.
#[derive(Debug)]
pub(crate) struct OperatorGauge {
    watermark: AtomicI64,
    /// The late records of all subtasks.
    pub late: Arc<LateCount>,
}

impl OperatorGauge {
    /// How far event time has come.
    pub fn set(&self, watermark: EventTime) {
        self.watermark.store(watermark.as_millis(), Ordering::Relaxed);
    }
}

/// One subtask's line on the board, of a step that makes watermarks.
#[derive(Debug)]
pub(crate) struct Gauge {
    stage: String,
    /// Whose pace it keeps with.
    group: Option<&'static str>,
    watermark: AtomicI64,
    pace: AtomicI64,
    state: AtomicU8,
    uncounted: AtomicU64,
}

const ACTIVE: u8 = 0;
const IDLE: u8 = 1;
const ENDED: u8 = 2;

impl EventTimeBoard {
    /// A line for a subtask of a stage that begins.
    pub(crate) fn join(&self, stage: &str, group: Option<&'static str>) -> Arc<Gauge> {
        let gauge = Arc::new(Gauge {
            stage: stage.to_string(),
            group,
            watermark: AtomicI64::new(EventTime::MIN.as_millis()),
            pace: AtomicI64::new(EventTime::MAX.as_millis()),
            state: AtomicU8::new(ACTIVE),
            uncounted: AtomicU64::new(0),
        });
        locked(&self.gauges).push(Arc::clone(&gauge));
        gauge
    }

    /// A line for a subtask of an operator that begins.
    pub(crate) fn join_operator(&self, operator: &str) -> Arc<OperatorGauge> {
        let mut gauges = locked(&self.operators);
        let of_operator = gauges.iter().find(|gauge| gauge.late.operator() == operator);
        let late = of_operator.map(|gauge| Arc::clone(&gauge.late));
        let late = late.unwrap_or_else(|| Arc::new(LateCount::of(operator)));
        let gauge = Arc::new(OperatorGauge { watermark: AtomicI64::new(EventTime::MIN.as_millis()), late });
        gauges.push(Arc::clone(&gauge));
        gauge
    }

    /// How far the slowest is of those that keep pace with each other; [`EventTime::MAX`] if nobody can be waited for.
    pub(crate) fn pace(&self, group: &str) -> EventTime {
        let gauges = locked(&self.gauges);
        let paces = gauges.iter().filter(|gauge| gauge.group == Some(group));
        let slowest = paces.map(|gauge| gauge.pace.load(Ordering::Relaxed)).min();
        slowest.map_or(EventTime::MAX, EventTime::from_millis)
    }

    /// The greatest watermark of all.
    pub(crate) fn greatest(&self) -> EventTime {
        locked(&self.gauges).iter().map(|gauge| gauge.watermark()).max().unwrap_or(EventTime::MIN)
    }

    /// Whether nobody has said this before.
    pub(crate) fn is_news(&self, what: &str) -> bool {
        locked(&self.said).insert(what.to_string())
    }

    /// How far event time has come in the job, when it is `now`.
    pub(crate) fn read(&self, now: EventTime) -> EventTimeFigures {
        let gauges = locked(&self.gauges);
        let (watermark, status) = least(gauges.iter());
        let since = |watermark: Option<EventTime>| watermark.map(|watermark| now.since(watermark));
        let source = |of: Vec<&Arc<Gauge>>| {
            let (watermark, status) = least(of.iter().copied());
            SourceEventTime {
                source: of[0].stage.clone(),
                watermark,
                lag: since(watermark),
                status,
                uncounted: of.iter().map(|gauge| gauge.uncounted.load(Ordering::Relaxed)).sum(),
            }
        };
        let sources: Vec<_> = by_name(&gauges, |gauge| &gauge.stage).into_iter().map(source).collect();
        let operator = |of: Vec<&Arc<OperatorGauge>>| {
            let watermarks = of.iter().map(|gauge| gauge.watermark.load(Ordering::Relaxed));
            let watermark = watermarks.min().map(EventTime::from_millis).filter(|at| *at > EventTime::MIN);
            let late = &of[0].late;
            OperatorEventTime {
                operator: late.operator().to_string(),
                watermark,
                lag: since(watermark),
                late: late.late(),
                dropped: late.dropped(),
            }
        };
        let gauges = locked(&self.operators);
        let operators = by_name(&gauges, |gauge| gauge.late.operator()).into_iter().map(operator).collect();
        EventTimeFigures {
            watermark,
            status,
            lag: since(watermark),
            uncounted: sources.iter().map(|source| source.uncounted).sum(),
            sources,
            operators,
        }
    }
}

/// The lines of each name; none is empty. There are a few, and they are looked at a few times a second.
fn by_name<G>(gauges: &[G], name: impl Fn(&G) -> &str) -> Vec<Vec<&G>> {
    let mut lines: Vec<Vec<&G>> = Vec::new();
    for gauge in gauges {
        match lines.iter_mut().find(|line| name(line[0]) == name(gauge)) {
            Some(line) => line.push(gauge),
            None => lines.push(vec![gauge]),
        }
    }
    lines
}

/// The lowest watermark of those that are not idle; if all are, the greatest; if all have ended, the last.
fn least<'a>(gauges: impl Iterator<Item = &'a Arc<Gauge>> + Clone) -> (Option<EventTime>, WatermarkStatus) {
    let of = |state: u8| gauges.clone().filter(move |gauge| gauge.is(state)).map(|gauge| gauge.watermark());
    let (status, watermark) = match (of(ACTIVE).min(), of(IDLE).max()) {
        (Some(slowest), _) => (WatermarkStatus::Active, Some(slowest)),
        (None, Some(greatest)) => (WatermarkStatus::Idle, Some(greatest)),
        (None, None) => (WatermarkStatus::Active, of(ENDED).max()),
    };
    (watermark.filter(|watermark| *watermark > EventTime::MIN), status)
}

impl Gauge {
    /// How far the subtask is, and how far the slowest of its splits is that can be waited for.
    pub fn set(&self, watermark: EventTime, status: WatermarkStatus, pace: EventTime) {
        self.watermark.store(watermark.as_millis(), Ordering::Relaxed);
        self.pace.store(pace.as_millis(), Ordering::Relaxed);
        let state = match status {
            WatermarkStatus::Active => ACTIVE,
            WatermarkStatus::Idle => IDLE,
        };
        self.state.store(state, Ordering::Relaxed);
    }

    /// The input of the subtask has ended: nobody waits for it any more.
    pub fn end(&self) {
        self.pace.store(EventTime::MAX.as_millis(), Ordering::Relaxed);
        self.state.store(ENDED, Ordering::Relaxed);
    }

    /// The event time of a record does not count.
    pub fn add_uncounted(&self) {
        self.uncounted.fetch_add(1, Ordering::Relaxed);
    }

    fn watermark(&self) -> EventTime {
        EventTime::from_millis(self.watermark.load(Ordering::Relaxed))
    }

    fn is(&self, state: u8) -> bool {
        self.state.load(Ordering::Relaxed) == state
    }
}

/// Nothing here can panic half-way; what is under the lock is never left broken.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;
    use WatermarkStatus::{Active, Idle};

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    #[test]
    fn the_board_shows_the_slowest_that_is_not_idle_and_in_the_end_the_last_watermark() {
        let board = EventTimeBoard::default();
        assert_eq!(board.read(at(9)), EventTimeFigures::default());
        let (slow, fast) = (board.join("a", None), board.join("b", None));
        slow.set(at(3), Active, EventTime::MAX);
        assert_eq!(board.read(at(9)).watermark, None, "the other one has said nothing yet");
        fast.set(at(7), Active, EventTime::MAX);
        let read = board.read(at(9));
        assert_eq!((read.watermark, read.lag, read.status), (Some(at(3)), Some(millis(6)), Active));
        slow.set(at(3), Idle, EventTime::MAX);
        assert_eq!(board.read(at(9)).watermark, Some(at(7)));
        fast.set(at(7), Idle, EventTime::MAX);
        assert_eq!((board.read(at(9)).watermark, board.read(at(9)).status), (Some(at(7)), Idle));
        slow.end();
        fast.end();
        assert_eq!((board.read(at(9)).watermark, board.read(at(9)).status), (Some(at(7)), Active));
        assert_eq!(board.greatest(), at(7));
    }

    #[test]
    fn who_keeps_pace_with_whom_is_said_by_the_group() {
        let board = EventTimeBoard::default();
        assert_eq!(board.pace("a"), EventTime::MAX);
        let (one, other, stranger) =
            (board.join("x", Some("a")), board.join("y", Some("a")), board.join("z", Some("b")));
        one.set(at(5), Active, at(4));
        other.set(at(9), Active, at(8));
        stranger.set(at(1), Active, at(1));
        assert_eq!((board.pace("a"), board.pace("b")), (at(4), at(1)));
        one.end();
        assert_eq!(board.pace("a"), at(8));
    }

    #[test]
    fn every_source_and_operator_has_figures_of_its_own() {
        let board = EventTimeBoard::default();
        let (orders, more, idle) =
            (board.join("orders", None), board.join("orders", None), board.join("b", None));
        orders.set(at(3), Active, EventTime::MAX);
        more.set(at(5), Active, EventTime::MAX);
        idle.set(at(1), Idle, EventTime::MAX);
        idle.add_uncounted();
        let (count, other) = (board.join_operator("count"), board.join_operator("count"));
        count.set(at(2));
        other.set(at(4));
        assert!(count.late.count(false, at(0), at(2)).is_some());
        assert!(other.late.count(true, at(0), at(4)).is_none());
        let source = |source: &str, watermark, lag, status, uncounted| SourceEventTime {
            source: source.to_string(),
            watermark: Some(at(watermark)),
            lag: Some(millis(lag)),
            status,
            uncounted,
        };
        let operator = OperatorEventTime {
            operator: "count".to_string(),
            watermark: Some(at(2)),
            lag: Some(millis(8)),
            late: 2,
            dropped: 1,
        };
        let read = board.read(at(10));
        assert_eq!(read.sources, [source("orders", 3, 7, Active, 0), source("b", 1, 9, Idle, 1)]);
        assert_eq!(read.operators, [operator]);
        assert_eq!((read.uncounted, read.dropped()), (1, 1));
        assert_eq!(read.slowest().map(|source| &*source.source), Some("orders"));
        let both = read.followed_by(board.read(at(11)));
        assert_eq!((both.uncounted, both.dropped(), both.operators[0].late), (2, 2, 4));
        assert_eq!((both.sources[1].uncounted, both.lag), (2, Some(millis(8))));
    }

    #[test]
    fn a_job_of_one_source_need_not_be_told_which_one_it_waits_for() {
        let board = EventTimeBoard::default();
        board.join("orders", None).set(at(3), Active, EventTime::MAX);
        assert_eq!(board.read(at(10)).slowest(), None);
    }

    #[test]
    fn news_is_said_once() {
        let board = EventTimeBoard::default();
        assert!(board.is_news("x") && !board.is_news("x") && board.is_news("y"));
    }
}
