//! The events that runs have taken: each event once, however many runs have taken it.
//!
//! What enters: an event, and the runs that take it. What leaves: the events of a run, in their order. Always: runs that have
//! parted share what they took before; an event is there for as long as a run or a match has it. Takes are a tree, each
//! knows the one before, so that a run is known by its last.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::{Data, Field, Schema};

/// Events and takes, by their numbers.
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
pub(crate) struct Taken<T> {
    events: BTreeMap<u64, Kept<T>>,
    takes: BTreeMap<u64, Take>,
    next_take: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
struct Kept<T> {
    record: T,
    /// How many takes have it.
    references: u32,
}

#[derive(Serialize, Deserialize)]
struct Take {
    step: u16,
    event: u64,
    before: Option<u64>,
    /// How many runs and matches have it as their last, and how many takes have it before them.
    references: u32,
}

/// What a run had taken when a condition is asked: Flink's `getEventsForPattern`.
///
/// ```
/// use tidegate::pattern::Pattern;
/// let rising = Pattern::begin("low")
///     .followed_by("high")
///     .filter_with(|high: &u64, so_far| so_far.last("low").is_some_and(|low| *high > 2 * *low));
/// ```
pub struct SoFar<'a, T> {
    names: &'a [&'static str],
    taken: &'a Taken<T>,
    last: Option<u64>,
}

impl<T> Taken<T> {
    pub fn new() -> Taken<T> {
        Taken { events: BTreeMap::new(), takes: BTreeMap::new(), next_take: 0 }
    }

    pub fn is_empty(&self) -> bool {
        self.takes.is_empty() && self.events.is_empty()
    }

    /// A run whose last take is `before` takes the event for a step. Nobody has the take yet: see [`Taken::hold`].
    pub fn take(&mut self, step: u16, event: u64, before: Option<u64>) -> u64 {
        let take = self.next_take;
        self.next_take += 1;
        self.takes.insert(take, Take { step, event, before, references: 0 });
        if let Some(before) = before {
            self.hold(before);
        }
        take
    }

    /// Keeps an event that takes have.
    pub fn keep(&mut self, event: u64, record: T, references: u32) {
        self.events.insert(event, Kept { record, references });
    }

    /// One more has the take.
    pub fn hold(&mut self, take: u64) {
        if let Some(take) = self.takes.get_mut(&take) {
            take.references += 1;
        }
    }

    /// One less has the take. What nobody has any more goes, and its event.
    pub fn release(&mut self, take: u64) {
        let mut released = Some(take);
        while let Some(number) = released.take() {
            let Some(take) = self.takes.get_mut(&number) else { return };
            take.references -= 1;
            if take.references > 0 {
                return;
            }
            let Take { event, before, .. } = *take;
            self.takes.remove(&number);
            if let Some(kept) = self.events.get_mut(&event) {
                kept.references -= 1;
                if kept.references == 0 {
                    self.events.remove(&event);
                }
            }
            released = before;
        }
    }

    /// The takes up to `last`, the last first: of each the step and the number of the event.
    pub fn back_from(&self, last: Option<u64>) -> impl Iterator<Item = (u16, u64)> {
        let take = |number: Option<u64>| number.and_then(|number| self.takes.get(&number));
        std::iter::successors(take(last), move |before| take(before.before))
            .map(|take| (take.step, take.event))
    }

    /// The takes up to `last`, in their order.
    pub fn up_to(&self, last: u64) -> Vec<(u16, u64)> {
        let mut takes: Vec<(u16, u64)> = self.back_from(Some(last)).collect();
        takes.reverse();
        takes
    }

    /// An event that a take has.
    pub fn event(&self, number: u64) -> Option<&T> {
        self.events.get(&number).map(|kept| &kept.record)
    }

    /// What a run whose last take is `last` has taken.
    pub fn so_far<'a>(&'a self, names: &'a [&'static str], last: Option<u64>) -> SoFar<'a, T> {
        SoFar { names, taken: self, last }
    }
}

impl<T: Data> Taken<T> {
    pub fn schema() -> Schema {
        let kept = vec![Field::of::<T>("record"), Field::of::<u32>("references")];
        let take = vec![
            Field::of::<u16>("step"),
            Field::of::<u64>("event"),
            Field::of::<Option<u64>>("before"),
            Field::of::<u32>("references"),
        ];
        let numbered = |name: &str, of: &str, fields| {
            let of = Schema::Struct(of.to_string(), fields);
            let number = Schema::Scalar("u64".to_string());
            Field::new(name, Schema::Generic("BTreeMap".to_string(), vec![number, of]))
        };
        let fields = vec![
            numbered("events", "Kept", kept),
            numbered("takes", "Take", take),
            Field::of::<u64>("next_take"),
        ];
        Schema::Struct("Taken".to_string(), fields)
    }
}

impl<'a, T> SoFar<'a, T> {
    /// The events that a step has taken, in their order. None of a step that has taken none, or that there is not.
    pub fn all(&self, step: &str) -> Vec<&'a T> {
        let mut events: Vec<&'a T> = self.back(step).collect();
        events.reverse();
        events
    }

    /// The first event that a step has taken.
    pub fn first(&self, step: &str) -> Option<&'a T> {
        self.back(step).last()
    }

    /// The last event that a step has taken.
    pub fn last(&self, step: &str) -> Option<&'a T> {
        self.back(step).next()
    }

    fn back(&self, step: &str) -> impl Iterator<Item = &'a T> {
        let (names, taken) = (self.names, self.taken);
        let of_step = move |index: u16| names.get(usize::from(index)).is_some_and(|name| *name == step);
        taken
            .back_from(self.last)
            .filter(move |(index, _)| of_step(*index))
            .filter_map(|(_, event)| taken.event(event))
    }
}
