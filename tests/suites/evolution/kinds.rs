//! Fields that are `Map`, `List`, `Value`, `Reducing` or `Aggregating`: what their rows have of them, and their entries.

use tidegate::evolution::row::{decode_row, encode_row};
use tidegate::key::Key;
use tidegate::prelude::*;
use tidegate::snapshot::part::Section;
use tidegate::state::{List, Map, Value};

use super::{key_bytes, plan, program, recorded, taken_over, told};

#[state(key = u64, name = "Session")]
#[derive(Default)]
struct Session {
    visits: u64,
    #[state(unbounded)]
    pages: Map<String, u64>,
    last: Value<String>,
    #[state(max = 10)]
    log: List<u8>,
}

fn session() -> Session {
    let mut last = Value::default();
    last.set("x".to_string());
    let pages = Map::from([("/".to_string(), 1), ("/a".to_string(), 2)]);
    Session { visits: 3, pages, last, log: List::from([7, 8, 9]) }
}

/// The key of an entry of the field at `place` of the state of key 7.
fn entry(place: u8, at: &impl Key) -> Vec<u8> {
    [&[place][..], &key_bytes(&7u64), &[0], &key_bytes(at)].concat()
}

#[test]
fn a_row_that_has_kinds_of_state_is_json_that_comes_back() {
    let schema = recorded(&program::<Session>(tidegate::state::Schema::Scalar("Never".to_string())));
    let (key, row) = (key_bytes(&7u64), postcard::to_stdvec(&session()).unwrap());
    let json = decode_row(&schema, Section::State, &key, &row).unwrap();
    assert_eq!(json["value"]["visits"], 3);
    assert_eq!(json["value"]["pages"]["entries"], 2);
    assert_eq!(json["value"]["last"]["value"], "x");
    assert_eq!(json["value"]["log"]["entries"], 3);
    assert_eq!(encode_row(&schema, &json).unwrap(), (Section::State, key, row));
    for (key, value, at) in [
        (entry(0, &"/a".to_string()), postcard::to_stdvec(&(0i64, 2u64)).unwrap(), serde_json::json!("/a")),
        (entry(2, &1u64), postcard::to_stdvec(&(0i64, 8u8)).unwrap(), serde_json::json!(1)),
    ] {
        let json = decode_row(&schema, Section::Entry, &key, &value).unwrap();
        assert_eq!(json["at"], at);
        assert_eq!(encode_row(&schema, &json).unwrap(), (Section::Entry, key, value));
    }
}

#[test]
fn kinds_of_state_are_carried_with_their_entries() {
    #[state(key = u64, name = "Session")]
    #[derive(Default)]
    struct New {
        #[state(max = 10)]
        log: List<u32>,
        added: Value<u64>,
        visits: u64,
        #[state(unbounded, was = "pages")]
        urls: Map<String, Option<u64>>,
    }
    let plan = plan::<Session, New>();
    assert!(!plan.is_refused(), "{:?}", told(&plan));
    let row = postcard::to_stdvec(&session()).unwrap();
    let (_, row) = taken_over(&plan, Section::State, &key_bytes(&7u64), &row).unwrap();
    let mut new: New = postcard::from_bytes(&row).unwrap();
    assert_eq!((new.visits, new.urls.len(), new.log.len()), (3, 2, 3));
    let page = postcard::to_stdvec(&(5i64, 300u64)).unwrap();
    let (key, page) = taken_over(&plan, Section::Entry, &entry(0, &"/".to_string()), &page).unwrap();
    assert_eq!(key, entry(2, &"/".to_string()));
    assert_eq!(postcard::from_bytes::<(i64, Option<u64>)>(&page).unwrap(), (5, Some(300)));
    let line = postcard::to_stdvec(&(0i64, 9u8)).unwrap();
    let (key, line) = taken_over(&plan, Section::Entry, &entry(2, &1u64), &line).unwrap();
    assert_eq!(key, entry(0, &1u64));
    assert_eq!(postcard::from_bytes::<(i64, u32)>(&line).unwrap(), (0, 9));
}

#[test]
fn a_map_can_not_become_a_plain_one() {
    #[state(key = u64, name = "Session")]
    #[derive(Default)]
    struct New {
        visits: u64,
        pages: std::collections::BTreeMap<String, u64>,
        last: Option<String>,
        log: Vec<u8>,
    }
    super::refused::<Session, New>(
        &[
            "has field \"pages: Map<String, u64>\", this program has \"pages: BTreeMap<String, u64>\": refused, it is another \
             kind of state",
            "has field \"last: Value<String>\", this program has \"last: Option<String>\": refused, it is another kind of state",
            "has field \"log: List<u8>\", this program has \"log: Vec<u8>\": refused, it is another kind of state",
        ],
        "from = OldSession",
    );
}

#[test]
fn in_a_migration_entries_go_by_the_name_of_their_field_and_values_through_its_code() {
    #[state(key = u64, name = "Session", version = 2, from = Session)]
    #[derive(Default)]
    struct New {
        last: Value<u64>,
        #[state(unbounded)]
        pages: Map<String, u64>,
        #[state(unbounded)]
        others: Map<String, u64>,
    }
    impl From<Session> for New {
        fn from(mut old: Session) -> New {
            let mut last = Value::default();
            last.set(old.last.get().map_or(0, |last| last.len() as u64));
            // It goes by its name, whatever is done here.
            New { last, pages: Map::default(), others: old.pages }
        }
    }
    let plan = plan::<Session, New>();
    let dropped = "has field \"log: List<u8>\", this program has none: carried, without it";
    assert!(told(&plan).iter().any(|told| told == dropped), "{:?}", told(&plan));
    let row = postcard::to_stdvec(&session()).unwrap();
    let (_, row) = taken_over(&plan, Section::State, &key_bytes(&7u64), &row).unwrap();
    let mut new: New = postcard::from_bytes(&row).unwrap();
    assert_eq!((new.last.get(), new.pages.len(), new.others.len()), (Some(&1), 2, 0));
    let page = postcard::to_stdvec(&(0i64, 2u64)).unwrap();
    let (key, _) = taken_over(&plan, Section::Entry, &entry(0, &"/".to_string()), &page).unwrap();
    assert_eq!(key, entry(1, &"/".to_string()));
    assert!(taken_over(&plan, Section::Entry, &entry(2, &1u64), &[0, 9]).is_none());
}
