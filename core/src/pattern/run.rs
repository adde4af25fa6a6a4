//! The runs of a key: every partial match that there is, and the matches that one of them holds back.
//!
//! What enters: events in the order of their time, and the time itself. What leaves: matches in the order of the events that
//! they began with, and partial matches whose time is up. Always: what nobody needs any more is gone.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::key::Key;
use crate::pattern::machine::{Machine, Next, Place, Way};
use crate::pattern::taken::Taken;
use crate::pattern::{Match, Skip};
use crate::state::{Data, Field, Schema, State, StateSchema, state_of_any_key};
use crate::time::EventTime;

/// What is kept of a key.
#[derive(Serialize, Deserialize)]
#[serde(bound = "T: Data")]
pub struct Runs<K, T> {
    /// That of the pattern whose runs they are.
    shape: u64,
    /// The events that event time has not come to, those of one time in the order in which they came.
    pub(super) waiting: BTreeMap<EventTime, Vec<T>>,
    /// How many events have been looked at: their numbers.
    seen: u64,
    taken: Taken<T>,
    open: Vec<Run>,
    /// Matches that wait for a run that began before them, in the order in which they come out.
    complete: Vec<Complete>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

/// A partial match.
#[derive(Serialize, Deserialize)]
struct Run {
    /// The event that it began with, and when that happened.
    first: u64,
    began: EventTime,
    /// Its last take.
    last: u64,
    place: Place,
}

/// A match, by the event that it began with and its last take.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Complete {
    first: u64,
    last: u64,
}

/// What time brings to light.
pub(crate) enum Found<T> {
    Match(Match<T>),
    /// A partial match whose time is up.
    TimedOut(Match<T>),
}

impl<K: Key, T: Data + Clone> Runs<K, T> {
    /// Whether nothing is left to remember.
    pub(super) fn are_empty(&self) -> bool {
        self.waiting.is_empty() && self.taken.is_empty()
    }

    /// Runs of another pattern can't go on in this one: they are given up. Whether there were any.
    pub(super) fn fit(&mut self, machine: &Machine<T>) -> bool {
        let misfit = self.shape != machine.shape && !self.taken.is_empty();
        if misfit {
            (self.taken, self.open, self.complete) = (Taken::new(), Vec::new(), Vec::new());
        }
        self.shape = machine.shape;
        misfit
    }

    /// Event time comes to `now`, and no event happened before: the runs are over whose time is up.
    pub(super) fn advance(&mut self, machine: &Machine<T>, now: EventTime, found: &mut impl FnMut(Found<T>)) {
        let Some(within) = machine.within else { return };
        let over = self.open.extract_if(.., |run| now >= run.began + within);
        let over: Vec<Run> = over.collect();
        if over.is_empty() {
            return;
        }
        // Runs that have parted since their last take are one partial match.
        let mut ends: BTreeMap<u64, (bool, u64)> = BTreeMap::new();
        for run in &over {
            let complete = machine.completes_in_time(&run.place);
            ends.entry(run.last).or_insert((false, run.first)).0 |= complete;
        }
        let mut matches = Vec::new();
        for (last, (complete, first)) in ends {
            if complete {
                self.taken.hold(last);
                matches.push(Complete { first, last });
            } else {
                found(Found::TimedOut(self.materialize(machine, last)));
            }
        }
        for run in over {
            self.taken.release(run.last);
        }
        self.come_out(machine, matches, found);
    }

    /// An event happens. Whether a run begins with it.
    pub(super) fn happen(
        &mut self,
        machine: &Machine<T>,
        event: T,
        at: EventTime,
        found: &mut impl FnMut(Found<T>),
    ) -> bool {
        let number = self.seen;
        self.seen += 1;
        let mut takes = 0;
        let mut matches = Vec::new();
        let before = std::mem::take(&mut self.open);
        for run in &before {
            let so_far = self.taken.so_far(&machine.names, Some(run.last));
            for way in machine.ways(Some(&run.place), &event, &so_far) {
                takes += self.go(way, Some(run), number, at, &mut matches);
            }
        }
        let so_far = self.taken.so_far(&machine.names, None);
        let earlier = self.open.len();
        for way in machine.ways(None, &event, &so_far) {
            takes += self.go(way, None, number, at, &mut matches);
        }
        let begins = self.open.len() > earlier;
        if takes > 0 {
            self.taken.keep(number, event, takes);
        }
        for run in before {
            self.taken.release(run.last);
        }
        self.come_out(machine, matches, found);
        begins
    }

    /// A run goes on. How many takes that makes.
    fn go(
        &mut self,
        way: Way,
        run: Option<&Run>,
        number: u64,
        at: EventTime,
        matches: &mut Vec<Complete>,
    ) -> u32 {
        let (first, began) = run.map_or((number, at), |run| (run.first, run.began));
        match (way, run) {
            (Way::Take { step, count, complete, open }, _) => {
                if !complete && !open {
                    return 0;
                }
                let last = self.taken.take(step, number, run.map(|run| run.last));
                if complete {
                    self.taken.hold(last);
                    matches.push(Complete { first, last });
                }
                if open {
                    let place = Place { step, count, next: Next::Free };
                    self.open(Run { first, began, last, place });
                }
                1
            }
            (Way::Pass(next), Some(run)) => {
                let place = Place { next, ..run.place };
                self.open(Run { first, began, last: run.last, place });
                0
            }
            (Way::Complete, Some(run)) => {
                self.taken.hold(run.last);
                matches.push(Complete { first, last: run.last });
                0
            }
            (Way::Pass(_) | Way::Complete, None) => 0,
        }
    }

    fn open(&mut self, run: Run) {
        self.taken.hold(run.last);
        self.open.push(run);
    }

    /// Matches come out, those that are complete by now and those that waited, unless a run began before them.
    fn come_out(
        &mut self,
        machine: &Machine<T>,
        mut matches: Vec<Complete>,
        found: &mut impl FnMut(Found<T>),
    ) {
        matches.sort_by_cached_key(|complete| Order(self.taken.up_to(complete.last)));
        self.complete.extend(matches);
        self.complete.sort_by_key(|complete| complete.first);
        while let Some(&Complete { first, last }) = self.complete.first() {
            let held = machine.skip != Skip::None && self.open.iter().any(|run| run.first < first);
            if held {
                return;
            }
            self.complete.remove(0);
            let taken = self.taken.up_to(last);
            let taken = taken.iter().map(|(step, event)| (machine.names[usize::from(*step)], *event));
            self.give_up(machine.skip.begin_at(taken));
            found(Found::Match(self.materialize(machine, last)));
            self.taken.release(last);
        }
    }

    /// Runs and matches that began with an event before `first` go.
    fn give_up(&mut self, first: u64) {
        for run in self.open.extract_if(.., |run| run.first < first) {
            self.taken.release(run.last);
        }
        for complete in self.complete.extract_if(.., |complete| complete.first < first) {
            self.taken.release(complete.last);
        }
    }

    fn materialize(&self, machine: &Machine<T>, last: u64) -> Match<T> {
        let taken = self.taken.up_to(last).into_iter();
        Match::new(taken.filter_map(|(step, event)| {
            Some((machine.names[usize::from(step)], self.taken.event(event)?.clone()))
        }))
    }
}

/// The order of matches that are complete at once: the one that took the earlier event where they differ comes first, and the
/// longer of two that begin alike.
#[derive(PartialEq, Eq)]
pub(super) struct Order(pub Vec<(u16, u64)>);

impl Ord for Order {
    fn cmp(&self, other: &Order) -> Ordering {
        let (left, right) = (&self.0, &other.0);
        let events = left.iter().zip(right).map(|(left, right)| left.1.cmp(&right.1));
        let steps = left.iter().zip(right).map(|(left, right)| left.0.cmp(&right.0));
        events
            .fold(Ordering::Equal, Ordering::then)
            .then(right.len().cmp(&left.len()))
            .then(steps.fold(Ordering::Equal, Ordering::then))
    }
}

impl PartialOrd for Order {
    fn partial_cmp(&self, other: &Order) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, T: Data> State for Runs<K, T> {
    type Key = K;

    fn initial() -> Self {
        Runs {
            shape: 0,
            waiting: BTreeMap::new(),
            seen: 0,
            taken: Taken::new(),
            open: Vec::new(),
            complete: Vec::new(),
            key: PhantomData,
        }
    }

    fn schema() -> StateSchema {
        let list = |name: &str, of: &str, fields| {
            let of = Schema::Struct(of.to_string(), fields);
            Field::new(name, Schema::Generic("Vec".to_string(), vec![of]))
        };
        let run = vec![
            Field::of::<u64>("first"),
            Field::of::<EventTime>("began"),
            Field::of::<u64>("last"),
            Field::of::<Place>("place"),
        ];
        let complete = vec![Field::of::<u64>("first"), Field::of::<u64>("last")];
        StateSchema {
            name: "Runs".to_string(),
            version: Self::VERSION,
            key: K::schema(),
            fields: vec![
                Field::of::<u64>("shape"),
                Field::of::<BTreeMap<EventTime, Vec<T>>>("waiting"),
                Field::of::<u64>("seen"),
                Field::new("taken", Taken::<T>::schema()),
                list("open", "Run", run),
                list("complete", "Complete", complete),
            ],
        }
    }
}

state_of_any_key!(Runs<K, T>);
