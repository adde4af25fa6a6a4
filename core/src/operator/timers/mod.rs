//! Keyed timers of one operator in one subtask: in event time and in processing time.
//!
//! Timers fire in the order of their time; those of one time key by key, in an order of the keys that is always the same, and
//! those of one key in the order in which they were set. A timer that is set twice, for the same key and time and with the
//! same payload, is one timer. They are kept in memory.
//!
//! A snapshot gets those that were set or have gone since the one before, and as with [rows](crate::state::table) nothing
//! is encoded at the barrier: the timers that were set in the closed epoch are encoded in slices afterwards, or when one of
//! them fires or is cancelled before.

mod moment;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::key::{Key, KeyHash, MaxParallelism};
use crate::operator::timers::moment::{Moment, Waiting};
use crate::record::SnapshotId;
use crate::snapshot::part::{RowChange, Section, StateRow};
use crate::state::delta::PendingRun;
use crate::state::run::Run;
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

    /// How a row says that it is due, where there was a timer once.
    pub(crate) fn in_event_time(at: EventTime) -> TimerId {
        TimerId { domain: TimeDomain::Event, at, number: 0 }
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

/// All timers of an operator in a subtask.
///
/// They fire by their time, the hash of their key, and their number. That the order does not depend on the order in which records
/// of different keys come makes a run repeatable. The number alone does not tell timers apart: two subtasks count each for itself,
/// and a restore at another parallelism brings their timers together. Keys of one hash are of one key group and so always in one
/// subtask: with the hash no two timers are the same.
pub(crate) struct Timers<K, P> {
    event: Moments<K, P>,
    processing: Moments<K, P>,
    /// Numbers are never used twice for a key, not even after a restore: an id kept in state stays what it was.
    next_number: u64,
    changes: Changes,
}

type Moments<K, P> = BTreeMap<EventTime, Moment<K, P>>;

/// What is remembered of changes for the next snapshot.
struct Changes {
    max_parallelism: MaxParallelism,
    /// Whether there are snapshots. If not, there is one epoch for ever.
    tracked: bool,
    epoch: u32,
    /// The times for which timers were set in this epoch; some have gone again.
    set: Vec<(TimeDomain, EventTime)>,
    /// The timers that snapshots have and that went in this epoch.
    gone: Run,
    freezing: Option<Freezing>,
    /// What is in no complete snapshot yet.
    unconfirmed: Vec<(SnapshotId, Arc<PendingRun>)>,
}

/// A closed epoch, of which not all timers are encoded.
struct Freezing {
    epoch: u32,
    snapshot: SnapshotId,
    pending: Vec<(TimeDomain, EventTime)>,
    run: Run,
}

/// How many timers are encoded between two batches.
const SLICE_TIMERS: usize = 512;
/// The list of times for which timers were set is gone through for those without any when it is this long, and twice as long as
/// there are times.
const SET_MIN: usize = 4096;

impl TimeDomain {
    fn section(self) -> Section {
        match self {
            TimeDomain::Event => Section::EventTimer,
            TimeDomain::Processing => Section::ProcessingTimer,
        }
    }
}

impl Changes {
    /// A timer goes: snapshots that have it must learn it, and one that is being written must still have it.
    fn goes<K: Key, P: Data>(&mut self, domain: TimeDomain, at: EventTime, waiting: &Waiting<K, P>) {
        if !self.tracked || waiting.set_in == self.epoch {
            return;
        }
        if let Some(freezing) = &mut self.freezing
            && waiting.set_in == freezing.epoch
        {
            freezing.keep(domain, at, waiting, self.max_parallelism);
        }
        let group = waiting.hash.group(self.max_parallelism);
        self.gone.remove(group, domain.section(), |bytes| encode_key(at, waiting, bytes));
    }

    /// A timer has been set for this time.
    #[inline]
    fn note<K, P>(&mut self, domain: TimeDomain, at: EventTime, moment: &mut Moment<K, P>) {
        if self.tracked && moment.noted_in != self.epoch {
            moment.noted_in = self.epoch;
            self.set.push((domain, at));
        }
    }
}

impl Freezing {
    /// Encodes a timer.
    fn keep<K: Key, P: Data>(
        &mut self,
        domain: TimeDomain,
        at: EventTime,
        waiting: &Waiting<K, P>,
        max_parallelism: MaxParallelism,
    ) {
        let group = waiting.hash.group(max_parallelism);
        let encode_key = |bytes: &mut Vec<u8>| encode_key(at, waiting, bytes);
        self.run.put(group, domain.section(), encode_key, &waiting.payload);
    }
}

/// The key of a timer's row: `time i64 BE | number u64 BE | key`.
fn encode_key<K: Key, P>(at: EventTime, waiting: &Waiting<K, P>, bytes: &mut Vec<u8>) {
    at.encode(bytes);
    waiting.number.encode(bytes);
    waiting.key.encode(bytes);
}

/// Whether two payloads are one and the same to a snapshot.
fn is_same<P: Data>(one: &P, other: &P) -> bool {
    matches!((postcard::to_stdvec(one), postcard::to_stdvec(other)), (Ok(one), Ok(other)) if one == other)
}

impl<K: Key, P: Data> Timers<K, P> {
    /// No timers yet. Without `tracked`, changes are not kept for snapshots.
    pub fn new(max_parallelism: MaxParallelism, tracked: bool) -> Timers<K, P> {
        Timers {
            event: BTreeMap::new(),
            processing: BTreeMap::new(),
            next_number: 0,
            changes: Changes {
                max_parallelism,
                tracked,
                epoch: 1,
                set: Vec::new(),
                gone: Run::default(),
                freezing: None,
                unconfirmed: Vec::new(),
            },
        }
    }

    fn domain(&mut self, domain: TimeDomain) -> (&mut Moments<K, P>, &mut Changes) {
        match domain {
            TimeDomain::Event => (&mut self.event, &mut self.changes),
            TimeDomain::Processing => (&mut self.processing, &mut self.changes),
        }
    }

    /// Sets a timer. If the same one waits already, it is that one: as in Flink, where a timer is its key, namespace and time.
    pub fn set(&mut self, domain: TimeDomain, at: EventTime, timer: Timer<K, P>) -> TimerId {
        let is_it =
            |waiting: &Waiting<K, P>| waiting.key == timer.key && is_same(&waiting.payload, &timer.payload);
        if let Some(moment) = self.domain(domain).0.get_mut(&at)
            && let Some(place) = moment.find(timer.hash, is_it)
        {
            return TimerId { domain, at, number: moment.get_mut(place).number };
        }
        self.set_new(domain, at, timer)
    }

    /// Sets a timer of which it is known that it does not wait already.
    #[inline]
    pub fn set_new(&mut self, domain: TimeDomain, at: EventTime, timer: Timer<K, P>) -> TimerId {
        let number = self.next_number;
        self.next_number += 1;
        let set_in = self.changes.epoch;
        let (moments, changes) = self.domain(domain);
        let moment = moments.entry(at).or_insert_with(Moment::new);
        let Timer { hash, key, payload } = timer;
        moment.add(Waiting { hash, number, key, payload, set_in, is_cancelled: false });
        changes.note(domain, at, moment);
        if changes.set.len() > SET_MIN.max(2 * (self.event.len() + self.processing.len())) {
            self.forget_gone();
        }
        TimerId { domain, at, number }
    }

    /// Takes those times off the list that no timer waits for.
    #[cold]
    fn forget_gone(&mut self) {
        let (event, processing) = (&self.event, &self.processing);
        self.changes.set.retain(|(domain, at)| match domain {
            TimeDomain::Event => event.contains_key(at),
            TimeDomain::Processing => processing.contains_key(at),
        });
    }

    /// Whether the timer was still waiting. One of another key is none of `key`'s business, and stays.
    pub fn cancel(&mut self, id: TimerId, hash: KeyHash, key: &K) -> bool {
        let (moments, changes) = self.domain(id.domain);
        let Entry::Occupied(mut entry) = moments.entry(id.at) else { return false };
        let moment = entry.get_mut();
        let is_it = |waiting: &Waiting<K, P>| waiting.number == id.number && waiting.key == *key;
        let Some(place) = moment.find(hash, is_it) else { return false };
        changes.goes(id.domain, id.at, moment.get_mut(place));
        moment.cancel(place);
        if moment.is_empty() {
            entry.remove();
        }
        true
    }

    /// The next timer that is due at `now`.
    #[inline]
    pub fn pop_due(&mut self, domain: TimeDomain, now: EventTime) -> Option<(EventTime, Timer<K, P>)> {
        let (moments, changes) = self.domain(domain);
        let mut entry = moments.first_entry()?;
        let at = *entry.key();
        if at > now {
            return None;
        }
        let waiting = entry.get_mut().pop().expect("a moment without timers does not stay");
        if entry.get().is_empty() {
            entry.remove();
        }
        changes.goes(domain, at, &waiting);
        let Waiting { hash, key, payload, .. } = waiting;
        Some((at, Timer { hash, key, payload }))
    }

    /// The hashes of the keys whose timers are due next at `now`, after one has fired.
    pub fn hashes_due(&self, domain: TimeDomain, now: EventTime) -> impl Iterator<Item = KeyHash> {
        let moments = match domain {
            TimeDomain::Event => &self.event,
            TimeDomain::Processing => &self.processing,
        };
        moments.range(..=now).flat_map(|(_, moment)| moment.hashes())
    }

    pub fn next_processing(&self) -> Option<EventTime> {
        self.processing.first_key_value().map(|(at, _)| *at)
    }

    /// Whether changes are kept for snapshots.
    pub fn are_tracked(&self) -> bool {
        self.changes.tracked
    }

    pub fn next_number(&self) -> u64 {
        self.next_number
    }

    /// No number below `number` will be used from now on.
    pub fn skip_numbers(&mut self, number: u64) {
        self.next_number = self.next_number.max(number);
    }

    /// The barrier of `snapshot` has come: closes the epoch. Its timers are encoded by [`Timers::encode_frozen`].
    ///
    /// # Errors
    /// If one of the snapshot before could not be encoded.
    pub fn freeze(&mut self, snapshot: SnapshotId) -> Result<()> {
        while !self.encode_frozen()? {}
        let changes = &mut self.changes;
        changes.freezing = Some(Freezing {
            epoch: changes.epoch,
            snapshot,
            pending: std::mem::take(&mut changes.set),
            run: std::mem::take(&mut changes.gone),
        });
        changes.epoch += 1;
        Ok(())
    }

    /// Encodes a slice of what was frozen. Whether that was the last one.
    ///
    /// # Errors
    /// If a timer could not be encoded.
    pub fn encode_frozen(&mut self) -> Result<bool> {
        let Changes { freezing, unconfirmed, max_parallelism, .. } = &mut self.changes;
        let Some(freezing_now) = freezing else { return Ok(true) };
        let mut left = SLICE_TIMERS;
        while let Some((domain, at)) = freezing_now.pending.pop() {
            let moments = match domain {
                TimeDomain::Event => &mut self.event,
                TimeDomain::Processing => &mut self.processing,
            };
            let Some(moment) = moments.get_mut(&at) else { continue };
            let epoch = freezing_now.epoch;
            let kept = moment.of_epoch(epoch, left, |waiting| {
                freezing_now.keep(domain, at, waiting, *max_parallelism);
            });
            left -= kept;
            if left == 0 {
                freezing_now.pending.push((domain, at));
                return Ok(false);
            }
        }
        if let Some(Freezing { snapshot, run, .. }) = freezing.take() {
            unconfirmed.push((snapshot, PendingRun::new(run)?));
        }
        Ok(true)
    }

    /// What is in no complete snapshot yet, older runs first.
    pub fn unconfirmed(&self) -> impl Iterator<Item = Arc<PendingRun>> {
        self.changes.unconfirmed.iter().map(|(_, run)| Arc::clone(run))
    }

    /// The snapshot is complete: what was kept for it is not needed any more.
    pub fn confirm(&mut self, snapshot: SnapshotId) {
        self.changes.unconfirmed.retain(|(of, _)| *of > snapshot);
    }

    /// Takes back a row of a snapshot.
    pub fn restore(&mut self, row: StateRow<'_>) -> Result<()> {
        let RowChange::Put(payload) = row.change else { return Ok(()) };
        let mut bytes = row.key;
        let damaged = || Error::failure(format!("a timer of key group {} can't be decoded", row.group));
        let at = EventTime::decode(&mut bytes).ok_or_else(damaged)?;
        let number = u64::decode(&mut bytes).ok_or_else(damaged)?;
        let key = K::decode(&mut bytes).ok_or_else(damaged)?;
        let payload = postcard::from_bytes(payload).map_err(|error| damaged().caused_by(error))?;
        let domain = match row.section {
            Section::EventTimer => TimeDomain::Event,
            Section::ProcessingTimer => TimeDomain::Processing,
            Section::State | Section::Entry => return Ok(()),
        };
        let hash = key.hash();
        let waiting = Waiting { hash, number, key, payload, set_in: 0, is_cancelled: false };
        self.domain(domain).0.entry(at).or_insert_with(Moment::new).add(waiting);
        self.skip_numbers(number + 1);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyGroup;
    use crate::snapshot::part::FrozenRows;
    use crate::state::delta::Delta;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn timer(key: u64, payload: &str) -> Timer<u64, String> {
        Timer { hash: key.hash(), key, payload: payload.to_string() }
    }

    type Rows = BTreeMap<(KeyGroup, Section, Vec<u8>), Vec<u8>>;

    fn new() -> Timers<u64, String> {
        Timers::new(MaxParallelism::DEFAULT, true)
    }

    /// Lays what has changed over the rows of the snapshots before.
    fn snapshot(timers: &mut Timers<u64, String>, number: u64, rows: &mut Rows) {
        timers.freeze(SnapshotId(number)).unwrap();
        complete(timers, number, rows);
    }

    fn complete(timers: &mut Timers<u64, String>, number: u64, rows: &mut Rows) {
        while !timers.encode_frozen().unwrap() {}
        let delta = Delta {
            runs: timers.unconfirmed().collect(),
            groups: MaxParallelism::DEFAULT.all(),
            complete: false,
        };
        delta
            .visit(&mut |row| {
                let key = (row.group, row.section, row.key.to_vec());
                match row.change {
                    RowChange::Put(value) => drop(rows.insert(key, value.to_vec())),
                    RowChange::Remove => assert!(rows.remove(&key).is_some(), "a snapshot has what goes"),
                    RowChange::RemovePrefix => unreachable!("timers go one by one"),
                }
                Ok(())
            })
            .unwrap();
        timers.confirm(SnapshotId(number));
    }

    fn restore(rows: &Rows, timers: &mut Timers<u64, String>) {
        for ((group, section, key), value) in rows {
            let change = RowChange::Put(value);
            timers.restore(StateRow { group: *group, section: *section, key, change }).unwrap();
        }
    }

    fn fired(timers: &mut Timers<u64, String>, now: i64) -> Vec<String> {
        std::iter::from_fn(|| timers.pop_due(TimeDomain::Event, at(now)))
            .map(|(_, timer)| timer.payload)
            .collect()
    }

    #[test]
    fn timers_fire_in_the_order_of_time_and_those_of_one_key_in_that_of_setting() {
        let mut timers = new();
        timers.set(TimeDomain::Event, at(5), timer(1, "second"));
        timers.set(TimeDomain::Event, at(5), timer(1, "another"));
        timers.set(TimeDomain::Event, at(3), timer(2, "first"));
        timers.set(TimeDomain::Event, at(6), timer(2, "not yet"));
        assert_eq!(fired(&mut timers, 5), ["first", "second", "another"]);
    }

    #[test]
    fn the_order_of_firing_does_not_depend_on_which_key_came_first() {
        let order = |keys: &mut dyn Iterator<Item = u64>| {
            let mut timers = new();
            for key in keys {
                timers.set(TimeDomain::Event, at(5), timer(key, &key.to_string()));
            }
            fired(&mut timers, 5)
        };
        assert_eq!(order(&mut (0..100)), order(&mut (0..100).rev()));
    }

    #[test]
    fn a_timer_that_is_set_twice_is_one_timer() {
        let mut timers = new();
        let id = timers.set(TimeDomain::Event, at(5), timer(1, "x"));
        assert_eq!(timers.set(TimeDomain::Event, at(5), timer(1, "x")), id);
        let other = timers.set(TimeDomain::Event, at(5), timer(1, "y"));
        let others = [
            timers.set(TimeDomain::Event, at(6), timer(1, "x")),
            timers.set(TimeDomain::Event, at(5), timer(2, "x")),
            timers.set(TimeDomain::Processing, at(5), timer(1, "x")),
        ];
        assert!(!others.contains(&id) && other != id);
        assert_eq!(fired(&mut timers, 5).len(), 3);
        let again = timers.set(TimeDomain::Event, at(5), timer(1, "x"));
        assert_ne!(again, id, "what has fired can be set anew");

        let mut rows = Rows::new();
        snapshot(&mut timers, 1, &mut rows);
        let mut restored = new();
        restore(&rows, &mut restored);
        assert_eq!(restored.set(TimeDomain::Event, at(5), timer(1, "x")), again);
        assert!(restored.cancel(again, 1u64.hash(), &1));
        assert_eq!(fired(&mut restored, 9), ["x"], "cancelled once is cancelled; this is the one of 6 ms");
    }

    #[test]
    fn a_cancelled_timer_does_not_fire_and_another_keys_timer_can_not_be_cancelled() {
        let mut timers = new();
        let id = timers.set(TimeDomain::Event, at(5), timer(1, "x"));
        assert!(!timers.cancel(id, 2u64.hash(), &2));
        assert!(timers.cancel(id, 1u64.hash(), &1));
        assert!(!timers.cancel(id, 1u64.hash(), &1));
        assert_eq!(fired(&mut timers, 9), [""; 0]);
    }

    #[test]
    fn restored_timers_fire_as_before_and_new_ids_do_not_repeat_old_ones() {
        let mut timers = new();
        timers.set(TimeDomain::Event, at(-5), timer(1, "early"));
        let kept = timers.set(TimeDomain::Event, at(7), timer(1, "late"));
        timers.set(TimeDomain::Processing, at(1), timer(3, "clock"));
        let (mut rows, mut restored) = (Rows::new(), new());
        snapshot(&mut timers, 1, &mut rows);
        restore(&rows, &mut restored);
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
        let (mut left, mut right) = (new(), new());
        left.set(TimeDomain::Event, at(5), timer(1, "left"));
        let id = right.set(TimeDomain::Event, at(5), timer(2, "right"));
        right.set(TimeDomain::Processing, at(5), timer(2, "right clock"));
        let mut restored = new();
        for subtask in [&mut left, &mut right] {
            let mut rows = Rows::new();
            snapshot(subtask, 1, &mut rows);
            restore(&rows, &mut restored);
        }
        assert!(!restored.cancel(id, 3u64.hash(), &3));
        let mut all = fired(&mut restored, 9);
        all.sort();
        assert_eq!(all, ["left", "right"]);
        assert_eq!(restored.next_processing(), Some(at(5)));
    }

    #[test]
    fn a_snapshot_is_what_was_set_and_has_not_gone_at_its_barrier_whatever_happens_behind_it() {
        let mut timers = new();
        let mut rows = Rows::new();
        let [first, second, third] =
            [1, 2, 3].map(|time| timers.set(TimeDomain::Event, at(time), timer(1, &time.to_string())));
        snapshot(&mut timers, 1, &mut rows);
        assert_eq!(rows.len(), 3);

        assert!(timers.cancel(second, 1u64.hash(), &1));
        let fourth = timers.set(TimeDomain::Event, at(4), timer(1, "4"));
        let fifth = timers.set(TimeDomain::Event, at(5), timer(1, "5"));
        assert!(timers.cancel(fifth, 1u64.hash(), &1), "no snapshot ever learns of this one");
        timers.freeze(SnapshotId(2)).unwrap();
        // Behind the barrier, before anything is encoded.
        assert_eq!(fired(&mut timers, 1), ["1"]);
        assert!(timers.cancel(fourth, 1u64.hash(), &1));
        timers.set(TimeDomain::Event, at(6), timer(1, "6"));
        complete(&mut timers, 2, &mut rows);
        let mut restored = new();
        restore(&rows, &mut restored);
        assert_eq!(fired(&mut restored, 9), ["1", "3", "4"]);

        snapshot(&mut timers, 3, &mut rows);
        let mut restored = new();
        restore(&rows, &mut restored);
        assert_eq!(fired(&mut restored, 9), ["3", "6"]);
        assert!(!timers.cancel(first, 1u64.hash(), &1));
        assert!(timers.cancel(third, 1u64.hash(), &1));
    }

    #[test]
    fn what_a_failed_snapshot_had_is_in_the_next_one() {
        let mut timers = new();
        let kept = timers.set(TimeDomain::Event, at(1), timer(1, "1"));
        timers.set(TimeDomain::Event, at(2), timer(1, "2"));
        timers.freeze(SnapshotId(1)).unwrap();
        assert!(timers.cancel(kept, 1u64.hash(), &1));
        let mut rows = Rows::new();
        timers.freeze(SnapshotId(2)).unwrap();
        while !timers.encode_frozen().unwrap() {}
        let delta = Delta {
            runs: timers.unconfirmed().collect(),
            groups: MaxParallelism::DEFAULT.all(),
            complete: false,
        };
        delta
            .visit(&mut |row| {
                if let RowChange::Put(value) = row.change {
                    rows.insert((row.group, row.section, row.key.to_vec()), value.to_vec());
                }
                Ok(())
            })
            .unwrap();
        let mut restored = new();
        restore(&rows, &mut restored);
        assert_eq!(fired(&mut restored, 9), ["2"]);
    }

    #[test]
    fn timers_that_come_and_go_leave_no_trace_in_memory() {
        let mut timers = new();
        for number in 0..100_000 {
            let id = timers.set(TimeDomain::Event, at(number), timer(1, "x"));
            timers.cancel(id, 1u64.hash(), &1);
        }
        assert!(timers.changes.set.len() <= SET_MIN + 1, "{}", timers.changes.set.len());
        assert!(timers.changes.gone.is_empty());
    }
}
