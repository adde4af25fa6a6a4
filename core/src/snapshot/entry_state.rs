//! State outside of keys in a snapshot: in entries of the manifest, because it is small and belongs to no key group.
//!
//! | owner              | item        | value                                                                               |
//! |--------------------|-------------|-------------------------------------------------------------------------------------|
//! | `unkeyed batcher`  | `schema`    | name and fields of the operator's state; once, by subtask 0                         |
//! | `unkeyed batcher`  | `state`     | per subtask: its number and its state, `{"subtask": 0, "state": "0x02.."}`          |
//! | `unkeyed batcher`  | `watermark` | per subtask: how far event time had come                                            |
//! | `broadcast rate`   | `schema`    | name and fields of what is broadcast to the operator; once, by subtask 0            |
//! | `broadcast rate`   | `state`     | as above; once, by subtask 0                                                        |
//!
//! A state is written by postcard, as the rows of keyed state are, and then in hexadecimal digits: so whatever can rest in keyed
//! state can rest here, to the bit (JSON has no NaN and no map with keys other than text). Version and checksum are the manifest's.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::key::SubtaskIndex;
use crate::snapshot::compare::changes;
use crate::snapshot::manifest::Manifest;
use crate::snapshot::part::{OperatorSchema, RestoredState, StageSnapshot};
use crate::state::{BroadcastState, Describe, Field, StateSchema, UnkeyedState};

/// A manifest is text that is read as a whole: more than this of one subtask is better kept per key.
const BYTES_MAX: usize = 1 << 20;

/// Whose state it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A subtask's.
    Unkeyed,
    /// That of all subtasks alike.
    Broadcast,
}

impl Scope {
    const ALL: [Scope; 2] = [Scope::Unkeyed, Scope::Broadcast];

    fn owner(self, operator: &str) -> String {
        format!("{} {operator}", self.word())
    }

    fn word(self) -> &'static str {
        match self {
            Scope::Unkeyed => "unkeyed",
            Scope::Broadcast => "broadcast",
        }
    }
}

/// A state outside of keys: whose it is, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct EntryState {
    pub operator: String,
    pub scope: Scope,
    pub schema: EntrySchema,
}

/// What a manifest records of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EntrySchema {
    pub name: String,
    pub fields: Vec<Field>,
}

/// What one subtask kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    subtask: SubtaskIndex,
    state: String,
}

impl EntryState {
    pub fn unkeyed<S: UnkeyedState>(operator: &str) -> EntryState {
        let schema = EntrySchema { name: S::NAME.to_string(), fields: S::fields() };
        EntryState { operator: operator.to_string(), scope: Scope::Unkeyed, schema }
    }

    /// `None` for an operator that nothing is broadcast to.
    pub fn broadcast<S: BroadcastState>(operator: &str) -> Option<EntryState> {
        let schema = EntrySchema { name: S::NAME?.to_string(), fields: S::fields() };
        Some(EntryState { operator: operator.to_string(), scope: Scope::Broadcast, schema })
    }

    pub fn owner(&self) -> String {
        self.scope.owner(&self.operator)
    }

    /// Puts down what `subtask` has.
    ///
    /// # Errors
    /// If serde can't write it.
    pub fn keep<S: Serialize>(
        &self,
        subtask: SubtaskIndex,
        state: &S,
        snapshot: &mut StageSnapshot,
    ) -> Result<()> {
        if !snapshot.with_state {
            return Ok(());
        }
        let bytes = postcard::to_stdvec(state)?;
        if bytes.len() > BYTES_MAX {
            tracing::warn!(
                operator = self.operator,
                state = self.schema.name,
                bytes = bytes.len(),
                "a state that belongs to no key is large, and every manifest holds all of it: keep less, or keep it per key"
            );
        }
        let owner = self.owner();
        if subtask == SubtaskIndex(0) {
            snapshot.put(&owner, "schema", &self.schema)?;
        }
        snapshot.put(&owner, "state", Kept { subtask, state: to_hex(&bytes) })
    }

    /// Takes back what the subtasks kept, in their order: nothing if the snapshot does not know the state.
    ///
    /// # Errors
    /// If it can't be decoded.
    pub fn take_back<S: DeserializeOwned>(&self, restored: &dyn RestoredState) -> Result<Vec<S>> {
        let mut kept = Vec::new();
        for entry in restored.entries(&self.owner()) {
            if entry.item == "state" {
                kept.push(serde_json::from_value::<Kept>(entry.value.clone())?);
            }
        }
        kept.sort_by_key(|kept| kept.subtask);
        kept.iter().map(|kept| self.decode(kept)).collect()
    }

    fn decode<S: DeserializeOwned>(&self, kept: &Kept) -> Result<S> {
        let damaged = || {
            let EntryState { operator, schema: EntrySchema { name, .. }, .. } = self;
            Error::failure(format!(
                "state \"{name}\" of operator \"{operator}\", as subtask {} kept it, can't be decoded",
                kept.subtask
            ))
        };
        let bytes = from_hex(&kept.state).ok_or_else(damaged)?;
        match postcard::take_from_bytes(&bytes) {
            Ok((state, [])) => Ok(state),
            Ok(_) => Err(damaged().caused_by("it is longer than its fields")),
            Err(error) => Err(damaged().caused_by(error)),
        }
    }
}

impl EntrySchema {
    /// The same as a keyed state's: with a key that says nothing.
    fn as_operator(&self) -> OperatorSchema {
        let EntrySchema { name, fields } = self.clone();
        OperatorSchema { state: StateSchema { name, key: <()>::schema(), fields }, timer: <()>::schema() }
    }
}

/// Whether the states outside of keys that a snapshot holds are those of a program: a state that the snapshot does not know
/// starts empty.
///
/// # Errors
/// If the snapshot has one that is not there, or of another schema; the error names every difference.
pub(crate) fn check(manifest: &Manifest, states: &[EntryState]) -> Result<()> {
    let mut faults = Vec::new();
    for entry in manifest.entries.iter().filter(|entry| entry.item == "schema") {
        let named = |scope: &Scope| entry.owner.strip_prefix(&scope.owner(""));
        let Some((scope, operator)) = Scope::ALL.iter().find_map(|scope| Some((scope, named(scope)?))) else {
            continue;
        };
        let was: EntrySchema = serde_json::from_value(entry.value.clone())?;
        let state = format!(
            "state \"{}\" ({}) of operator \"{operator}\" in snapshot {}",
            was.name,
            scope.word(),
            manifest.snapshot
        );
        match states.iter().find(|state| state.owner() == entry.owner) {
            Some(is) => {
                let changes = changes(&was.as_operator(), &is.schema.as_operator());
                faults.extend(changes.into_iter().map(|change| format!("{state} {change}")));
            }
            None => faults.push(format!(
                "{state} has no place to go: this program has no operator \"{operator}\" with such a state"
            )),
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    Err(Error::failure(faults.join("\n")).hint(
        "put the program's state back as it was, or start without --restore; state can't be migrated yet",
    ))
}

fn to_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.strip_prefix("0x")?.as_bytes().as_chunks::<2>() else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use tidegate_macros::state;

    use super::*;
    use crate::record::SnapshotId;
    use crate::snapshot::fixture;
    use crate::snapshot::part::{Entry, StateRow};
    use crate::state::{DealtList, UnionList};

    #[state(unkeyed, crate = crate)]
    #[derive(Default)]
    struct Pending {
        lines: DealtList<String>,
        files: UnionList<(u32, Option<f64>)>,
    }

    mod changed {
        use super::*;

        #[state(unkeyed, crate = crate)]
        #[derive(Default)]
        pub struct Pending {
            lines: UnionList<String>,
            files: UnionList<(u32, Option<f32>)>,
            more: DealtList<u8>,
        }
    }

    struct Entries(Vec<Entry>);

    impl RestoredState for Entries {
        fn entries(&self, owner: &str) -> Vec<&Entry> {
            self.0.iter().filter(|entry| entry.owner == owner).collect()
        }

        fn rows(
            &self,
            _: &str,
            _: crate::key::KeyGroupRange,
            _: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
        ) -> Result<()> {
            Ok(())
        }
    }

    fn batcher() -> EntryState {
        EntryState::unkeyed::<Pending>("batcher")
    }

    /// What subtasks keep that have these lines, in the order of the list.
    fn kept(subtasks: &[(u32, &str)]) -> Vec<Entry> {
        let mut snapshot = StageSnapshot::new(true);
        for (subtask, line) in subtasks {
            let lines = [line.to_string()].into_iter().collect();
            let pending = Pending { lines, files: vec![(*subtask, Some(f64::NAN))].into() };
            batcher().keep(SubtaskIndex(*subtask), &pending, &mut snapshot).unwrap();
        }
        snapshot.entries
    }

    #[test]
    fn what_subtasks_keep_comes_back_in_their_order_whichever_wrote_first() {
        let entries = Entries(kept(&[(1, "b"), (0, "a"), (10, "d"), (2, "c")]));
        let back: Vec<Pending> = batcher().take_back(&entries).unwrap();
        let lines: Vec<&str> = back.iter().flat_map(|pending| &pending.lines).map(String::as_str).collect();
        assert_eq!(lines, ["a", "b", "c", "d"]);
        assert!(back[2].files[0].1.is_some_and(f64::is_nan), "JSON alone would have lost it");
        assert!(EntryState::unkeyed::<Pending>("other").take_back::<Pending>(&entries).unwrap().is_empty());
    }

    #[test]
    fn the_entries_of_a_manifest_are_as_drawn() {
        let entries = kept(&[(0, "a"), (1, "b")]);
        let written = |entry: &Entry| (entry.owner.clone(), entry.item.clone(), entry.value["state"].clone());
        assert_eq!(entries[0].value["name"], "Pending");
        let state = |hex: &str| ("unkeyed batcher".to_string(), "state".to_string(), hex.into());
        assert_eq!(written(&entries[1]), state("0x0101610100 01000000000000f87f".replace(' ', "").as_str()));
        assert_eq!(written(&entries[2]), state("0x0101620101 01000000000000f87f".replace(' ', "").as_str()));
        assert_eq!(entries.len(), 3);
    }

    #[state(broadcast, name = "tariff", crate = crate)]
    #[derive(Default)]
    struct Rates {
        cents: u64,
    }

    #[test]
    fn what_is_broadcast_is_another_state_of_the_operator_and_needs_a_place_too() {
        let rates = EntryState::broadcast::<Rates>("batcher").unwrap();
        let mut snapshot = StageSnapshot::new(true);
        rates.keep(SubtaskIndex(0), &Rates { cents: 300 }, &mut snapshot).unwrap();
        let mut manifest = fixture::manifest(SnapshotId(7));
        manifest.entries = kept(&[(0, "a")]);
        manifest.entries.extend(snapshot.entries);
        check(&manifest, &[batcher(), rates.clone()]).unwrap();
        let error = check(&manifest, &[batcher()]).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "state \"tariff\" (broadcast) of operator \"batcher\" in snapshot 7 has no place"
            ),
            "{error}"
        );
        let entries = Entries(manifest.entries);
        assert_eq!(rates.take_back::<Rates>(&entries).unwrap()[0].cents, 300);
        assert_eq!(batcher().take_back::<Pending>(&entries).unwrap().len(), 1);
        assert!(EntryState::broadcast::<()>("batcher").is_none());
    }

    #[test]
    fn a_job_without_snapshots_keeps_nothing() {
        let mut snapshot = StageSnapshot::new(false);
        batcher().keep(SubtaskIndex(0), &Pending::default(), &mut snapshot).unwrap();
        assert!(snapshot.entries.is_empty());
    }

    #[test]
    fn a_state_that_is_cut_short_or_has_too_much_is_refused_by_the_operators_name() {
        for (change, cause) in [
            (&(|state: &str| state[..state.len() - 2].to_string()) as &dyn Fn(&str) -> String, "Hit the end"),
            (&|state| format!("{state}00"), "it is longer than its fields"),
            (&|state| state.replace("0x", "0z"), "can't be decoded"),
            (&|state| format!("{state}0"), "can't be decoded"),
        ] {
            let mut entries = kept(&[(3, "a")]);
            let state = change(entries[0].value["state"].as_str().unwrap());
            entries[0].value["state"] = state.into();
            let error = batcher().take_back::<Pending>(&Entries(entries)).err().unwrap().to_string();
            let whose = "state \"Pending\" of operator \"batcher\", as subtask 3 kept it, can't be decoded";
            assert!(error.starts_with(whose) && error.contains(cause), "{error}");
        }
    }

    #[test]
    fn a_snapshot_whose_lists_are_other_ones_is_refused_field_by_field() {
        let mut manifest = fixture::manifest(SnapshotId(7));
        manifest.entries = kept(&[(0, "a")]);
        check(&manifest, &[batcher()]).unwrap();
        let error = check(&manifest, &[EntryState::unkeyed::<changed::Pending>("batcher")]).unwrap_err();
        let state = "state \"Pending\" (unkeyed) of operator \"batcher\" in snapshot 7 has";
        let expected = [
            format!(
                "{state} field \"lines: DealtList<String>\", this program has \"lines: UnionList<String>\""
            ),
            format!(
                "{state} field \"files: UnionList<(u32, Option<f64>)>\", this program has \"files: UnionList<(u32, Option<f32>)>\""
            ),
            format!("{state} no field \"more: DealtList<u8>\", this program has one"),
        ];
        assert_eq!(error.to_string().lines().collect::<Vec<_>>(), expected);
        let error = check(&manifest, &[EntryState::unkeyed::<Pending>("gatherer")]).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("has no place to go: this program has no operator \"batcher\" with such a state")
        );
        manifest.entries.clear();
        check(&manifest, &[batcher()]).unwrap();
    }
}
