//! What a schema says of the bytes: the names in a schema are for people, a shape is what a walker of bytes acts on.
//!
//! | schema                                          | bytes in a row ([postcard's](https://postcard.jamesmunns.com/wire-format)) |
//! |-------------------------------------------------|---------------------------------------------------------------|
//! | `()`                                            | none                                                          |
//! | `bool`                                          | one: 0 or 1                                                   |
//! | `u8`, `i8`                                      | one                                                           |
//! | `u16` to `u128`, `usize` (as `u64`)             | LEB128                                                        |
//! | `i16` to `i128`, `isize` (as `i64`), `EventTime` | LEB128 of the zigzag                                          |
//! | `f32`, `f64`                                    | 4 or 8, little-endian                                         |
//! | `char`, `String`                                | length, UTF-8                                                 |
//! | `Duration`                                      | seconds as `u64`, nanoseconds as `u32`                        |
//! | `Ipv4Addr`, `Ipv6Addr`                          | 4 or 16                                                       |
//! | `IpAddr`                                        | an enum of the two                                            |
//! | `Option<T>`                                     | 0, or 1 and `T`                                               |
//! | `Vec<T>`, `VecDeque<T>`, `BTreeSet<T>`, `HashSet<T>`, `DealtList<T>`, `UnionList<T>` | length, every `T`        |
//! | `BTreeMap<K, V>`, `HashMap<K, V>`               | length, every `K` and its `V`                                 |
//! | tuple, array, struct                            | every part                                                    |
//! | enum                                            | place of the variant as `u32`, its fields                     |
//! | opaque                                          | length, bytes                                                 |
//! | `Map<K, V>`                                     | a `u64` about its entries, which are rows of their own         |
//! | `List<T>`                                       | two of them                                                   |
//! | `Value<T>`, `Reducing<T>`, `Aggregating<T>`     | `Option<(EventTime, T)>`: when it was refreshed, and the value |
//!
//! The bytes of keys are those of [`Key`](crate::key::Key); see [`format`](super::format).

use crate::state::{Field, Schema, Variant};

/// What lies in the bytes.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// A value without parts.
    Scalar(Scalar),
    /// Nothing, or a value.
    Option(&'a Schema),
    /// Any number of values.
    Sequence(Sequence, &'a Schema),
    /// Any number of pairs, no two with the same first part.
    Map(&'a Schema, &'a Schema),
    /// Values of several types, one after another.
    Tuple(&'a [Schema]),
    /// This many values.
    Array(&'a Schema, usize),
    /// The fields, one after another.
    Struct(&'a [Field]),
    /// One of the variants.
    Enum(&'a [Variant]),
    /// Bytes that only the type itself understands.
    Opaque(&'a str),
    /// A field whose entries are rows of their own.
    Entries(Entries<'a>),
    /// A field of a state whose value knows when it was refreshed.
    Held(&'a Schema),
    /// A type whose bytes are not known: it describes itself by a name that is none of ours.
    Unknown,
}

/// A field whose entries are rows of their own.
#[derive(Clone, Copy, Debug)]
pub enum Entries<'a> {
    /// `Map`: its row has the number of entries times 2, plus 1 if some may have gone since.
    Map(&'a Schema, &'a Schema),
    /// `List`: its row has the index of the first entry, and then what that of a map has.
    List(&'a Schema),
}

/// Whether a sequence keeps equal values apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// `Vec`, `VecDeque`, `DealtList`, `UnionList`
    List,
    /// `BTreeSet`, `HashSet`
    Set,
}

/// A value without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// `()`
    Unit,
    /// `bool`
    Bool,
    /// `char`
    Char,
    /// `String`
    Text,
    /// `u8` .. `u128`, with this number of bits.
    Unsigned(u32),
    /// `i8` .. `i128`, with this number of bits.
    Signed(u32),
    /// `usize`: as `u64`
    Size,
    /// `isize`: as `i64`
    SignedSize,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `EventTime`: milliseconds as `i64`
    Time,
    /// `Duration`
    Duration,
    /// `Ipv4Addr`
    Ipv4,
    /// `Ipv6Addr`
    Ipv6,
    /// `IpAddr`
    Ip,
    /// A type without values.
    Never,
}

impl Scalar {
    /// The type of that name.
    pub fn named(name: &str) -> Option<Scalar> {
        Some(match name {
            "()" => Scalar::Unit,
            "bool" => Scalar::Bool,
            "char" => Scalar::Char,
            "String" => Scalar::Text,
            "u8" => Scalar::Unsigned(8),
            "u16" => Scalar::Unsigned(16),
            "u32" => Scalar::Unsigned(32),
            "u64" => Scalar::Unsigned(64),
            "u128" => Scalar::Unsigned(128),
            "i8" => Scalar::Signed(8),
            "i16" => Scalar::Signed(16),
            "i32" => Scalar::Signed(32),
            "i64" => Scalar::Signed(64),
            "i128" => Scalar::Signed(128),
            "usize" => Scalar::Size,
            "isize" => Scalar::SignedSize,
            "f32" => Scalar::F32,
            "f64" => Scalar::F64,
            "EventTime" => Scalar::Time,
            "Duration" => Scalar::Duration,
            "Ipv4Addr" => Scalar::Ipv4,
            "Ipv6Addr" => Scalar::Ipv6,
            "IpAddr" => Scalar::Ip,
            "Never" => Scalar::Never,
            _ => return None,
        })
    }
}

impl<'a> Shape<'a> {
    /// The shape of what `schema` describes.
    pub fn of(schema: &'a Schema) -> Shape<'a> {
        match schema {
            Schema::Scalar(name) => Scalar::named(name).map_or(Shape::Unknown, Shape::Scalar),
            Schema::Generic(name, parts) => match (name.as_str(), &parts[..]) {
                ("Option", [part]) => Shape::Option(part),
                ("Vec" | "VecDeque" | "DealtList" | "UnionList", [part]) => {
                    Shape::Sequence(Sequence::List, part)
                }
                ("BTreeSet" | "HashSet", [part]) => Shape::Sequence(Sequence::Set, part),
                ("BTreeMap" | "HashMap", [key, value]) => Shape::Map(key, value),
                ("Map", [key, value]) => Shape::Entries(Entries::Map(key, value)),
                ("List", [part]) => Shape::Entries(Entries::List(part)),
                ("Value" | "Reducing" | "Aggregating", [part]) => Shape::Held(part),
                _ => Shape::Unknown,
            },
            Schema::Tuple(parts) => Shape::Tuple(parts),
            Schema::Array(part, length) => Shape::Array(part, *length),
            Schema::Struct(_, fields) => Shape::Struct(fields),
            Schema::Enum(_, variants) => Shape::Enum(variants),
            Schema::Opaque(name) => Shape::Opaque(name),
        }
    }
}

impl Entries<'_> {
    /// How many numbers its row has of it.
    pub fn numbers(self) -> usize {
        match self {
            Entries::Map(..) => 1,
            Entries::List(_) => 2,
        }
    }
}

/// The fields of a state that are more than their bytes in its row, in order of declaration: entries know their field by its
/// place among these.
pub fn managed(fields: &[Field]) -> impl Iterator<Item = (usize, &Field)> {
    let is_managed = |schema| matches!(Shape::of(schema), Shape::Entries(_) | Shape::Held(_));
    fields.iter().enumerate().filter(move |(_, field)| is_managed(&field.schema))
}
