//! Fields whose type only serde knows: in a row their bytes stand behind their number, so that a row can be walked by its
//! schema.
//!
//! | bytes | what                                     |
//! |------:|------------------------------------------|
//! | 1..10 | how many bytes follow, LEB128            |
//! |     n | the value, as postcard writes it          |
//!
//! A format that people read has the value itself in the place of all that.

use std::fmt;
use std::marker::PhantomData;

use serde::de::Visitor;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// For serde's `with`.
///
/// # Errors
/// If the value can't be written.
pub fn serialize<T: Serialize, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    if serializer.is_human_readable() {
        return value.serialize(serializer);
    }
    serializer.serialize_bytes(&postcard::to_stdvec(value).map_err(S::Error::custom)?)
}

/// For serde's `with`. Reads from bytes that lie in memory as a whole, as a row does.
///
/// # Errors
/// If the bytes are no such value.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    if deserializer.is_human_readable() {
        return T::deserialize(deserializer);
    }
    deserializer.deserialize_bytes(Opaque(PhantomData))
}

struct Opaque<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Opaque<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of an opaque field")
    }

    fn visit_borrowed_bytes<E: serde::de::Error>(self, bytes: &'de [u8]) -> Result<T, E> {
        match postcard::take_from_bytes(bytes) {
            Ok((value, [])) => Ok(value),
            Ok(_) => Err(E::custom("more bytes than the value")),
            Err(error) => Err(E::custom(error)),
        }
    }
}

/// Functions that carry a `Value`, as serde's `with` names them.
pub trait Custom {
    /// What they carry.
    type Value;

    /// Writes the value.
    ///
    /// # Errors
    /// If it can't be written.
    fn serialize<S: Serializer>(value: &Self::Value, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads a value.
    ///
    /// # Errors
    /// If there is none.
    fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Value, D::Error>;
}

/// For serde's `with`: what the functions of `C` make of a value, as an opaque field.
pub struct CustomBytes<C>(PhantomData<C>);

struct Written<'a, C: Custom>(&'a C::Value);

impl<C: Custom> Serialize for Written<'_, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        C::serialize(self.0, serializer)
    }
}

struct Read<C: Custom>(C::Value);

impl<'de, C: Custom> Deserialize<'de> for Read<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        C::deserialize(deserializer).map(Read)
    }
}

impl<C: Custom> CustomBytes<C> {
    /// For serde's `with`.
    ///
    /// # Errors
    /// If the value can't be written.
    pub fn serialize<S: Serializer>(value: &C::Value, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&Written::<C>(value), serializer)
    }

    /// For serde's `with`.
    ///
    /// # Errors
    /// If the bytes are no such value.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<C::Value, D::Error> {
        deserialize::<Read<C>, D>(deserializer).map(|Read(value)| value)
    }
}
