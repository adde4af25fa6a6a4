//! What a snapshot records about the types in it, so that a restore can say precisely what changed, and carry what can be.
//!
//! A schema is faithful to the bytes: whoever has the one can walk the other, field by field, without knowing the types. What
//! only the program knows (what a field was called before, where a new one begins) stands in its schema, too, and is not
//! written down.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::record::Either;
use crate::state::{Data, Ttl};

/// A type's shape on disk. It prints itself the way the type is written in Rust.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Schema {
    /// A type that has no parts: `u64`, `String`, `EventTime`.
    Scalar(String),
    /// A generic container and what is in it: `Option<u64>`, `Vec<String>`, `BTreeMap<u64, String>`.
    Generic(String, Vec<Schema>),
    /// A tuple.
    Tuple(Vec<Schema>),
    /// A fixed number of equal parts.
    Array(Box<Schema>, usize),
    /// A struct; a tuple struct's fields are named `0`, `1`, ...
    Struct(String, Vec<Field>),
    /// An enum: its variants in order.
    Enum(String, Vec<Variant>),
    /// A type that serde can carry but whose parts Tidegate does not know (`#[state(opaque)]`): its bytes, and before them
    /// how many they are.
    Opaque(String),
}

/// A named part of a struct, a variant or a state.
///
/// Fields are equal if a snapshot would record the same of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Field {
    /// The field's name.
    pub name: String,
    /// Its type.
    pub schema: Schema,
    /// How long its values are kept, if not for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Ttl>,
    /// The names that it had before; known to the program only.
    #[serde(skip)]
    pub was: Vec<String>,
    /// Its type's default, encoded; known to the program only, and of types that have one.
    #[serde(skip)]
    pub default: Option<fn() -> Option<Vec<u8>>>,
}

impl Field {
    /// A field called `name` of the shape `schema`.
    pub fn new(name: &str, schema: Schema) -> Field {
        Field { name: name.to_string(), schema, ttl: None, was: Vec::new(), default: None }
    }

    /// A field called `name` with the shape of `T`.
    pub fn of<T: Describe + ?Sized>(name: &str) -> Field {
        Field::new(name, T::schema())
    }

    /// The field, whose values expire.
    #[must_use]
    pub fn expiring(self, ttl: Ttl) -> Field {
        Field { ttl: Some(ttl), ..self }
    }

    /// A field whose type only serde knows; `type_name` stands for it.
    pub fn opaque(name: &str, type_name: &str) -> Field {
        Field::new(name, Schema::Opaque(type_name.to_string()))
    }

    /// The field, which had these names before.
    #[must_use]
    pub fn was(mut self, names: &[&str]) -> Field {
        self.was = names.iter().map(|name| name.to_string()).collect();
        self
    }

    /// The field, whose type has this default.
    #[must_use]
    pub fn begins(mut self, default: Option<fn() -> Option<Vec<u8>>>) -> Field {
        self.default = default;
        self
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Field) -> bool {
        self.name == other.name && self.schema == other.schema && self.ttl == other.ttl
    }
}

impl Eq for Field {}

/// A variant of an enum. Variants are equal if a snapshot would record the same of them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Variant {
    /// The variant's name.
    pub name: String,
    /// Its fields; those of a tuple variant are named `0`, `1`, ...
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// The names that it had before; known to the program only.
    #[serde(skip)]
    pub was: Vec<String>,
}

impl Variant {
    /// A variant called `name` with these fields.
    pub fn new(name: &str, fields: Vec<Field>) -> Variant {
        Variant { name: name.to_string(), fields, was: Vec::new() }
    }

    /// The variant, which had these names before.
    #[must_use]
    pub fn was(mut self, names: &[&str]) -> Variant {
        self.was = names.iter().map(|name| name.to_string()).collect();
        self
    }
}

impl PartialEq for Variant {
    fn eq(&self, other: &Variant) -> bool {
        self.name == other.name && self.fields == other.fields
    }
}

impl Eq for Variant {}

/// The schema of a keyed state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateSchema {
    /// The name of the state's struct.
    pub name: String,
    /// The version that its author gave it; 1 if none.
    #[serde(default = "first_version", skip_serializing_if = "is_first_version")]
    pub version: u32,
    /// The type of its key.
    pub key: Schema,
    /// Its fields in order of declaration, which is their order in the bytes of a row.
    pub fields: Vec<Field>,
}

fn first_version() -> u32 {
    1
}

fn is_first_version(version: &u32) -> bool {
    *version == first_version()
}

/// A type that can say what shape it has on disk.
///
/// Implemented for the types of the standard library that serde carries; `#[event]`, `#[key]` and `#[state]` implement it,
/// with [`Data`], for your own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be kept in state: its shape on disk is not known",
    label = "not describable",
    note = "mark the type `#[event]`; for a type of another crate that serde can carry, put `#[state(opaque)]` on the field"
)]
pub trait Describe {
    /// The shape of the type.
    fn schema() -> Schema;
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Schema::Scalar(name) | Schema::Opaque(name) | Schema::Struct(name, _) | Schema::Enum(name, _) => {
                f.write_str(name)
            }
            Schema::Generic(name, parts) => {
                write!(f, "{name}<")?;
                comma_separated(f, parts)?;
                f.write_str(">")
            }
            Schema::Tuple(parts) => {
                f.write_str("(")?;
                comma_separated(f, parts)?;
                f.write_str(")")
            }
            Schema::Array(part, length) => write!(f, "[{part}; {length}]"),
        }
    }
}

fn comma_separated(f: &mut fmt::Formatter<'_>, parts: &[Schema]) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{part}")?;
    }
    Ok(())
}

macro_rules! scalars {
    ($($scalar:ty => $name:literal),* $(,)?) => {$(
        impl Describe for $scalar {
            fn schema() -> Schema {
                Schema::Scalar($name.to_string())
            }
        }

        impl Data for $scalar {}
    )*};
}

scalars! {
    bool => "bool", char => "char", String => "String", () => "()",
    u8 => "u8", u16 => "u16", u32 => "u32", u64 => "u64", u128 => "u128", usize => "usize",
    i8 => "i8", i16 => "i16", i32 => "i32", i64 => "i64", i128 => "i128", isize => "isize",
    f32 => "f32", f64 => "f64",
    Duration => "Duration", crate::time::EventTime => "EventTime",
    std::net::IpAddr => "IpAddr", std::net::Ipv4Addr => "Ipv4Addr", std::net::Ipv6Addr => "Ipv6Addr",
}

impl Describe for str {
    fn schema() -> Schema {
        String::schema()
    }
}

macro_rules! containers {
    ($($container:ident<$($part:ident $(: $bound:ident)?),+>),* $(,)?) => {$(
        impl<$($part: Describe),+> Describe for $container<$($part),+> {
            fn schema() -> Schema {
                Schema::Generic(stringify!($container).to_string(), vec![$($part::schema()),+])
            }
        }

        impl<$($part: Data $(+ $bound)?),+> Data for $container<$($part),+> {}
    )*};
}

containers! { Option<T>, Vec<T>, VecDeque<T>, BTreeSet<T: Ord>, BTreeMap<K: Ord, V> }

impl<T: Describe, S> Describe for HashSet<T, S> {
    fn schema() -> Schema {
        Schema::Generic("HashSet".to_string(), vec![T::schema()])
    }
}

impl<T: Data + Eq + Hash, S: BuildHasher + Default + Send + 'static> Data for HashSet<T, S> {}

impl<K: Describe, V: Describe, S> Describe for HashMap<K, V, S> {
    fn schema() -> Schema {
        Schema::Generic("HashMap".to_string(), vec![K::schema(), V::schema()])
    }
}

impl<K: Data + Eq + Hash, V: Data, S: BuildHasher + Default + Send + 'static> Data for HashMap<K, V, S> {}

/// A box is invisible on disk.
impl<T: Describe + ?Sized> Describe for Box<T> {
    fn schema() -> Schema {
        T::schema()
    }
}

impl<T: Data> Data for Box<T> {}

impl Data for Box<str> {}

impl<T: Describe, const N: usize> Describe for [T; N] {
    fn schema() -> Schema {
        Schema::Array(Box::new(T::schema()), N)
    }
}

/// Of the lengths that serde carries.
impl<T: Data, const N: usize> Data for [T; N] where [T; N]: Serialize + DeserializeOwned {}

impl<L: Data, R: Data> Describe for Either<L, R> {
    fn schema() -> Schema {
        let sides = [("Left", L::schema()), ("Right", R::schema())];
        let side = |(name, schema): (&str, Schema)| Variant::new(name, vec![Field::new("0", schema)]);
        Schema::Enum("Either".to_string(), sides.map(side).into())
    }
}

impl<L: Data, R: Data> Data for Either<L, R> {}

macro_rules! tuples {
    ($(($($part:ident),+))*) => {$(
        impl<$($part: Describe),+> Describe for ($($part,)+) {
            fn schema() -> Schema {
                Schema::Tuple(vec![$($part::schema()),+])
            }
        }

        impl<$($part: Data),+> Data for ($($part,)+) {}
    )*};
}

tuples! { (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E) (A, B, C, D, E, F) }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_prints_itself_as_the_type_is_written() {
        type Deep = BTreeMap<String, (Option<u64>, [Vec<bool>; 3])>;
        assert_eq!(Deep::schema().to_string(), "BTreeMap<String, (Option<u64>, [Vec<bool>; 3])>");
    }

    #[test]
    fn a_schema_survives_the_manifest() {
        let schema = <(Option<u64>, Vec<String>)>::schema();
        let json = serde_json::to_string(&schema).unwrap();
        assert_eq!(serde_json::from_str::<Schema>(&json).unwrap(), schema);
    }
}
