//! A step of a pattern: which events it takes, how many, and how they follow what was taken before.

use std::ops::{Range, RangeFrom, RangeInclusive};
use std::sync::Arc;

use crate::pattern::SoFar;

/// Says of an event, and of what was taken before it, whether it is one that is meant.
pub(crate) type Condition<T> = Arc<dyn Fn(&T, &SoFar<'_, T>) -> bool + Send + Sync>;

/// A step that takes events.
pub(crate) struct Step<T> {
    pub name: &'static str,
    pub contiguity: Contiguity,
    /// Of the events that the step takes, if it takes several.
    pub inner: Inner,
    /// All must hold.
    pub conditions: Vec<Condition<T>>,
    /// What ends a loop.
    pub until: Option<Condition<T>>,
    pub times: Times,
    pub optional: bool,
    pub greedy: bool,
}

/// What may come between what was taken before and the first event of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Contiguity {
    /// Nothing.
    Next,
    /// What the step does not take itself.
    FollowedBy,
    /// Anything.
    FollowedByAny,
}

/// What may come between two events of one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Inner {
    /// What the step does not take itself.
    Relaxed,
    /// Nothing.
    Consecutive,
    /// Anything.
    Combinations,
}

/// How often a step is taken: `3`, `2..=4`, `2..5` or `2..`; from 0 on it may be left out altogether.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Times {
    pub(crate) min: u32,
    /// No more than so many; without it, a loop.
    pub(crate) max: Option<u32>,
}

impl Times {
    pub(crate) const ONCE: Times = Times { min: 1, max: Some(1) };
}

impl From<u32> for Times {
    fn from(times: u32) -> Times {
        Times { min: times, max: Some(times) }
    }
}

impl From<Range<u32>> for Times {
    fn from(times: Range<u32>) -> Times {
        Times { min: times.start, max: Some(times.end.saturating_sub(1)) }
    }
}

impl From<RangeInclusive<u32>> for Times {
    fn from(times: RangeInclusive<u32>) -> Times {
        Times { min: *times.start(), max: Some(*times.end()) }
    }
}

impl From<RangeFrom<u32>> for Times {
    fn from(times: RangeFrom<u32>) -> Times {
        Times { min: times.start, max: None }
    }
}

impl<T> Step<T> {
    /// Whether the event is of the kind that the step takes.
    pub fn means(&self, event: &T, so_far: &SoFar<'_, T>) -> bool {
        self.conditions.iter().all(|condition| condition(event, so_far))
    }

    /// Whether the event ends the loop.
    pub fn ends(&self, event: &T, so_far: &SoFar<'_, T>) -> bool {
        self.until.as_ref().is_some_and(|until| until(event, so_far))
    }

    /// Whether the step takes the event.
    pub fn takes(&self, event: &T, so_far: &SoFar<'_, T>) -> bool {
        !self.ends(event, so_far) && self.means(event, so_far)
    }

    /// Whether the event may pass while the step waits for its first.
    pub fn passes_first(&self, event: &T, so_far: &SoFar<'_, T>) -> bool {
        match self.contiguity {
            Contiguity::Next => false,
            Contiguity::FollowedBy => !self.means(event, so_far),
            Contiguity::FollowedByAny => true,
        }
    }

    /// Whether the event may pass while the step waits for another one.
    pub fn passes_again(&self, event: &T, so_far: &SoFar<'_, T>) -> bool {
        match self.inner {
            Inner::Consecutive => false,
            Inner::Relaxed => !self.ends(event, so_far) && !self.means(event, so_far),
            Inner::Combinations => !self.ends(event, so_far),
        }
    }

    /// Whether the step takes another event after so many.
    pub fn takes_more(&self, count: u32) -> bool {
        self.times.max.is_none_or(|max| count < max)
    }

    /// Whether what follows must leave the step's events alone.
    pub fn guards(&self) -> bool {
        self.greedy && self.times.max != Some(self.times.min)
    }
}
