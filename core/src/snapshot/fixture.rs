//! Small snapshots for the tests of this module.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::chain::Chains;
use super::layout::SnapshotDirectory;
use super::manifest::{FORMAT, Manifest, SnapshotKind, StateFile, StateFiles};
use super::write::write_state;
use crate::error::Result;
use crate::evolution::OperatorProgram;
use crate::key::{Key, KeyGroup, KeyGroupRange, MaxParallelism, Parallelism, SubtaskIndex};
use crate::record::SnapshotId;
use crate::snapshot::part::{
    Entry, FrozenRows, FrozenState, LayerKind, OperatorSchema, RowChange, Section, StateRow,
};
use crate::state::{Describe, Field, Map, Refresh, StateProgram, StateSchema, Ttl, TtlTime};
use crate::testing::crash;
use crate::time::{EventTime, secs};

/// A row that stands on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnedRow {
    pub(crate) group: KeyGroup,
    pub(crate) section: Section,
    pub(crate) key: Vec<u8>,
    pub(crate) change: OwnedChange,
}

/// A change that stands on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedChange {
    Put(Vec<u8>),
    Remove,
    RemovePrefix,
}

impl From<StateRow<'_>> for OwnedRow {
    fn from(row: StateRow<'_>) -> OwnedRow {
        let change = match row.change {
            RowChange::Put(value) => OwnedChange::Put(value.to_vec()),
            RowChange::Remove => OwnedChange::Remove,
            RowChange::RemovePrefix => OwnedChange::RemovePrefix,
        };
        OwnedRow { group: row.group, section: row.section, key: row.key.to_vec(), change }
    }
}

impl OwnedRow {
    pub(crate) fn borrow(&self) -> StateRow<'_> {
        let change = match &self.change {
            OwnedChange::Put(value) => RowChange::Put(value),
            OwnedChange::Remove => RowChange::Remove,
            OwnedChange::RemovePrefix => RowChange::RemovePrefix,
        };
        StateRow { group: self.group, section: self.section, key: &self.key, change }
    }
}

pub(crate) fn removal(group: u16, section: Section, key: &[u8], change: OwnedChange) -> OwnedRow {
    OwnedRow { group: KeyGroup(group), section, key: key.to_vec(), change }
}

pub(crate) fn row(group: u16, section: Section, key: &[u8], value: &[u8]) -> OwnedRow {
    OwnedRow { group: KeyGroup(group), section, key: key.to_vec(), change: OwnedChange::Put(value.to_vec()) }
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
            version: 1,
            key: String::schema(),
            fields: vec![Field::of::<bool>("flag")],
        },
        timer: <()>::schema(),
    }
}

/// The same, with a map whose entries live for a second.
pub(crate) fn expiring(state: &str, time: TtlTime) -> OperatorSchema {
    let mut schema = schema(state);
    let ttl = Ttl { lasts: secs(1), time, refresh: Refresh::Write };
    schema.state.fields.push(Field::new("seen", <Map<String, ()>>::schema()).expiring(ttl));
    schema
}

/// What a program knows of that state.
pub(crate) fn program(state: &str) -> OperatorProgram {
    let OperatorSchema { state: schema, timer } = schema(state);
    let hash = |bytes: &mut &[u8]| String::decode(bytes).map(|key| key.hash());
    OperatorProgram { state: StateProgram { schema, initial: || Ok(vec![0]), hash, migration: None }, timer }
}

/// All rows of the key groups.
pub(crate) fn frozen(operator: &str, groups: KeyGroupRange, rows: Rows) -> FrozenState {
    FrozenState {
        operator: operator.to_string(),
        schema: schema("Account"),
        groups,
        complete: true,
        rows: Box::new(rows),
    }
}

/// What changed in the key groups.
pub(crate) fn changed(operator: &str, groups: KeyGroupRange, rows: Rows) -> FrozenState {
    FrozenState { complete: false, ..frozen(operator, groups, rows) }
}

/// A file as a manifest may have it.
pub(crate) fn file(written_by: u64, layer: LayerKind, groups: KeyGroupRange) -> StateFile {
    StateFile {
        name: format!("count.{}.{written_by}.state", groups.first),
        layer,
        groups,
        written_by: SnapshotId(written_by),
        rows: 3,
        removed: 0,
        bytes: 77,
        checksum: "000000ab".to_string(),
    }
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
        files: StateFiles::Shared,
        operators: Vec::new(),
        channels: Vec::new(),
        entries: Vec::new(),
    }
}

/// Writes and completes the next snapshot of a job whose chains are these; of each operator, the first part is that of
/// subtask 0.
pub(crate) fn write_next(
    directory: &SnapshotDirectory,
    chains: &mut Chains,
    parts: Vec<FrozenState>,
) -> SnapshotId {
    let id = directory.next_id();
    let pending = directory.begin(id).unwrap();
    let mut operators: Vec<String> = Vec::new();
    for part in parts {
        let subtask = operators.iter().filter(|operator| **operator == part.operator).count();
        let file = write_state(pending.state_path(), id, SubtaskIndex(subtask as u32), &part).unwrap();
        chains.append(&part.operator, &part.schema, file);
        operators.push(part.operator);
    }
    let mut manifest = manifest(id);
    manifest.operators = chains.operators();
    manifest.entries.push(Entry {
        owner: "source access-log".to_string(),
        item: "access.log".to_string(),
        value: serde_json::json!(7),
    });
    pending.complete(&manifest).unwrap();
    id
}

/// [`write_next`], for a job that has just begun.
pub(crate) fn write(directory: &SnapshotDirectory, parts: Vec<FrozenState>) -> SnapshotId {
    write_next(directory, &mut Chains::default(), parts)
}

const DIRECTORY_VARIABLE: &str = "TIDEGATE_TEST_SNAPSHOT_DIRECTORY";

/// Runs an ignored test in a process of its own, in which it dies at a crash point.
pub(crate) fn die(test: &str, directory: &Path, point: &str) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test])
        .env(crash::VARIABLE, point)
        .env(DIRECTORY_VARIABLE, directory)
        .output()
        .unwrap()
        .status;
    assert_eq!(status.code(), None, "it was to die at {point}");
}

/// The directory of a test that is to [`die`]; none if it was run by itself.
pub(crate) fn directory_to_die_in() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY_VARIABLE).map(PathBuf::from)
}
