//! The outputs of one stage: sends what the stage put out, and knows what could not be sent yet.

use std::collections::VecDeque;

use crate::exchange::channel::Sender;
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::Element;

/// The sending ends of every edge that leaves a stage, in one subtask.
pub(crate) struct OutputGate {
    edges: Vec<(EdgeIndex, Vec<Lane>)>,
}

/// One channel and what waits for room in it. What waits is bounded: the stage is not driven until it is gone.
struct Lane {
    sender: Sender,
    waiting: VecDeque<Element>,
}

impl OutputGate {
    pub fn new(edges: Vec<(EdgeIndex, Vec<Sender>)>) -> OutputGate {
        let lane = |sender| Lane { sender, waiting: VecDeque::new() };
        let edges = edges
            .into_iter()
            .map(|(edge, senders)| (edge, senders.into_iter().map(lane).collect()))
            .collect();
        OutputGate { edges }
    }

    /// Sends what the stage put out, as far as there is room.
    pub fn send(&mut self, outbox: &mut Outbox) {
        for (edge, target, element) in outbox.drain() {
            let (_, lanes) = self
                .edges
                .iter_mut()
                .find(|(own, _)| *own == edge)
                .expect("a stage puts out on its own edges");
            match (target, element) {
                (Target::Subtask(subtask), element) => lanes[subtask.index()].send(element),
                (Target::Everywhere, Element::Watermark(watermark)) => {
                    lanes.iter_mut().for_each(|lane| lane.send(Element::Watermark(watermark)));
                }
                (Target::Everywhere, Element::Status(status)) => {
                    lanes.iter_mut().for_each(|lane| lane.send(Element::Status(status)));
                }
                (Target::Everywhere, Element::Barrier(barrier)) => {
                    lanes.iter_mut().for_each(|lane| lane.send(Element::Barrier(barrier)));
                }
                (Target::Everywhere, batch @ Element::Batch(_)) => {
                    // Records are never copied: an edge that takes batches for "everywhere" is local, with one lane.
                    let [lane] = &mut lanes[..] else {
                        unreachable!("only a local edge has one subtask at its end")
                    };
                    lane.send(batch);
                }
            }
        }
    }

    /// Tries again to send what waits. Whether nothing is left.
    pub fn flush(&mut self) -> bool {
        let mut flushed = true;
        for lane in self.edges.iter_mut().flat_map(|(_, lanes)| lanes) {
            flushed &= lane.flush();
        }
        flushed
    }
}

impl Lane {
    /// Behind what waits already: the order of a channel is what snapshots rest on.
    fn send(&mut self, element: Element) {
        if !self.flush() {
            self.waiting.push_back(element);
        } else if let Err(element) = self.sender.send(element) {
            self.waiting.push_back(element);
        }
    }

    fn flush(&mut self) -> bool {
        while let Some(element) = self.waiting.pop_front() {
            if let Err(element) = self.sender.send(element) {
                self.waiting.push_front(element);
                return false;
            }
        }
        true
    }
}
