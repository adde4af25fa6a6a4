//! The inputs of one stage: reads its channels in turn, and gives the stage batches, merged watermarks, aligned barriers.
//!
//! What was in flight when the snapshot was taken that the job is restored from comes first: its *backlog*. If a barrier
//! overtakes what is in flight now, the gate *records* it: it empties its channels up to the barrier, writes down what it
//! finds, and keeps it to be read in turn. The record is a backlog again, and begins with what is left of the restored one.
//!
//! At the head of a loop some channels bring records back. They come behind all others, and are read before them: what
//! goes round is to come to its end before anything new is added to it. They say nothing of event time, and what they have
//! in flight at the cut is recorded. The end of time, which says that no record follows, is *held* until that is true of the
//! loop, too: until the gate is [released](InputGate::release).

use std::collections::VecDeque;

use crate::error::Result;
use crate::exchange::align::{Access, Aligner, Alignment};
use crate::exchange::backlog::{Backlog, Queued};
use crate::exchange::channel::Receiver;
use crate::exchange::codec::{BatchCodec, Payload};
use crate::exchange::merge_watermarks::{StatusChange, WatermarkMerger};
use crate::record::{Barrier, Batch, Element, SnapshotId, WatermarkStatus};
use crate::time::EventTime;

/// The receiving ends of every channel into a stage, in one subtask.
pub(crate) struct InputGate {
    inlets: Vec<Inlet>,
    /// How many of them bring nothing back: the first ones.
    regular: usize,
    aligner: Aligner,
    merger: WatermarkMerger,
    /// What comes behind a watermark that came with it.
    status: Option<WatermarkStatus>,
    next: usize,
    /// How often in a row something was read that had come back.
    fed_back: u32,
    end: EndOfTime,
    /// What comes before anything from a channel.
    backlog: VecDeque<Queued<Batch>>,
    /// There as long as the aligner says that a channel is recorded.
    recording: Option<Box<Recording>>,
}

/// A channel, and what has been taken out of it to be recorded and has not been read yet. That is never a barrier.
struct Inlet {
    ahead: VecDeque<Element>,
    receiver: Receiver,
    /// How many elements have come out of it, but for barriers.
    received: u64,
}

impl Inlet {
    fn receive(&mut self) -> Option<Element> {
        let element = self.receiver.receive()?;
        self.received += u64::from(element.makes_work());
        Some(element)
    }
}

/// What becomes of the watermark behind which no record follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EndOfTime {
    /// It is passed on: nothing comes back, or nothing does any more.
    Free,
    /// It waits when it comes: something may come back.
    Guarded,
    /// It has come, and waits.
    Held,
    /// It has come, and is the next input.
    Due,
}

/// What a stage is to do next.
pub(crate) enum Input {
    Batch(Batch),
    Watermark(EventTime),
    Status(WatermarkStatus),
    Barrier(Barrier, Cut),
}

/// How a stage cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing is in flight to it.
    Whole,
    /// What goes round is: the gate is to [begin recording](InputGate::begin_recording), at once.
    WithFeedback,
}

/// How often in a row what has come back is read before what has not, so that barriers get their turn in a loop that never
/// runs empty.
const FED_BACK_IN_A_ROW: u32 = 8;

impl InputGate {
    /// A gate of `channels`, of which those from number `regular` on bring back what the stage itself has put out.
    pub fn new(channels: Vec<Receiver>, regular: usize) -> InputGate {
        InputGate {
            aligner: Aligner::new(regular, channels.len() - regular),
            merger: WatermarkMerger::new(regular),
            regular,
            status: None,
            next: 0,
            fed_back: 0,
            end: if regular < channels.len() { EndOfTime::Guarded } else { EndOfTime::Free },
            inlets: channels
                .into_iter()
                .map(|receiver| Inlet { ahead: VecDeque::new(), receiver, received: 0 })
                .collect(),
            backlog: VecDeque::new(),
            recording: None,
        }
    }

    /// Takes back what was in flight: it is read before any channel is.
    pub fn restore(&mut self, backlog: Backlog<Batch>) {
        if EventTime::MIN < backlog.watermark && backlog.watermark < EventTime::MAX {
            self.backlog.push_back(Queued::Watermark(backlog.watermark));
        }
        self.backlog.extend(backlog.elements);
    }

    /// Whether some of what was taken back has not been read. Until it has, subtasks stand at different watermarks.
    pub fn is_catching_up(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Nothing is in flight in any loop any more: the end of time may pass.
    pub fn release(&mut self) {
        self.end = match self.end {
            EndOfTime::Held | EndOfTime::Due => EndOfTime::Due,
            EndOfTime::Guarded | EndOfTime::Free => EndOfTime::Free,
        };
    }

    /// Whether something has been taken out of the channels, or taken back, that has not been read.
    pub fn holds_anything(&self) -> bool {
        self.status.is_some()
            || self.end == EndOfTime::Due
            || !self.backlog.is_empty()
            || self.inlets.iter().any(|inlet| !inlet.ahead.is_empty())
    }

    /// How many elements have been taken out of the channels so far, but for barriers.
    pub fn received(&self) -> u64 {
        self.inlets.iter().map(|inlet| inlet.received).sum()
    }

    /// The next input, from whichever channel has one; each channel gets its turn.
    pub fn poll(&mut self) -> Option<Input> {
        if let Some(status) = self.status.take() {
            return Some(Input::Status(status));
        }
        if self.end == EndOfTime::Due {
            self.end = EndOfTime::Free;
            return Some(Input::Watermark(EventTime::MAX));
        }
        if let Some(queued) = self.backlog.pop_front() {
            return Some(match queued {
                Queued::Batch(batch) => Input::Batch(batch),
                Queued::Watermark(watermark) => {
                    self.merger.reach(watermark);
                    Input::Watermark(watermark)
                }
            });
        }
        while let Some((channel, element)) = self.take() {
            let input = match element {
                Element::Batch(batch) => Some(Input::Batch(batch)),
                Element::Watermark(watermark) => {
                    let merged = self.merger.on_watermark(channel, watermark);
                    merged.and_then(|merged| self.let_pass(merged))
                }
                Element::Status(status) => {
                    let StatusChange { watermark, status } = self.merger.on_status(channel, status);
                    match watermark.and_then(|watermark| self.let_pass(watermark)) {
                        Some(watermark) => {
                            self.status = status;
                            Some(watermark)
                        }
                        None => status.map(Input::Status),
                    }
                }
                Element::Barrier(barrier) => {
                    let alignment = self.aligner.on_barrier(channel, barrier);
                    if !self.aligner.is_recording() {
                        // If something was recorded, it was for an older snapshot, which has been given up.
                        self.recording = None;
                    }
                    match alignment {
                        Alignment::Cut => Some(Input::Barrier(barrier, Cut::Whole)),
                        Alignment::CutAndRecord => Some(Input::Barrier(barrier, Cut::WithFeedback)),
                        Alignment::Wait | Alignment::Recorded => None,
                    }
                }
            };
            if input.is_some() {
                return input;
            }
        }
        None
    }

    /// The next element, and its channel: of what has come back, unless it is the others' turn.
    fn take(&mut self) -> Option<(usize, Element)> {
        if self.fed_back < FED_BACK_IN_A_ROW
            && let Some(taken) = (self.regular..self.inlets.len()).find_map(|channel| self.take_from(channel))
        {
            self.fed_back += 1;
            return Some(taken);
        }
        self.fed_back = 0;
        for _ in 0..self.inlets.len() {
            let channel = self.next;
            self.next = (channel + 1) % self.inlets.len();
            if let Some(taken) = self.take_from(channel) {
                return Some(taken);
            }
        }
        None
    }

    fn take_from(&mut self, channel: usize) -> Option<(usize, Element)> {
        let inlet = &mut self.inlets[channel];
        let element = match self.aligner.access(channel) {
            Access::Free if inlet.ahead.is_empty() => inlet.receive(),
            Access::Free | Access::Recorded => inlet.ahead.pop_front(),
            Access::Held => None,
        };
        element.map(|element| (channel, element))
    }

    /// Event time has come to `watermark`: an input, unless it is the end, and is held.
    fn let_pass(&mut self, watermark: EventTime) -> Option<Input> {
        if watermark == EventTime::MAX && self.end == EndOfTime::Guarded {
            self.end = EndOfTime::Held;
            return None;
        }
        Some(Input::Watermark(watermark))
    }

    /// `barrier` is to overtake what is in flight. Whether the stage is to make its cut now, and the gate to [record](Self::record):
    /// it is not if it made its cut when the barrier was aligned.
    ///
    /// # Errors
    /// If what is in flight can't be written down.
    pub fn overtake(&mut self, barrier: Barrier, codec: &dyn BatchCodec) -> Result<bool> {
        if !self.aligner.overtake(barrier) {
            return Ok(false);
        }
        self.begin_recording(codec)?;
        Ok(true)
    }

    /// The cut has been made, and something is in flight: to be called before anything else is read.
    ///
    /// # Errors
    /// If what is in flight can't be written down.
    pub fn begin_recording(&mut self, codec: &dyn BatchCodec) -> Result<()> {
        let mut recording = Recording::begin(self.merger.clone());
        for queued in &self.backlog {
            recording.add_queued(queued, codec)?;
        }
        for (channel, inlet) in self.inlets.iter().enumerate() {
            for element in &inlet.ahead {
                recording.add(channel, element, codec)?;
            }
        }
        self.recording = Some(Box::new(recording));
        Ok(())
    }

    /// Whether a cut has been made, and what was in flight at it is not all known yet.
    pub fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Takes what the channels have before the barrier, writes it down, and keeps it to be read. What was in flight, as soon
    /// as the barrier has come in on every channel.
    ///
    /// # Errors
    /// If what is in flight can't be written down.
    pub fn record(&mut self, codec: &dyn BatchCodec) -> Result<Option<Recorded>> {
        let Some(recording) = &mut self.recording else { return Ok(None) };
        let mut complete = None;
        for (channel, inlet) in self.inlets.iter_mut().enumerate() {
            while self.aligner.access(channel) == Access::Recorded
                && let Some(element) = inlet.receive()
            {
                if let Element::Barrier(barrier) = element {
                    let recorded = self.aligner.on_barrier(channel, barrier) == Alignment::Recorded;
                    complete = recorded.then_some(barrier.snapshot);
                } else {
                    recording.add(channel, &element, codec)?;
                    inlet.ahead.push_back(element);
                }
            }
        }
        let Some(snapshot) = complete else { return Ok(None) };
        Ok(self.recording.take().map(|recording| Recorded { snapshot, backlog: recording.backlog }))
    }
}

/// What was in flight at a cut: all of it.
pub(crate) struct Recorded {
    pub snapshot: SnapshotId,
    pub backlog: Backlog<Payload>,
}

/// A record of what is in flight, one sequence of all channels.
struct Recording {
    /// As the gate's own was at the cut; it goes on with what is recorded, not with what is read.
    merger: WatermarkMerger,
    backlog: Backlog<Payload>,
}

impl Recording {
    fn begin(merger: WatermarkMerger) -> Recording {
        Recording { backlog: Backlog::new(merger.merged()), merger }
    }

    fn add(&mut self, channel: usize, element: &Element, codec: &dyn BatchCodec) -> Result<()> {
        match element {
            Element::Batch(batch) => self.add_batch(batch, codec)?,
            Element::Watermark(watermark) => {
                let merged = self.merger.on_watermark(channel, *watermark);
                self.backlog.elements.extend(merged.map(Queued::Watermark));
            }
            // Who is idle is found out anew after a restore; how far event time came by it is not.
            Element::Status(status) => {
                let merged = self.merger.on_status(channel, *status).watermark;
                self.backlog.elements.extend(merged.map(Queued::Watermark));
            }
            Element::Barrier(_) => unreachable!("a barrier is no part of what it overtakes"),
        }
        Ok(())
    }

    fn add_queued(&mut self, queued: &Queued<Batch>, codec: &dyn BatchCodec) -> Result<()> {
        match queued {
            Queued::Batch(batch) => self.add_batch(batch, codec)?,
            Queued::Watermark(watermark) => {
                self.merger.reach(*watermark);
                self.backlog.elements.push_back(Queued::Watermark(*watermark));
            }
        }
        Ok(())
    }

    fn add_batch(&mut self, batch: &Batch, codec: &dyn BatchCodec) -> Result<()> {
        let elements = &mut self.backlog.elements;
        codec.encode(batch, &mut |payload| elements.push_back(Queued::Batch(payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::channel::{Sender, local};
    use crate::exchange::codec::CodecInput;
    use crate::key::{KeyGroup, KeyGroupRange};
    use crate::record::{BarrierKind, Origin};
    use crate::state::Describe;

    const BARRIER: Barrier = Barrier { snapshot: SnapshotId(1), kind: BarrierKind::Periodic };
    const NEXT: Barrier = Barrier { snapshot: SnapshotId(2), kind: BarrierKind::Periodic };

    /// A batch of which only the number matters.
    fn batch(number: usize) -> Batch {
        Batch { records: Box::new(()), len: number, origin: Origin::default() }
    }

    /// Writes a batch's number down.
    struct Numbers;

    impl BatchCodec for Numbers {
        fn input(&self) -> CodecInput {
            let groups = KeyGroupRange::one(KeyGroup(0));
            CodecInput { operator: "numbers".to_string(), record: u64::schema(), groups }
        }
        fn encode(&self, batch: &Batch, each: &mut dyn FnMut(Payload)) -> Result<()> {
            each(Payload { records: 1, bytes: vec![batch.len as u8] });
            Ok(())
        }
        fn decode(&self, payload: &Payload) -> Result<Option<Batch>> {
            Ok(Some(batch(payload.bytes[0].into())))
        }
    }

    /// A word of what a gate gives or has recorded: the number of a batch, `w` and the time, or `|`.
    fn word(input: &Input) -> String {
        match input {
            Input::Batch(batch) => batch.len.to_string(),
            Input::Watermark(watermark) => format!("w{}", watermark.as_millis()),
            Input::Status(WatermarkStatus::Idle) => "idle".to_string(),
            Input::Status(WatermarkStatus::Active) => "active".to_string(),
            Input::Barrier(_, Cut::Whole) => "|".to_string(),
            Input::Barrier(_, Cut::WithFeedback) => "|~".to_string(),
        }
    }

    fn read(gate: &mut InputGate) -> String {
        std::iter::from_fn(|| gate.poll()).map(|input| word(&input)).collect::<Vec<_>>().join(" ")
    }

    fn recorded(backlog: &Backlog<Payload>) -> String {
        let words = backlog.elements.iter().map(|queued| match queued {
            Queued::Batch(payload) => payload.bytes[0].to_string(),
            Queued::Watermark(watermark) => format!("w{}", watermark.as_millis()),
        });
        format!("{}: {}", backlog.watermark, words.collect::<Vec<_>>().join(" "))
    }

    /// Sends what the words say; `||` is the barrier of the next snapshot.
    fn send(sender: &mut Sender, words: &str) {
        for word in words.split_whitespace() {
            let element = match (word, word.strip_prefix('w')) {
                ("|", _) => Element::Barrier(BARRIER),
                ("||", _) => Element::Barrier(NEXT),
                ("idle", _) => Element::Status(WatermarkStatus::Idle),
                (_, Some(watermark)) => {
                    Element::Watermark(EventTime::from_millis(watermark.parse().unwrap()))
                }
                (number, None) => Element::Batch(batch(number.parse().unwrap())),
            };
            assert!(sender.send(element).is_ok());
        }
    }

    fn two() -> (Sender, Sender, InputGate) {
        let ((first, first_end), (second, second_end)) = (local(), local());
        (first, second, InputGate::new(vec![first_end, second_end], 2))
    }

    #[test]
    fn a_record_behind_the_barrier_of_its_channel_waits_until_the_other_channel_has_delivered_it_too() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "| 1");
        assert!(gate.poll().is_none());
        send(&mut second, "2 | 3");
        let order = read(&mut gate);
        assert!(
            order.starts_with("2 | "),
            "the snapshot holds what came before the barriers, and nothing else: {order}"
        );
        assert_eq!(order.len(), "2 | 1 3".len());
    }

    #[test]
    fn what_a_barrier_overtakes_is_recorded_up_to_the_barrier_and_still_read_once() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "w5");
        send(&mut second, "w3 1");
        assert_eq!(read(&mut gate), "w3 1");
        send(&mut first, "2 | 3");
        send(&mut second, "w9 4");
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        assert!(gate.record(&Numbers).unwrap().is_none(), "the second channel has not delivered the barrier");
        assert_eq!(read(&mut gate), "2 w5 3 4", "what is behind the barrier, too: the cut has been made");
        send(&mut second, "5 |");
        assert_eq!(read(&mut gate), "", "nothing is read that has not been recorded");
        send(&mut second, "6");
        let Recorded { backlog, .. } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!(recorded(&backlog), "1970-01-01T00:00:00.003Z: 2 w5 4 5");
        assert!(!gate.is_recording());
        assert_eq!(read(&mut gate), "5 6");
        assert!(!gate.overtake(BARRIER, &Numbers).unwrap(), "that snapshot is over");
    }

    #[test]
    fn what_was_recorded_once_and_has_not_been_read_is_recorded_again_by_the_next_snapshot() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "1 2 | 3 ||");
        send(&mut second, "| 4 ||");
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        assert!(gate.record(&Numbers).unwrap().is_some());
        assert_eq!(word(&gate.poll().unwrap()), "1");
        assert!(gate.overtake(NEXT, &Numbers).unwrap());
        let Recorded { snapshot, backlog } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!((snapshot, recorded(&backlog).as_str()), (SnapshotId(2), "the beginning of time: 2 3 4"));
        assert_eq!(read(&mut gate), "4 2 3");
    }

    #[test]
    fn the_record_of_a_snapshot_that_was_given_up_is_dropped_and_what_is_in_it_is_read_all_the_same() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "1 | 2 || 3");
        send(&mut second, "4");
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        assert!(gate.record(&Numbers).unwrap().is_none());
        assert_eq!(read(&mut gate), "1 4 2");
        assert!(!gate.is_recording());
        send(&mut second, "5 | 6 || 7");
        assert_eq!(read(&mut gate), "5 6 | 3 7");
        assert!(gate.record(&Numbers).unwrap().is_none());
    }

    #[test]
    fn a_channel_that_was_held_has_nothing_in_flight_and_is_read_on_when_the_barrier_overtakes() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "1 | 2");
        send(&mut second, "3");
        assert_eq!(read(&mut gate), "1 3");
        send(&mut second, "4 |");
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        let Recorded { backlog, .. } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!(recorded(&backlog), "the beginning of time: 4");
        assert_eq!(read(&mut gate), "4 2");
    }

    #[test]
    fn a_backlog_is_read_before_the_channels_and_what_is_left_of_it_is_recorded_in_front_of_them() {
        let (mut first, mut second, mut gate) = two();
        let at = EventTime::from_millis;
        let elements = [Queued::Batch(batch(1)), Queued::Watermark(at(7)), Queued::Batch(batch(2))];
        gate.restore(Backlog { watermark: at(5), elements: elements.into() });
        send(&mut first, "3 w6 | w9");
        send(&mut second, "w8 4 |");
        let next = |gate: &mut InputGate| word(&gate.poll().unwrap());
        assert_eq!((next(&mut gate), next(&mut gate)), ("w5".to_string(), "1".to_string()));
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        let Recorded { backlog, .. } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!(
            recorded(&backlog),
            "1970-01-01T00:00:00.005Z: w7 2 3 4",
            "the channels' 6 is nothing new behind the backlog's 7"
        );
        assert_eq!(read(&mut gate), "w7 2 3 4 w8");
    }

    #[test]
    fn a_watermark_that_comes_with_a_status_comes_before_it() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "w9 idle");
        send(&mut second, "w5");
        assert_eq!(read(&mut gate), "w5");
        send(&mut second, "idle");
        assert_eq!(read(&mut gate), "w9 idle");
    }

    #[test]
    fn what_a_status_makes_of_event_time_is_recorded_though_the_status_is_not() {
        let (mut first, mut second, mut gate) = two();
        send(&mut first, "w9 | 1");
        send(&mut second, "w5 idle |");
        assert!(gate.overtake(BARRIER, &Numbers).unwrap());
        let Recorded { backlog, .. } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!(recorded(&backlog), "the beginning of time: w5 w9");
        assert_eq!(read(&mut gate), "w5 1 w9", "the channels are read in turn, as ever");
    }

    /// A gate of which the second channel brings back what the stage has put out.
    fn of_a_loop() -> (Sender, Sender, InputGate) {
        let ((first, first_end), (second, second_end)) = (local(), local());
        (first, second, InputGate::new(vec![first_end, second_end], 1))
    }

    #[test]
    fn at_the_head_of_a_loop_what_comes_back_is_in_flight_at_the_cut_until_the_barrier_comes_back_too() {
        let (mut first, mut back, mut gate) = of_a_loop();
        send(&mut first, "1 |");
        send(&mut back, "3");
        assert_eq!(read(&mut gate), "3 1 |~", "what comes back is read first");
        gate.begin_recording(&Numbers).unwrap();
        send(&mut first, "2");
        send(&mut back, "4 5");
        assert_eq!(read(&mut gate), "2", "nothing is read that has not been recorded");
        assert!(gate.record(&Numbers).unwrap().is_none());
        assert_eq!(read(&mut gate), "4 5");
        send(&mut back, "| 6");
        let Recorded { snapshot, backlog } = gate.record(&Numbers).unwrap().unwrap();
        assert_eq!((snapshot, recorded(&backlog).as_str()), (SnapshotId(1), "the beginning of time: 4 5"));
        assert_eq!(read(&mut gate), "6");
    }

    #[test]
    fn a_barrier_that_comes_back_before_the_cut_holds_what_is_behind_it_and_nothing_is_in_flight() {
        let (mut first, mut back, mut gate) = of_a_loop();
        send(&mut back, "1 | 2");
        send(&mut first, "3");
        assert_eq!(read(&mut gate), "1 3");
        send(&mut first, "|");
        assert_eq!(read(&mut gate), "| 2");
    }

    #[test]
    fn the_end_of_time_waits_at_the_head_of_a_loop_until_it_is_let_in() {
        let (mut first, mut back, mut gate) = of_a_loop();
        let end = EventTime::MAX.as_millis();
        send(&mut first, &format!("w5 1 w{end} |"));
        send(&mut back, "2 |");
        assert_eq!(read(&mut gate), "2 w5 1 |");
        assert!(!gate.holds_anything(), "it waits for others, and not to be read");
        send(&mut back, "3");
        assert_eq!(read(&mut gate), "3");
        gate.release();
        assert!(gate.holds_anything());
        assert_eq!(read(&mut gate), format!("w{end}"));
        let (mut first, _back, mut gate) = of_a_loop();
        gate.release();
        send(&mut first, &format!("w{end}"));
        assert_eq!(read(&mut gate), format!("w{end}"), "it need not have come yet");
    }

    #[test]
    fn what_comes_back_without_end_lets_the_others_have_their_turn() {
        let (mut first, mut back, mut gate) = of_a_loop();
        send(&mut first, "1");
        for _ in 0..FED_BACK_IN_A_ROW {
            send(&mut back, "2");
            assert_eq!(word(&gate.poll().unwrap()), "2");
        }
        send(&mut back, "2");
        assert_eq!(read(&mut gate), "1 2");
    }
}
