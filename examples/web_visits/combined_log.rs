//! The combined log format of Apache and nginx: who asked, and when.
//!
//! ```text
//! 192.0.2.7 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11; Linux x86_64)"
//! client    | |  time                        request          |   |    |   user agent
//!           | user name                                  status   |    referer
//!           identity                                              bytes, or - for none
//! ```
//!
//! What enters: a line. What leaves: an [`Entry`] that borrows from it, or the first thing in the line that is not as it
//! should be. Every field is checked, also those that nobody asks for: a line that was cut off is no entry. Nothing is
//! allocated. A quoted field may hold `\"`.

use std::fmt;

use tidegate::prelude::*;

/// What a line says, as far as it is of interest here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The client's address, or its name if the server looks names up.
    pub client: &'a str,
    /// When the request came.
    pub at: EventTime,
}

/// Why a line is not an entry: which field is wrong, and in what way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    field: &'static str,
    fault: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.field, self.fault)
    }
}

/// Reads a line, given without its line end.
///
/// # Errors
/// The first field that is missing or wrong.
pub fn parse(line: &str) -> Result<Entry<'_>, Malformed> {
    let mut fields = Fields { rest: line };
    let client = fields.word("client")?;
    fields.word("identity")?;
    fields.word("user name")?;
    let at = fields.enclosed("time", b'[', b']')?;
    let at = time(at).ok_or(Malformed { field: "time", fault: "is not like 17/May/2015:10:05:03 +0000" })?;
    fields.enclosed("request", b'"', b'"')?;
    if !matches!(fields.word("status")?.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return Err(Malformed { field: "status", fault: "is not a number from 100 to 599" });
    }
    let bytes = fields.word("size")?;
    if bytes != "-" && !bytes.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Malformed { field: "size", fault: "is neither a number of bytes nor -" });
    }
    fields.enclosed("referer", b'"', b'"')?;
    fields.enclosed("user agent", b'"', b'"')?;
    match fields.rest {
        "" => Ok(Entry { client, at }),
        _ => Err(Malformed { field: "user agent", fault: "should be the last field, and is not" }),
    }
}

/// What is left of a line; fields are taken from its beginning.
struct Fields<'a> {
    rest: &'a str,
}

impl<'a> Fields<'a> {
    /// The next field, which ends before a space.
    fn word(&mut self, field: &'static str) -> Result<&'a str, Malformed> {
        let end = self.rest.find(' ').unwrap_or(self.rest.len());
        match end {
            0 => Err(Malformed { field, fault: "is missing" }),
            end => self.take(field, 0..end, end),
        }
    }

    /// The next field, which stands between two delimiters. A backslash takes away the meaning of what follows it.
    fn enclosed(&mut self, field: &'static str, open: u8, close: u8) -> Result<&'a str, Malformed> {
        let bytes = self.rest.as_bytes();
        match bytes.first() {
            None => return Err(Malformed { field, fault: "is missing" }),
            Some(&first) if first == open => {}
            Some(_) if open == b'[' => return Err(Malformed { field, fault: "has no opening bracket" }),
            Some(_) => return Err(Malformed { field, fault: "has no opening quote" }),
        }
        let mut at = 1;
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' => at += 2,
                byte if byte == close => return self.take(field, 1..at, at + 1),
                _ => at += 1,
            }
        }
        let fault = if close == b']' { "has no closing bracket" } else { "has no closing quote" };
        Err(Malformed { field, fault })
    }

    /// Takes a field that ends before `end`, and the space behind it, if the line goes on.
    fn take(
        &mut self,
        field: &'static str,
        text: std::ops::Range<usize>,
        end: usize,
    ) -> Result<&'a str, Malformed> {
        let (taken, rest) = (&self.rest[text], &self.rest[end..]);
        self.rest = match rest.strip_prefix(' ') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return Err(Malformed { field, fault: "is not followed by a space" }),
        };
        Ok(taken)
    }
}

/// Reads a time such as `17/May/2015:10:05:03 +0200`.
fn time(text: &str) -> Option<EventTime> {
    let bytes: &[u8; 26] = text.as_bytes().try_into().ok()?;
    let punctuation = [(2, b'/'), (6, b'/'), (11, b':'), (14, b':'), (17, b':'), (20, b' ')];
    if punctuation.iter().any(|&(at, byte)| bytes[at] != byte) {
        return None;
    }
    let two = |at: usize| number(&bytes[at..at + 2]);
    let (day, month, year) = (two(0)?, month(&bytes[3..6])?, number(&bytes[7..11])?);
    let (hour, minute, second) = (two(12)?, two(15)?, two(18)?);
    let zone = two(22)? * 60 + two(24)?;
    // A leap second is the 60th.
    let valid = (1..=days_in(month, year)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && two(24)? < 60;
    let east = match bytes[21] {
        b'+' => zone,
        b'-' => -zone,
        _ => return None,
    };
    let minutes = (days_since_epoch(year, month, day) * 24 + hour) * 60 + minute - east;
    valid.then(|| EventTime::from_millis((minutes * 60 + second) * 1000))
}

fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

fn month(name: &[u8]) -> Option<i64> {
    const NAMES: &[u8; 36] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    (1..).zip(NAMES.chunks(3)).find(|(_, candidate)| *candidate == name).map(|(month, _)| month)
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(month: i64, year: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar, which may be before it.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    // Counted in years that begin in March, so that the leap day is the last one of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    const FIRST_OF_MARCH_OF_YEAR_0: i64 = -719_468;
    year * 365 + leap_days + day_of_year + FIRST_OF_MARCH_OF_YEAR_0
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"192.0.2.7 - jo [17/May/2015:10:05:03 +0000] "GET /a\"b HTTP/1.1" 200 5120 "-" "Mozilla/5.0 (X11)""#;

    fn reason(line: &str) -> String {
        parse(line).unwrap_err().to_string()
    }

    #[test]
    fn an_entry_knows_its_client_and_its_time() {
        let entry = parse(LINE).unwrap();
        assert_eq!(entry, Entry { client: "192.0.2.7", at: EventTime::from_millis(1_431_857_103_000) });
        let line = LINE.replace("192.0.2.7", "2001:db8::7").replace(" 5120 ", " - ");
        assert_eq!(parse(&line).unwrap().client, "2001:db8::7");
    }

    #[test]
    fn times_of_all_zones_are_brought_to_utc() {
        let at = |text| time(text).map(EventTime::as_millis);
        assert_eq!(at("01/Jan/1970:00:00:00 +0000"), Some(0));
        assert_eq!(at("31/Dec/1969:23:59:59 +0000"), Some(-1000));
        assert_eq!(at("17/May/2015:12:05:03 +0200"), Some(1_431_857_103_000));
        assert_eq!(at("17/May/2015:04:35:03 -0530"), Some(1_431_857_103_000));
        assert_eq!(at("29/Feb/2024:12:00:00 +0000"), Some(1_709_208_000_000));
        assert_eq!(at("31/Dec/2016:23:59:60 +0000"), Some(1_483_228_800_000));
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut days = days_since_epoch(1899, 12, 31);
        for year in 1900..2300 {
            for month in 1..=12 {
                for day in 1..=days_in(month, year) {
                    days += 1;
                    assert_eq!(days_since_epoch(year, month, day), days, "{year}-{month}-{day}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "17/May/2015:10:05:03",
            "17/mai/2015:10:05:03 +0000",
            "29/Feb/2015:10:05:03 +0000",
            "00/May/2015:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:60:03 +0000",
            "17/May/2015:10:05:61 +0000",
            "17/May/2015:10:05:03 +0060",
            "17/May/2015:10:05:03 *0000",
            "17 May 2015 10:05:03 +0000",
            "1x/May/2015:10:05:03 +0000",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
        assert_eq!(reason(&LINE.replace("May", "Mai")), "the time is not like 17/May/2015:10:05:03 +0000");
    }

    #[test]
    fn a_line_cut_off_anywhere_is_refused() {
        for end in 0..LINE.len() {
            assert!(parse(&LINE[..end]).is_err(), "{}", &LINE[..end]);
        }
        assert_eq!(reason(&LINE[..LINE.len() - 1]), "the user agent has no closing quote");
        assert_eq!(reason("192.0.2.7 - "), "the user name is missing");
        assert_eq!(reason(""), "the client is missing");
    }

    #[test]
    fn the_reason_names_the_field_that_is_wrong() {
        for (good, bad, reason_of_bad) in [
            (" 200 ", " 2oo ", "the status is not a number from 100 to 599"),
            (" 5120 ", " 5k ", "the size is neither a number of bytes nor -"),
            ("[17", "17", "the time has no opening bracket"),
            ("] \"GET", "] GET", "the request has no opening quote"),
            ("1\" 200", "1\"200", "the request is not followed by a space"),
            ("(X11)\"", "(X11)\" 0.003", "the user agent should be the last field, and is not"),
            ("(X11)\"", "(X11)\\\"", "the user agent has no closing quote"),
        ] {
            assert!(LINE.contains(good), "{good}");
            assert_eq!(reason(&LINE.replace(good, bad)), reason_of_bad);
        }
    }
}
