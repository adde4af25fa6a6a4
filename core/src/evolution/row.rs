//! Rows of a snapshot as [JSON](super::json) that people can read and change, and back, by the schema that the snapshot records.
//!
//! | section          | members                                                                                  |
//! |------------------|------------------------------------------------------------------------------------------|
//! | state            | `section`: `"state"`, `key`, `value`: the state's fields                                 |
//! | timer            | `section`: `"event-timer"`, `"processing-timer"`; `key`, `at`: when it is due, `number`, `value`: what it carries |
//! | entry            | `section`: `"entry"`, `key`, `field`: its name, `at`: the key or index in it, `refreshed`: when it was, or `null` without a TTL, `value` |
//!
//! The same row comes back to the byte, but for maps and sets whose order means nothing.

use serde_json::Value as Json;

use super::format::{Format, KeyFormat, RowFormat, take, take_array};
use super::json::{Misfit, fields_from_json, fields_to_json, from_json};
use super::shape::{Entries, Scalar, Shape, managed};
use super::value::{Value, decode, encode, skip};
use crate::error::{Error, Result};
use crate::key::{KeyGroup, KeyHash, MaxParallelism};
use crate::snapshot::part::{OperatorSchema, Section};
use crate::state::{Describe, Field, Schema, StateSchema};
use crate::time::EventTime;

/// Writes a row of an operator with this schema.
///
/// # Errors
/// If the row is not of the schema, or the schema has a type whose bytes are not known.
pub fn decode_row(schema: &OperatorSchema, section: Section, key: &[u8], value: &[u8]) -> Result<Json> {
    let damaged = || {
        Error::failure(format!("a row ({section:?}) is not of the schema that the snapshot says it is of"))
    };
    let (fields, values) = match section {
        Section::State => decode_state(&schema.state, key, value),
        Section::EventTimer | Section::ProcessingTimer => decode_timer(schema, section, key, value),
        Section::Entry => decode_entry(&schema.state, key, value),
    }
    .ok_or_else(damaged)?;
    fields_to_json(&fields, &values)
        .map_err(|misfit| Error::failure("a row can't be written as JSON").caused_by(misfit))
}

/// Reads a row of an operator with this schema: its section, key and value.
///
/// # Errors
/// If it is none; the error says where.
pub fn encode_row(schema: &OperatorSchema, row: &Json) -> Result<(Section, Vec<u8>, Vec<u8>)> {
    let not = |misfit: Misfit| Error::failure("this is no row of the operator").caused_by(misfit);
    let (section, fields) = section_of(schema, row)?;
    let values = fields_from_json(&fields, row).map_err(not)?;
    let (key, value) = encode_values(section, &schema.state, &fields, &values)
        .ok_or_else(|| Error::failure("this is no row of the operator"))?;
    Ok((section, key, value))
}

/// Reads which row of an operator with this schema is meant, by the members that [`decode_row`] gives it, but for its value and
/// when that was refreshed: its section and key.
///
/// # Errors
/// If it is none; the error says where.
pub fn encode_row_key(schema: &OperatorSchema, row: &Json) -> Result<(Section, Vec<u8>)> {
    let (section, mut fields) = section_of(schema, row)?;
    fields.truncate(match section {
        Section::State => 2,
        Section::EventTimer | Section::ProcessingTimer | Section::Entry => 4,
    });
    let values = fields_from_json(&fields, row)
        .map_err(|misfit| Error::failure("this is no row of the operator").caused_by(misfit))?;
    let key = encode_key_values(section, &schema.state, &fields, &values)
        .ok_or_else(|| Error::failure("this is no row of the operator"))?;
    Ok((section, key))
}

/// The section of a row that is written as JSON, and its members.
fn section_of(schema: &OperatorSchema, row: &Json) -> Result<(Section, Vec<Field>)> {
    let named = row.get("section").and_then(Json::as_str);
    let sections = [Section::State, Section::EventTimer, Section::ProcessingTimer, Section::Entry];
    let section = sections.into_iter().find(|section| named == Some(name(*section))).ok_or_else(|| {
        Error::failure("this is no row: it has no known section").hint(format!(
            "\"section\" is one of {}",
            sections.map(|section| format!("{:?}", name(section))).join(", ")
        ))
    })?;
    let fields = match section {
        Section::State => state_fields(&schema.state),
        Section::EventTimer | Section::ProcessingTimer => timer_fields(schema),
        Section::Entry => {
            let field = row.get("field").and_then(Json::as_str).unwrap_or_default();
            let place = managed(&schema.state.fields).position(|(_, known)| known.name == field);
            place.and_then(|place| entry_fields(&schema.state, place)).ok_or_else(|| {
                Error::failure(format!(
                    "state \"{}\" has no field {field:?} that has entries",
                    schema.state.name
                ))
            })?
        }
    };
    Ok((section, fields))
}

/// The bytes of a key that a person wrote: as JSON or, where the key is text, just so.
///
/// # Errors
/// If it is no such key.
pub fn encode_key(schema: &Schema, written: &str) -> Result<Vec<u8>> {
    let text = Json::String(written.to_string());
    let json = serde_json::from_str(written).ok().map(|json: Json| from_json(schema, &json));
    let key = match json {
        Some(Ok(key)) => Ok(key),
        Some(Err(misfit)) => from_json(schema, &text).map_err(|_| misfit),
        None => from_json(schema, &text),
    };
    let no_key = |misfit| Error::failure("this is no key of the state").caused_by(misfit);
    key.map_err(no_key).and_then(|key| key_value_bytes(schema, &key))
}

/// The bytes of a key that is written as JSON.
///
/// # Errors
/// If it is no such key.
pub fn encode_json_key(schema: &Schema, key: &Json) -> Result<Vec<u8>> {
    let no_key = |misfit| Error::failure("this is no key of the state").caused_by(misfit);
    from_json(schema, key).map_err(no_key).and_then(|key| key_value_bytes(schema, &key))
}

fn key_value_bytes(schema: &Schema, key: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    encode::<KeyFormat>(schema, key, &mut bytes)
        .ok_or_else(|| Error::failure(format!("a {schema} is no key")))?;
    Ok(bytes)
}

/// The bytes of the key to which a row belongs, given the row's own; `None` if it is no row of the state.
pub fn key_of<'a>(state: &StateSchema, section: Section, row_key: &'a [u8]) -> Option<&'a [u8]> {
    let mut key = row_key;
    take(bytes_before_key(section), &mut key)?;
    let mut rest = key;
    skip::<KeyFormat>(&state.key, &mut rest)?;
    Some(&key[..key.len() - rest.len()])
}

/// How many bytes the key of a row has before that of the state: of a timer its time and number, of an entry its field.
pub(super) fn bytes_before_key(section: Section) -> usize {
    match section {
        Section::State => 0,
        Section::Entry => 1,
        Section::EventTimer | Section::ProcessingTimer => 16,
    }
}

/// The group of a key, given its bytes: what [`Key::hash`](crate::key::Key::hash) makes of it, without knowing its type.
pub fn key_group(state: &StateSchema, key: &[u8], max_parallelism: MaxParallelism) -> KeyGroup {
    // A text is hashed without the length before it, anything else as it is.
    let hashed = match Shape::of(&state.key) {
        Shape::Scalar(Scalar::Text) => key.get(4..).unwrap_or(key),
        _ => key,
    };
    KeyHash::of(hashed).group(max_parallelism)
}

fn name(section: Section) -> &'static str {
    match section {
        Section::State => "state",
        Section::EventTimer => "event-timer",
        Section::ProcessingTimer => "processing-timer",
        Section::Entry => "entry",
    }
}

fn state_fields(state: &StateSchema) -> Vec<Field> {
    let value = Schema::Struct(state.name.clone(), state.fields.clone());
    vec![Field::of::<String>("section"), Field::new("key", state.key.clone()), Field::new("value", value)]
}

fn timer_fields(schema: &OperatorSchema) -> Vec<Field> {
    vec![
        Field::of::<String>("section"),
        Field::new("key", schema.state.key.clone()),
        Field::of::<EventTime>("at"),
        Field::of::<u64>("number"),
        Field::new("value", schema.timer.clone()),
    ]
}

/// Those of an entry of the managed field at `place`; `None` if that has no entries.
fn entry_fields(state: &StateSchema, place: usize) -> Option<Vec<Field>> {
    let (_, field) = managed(&state.fields).nth(place)?;
    let (at, value) = match Shape::of(&field.schema) {
        Shape::Entries(Entries::Map(key, value)) => (key.clone(), value.clone()),
        Shape::Entries(Entries::List(value)) => (u64::schema(), value.clone()),
        _ => return None,
    };
    Some(vec![
        Field::of::<String>("section"),
        Field::new("key", state.key.clone()),
        Field::of::<String>("field"),
        Field::new("at", at),
        Field::of::<Option<EventTime>>("refreshed"),
        Field::new("value", value),
    ])
}

type Decoded = Option<(Vec<Field>, Vec<Value>)>;

fn decode_state(state: &StateSchema, mut key: &[u8], mut value: &[u8]) -> Decoded {
    let fields = state_fields(state);
    let values = vec![
        Value::Text(name(Section::State).to_string()),
        decode::<KeyFormat>(&state.key, &mut key)?,
        decode::<RowFormat>(&fields[2].schema, &mut value)?,
    ];
    (key.is_empty() && value.is_empty()).then_some((fields, values))
}

fn decode_timer(schema: &OperatorSchema, section: Section, mut key: &[u8], mut value: &[u8]) -> Decoded {
    let at = Value::Signed(KeyFormat::take_signed(64, &mut key)?);
    let number = Value::Unsigned(KeyFormat::take_unsigned(64, &mut key)?);
    let values = vec![
        Value::Text(name(section).to_string()),
        decode::<KeyFormat>(&schema.state.key, &mut key)?,
        at,
        number,
        decode::<RowFormat>(&schema.timer, &mut value)?,
    ];
    (key.is_empty() && value.is_empty()).then_some((timer_fields(schema), values))
}

fn decode_entry(state: &StateSchema, mut key: &[u8], mut value: &[u8]) -> Decoded {
    let [place] = take_array(&mut key)?;
    let fields = entry_fields(state, place.into())?;
    let (_, field) = managed(&state.fields).nth(place.into())?;
    let state_key = decode::<KeyFormat>(&state.key, &mut key)?;
    let [0] = take_array(&mut key)? else { return None };
    let refreshed = match RowFormat::take_signed(64, &mut value)? {
        0 => None,
        refreshed => Some(Box::new(Value::Signed(refreshed))),
    };
    let values = vec![
        Value::Text(name(Section::Entry).to_string()),
        state_key,
        Value::Text(field.name.clone()),
        decode::<KeyFormat>(&fields[3].schema, &mut key)?,
        Value::Option(refreshed),
        decode::<RowFormat>(&fields[5].schema, &mut value)?,
    ];
    (key.is_empty() && value.is_empty()).then_some((fields, values))
}

/// The key and the value of a row whose `fields` have these values.
fn encode_values(
    section: Section,
    state: &StateSchema,
    fields: &[Field],
    values: &[Value],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = encode_key_values(section, state, fields, values)?;
    let mut bytes = Vec::new();
    let ([.., field], [.., value]) = (fields, values) else { return None };
    if let (Section::Entry, [_, _, _, _, Value::Option(refreshed), _]) = (section, values) {
        let refreshed = match refreshed.as_deref() {
            Some(Value::Signed(refreshed)) => *refreshed,
            _ => 0,
        };
        RowFormat::put_signed(64, refreshed, &mut bytes);
    }
    encode::<RowFormat>(&field.schema, value, &mut bytes)?;
    Some((key, bytes))
}

/// The key of a row, of whose `fields` at least those have values that make it up.
fn encode_key_values(
    section: Section,
    state: &StateSchema,
    fields: &[Field],
    values: &[Value],
) -> Option<Vec<u8>> {
    let mut key = Vec::new();
    let put_key =
        |place: usize, key: &mut Vec<u8>| encode::<KeyFormat>(&fields[place].schema, &values[place], key);
    match (section, values) {
        (Section::State, [_, _, ..]) => put_key(1, &mut key)?,
        (Section::EventTimer | Section::ProcessingTimer, [_, _, _, _, ..]) => {
            put_key(2, &mut key)?;
            put_key(3, &mut key)?;
            put_key(1, &mut key)?;
        }
        (Section::Entry, [_, _, Value::Text(field), _, ..]) => {
            key.push(managed(&state.fields).position(|(_, known)| known.name == *field)? as u8);
            put_key(1, &mut key)?;
            key.push(0);
            put_key(3, &mut key)?;
        }
        _ => return None,
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::key::Key;

    fn schema() -> OperatorSchema {
        let generic = |name: &str, parts| Schema::Generic(name.to_string(), parts);
        let fields = vec![
            Field::of::<u64>("visits"),
            Field::new("last", generic("Value", vec![String::schema()])),
            Field::new("pages", generic("Map", vec![String::schema(), u64::schema()])),
            Field::new("urls", generic("List", vec![Option::<u8>::schema()])),
        ];
        let key = <(String, u8)>::schema();
        OperatorSchema {
            state: StateSchema { name: "Session".to_string(), version: 1, key, fields },
            timer: bool::schema(),
        }
    }

    fn key() -> Vec<u8> {
        let mut bytes = Vec::new();
        ("ann".to_string(), 7u8).encode(&mut bytes);
        bytes
    }

    #[track_caller]
    fn is_written_as(section: Section, key: &[u8], value: &[u8], expected: Json) {
        assert_eq!(decode_row(&schema(), section, key, value).unwrap(), expected);
        assert_eq!(encode_row(&schema(), &expected).unwrap(), (section, key.to_vec(), value.to_vec()));
    }

    #[test]
    fn rows_of_every_section_are_written_and_read_back() {
        let state = postcard::to_stdvec(&(300u64, Some((5i64, "x")), 6u64, (2u64, 4u64))).unwrap();
        is_written_as(
            Section::State,
            &key(),
            &state,
            json!({ "section": "state", "key": ["ann", 7], "value": {
                "visits": 300,
                "last": { "refreshed": "1970-01-01T00:00:00.005Z", "value": "x" },
                "pages": { "entries": 3, "may_have_gone": false },
                "urls": { "first": 2, "entries": 2, "may_have_gone": false },
            } }),
        );
        let timer = [&(-5i64).to_be_bytes()[..], &9u64.to_be_bytes(), &key()].concat();
        is_written_as(
            Section::ProcessingTimer,
            &timer,
            &[1],
            json!({ "section": "processing-timer", "key": ["ann", 7], "at": -5, "number": 9, "value": true }),
        );
        let mut page = [&[1][..], &key(), &[0]].concat();
        "/".to_string().encode(&mut page);
        is_written_as(
            Section::Entry,
            &page,
            &postcard::to_stdvec(&(1000i64, 300u64)).unwrap(),
            json!({ "section": "entry", "key": ["ann", 7], "field": "pages", "at": "/",
                    "refreshed": "1970-01-01T00:00:01.000Z", "value": 300 }),
        );
        let url = [&[2][..], &key(), &[0], &3u64.to_be_bytes()].concat();
        is_written_as(
            Section::Entry,
            &url,
            &[0, 0],
            json!({ "section": "entry", "key": ["ann", 7], "field": "urls", "at": 3, "refreshed": null, "value": null }),
        );
    }

    #[test]
    fn what_is_no_row_is_refused_with_its_place() {
        let refused = |json: Json| encode_row(&schema(), &json).unwrap_err().to_string();
        assert_eq!(refused(json!({ "section": "State" })), "this is no row: it has no known section");
        assert_eq!(
            refused(
                json!({ "section": "event-timer", "key": ["ann", 300], "at": 0, "number": 0, "value": true })
            ),
            "this is no row of the operator: key.1: 300 is no u8"
        );
        assert_eq!(
            refused(json!({ "section": "entry", "field": "last" })),
            "state \"Session\" has no field \"last\" that has entries"
        );
        assert_eq!(
            refused(json!({ "section": "entry", "key": ["", 0], "field": "urls", "at": 3, "value": null })),
            "this is no row of the operator: refreshed: this Option<EventTime> is missing"
        );
        for (section, key) in
            [(Section::State, &b"x"[..]), (Section::EventTimer, b"x"), (Section::Entry, &[0; 20])]
        {
            assert!(decode_row(&schema(), section, key, &[]).is_err());
        }
    }

    #[test]
    fn a_row_is_known_by_less_than_all_of_it() {
        let entry = json!({ "section": "entry", "key": ["ann", 7], "field": "urls", "at": 3 });
        let expected = [&[2][..], &key(), &[0], &3u64.to_be_bytes()].concat();
        assert_eq!(encode_row_key(&schema(), &entry).unwrap(), (Section::Entry, expected));
        let timer = json!({ "section": "event-timer", "key": ["ann", 7], "at": -5, "number": 9 });
        let expected = [&(-5i64).to_be_bytes()[..], &9u64.to_be_bytes(), &key()].concat();
        assert_eq!(encode_row_key(&schema(), &timer).unwrap(), (Section::EventTimer, expected));
        let error = encode_row_key(&schema(), &json!({ "section": "event-timer", "key": ["ann", 7] }));
        assert!(error.unwrap_err().to_string().contains("at: this EventTime is missing"));
    }

    #[test]
    fn the_key_of_a_row_is_found_in_every_section() {
        let entry = [&[2][..], &key(), &[0], &3u64.to_be_bytes()].concat();
        let timer = [&[7; 16][..], &key()].concat();
        let state = schema().state;
        for (section, row) in [(Section::State, key()), (Section::Entry, entry), (Section::EventTimer, timer)]
        {
            assert_eq!(key_of(&state, section, &row), Some(&key()[..]));
            assert_eq!(key_of(&state, section, &row[..3]), None);
        }
    }

    #[test]
    fn the_group_of_a_key_is_that_of_its_type() {
        #[track_caller]
        fn same<K: Key>(key: &K) {
            let state = StateSchema { name: String::new(), version: 1, key: K::schema(), fields: Vec::new() };
            let mut bytes = Vec::new();
            key.encode(&mut bytes);
            let max = MaxParallelism::new(32_768).unwrap();
            assert_eq!(key_group(&state, &bytes, max), key.hash().group(max));
        }
        same(&"ann".to_string());
        same(&("ann".to_string(), 7u8));
        same(&Some("ann".to_string()));
        same(&-7i64);
        same(&[1u8, 2, 3]);
        same(&'x');
        same(&EventTime::from_millis(5));
    }

    #[test]
    fn a_key_is_read_as_a_person_writes_it() {
        let bytes = |key: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = Vec::new();
            key(&mut bytes);
            bytes
        };
        let text = |text: &str| bytes(&|bytes| text.to_string().encode(bytes));
        assert_eq!(encode_key(&String::schema(), "ann").unwrap(), text("ann"));
        assert_eq!(encode_key(&String::schema(), "7").unwrap(), text("7"));
        assert_eq!(encode_key(&String::schema(), "\"7\"").unwrap(), text("7"));
        assert_eq!(encode_key(&u64::schema(), "7").unwrap(), 7u64.to_be_bytes());
        assert_eq!(encode_key(&schema().state.key, "[\"ann\", 7]").unwrap(), key());
        let error = encode_key(&u8::schema(), "256").unwrap_err();
        assert_eq!(error.to_string(), "this is no key of the state: 256 is no u8");
    }
}
