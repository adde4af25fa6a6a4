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
//! state can rest here, to the bit (JSON has no NaN and no map with keys other than text), and what is carried from one program
//! to the next is carried here: a state is converted when it is taken back. Version and checksum are the manifest's.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::evolution::{OperatorProgram, Plan};
use crate::key::{KeyHash, SubtaskIndex};
use crate::snapshot::manifest::Manifest;
use crate::snapshot::part::{OperatorSchema, RestoredState, Section, StageSnapshot};
use crate::state::kinds::Now;
use crate::state::{BroadcastState, Describe, Field, StateProgram, StateSchema, UnkeyedState};
use crate::time::EventTime;

/// A manifest is text that is read as a whole: more than this of one subtask is better kept per key.
const BYTES_MAX: usize = 1 << 20;

/// The time at which such a state was kept: nothing in it expires, so any will do.
pub(crate) const NO_TIME: Now = {
    let epoch = EventTime::from_millis(0);
    Now { event: epoch, record: epoch, processing: epoch, uptime: epoch }
};

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

    /// The section of snapshot tools, and what distinguishes it from keyed state.
    pub fn word(self) -> &'static str {
        match self {
            Scope::Unkeyed => "unkeyed",
            Scope::Broadcast => "broadcast",
        }
    }

    /// What it says of a state.
    pub fn in_words(self) -> &'static str {
        match self {
            Scope::Unkeyed => "of each subtask",
            Scope::Broadcast => "broadcast to all subtasks",
        }
    }
}

/// A state outside of keys: whose it is, and what the program knows of it.
#[derive(Clone, Debug)]
pub(crate) struct EntryState {
    pub operator: String,
    pub scope: Scope,
    pub program: OperatorProgram,
}

/// A state outside of keys as a snapshot has it: by its own schema, whatever the program.
pub(super) struct RecordedState {
    pub operator: String,
    pub scope: Scope,
    pub schema: OperatorSchema,
    /// What was kept of it, in the order of the subtasks.
    pub kept: Vec<KeptState>,
}

/// What one subtask kept of it; of a state that is broadcast, subtask 0 for all.
pub(super) struct KeptState {
    pub subtask: SubtaskIndex,
    /// Where it is among the manifest's entries.
    pub entry: usize,
    /// None if they are not written as bytes are.
    pub bytes: Option<Vec<u8>>,
}

/// What a manifest records of it.
#[derive(Serialize, Deserialize)]
struct Recorded {
    name: String,
    fields: Vec<Field>,
}

/// What one subtask kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    subtask: SubtaskIndex,
    state: String,
}

impl EntryState {
    pub fn unkeyed<S: UnkeyedState>(operator: &str) -> EntryState {
        let initial = || Ok(postcard::to_stdvec(&S::initial())?);
        EntryState::new(operator, Scope::Unkeyed, S::NAME, S::fields(), initial)
    }

    /// `None` for an operator that nothing is broadcast to.
    pub fn broadcast<S: BroadcastState>(operator: &str) -> Option<EntryState> {
        let initial = || Ok(postcard::to_stdvec(&S::initial())?);
        Some(EntryState::new(operator, Scope::Broadcast, S::NAME?, S::fields(), initial))
    }

    fn new(
        operator: &str,
        scope: Scope,
        name: &str,
        fields: Vec<Field>,
        initial: fn() -> Result<Vec<u8>>,
    ) -> EntryState {
        let OperatorSchema { state: schema, timer } =
            Recorded { name: name.to_string(), fields }.as_operator();
        let state = StateProgram { schema, initial, hash: |_| Some(KeyHash::of(&[])), migration: None };
        let operator = operator.to_string();
        EntryState { operator, scope, program: OperatorProgram { state, timer } }
    }

    pub fn owner(&self) -> String {
        self.scope.owner(&self.operator)
    }

    /// What it is called beside the keyed states of operators.
    pub fn label(&self) -> String {
        label(&self.operator, self.scope)
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
        let StateSchema { name, fields, .. } = &self.program.state.schema;
        if bytes.len() > BYTES_MAX {
            tracing::warn!(
                operator = self.operator,
                state = name,
                bytes = bytes.len(),
                "a state that belongs to no key is large, and every manifest holds all of it: keep less, or keep it per key"
            );
        }
        let owner = self.owner();
        if subtask == SubtaskIndex(0) {
            snapshot.put(&owner, "schema", Recorded { name: name.clone(), fields: fields.clone() })?;
        }
        snapshot.put(&owner, "state", Kept { subtask, state: to_hex(&bytes) })
    }

    /// Takes back what the subtasks kept, in their order, carried into the program: nothing if the snapshot does not know the
    /// state.
    ///
    /// # Errors
    /// If it can't be carried or decoded.
    pub fn take_back<S: DeserializeOwned>(&self, restored: &dyn RestoredState) -> Result<Vec<S>> {
        let mut kept = Vec::new();
        let mut plan = None;
        for entry in restored.entries(&self.owner()) {
            match entry.item.as_str() {
                "state" => kept.push(serde_json::from_value::<Kept>(entry.value.clone())?),
                "schema" => {
                    let was = serde_json::from_value::<Recorded>(entry.value.clone())?.as_operator();
                    plan = Some(Plan::of(&was, &self.program, NO_TIME));
                }
                _ => {}
            }
        }
        kept.sort_by_key(|kept| kept.subtask);
        kept.iter().map(|kept| self.decode(kept, plan.as_ref())).collect()
    }

    fn decode<S: DeserializeOwned>(&self, kept: &Kept, plan: Option<&Plan>) -> Result<S> {
        let damaged = || {
            let (operator, name) = (&self.operator, &self.program.state.schema.name);
            let subtask = kept.subtask;
            Error::failure(format!(
                "state \"{name}\" of operator \"{operator}\", as subtask {subtask} kept it, can't be decoded"
            ))
        };
        let bytes = from_hex(&kept.state).ok_or_else(damaged)?;
        let plan = plan.ok_or_else(|| damaged().caused_by("the snapshot does not have its schema"))?;
        let row =
            plan.row(Section::State, &[], &bytes).map_err(|error| damaged().caused_by(error.to_string()))?;
        let (_, bytes) = row.ok_or_else(damaged)?;
        match postcard::take_from_bytes(&bytes) {
            Ok((state, [])) => Ok(state),
            Ok(_) => Err(damaged().caused_by("it is longer than its fields")),
            Err(error) => Err(damaged().caused_by(error)),
        }
    }
}

impl Recorded {
    /// The same as a keyed state's: with a key that says nothing.
    fn as_operator(&self) -> OperatorSchema {
        let Recorded { name, fields } = self;
        let (name, fields) = (name.clone(), fields.clone());
        OperatorSchema {
            state: StateSchema { name, version: 1, key: <()>::schema(), fields },
            timer: <()>::schema(),
        }
    }
}

impl RecordedState {
    /// Those of a snapshot. What is not understood is no such state: the manifest is guarded by its checksum.
    pub fn all(manifest: &Manifest) -> Vec<RecordedState> {
        let schemas = manifest.entries.iter().filter(|entry| entry.item == "schema");
        let recorded = schemas.filter_map(|entry| {
            let of = |scope: Scope| Some((scope, entry.owner.strip_prefix(&scope.owner(""))?));
            let (scope, operator) = Scope::ALL.into_iter().find_map(of)?;
            let recorded: Recorded = serde_json::from_value(entry.value.clone()).ok()?;
            let (operator, schema) = (operator.to_string(), recorded.as_operator());
            Some(RecordedState { operator, scope, schema, kept: kept(manifest, &entry.owner) })
        });
        recorded.collect()
    }

    /// What it is called beside the keyed states of operators.
    pub fn label(&self) -> String {
        label(&self.operator, self.scope)
    }

    /// Whose the entries of the manifest are.
    pub fn owner(&self) -> String {
        self.scope.owner(&self.operator)
    }
}

impl KeptState {
    /// The value of its entry, if the state were in these bytes.
    pub fn value_of(&self, bytes: &[u8]) -> serde_json::Value {
        let kept = Kept { subtask: self.subtask, state: to_hex(bytes) };
        serde_json::to_value(kept).expect("a number and a text are JSON")
    }
}

fn kept(manifest: &Manifest, owner: &str) -> Vec<KeptState> {
    let entries = manifest.entries.iter().enumerate();
    let states = entries.filter(|(_, entry)| entry.owner == owner && entry.item == "state");
    let mut kept: Vec<_> = states
        .filter_map(|(entry, state)| {
            let Kept { subtask, state } = serde_json::from_value(state.value.clone()).ok()?;
            Some(KeptState { subtask, entry, bytes: from_hex(&state) })
        })
        .collect();
    kept.sort_by_key(|kept| kept.subtask);
    kept
}

/// The schemas of the states outside of keys that a manifest records, by their [labels](EntryState::label).
pub(crate) fn recorded(manifest: &Manifest) -> Vec<(String, OperatorSchema)> {
    RecordedState::all(manifest).into_iter().map(|state| (state.label(), state.schema)).collect()
}

fn label(operator: &str, scope: Scope) -> String {
    format!("{operator} ({})", scope.word())
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
    pairs.iter().map(|[high, low]| Some(((digit(*high)? << 4) | digit(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use tidegate_macros::state;

    use super::*;
    use crate::evolution::Report;
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

    mod next {
        use super::*;

        /// What another version of the program makes of it.
        #[state(unkeyed, crate = crate)]
        #[derive(Default)]
        pub struct Pending {
            pub more: DealtList<u8>,
            #[state(was = "files")]
            pub paths: UnionList<(u64, Option<f64>)>,
            pub lines: UnionList<String>,
        }
    }

    mod refused {
        use super::*;

        #[state(unkeyed, crate = crate)]
        #[derive(Default)]
        pub struct Pending {
            lines: DealtList<char>,
            files: UnionList<(u32, Option<f64>)>,
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
    fn what_is_broadcast_is_another_state_of_the_operator() {
        let rates = EntryState::broadcast::<Rates>("batcher").unwrap();
        let mut snapshot = StageSnapshot::new(true);
        rates.keep(SubtaskIndex(0), &Rates { cents: 300 }, &mut snapshot).unwrap();
        let mut manifest = fixture::manifest(SnapshotId(7));
        manifest.entries = kept(&[(0, "a")]);
        manifest.entries.extend(snapshot.entries);
        let labels: Vec<String> = recorded(&manifest).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, [batcher().label(), "batcher (broadcast)".to_string()]);
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
            let mut entries = kept(&[(0, "a"), (3, "b")]);
            let state = change(entries[2].value["state"].as_str().unwrap());
            entries[2].value["state"] = state.into();
            let error = batcher().take_back::<Pending>(&Entries(entries)).err().unwrap().to_string();
            let whose = "state \"Pending\" of operator \"batcher\", as subtask 3 kept it, can't be decoded";
            assert!(error.starts_with(whose) && error.contains(cause), "{error}");
        }
    }

    #[test]
    fn what_a_program_has_changed_is_carried_or_refused_as_state_per_key_is() {
        let mut manifest = fixture::manifest(SnapshotId(7));
        manifest.entries = kept(&[(0, "a"), (1, "b")]);
        let report = |state: EntryState| Report::of_snapshot(&manifest, &[(state.label(), state.program)]);
        assert!(report(batcher()).is_same());

        let next = EntryState::unkeyed::<next::Pending>("batcher");
        let carried = report(next.clone());
        carried.check().unwrap();
        let state = "state \"Pending\" of operator \"batcher (unkeyed)\" in snapshot 7";
        let sentences = carried.sentences().join("\n");
        assert!(sentences.contains(&format!("{state} has field \"files")), "{sentences}");
        let back: Vec<next::Pending> = next.take_back(&Entries(manifest.entries.clone())).unwrap();
        assert_eq!((&*back[1].lines, back[1].paths[0].0), (&vec!["b".to_string()], 1));
        assert!(back[0].more.is_empty() && back[0].paths[0].1.is_some_and(f64::is_nan));

        let refused = EntryState::unkeyed::<refused::Pending>("batcher");
        let error = report(refused.clone()).check().unwrap_err();
        assert!(error.to_string().starts_with(&format!("{state} has field \"lines: ")), "{error}");
        let error = refused.take_back::<refused::Pending>(&Entries(manifest.entries.clone())).err().unwrap();
        assert!(error.to_string().contains("operator \"batcher\", as subtask 0 kept it"), "{error}");

        let gone = report(EntryState::unkeyed::<Pending>("gatherer"));
        assert_eq!(gone.gone().collect::<Vec<_>>(), [("batcher (unkeyed)", "Pending")]);
    }
}
