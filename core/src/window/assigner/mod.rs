//! Assigners: which windows a record belongs to. Pure.

mod count;
mod cumulating;
mod global;
mod session;
mod sliding;
mod tumbling;

pub use count::{SlidingCount, TumblingCount};
pub use cumulating::Cumulating;
pub use global::Global;
pub use session::{Session, SessionBy};
pub use sliding::Sliding;
pub use tumbling::Tumbling;

use crate::time::EventTime;
use crate::window::edges::Edges;
use crate::window::{TimeWindow, Trigger, Window};

/// Says which windows a record belongs to: Flink's `WindowAssigner`.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
/// use tidegate::window::{AtEnd, TimeWindow, WindowAssigner, Windowing};
///
/// /// Each record is in a window of as many seconds as it says itself, from its own time on.
/// struct AsLongAsItSays;
///
/// impl WindowAssigner<u64> for AsLongAsItSays {
///     type Window = TimeWindow;
///     type Trigger = AtEnd;
///
///     fn assign(&self, seconds: &u64, at: EventTime) -> impl IntoIterator<Item = TimeWindow> {
///         Some(TimeWindow { start: at, end: at + secs(*seconds) })
///     }
///
///     fn default_trigger(&self) -> AtEnd {
///         AtEnd::new()
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let mut harness = Harness::new(Windowing::of(AsLongAsItSays).aggregate(Count), |_: &u64| 0u8)?;
/// harness.push(3, EventTime::from_millis(0))?;
/// harness.advance_watermark(EventTime::from_millis(2_999))?;
/// assert_eq!(harness.take_output().len(), 1);
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which windows a record of type `{T}` belongs to",
    label = "not a window assigner for `{T}`",
    note = "use `Tumbling::of(..)`, `Sliding::of(..).every(..)`, `Session::gap(..)`, `Cumulating::of(..).step(..)`, `Global`, or implement `WindowAssigner<{T}>`"
)]
pub trait WindowAssigner<T>: Send + Sync + 'static {
    /// The windows.
    type Window: Window;
    /// What makes them fire unless something else is asked for.
    type Trigger: Trigger<T, Self::Window>;

    /// The windows of a record that happened at `at`, or, of windows in processing time, arrives then.
    fn assign(&self, record: &T, at: EventTime) -> impl IntoIterator<Item = Self::Window>;

    /// What makes the windows fire unless something else is asked for.
    fn default_trigger(&self) -> Self::Trigger;

    /// What makes time pass for the windows.
    fn domain(&self) -> Domain {
        Domain::EventTime
    }

    /// Whether windows that touch are [merged](Window::merged) into one: sessions are.
    fn merges(&self) -> bool {
        false
    }

    /// The window, if every record is in one and the same.
    #[doc(hidden)]
    fn whole(&self) -> Option<fn() -> Self::Window> {
        None
    }

    /// How the windows are cut into slices; nothing if they can't be.
    #[doc(hidden)]
    fn slicing(&self) -> Option<Slicing<Self::Window>> {
        None
    }
}

/// What makes time pass for windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The watermark.
    EventTime,
    /// The clock on the wall. What comes out is not the same after a restore.
    ProcessingTime,
    /// Nothing but the records of the key: none is late, and none needs a time.
    Count,
}

/// How windows are cut into slices.
#[doc(hidden)]
pub struct Slicing<W> {
    pub(crate) edges: Edges,
    /// What a run of slices is called.
    pub(crate) window: fn(TimeWindow) -> W,
}

impl<W> Clone for Slicing<W> {
    fn clone(&self) -> Slicing<W> {
        *self
    }
}

impl<W> Copy for Slicing<W> {}
