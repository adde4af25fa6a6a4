//! The inputs of one stage: reads its channels in turn, and gives the stage batches, merged watermarks, aligned barriers.

use crate::exchange::align::{Aligner, Alignment};
use crate::exchange::channel::Receiver;
use crate::exchange::merge_watermarks::WatermarkMerger;
use crate::record::{Barrier, Batch, Element};
use crate::time::EventTime;

/// The receiving ends of every channel into a stage, in one subtask.
pub(crate) struct InputGate {
    channels: Vec<Receiver>,
    aligner: Aligner,
    merger: WatermarkMerger,
    next: usize,
}

/// What a stage is to do next.
pub(crate) enum Input {
    Batch(Batch),
    Watermark(EventTime),
    Barrier(Barrier),
}

impl InputGate {
    pub fn new(channels: Vec<Receiver>) -> InputGate {
        InputGate {
            aligner: Aligner::new(channels.len()),
            merger: WatermarkMerger::new(channels.len()),
            next: 0,
            channels,
        }
    }

    /// The next input, from whichever channel has one; each channel gets its turn.
    pub fn poll(&mut self) -> Option<Input> {
        let mut silent = 0;
        while silent < self.channels.len() {
            let channel = self.next;
            self.next = (channel + 1) % self.channels.len();
            let element = if self.aligner.is_held(channel) { None } else { self.channels[channel].receive() };
            let Some(element) = element else {
                silent += 1;
                continue;
            };
            silent = 0;
            match element {
                Element::Batch(batch) => return Some(Input::Batch(batch)),
                Element::Watermark(watermark) => {
                    if let Some(merged) = self.merger.on_watermark(channel, watermark) {
                        return Some(Input::Watermark(merged));
                    }
                }
                Element::Barrier(barrier) => {
                    if self.aligner.on_barrier(channel, barrier) == Alignment::Complete {
                        return Some(Input::Barrier(barrier));
                    }
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::channel::local;
    use crate::record::{BarrierKind, Origin, SnapshotId};

    #[test]
    fn a_record_behind_the_barrier_of_its_channel_waits_until_the_other_channel_has_delivered_it_too() {
        let (mut first, first_end) = local();
        let (mut second, second_end) = local();
        let mut gate = InputGate::new(vec![first_end, second_end]);
        let barrier = Barrier { snapshot: SnapshotId(1), kind: BarrierKind::Periodic };
        let batch = |len| Element::Batch(Batch { records: Box::new(()), len, origin: Origin::default() });
        for element in [Element::Barrier(barrier), batch(1)] {
            assert!(first.send(element).is_ok());
        }
        assert!(gate.poll().is_none());
        for element in [batch(2), Element::Barrier(barrier), batch(3)] {
            assert!(second.send(element).is_ok());
        }
        let mut order = Vec::new();
        while let Some(input) = gate.poll() {
            order.push(match input {
                Input::Batch(batch) => batch.len,
                Input::Barrier(_) => 0,
                Input::Watermark(_) => unreachable!(),
            });
        }
        assert_eq!(order[..2], [2, 0], "the snapshot holds what came before the barriers, and nothing else");
        assert_eq!(order.len(), 4);
    }
}
