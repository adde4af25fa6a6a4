//! A pattern, as it is written down.
//!
//! What enters: steps, one after another. What leaves: a [`Machine`], or what is wrong with the pattern. Nothing fails while it
//! is written: the first mistake is told when the pattern is used.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::pattern::machine::{Gap, Machine};
use crate::pattern::step::{Condition, Contiguity, Inner, Step};
use crate::pattern::{Skip, SoFar, Times};

/// What is looked for: steps, how they follow each other, and how often each is taken.
///
/// What is said after a step is said of that step. A step takes any event until a [`filter`](Pattern::filter) says which.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::TestJob;
///
/// #[event(time = at)]
/// #[derive(Clone)]
/// struct Payment { card: u32, amount: u64, at: EventTime }
///
/// # fn main() -> Result<()> {
/// # let payment = |amount, second: i64| Payment { card: 7, amount, at: EventTime::from_millis(second * 1000) };
/// let payments = vec![payment(1, 0), payment(900, 20), payment(40, 50), payment(800, 55)];
/// let theft = Pattern::begin("small")
///     .filter(|payment: &Payment| payment.amount < 10)
///     .followed_by("large").one_or_more()
///     .filter_with(|payment, so_far| so_far.first("small").is_some_and(|small| payment.amount > 100 * small.amount))
///     .within(minutes(1));
/// let thefts = Collect::new();
/// TestJob::new("thefts", |job| {
///     job.source("payments", Memory::of(payments))
///         .watermarks(Watermarks::bounded(secs(5)))
///         .key_by(|payment| payment.card)
///         .pattern(theft)
///         .matches("thefts")
///         .map(|theft| theft.all("large").map(|payment| payment.amount).collect::<Vec<_>>())
///         .sink("thefts", thefts.clone());
///     Ok(())
/// })?
/// .run()?;
/// assert_eq!(thefts.take(), [vec![900], vec![900, 800]]);
/// # Ok(())
/// # }
/// ```
///
/// How steps follow each other, and how often one is taken, in the words of Flink:
///
/// ```
/// use tidegate::pattern::PatternMatch;
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
///
/// /// The matches in `events`, one a millisecond.
/// fn found(pattern: Pattern<char>, events: &str) -> Vec<String> {
///     let mut harness = Harness::new(PatternMatch::of(pattern).unwrap(), |_: &char| 0u8).unwrap();
///     for (millis, event) in (0..).zip(events.chars()) {
///         harness.push(event, EventTime::from_millis(millis)).unwrap();
///     }
///     harness.advance_watermark(EventTime::MAX).unwrap();
///     let mut found: Vec<String> =
///         harness.take_output().iter().map(|found| found.iter().map(|(_, event)| *event).collect()).collect();
///     found.sort();
///     found
/// }
///
/// let a = || Pattern::begin("a").filter(|event| *event == 'a');
/// let digit = |event: &char| event.is_ascii_digit();
/// assert_eq!(found(a().next("n").filter(digit), "ax12"), [""; 0]);
/// assert_eq!(found(a().followed_by("n").filter(digit), "ax12"), ["a1"]);
/// assert_eq!(found(a().followed_by_any("n").filter(digit), "ax12"), ["a1", "a2"]);
///
/// let some = || a().followed_by("n").filter(digit).one_or_more();
/// let end = |pattern: Pattern<char>| pattern.followed_by("e").filter(|event| *event == 'e');
/// assert_eq!(found(end(some()), "a12x3e"), ["a123e", "a12e", "a1e"]);
/// assert_eq!(found(end(some().consecutive()), "a12x3e"), ["a12e", "a1e"]);
/// assert_eq!(found(end(some().allow_combinations()), "a12x3e"), ["a123e", "a12e", "a13e", "a1e"]);
/// assert_eq!(found(end(some().greedy()), "a12x3e"), ["a123e"]);
/// assert_eq!(found(end(some().until(|event| *event == '2')), "a12x3e"), ["a1e"]);
/// assert_eq!(found(end(a().followed_by("n").filter(digit).optional()), "a1e"), ["a1e", "ae"]);
///
/// let without_x = || end(a().not_next("x").filter(|event| *event == 'x'));
/// assert_eq!(found(without_x(), "axe"), [""; 0]);
/// assert_eq!(found(without_x(), "a1xe"), ["ae"]);
/// ```
#[must_use = "a pattern finds nothing until a stream is given it: `stream.key_by(..).pattern(pattern)`"]
pub struct Pattern<T> {
    written: Vec<Written<T>>,
    within: Option<Duration>,
    by_clock: bool,
    skip: Skip,
    mistake: Option<Mistake>,
}

/// What a pattern is not, and what to do instead.
#[derive(Clone)]
struct Mistake {
    what: String,
    hint: &'static str,
}

/// A step as it is written: one that takes events, or one that must not come.
struct Written<T> {
    name: &'static str,
    kind: Kind,
    conditions: Vec<Condition<T>>,
    until: Option<Condition<T>>,
    inner: Inner,
    times: Option<Times>,
    optional: bool,
    greedy: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Takes(Contiguity),
    NotNext,
    NotFollowedBy,
}

impl<T> Clone for Pattern<T> {
    fn clone(&self) -> Pattern<T> {
        let written = self.written.iter().map(|step| Written {
            conditions: step.conditions.clone(),
            until: step.until.clone(),
            ..*step
        });
        let written = written.collect();
        Pattern { written, mistake: self.mistake.clone(), ..*self }
    }
}

impl<T: 'static> Pattern<T> {
    /// The first step of a pattern.
    pub fn begin(name: &'static str) -> Pattern<T> {
        let pattern =
            Pattern { written: Vec::new(), within: None, by_clock: false, skip: Skip::None, mistake: None };
        pattern.step(name, Kind::Takes(Contiguity::FollowedBy))
    }

    /// A step whose event comes directly after what was taken before: Flink's strict contiguity.
    pub fn next(self, name: &'static str) -> Pattern<T> {
        self.step(name, Kind::Takes(Contiguity::Next))
    }

    /// A step that takes the first event that fits: Flink's relaxed contiguity.
    pub fn followed_by(self, name: &'static str) -> Pattern<T> {
        self.step(name, Kind::Takes(Contiguity::FollowedBy))
    }

    /// A step that takes any event that fits, one in each match: Flink's non-deterministic relaxed contiguity.
    pub fn followed_by_any(self, name: &'static str) -> Pattern<T> {
        self.step(name, Kind::Takes(Contiguity::FollowedByAny))
    }

    /// The event directly after what was taken before must not be one like this. At the end of a pattern, a match is
    /// complete when another event has come.
    pub fn not_next(self, name: &'static str) -> Pattern<T> {
        self.step(name, Kind::NotNext)
    }

    /// No event like this must come before the next step takes one. At the end of a pattern, before the time of
    /// [`within`](Pattern::within) is up: a match is complete then.
    pub fn not_followed_by(self, name: &'static str) -> Pattern<T> {
        self.step(name, Kind::NotFollowedBy)
    }

    /// Which events the step means. With several, all must hold.
    pub fn filter(self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Pattern<T> {
        self.filter_with(move |event, _| condition(event))
    }

    /// Which events the step means, given what has been taken so far: Flink's iterative condition.
    pub fn filter_with(
        mut self,
        condition: impl Fn(&T, &SoFar<'_, T>) -> bool + Send + Sync + 'static,
    ) -> Pattern<T> {
        self.last().conditions.push(Arc::new(condition));
        self
    }

    /// The step takes one event or more.
    pub fn one_or_more(self) -> Pattern<T> {
        self.times(1..)
    }

    /// The step takes so many events: `3`, `2..=4`, `2..5` or `2..`. From 0 on it is optional.
    pub fn times(mut self, times: impl Into<Times>) -> Pattern<T> {
        let Times { min, max } = times.into();
        let name = self.last().name;
        if self.last().kind.is_negative() {
            return self.negative("is taken several times");
        }
        if self.last().times.is_some() {
            let what = format!("says twice how often the step {name:?} is taken");
            return self.mistaken(what, "keep one of `one_or_more` and `times`");
        }
        if max.is_some_and(|max| max < min.max(1)) {
            let what = format!("has a step {name:?} that is taken no times");
            return self.mistaken(what, "give the smaller number first, and one of at least 1 second");
        }
        let last = self.last();
        last.times = Some(Times { min: min.max(1), max });
        last.optional |= min == 0;
        self
    }

    /// The step may be left out.
    pub fn optional(mut self) -> Pattern<T> {
        if self.last().kind.is_negative() {
            return self.negative("is optional");
        }
        self.last().optional = true;
        self
    }

    /// A step that is taken several times takes as many events as it can: what follows it takes none of its events, and
    /// none may pass before. Behind the last step there is nothing that it could change.
    pub fn greedy(mut self) -> Pattern<T> {
        let Written { name, times, inner, .. } = *self.last();
        if times.is_none() {
            let what = format!("has a step {name:?} that is greedy and taken once");
            return self.mistaken(what, "say first how often it is taken: `.one_or_more().greedy()`");
        }
        if inner == Inner::Combinations {
            return self.mistaken(
                format!("has a step {name:?} that is greedy, and may leave out any of its events"),
                "keep one of `greedy` and `allow_combinations`",
            );
        }
        self.last().greedy = true;
        self
    }

    /// Nothing comes between the events that the step takes.
    pub fn consecutive(self) -> Pattern<T> {
        self.inner(Inner::Consecutive, "are consecutive")
    }

    /// Anything may come between the events that the step takes, such as it could have taken, too.
    pub fn allow_combinations(mut self) -> Pattern<T> {
        let Written { name, greedy, .. } = *self.last();
        if greedy {
            return self.mistaken(
                format!("has a step {name:?} that is greedy, and may leave out any of its events"),
                "keep one of `greedy` and `allow_combinations`",
            );
        }
        self.inner(Inner::Combinations, "are any of several")
    }

    /// An event that ends a loop: the step takes neither it nor any after it.
    pub fn until(self, condition: impl Fn(&T) -> bool + Send + Sync + 'static) -> Pattern<T> {
        self.until_with(move |event, _| condition(event))
    }

    /// An event that ends a loop, given what has been taken so far.
    pub fn until_with(
        mut self,
        condition: impl Fn(&T, &SoFar<'_, T>) -> bool + Send + Sync + 'static,
    ) -> Pattern<T> {
        let Written { name, times, .. } = *self.last();
        if times.is_none_or(|times| times.max.is_some()) {
            let what = format!("has a step {name:?} with an end and without a loop");
            return self.mistaken(what, "say first that it is one: `.one_or_more().until(..)`");
        }
        if self.last().until.is_some() {
            let what = format!("has a step {name:?} whose loop has two ends");
            return self.mistaken(what, "write both into one `until`");
        }
        self.last().until = Some(Arc::new(condition));
        self
    }

    /// From the first event of a match to the last less time than this passes, in event time. Of several, the shortest counts.
    pub fn within(mut self, time: Duration) -> Pattern<T> {
        self.within = Some(self.within.map_or(time, |within| within.min(time)));
        self
    }

    /// Goes by the clock on the wall: Flink's `PatternStream.inProcessingTime()`.
    ///
    /// Events happen in the order in which they come, when they come, and none is late. The time of
    /// [`within`](Pattern::within) is up by the clock; what is not up at the end of the input never is. What is found is not
    /// the same after a restore.
    ///
    /// ```
    /// use tidegate::pattern::PatternMatch;
    /// use tidegate::prelude::*;
    /// use tidegate::testing::Harness;
    ///
    /// # fn main() -> Result<()> {
    /// let twice = Pattern::begin("once").next("again").within(secs(1)).processing_time();
    /// let mut harness = Harness::new(PatternMatch::of(twice)?, |_: &char| 0u8)?;
    /// for (second, letter) in [(0, 'a'), (0, 'b'), (5, 'c')] {
    ///     harness.advance_processing_time(EventTime::from_millis(second * 1000))?;
    ///     harness.push(letter, EventTime::MIN)?;
    /// }
    /// let found = harness.take_output();
    /// assert_eq!(found.len(), 1);
    /// assert_eq!((found[0].first("once"), found[0].first("again")), (Some(&'a'), Some(&'b')));
    /// # Ok(())
    /// # }
    /// ```
    pub fn processing_time(self) -> Pattern<T> {
        Pattern { by_clock: true, ..self }
    }

    /// What becomes of other matches when one has been found. Without it, every match comes out.
    pub fn skip(self, skip: Skip) -> Pattern<T> {
        Pattern { skip, ..self }
    }

    fn step(mut self, name: &'static str, kind: Kind) -> Pattern<T> {
        self.written.push(Written {
            name,
            kind,
            conditions: Vec::new(),
            until: None,
            inner: Inner::Relaxed,
            times: None,
            optional: false,
            greedy: false,
        });
        self
    }

    fn inner(mut self, inner: Inner, are: &str) -> Pattern<T> {
        let Written { name, times, inner: before, .. } = *self.last();
        if times.is_none() {
            let what = format!("has a step {name:?} that is taken once and whose events {are}");
            return self.mistaken(what, "say first how often it is taken: `one_or_more` or `times`");
        }
        if before != Inner::Relaxed && before != inner {
            let what = format!("has a step {name:?} whose events are consecutive, and any of several");
            return self.mistaken(what, "keep one of `consecutive` and `allow_combinations`");
        }
        self.last().inner = inner;
        self
    }

    fn last(&mut self) -> &mut Written<T> {
        self.written.last_mut().expect("a pattern begins with a step")
    }

    fn negative(mut self, is: &str) -> Pattern<T> {
        let what = format!("has a step {:?} that must not come and {is}", self.last().name);
        self.mistaken(what, "what must not come is taken never")
    }

    fn mistaken(mut self, what: String, hint: &'static str) -> Pattern<T> {
        self.mistake.get_or_insert(Mistake { what, hint });
        self
    }

    /// The machine that finds it.
    ///
    /// # Errors
    /// If there can't be such a pattern.
    pub(crate) fn machine(self, operator: &str) -> Result<Machine<T>> {
        self.judged().map_err(|Mistake { what, hint }| {
            Error::usage(format!("the pattern {operator:?} {what}")).hint(hint)
        })
    }

    fn judged(mut self) -> Result<Machine<T>, Mistake> {
        if let Some(mistake) = self.mistake.take() {
            return Err(mistake);
        }
        let mistake = |what: String, hint| Err(Mistake { what, hint });
        for (index, step) in self.written.iter().enumerate() {
            let name = step.name;
            if self.written[..index].iter().any(|earlier| earlier.name == name) {
                return mistake(format!("has two steps {name:?}"), "give each a name of its own");
            }
            let before = index.checked_sub(1).map(|before| &self.written[before]);
            match before {
                Some(before) if step.kind.is_negative() && before.optional => {
                    return mistake(
                        format!(
                            "has {name:?}, which must not come, behind the optional step {:?}",
                            before.name
                        ),
                        "write two patterns, with the optional step and without it",
                    );
                }
                Some(before) if step.kind == Kind::NotNext && before.kind == Kind::NotFollowedBy => {
                    return mistake(
                        format!("has `not_next({name:?})` behind `not_followed_by({:?})`", before.name),
                        "write `not_next` first",
                    );
                }
                _ => {}
            }
        }
        let last = self.last();
        let name = last.name;
        if last.kind == Kind::NotFollowedBy && self.within.is_none() {
            return mistake(
                format!("ends with {name:?}, which must never come, and so never ends"),
                "say how long to wait for it: `.within(minutes(10))`",
            );
        }
        let shape = self.shape();
        let takes = |name| self.written.iter().any(|step| step.name == name && !step.kind.is_negative());
        if let Some(name) = self.skip.step().filter(|name| !takes(*name)) {
            return mistake(
                format!("skips to {name:?}, and takes nothing so called"),
                "name one of its steps",
            );
        }
        if self.within.is_some_and(|within| within.is_zero()) {
            return mistake("is over before it begins".to_string(), "give `within` more than no time");
        }
        let (mut steps, mut gaps) = (Vec::new(), vec![Gap::new()]);
        for step in std::mem::take(&mut self.written) {
            let gap: &mut Gap<T> = gaps.last_mut().expect("there is one more of them than steps");
            let Written { name, kind, conditions, until, inner, times, optional, greedy } = step;
            let all: Condition<T> = match kind {
                Kind::Takes(contiguity) => {
                    let times = times.unwrap_or(Times::ONCE);
                    steps.push(Step { name, contiguity, inner, conditions, until, times, optional, greedy });
                    gaps.push(Gap::new());
                    continue;
                }
                Kind::NotNext | Kind::NotFollowedBy => {
                    Arc::new(move |event, so_far| conditions.iter().all(|condition| condition(event, so_far)))
                }
            };
            match kind {
                Kind::NotNext => gap.not_next.push(all),
                _ => gap.not_followed_by.push(all),
            }
        }
        let names = steps.iter().map(|step| step.name).collect();
        let Pattern { within, by_clock, skip, .. } = self;
        Ok(Machine { steps, gaps, names, within, by_clock, skip, shape })
    }

    /// All that tells patterns apart, but the conditions.
    fn shape(&self) -> u64 {
        let mut shape = format!("{:?};", self.within);
        if self.by_clock {
            shape.push_str("by the clock;");
        }
        for step in &self.written {
            let Written { name, inner, times, optional, greedy, .. } = step;
            let _ = write!(shape, "{name:?} {:?} {inner:?} {times:?} {optional} {greedy};", step.kind);
        }
        xxhash_rust::xxh3::xxh3_64(shape.as_bytes())
    }
}

impl Kind {
    fn is_negative(self) -> bool {
        !matches!(self, Kind::Takes(_))
    }
}
