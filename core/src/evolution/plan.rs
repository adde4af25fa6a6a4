//! From the state in a snapshot to that of the program: what becomes of it, and the way of every row.
//!
//! What enters is the operator's schema in the snapshot, and what the [program](OperatorProgram) knows. What leaves is every
//! difference with its verdict, and a function from row to row. Always: what is not refused is carried or migrated, and said.
//!
//! State of the program's version is [carried](super::carry). State of an older one is carried into the struct that the program
//! has kept of that version, and from there taken over by the program's own `From`, version after version. The entries of
//! `Map` and `List` fields are rows of their own, and no `From` sees them: those of a field that goes by the same name (or a
//! name that it had) are carried; others are dropped, and that is said. What the `From` puts into such a field is not kept.

use std::borrow::Cow;

use super::conversion::{Conversion, Fields, Refreshed};
use super::difference::{Change, Difference, Verdict};
use super::format::{Format, KeyFormat, RowFormat, take, take_array};
use super::planner::Planner;
use super::row::bytes_before_key;
use crate::error::{Error, Result};
use crate::key::{KeyGroup, KeyHash, MaxParallelism};
use crate::snapshot::part::{OperatorSchema, Section};
use crate::state::kinds::Now;
use crate::state::migration::MigrateKey;
use crate::state::{Schema, StateProgram};

/// What a program knows of the state of one of its operators.
#[derive(Clone, Debug)]
pub struct OperatorProgram {
    /// The state.
    pub state: StateProgram,
    /// What its timers carry.
    pub timer: Schema,
}

impl OperatorProgram {
    /// The schema of the state, as a manifest records it.
    pub fn schema(&self) -> OperatorSchema {
        OperatorSchema { state: self.state.schema.clone(), timer: self.timer.clone() }
    }
}

/// What becomes of the state of an operator.
#[derive(Debug)]
pub struct Plan {
    differences: Vec<Difference>,
    /// One after another, from the snapshot's version to the program's; none if the state is refused.
    steps: Option<Vec<Step>>,
    timer: Conversion,
    hash: fn(&mut &[u8]) -> Option<KeyHash>,
    /// What the state is then.
    schema: OperatorSchema,
}

/// The way of every row from one version to the next.
#[derive(Debug)]
pub(super) struct Step {
    pub key: KeyStep,
    pub state: StateStep,
    /// What becomes of the entries of every managed field, by its place; those of others are dropped.
    pub entries: Vec<Option<EntryStep>>,
}

/// What becomes of keys.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyStep {
    /// They stay; this finds where they end.
    Same(fn(&mut &[u8]) -> Option<KeyHash>),
    Migrated(MigrateKey),
}

#[derive(Debug)]
pub(super) enum StateStep {
    Carried(Fields),
    Migrated {
        state: fn(&[u8]) -> Result<Vec<u8>>,
        /// If there are fields with entries: from the fields of the old row followed by those of the migrated one. Entries are
        /// as their rows are, whatever the migration says of them.
        merge: Option<Fields>,
    },
}

#[derive(Debug)]
pub(super) struct EntryStep {
    pub field: u8,
    pub refreshed: Refreshed,
    pub subkey: Conversion,
    pub value: Conversion,
}

/// A row's key and value.
pub type RowBytes<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

impl Plan {
    /// What becomes of state that a snapshot has as `was`, which was taken at these times.
    pub fn of(was: &OperatorSchema, program: &OperatorProgram, taken_at: Now) -> Plan {
        let is = &program.state;
        let mut differences = Vec::new();
        if was.state.name != is.schema.name && was.state.version == is.schema.version {
            let change =
                Change::Type { part: "name", was: was.state.name.clone(), is: is.schema.name.clone() };
            let verdict = Verdict::Carried("the operator's name is what state is known by".to_string());
            differences.push(Difference { change, verdict });
        }
        let mut planner = Planner { taken_at, differences };
        let steps = planner.steps(&was.state, is);
        let timer = planner.carry_timer(&was.timer, &program.timer);
        let (steps, timer) = match (steps, timer) {
            (Some(steps), Some(timer)) if planner.can_walk(&steps, &timer) => (Some(steps), timer),
            (_, timer) => (None, timer.unwrap_or(Conversion::Copy(was.timer.clone()))),
        };
        Plan { differences: planner.differences, steps, timer, hash: is.hash, schema: program.schema() }
    }

    /// Everything that is not as it was.
    pub fn differences(&self) -> &[Difference] {
        &self.differences
    }

    /// The schema of the rows that leave: the program's.
    pub fn schema(&self) -> &OperatorSchema {
        &self.schema
    }

    /// Whether the program can't take the state over.
    pub fn is_refused(&self) -> bool {
        self.steps.is_none()
    }

    /// Whether every row stays as it is.
    pub fn is_identity(&self) -> bool {
        let same = |step: &Step| step.keeps_keys() && step.state.is_copy() && step.keeps_entries();
        self.timer.is_copy() && self.steps.as_ref().is_some_and(|steps| steps.iter().all(same))
    }

    /// Whether rows that come in order leave in order, in their key groups.
    pub fn keeps_order(&self) -> bool {
        let in_order = |step: &Step| step.keeps_keys() && step.keeps_order_of_entries();
        self.steps.as_ref().is_some_and(|steps| steps.iter().all(in_order))
    }

    /// Whether keys stay what they are.
    pub fn keeps_keys(&self) -> bool {
        self.steps.as_ref().is_some_and(|steps| steps.iter().all(Step::keeps_keys))
    }

    /// What becomes of a row: its new key and value, or nothing if the program has no place for it.
    ///
    /// # Errors
    /// If the row is not of the snapshot's schema, the state is refused, or the program's own migration fails.
    pub fn row<'a>(&self, section: Section, key: &'a [u8], value: &'a [u8]) -> Result<Option<RowBytes<'a>>> {
        let steps = self.steps.as_ref().ok_or_else(|| Error::failure("the state can't be taken over"))?;
        let damaged = || {
            Error::failure(format!(
                "a row ({section:?}) is not of the schema that the snapshot says it is of"
            ))
        };
        let mut row: RowBytes<'a> = (Cow::Borrowed(key), Cow::Borrowed(value));
        for step in steps {
            match step.row(section, row)? {
                Stepped::Row(next) => row = next,
                Stepped::Dropped => return Ok(None),
                Stepped::Damaged => return Err(damaged()),
            }
        }
        if matches!(section, Section::EventTimer | Section::ProcessingTimer) && !self.timer.is_copy() {
            let mut payload = Vec::with_capacity(row.1.len());
            apply_whole::<RowFormat>(&self.timer, &row.1, &mut payload).ok_or_else(damaged)?;
            row.1 = Cow::Owned(payload);
        }
        Ok(Some(row))
    }

    /// The key group of a row that is the program's; `None` if it is none.
    pub fn group(
        &self,
        section: Section,
        mut key: &[u8],
        max_parallelism: MaxParallelism,
    ) -> Option<KeyGroup> {
        take(bytes_before_key(section), &mut key)?;
        (self.hash)(&mut key).map(|hash| hash.group(max_parallelism))
    }
}

/// What became of a row.
enum Stepped<'a> {
    Row(RowBytes<'a>),
    Dropped,
    Damaged,
}

impl Step {
    fn keeps_keys(&self) -> bool {
        matches!(self.key, KeyStep::Same(_))
    }

    fn keeps_entries(&self) -> bool {
        self.entries.iter().enumerate().all(|(place, step)| {
            step.as_ref().is_some_and(|step| usize::from(step.field) == place && step.is_copy())
        })
    }

    fn keeps_order_of_entries(&self) -> bool {
        let kept = self.entries.iter().flatten();
        kept.clone().is_sorted_by_key(|step| step.field) && kept.clone().all(|step| step.subkey.is_copy())
    }

    fn row<'a>(&self, section: Section, (key, value): RowBytes<'a>) -> Result<Stepped<'a>> {
        if section == Section::Entry {
            return Ok(self.entry(key, value));
        }
        let key = match self.key {
            KeyStep::Same(_) => key,
            KeyStep::Migrated(_) => match self.key_behind(bytes_before_key(section), &key) {
                Some((key, [])) => Cow::Owned(key),
                _ => return Ok(Stepped::Damaged),
            },
        };
        let value = match section {
            Section::State => match self.state.row(value)? {
                Some(value) => value,
                None => return Ok(Stepped::Damaged),
            },
            Section::Entry | Section::EventTimer | Section::ProcessingTimer => value,
        };
        Ok(Stepped::Row((key, value)))
    }

    fn entry<'a>(&self, key: Cow<'a, [u8]>, value: Cow<'a, [u8]>) -> Stepped<'a> {
        let Some(&field) = key.first() else { return Stepped::Damaged };
        let Some(step) = self.entries.get(usize::from(field)) else { return Stepped::Damaged };
        let Some(step) = step else { return Stepped::Dropped };
        if step.field == field && step.is_copy() && self.keeps_keys() {
            return Stepped::Row((key, value));
        }
        match self.entry_key(step, &key).zip(step.value(&value)) {
            Some((key, value)) => Stepped::Row((Cow::Owned(key), Cow::Owned(value))),
            None => Stepped::Damaged,
        }
    }

    fn entry_key(&self, step: &EntryStep, key: &[u8]) -> Option<Vec<u8>> {
        let (mut new, mut rest) = self.key_behind(1, key)?;
        let [separator] = take_array(&mut rest)?;
        new[0] = step.field;
        new.push(separator);
        step.subkey.apply::<KeyFormat>(&mut rest, &mut new).filter(|()| rest.is_empty() && separator == 0)?;
        Some(new)
    }

    /// The bytes before the key, the new key, and what is left.
    fn key_behind<'b>(&self, before: usize, bytes: &'b [u8]) -> Option<(Vec<u8>, &'b [u8])> {
        let mut rest = bytes;
        let mut new = take(before, &mut rest)?.to_vec();
        match self.key {
            KeyStep::Same(hash) => {
                let from = rest;
                hash(&mut rest)?;
                new.extend_from_slice(&from[..from.len() - rest.len()]);
            }
            KeyStep::Migrated(migrate) => migrate(&mut rest, &mut new)?,
        }
        Some((new, rest))
    }
}

impl EntryStep {
    /// Whether subkeys and values stay.
    fn is_copy(&self) -> bool {
        self.refreshed == Refreshed::AsItWas && self.subkey.is_copy() && self.value.is_copy()
    }

    fn value(&self, mut value: &[u8]) -> Option<Vec<u8>> {
        let mut new = Vec::with_capacity(value.len());
        self.refreshed.apply::<RowFormat>(&mut value, &mut new)?;
        apply_whole::<RowFormat>(&self.value, value, &mut new)?;
        Some(new)
    }
}

impl StateStep {
    fn is_copy(&self) -> bool {
        match self {
            StateStep::Carried(fields) => fields.is_copy(),
            StateStep::Migrated { .. } => false,
        }
    }

    /// `None` if the row is not of the old schema.
    fn row<'a>(&self, row: Cow<'a, [u8]>) -> Result<Option<Cow<'a, [u8]>>> {
        let (fields, row) = match self {
            StateStep::Carried(fields) if fields.is_copy() => return Ok(Some(row)),
            StateStep::Carried(fields) => (fields, row),
            StateStep::Migrated { state, merge } => {
                let migrated = state(&row)?;
                let Some(merge) = merge else { return Ok(Some(Cow::Owned(migrated))) };
                let mut both = row.into_owned();
                both.extend_from_slice(&migrated);
                (merge, Cow::Owned(both))
            }
        };
        let (mut rest, mut new) = (&*row, Vec::with_capacity(row.len()));
        Ok(fields
            .apply::<RowFormat>(&mut rest, &mut new)
            .filter(|()| rest.is_empty())
            .map(|()| Cow::Owned(new)))
    }
}

/// Converts a value that has all of `bytes`. One that stays is not looked into.
pub(super) fn apply_whole<F: Format>(
    conversion: &Conversion,
    mut bytes: &[u8],
    out: &mut Vec<u8>,
) -> Option<()> {
    if conversion.is_copy() {
        out.extend_from_slice(bytes);
        return Some(());
    }
    conversion.apply::<F>(&mut bytes, out).filter(|()| bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::fixture::Letter;
    use crate::key::Key;
    use crate::state::{Describe, Field, Migration, Refresh, StateSchema, Ttl, TtlTime};
    use crate::time::{EventTime, secs};

    fn kind(name: &str, parts: Vec<Schema>) -> Schema {
        Schema::Generic(name.to_string(), parts)
    }

    fn map<K: Describe, V: Describe>(name: &str) -> Field {
        Field::new(name, kind("Map", vec![K::schema(), V::schema()]))
    }

    fn list<T: Describe>(name: &str) -> Field {
        Field::new(name, kind("List", vec![T::schema()]))
    }

    fn held<T: Describe>(name: &str) -> Field {
        Field::new(name, kind("Value", vec![T::schema()]))
    }

    fn program(version: u32, fields: Vec<Field>, initial: fn() -> Result<Vec<u8>>) -> OperatorProgram {
        let schema = StateSchema { name: "Session".to_string(), version, key: String::schema(), fields };
        let hash = |bytes: &mut &[u8]| String::decode(bytes).map(|key| key.hash());
        let state = StateProgram { schema, initial, hash, migration: None };
        OperatorProgram { state, timer: Schema::Scalar("Never".to_string()) }
    }

    const TAKEN_AT: Now = Now {
        event: EventTime::from_millis(1_000),
        record: EventTime::MIN,
        processing: EventTime::from_millis(2_000),
        uptime: EventTime::from_millis(3_000),
    };

    fn told(plan: &Plan) -> Vec<String> {
        plan.differences().iter().map(Difference::to_string).collect()
    }

    /// The key of an entry of the field at `place`.
    fn entry<K: Key>(place: u8, key: &str, at: &K) -> Vec<u8> {
        let mut bytes = vec![place];
        key.to_string().encode(&mut bytes);
        bytes.push(0);
        at.encode(&mut bytes);
        bytes
    }

    fn value<T: serde::Serialize>(refreshed: i64, value: &T) -> Vec<u8> {
        postcard::to_stdvec(&(refreshed, value)).unwrap()
    }

    #[track_caller]
    fn becomes(plan: &Plan, was: (Vec<u8>, Vec<u8>), is: (Vec<u8>, Vec<u8>)) {
        let row = plan.row(Section::Entry, &was.0, &was.1).unwrap();
        assert_eq!(row.map(|(key, value)| (key.into_owned(), value.into_owned())), Some(is));
    }

    fn before() -> OperatorProgram {
        let fields = vec![
            map::<String, u64>("pages"),
            Field::of::<bool>("open"),
            held::<u8>("last"),
            list::<Option<u8>>("log"),
            map::<u8, Letter>("letters"),
        ];
        program(1, fields, || Ok(vec![0, 0, 0, 0, 0, 0]))
    }

    /// What the row of a state has: 2 pages, open, no last, a log of 3 from 5 on, 1 letter.
    const ROW: [u8; 6] = [4, 1, 0, 5, 6, 2];

    #[test]
    fn entries_follow_their_field_to_another_place_and_another_name() {
        let after = vec![
            map::<u8, Letter>("letters"),
            held::<u8>("last"),
            list::<Option<u8>>("history").was(&["log"]),
            map::<String, u64>("pages"),
            map::<String, bool>("new"),
        ];
        let plan = Plan::of(&before().schema(), &program(1, after, || Ok(vec![0, 0, 0, 0, 0, 0])), TAKEN_AT);
        assert_eq!(
            told(&plan),
            [
                "has field \"log: List<Option<u8>>\", this program calls it \"history\": carried, under its new name",
                "has field \"open: bool\", this program has none: carried, without it",
                "has no field \"new: Map<String, bool>\", this program has one: carried, it begins empty",
                "has fields in order pages, last, log, letters; this program has letters, last, log, pages: carried, in the new \
                 order",
            ]
        );
        assert!(!plan.keeps_order() && plan.keeps_keys());
        let row = plan.row(Section::State, b"\0\0\0\x01k", &ROW).unwrap().unwrap();
        assert_eq!(*row.1, [2, 0, 5, 6, 4, 0]);
        let page = (entry(0, "k", &"/".to_string()), value(7, &300u64));
        becomes(&plan, page.clone(), (entry(3, "k", &"/".to_string()), page.1));
        let line = (entry(2, "k", &6u64), value(0, &Some(9u8)));
        becomes(&plan, line.clone(), (entry(2, "k", &6u64), line.1));
        let letter = (entry(3, "k", &1u8), value(0, &Letter::B(5)));
        becomes(&plan, letter.clone(), (entry(0, "k", &1u8), letter.1));
    }

    #[test]
    fn entries_of_a_field_that_is_gone_are_dropped_and_told() {
        let after = vec![Field::of::<bool>("open"), held::<u8>("last"), map::<u8, Letter>("letters")];
        let plan = Plan::of(&before().schema(), &program(1, after, || Ok(vec![0, 0, 0])), TAKEN_AT);
        assert_eq!(
            told(&plan),
            [
                "has field \"pages: Map<String, u64>\", this program has none: carried, without it",
                "has field \"log: List<Option<u8>>\", this program has none: carried, without it",
            ]
        );
        assert!(plan.keeps_order() && !plan.is_identity());
        assert!(
            plan.row(Section::Entry, &entry(0, "k", &"/".to_string()), &value(7, &1u64)).unwrap().is_none()
        );
        assert!(plan.row(Section::Entry, &entry(2, "k", &6u64), &value(0, &1u8)).unwrap().is_none());
        let letter = value(0, &Letter::A);
        becomes(&plan, (entry(3, "k", &1u8), letter.clone()), (entry(1, "k", &1u8), letter));
        let row = plan.row(Section::State, b"\0\0\0\x01k", &ROW).unwrap().unwrap();
        assert_eq!(*row.1, [1, 0, 2]);
    }

    #[test]
    fn keys_and_values_of_entries_are_converted() {
        let after = vec![
            map::<Option<String>, Option<u128>>("pages"),
            Field::of::<bool>("open"),
            held::<u16>("last"),
            list::<Option<u16>>("log"),
            map::<u32, Letter>("letters"),
        ];
        let plan = Plan::of(&before().schema(), &program(1, after, || Ok(vec![0; 6])), TAKEN_AT);
        assert_eq!(
            told(&plan),
            [
                "has field \"pages: Map<String, u64>\", this program has \"pages: Map<Option<String>, Option<u128>>\": \
                 carried, every value goes into a `Some`; every number is one of the new type; every value goes into a `Some`",
                "has field \"last: Value<u8>\", this program has \"last: Value<u16>\": carried, every number is one of the new \
                 type",
                "has field \"log: List<Option<u8>>\", this program has \"log: List<Option<u16>>\": carried, every number is one \
                 of the new type",
                "has field \"letters: Map<u8, Letter>\", this program has \"letters: Map<u32, Letter>\": carried, every number \
                 is one of the new type",
            ]
        );
        let page = (entry(0, "k", &"/".to_string()), value(7, &300u64));
        becomes(&plan, page, (entry(0, "k", &Some("/".to_string())), value(7, &Some(300u128))));
        becomes(
            &plan,
            (entry(2, "k", &6u64), value(9, &Some(200u8))),
            (entry(2, "k", &6u64), value(9, &Some(200u16))),
        );
        let letter = value(0, &Letter::C(None, "x".to_string()));
        becomes(&plan, (entry(3, "k", &200u8), letter.clone()), (entry(3, "k", &200u32), letter));
        let held = [&[4, 1][..], &postcard::to_stdvec(&Some((5i64, 200u8))).unwrap(), &[5, 6, 2]].concat();
        let row = plan.row(Section::State, b"\0\0\0\x01k", &held).unwrap().unwrap();
        assert_eq!(
            *row.1,
            *[&[4, 1][..], &postcard::to_stdvec(&Some((5i64, 200u16))).unwrap(), &[5, 6, 2]].concat()
        );
    }

    #[test]
    fn another_kind_of_state_is_refused() {
        let after = vec![
            Field::new("pages", kind("BTreeMap", vec![String::schema(), u64::schema()])),
            held::<bool>("open"),
            Field::of::<Option<u8>>("last"),
            map::<u64, Option<u8>>("log"),
            map::<u8, u8>("letters"),
        ];
        let plan = Plan::of(&before().schema(), &program(1, after, || Ok(vec![0; 5])), TAKEN_AT);
        let told = told(&plan);
        assert_eq!(told.len(), 5);
        assert!(
            told[..4].iter().all(|told| told.ends_with("refused, it is another kind of state")),
            "{told:#?}"
        );
        assert!(told[4].ends_with("refused, it is another type"), "{told:#?}");
    }

    #[test]
    fn entries_go_through_a_migration_by_the_name_of_their_field_whatever_the_code_makes_of_it() {
        let after =
            vec![map::<u8, Letter>("letters"), Field::of::<u64>("sum"), map::<String, u64>("visited")];
        let mut program = program(2, after, || Ok(vec![0, 0, 0]));
        // What the code says of the maps, 99 and 98, is not what their entries are.
        let state = |row: &[u8]| Ok(vec![99, row[1] + 40, 98]);
        program.state.migration = Some(Box::new(Migration { from: before().state, state, key: None }));
        let plan = Plan::of(&before().schema(), &program, TAKEN_AT);
        assert_eq!(
            told(&plan),
            [
                "has version \"1\", this program has \"2\": migrated, by the program: from `Session` to `Session`",
                "has field \"pages: Map<String, u64>\", this program has none: carried, without it; if it is \"visited\" now, \
                 mark that `#[state(was = \"pages\")]`",
                "has field \"log: List<Option<u8>>\", this program has none: carried, without it",
                "has no field \"visited: Map<String, u64>\", this program has one: carried, it begins empty",
            ]
        );
        let row = plan.row(Section::State, b"\0\0\0\x01k", &ROW).unwrap().unwrap();
        assert_eq!(*row.1, [2, 41, 0], "the letters as they were, the sum from the code, nothing visited");
        assert!(
            plan.row(Section::Entry, &entry(0, "k", &"/".to_string()), &value(7, &1u64)).unwrap().is_none()
        );
        let letter = value(0, &Letter::B(5));
        becomes(&plan, (entry(3, "k", &1u8), letter.clone()), (entry(0, "k", &1u8), letter));
    }

    #[test]
    fn entries_follow_the_keys_of_their_rows() {
        let fields = || vec![map::<u8, u8>("letters")];
        let mut new = program(2, fields(), || Ok(vec![0]));
        new.state.schema.key = u16::schema();
        new.state.hash = |bytes| u16::decode(bytes).map(|key| key.hash());
        let old = program(1, fields(), || Ok(vec![0]));
        let key: MigrateKey = |bytes, new| {
            (String::decode(bytes)?.len() as u16).encode(new);
            Some(())
        };
        let migration = Migration { from: old.state.clone(), state: |row| Ok(row.to_vec()), key: Some(key) };
        new.state.migration = Some(Box::new(migration));
        let plan = Plan::of(&old.schema(), &new, TAKEN_AT);
        let was = (entry(0, "four", &7u8), value(0, &1u8));
        becomes(&plan, was.clone(), (vec![0, 0, 4, 0, 7], was.1.clone()));
        let max = MaxParallelism::DEFAULT;
        assert_eq!(plan.group(Section::Entry, &[0, 0, 4, 0, 7], max), Some(4u16.hash().group(max)));
    }

    #[test]
    fn an_entry_that_is_not_of_its_schema_is_an_error() {
        let after = vec![map::<u16, u16>("letters")];
        let was = program(1, vec![map::<u8, u8>("letters")], || Ok(vec![0]));
        let plan = Plan::of(&was.schema(), &program(1, after, || Ok(vec![0])), TAKEN_AT);
        assert!(plan.row(Section::Entry, &entry(0, "k", &7u8), &value(0, &1u8)).unwrap().is_some());
        for (key, value) in [
            (entry(1, "k", &7u8), value(0, &1u8)),
            (entry(0, "k", &7u16), value(0, &1u8)),
            (entry(0, "k", &7u8), value(0, &(1u8, 2u8))),
            (vec![0, 0, 0], value(0, &1u8)),
            (vec![], vec![]),
        ] {
            assert!(plan.row(Section::Entry, &key, &value).is_err(), "{key:?} {value:?}");
        }
    }

    #[test]
    fn a_time_to_live_is_carried_and_said_and_nothing_expires_because_it_had_none_before() {
        let ttl = |lasts, time| Ttl { lasts: secs(lasts), time, refresh: Refresh::Write };
        let (event, uptime) = (ttl(60, TtlTime::Event), ttl(60, TtlTime::Uptime));
        let fields = |ttls: [Option<Ttl>; 4]| {
            let fields = [map::<u8, u8>("a"), list::<u8>("b"), held::<u8>("c"), map::<u8, u8>("d")];
            fields.into_iter().zip(ttls).map(|(field, ttl)| Field { ttl, ..field }).collect::<Vec<_>>()
        };
        let was = program(1, fields([None, Some(event), None, Some(event)]), || Ok(vec![0; 5])).schema();
        let now = fields([Some(event), Some(uptime), Some(ttl(5, TtlTime::Processing)), None]);
        let plan = Plan::of(&was, &program(1, now, || Ok(vec![0; 5])), TAKEN_AT);
        let minute = |time| format!("1m of {time} after it was written");
        assert_eq!(
            told(&plan),
            [
                format!(
                    "has time to live \"a: for ever\", this program has \"a: {}\": carried, counted from when the snapshot was taken",
                    minute("event time")
                ),
                format!(
                    "has time to live \"b: {}\", this program has \"b: {}\": carried, counted from when the snapshot was taken",
                    minute("event time"),
                    minute("uptime")
                ),
                "has time to live \"c: for ever\", this program has \"c: 5s of processing time after it was written\": carried, \
                 counted from when the snapshot was taken"
                    .to_string(),
                format!(
                    "has time to live \"d: {}\", this program has \"d: for ever\": carried, nothing expires any more",
                    minute("event time")
                ),
            ]
        );
        assert!(plan.keeps_order() && !plan.is_identity());
        let at = |place, was, is| {
            let key = entry(place, "k", &7u8);
            becomes(&plan, (key.clone(), value(was, &9u8)), (key, value(is, &9u8)));
        };
        at(0, 0, 1_000);
        at(3, 700, 0);
        let key = entry(1, "k", &7u64);
        becomes(&plan, (key.clone(), value(700, &9u8)), (key, value(3_000, &9u8)));
        let row = |refreshed: i64| {
            [&[2, 0, 2][..], &postcard::to_stdvec(&Some((refreshed, 8u8))).unwrap(), &[2]].concat()
        };
        assert_eq!(*plan.row(Section::State, b"\0\0\0\x01k", &row(0)).unwrap().unwrap().1, row(2_000));

        let longer = fields([None, Some(ttl(99, TtlTime::Event)), None, Some(event)]);
        let plan = Plan::of(&was, &program(1, longer, || Ok(vec![0; 5])), TAKEN_AT);
        assert!(plan.is_identity());
        assert!(told(&plan)[0].ends_with("carried, counted from when it was refreshed"), "{:?}", told(&plan));
    }
}
