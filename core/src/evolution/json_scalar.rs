//! Values without parts, and bytes, as [JSON](super::json).

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Number, Value as Json};

use super::shape::Scalar;
use super::value::{Value, fits_signed, fits_unsigned};
use crate::time::EventTime;

/// The largest whole number up to which every reader of JSON tells all of them apart.
const EXACT_MAX: u128 = (1 << 53) - 1;

pub(super) fn scalar_to_json(scalar: Scalar, value: &Value) -> Option<Json> {
    Some(match (scalar, value) {
        (Scalar::Unit, Value::Unit) => Json::Null,
        (Scalar::Bool, Value::Bool(value)) => Json::Bool(*value),
        (Scalar::Char, Value::Char(value)) => Json::String(value.to_string()),
        (Scalar::Text, Value::Text(value)) => Json::String(value.clone()),
        (Scalar::Unsigned(_) | Scalar::Size, Value::Unsigned(value)) => match *value <= EXACT_MAX {
            true => Json::from(*value as u64),
            false => Json::String(value.to_string()),
        },
        (Scalar::Time, Value::Signed(value)) => {
            let time = EventTime::from_millis(i64::try_from(*value).ok()?);
            match parse_time(&time.to_string()) {
                Some(_) => Json::String(time.to_string()),
                None => signed_to_json(*value),
            }
        }
        (Scalar::Signed(_) | Scalar::SignedSize, Value::Signed(value)) => signed_to_json(*value),
        (Scalar::F32, Value::F32(value)) => match Number::from_f64(shortest(*value)) {
            Some(number) => Json::Number(number),
            None => Json::String(not_a_number(
                f64::from(*value),
                value.to_bits() == f32::NAN.to_bits(),
                format_args!("{:08x}", value.to_bits()),
            )),
        },
        (Scalar::F64, Value::F64(value)) => match Number::from_f64(*value) {
            Some(number) => Json::Number(number),
            None => Json::String(not_a_number(
                *value,
                value.to_bits() == f64::NAN.to_bits(),
                format_args!("{:016x}", value.to_bits()),
            )),
        },
        (Scalar::Duration, Value::Duration(value)) => {
            let nanos = format!("{:09}", value.subsec_nanos());
            Json::String(match nanos.trim_end_matches('0') {
                "" => format!("{}s", value.as_secs()),
                nanos => format!("{}.{nanos}s", value.as_secs()),
            })
        }
        (Scalar::Ipv4 | Scalar::Ipv6 | Scalar::Ip, Value::Ip(value)) => Json::String(value.to_string()),
        _ => return None,
    })
}

fn signed_to_json(value: i128) -> Json {
    match value.unsigned_abs() <= EXACT_MAX {
        true => Json::from(value as i64),
        false => Json::String(value.to_string()),
    }
}

/// The number that has as few digits as an `f32` needs, where it still is the same `f32`.
fn shortest(value: f32) -> f64 {
    let short: f64 = value.to_string().parse().unwrap_or(f64::NAN);
    if (short as f32).to_bits() == value.to_bits() { short } else { f64::from(value) }
}

fn not_a_number(value: f64, usual: bool, bits: std::fmt::Arguments<'_>) -> String {
    match (value == f64::INFINITY, value == f64::NEG_INFINITY, usual) {
        (true, ..) => "inf".to_string(),
        (_, true, _) => "-inf".to_string(),
        (_, _, true) => "NaN".to_string(),
        _ => format!("NaN:{bits}"),
    }
}

pub(super) fn scalar_from_json(scalar: Scalar, json: &Json) -> Option<Value> {
    Some(match (scalar, json) {
        (Scalar::Unit, Json::Null) => Value::Unit,
        (Scalar::Bool, Json::Bool(value)) => Value::Bool(*value),
        (Scalar::Char, Json::String(text)) => {
            let mut chars = text.chars();
            Value::Char(chars.next().filter(|_| chars.next().is_none())?)
        }
        (Scalar::Text, Json::String(text)) => Value::Text(text.clone()),
        (Scalar::Unsigned(bits), json) => {
            Value::Unsigned(unsigned(json).filter(|value| fits_unsigned(*value, bits))?)
        }
        (Scalar::Size, json) => Value::Unsigned(unsigned(json).filter(|value| fits_unsigned(*value, 64))?),
        (Scalar::Signed(bits), json) => {
            Value::Signed(signed(json).filter(|value| fits_signed(*value, bits))?)
        }
        (Scalar::SignedSize, json) => Value::Signed(signed(json).filter(|value| fits_signed(*value, 64))?),
        (Scalar::Time, json) => {
            let written = json.as_str().and_then(parse_time).map(|time| i128::from(time.as_millis()));
            Value::Signed(written.or_else(|| signed(json).filter(|value| fits_signed(*value, 64)))?)
        }
        (Scalar::F32, Json::Number(number)) => {
            let value = number.as_f64()? as f32;
            Value::F32(value.is_finite().then_some(value)?)
        }
        (Scalar::F64, Json::Number(number)) => Value::F64(number.as_f64()?),
        (Scalar::F32, Json::String(text)) => Value::F32(match text.as_str() {
            "inf" => f32::INFINITY,
            "-inf" => f32::NEG_INFINITY,
            "NaN" => f32::NAN,
            text => {
                nan_bits(text, 8).map(|bits| f32::from_bits(bits as u32)).filter(|value| value.is_nan())?
            }
        }),
        (Scalar::F64, Json::String(text)) => Value::F64(match text.as_str() {
            "inf" => f64::INFINITY,
            "-inf" => f64::NEG_INFINITY,
            "NaN" => f64::NAN,
            text => nan_bits(text, 16).map(f64::from_bits).filter(|value| value.is_nan())?,
        }),
        (Scalar::Duration, Json::String(text)) => Value::Duration(parse_duration(text)?),
        (Scalar::Ipv4, Json::String(text)) => Value::Ip(text.parse::<std::net::Ipv4Addr>().ok()?.into()),
        (Scalar::Ipv6, Json::String(text)) => Value::Ip(text.parse::<std::net::Ipv6Addr>().ok()?.into()),
        (Scalar::Ip, Json::String(text)) => Value::Ip(text.parse().ok()?),
        _ => return None,
    })
}

pub(super) fn unsigned(json: &Json) -> Option<u128> {
    match json {
        Json::Number(number) => number.as_u64().map(u128::from),
        Json::String(text) if is_digits(text) => text.parse().ok(),
        _ => None,
    }
}

fn signed(json: &Json) -> Option<i128> {
    match json {
        Json::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
        Json::String(text) if is_digits(text.strip_prefix('-').unwrap_or(text)) => text.parse().ok(),
        _ => None,
    }
}

/// What `parse` takes besides, a `+` in front, is no way to write a number here.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn nan_bits(text: &str, digits: usize) -> Option<u64> {
    let bits = text.strip_prefix("NaN:").filter(|bits| bits.len() == digits)?;
    u64::from_str_radix(bits, 16).ok()
}

/// A time that is written to the millisecond.
fn parse_time(text: &str) -> Option<EventTime> {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).ok();
    let since = since(humantime::parse_rfc3339(text).ok()?)?;
    let millis = i64::try_from(since.as_millis()).ok()?;
    (Duration::from_millis(millis as u64) == since).then(|| EventTime::from_millis(millis))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let Some((seconds, nanos)) = text.strip_suffix('s').and_then(|text| text.split_once('.')) else {
        return humantime::parse_duration(text).ok();
    };
    if !is_digits(seconds) || !is_digits(nanos) || nanos.len() > 9 {
        return None;
    }
    Some(Duration::new(seconds.parse().ok()?, format!("{nanos:0<9}").parse().ok()?))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("0x");
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?.as_bytes();
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return None;
    }
    pairs.map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

pub(super) fn bytes(text: &str) -> Option<Vec<Value>> {
    Some(unhex(text)?.into_iter().map(|byte| Value::Unsigned(byte.into())).collect())
}
