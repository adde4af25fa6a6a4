//! How a [plan](super::plan) is worked out: the versions from the snapshot's to the program's, and what becomes of the state on the
//! way from each to the next.

use super::carry::{Carrier, Place, fields_of};
use super::conversion::{Conversion, Fields, Origin, Refreshed};
use super::difference::{Change, Difference, Verdict};
use super::plan::{EntryStep, KeyStep, StateStep, Step};
use super::shape::{Entries, Shape, managed};
use super::value::Value;
use crate::state::kinds::Now;
use crate::state::{Describe, Field, Schema, StateProgram, StateSchema};

/// Works a plan out, and gathers what differs on the way.
pub(super) struct Planner {
    /// When the snapshot was taken.
    pub taken_at: Now,
    pub differences: Vec<Difference>,
}

impl Planner {
    /// The steps from `was` to the program's version; `None` if it can't be reached.
    pub fn steps(&mut self, was: &StateSchema, program: &StateProgram) -> Option<Vec<Step>> {
        let versions: Vec<&StateProgram> =
            std::iter::successors(Some(program), |version| Some(&version.migration.as_ref()?.from)).collect();
        let Some(kept) = versions.iter().position(|version| version.schema.version == was.version) else {
            self.differences.push(unknown_version(was, &program.schema));
            return None;
        };
        let fix = match kept {
            0 => migration_to_write(was, &program.schema),
            _ => format!(
                "declare `{}`, version {}, as the snapshot has it",
                versions[kept].schema.name, was.version
            ),
        };
        let mut steps = vec![self.carry_state(was, versions[kept], fix)];
        if kept > 0 {
            let change = Change::Type {
                part: "version",
                was: was.version.to_string(),
                is: program.schema.version.to_string(),
            };
            let names: Vec<String> =
                versions[..=kept].iter().rev().map(|version| format!("`{}`", version.schema.name)).collect();
            let verdict = Verdict::Migrated(format!("by the program: from {}", names.join(" to ")));
            self.differences.push(Difference { change, verdict });
        }
        for version in versions[..kept].iter().rev() {
            steps.push(self.migrate_state(version));
        }
        steps.into_iter().collect()
    }

    /// Carries `was` into the version that the program has of it.
    fn carry_state(&mut self, was: &StateSchema, is: &StateProgram, fix: String) -> Option<Step> {
        let mut carrier = Carrier::new(fix.clone(), self.taken_at);
        let key = carrier.carry(&Place::key(), &was.key, &is.schema.key);
        if !key.is_some_and(|key| key.is_copy()) {
            // The key's bytes would change, and with them its group: that is for a migration.
            for difference in &mut carrier.differences {
                let why = "a key is carried only as it is".to_string();
                difference.verdict = Verdict::Refused { why, fix: fix.clone() };
            }
        }
        let refused = carrier.differences.iter().any(Difference::is_refused);
        let initial = (is.initial)().ok().and_then(|row| fields_of(&is.schema.fields, &row));
        let default = |place: usize| initial.as_ref().map(|values| values[place].clone());
        let fields = carrier.fields(&Place::state(), &was.fields, &is.schema.fields, &default);
        self.differences.append(&mut carrier.differences);
        let fields = fields.filter(|_| !refused)?;
        let entries = entry_steps(&was.fields, &is.schema.fields, &fields);
        Some(Step { key: KeyStep::Same(is.hash), state: StateStep::Carried(fields), entries })
    }

    /// Has the program's own code make `is` of what it comes from; the entries of managed fields are carried.
    fn migrate_state(&mut self, is: &StateProgram) -> Option<Step> {
        let migration = is.migration.as_ref()?;
        let (was, is) = (&migration.from.schema, &is.schema);
        let with_entries = |fields: &[Field]| -> Vec<(usize, Field)> {
            let fields = fields.iter().enumerate().filter(|(_, field)| has_entries(field));
            fields.map(|(place, field)| (place, field.clone())).collect()
        };
        let (old, new) = (with_entries(&was.fields), with_entries(&is.fields));
        let fields_of =
            |fields: &[(usize, Field)]| fields.iter().map(|(_, field)| field.clone()).collect::<Vec<_>>();
        let empty = |place: usize| match Shape::of(&new[place].1.schema) {
            Shape::Entries(entries) => Some(Value::List(vec![Value::Unsigned(0); entries.numbers()])),
            _ => None,
        };
        let fix = format!("give the field another name: entries are not seen by `From<{}>`", was.name);
        let mut carrier = Carrier::new(fix, self.taken_at);
        let carried = carrier.fields(&Place::state(), &fields_of(&old), &fields_of(&new), &empty);
        self.differences.append(&mut carrier.differences);
        let mut carried = carried?.is.into_iter();
        // The old row's fields, and behind them the migrated row's.
        let all = was.fields.iter().chain(&is.fields).map(|field| field.schema.clone()).collect();
        let origin =
            |(place, field): (usize, &Field)| match has_entries(field).then(|| carried.next()).flatten() {
                Some(Origin::Field(from, conversion)) => Origin::Field(old[from].0, conversion),
                Some(default) => default,
                None => Origin::Field(was.fields.len() + place, Conversion::Copy(field.schema.clone())),
            };
        let merge = Fields { was: all, is: is.fields.iter().enumerate().map(origin).collect() };
        let entries = entry_steps(&was.fields, &is.fields, &merge);
        let merge = (!old.is_empty() || !new.is_empty()).then_some(merge);
        let key = migration.key.map_or(KeyStep::Same(migration.from.hash), KeyStep::Migrated);
        Some(Step { key, state: StateStep::Migrated { state: migration.state, merge }, entries })
    }

    /// Whether all bytes that have to be taken apart can be: a type may describe itself by a name that is not ours.
    pub fn can_walk(&mut self, steps: &[Step], timer: &Conversion) -> bool {
        let of_state = |step: &Step| match &step.state {
            StateStep::Carried(fields) => fields.unknown().cloned(),
            StateStep::Migrated { merge, .. } => merge.as_ref()?.unknown().cloned(),
        };
        let of_entries = |step: &Step| {
            let entries = step.entries.iter().flatten();
            entries.flat_map(|entry| [&entry.subkey, &entry.value]).find_map(Conversion::unknown).cloned()
        };
        let of_step = |step| of_state(step).or_else(|| of_entries(step));
        let unknown = steps.iter().find_map(of_step).or_else(|| timer.unknown().cloned());
        let mut carrier = Carrier::new(String::new(), self.taken_at);
        let can = carrier.can_walk(unknown.as_ref());
        self.differences.append(&mut carrier.differences);
        can
    }

    /// What becomes of what timers carry.
    pub fn carry_timer(&mut self, was: &Schema, is: &Schema) -> Option<Conversion> {
        let never = Schema::Scalar("Never".to_string());
        let fix = "what timers carry can gain variants and fields; otherwise keep it as it was until the timers of the snapshot \
                   have fired";
        let mut carrier = Carrier::new(fix.to_string(), self.taken_at);
        let conversion = match (was == &never, is == &never) {
            // There are no timers.
            (true, _) => Some(Conversion::Copy(was.clone())),
            (false, true) => {
                let change = Change::Type { part: "timer", was: was.to_string(), is: is.to_string() };
                let fix = format!("keep `on_timer(&self, _: {was}, ..)` until they have fired");
                carrier.refuse(change, "timers that are set would find nobody", Some(fix));
                None
            }
            (false, false) => carrier.carry(&Place::timer(), was, is),
        };
        self.differences.append(&mut carrier.differences);
        conversion
    }
}

fn unknown_version(was: &StateSchema, is: &StateSchema) -> Difference {
    let change = Change::Type { part: "version", was: was.version.to_string(), is: is.version.to_string() };
    let (why, fix) = match was.version > is.version {
        true => (
            "this program is older than the one that took it".to_string(),
            "start the program that took it, or a newer one".to_string(),
        ),
        false => {
            (format!("this program has nothing of version {}", was.version), migration_to_write(was, is))
        }
    };
    Difference { change, verdict: Verdict::Refused { why, fix } }
}

/// The typed migration that takes over what can't be carried.
fn migration_to_write(was: &StateSchema, is: &StateSchema) -> String {
    let next = is.version.max(was.version + 1);
    let old = format!("Old{}", was.name);
    format!(
        "keep the struct as it was: `#[state(key = {}, version = {})] struct {old}`; mark the new one \
         `#[state(key = {}, version = {next}, from = {old})]` and write `impl From<{old}> for {}`",
        was.key, was.version, is.key, is.name
    )
}

/// What becomes of the entries of the managed fields of `was`, if the fields of rows go as `fields` says.
fn entry_steps(was: &[Field], is: &[Field], fields: &Fields) -> Vec<Option<EntryStep>> {
    let number = |place: usize| managed(is).position(|(other, _)| other == place).unwrap_or_default() as u8;
    let step = |(old, field): (usize, &Field)| {
        let (new, conversion) = fields.is.iter().enumerate().find_map(|(new, origin)| match origin {
            Origin::Field(from, conversion) if *from == old => Some((new, conversion)),
            _ => None,
        })?;
        let mut refreshed = Refreshed::AsItWas;
        let (subkey, value) = match (conversion, Shape::of(&field.schema)) {
            (Conversion::Entries(_, at, subkey, value), _) => {
                refreshed = *at;
                ((**subkey).clone(), (**value).clone())
            }
            (_, Shape::Entries(Entries::Map(key, value))) => {
                (Conversion::Copy(key.clone()), Conversion::Copy(value.clone()))
            }
            (_, Shape::Entries(Entries::List(value))) => {
                (Conversion::Copy(u64::schema()), Conversion::Copy(value.clone()))
            }
            // A value that is in its row has no entries.
            _ => (Conversion::Copy(field.schema.clone()), Conversion::Copy(field.schema.clone())),
        };
        Some(EntryStep { field: number(new), refreshed, subkey, value })
    };
    managed(was).map(step).collect()
}

fn has_entries(field: &Field) -> bool {
    matches!(Shape::of(&field.schema), Shape::Entries(_))
}
