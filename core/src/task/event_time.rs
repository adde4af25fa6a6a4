//! The board on which the steps that make watermarks say how far they are: for the progress display and the summary, for
//! hints, and for each other, so that sources can read side by side.
//!
//! There is a board for every attempt. It decides nothing that a result depends on: what is on it is read a moment later.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::WatermarkStatus;
use crate::time::EventTime;

/// How far event time has come in every subtask of every step that makes watermarks.
#[derive(Debug, Default)]
pub struct EventTimeBoard {
    gauges: Mutex<Vec<Arc<Gauge>>>,
    said: Mutex<BTreeSet<String>>,
}

/// How far event time has come in a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventTimeFigures {
    /// The lowest watermark of the sources that are not idle. None if there is none yet.
    pub watermark: Option<EventTime>,
    /// How far it is behind the clock on the wall.
    pub lag: Option<Duration>,
    /// Whether all sources are idle.
    pub status: WatermarkStatus,
    /// Records of this attempt whose event time does not count: see [`Watermarks`](crate::source::Watermarks).
    pub uncounted: u64,
}

/// One subtask's line on the board.
#[derive(Debug)]
pub(crate) struct Gauge {
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
    /// A line for a subtask that begins.
    pub(crate) fn join(&self, group: Option<&'static str>) -> Arc<Gauge> {
        let gauge = Arc::new(Gauge {
            group,
            watermark: AtomicI64::new(EventTime::MIN.as_millis()),
            pace: AtomicI64::new(EventTime::MAX.as_millis()),
            state: AtomicU8::new(ACTIVE),
            uncounted: AtomicU64::new(0),
        });
        locked(&self.gauges).push(Arc::clone(&gauge));
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
        let least =
            |state: u8| gauges.iter().filter(move |gauge| gauge.is(state)).map(|gauge| gauge.watermark());
        let (status, watermark) = match (least(ACTIVE).min(), least(IDLE).max()) {
            (Some(slowest), _) => (WatermarkStatus::Active, Some(slowest)),
            (None, Some(greatest)) => (WatermarkStatus::Idle, Some(greatest)),
            (None, None) => (WatermarkStatus::Active, least(ENDED).max()),
        };
        let watermark = watermark.filter(|watermark| *watermark > EventTime::MIN);
        EventTimeFigures {
            watermark,
            status,
            lag: watermark.map(|watermark| now.since(watermark)),
            uncounted: gauges.iter().map(|gauge| gauge.uncounted.load(Ordering::Relaxed)).sum(),
        }
    }
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
        let (slow, fast) = (board.join(None), board.join(None));
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
        let (one, other, stranger) = (board.join(Some("a")), board.join(Some("a")), board.join(Some("b")));
        one.set(at(5), Active, at(4));
        other.set(at(9), Active, at(8));
        stranger.set(at(1), Active, at(1));
        assert_eq!((board.pace("a"), board.pace("b")), (at(4), at(1)));
        one.end();
        assert_eq!(board.pace("a"), at(8));
    }

    #[test]
    fn news_is_said_once() {
        let board = EventTimeBoard::default();
        assert!(board.is_news("x") && !board.is_news("x") && board.is_news("y"));
    }
}
