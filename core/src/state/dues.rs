//! When rows are to be looked at though no record comes for them: which, at which time.
//!
//! A row says itself when it is due ([`State::due`](crate::state::State::due)), and so a snapshot has it with the row. What is kept
//! here is how to come to the row: by its hash if it is in memory, by its key if it is in the store. Nothing is taken back here: of a
//! row that is due at another time now, or is gone, the old word stays and is void when its time comes, or is forgotten when
//! half of what is kept may be void.
//!
//! Times that are near are kept together, in a [`Span`]: sessions end at any millisecond, a few at each.

use std::collections::BTreeMap;

use crate::key::KeyHash;
use crate::state::State;
use crate::state::row::{Marks, Row};
use crate::time::EventTime;

/// The span that rows are noted for again and again is kept at hand once it has so many.
const AT_HAND_MIN: usize = 16;
/// So many words may be void before they are forgotten.
const VOID_MIN: usize = 4096;

/// 64 milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Span(i64);

impl Span {
    const BITS: u32 = 6;
    const FIRST: Span = Span(i64::MIN >> Span::BITS);

    #[inline]
    fn of(at: EventTime) -> Span {
        Span(at.as_millis() >> Span::BITS)
    }
}

/// What is due, by time.
pub(super) struct Dues<K> {
    spans: BTreeMap<Span, Due<K>>,
    /// The rows of one span, which are not in `spans`; those that have left memory are.
    at_hand: (Span, Noted<u64>),
    /// Of which span a row was last noted that was not at hand.
    elsewhere: Span,
    /// How many hashes there are.
    noted: usize,
    /// Memory that is not needed any more: what is new to a process costs more than what is written into it.
    spare: Vec<(EventTime, u64)>,
}

/// The rows that may be due in a span of time.
pub(super) struct Due<K> {
    /// Hashes of rows in memory.
    pub rows: Noted<u64>,
    /// Keys of rows that have left memory.
    pub away: Noted<(KeyHash, K)>,
}

/// Rows, and when each is due.
pub(super) struct Noted<T> {
    pub noted: Vec<(EventTime, T)>,
    /// When the first of them is due.
    first: EventTime,
}

impl<T> Noted<T> {
    const NONE: Noted<T> = Noted { noted: Vec::new(), first: EventTime::MAX };

    #[inline]
    fn push(&mut self, at: EventTime, row: T) {
        self.noted.push((at, row));
        self.first = self.first.min(at);
    }

    fn add(&mut self, other: Noted<T>) {
        self.first = self.first.min(other.first);
        if self.noted.is_empty() {
            self.noted = other.noted;
        } else {
            self.noted.extend(other.noted);
        }
    }

    fn first(&self) -> Option<EventTime> {
        (!self.noted.is_empty()).then_some(self.first)
    }

    /// Takes out those that are due until then, in the order of their times.
    fn take_until(&mut self, last: EventTime) -> Noted<T> {
        let mut due = std::mem::replace(self, Noted::NONE);
        if due.noted.iter().any(|(at, _)| *at > last) {
            due.noted.extract_if(.., |(at, _)| *at > last).for_each(|(at, row)| self.push(at, row));
        }
        due.noted.sort_unstable_by_key(|(at, _)| *at);
        due
    }
}

impl<K> Due<K> {
    const NONE: Due<K> = Due { rows: Noted::NONE, away: Noted::NONE };

    fn first(&self) -> Option<EventTime> {
        self.rows.first().into_iter().chain(self.away.first()).min()
    }
}

impl<K> Dues<K> {
    pub fn new() -> Dues<K> {
        Dues {
            spans: BTreeMap::new(),
            at_hand: (Span::FIRST, Noted::NONE),
            elsewhere: Span::FIRST,
            noted: 0,
            spare: Vec::new(),
        }
    }

    /// A row in memory is due at this time.
    #[inline]
    pub fn note(&mut self, at: EventTime, hash: u64) {
        self.noted += 1;
        if self.at_hand.0 == Span::of(at) {
            self.at_hand.1.push(at, hash);
        } else {
            self.note_elsewhere(at, hash);
        }
    }

    #[inline(never)]
    fn note_elsewhere(&mut self, at: EventTime, hash: u64) {
        let span = Span::of(at);
        let rows = &mut self.spans.entry(span).or_insert(Due::NONE).rows;
        if rows.noted.capacity() == 0 {
            rows.noted = std::mem::take(&mut self.spare);
        }
        rows.push(at, hash);
        let is_again = std::mem::replace(&mut self.elsewhere, span) == span;
        if is_again && rows.noted.len() >= AT_HAND_MIN {
            let now_at_hand = (span, std::mem::replace(rows, Noted::NONE));
            let (before, left) = std::mem::replace(&mut self.at_hand, now_at_hand);
            if !left.noted.is_empty() {
                self.spans.entry(before).or_insert(Due::NONE).rows.add(left);
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
            let away = &mut self.spans.entry(Span::of(at)).or_insert(Due::NONE).away;
            away.push(at, (row.hash, row.key.clone()));
        }
    }

    /// The next time at which rows may be due.
    pub fn first(&self) -> Option<EventTime> {
        self.spans.values().find_map(Due::first).into_iter().chain(self.at_hand.1.first()).min()
    }

    /// Takes the rows out that are due then, or soon after and until `now`.
    pub fn take(&mut self, at: EventTime, now: EventTime) -> Due<K> {
        let span = Span::of(at);
        let mut all = self.spans.remove(&span).unwrap_or(Due::NONE);
        if self.at_hand.0 == span {
            all.rows.add(std::mem::replace(&mut self.at_hand.1, Noted::NONE));
        }
        let due = Due { rows: all.rows.take_until(now), away: all.away.take_until(now) };
        self.noted -= due.rows.noted.len();
        if all.first().is_some() {
            self.spans.insert(span, all);
        }
        due
    }

    /// Gives memory back for what is noted next.
    pub fn recycle(&mut self, mut rows: Vec<(EventTime, u64)>) {
        if rows.capacity() > self.spare.capacity() {
            rows.clear();
            self.spare = rows;
        }
    }

    /// Whether half of what is noted may be void, if so many rows are in memory.
    #[inline]
    pub fn are_void(&self, rows: usize) -> bool {
        self.noted > 2 * rows + VOID_MIN
    }

    /// Forgets all rows in memory.
    pub fn forget(&mut self) {
        self.at_hand.1 = Noted::NONE;
        self.spans.values_mut().for_each(|due| due.rows = Noted::NONE);
        self.spans.retain(|_, due| due.first().is_some());
        self.noted = 0;
    }

    /// How much memory the hashes take, about.
    pub fn bytes(&self) -> usize {
        (self.noted + self.spare.capacity()) * size_of::<(EventTime, u64)>()
    }
}
