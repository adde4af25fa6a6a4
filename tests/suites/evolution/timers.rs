//! What timers carry.

use std::fmt::Debug;

use tidegate::evolution::Plan;
use tidegate::operator::Never;
use tidegate::prelude::*;
use tidegate::snapshot::part::Section;
use tidegate::state::{Data, Describe};

use super::{TAKEN_AT, Visit, VisitWithPages, program, recorded, told};

#[state(key = u64)]
#[derive(Default)]
struct Account {
    sum: i64,
}

fn plan_of<Old: Describe, New: Describe>() -> Plan {
    Plan::of(&recorded(&program::<Account>(Old::schema())), &program::<Account>(New::schema()), TAKEN_AT)
}

#[track_caller]
fn carried<Old: Data, New: Data + PartialEq + Debug>(old: &Old, new: &New, sentences: &[&str]) {
    let plan = plan_of::<Old, New>();
    assert_eq!(told(&plan), sentences);
    let payload = postcard::to_stdvec(old).unwrap();
    for section in [Section::EventTimer, Section::ProcessingTimer] {
        let (key, payload) = plan.row(section, &[0; 24], &payload).unwrap().unwrap();
        assert_eq!(*key, [0; 24]);
        assert_eq!(postcard::from_bytes::<New>(&payload).unwrap(), *new);
    }
    let state = postcard::to_stdvec(&Account { sum: 3 }).unwrap();
    assert_eq!(*plan.row(Section::State, &[0; 8], &state).unwrap().unwrap().1, *state);
}

#[test]
fn what_timers_carry_is_carried_by_the_same_rules() {
    carried(
        &Visit { first: 1, last: 2 },
        &VisitWithPages { first: 1, pages: 0, last: 2 },
        &["has no field \"timer.pages: u32\", this program has one: carried, it begins as 0"],
    );
    carried(
        &3u8,
        &3u64,
        &["has timer \"u8\", this program has \"u64\": carried, every number is one of the new type"],
    );
}

#[test]
fn an_operator_that_begins_to_set_timers_is_as_it_was() {
    assert!(plan_of::<Never, Visit>().is_identity());
}

#[test]
fn timers_that_nobody_would_handle_are_refused() {
    let plan = plan_of::<Visit, Never>();
    assert_eq!(
        told(&plan),
        ["has timer \"Visit\", this program has \"Never\": refused, timers that are set would find nobody"]
    );
    assert_eq!(
        plan.differences()[0].fix(),
        Some("keep `on_timer(&self, _: Visit, ..)` until they have fired")
    );
    assert!(plan.is_refused());
}

#[test]
fn timers_of_another_type_are_refused() {
    let plan = plan_of::<String, u64>();
    assert_eq!(told(&plan), ["has timer \"String\", this program has \"u64\": refused, it is another type"]);
    assert!(plan.is_refused());
}
