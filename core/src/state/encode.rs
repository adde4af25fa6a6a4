//! Rows as bytes: what serde tells of a value enters, and is appended to a vector in postcard's wire format.
//!
//! What always holds: the bytes are those that postcard writes, so that postcard reads them. Why postcard does not write
//! them: it takes the bytes of a `Vec<u8>` one by one, which for a hundred of them takes longer than all else that a snapshot
//! costs a row. Here they are copied at once. If a value can't be encoded, the vector is as it was.

use postcard::Error;
use serde::Serialize;
use serde::ser::{self, Serializer};

/// Appends `value`.
///
/// # Errors
/// If serde can't carry it: a sequence of unknown length, or an error of its own making.
#[inline]
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let start = bytes.len();
    let encoded = value.serialize(&mut Encoder { bytes });
    if encoded.is_err() {
        bytes.truncate(start);
    }
    encoded
}

/// Writes what it is told.
struct Encoder<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Encoder<'_> {
    #[inline]
    fn varint(&mut self, mut number: u128) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// As [`Encoder::varint`]: most numbers are no longer than this, and most of these have one to three bytes.
    #[inline]
    fn varint_64(&mut self, mut number: u64) {
        if number >= 0x20_0000 {
            return self.long_varint(number);
        }
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    /// A number of at most eight groups of seven bits, all at once: times in milliseconds are of six.
    #[inline(never)]
    fn long_varint(&mut self, number: u64) {
        if number >= 1 << 56 {
            return self.varint(number.into());
        }
        // Halves of 28 bits are drawn apart, quarters, and groups: each is at the lower end of its byte then.
        let halves = (number & 0x0fff_ffff) | ((number & 0x00ff_ffff_f000_0000) << 4);
        let quarters = (halves & 0x0000_3fff_0000_3fff) | ((halves & 0x0fff_c000_0fff_c000) << 2);
        let groups = (quarters & 0x007f_007f_007f_007f) | ((quarters & 0x3f80_3f80_3f80_3f80) << 1);
        let last = (u64::BITS - 1 - (number | 1).leading_zeros()) / 7;
        let more = 0x8080_8080_8080_8080 & ((1u64 << (8 * last)) - 1);
        // So many bytes are copied whatever the number; those that are not of it are cut off.
        let end = self.bytes.len() + last as usize + 1;
        self.bytes.extend_from_slice(&(groups | more).to_le_bytes());
        self.bytes.truncate(end);
    }

    /// Small numbers are short, whatever their sign.
    #[inline]
    fn zigzag_64(&mut self, number: i64) {
        self.varint_64((number << 1) as u64 ^ (number >> 63) as u64);
    }

    #[inline]
    fn length(&mut self, length: Option<usize>) -> Result<(), Error> {
        self.varint_64(length.ok_or(Error::SerializeSeqLengthUnknown)? as u64);
        Ok(())
    }
}

impl Serializer for &mut Encoder<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.serialize_u8(u8::from(value))
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), Error> {
        self.serialize_u8(value as u8)
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), Error> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), Error> {
        self.zigzag_64(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), Error> {
        self.varint((value << 1) as u128 ^ (value >> 127) as u128);
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.bytes.push(value);
        Ok(())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        self.varint_64(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), Error> {
        self.varint(value);
        Ok(())
    }

    #[inline]
    fn serialize_f32(self, value: f32) -> Result<(), Error> {
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_f64(self, value: f64) -> Result<(), Error> {
        self.bytes.extend_from_slice(&value.to_bits().to_le_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.serialize_bytes(value.as_bytes())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.varint_64(value.len() as u64);
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_u8(0)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.bytes.push(1);
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, index: u32, _: &'static str) -> Result<(), Error> {
        self.serialize_u32(index)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.varint_64(index.into());
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, length: Option<usize>) -> Result<Self, Error> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.varint_64(index.into());
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, length: Option<usize>) -> Result<Self, Error> {
        self.length(length)?;
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Error> {
        self.varint_64(index.into());
        Ok(self)
    }

    /// What vectors and slices are told by. If the first item is a byte, all are taken for bytes, and copied at once; those
    /// that are not, for a type can say now this and now that, are set apart with all that follow.
    #[inline]
    fn collect_seq<I>(self, items: I) -> Result<(), Error>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let mut items = items.into_iter();
        let (least, most) = items.size_hint();
        self.length((most == Some(least)).then_some(least))?;
        let Some(first) = items.next() else { return Ok(()) };
        let Ok(byte) = first.serialize(OneByte) else {
            first.serialize(&mut *self)?;
            return items.try_for_each(|item| item.serialize(&mut *self));
        };
        self.bytes.push(byte);
        let (mut apart, mut rest, mut result) = (0, Vec::new(), Ok(()));
        self.bytes.extend(items.map(|item| match item.serialize(OneByte) {
            Ok(byte) if apart == 0 => byte,
            _ => {
                apart += 1;
                if result.is_ok() {
                    result = item.serialize(&mut Encoder { bytes: &mut rest });
                }
                0
            }
        }));
        if apart > 0 {
            self.bytes.truncate(self.bytes.len() - apart);
            self.bytes.append(&mut rest);
        }
        result
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.serialize_str(&value.to_string())
    }
}

/// Things one after another, without a word between them.
macro_rules! compound {
    ($trait:ident, $element:ident) => {
        impl ser::$trait for &mut Encoder<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    };
    ($trait:ident) => {
        impl ser::$trait for &mut Encoder<'_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        }
    };
}

compound!(SerializeSeq, serialize_element);
compound!(SerializeTuple, serialize_element);
compound!(SerializeTupleStruct, serialize_field);
compound!(SerializeTupleVariant, serialize_field);
compound!(SerializeStruct);
compound!(SerializeStructVariant);

impl ser::SerializeMap for &mut Encoder<'_> {
    type Ok = ();
    type Error = Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        key.serialize(&mut **self)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut **self)
    }

    #[inline]
    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}

/// Takes a value that is told by one byte, and refuses every other. The compiler knows which it is.
struct OneByte;

/// It is told by something else.
#[derive(Debug)]
struct Other;

impl std::fmt::Display for Other {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a byte")
    }
}

impl std::error::Error for Other {}

impl ser::Error for Other {
    fn custom<T: std::fmt::Display>(_: T) -> Other {
        Other
    }
}

type Never = ser::Impossible<u8, Other>;

macro_rules! refuse {
    ($($method:ident($($argument:ty),*) -> $ok:ty;)*) => {
        $(#[inline]
        fn $method(self, $(_: $argument),*) -> Result<$ok, Other> {
            Err(Other)
        })*
    };
}

impl Serializer for OneByte {
    type Ok = u8;
    type Error = Other;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    fn is_human_readable(&self) -> bool {
        false
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<u8, Other> {
        Ok(value)
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<u8, Other> {
        Ok(value as u8)
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<u8, Other> {
        Ok(u8::from(value))
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<u8, Other> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<u8, Other> {
        Err(Other)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<u8, Other> {
        Err(Other)
    }

    #[inline]
    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<u8, Other> {
        Err(Other)
    }

    refuse! {
        serialize_i16(i16) -> u8;
        serialize_i32(i32) -> u8;
        serialize_i64(i64) -> u8;
        serialize_u16(u16) -> u8;
        serialize_u32(u32) -> u8;
        serialize_u64(u64) -> u8;
        serialize_f32(f32) -> u8;
        serialize_f64(f64) -> u8;
        serialize_char(char) -> u8;
        serialize_str(&str) -> u8;
        serialize_bytes(&[u8]) -> u8;
        serialize_none() -> u8;
        serialize_unit() -> u8;
        serialize_unit_struct(&'static str) -> u8;
        serialize_unit_variant(&'static str, u32, &'static str) -> u8;
        serialize_seq(Option<usize>) -> Never;
        serialize_tuple(usize) -> Never;
        serialize_tuple_struct(&'static str, usize) -> Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Never;
        serialize_map(Option<usize>) -> Never;
        serialize_struct(&'static str, usize) -> Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Never;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn is_as_by_postcard<T: Serialize + ?Sized>(value: &T) {
        let mut bytes = b"before".to_vec();
        append(value, &mut bytes).unwrap();
        assert_eq!(&bytes[6..], postcard::to_stdvec(value).unwrap());
        assert_eq!(&bytes[..6], b"before");
    }

    #[derive(Clone, Debug, Serialize)]
    struct Unit;

    #[derive(Clone, Debug, Serialize)]
    struct Wrapped(u8);

    #[derive(Clone, Debug, Serialize)]
    enum Choice {
        Nothing,
        One(String),
        Two(i16, char),
        Named { at: i64, of: Option<Box<Choice>> },
    }

    #[derive(Clone, Debug, Serialize)]
    struct All {
        flags: Vec<bool>,
        small: (u8, i8, Wrapped, Unit, ()),
        middle: (u16, i32, u32),
        large: (u64, i64, u128, i128),
        real: (f32, f64),
        text: String,
        bytes: Vec<u8>,
        signed: Vec<i8>,
        array: [u8; 5],
        numbers: Vec<u32>,
        maybe: Vec<Option<u8>>,
        map: BTreeMap<String, Vec<Wrapped>>,
        choices: Vec<Choice>,
        address: std::net::Ipv4Addr,
    }

    fn choice() -> impl Strategy<Value = Choice> {
        let leaf = prop_oneof![
            Just(Choice::Nothing),
            ".{0,9}".prop_map(Choice::One),
            any::<(i16, char)>().prop_map(|(number, letter)| Choice::Two(number, letter)),
        ];
        (leaf.clone(), any::<i64>(), proptest::option::of(leaf)).prop_map(|(leaf, at, of)| match of {
            Some(of) => Choice::Named { at, of: Some(Box::new(of)) },
            None => leaf,
        })
    }

    fn all() -> impl Strategy<Value = All> {
        let numbers = (any::<(u8, i8, u8)>(), any::<(u16, i32, u32)>(), any::<(u64, i64, u128, i128)>());
        let bytes = any::<(Vec<bool>, Vec<u8>, Vec<i8>, [u8; 5], Vec<u32>, Vec<Option<u8>>)>();
        let map = any::<BTreeMap<String, Vec<u8>>>();
        (
            numbers,
            any::<(f32, f64)>(),
            ".{0,300}",
            bytes,
            map,
            proptest::collection::vec(choice(), 0..4),
            any::<u32>(),
        )
            .prop_map(|((small, middle, large), real, text, bytes, map, choices, address)| All {
                flags: bytes.0,
                small: (small.0, small.1, Wrapped(small.2), Unit, ()),
                middle,
                large,
                real,
                text,
                bytes: bytes.1,
                signed: bytes.2,
                array: bytes.3,
                numbers: bytes.4,
                maybe: bytes.5,
                map: map
                    .into_iter()
                    .map(|(key, bytes)| (key, bytes.into_iter().map(Wrapped).collect()))
                    .collect(),
                choices,
                address: address.into(),
            })
    }

    proptest! {
        #[test]
        fn every_value_has_the_bytes_that_postcard_gives_it(value in all()) {
            is_as_by_postcard(&value);
        }
    }

    #[test]
    fn the_ends_of_every_kind_of_number_have_the_bytes_that_postcard_gives_them() {
        is_as_by_postcard(&(u8::MAX, u16::MAX, u32::MAX, u64::MAX, u128::MAX));
        is_as_by_postcard(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN));
        is_as_by_postcard(&(i8::MAX, i16::MAX, i32::MAX, i64::MAX, i128::MAX));
        is_as_by_postcard(&[127u64, 128, 16_383, 16_384]);
        is_as_by_postcard(&vec![7u8; 1000]);
    }

    /// Tells itself by a byte, a text, or nothing.
    struct Fickle(u8);

    impl Serialize for Fickle {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self.0 {
                0 => serializer.serialize_unit(),
                1 => serializer.serialize_str("text"),
                2 => Err(ser::Error::custom("never")),
                byte => serializer.serialize_u8(byte),
            }
        }
    }

    #[test]
    fn numbers_of_every_length_have_the_bytes_that_postcard_gives_them() {
        for bits in 0..64 {
            for number in
                [1u64 << bits, (1 << bits) - 1, (1 << bits) | 0x5555_5555_5555_5555 & ((1 << bits) - 1)]
            {
                is_as_by_postcard(&number);
                is_as_by_postcard(&(number as i64));
                is_as_by_postcard(&(number as i64).wrapping_neg());
            }
        }
    }

    #[test]
    fn items_that_are_bytes_only_at_first_stay_in_their_order() {
        for fickle in [&[9u8, 8, 0, 7, 1, 6, 5][..], &[0, 9, 1], &[9, 0], &[9, 1, 0, 8], &[1, 1], &[9]] {
            is_as_by_postcard(&fickle.iter().map(|&byte| Fickle(byte)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_value_that_can_not_be_encoded_leaves_nothing_behind() {
        let unknown = |serializer: &mut Encoder<'_>| serializer.serialize_seq(None).map(drop);
        let mut bytes = Vec::new();
        assert_eq!(unknown(&mut Encoder { bytes: &mut bytes }), Err(Error::SerializeSeqLengthUnknown));
        for fickle in [&[2u8][..], &[9, 2], &[9, 8, 2, 7], &[1, 2]] {
            let fickle: Vec<Fickle> = fickle.iter().map(|&byte| Fickle(byte)).collect();
            let mut bytes = b"before".to_vec();
            assert!(append(&(1u8, fickle), &mut bytes).is_err());
            assert_eq!(bytes, b"before");
        }
    }
}
