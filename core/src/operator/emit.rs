//! Where an operator puts its results.

use crate::chain::Step;
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
