//! What is broadcast to a keyed operator: the second input of its stage, and what every subtask knows from it.
//!
//! What enters: batches of [`Timed`] records, which every subtask of the stage is sent alike, and the shared state that they
//! change. What leaves: what the operator emits of them. The records of the keyed input come as [`Routed`](crate::record::Routed):
//! an input of a stage is known by what its batches are vectors of. The two have no order between them (as in Flink); each for
//! itself keeps its own, per sending subtask.
//!
//! Always: at a barrier, which is aligned over both inputs, every subtask has seen the same broadcast records. So one subtask's
//! state stands for all in a snapshot, and all are given that at a restore.

#[cfg(feature = "flink")]
use crate::chain::downcast_ref;
use crate::chain::{Step, downcast};
#[cfg(feature = "flink")]
use crate::error::Error;
use crate::error::Result;
#[cfg(feature = "flink")]
use crate::exchange::codec::Payload;
use crate::key::SubtaskIndex;
use crate::operator::emit::{Emitter, SideOutput};
use crate::operator::{Operator, UnkeyedContext};
use crate::outbox::Outbox;
#[cfg(feature = "flink")]
use crate::record::Origin;
use crate::record::{Batch, Timed};
use crate::snapshot::entry_state::EntryState;
use crate::snapshot::part::{RestoredState, StageSnapshot};
use crate::state::BroadcastState;
#[cfg(feature = "flink")]
use crate::time::EventTime;

/// So many records go into a payload at most.
#[cfg(feature = "flink")]
const PAYLOAD_RECORDS: usize = 256;

/// What a subtask knows from what was broadcast to it.
pub(crate) struct Shared<S> {
    pub state: S,
    /// What a snapshot calls it; nothing if nothing is broadcast.
    kept: Option<EntryState>,
}

impl<S: BroadcastState> Shared<S> {
    pub fn new(operator: &str) -> Shared<S> {
        Shared { state: S::initial(), kept: EntryState::broadcast::<S>(operator) }
    }

    /// Whether nothing is broadcast to the operator.
    pub fn is_untold(&self) -> bool {
        self.kept.is_none()
    }

    /// Whether the batch came by broadcast.
    pub fn is_broadcast<O: Operator<Shared = S>>(batch: &Batch) -> bool {
        batch.records.is::<Vec<Timed<O::Broadcast>>>()
    }

    /// Writes a batch down that goes by broadcast to another process: of each record its event time (8 bytes, little-endian) and
    /// itself, as postcard writes it.
    ///
    /// # Errors
    /// If serde can't carry a record.
    #[cfg(feature = "flink")]
    pub fn encode<O: Operator<Shared = S>>(batch: &Batch, each: &mut dyn FnMut(Payload)) -> Result<()> {
        for records in downcast_ref::<Timed<O::Broadcast>>(&*batch.records).chunks(PAYLOAD_RECORDS) {
            let mut payload = Payload { records: records.len() as u32, bytes: Vec::new() };
            for Timed { value, at } in records {
                payload.bytes.extend_from_slice(&at.as_millis().to_le_bytes());
                payload.bytes = postcard::to_extend(value, payload.bytes)?;
            }
            each(payload);
        }
        Ok(())
    }

    /// The batch that was written down.
    ///
    /// # Errors
    /// If it is none.
    #[cfg(feature = "flink")]
    pub fn decode<O: Operator<Shared = S>>(payload: &Payload) -> Result<Batch> {
        let mut records = Vec::with_capacity(payload.records as usize);
        let mut rest = &payload.bytes[..];
        for _ in 0..payload.records {
            let damaged = || Error::failure("a record that is broadcast can't be decoded");
            let (at, bytes) = rest.split_first_chunk().ok_or_else(damaged)?;
            let at = EventTime::from_millis(i64::from_le_bytes(*at));
            let (value, left) = postcard::take_from_bytes::<O::Broadcast>(bytes)
                .map_err(|error| damaged().caused_by(error))?;
            records.push(Timed { value, at });
            rest = left;
        }
        Ok(Batch { len: records.len(), records: Box::new(records), origin: Origin::default() })
    }

    /// Lets the operator take in a batch that came by broadcast.
    pub fn process<O: Operator<Shared = S, Side: Send>, N: Step<O::Out>>(
        &mut self,
        operator: &O,
        batch: Batch,
        mut cx: UnkeyedContext,
        (next, side): (&mut N, &mut SideOutput<O::Side>),
        out: &mut Outbox,
    ) {
        let mut records = downcast::<Timed<O::Broadcast>>(batch.records);
        for Timed { value, at } in records.drain(..) {
            cx.at = at;
            let (out, side) = (&mut Emitter { next, at }, &mut Emitter { next: side, at });
            operator.on_broadcast(value, &mut self.state, &cx, out, side);
        }
        out.spares.put(records);
    }

    pub fn restore(&mut self, restored: &dyn RestoredState) -> Result<()> {
        let Some(kept) = &self.kept else { return Ok(()) };
        if let Some(state) = kept.take_back(restored)?.pop() {
            self.state = state;
        }
        Ok(())
    }

    /// One subtask puts down what all know.
    pub fn keep(&self, subtask: SubtaskIndex, snapshot: &mut StageSnapshot) -> Result<()> {
        match &self.kept {
            Some(kept) if subtask == SubtaskIndex(0) => kept.keep(subtask, &self.state, snapshot),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_macros::{operator, state};

    use crate::operator::{Context, Emit, UnkeyedContext};
    use crate::testing::Harness;
    use crate::time::EventTime;

    #[state(broadcast, crate = crate)]
    #[derive(Default)]
    struct Limits {
        limit: u64,
        told: u64,
    }

    #[state(key = u32, crate = crate)]
    #[derive(Default)]
    struct Sum {
        sum: u64,
    }

    struct Watch;

    /// The records of both streams are of one type.
    #[operator(crate = crate)]
    impl Watch {
        fn on_event(
            &self,
            (key, amount): (u32, u64),
            sum: &mut Sum,
            limits: &Limits,
            cx: &mut Context<Self>,
            out: &mut impl Emit<String>,
        ) {
            sum.sum += amount;
            if sum.sum > limits.limit {
                cx.set_timer(cx.event_time(), key);
                out.emit(format!("{key} is at {}", sum.sum));
            }
        }

        fn on_timer(&self, key: u32, sum: &mut Sum, limits: &Limits) -> String {
            format!("{key} was above {}: {}", limits.limit, sum.sum > limits.limit)
        }

        fn on_broadcast(
            &self,
            (_, limit): (u32, u64),
            limits: &mut Limits,
            cx: &UnkeyedContext,
            out: &mut impl Emit<String>,
            side: &mut impl Emit<bool>,
        ) {
            limits.limit = limit;
            limits.told += 1;
            out.emit(format!("limit {} is {limit} at {}", limits.told, cx.watermark().as_millis()));
            side.emit(cx.is_late());
        }
    }

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    #[test]
    fn what_was_broadcast_is_read_by_every_record_and_timer_and_is_there_again_after_a_restore() {
        let mut harness =
            Harness::new(Watch, |(key, _): &(u32, u64)| *key).unwrap().restore_after_every_step();
        harness.advance_watermark(at(1)).unwrap();
        harness.broadcast((0, 10), at(5)).unwrap();
        harness.push((7, 8), at(6)).unwrap();
        harness.push((7, 8), at(7)).unwrap();
        harness.broadcast((0, 20), at(1)).unwrap();
        harness.advance_watermark(at(9)).unwrap();
        let output = harness.take_timed_output();
        let output: Vec<_> = output.iter().map(|(text, at)| (text.as_str(), at.as_millis())).collect();
        assert_eq!(
            output,
            [
                ("limit 1 is 10 at 1", 5),
                ("7 is at 16", 7),
                ("limit 2 is 20 at 1", 1),
                ("7 was above 20: false", 7),
            ]
        );
        assert_eq!(harness.take_side_output(), [false, true]);
    }
}
