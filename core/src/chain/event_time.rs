//! `event_time`: gives records their event time, and makes watermarks of it.
//!
//! After every batch the step says how far event time has come by the [`Watermarks`] strategy, per split of the source.
//! Watermarks from before it end here, but for the last: it closes the stream.

use super::{Head, Signal, Step};
use crate::error::Result;
use crate::outbox::Outbox;
use crate::source::{SplitId, SplitWatermarks, Watermarks};
use crate::task::stage::Stage;
use crate::time::EventTime;

struct AssignEventTime<F, N> {
    time_of: F,
    watermarks: SplitWatermarks,
    /// Whose entry it is in a snapshot.
    owner: String,
    emitted: EventTime,
    next: N,
}

impl<F, N> AssignEventTime<F, N> {
    fn advance<T>(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()>
    where
        N: Step<T>,
    {
        if watermark <= self.emitted {
            return Ok(());
        }
        self.emitted = watermark;
        self.next.signal(&mut Signal::Watermark(watermark), out)
    }
}

impl<T, F, N> Step<T> for AssignEventTime<F, N>
where
    F: Fn(&T) -> EventTime + 'static,
    N: Step<T>,
{
    #[inline]
    fn push(&mut self, value: T, _at: EventTime) {
        let at = (self.time_of)(&value);
        self.watermarks.observe(at);
        self.next.push(value, at);
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        match signal {
            Signal::Watermark(EventTime::MAX) => return self.advance(EventTime::MAX, out),
            Signal::Watermark(_) => return Ok(()),
            Signal::Split(split) => self.watermarks.begin(split),
            Signal::SplitEnd(split) => self.watermarks.end(split),
            Signal::Flush(_) => {
                let watermark = self.watermarks.current();
                self.advance(watermark, out)?;
            }
            Signal::Barrier(_, snapshot) => {
                for (split, greatest) in self.watermarks.entries() {
                    snapshot.put(&self.owner, &split.0, greatest)?;
                }
            }
            Signal::Restore(state) => {
                for entry in state.entries(&self.owner) {
                    let greatest = serde_json::from_value(entry.value.clone())?;
                    self.watermarks.restore(&SplitId(entry.item.clone()), greatest);
                }
            }
            Signal::Open(_) | Signal::Commit(_) => {}
        }
        self.next.signal(signal, out)
    }
}

/// A chain that ends, so far, in an `event_time`.
pub struct EventTimeHead<H, F> {
    head: H,
    time_of: F,
    watermarks: Watermarks,
    owner: String,
}

impl<H, F> EventTimeHead<H, F> {
    pub(crate) fn new(head: H, time_of: F, watermarks: Watermarks, owner: String) -> Self {
        EventTimeHead { head, time_of, watermarks, owner }
    }
}

impl<H, F> Head for EventTimeHead<H, F>
where
    H: Head,
    F: Fn(&H::Out) -> EventTime + Clone + Send + Sync + 'static,
{
    type Out = H::Out;

    fn build<N: Step<H::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(AssignEventTime {
            time_of: self.time_of.clone(),
            watermarks: self.watermarks.watch(),
            owner: self.owner.clone(),
            emitted: EventTime::MIN,
            next,
        })
    }
}
