//! What a stage has put out, and where it is to go: the way from a stage to its driver.

use std::time::Duration;

use crate::key::SubtaskIndex;
use crate::record::{Element, Origin};
use crate::spares::Spares;

/// An edge of the job's graph, from an output of one stage to an input of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeIndex(pub u32);

/// Where an element that a stage put out is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To one subtask of the stage at the end of the edge.
    Subtask(SubtaskIndex),
    /// To all of them: watermarks, statuses and barriers.
    Everywhere,
}

/// What a stage has put out and its driver has not yet sent: in order.
#[derive(Default)]
pub struct Outbox {
    /// Which source records the batches that are put out were made from.
    pub origin: Origin,
    /// Vectors for the batches that are put out.
    pub(crate) spares: Spares,
    /// What the steps of the stage wish for. They say it at every flush.
    pub(crate) wishes: Wishes,
    elements: Vec<(EdgeIndex, Target, Element)>,
}

/// What a stage wishes of its driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// It has no room: it should be given no input before it says otherwise.
    pub hold: bool,
    /// Records will come out of it though no input comes: a loop that it is part of has not come to rest.
    pub is_at_work: bool,
    /// It should be flushed again then, by the clock that never goes back, whether or not there is input.
    pub wake: Option<Duration>,
}

impl Wishes {
    /// It should be flushed again then, if not before.
    pub fn wake_by(&mut self, at: Option<Duration>) {
        self.wake = self.wake.into_iter().chain(at).min();
    }
}

impl Outbox {
    /// Adds an element behind those that are there.
    pub fn put(&mut self, edge: EdgeIndex, target: Target, element: Element) {
        self.elements.push((edge, target, element));
    }

    /// Adds what another holds, in order. The other one is empty then.
    pub(crate) fn append(&mut self, other: &mut Outbox) {
        self.elements.append(&mut other.elements);
    }

    /// Takes everything, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = (EdgeIndex, Target, Element)> + '_ {
        self.elements.drain(..)
    }

    /// What is to be sent, in order.
    pub fn elements(&self) -> impl DoubleEndedIterator<Item = &Element> {
        self.elements.iter().map(|(_, _, element)| element)
    }

    /// How many elements are to be sent.
    #[cfg(feature = "flink")]
    pub(crate) fn len(&self) -> usize {
        self.elements.len()
    }

    /// The records behind the first so many elements: for each batch, how many go by which edge.
    #[cfg(feature = "flink")]
    pub(crate) fn records_behind(&self, elements: usize) -> impl Iterator<Item = (EdgeIndex, usize)> {
        self.elements[elements..].iter().filter_map(|(edge, _, element)| match element {
            Element::Batch(batch) => Some((*edge, batch.len)),
            Element::Watermark(_) | Element::Status(_) | Element::Barrier(_) => None,
        })
    }

    /// Whether there is nothing to send.
    pub fn is_empty(&self) -> bool {
        self.elements.is_empty()
    }
}
