//! When rows are to be looked at though no record comes for them: which, at which time.
//!
//! A row says itself when it is due ([`State::due`](crate::state::State::due)), and so a snapshot has it with the row. What is kept
//! here is how to come to the row: by its hash if it is in memory, by its key if it is in the store. Nothing is taken back here: of a
//! row that is due at another time now, or is gone, the old word stays and is void when its moment comes, or is forgotten when
//! half of what is kept may be void.

use std::collections::BTreeMap;

use crate::key::KeyHash;
use crate::state::State;
use crate::state::row::{Marks, Row};
use crate::time::EventTime;

/// The moment that rows are noted for again and again is kept at hand once it has so many.
const AT_HAND_MIN: usize = 16;
/// So many words may be void before they are forgotten.
const VOID_MIN: usize = 4096;

/// What is due, by time.
pub(super) struct Dues<K> {
    moments: BTreeMap<EventTime, Moment<K>>,
    /// The rows of one moment, which are not in `moments`; those beside them are.
    at_hand: (EventTime, Vec<u64>),
    /// How many hashes there are.
    noted: usize,
}

/// The rows that may be due at one time.
pub(super) struct Moment<K> {
    /// Hashes of rows in memory.
    pub hashes: Vec<u64>,
    /// Keys of rows that have left memory.
    pub away: Vec<(KeyHash, K)>,
}

impl<K> Default for Moment<K> {
    fn default() -> Moment<K> {
        Moment { hashes: Vec::new(), away: Vec::new() }
    }
}

impl<K> Dues<K> {
    pub fn new() -> Dues<K> {
        Dues { moments: BTreeMap::new(), at_hand: (EventTime::MIN, Vec::new()), noted: 0 }
    }

    /// A row in memory is due at this time.
    #[inline]
    pub fn note(&mut self, at: EventTime, hash: u64) {
        self.noted += 1;
        if self.at_hand.0 == at {
            self.at_hand.1.push(hash);
        } else {
            self.note_elsewhere(at, hash);
        }
    }

    #[inline(never)]
    fn note_elsewhere(&mut self, at: EventTime, hash: u64) {
        let hashes = &mut self.moments.entry(at).or_default().hashes;
        hashes.push(hash);
        if hashes.len() >= AT_HAND_MIN {
            let (before, left) = std::mem::replace(&mut self.at_hand, (at, std::mem::take(hashes)));
            if !left.is_empty() {
                self.moments.entry(before).or_default().hashes = left;
            }
        }
    }

    /// A row leaves memory.
    pub fn row_leaves<S: State<Key = K>>(&mut self, row: &Row<S>)
    where
        K: Clone,
    {
        if let Some(at) = row.state.due()
            && !row.marks.has(Marks::DUE_AWAY)
        {
            self.moments.entry(at).or_default().away.push((row.hash, row.key.clone()));
        }
    }

    /// The next time at which rows may be due.
    pub fn first(&self) -> Option<EventTime> {
        let at_hand = (!self.at_hand.1.is_empty()).then_some(self.at_hand.0);
        self.moments.first_key_value().map(|(at, _)| *at).into_iter().chain(at_hand).min()
    }

    /// Takes the rows of a moment out.
    pub fn take(&mut self, at: EventTime) -> Moment<K> {
        let mut moment = self.moments.remove(&at).unwrap_or_default();
        if self.at_hand.0 == at {
            let at_hand = std::mem::take(&mut self.at_hand.1);
            match moment.hashes.is_empty() {
                true => moment.hashes = at_hand,
                false => moment.hashes.extend(at_hand),
            }
        }
        self.noted -= moment.hashes.len();
        moment
    }

    /// Whether half of what is noted may be void, if so many rows are in memory.
    #[inline]
    pub fn are_void(&self, rows: usize) -> bool {
        self.noted > 2 * rows + VOID_MIN
    }

    /// Forgets all rows in memory.
    pub fn forget(&mut self) {
        self.at_hand.1.clear();
        self.moments.values_mut().for_each(|moment| moment.hashes = Vec::new());
        self.moments.retain(|_, moment| !moment.away.is_empty());
        self.noted = 0;
    }

    /// How much memory the hashes take, about.
    pub fn bytes(&self) -> usize {
        self.noted * size_of::<u64>()
    }
}
