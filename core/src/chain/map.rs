//! `map`: one record in, one record out.

use std::marker::PhantomData;

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::task::stage::Stage;
use crate::time::EventTime;

struct Map<F, N> {
    apply: F,
    next: N,
}

impl<T, U, F, N> Step<T> for Map<F, N>
where
    F: Fn(T) -> U + 'static,
    N: Step<U>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.next.push((self.apply)(value), at);
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `map`.
pub struct MapHead<H, F, U> {
    head: H,
    apply: F,
    out: PhantomData<fn() -> U>,
}

impl<H, F, U> MapHead<H, F, U> {
    pub(crate) fn new(head: H, apply: F) -> Self {
        MapHead { head, apply, out: PhantomData }
    }
}

impl<H, F, U> Head for MapHead<H, F, U>
where
    H: Head,
    U: 'static,
    F: Fn(H::Out) -> U + Clone + Send + Sync + 'static,
{
    type Out = U;

    fn build<N: Step<U>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(Map { apply: self.apply.clone(), next })
    }
}
