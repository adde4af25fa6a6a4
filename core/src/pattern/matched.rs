//! A match: the events that the steps of a pattern have taken, and what is made of them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::pattern::Pattern;
use crate::state::{Data, Describe, Field, Schema};

/// What is looked for in a keyed stream, and what is made of what is found. Implemented by `#[pattern]`, and by [`Pattern`],
/// which makes nothing of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a pattern",
    label = "expected a pattern",
    note = "`#[pattern] fn card_theft(..)` makes a pattern called `CardTheft`: name that one in the wiring",
    note = "or write it by hand: `Pattern::begin(\"small\").filter(..).followed_by(\"large\").filter(..)`"
)]
pub trait Matcher: Send + Sync + 'static {
    /// The records of the stream. Each can be part of several matches.
    type Event: Data + Clone;
    /// What is made of a match.
    type Out: 'static;

    /// What is looked for.
    fn pattern(&self) -> Pattern<Self::Event>;

    /// Makes of a match what flows on.
    fn select(&self, found: Match<Self::Event>) -> Self::Out;
}

impl<T: Data + Clone> Matcher for Pattern<T> {
    type Event = T;
    type Out = Match<T>;

    fn pattern(&self) -> Pattern<T> {
        self.clone()
    }

    fn select(&self, found: Match<T>) -> Match<T> {
        found
    }
}

/// The events that the steps of a pattern have taken, in their order; of a partial match, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "T: Data")]
pub struct Match<T> {
    taken: Vec<(Cow<'static, str>, T)>,
}

impl<T> Match<T> {
    pub(crate) fn new(taken: impl Iterator<Item = (&'static str, T)>) -> Match<T> {
        Match { taken: taken.map(|(step, event)| (Cow::Borrowed(step), event)).collect() }
    }

    /// The events that a step has taken.
    pub fn all(&self, step: &str) -> impl Iterator<Item = &T> {
        self.taken.iter().filter(move |(name, _)| name == step).map(|(_, event)| event)
    }

    /// The first event that a step has taken.
    pub fn first(&self, step: &str) -> Option<&T> {
        self.all(step).next()
    }

    /// Every event, with the name of its step.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.taken.iter().map(|(step, event)| (&**step, event))
    }

    /// Takes the events of a step out.
    pub fn take(&mut self, step: &str) -> Vec<T> {
        self.taken.extract_if(.., |(name, _)| name == step).map(|(_, event)| event).collect()
    }
}

impl<T: Data> Describe for Match<T> {
    fn schema() -> Schema {
        Schema::Struct("Match".to_string(), vec![Field::of::<Vec<(String, T)>>("taken")])
    }
}

impl<T: Data> Data for Match<T> {}
