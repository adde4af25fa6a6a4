//! A value whose type the program need not know: read from bytes by its schema, and written back into the same bytes.
//!
//! What enters is a [`Schema`] and bytes in one of the two [formats](super::format); what leaves is a tree. Always:
//! `encode(decode(bytes)) == bytes` for whatever serde and [`Key`](crate::key::Key) have written. A value does not repeat what
//! its schema says (no names of fields), so it means something only beside it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::format::{Format, take, take_array};
use super::shape::{Scalar, Shape};
use crate::state::{Field, Schema};

/// A value, in the order of its schema.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub enum Value {
    /// `()`
    Unit,
    /// `bool`
    Bool(bool),
    /// `char`
    Char(char),
    /// `String`
    Text(String),
    /// `u8` .. `u128`, `usize`
    Unsigned(u128),
    /// `i8` .. `i128`, `isize`, `EventTime` in milliseconds
    Signed(i128),
    /// `f32`
    F32(f32),
    /// `f64`
    F64(f64),
    /// `Duration`
    Duration(Duration),
    /// An IP address of either kind.
    Ip(IpAddr),
    /// `Option`
    Option(Option<Box<Value>>),
    /// The parts of a sequence, a tuple or an array, the fields of a struct, the numbers that a row has of entries; of a value
    /// that was refreshed, when, and the value.
    List(Vec<Value>),
    /// The pairs of a map.
    Map(Vec<(Value, Value)>),
    /// The place of a variant among those of its enum, and its fields.
    Variant(u32, Vec<Value>),
    /// What only the type itself understands.
    Opaque(Vec<u8>),
}

/// Takes a value from the front of `bytes`; `None` if what is there is not of this schema.
pub fn decode<F: Format>(schema: &Schema, bytes: &mut &[u8]) -> Option<Value> {
    Some(match Shape::of(schema) {
        Shape::Scalar(scalar) => decode_scalar::<F>(scalar, bytes)?,
        Shape::Option(part) => Value::Option(match take_array(bytes)? {
            [0] => None,
            [1] => Some(Box::new(decode::<F>(part, bytes)?)),
            _ => return None,
        }),
        Shape::Sequence(_, part) => {
            let length = F::take_length(bytes)?;
            Value::List((0..length).map(|_| decode::<F>(part, bytes)).collect::<Option<_>>()?)
        }
        Shape::Map(key, value) => {
            let length = F::take_length(bytes)?;
            let mut pair = || Some((decode::<F>(key, bytes)?, decode::<F>(value, bytes)?));
            Value::Map((0..length).map(|_| pair()).collect::<Option<_>>()?)
        }
        Shape::Tuple(parts) => {
            Value::List(parts.iter().map(|part| decode::<F>(part, bytes)).collect::<Option<_>>()?)
        }
        Shape::Array(part, length) => {
            Value::List((0..length).map(|_| decode::<F>(part, bytes)).collect::<Option<_>>()?)
        }
        Shape::Struct(fields) => Value::List(decode_fields::<F>(fields, bytes)?),
        Shape::Enum(variants) => {
            let place = F::take_unsigned(32, bytes)? as u32;
            let variant = variants.get(place as usize)?;
            Value::Variant(place, decode_fields::<F>(&variant.fields, bytes)?)
        }
        Shape::Opaque(_) => {
            let length = F::take_length(bytes)?;
            Value::Opaque(take(length, bytes)?.to_vec())
        }
        Shape::Entries(entries) => {
            let mut number = || F::take_unsigned(64, bytes).map(Value::Unsigned);
            Value::List((0..entries.numbers()).map(|_| number()).collect::<Option<_>>()?)
        }
        Shape::Held(part) => Value::Option(match take_array(bytes)? {
            [0] => None,
            [1] => {
                let refreshed = Value::Signed(F::take_signed(64, bytes)?);
                Some(Box::new(Value::List(vec![refreshed, decode::<F>(part, bytes)?])))
            }
            _ => return None,
        }),
        Shape::Unknown => return None,
    })
}

/// Takes the values of `fields` from the front of `bytes`.
pub fn decode_fields<F: Format>(fields: &[Field], bytes: &mut &[u8]) -> Option<Vec<Value>> {
    fields.iter().map(|field| decode::<F>(&field.schema, bytes)).collect()
}

fn decode_scalar<F: Format>(scalar: Scalar, bytes: &mut &[u8]) -> Option<Value> {
    Some(match scalar {
        Scalar::Unit => Value::Unit,
        Scalar::Bool => match take_array(bytes)? {
            [0] => Value::Bool(false),
            [1] => Value::Bool(true),
            _ => return None,
        },
        Scalar::Char => Value::Char(F::take_char(bytes)?),
        Scalar::Text => {
            let length = F::take_length(bytes)?;
            Value::Text(str::from_utf8(take(length, bytes)?).ok()?.to_string())
        }
        Scalar::Unsigned(bits) => Value::Unsigned(F::take_unsigned(bits, bytes)?),
        Scalar::Signed(bits) => Value::Signed(F::take_signed(bits, bytes)?),
        Scalar::Size => Value::Unsigned(F::take_unsigned(64, bytes)?),
        Scalar::SignedSize | Scalar::Time => Value::Signed(F::take_signed(64, bytes)?),
        Scalar::F32 => Value::F32(f32::from_le_bytes(take_array(bytes)?)),
        Scalar::F64 => Value::F64(f64::from_le_bytes(take_array(bytes)?)),
        Scalar::Duration => {
            let seconds = F::take_unsigned(64, bytes)? as u64;
            let nanos = F::take_unsigned(32, bytes)? as u32;
            Value::Duration((nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))?)
        }
        Scalar::Ipv4 => Value::Ip(Ipv4Addr::from(take_array::<4>(bytes)?).into()),
        Scalar::Ipv6 => Value::Ip(Ipv6Addr::from(take_array::<16>(bytes)?).into()),
        Scalar::Ip => match F::take_unsigned(32, bytes)? {
            0 => decode_scalar::<F>(Scalar::Ipv4, bytes)?,
            1 => decode_scalar::<F>(Scalar::Ipv6, bytes)?,
            _ => return None,
        },
        Scalar::Never => return None,
    })
}

/// Appends the bytes of `value`; `None`, with some of them appended, if it is not of this schema.
pub fn encode<F: Format>(schema: &Schema, value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    match (Shape::of(schema), value) {
        (Shape::Scalar(scalar), value) => encode_scalar::<F>(scalar, value, bytes),
        (Shape::Option(_), Value::Option(None)) => {
            bytes.push(0);
            Some(())
        }
        (Shape::Option(part), Value::Option(Some(value))) => {
            bytes.push(1);
            encode::<F>(part, value, bytes)
        }
        (Shape::Sequence(_, part), Value::List(values)) => {
            F::put_length(values.len(), bytes);
            values.iter().try_for_each(|value| encode::<F>(part, value, bytes))
        }
        (Shape::Map(key_schema, value_schema), Value::Map(pairs)) => {
            F::put_length(pairs.len(), bytes);
            pairs.iter().try_for_each(|(key, value)| {
                encode::<F>(key_schema, key, bytes)?;
                encode::<F>(value_schema, value, bytes)
            })
        }
        (Shape::Tuple(parts), Value::List(values)) if parts.len() == values.len() => {
            parts.iter().zip(values).try_for_each(|(part, value)| encode::<F>(part, value, bytes))
        }
        (Shape::Array(part, length), Value::List(values)) if length == values.len() => {
            values.iter().try_for_each(|value| encode::<F>(part, value, bytes))
        }
        (Shape::Struct(fields), Value::List(values)) => encode_fields::<F>(fields, values, bytes),
        (Shape::Enum(variants), Value::Variant(place, values)) => {
            F::put_unsigned(32, u128::from(*place), bytes);
            encode_fields::<F>(&variants.get(*place as usize)?.fields, values, bytes)
        }
        (Shape::Opaque(_), Value::Opaque(opaque)) => {
            F::put_length(opaque.len(), bytes);
            bytes.extend_from_slice(opaque);
            Some(())
        }
        (Shape::Entries(entries), Value::List(numbers)) if numbers.len() == entries.numbers() => {
            numbers.iter().try_for_each(|number| encode_scalar::<F>(Scalar::Unsigned(64), number, bytes))
        }
        (Shape::Held(_), Value::Option(None)) => {
            bytes.push(0);
            Some(())
        }
        (Shape::Held(part), Value::Option(Some(held))) => {
            let Value::List(held) = &**held else { return None };
            let [refreshed, value] = &held[..] else { return None };
            bytes.push(1);
            encode_scalar::<F>(Scalar::Time, refreshed, bytes)?;
            encode::<F>(part, value, bytes)
        }
        _ => None,
    }
}

/// Appends the bytes of the values of `fields`.
pub fn encode_fields<F: Format>(fields: &[Field], values: &[Value], bytes: &mut Vec<u8>) -> Option<()> {
    if fields.len() != values.len() {
        return None;
    }
    fields.iter().zip(values).try_for_each(|(field, value)| encode::<F>(&field.schema, value, bytes))
}

fn encode_scalar<F: Format>(scalar: Scalar, value: &Value, bytes: &mut Vec<u8>) -> Option<()> {
    match (scalar, value) {
        (Scalar::Unit, Value::Unit) => {}
        (Scalar::Bool, Value::Bool(value)) => bytes.push(u8::from(*value)),
        (Scalar::Char, Value::Char(value)) => F::put_char(*value, bytes),
        (Scalar::Text, Value::Text(value)) => {
            F::put_length(value.len(), bytes);
            bytes.extend_from_slice(value.as_bytes());
        }
        (Scalar::Unsigned(bits), Value::Unsigned(value)) if fits_unsigned(*value, bits) => {
            F::put_unsigned(bits, *value, bytes);
        }
        (Scalar::Size, Value::Unsigned(value)) if fits_unsigned(*value, 64) => {
            F::put_unsigned(64, *value, bytes);
        }
        (Scalar::Signed(bits), Value::Signed(value)) if fits_signed(*value, bits) => {
            F::put_signed(bits, *value, bytes);
        }
        (Scalar::SignedSize | Scalar::Time, Value::Signed(value)) if fits_signed(*value, 64) => {
            F::put_signed(64, *value, bytes);
        }
        (Scalar::F32, Value::F32(value)) => bytes.extend_from_slice(&value.to_le_bytes()),
        (Scalar::F64, Value::F64(value)) => bytes.extend_from_slice(&value.to_le_bytes()),
        (Scalar::Duration, Value::Duration(value)) => {
            F::put_unsigned(64, value.as_secs().into(), bytes);
            F::put_unsigned(32, value.subsec_nanos().into(), bytes);
        }
        (Scalar::Ipv4, Value::Ip(IpAddr::V4(value))) => bytes.extend_from_slice(&value.octets()),
        (Scalar::Ipv6, Value::Ip(IpAddr::V6(value))) => bytes.extend_from_slice(&value.octets()),
        (Scalar::Ip, Value::Ip(value)) => {
            F::put_unsigned(32, u128::from(value.is_ipv6()), bytes);
            match value {
                IpAddr::V4(value) => bytes.extend_from_slice(&value.octets()),
                IpAddr::V6(value) => bytes.extend_from_slice(&value.octets()),
            }
        }
        _ => return None,
    }
    Some(())
}

pub(super) fn fits_unsigned(value: u128, bits: u32) -> bool {
    value.checked_shr(bits).unwrap_or(0) == 0
}

pub(super) fn fits_signed(value: i128, bits: u32) -> bool {
    let unused = 128 - bits;
    value << unused >> unused == value
}

/// Takes a value from the front of `bytes` without looking into it more than needed; `None` if it ends too early.
pub fn skip<F: Format>(schema: &Schema, bytes: &mut &[u8]) -> Option<()> {
    match Shape::of(schema) {
        Shape::Scalar(Scalar::Text) | Shape::Opaque(_) => {
            let length = F::take_length(bytes)?;
            take(length, bytes).map(drop)
        }
        Shape::Scalar(scalar) => decode_scalar::<F>(scalar, bytes).map(drop),
        Shape::Option(part) => match take_array(bytes)? {
            [0] => Some(()),
            [1] => skip::<F>(part, bytes),
            _ => None,
        },
        Shape::Sequence(_, part) => {
            let length = F::take_length(bytes)?;
            (0..length).try_for_each(|_| skip::<F>(part, bytes))
        }
        Shape::Map(key, value) => {
            let length = F::take_length(bytes)?;
            (0..length).try_for_each(|_| {
                skip::<F>(key, bytes)?;
                skip::<F>(value, bytes)
            })
        }
        Shape::Tuple(parts) => parts.iter().try_for_each(|part| skip::<F>(part, bytes)),
        Shape::Array(part, length) => (0..length).try_for_each(|_| skip::<F>(part, bytes)),
        Shape::Struct(fields) => fields.iter().try_for_each(|field| skip::<F>(&field.schema, bytes)),
        Shape::Enum(variants) => {
            let variant = variants.get(F::take_unsigned(32, bytes)? as usize)?;
            variant.fields.iter().try_for_each(|field| skip::<F>(&field.schema, bytes))
        }
        Shape::Entries(entries) => {
            (0..entries.numbers()).try_for_each(|_| F::take_unsigned(64, bytes).map(drop))
        }
        Shape::Held(part) => match take_array(bytes)? {
            [0] => Some(()),
            [1] => {
                F::take_signed(64, bytes)?;
                skip::<F>(part, bytes)
            }
            _ => None,
        },
        Shape::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::evolution::fixture::{Everything, everything};
    use crate::evolution::format::{KeyFormat, RowFormat};
    use crate::key::Key;
    use crate::operator::Never;
    use crate::state::{Data, Describe};

    /// Reads the bytes of `value` by its schema, skips them, and writes them again.
    #[track_caller]
    fn comes_back<T: Data>(value: &T) {
        let bytes = postcard::to_stdvec(value).unwrap();
        let (schema, mut rest) = (T::schema(), &bytes[..]);
        let tree =
            decode::<RowFormat>(&schema, &mut rest).unwrap_or_else(|| panic!("{schema}: {bytes:02x?}"));
        assert_eq!(rest, [0; 0], "{schema}: all of it is read");
        let mut written = Vec::new();
        encode::<RowFormat>(&schema, &tree, &mut written).unwrap();
        assert_eq!(written, bytes, "{schema}: {tree:?}");
        let mut rest = &bytes[..];
        skip::<RowFormat>(&schema, &mut rest).unwrap();
        assert_eq!(rest, [0; 0], "{schema}: all of it is skipped");
    }

    #[track_caller]
    fn key_comes_back<K: Key>(key: &K) {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        let (schema, mut rest) = (K::schema(), &bytes[..]);
        let tree =
            decode::<KeyFormat>(&schema, &mut rest).unwrap_or_else(|| panic!("{schema}: {bytes:02x?}"));
        assert_eq!(rest, [0; 0], "{schema}: all of it is read");
        let mut written = Vec::new();
        encode::<KeyFormat>(&schema, &tree, &mut written).unwrap();
        assert_eq!(written, bytes, "{schema}: {tree:?}");
    }

    proptest! {
        #[test]
        fn whatever_serde_writes_is_read_by_its_schema_and_written_back(value in everything()) {
            comes_back::<Everything>(&value);
        }

        #[test]
        fn damaged_bytes_are_no_value_or_another_one_and_never_a_panic(
            value in everything(),
            flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = postcard::to_stdvec(&value).unwrap();
            for (at, byte) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= byte;
            }
            let schema = Everything::schema();
            let (mut decoded, mut skipped) = (&bytes[..], &bytes[..]);
            if decode::<RowFormat>(&schema, &mut decoded).is_some() {
                skip::<RowFormat>(&schema, &mut skipped).unwrap();
                prop_assert_eq!(decoded, skipped);
            }
        }

        #[test]
        fn keys_are_read_by_their_schema_and_written_back(
            numbers in any::<(u8, u16, u32, u64, u128)>(),
            signed in any::<(i8, i16, i32, i64, i128)>(),
            texts in any::<(String, char, bool, Option<String>)>(),
            bytes in any::<[u8; 5]>(),
        ) {
            key_comes_back(&(numbers.0, numbers.1, numbers.2, (numbers.3, numbers.4)));
            key_comes_back(&(signed.0, signed.1, signed.2, (signed.3, signed.4)));
            key_comes_back(&(texts.0, texts.1, texts.2, texts.3));
            key_comes_back(&(bytes, crate::time::EventTime::from_millis(signed.3)));
        }
    }

    #[test]
    fn the_ends_of_every_number_come_back() {
        comes_back(&[u8::MIN, u8::MAX]);
        comes_back(&[u16::MIN, u16::MAX]);
        comes_back(&[u32::MIN, u32::MAX]);
        comes_back(&[u64::MIN, u64::MAX]);
        comes_back(&[u128::MIN, u128::MAX]);
        comes_back(&[usize::MIN, usize::MAX]);
        comes_back(&[i8::MIN, -1, 0, i8::MAX]);
        comes_back(&[i16::MIN, -1, 0, i16::MAX]);
        comes_back(&[i32::MIN, -1, 0, i32::MAX]);
        comes_back(&[i64::MIN, -1, 0, i64::MAX]);
        comes_back(&[i128::MIN, -1, 0, i128::MAX]);
        comes_back(&[isize::MIN, -1, 0, isize::MAX]);
        comes_back(&[f32::MIN, f32::NAN, f32::NEG_INFINITY, -0.0]);
        comes_back(&[f64::MIN, f64::NAN, f64::NEG_INFINITY, -0.0]);
        comes_back(&['\0', 'ä', '\u{10ffff}']);
        comes_back(&[Duration::ZERO, Duration::MAX]);
    }

    #[test]
    fn a_number_that_has_too_many_bits_is_none() {
        let mut bytes = &[0xff, 0xff, 0x04][..];
        assert_eq!(decode::<RowFormat>(&u16::schema(), &mut bytes), None);
        let mut written = Vec::new();
        assert_eq!(encode::<RowFormat>(&u8::schema(), &Value::Unsigned(256), &mut written), None);
        assert_eq!(encode::<RowFormat>(&i8::schema(), &Value::Signed(-129), &mut written), None);
        assert_eq!(encode::<RowFormat>(&bool::schema(), &Value::Unsigned(1), &mut written), None);
    }

    #[test]
    fn a_type_without_values_and_one_that_is_not_known_have_none() {
        assert_eq!(decode::<RowFormat>(&Never::schema(), &mut &[0][..]), None);
        assert_eq!(decode::<RowFormat>(&Schema::Scalar("Money".to_string()), &mut &[0][..]), None);
    }
}
