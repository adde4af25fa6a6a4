//! The ends of a chain that lead to another stage: records are gathered, and whatever is rarer goes behind them.

use super::Signal;
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::Element;
use crate::record::Fill;

/// A step that gathers records for the stage at the other end of an edge.
pub(crate) trait Gather {
    /// The edge.
    fn edge(&self) -> EdgeIndex;

    /// Puts what was gathered into the outbox, as far as it is full enough.
    fn hand_on(&mut self, fill: Fill, out: &mut Outbox);

    /// Passes a signal over the edge, behind all records that came before it: a watermark or a barrier never overtakes one.
    fn pass_on(&mut self, signal: &Signal<'_>, out: &mut Outbox) {
        let element = match signal {
            Signal::Flush(fill) => return self.hand_on(*fill, out),
            Signal::Watermark(watermark) => Element::Watermark(*watermark),
            Signal::Status(status) => Element::Status(*status),
            Signal::Barrier(barrier, _) => Element::Barrier(*barrier),
            Signal::Open(_)
            | Signal::Restore(_)
            | Signal::Ask(..)
            | Signal::Split(_)
            | Signal::SplitEnd(_)
            | Signal::Commit(_) => return,
        };
        self.hand_on(Fill::Any, out);
        out.put(self.edge(), Target::Everywhere, element);
    }
}
