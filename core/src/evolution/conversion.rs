//! How the bytes of a value become those of a changed type: worked out once, followed for every row.
//!
//! What enters are bytes of the old schema in one of the two [formats](super::format); what leaves are bytes of the new one
//! in the same format. A conversion never fails on bytes that are of the old schema.

use super::format::{Format, take_array};
use super::shape::{Scalar, Shape};
use super::value::{Value, decode, encode, skip};
use crate::state::Schema;
use crate::time::EventTime;

/// What becomes of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Conversion {
    /// Its bytes stay.
    Copy(Schema),
    /// A number gets a type that has room for more.
    Widen(Schema, Schema),
    /// It was always there, and is now one that may be.
    Some(Box<Conversion>),
    /// What may be there is converted if it is.
    Option(Box<Conversion>),
    /// Every value of a sequence is converted.
    Sequence(Box<Conversion>),
    /// Every pair of a map is converted.
    Map(Box<Conversion>, Box<Conversion>),
    /// Every part of a tuple is converted.
    Tuple(Vec<Conversion>),
    /// Every value of an array is converted.
    Array(Box<Conversion>, usize),
    /// The fields of a struct are put together anew.
    Struct(Fields),
    /// Every variant, by its old place, gets a new place and its fields.
    Enum(Vec<(u32, Fields)>),
    /// The value that was refreshed is converted.
    Held(Refreshed, Box<Conversion>),
    /// The bytes of the row stay; the entries, in rows of their own, are converted: subkeys and values.
    Entries(Schema, Refreshed, Box<Conversion>, Box<Conversion>),
}

/// When a value counts as refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refreshed {
    /// When it was.
    AsItWas,
    /// At this time, whatever it was by another clock or none.
    At(EventTime),
}

impl Refreshed {
    /// Takes the time from the front of `bytes` and appends the one that counts.
    pub fn apply<F: Format>(self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
        let was = F::take_signed(64, bytes)?;
        let is = match self {
            Refreshed::AsItWas => was,
            Refreshed::At(time) => time.as_millis().into(),
        };
        F::put_signed(64, is, out);
        Some(())
    }
}

/// How the fields of a struct or variant are put together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fields {
    /// The old fields.
    pub was: Vec<Schema>,
    /// Where each new field comes from.
    pub is: Vec<Origin>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Origin {
    /// From the old field at this place.
    Field(usize, Conversion),
    /// From the program: it is new.
    Default(Schema, Value),
}

impl Conversion {
    /// Whether nothing changes.
    pub fn is_copy(&self) -> bool {
        matches!(self, Conversion::Copy(_))
    }

    /// A type whose bytes have to be taken apart and are not known. What stays as a whole is not taken apart.
    pub fn unknown(&self) -> Option<&Schema> {
        match self {
            Conversion::Copy(_) | Conversion::Widen(..) => None,
            Conversion::Some(part)
            | Conversion::Option(part)
            | Conversion::Sequence(part)
            | Conversion::Array(part, _)
            | Conversion::Held(_, part) => part.unknown_inside(),
            Conversion::Map(key, value) => key.unknown_inside().or_else(|| value.unknown_inside()),
            Conversion::Tuple(parts) => parts.iter().find_map(Conversion::unknown_inside),
            Conversion::Struct(fields) => fields.unknown(),
            Conversion::Enum(variants) => variants.iter().find_map(|(_, fields)| fields.unknown_inside()),
            // Those of entries are asked for by themselves.
            Conversion::Entries(..) => None,
        }
    }

    /// The same where the end of the bytes has to be found, also if they stay.
    fn unknown_inside(&self) -> Option<&Schema> {
        match self {
            Conversion::Copy(schema) => unknown_in(schema),
            other => other.unknown(),
        }
    }

    /// Takes a value of the old schema, which is `was`, from the front of `bytes` and appends it to `out` as one of the new.
    /// `None` if what is there is not of the old schema.
    pub fn apply<F: Format>(&self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
        match self {
            Conversion::Copy(schema) => Conversion::copy::<F>(schema, bytes, out),
            Conversion::Widen(was, is) => {
                let value = match (decode::<F>(was, bytes)?, is_signed(is)) {
                    (Value::Unsigned(number), true) => Value::Signed(i128::try_from(number).ok()?),
                    (Value::F32(number), _) => Value::F64(number.into()),
                    (value, _) => value,
                };
                encode::<F>(is, &value, out)
            }
            Conversion::Some(part) => {
                out.push(1);
                part.apply::<F>(bytes, out)
            }
            Conversion::Option(part) => {
                let [tag] = take_array(bytes)?;
                out.push(tag);
                match tag {
                    0 => Some(()),
                    1 => part.apply::<F>(bytes, out),
                    _ => None,
                }
            }
            Conversion::Sequence(part) => {
                let length = F::take_length(bytes)?;
                F::put_length(length, out);
                (0..length).try_for_each(|_| part.apply::<F>(bytes, out))
            }
            Conversion::Map(key, value) => {
                let length = F::take_length(bytes)?;
                F::put_length(length, out);
                (0..length).try_for_each(|_| {
                    key.apply::<F>(bytes, out)?;
                    value.apply::<F>(bytes, out)
                })
            }
            Conversion::Tuple(parts) => parts.iter().try_for_each(|part| part.apply::<F>(bytes, out)),
            Conversion::Array(part, length) => (0..*length).try_for_each(|_| part.apply::<F>(bytes, out)),
            Conversion::Struct(fields) => fields.apply::<F>(bytes, out),
            Conversion::Enum(variants) => {
                let (place, fields) = variants.get(F::take_unsigned(32, bytes)? as usize)?;
                F::put_unsigned(32, u128::from(*place), out);
                fields.apply::<F>(bytes, out)
            }
            Conversion::Held(refreshed, part) => {
                let [tag] = take_array(bytes)?;
                out.push(tag);
                match tag {
                    0 => Some(()),
                    1 => {
                        refreshed.apply::<F>(bytes, out)?;
                        part.apply::<F>(bytes, out)
                    }
                    _ => None,
                }
            }
            Conversion::Entries(schema, ..) => Conversion::copy::<F>(schema, bytes, out),
        }
    }
}

impl Conversion {
    fn copy<F: Format>(schema: &Schema, bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
        let before = *bytes;
        skip::<F>(schema, bytes)?;
        out.extend_from_slice(&before[..before.len() - bytes.len()]);
        Some(())
    }
}

impl Fields {
    /// Whether nothing changes.
    pub fn is_copy(&self) -> bool {
        let in_place = |(place, origin): (usize, &Origin)| matches!(origin, Origin::Field(from, conversion) if *from == place && conversion.is_copy());
        self.was.len() == self.is.len() && self.is.iter().enumerate().all(in_place)
    }

    /// A type whose bytes have to be taken apart and are not known.
    pub fn unknown(&self) -> Option<&Schema> {
        if self.is_copy() { None } else { self.unknown_inside() }
    }

    fn unknown_inside(&self) -> Option<&Schema> {
        self.was.iter().find_map(unknown_in)
    }

    pub fn apply<F: Format>(&self, bytes: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
        let mut found = Vec::with_capacity(self.was.len());
        for schema in &self.was {
            let field = *bytes;
            skip::<F>(schema, bytes)?;
            found.push(&field[..field.len() - bytes.len()]);
        }
        self.is.iter().try_for_each(|origin| match origin {
            Origin::Field(from, conversion) => {
                let mut field = *found.get(*from)?;
                conversion.apply::<F>(&mut field, out)
            }
            Origin::Default(schema, value) => encode::<F>(schema, value, out),
        })
    }
}

fn is_signed(schema: &Schema) -> bool {
    let Schema::Scalar(name) = schema else { return false };
    matches!(Scalar::named(name), Some(Scalar::Signed(_) | Scalar::SignedSize))
}

/// Whether every number of the one type is one of the other, on every machine.
pub(super) fn widens(was: Scalar, is: Scalar) -> bool {
    use Scalar::{F32, F64, Signed, SignedSize, Size, Unsigned};
    match (was, is) {
        (Unsigned(was), Unsigned(is) | Signed(is)) | (Signed(was), Signed(is)) => was < is,
        (Size, Unsigned(is)) => is >= 64,
        (Size, Signed(is)) => is > 64,
        (SignedSize, Signed(is)) => is >= 64,
        // The smallest machines that there are have 32 bits.
        (Unsigned(was), Size) => was <= 32,
        (Unsigned(was), SignedSize) => was < 32,
        (Signed(was), SignedSize) => was <= 32,
        (F32, F64) => true,
        _ => false,
    }
}

/// The first part of a value in a row whose bytes are not known.
fn unknown_in(schema: &Schema) -> Option<&Schema> {
    match Shape::of(schema) {
        Shape::Unknown => Some(schema),
        // Entries are rows of their own.
        Shape::Scalar(_) | Shape::Opaque(_) | Shape::Entries(_) => None,
        Shape::Option(part) | Shape::Sequence(_, part) | Shape::Array(part, _) | Shape::Held(part) => {
            unknown_in(part)
        }
        Shape::Map(key, value) => unknown_in(key).or_else(|| unknown_in(value)),
        Shape::Tuple(parts) => parts.iter().find_map(unknown_in),
        Shape::Struct(fields) => fields.iter().find_map(|field| unknown_in(&field.schema)),
        Shape::Enum(variants) => {
            variants.iter().flat_map(|variant| &variant.fields).find_map(|field| unknown_in(&field.schema))
        }
    }
}
