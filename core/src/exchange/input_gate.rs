//! The inputs of one stage: reads its channels in turn, and gives the stage batches, merged watermarks, aligned barriers.

use crate::exchange::align::{Aligner, Alignment};
use crate::exchange::channel::Receiver;
use crate::exchange::merge_watermarks::{StatusChange, WatermarkMerger};
use crate::record::{Barrier, Batch, Element, WatermarkStatus};
use crate::time::EventTime;

/// The receiving ends of every channel into a stage, in one subtask.
pub(crate) struct InputGate {
    channels: Vec<Receiver>,
    aligner: Aligner,
    merger: WatermarkMerger,
    /// What comes behind a watermark that came with it.
    status: Option<WatermarkStatus>,
    next: usize,
}

/// What a stage is to do next.
pub(crate) enum Input {
    Batch(Batch),
    Watermark(EventTime),
    Status(WatermarkStatus),
    Barrier(Barrier),
}

impl InputGate {
    pub fn new(channels: Vec<Receiver>) -> InputGate {
        InputGate {
            aligner: Aligner::new(channels.len()),
            merger: WatermarkMerger::new(channels.len()),
            status: None,
            next: 0,
            channels,
        }
    }

    /// The next input, from whichever channel has one; each channel gets its turn.
    pub fn poll(&mut self) -> Option<Input> {
        if let Some(status) = self.status.take() {
            return Some(Input::Status(status));
        }
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
                Element::Status(status) => {
                    let StatusChange { watermark, status } = self.merger.on_status(channel, status);
                    if let Some(watermark) = watermark {
                        self.status = status;
                        return Some(Input::Watermark(watermark));
                    }
                    if let Some(status) = status {
                        return Some(Input::Status(status));
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
                Input::Watermark(_) | Input::Status(_) => unreachable!(),
            });
        }
        assert_eq!(order[..2], [2, 0], "the snapshot holds what came before the barriers, and nothing else");
        assert_eq!(order.len(), 4);
    }

    #[test]
    fn a_watermark_that_comes_with_a_status_comes_before_it() {
        let (mut first, first_end) = local();
        let (mut second, second_end) = local();
        let mut gate = InputGate::new(vec![first_end, second_end]);
        let watermark = |millis| Element::Watermark(EventTime::from_millis(millis));
        let idle = || Element::Status(WatermarkStatus::Idle);
        assert!(first.send(watermark(9)).is_ok() && first.send(idle()).is_ok());
        assert!(second.send(watermark(5)).is_ok());
        let mut next = || {
            gate.poll().map(|input| match input {
                Input::Watermark(watermark) => watermark.to_string(),
                Input::Status(status) => format!("{status:?}"),
                Input::Batch(_) | Input::Barrier(_) => unreachable!(),
            })
        };
        assert_eq!(next().as_deref(), Some("1970-01-01T00:00:00.005Z"));
        assert_eq!(next(), None);
        assert!(second.send(idle()).is_ok());
        assert_eq!(next().as_deref(), Some("1970-01-01T00:00:00.009Z"));
        assert_eq!(next().as_deref(), Some("Idle"));
        assert_eq!(next(), None);
    }
}
