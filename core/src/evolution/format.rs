//! The two ways in which values lie in bytes: those of a row's value, and those of a key.
//!
//! Both put the parts of a value one after another; they differ in numbers, text and chars alone.
//!
//! | what                   | [`RowFormat`] (postcard)          | [`KeyFormat`] ([`Key`](crate::key::Key)) |
//! |------------------------|-----------------------------------|------------------------------------------|
//! | `u8`, `i8`             | one byte                          | one byte                                 |
//! | wider unsigned number  | LEB128                            | all its bytes, big-endian                |
//! | wider signed number    | LEB128 of the zigzag              | all its bytes, big-endian, two's complement |
//! | length of text         | as a `u64`                        | as a `u32`                               |
//! | `char`                 | as text                           | as a `u32`                               |

/// Takes numbers, lengths and chars from the front of bytes, and appends them.
pub trait Format {
    /// An unsigned number of 8, 16, 32, 64 or 128 bits; `None` if none is there.
    fn take_unsigned(bits: u32, bytes: &mut &[u8]) -> Option<u128>;

    /// Appends an unsigned number that has at most `bits` bits.
    fn put_unsigned(bits: u32, number: u128, bytes: &mut Vec<u8>);

    /// A signed number of 8, 16, 32, 64 or 128 bits; `None` if none is there.
    fn take_signed(bits: u32, bytes: &mut &[u8]) -> Option<i128>;

    /// Appends a signed number that has at most `bits` bits.
    fn put_signed(bits: u32, number: i128, bytes: &mut Vec<u8>);

    /// The length of a text.
    fn take_length(bytes: &mut &[u8]) -> Option<usize>;

    /// Appends the length of a text.
    fn put_length(length: usize, bytes: &mut Vec<u8>);

    /// A char.
    fn take_char(bytes: &mut &[u8]) -> Option<char>;

    /// Appends a char.
    fn put_char(char: char, bytes: &mut Vec<u8>);
}

/// The first `length` bytes, if there are as many.
pub(super) fn take<'a>(length: usize, bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// The first `N` bytes, if there are as many.
pub(super) fn take_array<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

/// How postcard writes: compact, without order.
#[derive(Clone, Copy, Debug)]
pub struct RowFormat;

impl Format for RowFormat {
    fn take_unsigned(bits: u32, bytes: &mut &[u8]) -> Option<u128> {
        if bits == 8 {
            return take_array(bytes).map(|[byte]| u128::from(byte));
        }
        let mut number = 0u128;
        for shift in (0..bits).step_by(7) {
            let [byte] = take_array(bytes)?;
            let digits = u128::from(byte & 0x7f);
            // The last byte of a number has fewer digits than seven.
            if shift + 7 > bits && digits >> (bits - shift) != 0 {
                return None;
            }
            number |= digits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    fn put_unsigned(bits: u32, mut number: u128, bytes: &mut Vec<u8>) {
        if bits == 8 {
            return bytes.push(number as u8);
        }
        while number >= 0x80 {
            bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
    }

    fn take_signed(bits: u32, bytes: &mut &[u8]) -> Option<i128> {
        if bits == 8 {
            return take_array(bytes).map(|[byte]| i128::from(byte as i8));
        }
        let zigzag = Self::take_unsigned(bits, bytes)?;
        Some((zigzag >> 1) as i128 ^ -((zigzag & 1) as i128))
    }

    fn put_signed(bits: u32, number: i128, bytes: &mut Vec<u8>) {
        if bits == 8 {
            return bytes.push(number as u8);
        }
        Self::put_unsigned(bits, ((number << 1) ^ (number >> 127)) as u128, bytes);
    }

    fn take_length(bytes: &mut &[u8]) -> Option<usize> {
        usize::try_from(Self::take_unsigned(64, bytes)?).ok()
    }

    fn put_length(length: usize, bytes: &mut Vec<u8>) {
        Self::put_unsigned(64, length as u128, bytes);
    }

    fn take_char(bytes: &mut &[u8]) -> Option<char> {
        let length = Self::take_length(bytes)?;
        let mut chars = str::from_utf8(take(length, bytes)?).ok()?.chars();
        chars.next().filter(|_| chars.next().is_none())
    }

    fn put_char(char: char, bytes: &mut Vec<u8>) {
        let mut utf8 = [0; 4];
        let text = char.encode_utf8(&mut utf8);
        Self::put_length(text.len(), bytes);
        bytes.extend_from_slice(text.as_bytes());
    }
}

/// How [`Key`](crate::key::Key) writes: every number in all its bytes.
#[derive(Clone, Copy, Debug)]
pub struct KeyFormat;

impl Format for KeyFormat {
    fn take_unsigned(bits: u32, bytes: &mut &[u8]) -> Option<u128> {
        let number = take(bits as usize / 8, bytes)?;
        Some(number.iter().fold(0, |number, &byte| number << 8 | u128::from(byte)))
    }

    fn put_unsigned(bits: u32, number: u128, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&number.to_be_bytes()[16 - bits as usize / 8..]);
    }

    fn take_signed(bits: u32, bytes: &mut &[u8]) -> Option<i128> {
        let unused = 128 - bits;
        Some((Self::take_unsigned(bits, bytes)? << unused) as i128 >> unused)
    }

    fn put_signed(bits: u32, number: i128, bytes: &mut Vec<u8>) {
        Self::put_unsigned(bits, number as u128, bytes);
    }

    fn take_length(bytes: &mut &[u8]) -> Option<usize> {
        usize::try_from(Self::take_unsigned(32, bytes)?).ok()
    }

    fn put_length(length: usize, bytes: &mut Vec<u8>) {
        Self::put_unsigned(32, length as u128, bytes);
    }

    fn take_char(bytes: &mut &[u8]) -> Option<char> {
        char::from_u32(Self::take_unsigned(32, bytes)? as u32)
    }

    fn put_char(char: char, bytes: &mut Vec<u8>) {
        Self::put_unsigned(32, u32::from(char).into(), bytes);
    }
}
