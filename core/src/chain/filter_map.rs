//! `filter_map`: one record in, one or none out.
//!
//! `flat_map` over an `Option` does the same, and has the record pass through an iterator, which copies it twice.

use std::marker::PhantomData;

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::task::stage::Stage;
use crate::time::EventTime;

struct FilterMap<F, N> {
    apply: F,
    next: N,
}

impl<T, U, F, N> Step<T> for FilterMap<F, N>
where
    F: Fn(T) -> Option<U> + 'static,
    N: Step<U>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        if let Some(value) = (self.apply)(value) {
            self.next.push(value, at);
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `filter_map`.
pub struct FilterMapHead<H, F, U> {
    head: H,
    apply: F,
    out: PhantomData<fn() -> U>,
}

impl<H, F, U> FilterMapHead<H, F, U> {
    pub(crate) fn new(head: H, apply: F) -> Self {
        FilterMapHead { head, apply, out: PhantomData }
    }
}

impl<H, F, U> Head for FilterMapHead<H, F, U>
where
    H: Head,
    U: 'static,
    F: Fn(H::Out) -> Option<U> + Clone + Send + Sync + 'static,
{
    type Out = U;

    fn build<N: Step<U>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(FilterMap { apply: self.apply.clone(), next })
    }
}
