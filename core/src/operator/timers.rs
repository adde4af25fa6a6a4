//! Keyed timers of one operator in one subtask: in event time and in processing time.
//!
//! Timers fire in the order of their time; those of one time in the order in which they were set. They are kept in memory
//! and written whole into every snapshot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::key::{Key, KeyGroup, KeyHash, MaxParallelism};
use crate::snapshot::part::{Section, StateRow};
use crate::state::{Data, Describe, Field, Schema, Variant};
use crate::time::EventTime;

/// Names a timer that was set, so that it can be cancelled. It can be kept in state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    domain: TimeDomain,
    at: EventTime,
    number: u64,
}

/// Which time a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum TimeDomain {
    Event,
    Processing,
}

impl TimerId {
    /// When the timer is due.
    pub fn due(self) -> EventTime {
        self.at
    }
}

impl Describe for TimerId {
    fn schema() -> Schema {
        let domains = ["Event", "Processing"].map(|domain| Variant::new(domain, Vec::new()));
        let domain = Schema::Enum("TimeDomain".to_string(), Vec::from(domains));
        Schema::Struct(
            "TimerId".to_string(),
            vec![Field::new("domain", domain), Field::of::<EventTime>("at"), Field::of::<u64>("number")],
        )
    }
}

impl Data for TimerId {}

/// A timer that has not fired.
pub(crate) struct Timer<K, P> {
    pub hash: KeyHash,
    pub key: K,
    pub payload: P,
}

/// When a timer is due, its number, and the hash of its key: the order of firing.
///
/// The number alone does not tell timers apart: two subtasks count each for itself, and a restore at another parallelism
/// brings their timers together. Keys of one hash are of one key group and so always in one subtask: with the hash no two
/// timers are the same.
type Due = (EventTime, u64, u64);

/// All timers of an operator in a subtask.
pub(crate) struct Timers<K, P> {
    event: BTreeMap<Due, Timer<K, P>>,
    processing: BTreeMap<Due, Timer<K, P>>,
    /// Numbers are never used twice for a key, not even after a restore: an id kept in state stays what it was.
    next_number: u64,
}

impl<K: Key, P: Data> Timers<K, P> {
    pub fn new() -> Timers<K, P> {
        Timers { event: BTreeMap::new(), processing: BTreeMap::new(), next_number: 0 }
    }

    fn domain(&mut self, domain: TimeDomain) -> &mut BTreeMap<Due, Timer<K, P>> {
        match domain {
            TimeDomain::Event => &mut self.event,
            TimeDomain::Processing => &mut self.processing,
        }
    }

    pub fn set(&mut self, domain: TimeDomain, at: EventTime, timer: Timer<K, P>) -> TimerId {
        let number = self.next_number;
        self.next_number += 1;
        self.domain(domain).insert((at, number, timer.hash.bits()), timer);
        TimerId { domain, at, number }
    }

    /// Whether the timer was still waiting. One of another key is none of `key`'s business, and stays.
    pub fn cancel(&mut self, id: TimerId, hash: KeyHash, key: &K) -> bool {
        let timers = self.domain(id.domain);
        let due = (id.at, id.number, hash.bits());
        let own = timers.get(&due).is_some_and(|timer| timer.key == *key);
        own && timers.remove(&due).is_some()
    }

    /// The next timer that is due at `now`.
    pub fn pop_due(&mut self, domain: TimeDomain, now: EventTime) -> Option<(EventTime, Timer<K, P>)> {
        let entry = self.domain(domain).first_entry()?;
        let (at, ..) = *entry.key();
        (at <= now).then(|| (at, entry.remove()))
    }

    pub fn next_processing(&self) -> Option<EventTime> {
        self.processing.first_key_value().map(|((at, ..), _)| *at)
    }

    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// No number below `number` will be used from now on.
    pub fn skip_numbers(&mut self, number: u64) {
        self.next_number = self.next_number.max(number);
    }

    /// Every timer as a row, in the order of a snapshot.
    pub fn freeze(&self, max_parallelism: MaxParallelism) -> Result<Vec<FrozenTimer>> {
        let mut frozen = Vec::with_capacity(self.event.len() + self.processing.len());
        let domains = [(Section::EventTimer, &self.event), (Section::ProcessingTimer, &self.processing)];
        for (section, timers) in domains {
            for ((at, number, _), timer) in timers {
                let mut key = Vec::with_capacity(32);
                at.encode(&mut key);
                number.encode(&mut key);
                timer.key.encode(&mut key);
                let group = timer.hash.group(max_parallelism);
                frozen.push(FrozenTimer { group, section, key, value: postcard::to_stdvec(&timer.payload)? });
            }
        }
        frozen.sort_unstable_by(|a, b| (a.group, a.section, &a.key).cmp(&(b.group, b.section, &b.key)));
        Ok(frozen)
    }

    /// Takes back a row that [`Timers::freeze`] made.
    pub fn restore(&mut self, row: StateRow<'_>) -> Result<()> {
        let mut bytes = row.key;
        let damaged = || Error::failure(format!("a timer of key group {} can't be decoded", row.group));
        let at = EventTime::decode(&mut bytes).ok_or_else(damaged)?;
        let number = u64::decode(&mut bytes).ok_or_else(damaged)?;
        let key = K::decode(&mut bytes).ok_or_else(damaged)?;
        let payload = postcard::from_bytes(row.value().ok_or_else(damaged)?)
            .map_err(|error| damaged().caused_by(error))?;
        let timers = match row.section {
            Section::ProcessingTimer => &mut self.processing,
            Section::EventTimer | Section::State | Section::Entry => &mut self.event,
        };
        let hash = key.hash();
        timers.insert((at, number, hash.bits()), Timer { hash, key, payload });
        self.skip_numbers(number + 1);
        Ok(())
    }
}

/// A timer as a snapshot keeps it: `time i64 BE | number u64 BE | key` -> payload.
pub(crate) struct FrozenTimer {
    group: KeyGroup,
    section: Section,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl FrozenTimer {
    pub fn row(&self) -> StateRow<'_> {
        StateRow::put(self.group, self.section, &self.key, &self.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn timer(key: u64, payload: &str) -> Timer<u64, String> {
        Timer { hash: key.hash(), key, payload: payload.to_string() }
    }

    fn fired(timers: &mut Timers<u64, String>, now: i64) -> Vec<String> {
        std::iter::from_fn(|| timers.pop_due(TimeDomain::Event, at(now)))
            .map(|(_, timer)| timer.payload)
            .collect()
    }

    #[test]
    fn timers_fire_in_the_order_of_time_and_then_of_setting() {
        let mut timers = Timers::new();
        timers.set(TimeDomain::Event, at(5), timer(1, "second"));
        timers.set(TimeDomain::Event, at(5), timer(0, "third"));
        timers.set(TimeDomain::Event, at(3), timer(2, "first"));
        timers.set(TimeDomain::Event, at(6), timer(2, "not yet"));
        assert_eq!(fired(&mut timers, 5), ["first", "second", "third"]);
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_another_keys_timer_can_not_be_cancelled() {
        let mut timers = Timers::new();
        let id = timers.set(TimeDomain::Event, at(5), timer(1, "x"));
        assert!(!timers.cancel(id, 2u64.hash(), &2));
        assert!(timers.cancel(id, 1u64.hash(), &1));
        assert!(!timers.cancel(id, 1u64.hash(), &1));
        assert_eq!(fired(&mut timers, 9), [""; 0]);
    }

    #[test]
    fn restored_timers_fire_as_before_and_new_ids_do_not_repeat_old_ones() {
        let mut timers = Timers::new();
        timers.set(TimeDomain::Event, at(-5), timer(1, "early"));
        let kept = timers.set(TimeDomain::Event, at(7), timer(1, "late"));
        timers.set(TimeDomain::Processing, at(1), timer(3, "clock"));
        let mut restored: Timers<u64, String> = Timers::new();
        for frozen in timers.freeze(MaxParallelism::DEFAULT).unwrap() {
            restored.restore(frozen.row()).unwrap();
        }
        assert_eq!(restored.next_processing(), Some(at(1)));
        let new = restored.set(TimeDomain::Event, at(7), timer(1, "later"));
        assert_ne!(new, kept);
        assert!(restored.cancel(kept, 1u64.hash(), &1));
        assert_eq!(fired(&mut restored, 9), ["early", "later"]);
    }

    #[test]
    fn timers_that_two_subtasks_gave_one_number_all_fire_when_a_restore_brings_them_together() {
        // Each subtask counts from 0, so both set a timer (5 ms, 0). Restored at parallelism 1, the one took the other's
        // place: a session of some key never closed.
        let (mut left, mut right) = (Timers::new(), Timers::new());
        left.set(TimeDomain::Event, at(5), timer(1, "left"));
        let id = right.set(TimeDomain::Event, at(5), timer(2, "right"));
        right.set(TimeDomain::Processing, at(5), timer(2, "right clock"));
        let mut restored: Timers<u64, String> = Timers::new();
        for subtask in [&left, &right] {
            for frozen in subtask.freeze(MaxParallelism::DEFAULT).unwrap() {
                restored.restore(frozen.row()).unwrap();
            }
        }
        assert!(!restored.cancel(id, 3u64.hash(), &3));
        let mut all = fired(&mut restored, 9);
        all.sort();
        assert_eq!(all, ["left", "right"]);
        assert_eq!(restored.next_processing(), Some(at(5)));
    }
}
