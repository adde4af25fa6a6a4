//! Edits of the fields of a state.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

use tidegate::prelude::*;
use tidegate::time::EventTime;

use super::{Visit, VisitWithPages, assert_goes_over, carried, plan, refused, told};

/// Two structs that are the same state of two programs.
macro_rules! edit {
    ({ $($old:tt)* } => { $($new:tt)* }) => {
        #[state(key = u64, name = "Account")]
        #[derive(Clone, Debug, Default, PartialEq)]
        struct Old { $($old)* }
        #[state(key = u64, name = "Account")]
        #[derive(Clone, Debug, Default, PartialEq)]
        struct New { $($new)* }
    };
}

#[event]
#[derive(Clone, Debug, Default, PartialEq)]
enum Status {
    #[default]
    Idle,
    Open {
        at: u32,
    },
    Lost(u8, u8),
}

#[test]
fn nothing_changed() {
    edit!({ sum: i64, open: Option<Visit> } => { sum: i64, open: Option<Visit> });
    assert!(plan::<Old, New>().is_identity());
    let row = Old { sum: -3, open: Some(Visit { first: 1, last: 2 }) };
    carried(row.clone(), New { sum: row.sum, open: row.open }, &[]);
}

#[test]
fn an_added_field_begins_as_the_default_of_the_state() {
    #[state(key = u64, name = "Account")]
    #[derive(Default)]
    struct Old {
        sum: i64,
    }
    #[state(key = u64, name = "Account")]
    #[derive(Debug, PartialEq)]
    struct New {
        limit: u32,
        sum: i64,
        owner: String,
    }
    impl Default for New {
        fn default() -> New {
            New { limit: 500, sum: 0, owner: "nobody".to_string() }
        }
    }
    carried(
        Old { sum: -3 },
        New { limit: 500, sum: -3, owner: "nobody".to_string() },
        &[
            "has no field \"limit: u32\", this program has one: carried, it begins as 500",
            "has no field \"owner: String\", this program has one: carried, it begins as \"nobody\"",
        ],
    );
}

#[test]
fn a_removed_field_is_left_behind_and_told() {
    edit!({ sum: i64, flag: bool, name: String } => { sum: i64 });
    carried(
        Old { sum: 9, flag: true, name: "ann".to_string() },
        New { sum: 9 },
        &[
            "has field \"flag: bool\", this program has none: carried, without it",
            "has field \"name: String\", this program has none: carried, without it",
        ],
    );
}

#[test]
fn a_removed_field_that_may_have_been_renamed_is_told_with_what_to_write() {
    edit!({ flag: bool } => { flagged: bool });
    carried(
        Old { flag: true },
        New { flagged: false },
        &[
            "has field \"flag: bool\", this program has none: carried, without it; if it is \"flagged\" now, mark that \
             `#[state(was = \"flag\")]`",
            "has no field \"flagged: bool\", this program has one: carried, it begins as false",
        ],
    );
}

#[test]
fn a_renamed_field_is_found_by_the_name_that_it_had() {
    edit!({ flag: bool } => { #[state(was = "flag")] flagged: bool });
    carried(
        Old { flag: true },
        New { flagged: true },
        &["has field \"flag: bool\", this program calls it \"flagged\": carried, under its new name"],
    );
}

#[test]
fn a_field_that_was_renamed_twice_is_found_by_either_name() {
    edit!({ flag: bool } => { #[state(was = ["is_flagged", "flag"])] flagged: bool });
    carried(
        Old { flag: true },
        New { flagged: true },
        &["has field \"flag: bool\", this program calls it \"flagged\": carried, under its new name"],
    );
}

#[test]
fn a_name_of_today_goes_before_a_name_of_old() {
    // A snapshot that was taken between the renaming and today has the new name already.
    edit!({ flagged: bool } => { #[state(was = "flag")] flagged: bool });
    assert!(plan::<Old, New>().is_identity());
}

#[test]
fn a_field_may_be_renamed_and_widened_at_once() {
    edit!({ n: u8 } => { #[state(was = "n")] visits: u64 });
    carried(
        Old { n: 200 },
        New { visits: 200 },
        &[
            "has field \"n: u8\", this program calls it \"visits\": carried, under its new name",
            "has field \"visits: u8\", this program has \"visits: u64\": carried, every number is one of the new type",
        ],
    );
}

#[test]
fn fields_in_another_order_are_put_in_order() {
    edit!({ a: u8, b: String, c: bool } => { c: bool, a: u8, b: String });
    carried(
        Old { a: 1, b: "b".to_string(), c: true },
        New { c: true, a: 1, b: "b".to_string() },
        &["has fields in order a, b, c; this program has c, a, b: carried, in the new order"],
    );
}

#[test]
fn an_unsigned_number_is_widened() {
    edit!({ a: u8, b: u16, c: u32, d: u64 } => { a: u16, b: u64, c: u128, d: u128 });
    let plan = plan::<Old, New>();
    assert_eq!(told(&plan).len(), 4);
    let old = Old { a: u8::MAX, b: u16::MAX, c: u32::MAX, d: u64::MAX };
    let new = New { a: u8::MAX.into(), b: u16::MAX.into(), c: u32::MAX.into(), d: u64::MAX.into() };
    assert_goes_over(&plan, &old, &new);
}

#[test]
fn a_signed_number_is_widened() {
    edit!({ a: i8, b: i16, c: i32, d: i64 } => { a: i16, b: i32, c: i64, d: i128 });
    for extreme in [i8::MIN, -1, 0, i8::MAX] {
        let old = Old { a: extreme, b: i16::MIN, c: -5, d: i64::MIN };
        let new = New { a: extreme.into(), b: i16::MIN.into(), c: -5, d: i64::MIN.into() };
        assert_goes_over(&plan::<Old, New>(), &old, &new);
    }
}

#[test]
fn an_unsigned_number_becomes_a_signed_one_that_has_room_for_it() {
    edit!({ a: u8, b: u32 } => { a: i16, b: i64 });
    carried(
        Old { a: 255, b: u32::MAX },
        New { a: 255, b: u32::MAX.into() },
        &[
            "has field \"a: u8\", this program has \"a: i16\": carried, every number is one of the new type",
            "has field \"b: u32\", this program has \"b: i64\": carried, every number is one of the new type",
        ],
    );
}

#[test]
fn a_float_is_widened() {
    edit!({ a: f32 } => { a: f64 });
    carried(
        Old { a: 0.1 },
        New { a: f64::from(0.1f32) },
        &["has field \"a: f32\", this program has \"a: f64\": carried, every number is one of the new type"],
    );
}

#[test]
fn what_was_always_there_goes_into_an_option() {
    edit!({ at: EventTime, visit: Visit } => { at: Option<EventTime>, visit: Option<Visit> });
    let (at, visit) = (EventTime::from_millis(5), Visit { first: 1, last: 2 });
    carried(
        Old { at, visit: visit.clone() },
        New { at: Some(at), visit: Some(visit) },
        &[
            "has field \"at: EventTime\", this program has \"at: Option<EventTime>\": carried, every value goes into a `Some`",
            "has field \"visit: Visit\", this program has \"visit: Option<Visit>\": carried, every value goes into a `Some`",
        ],
    );
}

#[test]
fn a_number_may_be_widened_on_its_way_into_an_option() {
    edit!({ n: u8 } => { n: Option<u32> });
    carried(
        Old { n: 3 },
        New { n: Some(3) },
        &[
            "has field \"n: u8\", this program has \"n: Option<u32>\": carried, every number is one of the new type; every \
           value goes into a `Some`",
        ],
    );
}

#[test]
fn a_field_is_added_inside_of_a_struct_inside_of_containers() {
    edit!({
        open: Visit, more: Vec<Visit>, by: BTreeMap<String, Option<Visit>>, pair: (u8, [Visit; 2])
    } => {
        open: VisitWithPages, more: Vec<VisitWithPages>, by: BTreeMap<String, Option<VisitWithPages>>,
        pair: (u8, [VisitWithPages; 2])
    });
    let (old, new) = (Visit { first: 1, last: 2 }, VisitWithPages { first: 1, pages: 0, last: 2 });
    carried(
        Old {
            open: old.clone(),
            more: vec![old.clone(); 3],
            by: BTreeMap::from([("x".to_string(), Some(old.clone())), ("y".to_string(), None)]),
            pair: (9, [old.clone(), old]),
        },
        New {
            open: new.clone(),
            more: vec![new.clone(); 3],
            by: BTreeMap::from([("x".to_string(), Some(new.clone())), ("y".to_string(), None)]),
            pair: (9, [new.clone(), new]),
        },
        &[
            "has no field \"open.pages: u32\", this program has one: carried, it begins as 0",
            "has no field \"more.pages: u32\", this program has one: carried, it begins as 0",
            "has no field \"by.pages: u32\", this program has one: carried, it begins as 0",
            "has no field \"pair.1.pages: u32\", this program has one: carried, it begins as 0",
        ],
    );
}

#[test]
fn a_field_is_removed_and_one_renamed_inside_of_a_struct() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Stay {
        #[event(was = "first")]
        began: u64,
    }
    edit!({ open: Option<Visit> } => { open: Option<Stay> });
    carried(
        Old { open: Some(Visit { first: 1, last: 2 }) },
        New { open: Some(Stay { began: 1 }) },
        &[
            "has field \"open.first: u64\", this program calls it \"began\": carried, under its new name",
            "has field \"open.last: u64\", this program has none: carried, without it",
        ],
    );
}

#[test]
fn a_type_of_the_users_begins_as_its_own_default() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Stay {
        first: u64,
        last: u64,
        status: Status,
    }
    edit!({ open: Vec<Visit> } => { open: Vec<Stay> });
    carried(
        Old { open: vec![Visit { first: 1, last: 2 }] },
        New { open: vec![Stay { first: 1, last: 2, status: Status::Idle }] },
        &["has no field \"open.status: Status\", this program has one: carried, it begins as \"Idle\""],
    );
}

#[test]
fn variants_are_added_anywhere_and_found_by_name() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    enum More {
        First,
        Open {
            at: u64,
            by: Option<u8>,
        },
        #[event(was = "Lost")]
        Gone(u8, u16),
        #[default]
        Idle,
    }
    edit!({ all: Vec<Status> } => { all: Vec<More> });
    carried(
        Old { all: vec![Status::Idle, Status::Open { at: 7 }, Status::Lost(1, 2)] },
        New { all: vec![More::Idle, More::Open { at: 7, by: None }, More::Gone(1, 2)] },
        &[
            "has field \"all.Open.at: u32\", this program has \"all.Open.at: u64\": carried, every number is one of the new type",
            "has no field \"all.Open.by: Option<u8>\", this program has one: carried, it begins as null",
            "has variant \"all: Lost\", this program calls it \"Gone\": carried, under its new name",
            "has field \"all.Gone.1: u8\", this program has \"all.Gone.1: u16\": carried, every number is one of the new type",
            "has no variant \"all: First\", this program has one: carried, no value of it is there yet",
        ],
    );
}

#[test]
fn types_that_are_named_otherwise_are_the_same() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Stay {
        first: u64,
        last: u64,
    }
    edit!({ open: Visit } => { open: Stay });
    assert!(plan::<Old, New>().is_identity());
    carried(Old { open: Visit { first: 1, last: 2 } }, New { open: Stay { first: 1, last: 2 } }, &[]);
}

#[test]
fn a_state_that_is_named_otherwise_is_known_by_its_operator() {
    #[state(key = u64)]
    #[derive(Debug, Default, PartialEq)]
    struct Account {
        sum: i64,
    }
    #[state(key = u64)]
    #[derive(Debug, Default, PartialEq)]
    struct Balance {
        sum: i64,
    }
    assert!(plan::<Account, Balance>().is_identity());
    carried(
        Account { sum: 3 },
        Balance { sum: 3 },
        &[
            "has name \"Account\", this program has \"Balance\": carried, the operator's name is what state is known by",
        ],
    );
}

#[test]
fn a_container_becomes_another_that_keeps_as_much() {
    edit!({
        map: HashMap<u8, u8>, set: HashSet<u8>, list: Vec<u8>, unique: BTreeSet<u8>
    } => {
        map: BTreeMap<u8, u8>, set: BTreeSet<u8>, list: VecDeque<u16>, unique: Vec<u8>
    });
    carried(
        Old {
            map: HashMap::from([(1, 2)]),
            set: HashSet::from([3]),
            list: vec![4, 5],
            unique: BTreeSet::from([6, 7]),
        },
        New {
            map: BTreeMap::from([(1, 2)]),
            set: BTreeSet::from([3]),
            list: VecDeque::from([4, 5]),
            unique: vec![6, 7],
        },
        &[
            "has field \"map: HashMap<u8, u8>\", this program has \"map: BTreeMap<u8, u8>\": carried, with all that is in it",
            "has field \"set: HashSet<u8>\", this program has \"set: BTreeSet<u8>\": carried, with all that is in it",
            "has field \"list: Vec<u8>\", this program has \"list: VecDeque<u16>\": carried, every number is one of the new \
             type; with all that is in it",
            "has field \"unique: BTreeSet<u8>\", this program has \"unique: Vec<u8>\": carried, with all that is in it",
        ],
    );
}

#[test]
fn keys_and_elements_that_stay_different_are_converted() {
    edit!({
        set: BTreeSet<Visit>, map: BTreeMap<u8, u8>
    } => {
        set: BTreeSet<VisitWithPages>, map: BTreeMap<u16, u8>
    });
    carried(
        Old { set: BTreeSet::from([Visit { first: 1, last: 2 }]), map: BTreeMap::from([(200, 1)]) },
        New {
            set: BTreeSet::from([VisitWithPages { first: 1, pages: 0, last: 2 }]),
            map: BTreeMap::from([(200, 1)]),
        },
        &[
            "has no field \"set.pages: u32\", this program has one: carried, it begins as 0",
            "has field \"map: BTreeMap<u8, u8>\", this program has \"map: BTreeMap<u16, u8>\": carried, every number is one of \
             the new type",
        ],
    );
}

#[test]
fn an_opaque_field_stays_and_others_move_around_it() {
    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    enum Foreign {
        #[default]
        Unit,
        Both(String, u8),
    }
    edit!({
        #[state(opaque)] outcome: Foreign, sum: u8
    } => {
        sum: u16, #[state(opaque)] second: Foreign, #[state(opaque)] outcome: Foreign
    });
    let outcome = Foreign::Both("x".to_string(), 3);
    carried(
        Old { outcome: outcome.clone(), sum: 7 },
        New { sum: 7, second: Foreign::Unit, outcome },
        &[
            "has field \"sum: u8\", this program has \"sum: u16\": carried, every number is one of the new type",
            "has no field \"second: Foreign\", this program has one: carried, it begins as \"0x00\"",
            "has fields in order outcome, sum; this program has sum, outcome: carried, in the new order",
        ],
    );
}

#[test]
fn a_type_that_holds_itself_stays_and_others_change_around_it() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Tree<T> {
        leaf: T,
        branches: Vec<Tree<T>>,
    }
    edit!({ tree: Tree<u8>, n: u8 } => { tree: Tree<u16>, n: u16 });
    let leaf = |leaf| Tree { leaf, branches: Vec::new() };
    let plan = plan::<Old, New>();
    assert_goes_over(
        &plan,
        &Old { tree: leaf(3), n: 4 },
        &New { tree: Tree { leaf: 3, branches: Vec::new() }, n: 4 },
    );
    assert_eq!(told(&plan).len(), 2);
}

#[test]
fn what_is_written_for_people_by_serdes_options_is_carried_by_its_fields() {
    mod hexadecimal {
        use serde::{Deserialize, Deserializer, Serializer};

        pub fn serialize<S: Serializer>(number: &u32, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(&format!("{number:x}"))
        }

        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
            let text = String::deserialize(deserializer)?;
            u32::from_str_radix(&text, 16).map_err(serde::de::Error::custom)
        }
    }

    #[event]
    #[derive(Clone, Debug, PartialEq)]
    #[serde(tag = "kind", rename_all = "kebab-case")]
    enum Alert {
        Raised {
            #[serde(with = "hexadecimal")]
            code: u32,
            #[serde(default, skip_serializing_if = "Option::is_none")]
            note: Option<String>,
            #[serde(flatten)]
            visit: Visit,
        },
        Cleared,
    }
    #[event]
    #[derive(Clone, Debug, PartialEq)]
    enum Untagged {
        Cleared,
        Raised {
            visit: VisitWithPages,
            #[serde(with = "hexadecimal")]
            code: u32,
            note: Option<String>,
        },
    }
    edit!({ alerts: Vec<Alert> } => { alerts: Vec<Untagged> });
    let visit = Visit { first: 1, last: 2 };
    let alerts = vec![Alert::Raised { code: 255, note: None, visit }, Alert::Cleared];
    let json = serde_json::to_string(&alerts).unwrap();
    assert_eq!(json, r#"[{"kind":"raised","code":"ff","first":1,"last":2},{"kind":"cleared"}]"#);
    assert_eq!(serde_json::from_str::<Vec<Alert>>(&json).unwrap(), alerts);
    let visit = VisitWithPages { first: 1, pages: 0, last: 2 };
    carried(
        Old { alerts },
        New { alerts: vec![Untagged::Raised { visit, code: 255, note: None }, Untagged::Cleared] },
        &[
            "has no field \"alerts.Raised.visit.pages: u32\", this program has one: carried, it begins as 0",
            "has fields in order code, note, visit; this program has visit, code, note: carried, in the new order",
        ],
    );
}

#[test]
fn a_number_that_may_not_fit_is_refused() {
    edit!({ a: u64, b: i64, c: f64 } => { a: u32, b: u64, c: f32 });
    refused::<Old, New>(
        &[
            "has field \"a: u64\", this program has \"a: u32\": refused, not every number is one of the new type",
            "has field \"b: i64\", this program has \"b: u64\": refused, it is another type",
            "has field \"c: f64\", this program has \"c: f32\": refused, not every number is one of the new type",
        ],
        "keep the struct as it was: `#[state(key = u64, version = 1)] struct OldAccount`; mark the new one \
         `#[state(key = u64, version = 2, from = OldAccount)]` and write `impl From<OldAccount> for Account`",
    );
}

#[test]
fn another_type_is_refused() {
    edit!({ a: String, b: bool, c: Visit, d: Vec<u8> } => { a: u64, b: u8, c: Status, d: String });
    refused::<Old, New>(
        &[
            "has field \"a: String\", this program has \"a: u64\": refused, it is another type",
            "has field \"b: bool\", this program has \"b: u8\": refused, it is another type",
            "has field \"c: Visit\", this program has \"c: Status\": refused, it is another type",
            "has field \"d: Vec<u8>\", this program has \"d: String\": refused, it is another type",
        ],
        "from = OldAccount",
    );
}

#[test]
fn what_may_be_missing_can_not_become_what_is_always_there() {
    edit!({ at: Option<u64> } => { at: u64 });
    refused::<Old, New>(
        &[
            "has field \"at: Option<u64>\", this program has \"at: u64\": refused, nothing says what to put where it is `None`",
        ],
        "from = OldAccount",
    );
}

#[test]
fn an_option_in_an_option_is_refused_because_none_would_have_two_meanings() {
    edit!({ at: Option<u64> } => { at: Option<Option<u64>> });
    refused::<Old, New>(
        &[
            "has field \"at: Option<u64>\", this program has \"at: Option<Option<u64>>\": refused, `None` could become `None` or \
           `Some(None)`",
        ],
        "from = OldAccount",
    );
}

#[test]
fn a_variant_that_is_gone_is_refused() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    enum Fewer {
        #[default]
        Idle,
        Opened {
            at: u32,
        },
    }
    edit!({ status: Status } => { status: Fewer });
    refused::<Old, New>(
        &[
            "has variant \"status: Open\", this program has none: refused, values of it would have no place to go",
            "has variant \"status: Lost\", this program has none: refused, values of it would have no place to go",
            "has no variant \"status: Opened\", this program has one: carried, no value of it is there yet",
        ],
        "keep it, or if it is `Opened` now, mark that `#[event(was = \"Lost\")]`",
    );
}

#[test]
fn a_variant_whose_field_changed_its_type_is_refused() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq)]
    enum Other {
        #[default]
        Idle,
        Open {
            at: String,
        },
        Lost(u8),
    }
    edit!({ status: Status } => { status: Other });
    refused::<Old, New>(
        &[
            "has field \"status.Open.at: u32\", this program has \"status.Open.at: String\": refused, it is another type",
            "has field \"status.Lost.1: u8\", this program has none: carried, without it",
        ],
        "from = OldAccount",
    );
}

#[test]
fn an_added_field_without_a_default_is_refused() {
    #[event]
    #[derive(Clone, Debug, PartialEq)]
    struct Country(String);
    #[event]
    #[derive(Clone, Debug, PartialEq)]
    struct Stay {
        first: u64,
        last: u64,
        country: Country,
    }
    edit!({ all: Vec<Visit> } => { all: Vec<Stay> });
    refused::<Old, New>(
        &[
            "has no field \"all.country: Country\", this program has one: refused, `Country` has no `Default` to begin with",
        ],
        "implement `Default` for `Country`, or make the field an `Option<Country>`",
    );
}

#[test]
fn what_could_make_two_elements_or_keys_one_is_refused() {
    #[event]
    #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
    struct Start {
        first: u64,
    }
    edit!({
        set: BTreeSet<Visit>, map: BTreeMap<Visit, u8>, list: Vec<u8>
    } => {
        set: BTreeSet<Start>, map: BTreeMap<Start, u8>, list: BTreeSet<u8>
    });
    refused::<Old, New>(
        &[
            "has field \"set.last: u64\", this program has none: refused, values that differ in nothing else would become one",
            "has field \"map.last: u64\", this program has none: refused, values that differ in nothing else would become one",
            "has field \"list: Vec<u8>\", this program has \"list: BTreeSet<u8>\": refused, values that are equal would become \
             one",
        ],
        "from = OldAccount",
    );
}

#[test]
fn tuples_and_arrays_of_another_length_are_refused() {
    edit!({ a: (u8, u8), b: [u8; 2] } => { a: (u8, u8, u8), b: [u8; 3] });
    refused::<Old, New>(
        &[
            "has field \"a: (u8, u8)\", this program has \"a: (u8, u8, u8)\": refused, it is another type",
            "has field \"b: [u8; 2]\", this program has \"b: [u8; 3]\": refused, it is another type",
        ],
        "from = OldAccount",
    );
}

#[test]
fn what_is_opaque_can_not_become_known_nor_another() {
    edit!({
        #[state(opaque)] a: Visit, b: Visit, #[state(opaque)] c: u8
    } => {
        a: Visit, #[state(opaque)] b: Visit, #[state(opaque)] c: u16
    });
    refused::<Old, New>(
        &[
            "has field \"a: Visit (opaque)\", this program has \"a: Visit (a struct)\": refused, what is opaque can't be \
             converted",
            "has field \"b: Visit (a struct)\", this program has \"b: Visit (opaque)\": refused, what is opaque can't be \
             converted",
            "has field \"c: u8\", this program has \"c: u16\": refused, what is opaque can't be converted",
        ],
        "from = OldAccount",
    );
}

#[test]
fn another_key_is_refused() {
    #[state(key = u64, name = "Account")]
    #[derive(Default)]
    struct Old {
        sum: i64,
    }
    #[state(key = String, name = "Account")]
    #[derive(Default)]
    struct New {
        sum: i64,
    }
    refused::<Old, New>(
        &["has key \"u64\", this program has \"String\": refused, a key is carried only as it is"],
        "`#[state(key = u64, version = 1)] struct OldAccount`; mark the new one `#[state(key = String, version = 2, from = \
         OldAccount)]`",
    );
}

#[test]
fn a_wider_key_is_refused_too_because_its_group_would_be_another() {
    #[key]
    struct Link {
        router: String,
        port: u8,
    }
    #[key]
    struct WideLink {
        router: String,
        port: u16,
    }
    #[state(key = Link, name = "Account")]
    #[derive(Default)]
    struct Old {
        sum: i64,
    }
    #[state(key = WideLink, name = "Account")]
    #[derive(Default)]
    struct New {
        sum: i64,
    }
    refused::<Old, New>(
        &[
            "has field \"key.port: u8\", this program has \"key.port: u16\": refused, a key is carried only as it is",
        ],
        "key = WideLink, version = 2, from = OldAccount",
    );
}

#[test]
fn the_fields_of_a_key_may_be_renamed() {
    #[key]
    struct Link {
        router: String,
        port: u16,
    }
    #[key]
    struct NewLink {
        #[key(was = "router")]
        device: String,
        port: u16,
    }
    #[state(key = Link, name = "Account")]
    #[derive(Default)]
    struct Old {
        sum: i64,
    }
    #[state(key = NewLink, name = "Account")]
    #[derive(Default)]
    struct New {
        sum: i64,
    }
    let plan = plan::<Old, New>();
    assert!(plan.is_identity());
    let renamed =
        "has field \"key.router: String\", this program calls it \"device\": carried, under its new name";
    assert_eq!(told(&plan), [renamed]);
}

/// A type that describes itself by a name of its own: it is kept as it is, and nothing around it can change.
#[test]
fn a_type_whose_bytes_are_not_known_stays_and_holds_the_rest_in_its_place() {
    #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Money(u16);
    impl tidegate::state::Describe for Money {
        fn schema() -> tidegate::state::Schema {
            tidegate::state::Schema::Scalar("Money".to_string())
        }
    }
    impl tidegate::state::Data for Money {}
    {
        edit!({ sum: Money, n: u8 } => { sum: Money, n: u8 });
        assert!(plan::<Old, New>().is_identity());
    }
    edit!({ sum: Money, n: u8 } => { sum: Money, n: u16 });
    refused::<Old, New>(
        &[
            "has field \"n: u8\", this program has \"n: u16\": carried, every number is one of the new type",
            "has type \"Money\", this program has \"Money\": refused, its bytes are not known, so that nothing around it can \
             change",
        ],
        "have `#[event]` describe `Money`",
    );
}

#[test]
fn a_row_that_is_not_of_its_schema_is_an_error_and_not_another_row() {
    edit!({ name: String } => { name: String, n: u8 });
    let plan = plan::<Old, New>();
    for row in [&[][..], &[9, b'x'], &[1, b'x', 0]] {
        let error = plan.row(tidegate::snapshot::part::Section::State, &[0; 8], row).unwrap_err();
        assert_eq!(error.to_string(), "a row (State) is not of the schema that the snapshot says it is of");
    }
}
