//! `flat_map`: one record in, any number out.

use std::marker::PhantomData;

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::task::stage::Stage;
use crate::time::EventTime;

struct FlatMap<F, N> {
    apply: F,
    next: N,
}

impl<T, I, F, N> Step<T> for FlatMap<F, N>
where
    I: IntoIterator,
    F: Fn(T) -> I + 'static,
    N: Step<I::Item>,
{
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        for item in (self.apply)(value) {
            self.next.push(item, at);
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `flat_map`.
pub struct FlatMapHead<H, F, I> {
    head: H,
    apply: F,
    out: PhantomData<fn() -> I>,
}

impl<H, F, I> FlatMapHead<H, F, I> {
    pub(crate) fn new(head: H, apply: F) -> Self {
        FlatMapHead { head, apply, out: PhantomData }
    }
}

impl<H, F, I> Head for FlatMapHead<H, F, I>
where
    H: Head,
    I: IntoIterator<Item: 'static> + 'static,
    F: Fn(H::Out) -> I + Clone + Send + Sync + 'static,
{
    type Out = I::Item;

    fn build<N: Step<I::Item>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(FlatMap { apply: self.apply.clone(), next })
    }
}
