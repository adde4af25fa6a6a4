//! [`Session`].

use std::marker::PhantomData;
use std::time::Duration;

use crate::time::EventTime;
use crate::window::assigner::Domain;
use crate::window::edges::{length, within_reach};
use crate::window::{AtEnd, TimeWindow, WindowAssigner};

/// Windows of activity, with a gap of nothing between them: Flink's `EventTimeSessionWindows` and `ProcessingTimeSessionWindows`.
///
/// A session lasts from its first record until the gap after its last. A record that comes between two sessions can make one of
/// them. As in Flink, records are of one session also if they are apart by just the gap.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::Windowing;
///
/// # fn main() -> Result<()> {
/// let windows = Windowing::of(Session::gap(secs(5)));
/// let mut harness = Harness::new(windows.aggregate(Count), |user: &String| user.clone())?;
/// for second in [1, 9, 5, 20] {
///     harness.push("ada".to_string(), EventTime::from_millis(0) + secs(second))?;
/// }
/// harness.advance_watermark(EventTime::MAX)?;
/// let sessions = harness.take_output();
/// let sessions = sessions.iter().map(|s| (s.window.start.as_millis(), s.window.end.as_millis(), s.value));
/// assert_eq!(sessions.collect::<Vec<_>>(), [(1_000, 14_000, 3), (20_000, 25_000, 1)]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Session {
    gap: i64,
    domain: Domain,
}

/// Sessions whose gap each record says itself: Flink's `withDynamicGap`.
pub struct SessionBy<T, F> {
    gap: F,
    domain: Domain,
    of: PhantomData<fn(&T)>,
}

impl Session {
    /// Sessions that end after `gap` without a record.
    pub fn gap(gap: Duration) -> Session {
        Session { gap: length(gap), domain: Domain::EventTime }
    }

    /// Sessions that end when, after each of its records, so much time has passed as `gap` says for it: a millisecond at least.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::Harness;
    /// use tidegate::window::Windowing;
    ///
    /// # fn main() -> Result<()> {
    /// // A record says after how many seconds its session is over.
    /// let windows = Windowing::of(Session::gap_by(|seconds: &u64| secs(*seconds)));
    /// let mut harness = Harness::new(windows.aggregate(Count), |_: &u64| 0u8)?;
    /// harness.push(5, EventTime::from_millis(0))?;
    /// harness.push(60, EventTime::from_millis(4_000))?;
    /// harness.push(5, EventTime::from_millis(50_000))?;
    /// harness.advance_watermark(EventTime::MAX)?;
    /// let ends: Vec<_> = harness.take_output().iter().map(|session| session.window.end.as_millis()).collect();
    /// assert_eq!(ends, [64_000]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn gap_by<T, F: Fn(&T) -> Duration>(gap: F) -> SessionBy<T, F> {
        SessionBy { gap, domain: Domain::EventTime, of: PhantomData }
    }

    /// The same sessions of the time at which records arrive.
    #[must_use]
    pub fn processing_time(self) -> Session {
        Session { domain: Domain::ProcessingTime, ..self }
    }
}

impl<T, F> SessionBy<T, F> {
    /// The same sessions of the time at which records arrive.
    #[must_use]
    pub fn processing_time(self) -> SessionBy<T, F> {
        SessionBy { domain: Domain::ProcessingTime, ..self }
    }
}

fn session(at: EventTime, gap: i64) -> Option<TimeWindow> {
    let start = within_reach(at);
    Some(TimeWindow::of_millis(start, start + gap))
}

impl<T> WindowAssigner<T> for Session {
    type Window = TimeWindow;
    type Trigger = AtEnd;

    fn assign(&self, _: &T, at: EventTime) -> impl IntoIterator<Item = TimeWindow> {
        session(at, self.gap)
    }

    fn default_trigger(&self) -> AtEnd {
        AtEnd::new()
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn merges(&self) -> bool {
        true
    }
}

impl<T: 'static, F: Fn(&T) -> Duration + Send + Sync + 'static> WindowAssigner<T> for SessionBy<T, F> {
    type Window = TimeWindow;
    type Trigger = AtEnd;

    fn assign(&self, record: &T, at: EventTime) -> impl IntoIterator<Item = TimeWindow> {
        session(at, length((self.gap)(record)))
    }

    fn default_trigger(&self) -> AtEnd {
        AtEnd::new()
    }

    fn domain(&self) -> Domain {
        self.domain
    }

    fn merges(&self) -> bool {
        true
    }
}
