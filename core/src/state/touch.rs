//! Looking at a value so that it is in the cache when it is needed: what serde tells of it enters, one number leaves that
//! depends on where it lies.
//!
//! Only texts, bytes and the beginnings of sequences are looked at, because they lie elsewhere than the value itself. What hangs
//! off an item of a sequence is not: of many items few are worked on, and to look at it means to wait for the item first.
//! Whoever touches several values first and then works on them waits for memory once, and not once for each. The number means
//! nothing.

use serde::Serialize;
use serde::ser::{self, Serializer};

/// Looks at `value`.
#[inline]
pub(crate) fn touch<T: Serialize + ?Sized>(value: &T) -> u8 {
    let mut sum = Sum { of: 0, is_in_item: false };
    // What can't be told is not looked at.
    let _ = value.serialize(&mut sum);
    sum.of
}

/// How far apart the bytes of a sequence are that are looked at: what memory gives at once.
const LINE_BYTES: usize = 64;

struct Sum {
    of: u8,
    is_in_item: bool,
}

impl Sum {
    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        if self.is_in_item {
            return;
        }
        for line in bytes.chunks(LINE_BYTES).take(2) {
            self.of ^= line[0];
        }
    }

    /// An item of a sequence.
    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, item: &T) -> Result<(), Enough> {
        let is_in_item = std::mem::replace(&mut self.is_in_item, true);
        let told = item.serialize(&mut *self);
        self.is_in_item = is_in_item;
        told
    }
}

/// No more is said: the rest of a sequence is left alone.
#[derive(Debug)]
struct Enough;

impl std::fmt::Display for Enough {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("enough")
    }
}

impl std::error::Error for Enough {}

impl ser::Error for Enough {
    fn custom<T: std::fmt::Display>(_: T) -> Enough {
        Enough
    }
}

macro_rules! numbers {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<(), Enough> {
            self.of ^= value as u8;
            Ok(())
        })*
    };
}

impl Serializer for &mut Sum {
    type Ok = ();
    type Error = Enough;
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

    numbers! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), Enough> {
        self.bytes(value.as_bytes());
        Ok(())
    }

    #[inline]
    fn serialize_bytes(self, value: &[u8]) -> Result<(), Enough> {
        self.bytes(value);
        Ok(())
    }

    #[inline]
    fn serialize_none(self) -> Result<(), Enough> {
        Ok(())
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Enough> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), Enough> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }

    #[inline]
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Enough> {
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Enough> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Enough> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple(self, _: usize) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_map(self, _: Option<usize>) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Enough> {
        Ok(self)
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, Enough> {
        Ok(self)
    }

    /// The first item; of items that are small, another in the next line.
    #[inline]
    fn collect_seq<I>(self, items: I) -> Result<(), Enough>
    where
        I: IntoIterator,
        I::Item: Serialize,
    {
        let mut items = items.into_iter();
        if let Some(first) = items.next() {
            self.item(&first)?;
        }
        // A step over so many items of a slice is one step.
        match items.size_hint() {
            (least, Some(most)) if least == most && least >= LINE_BYTES => {
                items.nth(LINE_BYTES - 1).map_or(Ok(()), |item| self.item(&item))
            }
            _ => Ok(()),
        }
    }

    /// Maps are spread over memory: nothing that lies near would be found.
    #[inline]
    fn collect_map<K, V, I>(self, _: I) -> Result<(), Enough>
    where
        K: Serialize,
        V: Serialize,
        I: IntoIterator<Item = (K, V)>,
    {
        Ok(())
    }

    #[inline]
    fn collect_str<T: std::fmt::Display + ?Sized>(self, _: &T) -> Result<(), Enough> {
        Ok(())
    }
}

#[inline]
fn part<T: Serialize + ?Sized>(sum: &mut Sum, value: &T) -> Result<(), Enough> {
    value.serialize(sum)
}

macro_rules! compound {
    ($trait:ident, $element:ident, $tell:expr, $result:expr) => {
        impl ser::$trait for &mut Sum {
            type Ok = ();
            type Error = Enough;

            #[inline]
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Enough> {
                $tell(self, value)?;
                $result
            }

            #[inline]
            fn end(self) -> Result<(), Enough> {
                Ok(())
            }
        }
    };
    ($trait:ident) => {
        impl ser::$trait for &mut Sum {
            type Ok = ();
            type Error = Enough;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                _: &'static str,
                value: &T,
            ) -> Result<(), Enough> {
                value.serialize(&mut **self)
            }

            #[inline]
            fn end(self) -> Result<(), Enough> {
                Ok(())
            }
        }
    };
}

compound!(SerializeSeq, serialize_element, Sum::item, Err(Enough));
compound!(SerializeTuple, serialize_element, part, Ok(()));
compound!(SerializeTupleStruct, serialize_field, part, Ok(()));
compound!(SerializeTupleVariant, serialize_field, part, Ok(()));
compound!(SerializeStruct);
compound!(SerializeStructVariant);

impl ser::SerializeMap for &mut Sum {
    type Ok = ();
    type Error = Enough;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Enough> {
        Err(Enough)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, _: &T) -> Result<(), Enough> {
        Err(Enough)
    }

    #[inline]
    fn end(self) -> Result<(), Enough> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Counts how many of the items are told.
    struct Told<'a>(&'a std::cell::Cell<u32>);

    impl Serialize for Told<'_> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.0.set(self.0.get() + 1);
            serializer.serialize_unit()
        }
    }

    #[test]
    fn of_many_items_few_are_looked_at() {
        let told = std::cell::Cell::new(0);
        touch(&std::iter::repeat_with(|| Told(&told)).take(10_000).collect::<Vec<_>>());
        assert!((1..=2).contains(&told.get()), "{told:?}");
        told.set(0);
        touch(&(0..10_000).map(|n| (n, Told(&told))).collect::<BTreeMap<_, _>>());
        assert_eq!(told.get(), 0);
    }

    #[test]
    fn what_lies_elsewhere_is_looked_at() {
        assert_eq!(touch(&"a"), b'a');
        assert_eq!(touch(&(0u64, vec![7u8], Some(String::from("b")))), 7 ^ b'b');
        let mut long = vec![0u8; 200];
        long[64] = 9;
        assert_eq!(touch(&long), 9);
    }

    #[test]
    fn what_hangs_off_an_item_is_left_alone() {
        assert_eq!(touch(&(vec![(7u8, "a")], "b")), 7 ^ b'b');
        assert_eq!(touch(&vec![vec![7u8]]), 7);
    }
}
