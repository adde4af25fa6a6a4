//! `discard`: the end of a stream that nobody needs.

use super::{Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::time::EventTime;

/// Drops every record.
pub struct Discard;

impl<T> Step<T> for Discard {
    #[inline]
    fn push(&mut self, _value: T, _at: EventTime) {}

    fn signal(&mut self, _signal: &mut Signal<'_>, _out: &mut Outbox) -> Result<()> {
        Ok(())
    }
}
