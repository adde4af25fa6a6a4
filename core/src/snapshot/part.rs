//! What a subtask puts into a snapshot, and what it gets back from one.
//!
//! Small things ([`Entry`]) go into the manifest, where people can read them; keyed state is frozen ([`FrozenState`]), and its
//! rows are read later and elsewhere. A [`RestoredState`] gives both back, to as many subtasks as there are then.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::exchange::backlog::Backlog;
use crate::exchange::codec::Payload;
use crate::key::{KeyGroup, KeyGroupRange};
use crate::state::StateSchema;

/// One subtask's part of a snapshot: given empty, filled by the stage.
pub struct StageSnapshot {
    /// Whether keyed state is wanted. It is not in a job without a snapshot directory, whose barriers only make sinks commit.
    pub with_state: bool,
    /// Small things: offsets, watermarks, pending transactions. They go into the manifest, where people can read them.
    pub entries: Vec<Entry>,
    /// Whether keyed state follows, when the stage has encoded it ([`Stage::work`](crate::task::stage::Stage::work)).
    pub keyed_follows: bool,
}

impl StageSnapshot {
    /// An empty part.
    pub fn new(with_state: bool) -> StageSnapshot {
        StageSnapshot { with_state, entries: Vec::new(), keyed_follows: false }
    }

    /// Adds an entry of `owner`.
    ///
    /// # Errors
    /// If `value` can't be written as JSON.
    pub fn put(&mut self, owner: &str, item: &str, value: impl Serialize) -> Result<()> {
        let value = serde_json::to_value(value)?;
        self.entries.push(Entry { owner: owner.to_string(), item: item.to_string(), value });
        Ok(())
    }
}

/// A small thing that a snapshot keeps for some part of a job, outside of keyed state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Whose it is: `source access-log`, `watermarks access-log`, `sink sessions`, ...
    pub owner: String,
    /// Which of the owner's it is: a split, a pending file, ...
    pub item: String,
    /// What is kept.
    pub value: serde_json::Value,
}

/// Keyed state of one operator in one subtask, frozen at a barrier.
pub struct FrozenState {
    /// The operator's name.
    pub operator: String,
    /// The schema of the state and, if the operator sets timers, of what they carry.
    pub schema: OperatorSchema,
    /// The key groups it covers.
    pub groups: KeyGroupRange,
    /// Whether these are all rows of these key groups, so that nothing that older layers have of them counts any more.
    /// Otherwise they are what changed since the snapshot before.
    pub complete: bool,
    /// The rows.
    pub rows: Box<dyn FrozenRows>,
}

/// What the manifest records of an operator's keyed state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorSchema {
    /// The state.
    pub state: StateSchema,
    /// What its timers carry.
    pub timer: crate::state::Schema,
}

/// Whether a layer of rows is all there is of its key groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerKind {
    /// It is: older layers do not count in these key groups. It has no removals.
    Base,
    /// It says what changed since the layers below.
    Delta,
}

/// Frozen rows, removals among them: can be read from another thread while the operator goes on.
pub trait FrozenRows: Send {
    /// Gives every row to `each`, in ascending order of (key group, section, key); a removal by prefix comes before a row of
    /// the same key.
    ///
    /// # Errors
    /// If the rows can't be read, or `each` fails.
    fn visit(&self, each: &mut dyn FnMut(StateRow<'_>) -> Result<()>) -> Result<()>;
}

/// One row of keyed state, as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRow<'a> {
    /// The key group.
    pub group: KeyGroup,
    /// What the row is.
    pub section: Section,
    /// The key: for state the encoded key, for timers a time, a number and the encoded key, for entries of maps and lists
    /// the field, the encoded key, a zero, and the encoded key or index within.
    pub key: &'a [u8],
    /// What became of it.
    pub change: RowChange<'a>,
}

impl<'a> StateRow<'a> {
    /// A row that is there.
    pub fn put(group: KeyGroup, section: Section, key: &'a [u8], value: &'a [u8]) -> StateRow<'a> {
        StateRow { group, section, key, change: RowChange::Put(value) }
    }

    /// What the row holds; `None` if it says that something is gone.
    pub fn value(&self) -> Option<&'a [u8]> {
        match self.change {
            RowChange::Put(value) => Some(value),
            RowChange::Remove | RowChange::RemovePrefix => None,
        }
    }
}

/// What a layer of rows says of one, over the layers that are older.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowChange<'a> {
    /// The row has this value: the encoded state, what the timer carries, or an entry.
    Put(&'a [u8]),
    /// The row is gone.
    Remove,
    /// Every row of this group and section whose key begins with this key is gone from older layers. Rows of the same layer
    /// under the prefix are newer than it, and it comes before them.
    RemovePrefix,
}

/// The kinds of rows that an operator keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Section {
    /// The state of a key.
    State = 0,
    /// An event-time timer.
    EventTimer = 1,
    /// A processing-time timer.
    ProcessingTimer = 2,
    /// An entry of a map or a list.
    Entry = 3,
}

impl Section {
    /// The section that `byte` stands for.
    pub fn from_byte(byte: u8) -> Option<Section> {
        match byte {
            0 => Some(Section::State),
            1 => Some(Section::EventTimer),
            2 => Some(Section::ProcessingTimer),
            3 => Some(Section::Entry),
            _ => None,
        }
    }
}

/// A snapshot as a stage sees it when it restores. Several threads may read it, key group by key group.
pub trait RestoredState: Send + Sync {
    /// The entries of `owner`, from all subtasks.
    fn entries(&self, owner: &str) -> Vec<&Entry>;

    /// Gives every row of `operator` in `groups` that is there to `each`, in ascending order of (key group, section, key):
    /// no removals.
    ///
    /// # Errors
    /// If the snapshot can't be read, or `each` fails.
    fn rows(
        &self,
        operator: &str,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()>;

    /// What was in flight to the subtasks of `operator` that owned some of `groups`.
    /// Several subtasks may be given one and the same: each takes the records whose keys it owns.
    ///
    /// # Errors
    /// If the snapshot can't be read.
    fn in_flight(&self, operator: &str, groups: KeyGroupRange) -> Result<Vec<Backlog<Payload>>> {
        let _ = (operator, groups);
        Ok(Vec::new())
    }
}
