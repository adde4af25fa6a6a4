//! The state machine of a pattern: what an event does to a run.
//!
//! What enters: where a run stands, an event, what the run has taken so far. What leaves: the ways on, none of them if the
//! run ends. Pure: it knows no other runs, no time and no key.
//!
//! A run that has just taken an event is free: the next event binds it, in one run for each step that may take one next. That
//! is the same step again, the one after it, or the one after that if the one between is optional. A bound run waits for an event
//! of its step, and what may pass meanwhile is what comes before that step. So no two runs ever take the same events
//! for the same steps.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::pattern::step::{Condition, Step};
use crate::pattern::{Skip, SoFar};
use crate::state::{Describe, Field, Schema, Variant};

/// A pattern without mistakes.
pub(crate) struct Machine<T> {
    pub steps: Vec<Step<T>>,
    /// What must not come: one before each step, and one behind the last.
    pub gaps: Vec<Gap<T>>,
    pub names: Vec<&'static str>,
    pub within: Option<Duration>,
    /// Whether events happen when they come, and time is that of the clock.
    pub by_clock: bool,
    pub skip: Skip,
    /// Tells patterns apart whose runs can't be each other's.
    pub shape: u64,
}

/// What must not come between two steps.
pub(crate) struct Gap<T> {
    /// Directly behind the step before.
    pub not_next: Vec<Condition<T>>,
    /// Anywhere, from the first event of the step before on.
    pub not_followed_by: Vec<Condition<T>>,
}

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The step that took its last event.
    pub step: u16,
    /// How many events that step has taken.
    pub count: u32,
    pub next: Next,
}

/// What takes the next event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Next {
    /// Whatever step can.
    Free,
    /// This step; the one behind the last is the end.
    Bound {
        step: u16,
        /// The greedy steps whose events must not pass.
        guards: Vec<u16>,
    },
}

/// One way on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// A step takes the event.
    Take {
        step: u16,
        /// Its how-manieth it is.
        count: u32,
        /// Whether that is a match.
        complete: bool,
        /// Whether the run goes on.
        open: bool,
    },
    /// The event passes.
    Pass(Next),
    /// What was taken before is a match: the event is not the one that must not come.
    Complete,
}

impl<T> Machine<T> {
    /// It finds nothing: it stands in for a pattern that can't be.
    pub fn idle() -> Machine<T> {
        let (steps, names) = (Vec::new(), Vec::new());
        Machine {
            steps,
            gaps: vec![Gap::new()],
            names,
            within: None,
            by_clock: false,
            skip: Skip::None,
            shape: 0,
        }
    }

    /// The ways on with an event of a run; without a place, of one that begins with it.
    pub fn ways(&self, place: Option<&Place>, event: &T, so_far: &SoFar<'_, T>) -> Vec<Way> {
        let mut ways = Vec::new();
        let Some(place) = place else {
            self.forward(None, event, so_far, &mut ways);
            return ways;
        };
        let step = &self.steps[usize::from(place.step)];
        let enough = place.count >= step.times.min;
        match &place.next {
            Next::Free => {
                if step.takes_more(place.count) {
                    self.meet(Some(place), place.step, &[], event, so_far, &mut ways);
                }
                if enough {
                    self.forward(Some(place), event, so_far, &mut ways);
                }
            }
            Next::Bound { step, guards } => {
                let guards: Vec<u16> =
                    guards.iter().copied().filter(|guard| !self.step(*guard).ends(event, so_far)).collect();
                if !self.guarded(&guards, event, so_far) {
                    self.meet(Some(place), *step, &guards, event, so_far, &mut ways);
                }
            }
        }
        let gap = &self.gaps[usize::from(place.step) + 1];
        let any = |forbidden: &[Condition<T>]| forbidden.iter().any(|condition| condition(event, so_far));
        let directly_behind = enough && place.next == Next::Free;
        if any(&gap.not_followed_by) || (directly_behind && any(&gap.not_next)) {
            // As in Flink, an event that must not come, and completes a match all the same, does complete it.
            ways.retain_mut(|way| match way {
                Way::Take { complete: true, open, .. } => {
                    *open = false;
                    true
                }
                Way::Take { .. } | Way::Pass(_) | Way::Complete => false,
            });
        }
        ways
    }

    /// The steps that can take the next event, behind the one that a run stands at.
    fn forward(&self, place: Option<&Place>, event: &T, so_far: &SoFar<'_, T>, ways: &mut Vec<Way>) {
        let mut guards = Vec::new();
        let mut next = 0;
        if let Some(place) = place {
            if !self.leaves(place.step, &mut guards, event, so_far) {
                return;
            }
            next = place.step + 1;
        }
        loop {
            self.meet(place, next, &guards, event, so_far, ways);
            let optional = self.steps.get(usize::from(next)).is_some_and(|step| step.optional);
            if !optional || !self.leaves(next, &mut guards, event, so_far) {
                return;
            }
            next += 1;
        }
    }

    /// Whether a step leaves the event to those behind it; a greedy one is among the guards from now on.
    fn leaves(&self, step: u16, guards: &mut Vec<u16>, event: &T, so_far: &SoFar<'_, T>) -> bool {
        if self.step(step).guards() && !self.step(step).ends(event, so_far) {
            guards.push(step);
        }
        !self.guarded(guards, event, so_far)
    }

    /// An event comes to a step that can take the next one.
    fn meet(
        &self,
        place: Option<&Place>,
        next: u16,
        guards: &[u16],
        event: &T,
        so_far: &SoFar<'_, T>,
        ways: &mut Vec<Way>,
    ) {
        let bound = || Way::Pass(Next::Bound { step: next, guards: guards.to_vec() });
        let Some(step) = self.steps.get(usize::from(next)) else {
            let gap = &self.gaps[usize::from(next)];
            if !gap.not_followed_by.is_empty() {
                ways.push(bound());
            } else if !gap.not_next.is_empty() {
                ways.push(Way::Complete);
            }
            return;
        };
        let again = place.filter(|place| place.step == next).map(|place| place.count);
        if step.takes(event, so_far) {
            let count = again.unwrap_or(0) + 1;
            let complete = self.completes(next, count, event, so_far);
            ways.push(Way::Take { step: next, count, complete, open: self.goes_on(next, count) });
        }
        let passes = match (place, again) {
            (None, _) => false,
            (Some(_), Some(_)) => step.passes_again(event, so_far),
            (Some(_), None) => step.passes_first(event, so_far),
        };
        if passes {
            ways.push(bound());
        }
    }

    /// Whether the event is one that a greedy step would have.
    fn guarded(&self, guards: &[u16], event: &T, so_far: &SoFar<'_, T>) -> bool {
        guards.iter().any(|guard| self.step(*guard).means(event, so_far))
    }

    /// Whether a run is a match when a step has taken the event as its `count`th: whether all that follows is optional, and
    /// no greedy step that something follows would have more of such events.
    fn completes(&self, step: u16, count: u32, event: &T, so_far: &SoFar<'_, T>) -> bool {
        let index = usize::from(step);
        let (taking, rest) = (&self.steps[index], &self.steps[index + 1..]);
        let ends = self.gaps.last().is_none_or(Gap::is_empty) && rest.iter().all(|step| step.optional);
        let followed = &self.steps[index..self.steps.len() - 1];
        let wants_more =
            |step: &Step<T>| step.guards() && !step.ends(event, so_far) && step.means(event, so_far);
        let forbidden = |condition: &Condition<T>| condition(event, so_far);
        count >= taking.times.min
            && ends
            && !followed.iter().any(wants_more)
            && !self.gaps[index + 1].not_next.iter().any(forbidden)
    }

    /// Whether there is anything left to take, or to wait for.
    fn goes_on(&self, step: u16, count: u32) -> bool {
        let last = usize::from(step) + 1 == self.steps.len();
        self.step(step).takes_more(count) || !last || !self.gaps[self.steps.len()].is_empty()
    }

    /// Whether a run whose time is up is a match: it only waited for what must not come.
    pub fn completes_in_time(&self, place: &Place) -> bool {
        let end = self.steps.len();
        let waits = match &place.next {
            Next::Free => {
                usize::from(place.step) + 1 == end && place.count >= self.step(place.step).times.min
            }
            Next::Bound { step, .. } => usize::from(*step) == end,
        };
        waits && !self.gaps[end].not_followed_by.is_empty()
    }

    fn step(&self, step: u16) -> &Step<T> {
        &self.steps[usize::from(step)]
    }
}

impl<T> Gap<T> {
    pub fn new() -> Gap<T> {
        Gap { not_next: Vec::new(), not_followed_by: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.not_next.is_empty() && self.not_followed_by.is_empty()
    }
}

impl Describe for Place {
    fn schema() -> Schema {
        let bound = vec![Field::of::<u16>("step"), Field::of::<Vec<u16>>("guards")];
        let next = vec![Variant::new("Free", Vec::new()), Variant::new("Bound", bound)];
        let next = Field::new("next", Schema::Enum("Next".to_string(), next));
        let fields = vec![Field::of::<u16>("step"), Field::of::<u32>("count"), next];
        Schema::Struct("Place".to_string(), fields)
    }
}
