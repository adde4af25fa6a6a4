//! Values as JSON that people can read and change: lossless both ways, or refused.
//!
//! | value                                   | JSON                                                                   |
//! |-----------------------------------------|------------------------------------------------------------------------|
//! | `()`                                    | `null`                                                                 |
//! | `bool`                                  | `true`, `false`                                                        |
//! | whole number                            | a number; a text of digits beyond 2^53, where many readers round       |
//! | `f32`, `f64`                            | a number; `"inf"`, `"-inf"`, `"NaN"`, or `"NaN:7ff8000000000001"` with its bits if it is not the usual NaN |
//! | `char`, `String`                        | a text                                                                 |
//! | `EventTime`                             | RFC 3339; milliseconds, as a whole number, if they are before 1970 or after 9999 |
//! | `Duration`                              | seconds: `"1.5s"`; what is read may also be written `1m 30s`           |
//! | IP address                              | a text                                                                 |
//! | `Option<T>`                             | `null` or `T`; if a `T` can itself be `null`, `null` or `{"some": T}`   |
//! | `Vec<u8>`, `[u8; N]`, opaque            | a text of hexadecimal digits: `"0x1f8b"`                               |
//! | other sequence, tuple, array            | an array                                                               |
//! | map                                     | an object, if every key is a text, whole number, char, `bool`, time, IP address or variant without fields; otherwise an array of pairs |
//! | struct                                  | an object; without names of fields, an array; of one such field, the field |
//! | enum                                    | `"Variant"` without fields, `{"Variant": fields}` with, those as in a struct |
//! | `Map`, `List`, in the row of their state | `{"entries": 3, "may_have_gone": false}`, of a list also its `"first"` index |
//! | `Value`, `Reducing`, `Aggregating`      | `null`, or `{"refreshed": time, "value": T}`                           |
//!
//! What is read must have every field and no other, so that a slip of the pen is no loss. The pairs of a map come back in
//! the order of their keys.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::json_scalar::{bytes, hex, scalar_from_json, scalar_to_json, unhex, unsigned};
use super::shape::{Entries, Scalar, Sequence, Shape};
use super::value::{Value, fits_unsigned};
use crate::state::{Field, Schema};
use crate::time::EventTime;

/// Why a value can't be written as JSON or read from it: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misfit {
    path: String,
    what: String,
}

impl Misfit {
    fn new(what: impl Into<String>) -> Misfit {
        Misfit { path: String::new(), what: what.into() }
    }

    fn not(json: &Json, schema: &Schema) -> Misfit {
        Misfit::new(format!("{json} is no {schema}"))
    }

    pub(super) fn within(mut self, part: impl std::fmt::Display) -> Misfit {
        self.path = if self.path.is_empty() { part.to_string() } else { format!("{part}.{}", self.path) };
        self
    }
}

impl std::fmt::Display for Misfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.what),
            path => write!(f, "{path}: {}", self.what),
        }
    }
}

impl std::error::Error for Misfit {}

/// Writes `value`, which is of `schema`.
///
/// # Errors
/// If it is not, or is of a type whose bytes are not known.
pub fn to_json(schema: &Schema, value: &Value) -> Result<Json, Misfit> {
    Ok(match (Shape::of(schema), value) {
        (Shape::Scalar(scalar), value) => {
            scalar_to_json(scalar, value).ok_or_else(|| Misfit::new(format!("{value:?} is no {schema}")))?
        }
        (Shape::Option(_), Value::Option(None)) => Json::Null,
        (Shape::Option(part), Value::Option(Some(value))) => match can_be_null(part) {
            true => Json::Object(Map::from_iter([("some".to_string(), to_json(part, value)?)])),
            false => to_json(part, value)?,
        },
        (Shape::Sequence(Sequence::List, part) | Shape::Array(part, _), Value::List(values))
            if is_byte(part) =>
        {
            let byte = |value: &Value| match value {
                Value::Unsigned(byte) => Some(*byte as u8),
                _ => None,
            };
            let bytes: Option<Vec<u8>> = values.iter().map(byte).collect();
            Json::String(hex(&bytes.ok_or_else(|| Misfit::new("not a sequence of bytes"))?))
        }
        (Shape::Sequence(_, part) | Shape::Array(part, _), Value::List(values)) => {
            let each = |(place, value)| to_json(part, value).map_err(|misfit| misfit.within(place));
            Json::Array(values.iter().enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Map(key_schema, value_schema), Value::Map(pairs)) if is_text_key(key_schema) => {
            let mut object = Map::new();
            for (key, value) in pairs {
                let key = match to_json(key_schema, key)? {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                let value = to_json(value_schema, value).map_err(|misfit| misfit.within(&key))?;
                if object.insert(key.clone(), value).is_some() {
                    return Err(Misfit::new("a map has this key twice").within(key));
                }
            }
            Json::Object(object)
        }
        (Shape::Map(key_schema, value_schema), Value::Map(pairs)) => {
            let each = |(place, (key, value)): (usize, &(Value, Value))| {
                let pair = to_json(key_schema, key).and_then(|key| Ok([key, to_json(value_schema, value)?]));
                pair.map(|pair| Json::Array(pair.into())).map_err(|misfit| misfit.within(place))
            };
            Json::Array(pairs.iter().enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Tuple(parts), Value::List(values)) if parts.len() == values.len() => {
            let each = |(place, (part, value))| to_json(part, value).map_err(|misfit| misfit.within(place));
            Json::Array(parts.iter().zip(values).enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Struct(fields), Value::List(values)) => fields_to_json(fields, values)?,
        (Shape::Enum(variants), Value::Variant(place, values)) => {
            let variant = variants
                .get(*place as usize)
                .ok_or_else(|| Misfit::new(format!("{schema} has no variant {place}")))?;
            match &variant.fields[..] {
                [] => Json::String(variant.name.clone()),
                fields => {
                    let fields =
                        fields_to_json(fields, values).map_err(|misfit| misfit.within(&variant.name))?;
                    Json::Object(Map::from_iter([(variant.name.clone(), fields)]))
                }
            }
        }
        (Shape::Opaque(_), Value::Opaque(bytes)) => Json::String(hex(bytes)),
        (Shape::Entries(entries), Value::List(numbers)) => entries_to_json(entries, numbers)
            .ok_or_else(|| Misfit::new(format!("{value:?} is no {schema}")))?,
        (Shape::Held(_), Value::Option(None)) => Json::Null,
        (Shape::Held(part), Value::Option(Some(held))) => match &**held {
            Value::List(held) => fields_to_json(&held_fields(part), held)?,
            _ => return Err(Misfit::new(format!("{value:?} is no {schema}"))),
        },
        (Shape::Unknown, _) => return Err(Misfit::new(format!("the bytes of a {schema} are not known"))),
        _ => return Err(Misfit::new(format!("{value:?} is no {schema}"))),
    })
}

/// Writes the values of `fields` as a struct is written.
pub(super) fn fields_to_json(fields: &[Field], values: &[Value]) -> Result<Json, Misfit> {
    if fields.len() != values.len() {
        return Err(Misfit::new(format!("{} fields have {} values", fields.len(), values.len())));
    }
    let each = |(field, value): (&Field, &Value)| {
        to_json(&field.schema, value).map_err(|misfit| misfit.within(&field.name))
    };
    let values = fields.iter().zip(values).map(each).collect::<Result<Vec<_>, _>>()?;
    Ok(match Style::of(fields) {
        Style::One => values.into_iter().next().unwrap_or_default(),
        Style::Places => Json::Array(values),
        Style::Names => Json::Object(fields.iter().map(|field| field.name.clone()).zip(values).collect()),
    })
}

/// What a value that was refreshed is written as.
fn held_fields(part: &Schema) -> [Field; 2] {
    [Field::of::<EventTime>("refreshed"), Field::new("value", part.clone())]
}

fn entries_to_json(entries: Entries<'_>, numbers: &[Value]) -> Option<Json> {
    let number = |number: &Value| match number {
        Value::Unsigned(number) => Some(*number),
        _ => None,
    };
    let numbers: Vec<u128> = numbers.iter().map(number).collect::<Option<_>>()?;
    let mut object = Map::new();
    let count = match (entries, &numbers[..]) {
        (Entries::Map(..), [count]) => *count,
        (Entries::List(_), [first, count]) => {
            object.insert("first".to_string(), scalar_to_json(Scalar::Size, &Value::Unsigned(*first))?);
            *count
        }
        _ => return None,
    };
    object.insert("entries".to_string(), scalar_to_json(Scalar::Size, &Value::Unsigned(count >> 1))?);
    object.insert("may_have_gone".to_string(), Json::Bool(count & 1 == 1));
    Some(Json::Object(object))
}

fn entries_from_json(entries: Entries<'_>, json: &Json) -> Option<Value> {
    let object = json.as_object().filter(|object| object.len() == entries.numbers() + 1)?;
    let count = unsigned(object.get("entries")?).filter(|count| fits_unsigned(*count, 63))?;
    let count = Value::Unsigned(count << 1 | u128::from(object.get("may_have_gone")?.as_bool()?));
    Some(Value::List(match entries {
        Entries::Map(..) => vec![count],
        Entries::List(_) => vec![scalar_from_json(Scalar::Size, object.get("first")?)?, count],
    }))
}

/// How a struct's fields are written.
enum Style {
    /// The one field that has no name.
    One,
    /// Without names.
    Places,
    /// By name.
    Names,
}

impl Style {
    fn of(fields: &[Field]) -> Style {
        let places = fields.iter().enumerate().all(|(place, field)| field.name == place.to_string());
        match fields.len() {
            1 if places => Style::One,
            2.. if places => Style::Places,
            _ => Style::Names,
        }
    }
}

/// Reads a value of `schema`.
///
/// # Errors
/// If `json` is none.
pub fn from_json(schema: &Schema, json: &Json) -> Result<Value, Misfit> {
    let not = || Misfit::not(json, schema);
    Ok(match (Shape::of(schema), json) {
        (Shape::Scalar(scalar), json) => scalar_from_json(scalar, json).ok_or_else(not)?,
        (Shape::Option(_), Json::Null) => Value::Option(None),
        (Shape::Option(part), json) if can_be_null(part) => {
            match json.as_object().filter(|some| some.len() == 1) {
                Some(some) => {
                    let some = some.get("some").ok_or_else(not)?;
                    Value::Option(Some(Box::new(from_json(part, some)?)))
                }
                None => return Err(not()),
            }
        }
        (Shape::Option(part), json) => Value::Option(Some(Box::new(from_json(part, json)?))),
        (Shape::Sequence(Sequence::List, part), Json::String(text)) if is_byte(part) => {
            Value::List(bytes(text).ok_or_else(not)?)
        }
        (Shape::Array(part, length), Json::String(text)) if is_byte(part) => {
            Value::List(bytes(text).filter(|bytes| bytes.len() == length).ok_or_else(not)?)
        }
        (Shape::Sequence(_, part), Json::Array(values)) => Value::List(each_from_json(part, values)?),
        (Shape::Array(part, length), Json::Array(values)) => match values.len() == length {
            true => Value::List(each_from_json(part, values)?),
            false => return Err(Misfit::new(format!("{} values are no {schema}", values.len()))),
        },
        (Shape::Map(key_schema, value_schema), Json::Object(object)) if is_text_key(key_schema) => {
            let mut pairs = Vec::with_capacity(object.len());
            for (key, value) in object {
                let pair =
                    text_key(key_schema, key).and_then(|key| Ok((key, from_json(value_schema, value)?)));
                pairs.push(pair.map_err(|misfit| misfit.within(key))?);
            }
            pairs.sort_by(|(a, _), (b, _)| a.partial_cmp(b).unwrap_or(Ordering::Equal));
            Value::Map(pairs)
        }
        (Shape::Map(key, value), Json::Array(pairs)) if !is_text_key(key) => {
            let pair = |json: &Json| match json.as_array().map(|pair| &pair[..]) {
                Some([first, second]) => Ok((from_json(key, first)?, from_json(value, second)?)),
                _ => Err(Misfit::new(format!("{json} is no pair of {key} and {value}"))),
            };
            let each = |(place, json)| pair(json).map_err(|misfit| misfit.within(place));
            Value::Map(pairs.iter().enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Tuple(parts), Json::Array(values)) if parts.len() == values.len() => {
            let each = |(place, (part, json))| from_json(part, json).map_err(|misfit| misfit.within(place));
            Value::List(parts.iter().zip(values).enumerate().map(each).collect::<Result<_, _>>()?)
        }
        (Shape::Struct(fields), json) => Value::List(fields_from_json(fields, json)?),
        (Shape::Enum(variants), json) => {
            let (name, fields) = match json {
                Json::String(name) => (name, None),
                Json::Object(object) if object.len() == 1 => {
                    object.iter().next().map(|(name, fields)| (name, Some(fields))).ok_or_else(not)?
                }
                _ => return Err(not()),
            };
            let place = variants.iter().position(|variant| variant.name == *name).ok_or_else(not)?;
            let values = match (&variants[place].fields[..], fields) {
                ([], None) => Vec::new(),
                ([], Some(_)) | (_, None) => return Err(not()),
                (known, Some(json)) => fields_from_json(known, json).map_err(|misfit| misfit.within(name))?,
            };
            Value::Variant(place as u32, values)
        }
        (Shape::Opaque(_), Json::String(text)) => Value::Opaque(unhex(text).ok_or_else(not)?),
        (Shape::Entries(entries), json) => entries_from_json(entries, json).ok_or_else(not)?,
        (Shape::Held(_), Json::Null) => Value::Option(None),
        (Shape::Held(part), json) => {
            Value::Option(Some(Box::new(Value::List(fields_from_json(&held_fields(part), json)?))))
        }
        (Shape::Unknown, _) => return Err(Misfit::new(format!("the bytes of a {schema} are not known"))),
        _ => return Err(not()),
    })
}

fn each_from_json(part: &Schema, values: &[Json]) -> Result<Vec<Value>, Misfit> {
    let each = |(place, json)| from_json(part, json).map_err(|misfit: Misfit| misfit.within(place));
    values.iter().enumerate().map(each).collect()
}

/// Reads the values of `fields` as a struct is written.
pub(super) fn fields_from_json(fields: &[Field], json: &Json) -> Result<Vec<Value>, Misfit> {
    let one =
        |field: &Field, json| from_json(&field.schema, json).map_err(|misfit| misfit.within(&field.name));
    match (Style::of(fields), json) {
        (Style::One, json) => fields.iter().map(|field| from_json(&field.schema, json)).collect(),
        (Style::Places, Json::Array(values)) if values.len() == fields.len() => {
            fields.iter().zip(values).map(|(field, json)| one(field, json)).collect()
        }
        (Style::Names, Json::Object(object)) => {
            if let Some(stray) = object.keys().find(|name| fields.iter().all(|field| field.name != **name)) {
                let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                return Err(Misfit::new(format!("there is no such field; there are {}", known.join(", ")))
                    .within(stray));
            }
            let find = |field: &Field| match object.get(&field.name) {
                Some(json) => one(field, json),
                None => Err(Misfit::new(format!("this {} is missing", field.schema)).within(&field.name)),
            };
            fields.iter().map(find).collect()
        }
        (Style::Places, json) => Err(Misfit::new(format!("{json} is no array of {} fields", fields.len()))),
        (Style::Names, json) => Err(Misfit::new(format!("{json} is no object of fields"))),
    }
}

/// Whether a value of `schema` may be written as `null`.
fn can_be_null(schema: &Schema) -> bool {
    match Shape::of(schema) {
        Shape::Scalar(Scalar::Unit) | Shape::Option(_) | Shape::Held(_) => true,
        Shape::Struct(fields) if matches!(Style::of(fields), Style::One) => can_be_null(&fields[0].schema),
        _ => false,
    }
}

/// Whether different values of `schema` are different texts as the keys of an object.
fn is_text_key(schema: &Schema) -> bool {
    match Shape::of(schema) {
        Shape::Scalar(scalar) => {
            !matches!(scalar, Scalar::Unit | Scalar::F32 | Scalar::F64 | Scalar::Duration | Scalar::Never)
        }
        Shape::Enum(variants) => variants.iter().all(|variant| variant.fields.is_empty()),
        _ => false,
    }
}

/// A value of [such](is_text_key) a schema from its text.
fn text_key(schema: &Schema, text: &str) -> Result<Value, Misfit> {
    match (Shape::of(schema), text) {
        (Shape::Scalar(Scalar::Bool), "true") => Ok(Value::Bool(true)),
        (Shape::Scalar(Scalar::Bool), "false") => Ok(Value::Bool(false)),
        _ => from_json(schema, &Json::String(text.to_string())),
    }
}

fn is_byte(schema: &Schema) -> bool {
    matches!(Shape::of(schema), Shape::Scalar(Scalar::Unsigned(8)))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};
    use std::time::Duration;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::evolution::fixture::{Empty, Everything, Letter, Newtype, everything};
    use crate::evolution::format::RowFormat;
    use crate::evolution::value::{decode, encode};
    use crate::state::{Data, Describe};

    #[track_caller]
    fn written<T: Data>(value: &T) -> Json {
        let bytes = postcard::to_stdvec(value).unwrap();
        to_json(&T::schema(), &decode::<RowFormat>(&T::schema(), &mut &bytes[..]).unwrap()).unwrap()
    }

    fn read<T: Data>(json: &Json) -> Result<T, Misfit> {
        let mut bytes = Vec::new();
        encode::<RowFormat>(&T::schema(), &from_json(&T::schema(), json)?, &mut bytes).unwrap();
        Ok(postcard::from_bytes(&bytes).unwrap())
    }

    /// Through the text, because that is what is kept and changed.
    #[track_caller]
    fn comes_back<T: Data>(value: &T) -> Vec<u8> {
        let text = written(value).to_string();
        let json: Json = serde_json::from_str(&text).unwrap();
        postcard::to_stdvec(&read::<T>(&json).unwrap_or_else(|misfit| panic!("{text}: {misfit}"))).unwrap()
    }

    #[track_caller]
    fn is_written_as<T: Data>(value: T, expected: Json) {
        assert_eq!(written(&value), expected);
        assert_eq!(comes_back(&value), postcard::to_stdvec(&value).unwrap());
    }

    #[track_caller]
    fn is_refused<T: Data + std::fmt::Debug>(json: Json, expected: &str) {
        assert_eq!(read::<T>(&json).unwrap_err().to_string(), expected);
    }

    proptest! {
        #[test]
        fn whatever_is_written_as_json_is_read_back(value in everything()) {
            let bytes = comes_back::<Everything>(&value);
            prop_assert_eq!(postcard::from_bytes::<Everything>(&bytes).unwrap(), value);
        }

        #[test]
        fn every_float_is_read_back_to_the_bit(double in any::<u64>(), single in any::<u32>()) {
            let value = (f64::from_bits(double), f32::from_bits(single));
            prop_assert_eq!(comes_back(&value), postcard::to_stdvec(&value).unwrap());
        }
    }

    #[test]
    fn numbers_that_readers_would_round_are_texts() {
        is_written_as((1u64 << 53) - 1, json!(9_007_199_254_740_991u64));
        is_written_as(1u64 << 53, json!("9007199254740992"));
        is_written_as(-(1i64 << 53), json!("-9007199254740992"));
        is_written_as(u128::MAX, json!("340282366920938463463374607431768211455"));
        assert_eq!(read::<u64>(&json!("7")), Ok(7));
        assert_eq!(read::<i64>(&json!(u64::MAX)).unwrap_err().to_string(), "18446744073709551615 is no i64");
    }

    #[test]
    fn floats_are_short_and_those_that_are_no_numbers_are_texts() {
        is_written_as(0.1f32, json!(0.1));
        is_written_as(-0.0f64, json!(-0.0));
        is_written_as(f64::NAN, json!("NaN"));
        is_written_as(f32::NEG_INFINITY, json!("-inf"));
        is_written_as(f64::from_bits(f64::NAN.to_bits() + 1), json!("NaN:7ff8000000000001"));
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        is_written_as(EventTime::from_millis(1_431_857_103_250), json!("2015-05-17T10:05:03.250Z"));
        is_written_as(EventTime::from_millis(-1), json!(-1));
        is_written_as(EventTime::MIN, json!("-9223372036854775808"));
        is_written_as(Duration::new(90, 50_000_000), json!("90.05s"));
        assert_eq!(read::<Duration>(&json!("1m 30s")), Ok(Duration::from_secs(90)));
        assert_eq!(read(&json!("2015-05-17T10:05:03Z")), Ok(EventTime::from_millis(1_431_857_103_000)));
        is_refused::<EventTime>(
            json!("2015-05-17T10:05:03.2501Z"),
            "\"2015-05-17T10:05:03.2501Z\" is no EventTime",
        );
    }

    #[test]
    fn bytes_are_hexadecimal() {
        is_written_as(vec![0x1fu8, 0x8b], json!("0x1f8b"));
        is_written_as([0u8; 2], json!("0x0000"));
        is_refused::<[u8; 2]>(json!("0x00"), "\"0x00\" is no [u8; 2]");
        is_refused::<Vec<u8>>(json!("0x0"), "\"0x0\" is no Vec<u8>");
    }

    #[test]
    fn none_and_some_none_are_told_apart() {
        is_written_as(None::<Option<u8>>, json!(null));
        is_written_as(Some(None::<u8>), json!({ "some": null }));
        is_written_as(Some(Some(7u8)), json!({ "some": 7 }));
        is_written_as(Some(()), json!({ "some": null }));
        is_written_as(Some(Newtype(None)), json!({ "some": null }));
        is_written_as(Some(7u8), json!(7));
    }

    #[test]
    fn maps_whose_keys_are_texts_are_objects_in_the_order_of_their_keys() {
        is_written_as(BTreeMap::from([(2u64, 'a'), (10, 'b')]), json!({ "2": "a", "10": "b" }));
        is_written_as(BTreeMap::from([(false, 1u8), (true, 2)]), json!({ "false": 1, "true": 2 }));
        is_written_as(BTreeMap::from([((1u8, true), 2u8)]), json!([[[1, true], 2]]));
        is_written_as(
            HashMap::from([(EventTime::from_millis(0), 1u8)]),
            json!({ "1970-01-01T00:00:00.000Z": 1 }),
        );
    }

    #[test]
    fn structs_and_variants_are_written_with_their_names() {
        is_written_as(Letter::A, json!("A"));
        is_written_as(Letter::B(7), json!({ "B": 7 }));
        is_written_as(Letter::C(None, "x".to_string()), json!({ "C": [null, "x"] }));
        let at = EventTime::from_millis(0);
        is_written_as(
            Letter::D { at, letters: ['x', 'y'] },
            json!({ "D": { "at": "1970-01-01T00:00:00.000Z", "letters": ["x", "y"] } }),
        );
        is_written_as(Empty, json!({}));
        is_written_as(Newtype(Some(3)), json!(3));
    }

    #[test]
    fn a_slip_of_the_pen_is_told_with_its_place() {
        let letter = |fields: Json| json!({ "D": fields });
        is_refused::<Letter>(letter(json!({ "at": 0, "letters": ["x", 7] })), "D.letters.1: 7 is no char");
        is_refused::<Letter>(letter(json!({ "at": 0 })), "D.letters: this [char; 2] is missing");
        is_refused::<Letter>(
            letter(json!({ "at": 0, "letters": ["x", "y"], "lettres": 0 })),
            "D.lettres: there is no such field; there are at, letters",
        );
        is_refused::<Letter>(json!("E"), "\"E\" is no Letter");
        is_refused::<Letter>(json!("B"), "\"B\" is no Letter");
        is_refused::<Vec<u16>>(json!([1, 65_536]), "1: 65536 is no u16");
        is_refused::<BTreeMap<u8, u8>>(json!({ "256": 1 }), "256: \"256\" is no u8");
        is_refused::<BTreeMap<u8, u8>>(json!({ "+1": 1 }), "+1: \"+1\" is no u8");
    }

    #[test]
    fn a_field_of_a_kind_of_state_is_told_by_what_its_row_has_of_it() {
        let of = |name: &str, parts: Vec<Schema>| Schema::Generic(name.to_string(), parts);
        let map = of("Map", vec![String::schema(), u64::schema()]);
        let seven = Value::List(vec![Value::Unsigned(7)]);
        assert_eq!(to_json(&map, &seven).unwrap(), json!({ "entries": 3, "may_have_gone": true }));
        assert_eq!(from_json(&map, &to_json(&map, &seven).unwrap()).unwrap(), seven);
        let list = of("List", vec![u64::schema()]);
        let numbers = Value::List(vec![Value::Unsigned(5), Value::Unsigned(4)]);
        let json = to_json(&list, &numbers).unwrap();
        assert_eq!(json, json!({ "first": 5, "entries": 2, "may_have_gone": false }));
        assert_eq!(from_json(&list, &json).unwrap(), numbers);
        let held = of("Value", vec![u8::schema()]);
        let value = Value::Option(Some(Box::new(Value::List(vec![Value::Signed(0), Value::Unsigned(9)]))));
        let json = to_json(&held, &value).unwrap();
        assert_eq!(json, json!({ "refreshed": "1970-01-01T00:00:00.000Z", "value": 9 }));
        assert_eq!(from_json(&held, &json).unwrap(), value);
        assert_eq!(from_json(&held, &Json::Null).unwrap(), Value::Option(None));
    }
}
