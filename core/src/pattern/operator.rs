//! The operator that looks for a pattern.
//!
//! What enters: records of a key, in any order. What leaves: matches and, on the side, timed-out partial matches and late
//! records. An event waits until the watermark says that none can have happened before it. What is found carries the time of the
//! event that completed it; what timed out, that at which its time was up. A pattern by the clock has nothing wait: an event
//! happens when it comes.

use std::marker::PhantomData;
use std::sync::Once;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::key::Key;
use crate::operator::late::{Dropped, Late, ToSide};
use crate::operator::{Context, Emit, Never, Operator, UnkeyedContext};
use crate::pattern::machine::Machine;
use crate::pattern::run::{Found, Runs};
use crate::pattern::{Match, Matcher};
use crate::state::{Data, Describe, Schema};

/// Looks for a pattern in the events of each key. `stream.key_by(..).pattern(pattern)` makes one; a test may, too.
///
/// ```
/// use tidegate::pattern::PatternMatch;
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
///
/// #[pattern]
/// fn doubled(#[begin] once: u64, #[next(|number| *number == 2 * *once)] twice: u64) -> (u64, u64) {
///     (once, twice)
/// }
///
/// # fn main() -> Result<()> {
/// let mut harness = Harness::new(PatternMatch::of(Doubled)?, |_: &u64| "numbers".to_string())?;
/// for (number, millis) in [(8, 4), (3, 1), (5, 2), (4, 3)] {
///     harness.push(number, EventTime::from_millis(millis))?;
/// }
/// harness.advance_watermark(EventTime::from_millis(4))?;
/// assert_eq!(harness.take_output(), [(4, 8)]);
/// # Ok(())
/// # }
/// ```
pub struct PatternMatch<K, P: Matcher, La = Dropped> {
    matcher: P,
    machine: Machine<P::Event>,
    /// The first time that runs are given up because the pattern is another one now.
    changed: Once,
    of: PhantomData<fn() -> (K, La)>,
}

/// What comes out beside the matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Aside<T> {
    /// A partial match that was not completed in time.
    TimedOut(Match<T>),
    /// A record that came when event time had passed it.
    Late(T),
}

impl<T> Aside<T> {
    pub(super) fn timed_out(self) -> Option<Match<T>> {
        self.part().ok()
    }

    pub(super) fn late(self) -> Option<T> {
        self.part().err()
    }

    /// The partial match, or else the record.
    pub(super) fn part(self) -> Result<Match<T>, T> {
        match self {
            Aside::TimedOut(partial) => Ok(partial),
            Aside::Late(record) => Err(record),
        }
    }
}

/// Event time has come to that of an event, or to the end of a run's time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Due;

impl<K, P: Matcher> PatternMatch<K, P, ToSide> {
    /// The operator by itself. Its side output is late records and timed-out partial matches.
    ///
    /// # Errors
    /// If there can't be such a pattern.
    pub fn of(matcher: P) -> Result<PatternMatch<K, P, ToSide>> {
        let machine = matcher.pattern().machine("pattern")?;
        Ok(PatternMatch::new(matcher, machine))
    }
}

impl<K, P: Matcher, La: Late> PatternMatch<K, P, La> {
    pub(super) fn new(matcher: P, machine: Machine<P::Event>) -> PatternMatch<K, P, La> {
        PatternMatch { matcher, machine, changed: Once::new(), of: PhantomData }
    }

    /// An event comes, and happens by the clock.
    fn happen_now(
        &self,
        event: P::Event,
        runs: &mut Runs<K, P::Event>,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<P::Out>,
        side: &mut impl Emit<Aside<P::Event>>,
    ) where
        K: Key,
    {
        self.fit(runs, cx);
        let now = cx.processing_time();
        let mut found = |found| match found {
            Found::Match(found) => out.emit(self.matcher.select(found)),
            Found::TimedOut(partial) => side.emit(Aside::TimedOut(partial)),
        };
        runs.advance(&self.machine, now, &mut found);
        let begins = runs.happen(&self.machine, event, now, &mut found);
        if let Some(within) = self.machine.within.filter(|_| begins) {
            cx.set_processing_timer(now + within, Due);
        }
        if runs.are_empty() {
            cx.clear_state();
        }
    }

    fn fit(&self, runs: &mut Runs<K, P::Event>, cx: &Context<'_, Self>)
    where
        K: Key,
    {
        if runs.fit(&self.machine) {
            self.changed.call_once(|| {
                tracing::warn!(
                    "the pattern of operator {:?} has changed: partial matches of what it was are given up",
                    cx.operator()
                );
            });
        }
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, P: Matcher, La: Late> Operator for PatternMatch<K, P, La> {
    type In = P::Event;
    type State = Runs<K, P::Event>;
    type Out = P::Out;
    type Side = Aside<P::Event>;
    type Timer = Due;
    type Shared = ();
    type Broadcast = Never;

    fn on_event(
        &self,
        event: P::Event,
        runs: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<P::Out>,
        side: &mut impl Emit<Aside<P::Event>>,
    ) {
        if self.machine.by_clock {
            return self.happen_now(event, runs, cx, out, side);
        }
        if cx.has_no_place() {
            cx.count_late(La::KEPT);
            if La::KEPT {
                side.emit(Aside::Late(event));
            }
            if runs.are_empty() {
                cx.clear_state();
            }
            return;
        }
        let at = cx.event_time();
        let of_time = runs.waiting.entry(at).or_default();
        of_time.push(event);
        if of_time.len() == 1 {
            cx.set_timer(at, Due);
        }
    }

    fn on_timer(
        &self,
        Due: Due,
        runs: &mut Self::State,
        (): &(),
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<P::Out>,
        side: &mut impl Emit<Aside<P::Event>>,
    ) {
        self.fit(runs, cx);
        let now = cx.event_time();
        let mut found = |found| match found {
            Found::Match(found) => out.emit(self.matcher.select(found)),
            Found::TimedOut(partial) => side.emit(Aside::TimedOut(partial)),
        };
        runs.advance(&self.machine, now, &mut found);
        let mut begins = false;
        for event in runs.waiting.remove(&now).unwrap_or_default() {
            begins |= runs.happen(&self.machine, event, now, &mut found);
        }
        if let Some(within) = self.machine.within.filter(|_| begins) {
            cx.set_timer(now + within, Due);
        }
        if runs.are_empty() {
            cx.clear_state();
        }
    }

    fn on_broadcast(
        &self,
        record: Never,
        (): &mut (),
        _cx: &UnkeyedContext,
        _out: &mut impl Emit<P::Out>,
        _side: &mut impl Emit<Aside<P::Event>>,
    ) {
        match record {}
    }
}

impl Describe for Due {
    fn schema() -> Schema {
        Schema::Struct("Due".to_string(), Vec::new())
    }
}

impl Data for Due {}
