//! The stage of a keyed operator: finds the row of each record's key and lets the operator work on it.
//!
//! What enters: batches of routed records and of [broadcast](crate::operator::broadcast) ones, watermarks, processing time.
//! What leaves, down the chain: what the operator emits, and watermarks *after* the timers that they make fire. Always: the
//! operator sees one key at a time, and a key's records in the order in which they came.

use std::sync::Arc;
use std::time::Duration;

use crate::chain::{Head, LocalEdge, Signal, Step, downcast, downcast_ref};
use crate::error::{Error, Result};
use crate::evolution::OperatorProgram;
use crate::exchange::codec::{self, BatchCodec, CodecInput, Payload};
use crate::exchange::partition::KeyAccess;
use crate::key::KeyHash;
use crate::operator::broadcast::Shared;
use crate::operator::context::Context;
use crate::operator::emit::{Emitter, SideOutput};
use crate::operator::timers::{TimeDomain, Timer, Timers};
use crate::operator::{KeyOf, Operator, UnkeyedContext};
use crate::outbox::{EdgeIndex, Outbox};
use crate::record::{Barrier, Batch, Fill, Origin, Routed, SnapshotId, WatermarkStatus};
use crate::snapshot::part::{FrozenState, OperatorSchema, RestoredState, Section, StageSnapshot};
use crate::state::delta::Delta;
use crate::state::fields::Fields;
use crate::state::kinds::Now;
use crate::state::table::{LOOKAHEAD_ROWS, StateTable, Visit};
use crate::state::{Describe, State, StateProgram};
use crate::task::event_time::OperatorGauge;
use crate::task::stage::{Stage, StageContext, Whereabouts, Work};
use crate::testing::crash;
use crate::time::{Clock, EventTime};

/// The beginning of a stage whose first step is a keyed operator.
pub struct KeyedHead<O, A> {
    pub(crate) name: String,
    pub(crate) operator: Arc<O>,
    pub(crate) access: A,
    pub(crate) side: Option<EdgeIndex>,
}

/// Whose the entries of an operator are in a snapshot.
pub(crate) fn owner(operator: &str) -> String {
    format!("operator {operator}")
}

/// What the program knows of an operator's state.
pub(crate) fn program_of<O: Operator>() -> OperatorProgram {
    OperatorProgram { state: StateProgram::of::<O::State>(), timer: O::Timer::schema() }
}

/// The schema of an operator's state, as a manifest records it.
pub(crate) fn schema_of<O: Operator>() -> OperatorSchema {
    OperatorSchema { state: O::State::schema(), timer: O::Timer::schema() }
}

impl<O, A> Head for KeyedHead<O, A>
where
    O: Operator<Side: Send>,
    A: KeyAccess<O::In, Key = KeyOf<O>>,
{
    type Out = O::Out;

    fn build<N: Step<O::Out>>(&self, next: N) -> Box<dyn Stage> {
        Box::new(KeyedStage {
            name: self.name.clone(),
            operator: Arc::clone(&self.operator),
            access: self.access.clone(),
            working: None,
            side: SideOutput(self.side.map(LocalEdge::new)),
            next,
        })
    }
}

struct KeyedStage<O: Operator, A, N> {
    name: String,
    operator: Arc<O>,
    access: A,
    /// There from `open` on.
    working: Option<Working<O>>,
    side: SideOutput<O::Side>,
    next: N,
}

/// What an open stage works with.
struct Working<O: Operator> {
    table: StateTable<O::State>,
    time: Time<O>,
    shared: Shared<O::Shared>,
    cx: StageContext,
    freezing: Freezing,
    /// Whether what is frozen is everything there is: as long as no snapshot is complete, in a job that began empty.
    complete: bool,
    /// Where it is just now, for a report of a panic.
    current: Option<KeyHash>,
    origin: Origin,
}

/// How much of a closed epoch is encoded.
enum Freezing {
    /// All of every epoch that was closed.
    Done,
    /// Not all rows.
    Rows,
    /// All rows, and not all timers.
    Timers(Delta),
}

/// The operator's times, and what waits for them.
struct Time<O: Operator> {
    timers: Timers<KeyOf<O>, O::Timer>,
    watermark: EventTime,
    /// Where it is said how far event time has come.
    gauge: Arc<OperatorGauge>,
    /// The last watermark before the end of the input: what a snapshot keeps. A finished job that is restored with more
    /// input goes on from there; the end of time would make all of it late.
    reached: EventTime,
    clock: Clock,
    /// For how long the job had run before, over all its restores, and since when it runs now.
    ran_before: Duration,
    runs_since: Duration,
}

impl<O: Operator> Time<O> {
    /// For how long the job has run, over all its restores.
    fn ran(&self) -> Duration {
        self.ran_before + self.clock.monotonic().saturating_sub(self.runs_since)
    }

    /// The same as a time: of a clock that stands still while the job is down.
    fn uptime(&self) -> EventTime {
        EventTime::from_millis(i64::try_from(self.ran().as_millis()).unwrap_or(i64::MAX))
    }

    /// Lets the operator work on the state of one key, at event time `at`.
    #[inline]
    fn visit<N>(
        &mut self,
        (hash, key): (KeyHash, &KeyOf<O>),
        state: &mut O::State,
        at: EventTime,
        (next, side): (&mut N, &mut SideOutput<O::Side>),
        act: impl FnOnce(&mut O::State, &mut Context<'_, O>, &mut Emitter<'_, N>, &mut SideEmitter<'_, O>),
    ) -> Visit {
        let mut cx = Context {
            key,
            hash,
            at,
            watermark: self.watermark,
            clock: &self.clock,
            timers: &mut self.timers,
            late: &self.gauge.late,
            cleared: false,
        };
        act(state, &mut cx, &mut Emitter { next, at }, &mut Emitter { next: side, at });
        if cx.cleared { Visit::Cleared } else { Visit::Kept }
    }
}

type SideEmitter<'a, O> = Emitter<'a, SideOutput<<O as Operator>::Side>>;

impl<O: Operator<Side: Send>> Working<O> {
    /// Tells the state what time it is, if any of it expires. Whether any does.
    fn tell_time(&mut self) -> bool {
        if Fields::<O::State>::EXPIRE {
            let uptime = self.time.uptime();
            let processing = self.time.clock.now();
            self.table.tell_time(Now {
                event: self.time.reached,
                record: EventTime::MIN,
                processing,
                uptime,
            });
        }
        Fields::<O::State>::EXPIRE
    }

    /// Event time has come to `now`: visits every row and fires every timer that is due, also those that become so meanwhile. Rows are
    /// visited in the order of their times, and so do timers fire; what becomes due meanwhile comes behind what is due soon.
    fn fire_event_time<N: Step<O::Out>>(
        &mut self,
        operator: &O,
        now: EventTime,
        next: &mut N,
        side: &mut SideOutput<O::Side>,
    ) -> Result<()> {
        while let Some(at) = self.table.next_due(now)? {
            self.fire(operator, TimeDomain::Event, at, next, side)?;
            let (current, time, shared) = (&mut self.current, &mut self.time, &self.shared.state);
            self.table.visit_due(at, now, |(hash, key), at, state| {
                *current = Some(hash);
                time.visit((hash, key), state, at, (next, side), |state, cx, out, side| {
                    operator.on_due(state, shared, cx, out, side);
                })
            })?;
        }
        self.fire(operator, TimeDomain::Event, now, next, side)
    }

    /// Fires every timer that is due at `now`, also those that firing sets.
    fn fire<N: Step<O::Out>>(
        &mut self,
        operator: &O,
        domain: TimeDomain,
        now: EventTime,
        next: &mut N,
        side: &mut SideOutput<O::Side>,
    ) -> Result<()> {
        self.origin = Origin::default();
        let expires = self.tell_time();
        let mut looked_ahead = 0;
        while let Some((at, Timer { hash, key, payload })) = self.time.timers.pop_due(domain, now) {
            self.current = Some(hash);
            if looked_ahead == 0 {
                self.table.look_ahead_at_due(self.time.timers.hashes_due(domain, now).take(LOOKAHEAD_ROWS));
                looked_ahead = LOOKAHEAD_ROWS;
            }
            looked_ahead -= 1;
            if expires {
                self.table.tell_record_time(if domain == TimeDomain::Event { at } else { EventTime::MIN });
            }
            let (time, shared) = (&mut self.time, &self.shared.state);
            self.table.row(hash, &key)?.visit(|key, state| {
                time.visit((hash, key), state, at, (next, side), |state, cx, out, side| {
                    operator.on_timer(payload, state, shared, cx, out, side);
                })
            })?;
        }
        self.table.settle()
    }
}

impl<O: Operator, A, N> KeyedStage<O, A, N> {
    fn owner(&self) -> String {
        owner(&self.name)
    }
}

const OPEN: &str = "the driver opens a stage before it uses it";

impl<O, A, N> Stage for KeyedStage<O, A, N>
where
    O: Operator<Side: Send>,
    A: KeyAccess<O::In, Key = KeyOf<O>>,
    N: Step<O::Out>,
{
    fn open(&mut self, cx: StageContext) -> Result<()> {
        let mut opened = Outbox::default();
        self.next.signal(&mut Signal::Open(&cx), &mut opened)?;
        let (groups, max_parallelism) = (cx.groups, cx.max_parallelism);
        self.working = Some(Working {
            table: StateTable::new(&self.name, cx.subtask, groups, max_parallelism, &cx.state, cx.snapshots),
            time: Time {
                timers: Timers::new(max_parallelism, cx.snapshots),
                watermark: EventTime::MIN,
                gauge: cx.event_time.join_operator(&self.name),
                reached: EventTime::MIN,
                clock: cx.clock.clone(),
                ran_before: Duration::ZERO,
                runs_since: cx.clock.monotonic(),
            },
            shared: Shared::new(&self.name),
            freezing: Freezing::Done,
            complete: true,
            cx,
            current: None,
            origin: Origin::default(),
        });
        Ok(())
    }

    fn restore(&mut self, state: &Arc<dyn RestoredState>) -> Result<()> {
        let owner = self.owner();
        let working = self.working.as_mut().expect(OPEN);
        let (mut watermarks, mut dues) = (Vec::new(), Vec::new());
        for entry in state.entries(&owner) {
            match entry.item.as_str() {
                "watermark" => watermarks.push(serde_json::from_value(entry.value.clone())?),
                "due" => dues.push(serde_json::from_value(entry.value.clone())?),
                "uptime" => {
                    let ran = Duration::from_millis(serde_json::from_value(entry.value.clone())?);
                    working.time.ran_before = working.time.ran_before.max(ran);
                }
                _ => working.time.timers.skip_numbers(serde_json::from_value(entry.value.clone())?),
            }
        }
        working.time.reached = watermarks.into_iter().min().unwrap_or(EventTime::MIN);
        working.time.watermark = working.time.reached;
        working.time.gauge.set(working.time.reached);
        working.shared.restore(&**state)?;
        working.complete = false;
        working.table.restore(Arc::clone(state), dues.into_iter().min());
        // Timers can be due before any record of their key comes: they are loaded at once.
        let timers = &mut working.time.timers;
        state.rows(&self.name, working.cx.groups, &mut |row| match row.section {
            Section::State | Section::Entry => Ok(()),
            Section::EventTimer | Section::ProcessingTimer => timers.restore(row),
        })?;
        crash::point(crash::DURING_RESTORE);
        self.next.signal(&mut Signal::Restore(&**state), &mut Outbox::default())
    }

    fn process(&mut self, batch: Batch, out: &mut Outbox) -> Result<()> {
        let working = self.working.as_mut().expect(OPEN);
        (working.origin, out.origin) = (batch.origin, batch.origin);
        let operator = &*self.operator;
        if Shared::is_broadcast::<O>(&batch) {
            working.current = None;
            let watermark = working.time.watermark;
            let cx = UnkeyedContext { watermark, ..UnkeyedContext::new(&working.cx) };
            working.shared.process(operator, batch, cx, (&mut self.next, &mut self.side), out);
            return Ok(());
        }
        let expires = working.tell_time();
        let mut records = downcast::<Routed<A::Carried, O::In>>(batch.records);
        let mut coming = records.drain(..);
        while !coming.as_slice().is_empty() {
            working.table.look_ahead(coming.as_slice().iter().map(|record| record.hash));
            for Routed { hash, carried, value, at } in coming.by_ref().take(LOOKAHEAD_ROWS) {
                working.current = Some(hash);
                let (time, next, side) = (&mut working.time, &mut self.next, &mut self.side);
                let shared = &working.shared.state;
                if expires {
                    working.table.tell_record_time(at);
                }
                let key = self.access.key(&value, &carried);
                working.table.row(hash, key)?.visit(|key, state| {
                    time.visit((hash, key), state, at, (next, side), |state, cx, out, side| {
                        operator.on_event(value, state, shared, cx, out, side);
                    })
                })?;
            }
        }
        drop(coming);
        out.spares.put(records);
        working.table.settle()
    }

    fn advance_watermark(&mut self, watermark: EventTime, out: &mut Outbox) -> Result<()> {
        let working = self.working.as_mut().expect(OPEN);
        if watermark <= working.time.watermark {
            return Ok(());
        }
        working.time.watermark = watermark;
        if watermark < EventTime::MAX {
            working.time.reached = watermark;
            working.time.gauge.set(watermark);
        }
        working.fire_event_time(&self.operator, watermark, &mut self.next, &mut self.side)?;
        self.side.signal(&mut Signal::Watermark(watermark), out)?;
        self.next.signal(&mut Signal::Watermark(watermark), out)
    }

    fn change_status(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        self.side.signal(&mut Signal::Status(status), out)?;
        self.next.signal(&mut Signal::Status(status), out)
    }

    fn advance_processing_time(&mut self, now: EventTime, _out: &mut Outbox) -> Result<()> {
        let working = self.working.as_mut().expect(OPEN);
        working.fire(&self.operator, TimeDomain::Processing, now, &mut self.next, &mut self.side)
    }

    fn next_processing_timer(&self) -> Option<EventTime> {
        self.working.as_ref().and_then(|working| working.time.timers.next_processing())
    }

    fn flush(&mut self, fill: Fill, out: &mut Outbox) -> Result<()> {
        self.side.signal(&mut Signal::Flush(fill), out)?;
        self.next.signal(&mut Signal::Flush(fill), out)
    }

    fn snapshot(
        &mut self,
        barrier: Barrier,
        mut snapshot: StageSnapshot,
        out: &mut Outbox,
    ) -> Result<StageSnapshot> {
        let owner = self.owner();
        let working = self.working.as_mut().expect(OPEN);
        snapshot.put(&owner, "watermark", working.time.reached)?;
        snapshot.put(&owner, "next timer", working.time.timers.next_number())?;
        snapshot.put(&owner, "uptime", working.time.ran().as_millis() as u64)?;
        if let Some(due) = working.table.first_due() {
            snapshot.put(&owner, "due", due)?;
        }
        working.shared.keep(working.cx.subtask, &mut snapshot)?;
        if snapshot.with_state {
            working.table.freeze(barrier.snapshot)?;
            working.time.timers.freeze(barrier.snapshot)?;
            working.freezing = Freezing::Rows;
            snapshot.keyed_follows = true;
        }
        self.side.signal(&mut Signal::Barrier(barrier, &mut snapshot), out)?;
        self.next.signal(&mut Signal::Barrier(barrier, &mut snapshot), out)?;
        Ok(snapshot)
    }

    fn work(&mut self) -> Result<Work> {
        let working = self.working.as_mut().expect(OPEN);
        match std::mem::replace(&mut working.freezing, Freezing::Done) {
            Freezing::Done => Ok(if working.table.load_next()? { Work::Done } else { Work::Nothing }),
            Freezing::Rows => {
                working.freezing = match working.table.encode_frozen()? {
                    Some(delta) => Freezing::Timers(delta),
                    None => Freezing::Rows,
                };
                Ok(Work::Done)
            }
            Freezing::Timers(mut delta) if working.time.timers.encode_frozen()? => {
                delta.runs.extend(working.time.timers.unconfirmed());
                delta.complete = working.complete;
                Ok(Work::Frozen(Box::new(FrozenState {
                    operator: self.name.clone(),
                    schema: schema_of::<O>(),
                    groups: working.cx.groups,
                    complete: working.complete,
                    rows: Box::new(delta),
                })))
            }
            Freezing::Timers(delta) => {
                working.freezing = Freezing::Timers(delta);
                Ok(Work::Done)
            }
        }
    }

    fn commit(&mut self, snapshot: SnapshotId, out: &mut Outbox) -> Result<()> {
        let working = self.working.as_mut().expect(OPEN);
        if working.cx.snapshots {
            working.table.confirm(snapshot);
            working.time.timers.confirm(snapshot);
            working.complete = false;
        }
        self.next.signal(&mut Signal::Commit(snapshot), out)
    }

    fn codec(&self) -> Option<&dyn BatchCodec> {
        Some(self)
    }

    fn whereabouts(&self) -> Whereabouts {
        self.working.as_ref().map_or_else(Whereabouts::default, |working| Whereabouts {
            group: working.current.map(|hash| hash.group(working.cx.max_parallelism)),
            origin: working.origin,
        })
    }
}

impl<O, A, N> BatchCodec for KeyedStage<O, A, N>
where
    O: Operator,
    A: KeyAccess<O::In, Key = KeyOf<O>>,
{
    fn input(&self) -> CodecInput {
        let groups = self.working.as_ref().expect(OPEN).cx.groups;
        CodecInput { operator: self.name.clone(), record: O::In::schema(), groups }
    }

    /// What is broadcast must have come to all subtasks alike when they cut, and so the barrier waits behind it.
    fn overtakes(&self) -> bool {
        self.working.as_ref().expect(OPEN).shared.is_untold()
    }

    fn encode(&self, batch: &Batch, each: &mut dyn FnMut(Payload)) -> Result<()> {
        #[cfg(feature = "flink")]
        if Shared::is_broadcast::<O>(batch) {
            return Shared::encode::<O>(batch, each).map_err(|error| self.in_flight(error));
        }
        let records = downcast_ref::<Routed<A::Carried, O::In>>(&*batch.records);
        codec::encode::<A, O::In>(records, each).map_err(|error| self.in_flight(error))
    }

    fn decode(&self, payload: &Payload) -> Result<Option<Batch>> {
        let cx = &self.working.as_ref().expect(OPEN).cx;
        let owned = |hash: KeyHash| cx.groups.contains(hash.group(cx.max_parallelism));
        let records = codec::decode(&self.access, payload, owned).map_err(|error| self.in_flight(error))?;
        let len = records.len();
        Ok((len > 0).then(|| Batch { records: Box::new(records), len, origin: Origin::default() }))
    }

    #[cfg(feature = "flink")]
    fn decode_broadcast(&self, payload: &Payload) -> Result<Option<Batch>> {
        let batch = Shared::decode::<O>(payload).map_err(|error| self.in_flight(error))?;
        Ok(Some(batch))
    }
}

impl<O: Operator, A, N> KeyedStage<O, A, N> {
    fn in_flight(&self, error: Error) -> Error {
        error.within(format_args!("operator {:?}", self.name))
    }
}
