//! Where an operator puts its results.

use crate::chain::{LocalEdge, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::time::EventTime;

/// Receives what an operator emits. In a job it is the rest of the chain; in a unit test a `Vec` will do.
pub trait Emit<T> {
    /// Hands `value` on. It carries the event time of the record or the timer that is being processed.
    fn emit(&mut self, value: T);
}

impl<T> Emit<T> for Vec<T> {
    fn emit(&mut self, value: T) {
        self.push(value);
    }
}

/// The rest of a chain, as an operator sees it.
pub(crate) struct Emitter<'a, N> {
    pub next: &'a mut N,
    pub at: EventTime,
}

impl<T, N: Step<T>> Emit<T> for Emitter<'_, N> {
    #[inline]
    fn emit(&mut self, value: T) {
        self.next.push(value, self.at);
    }
}

/// The side output, if the operator has one and the job uses it. An operator without one has nothing to emit there: its
/// side type has no values.
pub(crate) struct SideOutput<T>(pub Option<LocalEdge<T>>);

impl<T: Send + 'static> Step<T> for SideOutput<T> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        if let Some(edge) = &mut self.0 {
            edge.push(value, at);
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        match &mut self.0 {
            Some(edge) => edge.signal(signal, out),
            None => Ok(()),
        }
    }
}
