//! Small snapshots for the tests of this module.

use super::layout::SnapshotDirectory;
use super::manifest::{FORMAT, Manifest, OperatorState, SnapshotKind};
use super::write::write_state;
use crate::error::Result;
use crate::key::{KeyGroup, KeyGroupRange, MaxParallelism, Parallelism, SubtaskIndex};
use crate::record::SnapshotId;
use crate::snapshot::part::{Entry, FrozenRows, FrozenState, OperatorSchema, Section, StateRow};
use crate::state::{Describe, Field, StateSchema};
use crate::time::EventTime;

/// A row that stands on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) group: KeyGroup,
    pub(crate) section: Section,
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

impl From<StateRow<'_>> for OwnedRow {
    fn from(row: StateRow<'_>) -> OwnedRow {
        OwnedRow { group: row.group, section: row.section, key: row.key.to_vec(), value: row.value.to_vec() }
    }
}

impl OwnedRow {
    pub(crate) fn borrow(&self) -> StateRow<'_> {
        StateRow { group: self.group, section: self.section, key: &self.key, value: &self.value }
    }
}

pub(crate) fn row(group: u16, section: Section, key: &[u8], value: &[u8]) -> OwnedRow {
    OwnedRow { group: KeyGroup(group), section, key: key.to_vec(), value: value.to_vec() }
}

/// Rows that were frozen elsewhere.
pub(crate) struct Rows(pub(crate) Vec<OwnedRow>);

impl FrozenRows for Rows {
    fn visit(&self, each: &mut dyn FnMut(StateRow<'_>) -> Result<()>) -> Result<()> {
        self.0.iter().try_for_each(|row| each(row.borrow()))
    }
}

pub(crate) fn groups(first: u16, last: u16) -> KeyGroupRange {
    KeyGroupRange { first: KeyGroup(first), last: KeyGroup(last) }
}

pub(crate) fn schema(state: &str) -> OperatorSchema {
    OperatorSchema {
        state: StateSchema {
            name: state.to_string(),
            key: String::schema(),
            fields: vec![Field::of::<bool>("flag")],
        },
        timer: <()>::schema(),
    }
}

pub(crate) fn frozen(operator: &str, groups: KeyGroupRange, rows: Rows) -> FrozenState {
    FrozenState { operator: operator.to_string(), schema: schema("Account"), groups, rows: Box::new(rows) }
}

/// Of the job `web-visits`, without state.
pub(crate) fn manifest(id: SnapshotId) -> Manifest {
    let max_parallelism = MaxParallelism::DEFAULT;
    Manifest {
        format: FORMAT,
        job: "web-visits".to_string(),
        snapshot: id,
        kind: SnapshotKind::Periodic,
        taken_at: EventTime::from_millis(1_431_857_103_000),
        parallelism: Parallelism::new(2, max_parallelism).unwrap(),
        max_parallelism,
        operators: Vec::new(),
        channels: Vec::new(),
        entries: Vec::new(),
    }
}

/// Writes and completes the next snapshot; of each operator, the first part is that of subtask 0.
pub(crate) fn write(directory: &SnapshotDirectory, parts: Vec<FrozenState>) -> SnapshotId {
    let id = directory.next_id();
    let pending = directory.begin(id).unwrap();
    let mut written: Vec<(String, OperatorSchema, _)> = Vec::new();
    for part in parts {
        let subtask = written.iter().filter(|(operator, ..)| *operator == part.operator).count();
        let file = write_state(pending.path(), SubtaskIndex(subtask as u32), &part).unwrap();
        written.push((part.operator, part.schema, file));
    }
    let mut manifest = manifest(id);
    manifest.operators = OperatorState::gather(written);
    manifest.entries.push(Entry {
        owner: "source access-log".to_string(),
        item: "access.log".to_string(),
        value: serde_json::json!(7),
    });
    pending.complete(&manifest).unwrap();
    id
}
