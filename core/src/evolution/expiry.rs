//! What becomes of times to live: they are carried, and a value that expires goes over with the time at which it was refreshed.
//!
//! Where there is none by the clock of the program, since the value had no time to live, or one by another clock, it counts as
//! refreshed when the snapshot was taken: nothing expires because the program was changed.

use super::carry::{Carrier, Place};
use super::conversion::{Conversion, Refreshed};
use super::difference::Change;
use super::shape::{Entries, Shape};
use crate::state::{Describe, Field, Refresh, Schema, Ttl, TtlTime};
use crate::time::EventTime;

impl Carrier {
    /// Says what becomes of the time to live, and adds it to the conversion if the times of refreshing change.
    pub fn expiring(
        &mut self,
        place: &Place,
        old: &Field,
        new: &Field,
        conversion: Conversion,
    ) -> Conversion {
        if old.ttl == new.ttl {
            return conversion;
        }
        let text = |ttl| format!("{}: {}", place.inside(&new.name).path, lives(ttl));
        let change = Change::Type { part: "time to live", was: text(old.ttl), is: text(new.ttl) };
        let (refreshed, how) = match (old.ttl, new.ttl) {
            (Some(old), Some(new)) if old.time == new.time => {
                (Refreshed::AsItWas, "counted from when it was refreshed")
            }
            (_, Some(new)) => {
                let at = match new.time {
                    TtlTime::Event => self.taken_at.event,
                    TtlTime::Processing => self.taken_at.processing,
                    TtlTime::Uptime => self.taken_at.uptime,
                };
                (Refreshed::At(at), "counted from when the snapshot was taken")
            }
            (_, None) => (Refreshed::At(EventTime::from_millis(0)), "nothing expires any more"),
        };
        self.carried(change, how);
        match refreshed {
            Refreshed::AsItWas => conversion,
            refreshed => refreshed_at(refreshed, conversion),
        }
    }
}

/// The conversion of a field whose values count as refreshed at another time than they were.
fn refreshed_at(refreshed: Refreshed, conversion: Conversion) -> Conversion {
    match conversion {
        Conversion::Held(_, part) => Conversion::Held(refreshed, part),
        Conversion::Entries(schema, _, key, value) => Conversion::Entries(schema, refreshed, key, value),
        Conversion::Copy(schema) => {
            let copy = |part: &Schema| Box::new(Conversion::Copy(part.clone()));
            match Shape::of(&schema) {
                Shape::Held(part) => Conversion::Held(refreshed, copy(part)),
                Shape::Entries(Entries::Map(key, value)) => {
                    let (key, value) = (copy(key), copy(value));
                    Conversion::Entries(schema, refreshed, key, value)
                }
                Shape::Entries(Entries::List(value)) => {
                    let (key, value) = (copy(&u64::schema()), copy(value));
                    Conversion::Entries(schema, refreshed, key, value)
                }
                _ => Conversion::Copy(schema),
            }
        }
        // Nothing else expires.
        other => other,
    }
}

/// `7days of processing time after it was written`
fn lives(ttl: Option<Ttl>) -> String {
    let Some(Ttl { lasts, time, refresh }) = ttl else { return "for ever".to_string() };
    let time = match time {
        TtlTime::Event => "event time",
        TtlTime::Processing => "processing time",
        TtlTime::Uptime => "uptime",
    };
    let refresh = match refresh {
        Refresh::Write => "written",
        Refresh::ReadAndWrite => "written or read",
    };
    format!("{} of {time} after it was {refresh}", humantime::format_duration(lasts))
}
