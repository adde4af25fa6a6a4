//! A row: the state of one key, and what its table must know of it.
//!
//! What it knows is eight bytes: a table of small rows is as fast as memory gives them, so every byte is a part of the time.

use crate::error::Result;
use crate::key::{Key, KeyGroup, KeyHash};
use crate::snapshot::part::Section;
use crate::state::State;
use crate::state::fields::{Fields, Listener};
use crate::state::run::Run;
use crate::state::segments::Hashed;
use crate::state::spill::RunMark;

/// The state of one key.
///
/// In this order: what is looked at for every record lies in front, in one line of the cache with the key, however large the
/// state is behind it.
#[repr(C)]
pub(crate) struct Row<S: State> {
    pub hash: KeyHash,
    /// The epoch of its last change, until that change is encoded.
    pub changed: Option<Epoch>,
    pub marks: Marks,
    /// The run that has it as it is now, if one has.
    pub spilled: Option<RunMark>,
    /// How many bytes its managed fields take; always 0 if it has none.
    pub managed_bytes: u32,
    pub key: S::Key,
    pub state: S,
}

/// The time between two barriers. All rows of an epoch are encoded before the next one is closed, so that two take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Epoch {
    Even,
    Odd,
}

impl Epoch {
    /// The one behind the barrier.
    pub fn next(self) -> Epoch {
        match self {
            Epoch::Even => Epoch::Odd,
            Epoch::Odd => Epoch::Even,
        }
    }
}

/// What is true of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Marks(u8);

impl Marks {
    /// It was used since eviction last came by.
    pub const USED: Marks = Marks(1);
    /// It has no state: it stands here until all who know of one have been told.
    pub const CLEARED: Marks = Marks(1 << 1);
    /// The store has it as it is now.
    pub const STORED: Marks = Marks(1 << 2);
    /// The store may have it at all.
    pub const IN_STORE: Marks = Marks(1 << 3);
    /// A snapshot has it, or a delta on its way into one.
    pub const IN_SNAPSHOT: Marks = Marks(1 << 4);
    /// Since it left memory last it is noted, by its key, that it is due when it is.
    pub const DUE_AWAY: Marks = Marks(1 << 5);

    /// Whether all of these are there.
    #[inline]
    pub fn has(self, marks: Marks) -> bool {
        self.0 & marks.0 == marks.0
    }

    /// These, too.
    #[inline]
    pub fn with(self, marks: Marks) -> Marks {
        Marks(self.0 | marks.0)
    }

    /// Without these.
    #[inline]
    pub fn without(self, marks: Marks) -> Marks {
        Marks(self.0 & !marks.0)
    }
}

impl<S: State> Hashed for Row<S> {
    #[inline]
    fn hash(&self) -> u64 {
        self.hash.bits()
    }
}

impl<S: State> Row<S> {
    pub fn new(hash: KeyHash, key: S::Key, state: S) -> Row<S> {
        Row { hash, key, state, changed: None, marks: Marks::USED, spilled: None, managed_bytes: 0 }
    }

    /// Whether it has no state any more.
    #[inline]
    pub fn is_cleared(&self) -> bool {
        self.marks.has(Marks::CLEARED)
    }

    /// Whether somebody has it who must learn when it is gone.
    pub fn is_known(&self, to: Marks) -> bool {
        !self.is_cleared() || self.marks.has(to)
    }

    /// Whether nobody would miss it.
    pub fn can_go(&self, tracked: bool) -> bool {
        let told = !tracked || !self.marks.has(Marks::IN_SNAPSHOT);
        let stored = !self.marks.has(Marks::IN_STORE) || self.marks.has(Marks::STORED);
        self.is_cleared() && told && stored && self.spilled.is_none()
    }

    /// A snapshot will have it as it is, or know that it is gone.
    pub fn is_in_snapshot_now(&mut self) {
        self.marks = match self.is_cleared() {
            true => self.marks.without(Marks::IN_SNAPSHOT),
            false => self.marks.with(Marks::IN_SNAPSHOT),
        };
    }

    /// Encodes it, or that it is gone, and what has changed of its entries for this listener. How many bytes the row has.
    pub fn encode(&mut self, listener: Listener, group: KeyGroup, run: &mut Run) -> Result<usize> {
        let bytes = if self.is_cleared() {
            run.remove(group, Section::State, |bytes| self.key.encode(bytes));
            0
        } else {
            run.put_state(group, &self.key, &self.state)
        };
        Fields::encode_changes(&mut self.state, listener, group, &self.key, run)?;
        Ok(bytes)
    }
}
