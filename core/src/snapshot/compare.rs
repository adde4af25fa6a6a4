//! What changed between the schema in a snapshot and the one in the program: pure, and precise to the field.
//!
//! Rows are decoded by position and type, so every difference counts: another type, another order, another name. Names are
//! the identity of state; a renamed field may be another field.

use std::fmt;

use crate::snapshot::part::OperatorSchema;
use crate::state::{Field, Schema};

/// One thing that is not as it was. Its `Display` goes on from "state .. of operator .. in snapshot ..".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Something has another type, or the state another name.
    Type {
        /// What it is: `field`, `key`, `timer`, `name`.
        part: &'static str,
        /// What the snapshot has.
        was: String,
        /// What the program has.
        is: String,
    },
    /// The program lacks it.
    Removed {
        /// What it is: `field`, `variant`.
        part: &'static str,
        /// What the snapshot has.
        was: String,
    },
    /// The snapshot lacks it.
    Added {
        /// What it is: `field`, `variant`.
        part: &'static str,
        /// What the program has.
        is: String,
    },
    /// The parts are the same, in another order.
    Order {
        /// What they are: `fields`, `variants`.
        parts: &'static str,
        /// In the snapshot.
        was: String,
        /// In the program.
        is: String,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Type { part, was, is } => write!(f, "has {part} \"{was}\", this program has \"{is}\""),
            Change::Removed { part, was } => write!(f, "has {part} \"{was}\", this program has none"),
            Change::Added { part, is } => write!(f, "has no {part} \"{is}\", this program has one"),
            Change::Order { parts, was, is } => {
                write!(f, "has {parts} in order {was}; this program has {is}")
            }
        }
    }
}

/// Everything that changed from `was`, in a snapshot, to `is`, in the program.
pub fn changes(was: &OperatorSchema, is: &OperatorSchema) -> Vec<Change> {
    let mut changes = Vec::new();
    if was.state.name != is.state.name {
        let (was, is) = (was.state.name.clone(), is.state.name.clone());
        changes.push(Change::Type { part: "name", was, is });
    }
    compare_types("key", "key", &was.state.key, &is.state.key, &mut changes);
    compare_fields("", &was.state.fields, &is.state.fields, &mut changes);
    compare_types("timer", "timer", &was.timer, &is.timer, &mut changes);
    changes
}

/// Everything that changed in the type of an operator's records, from `was` to `is`.
pub fn record_changes(was: &Schema, is: &Schema) -> Vec<Change> {
    let mut changes = Vec::new();
    compare_types("record", "record", was, is, &mut changes);
    changes
}

/// `path` is where it is: `open.last`.
fn compare_types(part: &'static str, path: &str, was: &Schema, is: &Schema, changes: &mut Vec<Change>) {
    let mut inside = Vec::new();
    if explain(path, was, is, &mut inside) {
        changes.append(&mut inside);
        return;
    }
    let (was_text, is_text) = match (was.to_string(), is.to_string()) {
        // Types that are written alike and yet differ: say how.
        (was_text, is_text) if was_text == is_text => {
            (format!("{was_text} ({})", form(was)), format!("{is_text} ({})", form(is)))
        }
        texts => texts,
    };
    let located = |text: String| if path == part { text } else { format!("{path}: {text}") };
    changes.push(Change::Type { part, was: located(was_text), is: located(is_text) });
}

/// Whether the two types are the same but for named parts inside of them; puts what changed there into `changes`.
fn explain(path: &str, was: &Schema, is: &Schema, changes: &mut Vec<Change>) -> bool {
    match (was, is) {
        (Schema::Struct(a, was), Schema::Struct(b, is)) if a == b => {
            compare_fields(&format!("{path}."), was, is, changes);
            true
        }
        (Schema::Enum(a, was), Schema::Enum(b, is)) if a == b => {
            compare_variants(path, a, was, is, changes);
            true
        }
        (Schema::Generic(a, was), Schema::Generic(b, is)) if a == b && was.len() == is.len() => {
            was.iter().zip(is).all(|(was, is)| explain(path, was, is, changes))
        }
        (Schema::Tuple(was), Schema::Tuple(is)) if was.len() == is.len() => {
            let mut parts = was.iter().zip(is).enumerate();
            parts.all(|(i, (was, is))| explain(&format!("{path}.{i}"), was, is, changes))
        }
        (Schema::Array(was, n), Schema::Array(is, m)) if n == m => explain(path, was, is, changes),
        _ => was == is,
    }
}

fn compare_fields(prefix: &str, was: &[Field], is: &[Field], changes: &mut Vec<Change>) {
    let text = |field: &Field| format!("{prefix}{}: {}", field.name, field.schema);
    for old in was {
        match is.iter().find(|new| new.name == old.name) {
            Some(new) => {
                let path = format!("{prefix}{}", old.name);
                compare_types("field", &path, &old.schema, &new.schema, changes);
            }
            None => changes.push(Change::Removed { part: "field", was: text(old) }),
        }
    }
    for new in is.iter().filter(|new| was.iter().all(|old| old.name != new.name)) {
        changes.push(Change::Added { part: "field", is: text(new) });
    }
    let names = |fields: &[Field]| fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    compare_order("fields", prefix, &names(was), &names(is), changes);
}

fn compare_variants(
    path: &str,
    name: &str,
    was: &[(String, Vec<Field>)],
    is: &[(String, Vec<Field>)],
    changes: &mut Vec<Change>,
) {
    for (variant, old) in was {
        match is.iter().find(|(new, _)| new == variant) {
            Some((_, new)) => compare_fields(&format!("{path}.{variant}."), old, new, changes),
            None => {
                changes.push(Change::Removed { part: "variant", was: format!("{path}: {name}::{variant}") })
            }
        }
    }
    for (variant, _) in is.iter().filter(|(new, _)| was.iter().all(|(old, _)| old != new)) {
        changes.push(Change::Added { part: "variant", is: format!("{path}: {name}::{variant}") });
    }
    let names =
        |variants: &[(String, Vec<Field>)]| variants.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    compare_order("variants", &format!("{path}."), &names(was), &names(is), changes);
}

/// Parts that were added or removed are told already; the others must follow one another as they did.
fn compare_order(
    parts: &'static str,
    prefix: &str,
    was: &[String],
    is: &[String],
    changes: &mut Vec<Change>,
) {
    let common = |names: &[String], others: &[String]| {
        names
            .iter()
            .filter(|name| others.contains(name))
            .map(|name| format!("{prefix}{name}"))
            .collect::<Vec<_>>()
    };
    let (was, is) = (common(was, is), common(is, was));
    if was != is {
        changes.push(Change::Order { parts, was: was.join(", "), is: is.join(", ") });
    }
}

fn form(schema: &Schema) -> &'static str {
    match schema {
        Schema::Struct(..) => "a struct",
        Schema::Enum(..) => "an enum",
        Schema::Opaque(_) => "opaque",
        _ => "a type of the standard library",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Describe, StateSchema};

    fn field(name: &str, schema: Schema) -> Field {
        Field { name: name.to_string(), schema }
    }

    fn schema(fields: Vec<Field>) -> OperatorSchema {
        OperatorSchema {
            state: StateSchema { name: "Account".to_string(), key: u64::schema(), fields },
            timer: <()>::schema(),
        }
    }

    fn visit(last: Schema) -> Schema {
        Schema::Struct("Visit".to_string(), vec![field("first", u64::schema()), field("last", last)])
    }

    fn status(variants: &[(&str, Vec<Field>)]) -> Schema {
        let variants = variants.iter().map(|(name, fields)| (name.to_string(), fields.clone())).collect();
        Schema::Enum("Status".to_string(), variants)
    }

    #[track_caller]
    fn assert_told(was: &OperatorSchema, is: &OperatorSchema, expected: &[&str]) {
        let told: Vec<String> = changes(was, is).iter().map(Change::to_string).collect();
        assert_eq!(told, expected);
    }

    #[track_caller]
    fn assert_fields_told(was: Vec<Field>, is: Vec<Field>, expected: &[&str]) {
        assert_told(&schema(was), &schema(is), expected);
    }

    #[test]
    fn equal_schemas_have_no_changes() {
        let fields = vec![field("open", visit(u64::schema())), field("status", status(&[("Idle", vec![])]))];
        assert_fields_told(fields.clone(), fields, &[]);
    }

    #[test]
    fn a_field_of_another_type_is_told_with_both_types() {
        assert_fields_told(
            vec![Field::of::<bool>("flag")],
            vec![Field::of::<u8>("flag")],
            &["has field \"flag: bool\", this program has \"flag: u8\""],
        );
    }

    #[test]
    fn added_and_removed_fields_are_told() {
        assert_fields_told(
            vec![Field::of::<bool>("flag"), Field::of::<u8>("kept")],
            vec![Field::of::<u8>("kept"), Field::of::<String>("name")],
            &[
                "has field \"flag: bool\", this program has none",
                "has no field \"name: String\", this program has one",
            ],
        );
    }

    #[test]
    fn a_change_of_order_is_a_change_because_rows_are_decoded_by_position() {
        assert_fields_told(
            vec![Field::of::<u8>("a"), Field::of::<u8>("b")],
            vec![Field::of::<u8>("b"), Field::of::<u8>("a")],
            &["has fields in order a, b; this program has b, a"],
        );
    }

    #[test]
    fn a_change_inside_a_struct_is_told_by_its_path_through_containers_too() {
        for around in [
            |inner| inner,
            |inner| Schema::Generic("Option".to_string(), vec![inner]),
            |inner| Schema::Array(Box::new(inner), 3),
        ] {
            assert_fields_told(
                vec![field("open", around(visit(u64::schema())))],
                vec![field("open", around(visit(u32::schema())))],
                &["has field \"open.last: u64\", this program has \"open.last: u32\""],
            );
        }
    }

    #[test]
    fn a_change_inside_a_tuple_is_told_by_its_place() {
        let pair = |last| Schema::Tuple(vec![u8::schema(), visit(last)]);
        assert_fields_told(
            vec![field("pair", pair(u64::schema()))],
            vec![field("pair", pair(u32::schema()))],
            &["has field \"pair.1.last: u64\", this program has \"pair.1.last: u32\""],
        );
    }

    #[test]
    fn a_container_of_another_scalar_is_told_as_a_whole() {
        assert_fields_told(
            vec![Field::of::<(u8, Option<u64>)>("pair")],
            vec![Field::of::<(u8, Option<u32>)>("pair")],
            &["has field \"pair: (u8, Option<u64>)\", this program has \"pair: (u8, Option<u32>)\""],
        );
    }

    #[test]
    fn variants_are_compared_with_their_order_and_fields() {
        let at = |schema| vec![field("at", schema)];
        assert_fields_told(
            vec![field("status", status(&[("Idle", vec![]), ("Open", at(u64::schema())), ("Lost", vec![])]))],
            vec![field("status", status(&[("Open", at(u32::schema())), ("Idle", vec![]), ("Done", vec![])]))],
            &[
                "has field \"status.Open.at: u64\", this program has \"status.Open.at: u32\"",
                "has variant \"status: Status::Lost\", this program has none",
                "has no variant \"status: Status::Done\", this program has one",
                "has variants in order status.Idle, status.Open; this program has status.Open, status.Idle",
            ],
        );
    }

    #[test]
    fn name_key_and_timer_are_compared() {
        let was = schema(vec![]);
        let mut is = was.clone();
        is.state.name = "Balance".to_string();
        is.state.key = String::schema();
        is.timer = bool::schema();
        assert_told(
            &was,
            &is,
            &[
                "has name \"Account\", this program has \"Balance\"",
                "has key \"u64\", this program has \"String\"",
                "has timer \"()\", this program has \"bool\"",
            ],
        );
    }

    #[test]
    fn types_that_are_written_alike_are_told_apart_by_their_form() {
        assert_fields_told(
            vec![field("open", visit(u64::schema()))],
            vec![Field::opaque("open", "Visit")],
            &["has field \"open: Visit (a struct)\", this program has \"open: Visit (opaque)\""],
        );
    }
}
