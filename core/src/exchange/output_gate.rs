//! The outputs of one stage: sends what the stage put out, and knows what could not be sent yet.
//!
//! What can't be sent keeps the stage from being driven, but for the stage that closes a loop: everything in the loop would
//! wait for itself. There, what waits for room [grows](Room::Grows) as the loop has it.

use std::collections::VecDeque;

use crate::exchange::channel::Sender;
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::Element;

/// The sending ends of every edge that leaves a stage, in one subtask.
pub(crate) struct OutputGate {
    edges: Vec<(EdgeIndex, Vec<Lane>)>,
    room: Room,
    /// How many elements have been put into lanes so far, whether they have been sent or wait; but for barriers.
    sent: u64,
    /// Of how many records that wait the log is told next.
    worth_a_warning: usize,
}

/// What is done with what waits for room in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It is bounded: the stage is not driven until it is gone.
    Bounded,
    /// It grows: the stage closes a loop.
    Grows,
}

/// When so many records wait to be fed back in one subtask, the log says so; and again when it has doubled.
const WAITING_WORTH_A_WARNING: usize = 1 << 20;

/// One channel and what waits for room in it.
struct Lane {
    sender: Sender,
    waiting: VecDeque<Element>,
    /// How many records wait.
    records: usize,
}

impl OutputGate {
    pub fn new(edges: Vec<(EdgeIndex, Vec<Sender>)>, room: Room) -> OutputGate {
        let lane = |sender| Lane { sender, waiting: VecDeque::new(), records: 0 };
        let edges = edges
            .into_iter()
            .map(|(edge, senders)| (edge, senders.into_iter().map(lane).collect()))
            .collect();
        OutputGate { edges, room, sent: 0, worth_a_warning: WAITING_WORTH_A_WARNING }
    }

    /// How many elements the stage has put out so far but for barriers, each counted for every subtask that it goes to.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// So many records wait, if that is a number that the log should be told of.
    pub fn overflow(&mut self) -> Option<usize> {
        let waiting = self.edges.iter().flat_map(|(_, lanes)| lanes).map(|lane| lane.records).sum::<usize>();
        (waiting >= self.worth_a_warning && self.room == Room::Grows).then(|| {
            self.worth_a_warning = waiting * 2;
            waiting
        })
    }

    /// Sends what the stage put out, as far as there is room.
    pub fn send(&mut self, outbox: &mut Outbox) {
        for (edge, target, element) in outbox.drain() {
            let (_, lanes) = self
                .edges
                .iter_mut()
                .find(|(own, _)| *own == edge)
                .expect("a stage puts out on its own edges");
            let copies = match target {
                Target::Subtask(_) => 1,
                Target::Everywhere => lanes.len(),
            };
            self.sent += if element.makes_work() { copies as u64 } else { 0 };
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

    /// Tries again to send what waits. Whether the stage may be driven.
    pub fn flush(&mut self) -> bool {
        let mut flushed = true;
        for lane in self.edges.iter_mut().flat_map(|(_, lanes)| lanes) {
            flushed &= lane.flush();
        }
        flushed || self.room == Room::Grows
    }
}

impl Lane {
    /// Behind what waits already: the order of a channel is what snapshots rest on.
    fn send(&mut self, element: Element) {
        let refused = if self.flush() { self.sender.send(element).err() } else { Some(element) };
        if let Some(element) = refused {
            self.records += records(&element);
            self.waiting.push_back(element);
        }
    }

    fn flush(&mut self) -> bool {
        while let Some(element) = self.waiting.pop_front() {
            let records = records(&element);
            if let Err(element) = self.sender.send(element) {
                self.waiting.push_front(element);
                return false;
            }
            self.records -= records;
        }
        true
    }
}

fn records(element: &Element) -> usize {
    match element {
        Element::Batch(batch) => batch.len,
        Element::Watermark(_) | Element::Status(_) | Element::Barrier(_) => 0,
    }
}
