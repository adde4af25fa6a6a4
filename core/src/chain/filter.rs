//! `filter`: keeps the records that satisfy a predicate.

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::task::stage::Stage;
use crate::time::EventTime;

struct Filter<F, N> {
    keep: F,
    next: N,
}

impl<T, F, N> Step<T> for Filter<F, N>
where
    F: Fn(&T) -> bool + 'static,
    N: Step<T>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        if (self.keep)(&value) {
            self.next.push(value, at);
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `filter`.
pub struct FilterHead<H, F> {
    head: H,
    keep: F,
}

impl<H, F> FilterHead<H, F> {
    pub(crate) fn new(head: H, keep: F) -> Self {
        FilterHead { head, keep }
    }
}

impl<H, F> Head for FilterHead<H, F>
where
    H: Head,
    F: Fn(&H::Out) -> bool + Clone + Send + Sync + 'static,
{
    type Out = H::Out;

    fn build<N: Step<H::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(Filter { keep: self.keep.clone(), next })
    }
}
