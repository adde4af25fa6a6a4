//! `try_map`: a `map` that may fail; what it rejects leaves on a stream of its own, so that nothing is lost.

use std::marker::PhantomData;

use super::{Head, LocalEdge, Signal, Step};
use crate::error::Result;
use crate::outbox::{EdgeIndex, Outbox};
use crate::task::stage::Stage;
use crate::time::EventTime;

struct TryMap<F, E, N> {
    apply: F,
    rejects: LocalEdge<E>,
    next: N,
}

impl<T, U, E, F, N> Step<T> for TryMap<F, E, N>
where
    E: Send + 'static,
    F: Fn(T) -> std::result::Result<U, E> + 'static,
    N: Step<U>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        match (self.apply)(value) {
            Ok(value) => self.next.push(value, at),
            Err(reject) => self.rejects.push(reject, at),
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.rejects.signal(signal, out)?;
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `try_map`.
pub struct TryMapHead<H, F, U, E> {
    head: H,
    apply: F,
    rejects: EdgeIndex,
    out: PhantomData<fn() -> (U, E)>,
}

impl<H, F, U, E> TryMapHead<H, F, U, E> {
    pub(crate) fn new(head: H, apply: F, rejects: EdgeIndex) -> Self {
        TryMapHead { head, apply, rejects, out: PhantomData }
    }
}

impl<H, F, U, E> Head for TryMapHead<H, F, U, E>
where
    H: Head,
    U: 'static,
    E: Send + 'static,
    F: Fn(H::Out) -> std::result::Result<U, E> + Clone + Send + Sync + 'static,
{
    type Out = U;

    fn build<N: Step<U>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(TryMap { apply: self.apply.clone(), rejects: LocalEdge::new(self.rejects), next })
    }
}
