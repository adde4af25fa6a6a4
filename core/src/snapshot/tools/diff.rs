//! `diff`: the rows in which two snapshots differ.
//!
//! Rows are compared key group by key group. Rows whose bytes differ may still be the same: a hash map has no order. They are
//! compared as JSON then, as are rows of two schemas. [States outside of keys](super::keyless) follow, subtask by subtask.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::keyless;
use super::line;
use super::output::Output;
use super::rows::{Place, Rows, read, row};
use crate::error::{Error, Result};
use crate::key::KeyGroup;
use crate::snapshot::Snapshot;
use crate::snapshot::manifest::OperatorState;

/// How many rows or states there are of each kind.
#[derive(Default)]
pub(super) struct Counts {
    added: u64,
    removed: u64,
    changed: u64,
    same: u64,
}

impl Counts {
    pub fn count(&mut self, change: Change) {
        match change {
            Change::Added => self.added += 1,
            Change::Removed => self.removed += 1,
            Change::Changed => self.changed += 1,
            Change::None => self.same += 1,
        }
    }

    /// In words, of what is called `noun`.
    pub fn of(&self, noun: &str) -> String {
        let Counts { added, removed, changed, same } = self;
        format!("{added} {noun} added, {removed} removed, {changed} changed, {same} the same")
    }
}

/// Prints every row in which `is` differs from `was`, or how many they are.
///
/// # Errors
/// If rows can't be read, or the two have other numbers of key groups.
pub(super) fn diff(was: &Snapshot, is: &Snapshot, summary: bool, out: &mut Output<'_>) -> Result<()> {
    let groups = was.manifest().max_parallelism;
    if groups != is.manifest().max_parallelism {
        return Err(Error::failure(format!(
            "snapshot {} has {} key groups and snapshot {} has {}: no row of one lies where it does in the other",
            was.id(),
            groups.get(),
            is.id(),
            is.manifest().max_parallelism.get()
        )));
    }
    let known = |snapshot| -> BTreeMap<&str, &OperatorState> { operators(snapshot).collect() };
    let (before, after) = (known(was), known(is));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    for name in names {
        let pair = Pair { was: before.get(name).copied(), is: after.get(name).copied() };
        let mut counts = Counts::default();
        for group in groups.all().iter() {
            pair.group(group, &read(was, name, group)?, &read(is, name, group)?, &mut |change, line| {
                counts.count(change);
                match line {
                    Some(line) if !summary => out.line(line()?),
                    _ => Ok(()),
                }
            })?;
        }
        if summary {
            out.line(format_args!("operator {name:?}: {}", counts.of("rows")))?;
        }
    }
    keyless::diff(was, is, summary, out)
}

fn operators(snapshot: &Snapshot) -> impl Iterator<Item = (&str, &OperatorState)> {
    snapshot.manifest().operators.iter().map(|operator| (operator.name.as_str(), operator))
}

/// What has become of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    Added,
    Removed,
    Changed,
    None,
}

/// An operator in both snapshots.
struct Pair<'a> {
    was: Option<&'a OperatorState>,
    is: Option<&'a OperatorState>,
}

/// Is told of every row, and how it would be printed if it differs.
type Each<'a> = dyn FnMut(Change, Option<&dyn Fn() -> Result<String>>) -> Result<()> + 'a;

impl Pair<'_> {
    fn group(&self, group: KeyGroup, was: &Rows, is: &Rows, each: &mut Each<'_>) -> Result<()> {
        let places: BTreeSet<&Place> = was.keys().chain(is.keys()).collect();
        for place in places {
            let old = self.was.zip(was.get(place));
            let new = self.is.zip(is.get(place));
            match (old, new) {
                (None, None) => {}
                (None, Some((operator, value))) => {
                    let row = row(group, place, value);
                    let line = || Ok(line::text(operator, row, Some("added"), &line::decode(operator, row)?));
                    each(Change::Added, Some(&line))?;
                }
                (Some((operator, value)), None) => {
                    let row = row(group, place, value);
                    let line = || {
                        let json = with_was(Json::Null, &line::decode(operator, row)?);
                        Ok(line::text(operator, row, Some("removed"), &json))
                    };
                    each(Change::Removed, Some(&line))?;
                }
                (Some((before, old)), Some((after, new))) => {
                    if old == new && before.schema == after.schema {
                        each(Change::None, None)?;
                        continue;
                    }
                    let (old, new) = (row(group, place, old), row(group, place, new));
                    let (was, is) = (line::decode(before, old)?, line::decode(after, new)?);
                    if was == is {
                        each(Change::None, None)?;
                        continue;
                    }
                    let line = || Ok(line::text(after, new, Some("changed"), &with_was(is.clone(), &was)));
                    each(Change::Changed, Some(&line))?;
                }
            }
        }
        Ok(())
    }
}

/// The row `is`, or if there is none what is known of it by `was`, with the value that it had.
fn with_was(is: Json, was: &Json) -> Json {
    let mut row = match is {
        Json::Object(row) => row,
        _ => {
            let mut row = was.as_object().cloned().unwrap_or_default();
            row.remove("value");
            row.remove("refreshed");
            row
        }
    };
    for (member, before) in [("was", "value"), ("was_refreshed", "refreshed")] {
        if let Some(value) = was.get(before) {
            row.insert(member.to_string(), value.clone());
        }
    }
    Json::Object(row)
}
