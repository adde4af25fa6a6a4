//! `edit`: a savepoint of a snapshot, with other rows.
//!
//! Lines enter; all of them are understood, or nothing is written. They become a [`Layer`] over the rows of the snapshot.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

use serde_json::{Map, Value as Json};

use super::keyless;
use super::layer::{Edits, Layer};
use super::output::Output;
use super::rows::operator;
use crate::error::{Error, Result};
use crate::evolution::row::{encode_json_key, encode_row, encode_row_key, key_group, key_of};
use crate::snapshot::Snapshot;
use crate::snapshot::manifest::OperatorState;
use crate::snapshot::part::{RestoredState, Section};
use crate::snapshot::savepoint::write_rows;

/// Writes the savepoint `path`: `snapshot` with what the lines of `input` say.
///
/// # Errors
/// If a line is no row of the snapshot, or the savepoint can't be written.
pub(super) fn edit(
    snapshot: &Snapshot,
    input: &mut dyn BufRead,
    path: &Path,
    out: &mut Output<'_>,
) -> Result<()> {
    let (layers, keyless) = layers(snapshot, input)?;
    let keyless_count = keyless.count();
    let manifest = keyless.apply(snapshot.manifest());
    write_rows(&manifest, path, &|name, groups, each| {
        let Some(layer) = layers.get(name) else { return snapshot.rows(name, groups, each) };
        let state = &operator(snapshot, name)?.schema.state;
        let mut over = layer.over(groups);
        snapshot.rows(name, groups, &mut |row| {
            let key = key_of(state, row.section, row.key);
            if key.map(|key| key_group(state, key, manifest.max_parallelism)) != Some(row.group) {
                // A row that is edited would lie where nobody looks for it.
                return Err(Error::failure(format!(
                    "operator {name:?} has a row in key group {} that does not belong there",
                    row.group
                ))
                .hint(
                    "see what verify says; a type of key that hashes in a way of its own can't be edited",
                ));
            }
            if over.until(Some(&row), each)? { Ok(()) } else { each(row) }
        })?;
        over.until(None, each).map(drop)
    })?;
    let count = |is_put| layers.values().map(|layer| layer.count(is_put)).sum::<usize>();
    out.line(format_args!(
        "snapshot {} with {} rows put and {} removed is a savepoint in {}",
        snapshot.id(),
        count(true) + keyless_count,
        count(false),
        path.display()
    ))
}

/// What the lines of `input` say of every operator, and of what belongs to no key.
fn layers(snapshot: &Snapshot, input: &mut dyn BufRead) -> Result<(BTreeMap<String, Layer>, keyless::Edits)> {
    let mut keyless = keyless::Edits::new(snapshot);
    let mut edits = BTreeMap::<String, Edits>::new();
    for (number, line) in (1..).zip(input.lines()) {
        let line = line.map_err(|error| Error::failure("can't read the standard input").caused_by(error))?;
        if line.trim().is_empty() {
            continue;
        }
        let taken = members(&line).and_then(|row| {
            if keyless::Edits::is_of(&row) {
                return keyless.take(number, row);
            }
            let (operator, edit) = understand(snapshot, row)?;
            let edits = edits.entry(operator.name.clone()).or_default();
            take(snapshot, operator, edits, number, edit)
        });
        taken.map_err(|error| error.within(format!("line {number}")))?;
    }
    let layer = |(name, edits): (String, Edits)| {
        let layer = edits.layer(snapshot, operator(snapshot, &name)?)?;
        Ok((name, layer))
    };
    let layers = edits.into_iter().map(layer).collect::<Result<_>>()?;
    Ok((layers, keyless))
}

/// What a line asks for.
enum Edit {
    Put(Section, Vec<u8>, Vec<u8>),
    Remove(Section, Vec<u8>),
    /// With everything that belongs to it.
    RemoveKey(Vec<u8>),
}

fn members(line: &str) -> Result<Map<String, Json>> {
    let json: Json =
        serde_json::from_str(line).map_err(|error| Error::failure("this is no JSON").caused_by(error))?;
    match json {
        Json::Object(row) => Ok(row),
        _ => Err(Error::failure("this is no object").hint("a line is as dump prints it")),
    }
}

fn understand(snapshot: &Snapshot, mut row: Map<String, Json>) -> Result<(&OperatorState, Edit)> {
    let operator = match (row.remove("operator"), &snapshot.manifest().operators[..]) {
        (Some(Json::String(name)), _) => operator(snapshot, &name)?,
        (None, [only]) => only,
        (None, _) => {
            return Err(Error::failure("it says no \"operator\", and there is not just one"));
        }
        (Some(other), _) => return Err(Error::failure(format!("operator: {other} is no name"))),
    };
    // Where it lies follows from the key.
    row.remove("group");
    let schema = &operator.schema;
    let edit = match (row.remove("state"), row.remove("removed")) {
        (None, None) => {
            let (section, key, value) = encode_row(schema, &row.into())?;
            Edit::Put(section, key, value)
        }
        (Some(Json::Null), None) => match (row.remove("key"), row.keys().next()) {
            (Some(key), None) => Edit::RemoveKey(encode_json_key(&schema.state.key, &key)?),
            (None, _) => return Err(Error::failure("it says no \"key\" whose state is to be removed")),
            (Some(_), Some(stray)) => {
                return Err(Error::failure(format!(
                    "{stray}: there is nothing to say of a key that is removed"
                )));
            }
        },
        (None, Some(Json::Bool(true))) => {
            row.remove("value");
            row.remove("refreshed");
            let (section, key) = encode_row_key(schema, &row.into())?;
            if section == Section::State {
                return Err(Error::failure("a state is removed with all that belongs to its key")
                    .hint("write {\"key\": .., \"state\": null}"));
            }
            Edit::Remove(section, key)
        }
        (Some(state), _) => {
            return Err(Error::failure(format!("state: {state} is not null")).hint(
                "\"state\": null removes a key; a state that is to be put has \"section\": \"state\" and a \"value\"",
            ));
        }
        (None, Some(removed)) => return Err(Error::failure(format!("removed: {removed} is not true"))),
    };
    Ok((operator, edit))
}

/// Notes what line `number` asks for.
fn take(
    snapshot: &Snapshot,
    operator: &OperatorState,
    edits: &mut Edits,
    number: usize,
    edit: Edit,
) -> Result<()> {
    let state = &operator.schema.state;
    let group = |key: &[u8]| key_group(state, key, snapshot.manifest().max_parallelism);
    let (section, row_key, value) = match edit {
        Edit::RemoveKey(key) => return edits.remove_key(number, group(&key), key),
        Edit::Put(section, key, value) => (section, key, Some(value)),
        Edit::Remove(section, key) => (section, key, None),
    };
    let key =
        key_of(state, section, &row_key).ok_or_else(|| Error::failure("this is no row of the operator"))?;
    edits.row(number, group(key), (section, row_key), value)
}
