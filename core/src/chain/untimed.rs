//! The way back in a loop: records take it, event time does not.
//!
//! A watermark says that no older record follows. Behind one that had gone round that would be said of the next round, too,
//! which only the head of the loop can know.

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::task::stage::Stage;
use crate::time::EventTime;

struct Untimed<N> {
    next: N,
}

impl<T, N: Step<T>> Step<T> for Untimed<N> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        self.next.push(value, at);
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        match signal {
            Signal::Watermark(_) | Signal::Status(_) => Ok(()),
            _ => self.next.signal(signal, out),
        }
    }
}

/// A chain that ends, so far, in the way back.
pub struct UntimedHead<H> {
    head: H,
}

impl<H> UntimedHead<H> {
    pub(crate) fn new(head: H) -> Self {
        UntimedHead { head }
    }
}

impl<H: Head> Head for UntimedHead<H> {
    type Out = H::Out;

    fn build<N: Step<H::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(Untimed { next })
    }
}
