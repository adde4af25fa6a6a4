//! A bounded channel between two stages: within a worker a queue, between workers a ring of which each end has one owner.
//!
//! Sending and receiving never wait. A receiver that makes room, and a sender that has put something in, ring the other
//! worker's [`Doorbell`], in case it has gone to sleep.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

#[cfg(feature = "flink")]
use crate::key::SubtaskIndex;
#[cfg(feature = "flink")]
use crate::outbox::EdgeIndex;
use crate::record::Element;

/// How many elements a channel holds: enough to keep both ends busy, few enough that a barrier is not held up long.
const CAPACITY: usize = 8;

/// Wakes a worker. Ringing before the worker sleeps is not lost: its next sleep ends at once.
#[derive(Clone, Default)]
pub(crate) struct Doorbell {
    thread: Arc<OnceLock<Thread>>,
}

impl Doorbell {
    /// The calling thread is the one that sleeps behind this bell.
    pub fn move_in(&self) {
        self.thread.set(std::thread::current()).expect("one worker lives behind a bell");
    }

    /// Wakes the worker if it sleeps.
    pub fn ring(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    /// Sleeps until the bell rings, `longest` at most.
    pub fn sleep(&self, longest: Duration) {
        std::thread::park_timeout(longest);
    }
}

impl From<Doorbell> for Waker {
    fn from(doorbell: Doorbell) -> Waker {
        Waker::from(Arc::new(doorbell))
    }
}

impl Wake for Doorbell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// The sending end.
pub(crate) enum Sender {
    /// To another stage of the same worker.
    Local(Rc<RefCell<VecDeque<Element>>>),
    /// To another worker.
    Remote(rtrb::Producer<Element>, Doorbell),
    /// Out of the process.
    #[cfg(feature = "flink")]
    Away(Away, EdgeIndex, SubtaskIndex),
}

/// What leaves the process, by whichever edge, in one order. Who drives the worker takes it out between two turns.
#[cfg(feature = "flink")]
pub(crate) type Away = Rc<RefCell<Vec<(EdgeIndex, SubtaskIndex, Element)>>>;

/// The receiving end.
pub(crate) enum Receiver {
    /// From another stage of the same worker.
    Local(Rc<RefCell<VecDeque<Element>>>),
    /// From another worker.
    Remote(rtrb::Consumer<Element>, Doorbell),
}

/// A channel within a worker.
pub(crate) fn local() -> (Sender, Receiver) {
    let queue = Rc::new(RefCell::new(VecDeque::with_capacity(CAPACITY)));
    (Sender::Local(Rc::clone(&queue)), Receiver::Local(queue))
}

/// A channel between two workers; the ends can be sent to their threads.
pub(crate) fn remote() -> (rtrb::Producer<Element>, rtrb::Consumer<Element>) {
    rtrb::RingBuffer::new(CAPACITY)
}

impl Sender {
    /// Sends, or gives the element back because the channel is full.
    pub fn send(&mut self, element: Element) -> Result<(), Element> {
        match self {
            Sender::Local(queue) => {
                let mut queue = queue.borrow_mut();
                if queue.len() >= CAPACITY {
                    return Err(element);
                }
                queue.push_back(element);
                Ok(())
            }
            Sender::Remote(ring, receiver) => {
                ring.push(element).map_err(|rtrb::PushError::Full(element)| element)?;
                receiver.ring();
                Ok(())
            }
            #[cfg(feature = "flink")]
            Sender::Away(away, edge, subtask) => {
                away.borrow_mut().push((*edge, *subtask, element));
                Ok(())
            }
        }
    }
}

impl Receiver {
    /// The next element, if there is one.
    pub fn receive(&mut self) -> Option<Element> {
        match self {
            Receiver::Local(queue) => queue.borrow_mut().pop_front(),
            Receiver::Remote(ring, sender) => {
                let element = ring.pop().ok()?;
                sender.ring();
                Some(element)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::EventTime;

    #[test]
    fn a_full_channel_gives_the_element_back_and_keeps_the_order_of_the_others() {
        let (ring, rest) = remote();
        for (mut sender, mut receiver) in [
            local(),
            (Sender::Remote(ring, Doorbell::default()), Receiver::Remote(rest, Doorbell::default())),
        ] {
            let watermark = |millis| Element::Watermark(EventTime::from_millis(millis));
            for i in 0..CAPACITY {
                assert!(sender.send(watermark(i as i64)).is_ok());
            }
            assert!(sender.send(watermark(99)).is_err());
            for i in 0..CAPACITY {
                assert!(
                    matches!(receiver.receive(), Some(Element::Watermark(w)) if w.as_millis() == i as i64)
                );
            }
            assert!(receiver.receive().is_none());
        }
    }
}
