//! The matrix of edits: every way in which a job's state can be changed between two programs, with its verdict and, if the
//! state goes over, with real bytes: written as the old type, taken over, read as the new one.

mod edits;
mod kinds;
mod migrations;
mod restores;
mod timers;

use std::fmt::Debug;

use tidegate::evolution::{Difference, OperatorProgram, Plan, Verdict};
use tidegate::key::Key;
use tidegate::operator::Never;
use tidegate::prelude::*;
use tidegate::snapshot::part::{OperatorSchema, Section};
use tidegate::state::kinds::Now;
use tidegate::state::{Describe, Schema, State, StateProgram};

/// What the time was when the snapshot was taken.
pub const TAKEN_AT: Now = Now {
    event: EventTime::from_millis(1_000),
    record: EventTime::from_millis(1_000),
    processing: EventTime::from_millis(2_000),
    uptime: EventTime::from_millis(3_000),
};

pub fn program<S: State>(timer: Schema) -> OperatorProgram {
    OperatorProgram { state: StateProgram::of::<S>(), timer }
}

/// As a manifest has it: without what only the program knows.
pub fn recorded(program: &OperatorProgram) -> OperatorSchema {
    let json = serde_json::to_string(&program.schema()).unwrap();
    serde_json::from_str(&json).unwrap()
}

pub fn plan<Old: State, New: State>() -> Plan {
    Plan::of(&recorded(&program::<Old>(Never::schema())), &program::<New>(Never::schema()), TAKEN_AT)
}

pub fn told(plan: &Plan) -> Vec<String> {
    plan.differences().iter().map(Difference::to_string).collect()
}

pub fn key_bytes<K: Key>(key: &K) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    bytes
}

/// The plan takes the row `old` over as `new`.
#[track_caller]
pub fn assert_goes_over<Old: State, New: State + PartialEq + Debug>(plan: &Plan, old: &Old, new: &New) {
    let key = key_bytes(&7u64);
    let row = postcard::to_stdvec(old).unwrap();
    let (new_key, new_row) =
        plan.row(Section::State, &key, &row).unwrap().expect("a row of state is not dropped");
    assert_eq!(*new_key, *key);
    assert_eq!(postcard::from_bytes::<New>(&new_row).unwrap(), *new);
    assert_eq!(*new_row, *postcard::to_stdvec(new).unwrap(), "to the byte");
}

/// What the plan makes of a row; nothing if it is dropped.
pub fn taken_over(plan: &Plan, section: Section, key: &[u8], value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    plan.row(section, key, value).unwrap().map(|(key, value)| (key.into_owned(), value.into_owned()))
}

/// The edit from `Old` to `New` is carried, and `sentences` say how.
#[track_caller]
pub fn carried<Old: State, New: State + PartialEq + Debug>(old: Old, new: New, sentences: &[&str]) {
    let plan = plan::<Old, New>();
    assert_eq!(told(&plan), sentences);
    assert!(!plan.is_refused());
    let carried = |difference: &Difference| matches!(difference.verdict, Verdict::Carried(_));
    assert!(plan.differences().iter().all(carried), "{:?}", plan.differences());
    assert_goes_over(&plan, &old, &new);
}

/// The edit from `Old` to `New` is refused with these sentences, and the last says what to write.
#[track_caller]
pub fn refused<Old: State, New: State>(sentences: &[&str], fix: &str) {
    let plan = plan::<Old, New>();
    assert_eq!(told(&plan), sentences);
    assert!(plan.is_refused());
    let fixes: Vec<&str> = plan.differences().iter().filter_map(Difference::fix).collect();
    assert!(fixes.last().is_some_and(|last| last.contains(fix)), "{fixes:?}");
    assert!(plan.row(Section::State, &[], &[]).is_err(), "nothing goes over");
}

#[event]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Visit {
    first: u64,
    last: u64,
}

/// The same, one field later.
#[event]
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct VisitWithPages {
    first: u64,
    pages: u32,
    last: u64,
}
