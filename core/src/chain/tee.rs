//! `tee`: every record goes on, and a copy of it goes another way.

use super::{Head, LocalEdge, Signal, Step};
use crate::error::Result;
use crate::outbox::{EdgeIndex, Outbox};
use crate::task::stage::Stage;
use crate::time::EventTime;

struct Tee<T, N> {
    copies: LocalEdge<T>,
    next: N,
}

impl<T: Clone + Send + 'static, N: Step<T>> Step<T> for Tee<T, N> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.copies.push(value.clone(), at);
        self.next.push(value, at);
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.copies.signal(signal, out)?;
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in a `tee`.
pub struct TeeHead<H> {
    head: H,
    copies: EdgeIndex,
}

impl<H> TeeHead<H> {
    pub(crate) fn new(head: H, copies: EdgeIndex) -> Self {
        TeeHead { head, copies }
    }
}

impl<H> Head for TeeHead<H>
where
    H: Head<Out: Clone + Send>,
{
    type Out = H::Out;

    fn build<N: Step<H::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(Tee { copies: LocalEdge::new(self.copies), next })
    }
}
