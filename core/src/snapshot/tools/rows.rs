//! The rows of one key group, in memory: what can be looked up, compared and counted.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::keyless;
use crate::error::{Error, Result};
use crate::evolution::shape::{Entries, Shape, managed};
use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::Snapshot;
use crate::snapshot::manifest::OperatorState;
use crate::snapshot::part::{RestoredState, Section, StateRow};
use crate::state::{Field, StateSchema};

/// Where a row is in its key group.
pub(super) type Place = (Section, Vec<u8>);

/// Rows of one key group, in order.
pub(super) type Rows = BTreeMap<Place, Vec<u8>>;

/// Reads the rows of an operator in `group`.
///
/// # Errors
/// If they can't be read.
pub(super) fn read(snapshot: &Snapshot, operator: &str, group: KeyGroup) -> Result<Rows> {
    let mut rows = Rows::new();
    snapshot.rows(operator, KeyGroupRange::one(group), &mut |row| {
        rows.insert((row.section, row.key.to_vec()), row.value().unwrap_or_default().to_vec());
        Ok(())
    })?;
    Ok(rows)
}

/// A row among those of `group`.
pub(super) fn row<'a>(group: KeyGroup, place: &'a Place, value: &'a [u8]) -> StateRow<'a> {
    StateRow::put(group, place.0, &place.1, value)
}

/// The operator that is called `name`.
///
/// # Errors
/// If the snapshot has none.
pub(super) fn operator<'a>(snapshot: &'a Snapshot, name: &str) -> Result<&'a OperatorState> {
    let operators = &snapshot.manifest().operators;
    operators.iter().find(|operator| operator.name == name).ok_or_else(|| {
        if keyless::has(snapshot, name) {
            return Error::failure(format!(
                "snapshot {} has no state per key of operator {name:?}: what that keeps belongs to no key",
                snapshot.id()
            ))
            .hint("dump prints it, without --key-group");
        }
        let known: Vec<_> = operators.iter().map(|operator| format!("{:?}", operator.name)).collect();
        Error::failure(format!("snapshot {} has no state of an operator {name:?}", snapshot.id())).hint(
            format!("it has state of {}", if known.is_empty() { "none".into() } else { known.join(", ") }),
        )
    })
}

/// A field whose entries are rows of their own.
#[derive(Clone, Copy)]
pub(super) struct EntryField<'a> {
    /// Its number in the rows.
    pub number: u8,
    pub field: &'a Field,
    pub is_list: bool,
}

/// Those of a state.
pub(super) fn entry_fields(state: &StateSchema) -> impl Iterator<Item = EntryField<'_>> {
    managed(&state.fields).enumerate().filter_map(|(number, (_, field))| {
        let is_list = match Shape::of(&field.schema) {
            Shape::Entries(Entries::List(_)) => true,
            Shape::Entries(Entries::Map(..)) => false,
            _ => return None,
        };
        Some(EntryField { number: number as u8, field, is_list })
    })
}

/// What the keys of the rows of a field's entries begin with.
pub(super) fn entry_prefix(field: u8, key: &[u8]) -> Vec<u8> {
    [&[field][..], key, &[0]].concat()
}

/// The entries of a field, by what follows the prefix.
pub(super) fn entries<'a>(rows: &'a Rows, prefix: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    rows.range((Section::Entry, prefix.to_vec())..)
        .map_while(|((section, key), _)| (*section == Section::Entry).then(|| key.strip_prefix(prefix))?)
}

/// What the state of `key`, as JSON, says of its entries and is not so.
pub(super) fn miscounts(
    operator: &OperatorState,
    rows: &Rows,
    key: &[u8],
    json: &Json,
) -> impl Iterator<Item = String> {
    entry_fields(&operator.schema.state).filter_map(move |entry_field| {
        let name = &entry_field.field.name;
        let said = &json["value"][name];
        let number = |member: &str| match &said[member] {
            Json::String(digits) => digits.parse().ok(),
            number => number.as_u64(),
        };
        let (first, count) = (number("first").unwrap_or(0), number("entries")?);
        let prefix = entry_prefix(entry_field.number, key);
        let (mut there, mut beyond) = (0u64, None);
        for subkey in entries(rows, &prefix) {
            there += 1;
            let index = subkey.try_into().map_or(0, u64::from_be_bytes);
            if entry_field.is_list && !(index >= first && index - first < count) {
                beyond = Some(index);
            }
        }
        match said["may_have_gone"].as_bool() {
            _ if beyond.is_some() => {
                Some(format!("field {name} has an entry at {}, beyond its ends", beyond.unwrap_or(0)))
            }
            Some(true) if there <= count => None,
            _ if there == count => None,
            _ => Some(format!("field {name} is said to have {count} entries, and {there} are there")),
        }
    })
}
