//! States outside of keys: a line per subtask, where a row would be.
//!
//! | member     | what                                                                                         |
//! |------------|----------------------------------------------------------------------------------------------|
//! | `operator` | whose it is                                                                                  |
//! | `section`  | `unkeyed`: what a subtask has; `broadcast`: what all have alike                              |
//! | `subtask`  | of what is unkeyed, which subtask kept it                                                    |
//! | `value`    | the fields of the state                                                                      |
//!
//! They lie in the manifest and in no key group. What a subtask had can be put otherwise, and can't be removed: how a state is
//! dealt follows from how many subtasks have kept one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::diff::{Change, Counts};
use super::output::Output;
use crate::error::{Error, Result};
use crate::evolution::row::{decode_row, encode_row};
use crate::snapshot::Snapshot;
use crate::snapshot::entry_state::{KeptState, RecordedState, Scope};
use crate::snapshot::manifest::Manifest;
use crate::snapshot::part::Section;

/// Prints what every subtask has, of all operators or one.
///
/// # Errors
/// If it is not of its schema, or can't be written.
pub(super) fn dump(snapshot: &Snapshot, operator: Option<&str>, out: &mut Output<'_>) -> Result<()> {
    for state in RecordedState::all(snapshot.manifest()) {
        if operator.is_some_and(|name| name != state.operator) {
            continue;
        }
        for kept in &state.kept {
            out.line(text(&state, kept, &[("value", &state.decode(kept)?)]))?;
        }
    }
    Ok(())
}

/// Whether an operator has such a state.
pub(super) fn has(snapshot: &Snapshot, operator: &str) -> bool {
    RecordedState::all(snapshot.manifest()).iter().any(|state| state.operator == operator)
}

/// All that is wrong with them.
pub(super) fn problems(manifest: &Manifest) -> Vec<String> {
    let mut problems = Vec::new();
    for state in RecordedState::all(manifest) {
        let wrong = state.kept.iter().filter_map(|kept| state.decode(kept).err());
        problems.extend(wrong.map(|error| error.to_string()));
    }
    problems
}

/// Prints in what they differ, or how many do.
///
/// # Errors
/// If one is not of its schema, or can't be written.
pub(super) fn diff(was: &Snapshot, is: &Snapshot, summary: bool, out: &mut Output<'_>) -> Result<()> {
    let states = |snapshot: &Snapshot| -> BTreeMap<String, RecordedState> {
        RecordedState::all(snapshot.manifest()).into_iter().map(|state| (state.label(), state)).collect()
    };
    let (before, after) = (states(was), states(is));
    for label in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (before, after) = (before.get(label), after.get(label));
        let mut counts = Counts::default();
        for subtask in subtasks(before).chain(subtasks(after)).collect::<BTreeSet<_>>() {
            let find = |state: Option<_>| find(state, subtask);
            let (change, line) = match (find(before), find(after)) {
                (Some((state, kept)), None) => {
                    let members = [("change", &"removed".into()), ("was", &state.decode(kept)?)];
                    (Change::Removed, text(state, kept, &members))
                }
                (None, Some((state, kept))) => {
                    let members = [("change", &"added".into()), ("value", &state.decode(kept)?)];
                    (Change::Added, text(state, kept, &members))
                }
                (Some((before, was)), Some((after, is))) => {
                    let (old, new) = (before.decode(was)?, after.decode(is)?);
                    let change = if old == new { Change::None } else { Change::Changed };
                    (
                        change,
                        text(after, is, &[("change", &"changed".into()), ("was", &old), ("value", &new)]),
                    )
                }
                (None, None) => continue,
            };
            counts.count(change);
            if !summary && change != Change::None {
                out.line(line)?;
            }
        }
        if summary {
            out.line(format_args!("operator {label:?}: {}", counts.of("states")))?;
        }
    }
    Ok(())
}

fn subtasks(state: Option<&RecordedState>) -> impl Iterator<Item = u32> {
    state.into_iter().flat_map(|state| &state.kept).map(|kept| kept.subtask.0)
}

fn find(state: Option<&RecordedState>, subtask: u32) -> Option<(&RecordedState, &KeptState)> {
    let state = state?;
    let kept = state.kept.iter().find(|kept| kept.subtask.0 == subtask)?;
    Some((state, kept))
}

/// What lines make of them.
pub(super) struct Edits {
    states: Vec<RecordedState>,
    /// By their place among the manifest's entries: the line, and what becomes of the value.
    put: BTreeMap<usize, (usize, Json)>,
}

impl Edits {
    pub fn new(snapshot: &Snapshot) -> Edits {
        Edits { states: RecordedState::all(snapshot.manifest()), put: BTreeMap::new() }
    }

    /// Whether a line is of such a state.
    pub fn is_of(row: &Map<String, Json>) -> bool {
        let section = row.get("section").and_then(Json::as_str);
        [Scope::Unkeyed, Scope::Broadcast].iter().any(|scope| section == Some(scope.word()))
    }

    /// Takes in line `number`, which is of such a state.
    ///
    /// # Errors
    /// If the snapshot does not have that, another line has it already, or the value is not of its schema.
    pub fn take(&mut self, number: usize, mut row: Map<String, Json>) -> Result<()> {
        let (state, kept) = self.find(&mut row)?;
        let Some(value) = row.remove("value") else {
            return Err(Error::failure(format!("it says no \"value\" of the state of {:?}", state.label()))
                .hint("a state that belongs to no key can be put, and not be removed"));
        };
        if let Some(stray) = row.keys().next() {
            return Err(Error::failure(format!("{stray}: there is no such member of this section")));
        }
        let entry = kept.entry;
        let value = kept.value_of(&state.encode(value)?);
        match self.put.insert(entry, (number, value)) {
            Some((earlier, _)) => Err(Error::failure(format!("line {earlier} has this state already"))),
            None => Ok(()),
        }
    }

    /// The state that a line says, without whose it is.
    fn find(&self, row: &mut Map<String, Json>) -> Result<(&RecordedState, &KeptState)> {
        let (section, operator) = (row.remove("section"), row.remove("operator"));
        let scoped = self.states.iter().filter(|state| section == Some(state.scope.word().into()));
        let named = scoped.filter(|state| {
            operator.as_ref().is_none_or(|operator| operator.as_str() == Some(state.operator.as_str()))
        });
        let state = match (&named.collect::<Vec<_>>()[..], &operator) {
            ([only], _) => *only,
            ([], Some(operator)) => {
                let section = section.unwrap_or_default();
                return Err(Error::failure(format!("operator {operator} has no state that is {section}")));
            }
            (_, _) => return Err(Error::failure("it says no \"operator\", and there is not just one")),
        };
        let subtask = match (state.scope, row.remove("subtask")) {
            (Scope::Broadcast, None) => 0,
            (Scope::Broadcast, Some(_)) => {
                return Err(Error::failure("subtask: what is broadcast is the same in all of them"));
            }
            (Scope::Unkeyed, Some(Json::Number(subtask))) => subtask.as_u64().unwrap_or(u64::MAX),
            (Scope::Unkeyed, _) => return Err(Error::failure("it says no \"subtask\", which is a number")),
        };
        let kept = state.kept.iter().find(|kept| u64::from(kept.subtask.0) == subtask).ok_or_else(|| {
            Error::failure(format!("subtask {subtask} has kept no state of {:?}", state.label()))
                .hint("put what is to be added into the lists of one that has: a restore deals them anew")
        })?;
        Ok((state, kept))
    }

    /// How many are put.
    pub fn count(&self) -> usize {
        self.put.len()
    }

    /// A manifest with what the lines have put.
    pub fn apply(self, manifest: &Manifest) -> Manifest {
        let mut entries = manifest.entries.clone();
        for (entry, (_, value)) in self.put {
            entries[entry].value = value;
        }
        let (operators, job) = (manifest.operators.clone(), manifest.job.clone());
        Manifest { entries, operators, job, ..*manifest }
    }
}

/// One such state, as JSON and back.
impl RecordedState {
    fn decode(&self, kept: &KeptState) -> Result<Json> {
        self.row(kept)
            .map(|mut row| row["value"].take())
            .map_err(|error| error.within(format!("{:?}, as subtask {} kept it", self.label(), kept.subtask)))
    }

    /// It is written as a row of a keyed state is, whose key says nothing.
    fn row(&self, kept: &KeptState) -> Result<Json> {
        let bytes =
            kept.bytes.as_deref().ok_or_else(|| Error::failure("it is not written in hexadecimal digits"))?;
        decode_row(&self.schema, Section::State, &[], bytes)
    }

    fn encode(&self, value: Json) -> Result<Vec<u8>> {
        let row = serde_json::json!({ "section": "state", "key": null, "value": value });
        let (_, _, bytes) = encode_row(&self.schema, &row)?;
        Ok(bytes)
    }
}

fn text(state: &RecordedState, kept: &KeptState, members: &[(&str, &Json)]) -> String {
    let (operator, section) = (Json::from(state.operator.as_str()), Json::from(state.scope.word()));
    let mut line = format!("{{\"operator\":{operator}");
    let mut member = |name: &str, value: &Json| {
        let _ = write!(line, ",\"{name}\":{value}");
    };
    let (change, rest) = match members {
        [("change", change), rest @ ..] => (Some(change), rest),
        rest => (None, rest),
    };
    if let Some(change) = change {
        member("change", change);
    }
    member("section", &section);
    if state.scope == Scope::Unkeyed {
        member("subtask", &kept.subtask.0.into());
    }
    rest.iter().for_each(|(name, value)| member(name, value));
    line.push('}');
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::fixture::{Scene, ann_and_bob, text};
    use super::*;
    use crate::key::SubtaskIndex;
    use crate::snapshot::entry_state::EntryState;
    use crate::snapshot::layout::write_manifest;
    use crate::snapshot::part::StageSnapshot;
    use crate::state::DealtList;
    use tidegate_macros::state;

    #[state(unkeyed, crate = crate)]
    #[derive(Default)]
    struct Pending {
        lines: DealtList<String>,
        numbers: DealtList<f64>,
    }

    #[state(broadcast, crate = crate)]
    #[derive(Default)]
    struct Rates {
        cents: BTreeMap<u32, u64>,
    }

    /// A snapshot whose subtasks have kept this.
    fn kept(scene: &Scene, subtasks: Vec<Pending>, name: &str) -> String {
        let mut snapshot = StageSnapshot::new(true);
        for (subtask, pending) in (0..).zip(&subtasks) {
            EntryState::unkeyed::<Pending>("batcher")
                .keep(SubtaskIndex(subtask), pending, &mut snapshot)
                .unwrap();
        }
        let rates = Rates { cents: [(7, 300)].into() };
        let broadcast = EntryState::broadcast::<Rates>("sessions").unwrap();
        broadcast.keep(SubtaskIndex(0), &rates, &mut snapshot).unwrap();
        write(scene, name, |manifest| manifest.entries.extend(snapshot.entries))
    }

    /// The latest snapshot with another manifest.
    fn write(scene: &Scene, name: &str, change: impl FnOnce(&mut Manifest)) -> String {
        let latest = scene.directory.snapshot_path(*scene.directory.list().unwrap().last().unwrap());
        let mut manifest = Snapshot::open(&latest).unwrap().manifest().clone();
        change(&mut manifest);
        let path = scene.directory.path().join(name);
        fs::create_dir(&path).unwrap();
        write_manifest(&path, &manifest).unwrap();
        text(&path).to_string()
    }

    fn pending(lines: &[&str]) -> Pending {
        let lines = lines.iter().map(|line| line.to_string()).collect();
        Pending { lines, numbers: vec![f64::NAN, 0.5].into() }
    }

    fn scene() -> Scene {
        let mut scene = Scene::new();
        scene.of(&ann_and_bob());
        scene
    }

    #[test]
    fn each_subtask_is_a_line_behind_the_rows() {
        let scene = scene();
        let path = kept(&scene, vec![pending(&["a", "b"]), pending(&[])], "kept");
        let dump = scene.answer(&["dump", &path]);
        let rows = scene.answer(&["dump"]);
        let (before, lines) = dump.split_at(rows.len());
        assert_eq!(before, rows);
        assert_eq!(
            lines,
            concat!(
                r#"{"operator":"batcher","section":"unkeyed","subtask":0,"value":{"lines":["a","b"],"numbers":["NaN",0.5]}}"#,
                "\n",
                r#"{"operator":"batcher","section":"unkeyed","subtask":1,"value":{"lines":[],"numbers":["NaN",0.5]}}"#,
                "\n",
                r#"{"operator":"sessions","section":"broadcast","value":{"cents":{"7":300}}}"#,
                "\n",
            )
        );
        assert_eq!(scene.answer(&["verify", &path]), format!("{path} is whole: 2 files, 8 rows\n"));
    }

    #[test]
    fn a_difference_is_told_by_subtask() {
        let scene = scene();
        let was = kept(&scene, vec![pending(&["a"]), pending(&["b"])], "was");
        let is = kept(&scene, vec![pending(&["a"]), pending(&["c"]), pending(&[])], "is");
        assert_eq!(
            scene.answer(&["diff", &was, &is]),
            concat!(
                r#"{"operator":"batcher","change":"changed","section":"unkeyed","subtask":1,"#,
                r#""was":{"lines":["b"],"numbers":["NaN",0.5]},"value":{"lines":["c"],"numbers":["NaN",0.5]}}"#,
                "\n",
                r#"{"operator":"batcher","change":"added","section":"unkeyed","subtask":2,"value":{"lines":[],"numbers":["NaN",0.5]}}"#,
                "\n",
            )
        );
        let back = scene.answer(&["diff", &is, &was, "--summary"]);
        assert!(
            back.contains("\"batcher (unkeyed)\": 0 states added, 1 removed, 1 changed, 1 the same\n"),
            "{back}"
        );
    }

    #[test]
    fn what_is_not_of_its_schema_is_found_with_its_subtask_and_the_rows_are_read_all_the_same() {
        let scene = scene();
        let path = kept(&scene, vec![pending(&["a"]), pending(&["b"])], "kept");
        let manifest = Snapshot::open(path.as_ref()).unwrap().manifest().clone();
        for (number, state, message) in [
            (0, "0x01ff", "is not of the schema that the snapshot says it is of"),
            (1, "no digits", "it is not written in hexadecimal digits"),
        ] {
            let mut entries = manifest.entries.clone();
            let subtask = |value: &Json| value["subtask"] == 1;
            let entry =
                entries.iter_mut().find(|entry| entry.item == "state" && subtask(&entry.value)).unwrap();
            entry.value["state"] = state.into();
            let path = write(&scene, &format!("spoilt {number}"), |manifest| manifest.entries = entries);
            let (said, done) = scene.answers(&["verify", &path], "");
            assert_eq!(done.unwrap_err().to_string(), "the snapshot is broken");
            let whose = "\"batcher (unkeyed)\", as subtask 1 kept it: ";
            assert!(said.contains(whose) && said.contains(message), "{said}");
        }
    }
}
