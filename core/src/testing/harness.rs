//! Drives one keyed operator by hand, under virtual time.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use crate::chain::{Head, Signal, Step};
use crate::error::Result;
use crate::exchange::partition::{Computed, KeyAccess};
use crate::key::{KeyGroup, KeyGroupRange, MaxParallelism, Parallelism, SubtaskIndex};
use crate::operator::keyed::KeyedHead;
use crate::operator::{KeyOf, Operator};
use crate::outbox::{EdgeIndex, Outbox};
use crate::record::{Barrier, BarrierKind, Batch, Element, Fill, Origin, Routed, SnapshotId, Timed};
use crate::snapshot::part::{Entry, FrozenState, RestoredState, RowChange, Section, StageSnapshot, StateRow};
use crate::source::Throttle;
use crate::state::backend::StateBackend;
use crate::task::metrics::SourceMetrics;
use crate::task::mode::Mode;
use crate::task::stage::{Stage, StageContext, Work};
use crate::time::{Clock, EventTime};

/// A test bench for one operator: push records, move the time, look at what comes out.
///
/// It drives the same stage that a worker drives, in one subtask that owns all keys. With
/// [`restore_after_every_step`](Harness::restore_after_every_step) the operator is snapshot, thrown away and restored after
/// everything that is done to it, which finds state that was kept outside of the state.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::testing::Harness;
///
/// #[state(key = String)]
/// #[derive(Default)]
/// struct Seen { times: u64 }
///
/// #[operator]
/// fn count_words(word: String, seen: &mut Seen) -> (String, u64) {
///     seen.times += 1;
///     (word, seen.times)
/// }
///
/// # fn main() -> Result<()> {
/// let mut harness = Harness::new(CountWords, |word: &String| word.clone())?.restore_after_every_step();
/// for word in ["tide", "gate", "tide"] {
///     harness.push(word.to_string(), EventTime::MIN)?;
/// }
/// assert_eq!(harness.take_output().last(), Some(&("tide".to_string(), 2)));
/// # Ok(())
/// # }
/// ```
pub struct Harness<O: Operator, A> {
    head: KeyedHead<O, A>,
    access: A,
    /// Not there only while it is being replaced by its successor.
    stage: Option<Box<dyn Stage>>,
    output: Output<O::Out>,
    side: Vec<(O::Side, EventTime)>,
    outbox: Outbox,
    clock: Clock,
    snapshots: u64,
    kept: Kept,
    restores: bool,
}

/// What came out, with its event time.
pub(super) type Output<T> = Rc<RefCell<Vec<(T, EventTime)>>>;

/// The end of the harness's chain.
pub(super) struct Gather<T>(pub Output<T>);

impl<T: 'static> Step<T> for Gather<T> {
    fn push(&mut self, value: T, at: EventTime) {
        self.0.borrow_mut().push((value, at));
    }

    fn signal(&mut self, _signal: &mut Signal<'_>, _out: &mut Outbox) -> Result<()> {
        Ok(())
    }
}

/// The harness's side output is an edge that leads into the harness itself.
pub(super) const SIDE: EdgeIndex = EdgeIndex(0);

impl<O, F> Harness<O, Computed<F>>
where
    O: Operator<Side: Send>,
    F: Fn(&O::In) -> KeyOf<O> + Clone + Send + Sync + 'static,
{
    /// A bench for `operator` on a stream that is keyed by `key`. Processing time stands at the epoch.
    ///
    /// # Errors
    /// If the operator can't be opened.
    pub fn new(operator: O, key: F) -> Result<Harness<O, Computed<F>>> {
        let access = Computed(key);
        let name = "operator under test".to_string();
        let head = KeyedHead { name, operator: Arc::new(operator), access: access.clone(), side: Some(SIDE) };
        let clock = Clock::virtual_at(EventTime::from_millis(0));
        let output = Output::default();
        let mut stage = head.build(Gather(Rc::clone(&output)));
        stage.open(context(&clock))?;
        Ok(Harness {
            head,
            access,
            stage: Some(stage),
            output,
            side: Vec::new(),
            outbox: Outbox::default(),
            clock,
            snapshots: 0,
            kept: Kept::default(),
            restores: false,
        })
    }
}

impl<O, A> Harness<O, A>
where
    O: Operator<Side: Send>,
    A: KeyAccess<O::In, Key = KeyOf<O>>,
{
    /// From now on, snapshots, throws away and restores the operator after every step.
    #[must_use]
    pub fn restore_after_every_step(mut self) -> Self {
        self.restores = true;
        self
    }

    /// A record that happened at `at` arrives.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn push(&mut self, record: O::In, at: EventTime) -> Result<()> {
        let (hash, carried) = self.access.route(&record);
        let records = vec![Routed { hash, carried, value: record, at }];
        let batch = Batch { len: 1, records: Box::new(records), origin: Origin::default() };
        stage(&mut self.stage).process(batch, &mut self.outbox)?;
        self.after_step()
    }

    /// A record that is broadcast arrives; it happened at `at`.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn broadcast(&mut self, record: O::Broadcast, at: EventTime) -> Result<()> {
        let records = vec![Timed { value: record, at }];
        let batch = Batch { len: 1, records: Box::new(records), origin: Origin::default() };
        stage(&mut self.stage).process(batch, &mut self.outbox)?;
        self.after_step()
    }

    /// Event time advances to `watermark`: timers fire.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn advance_watermark(&mut self, watermark: EventTime) -> Result<()> {
        stage(&mut self.stage).advance_watermark(watermark, &mut self.outbox)?;
        self.after_step()
    }

    /// Processing time advances to `now`: timers fire.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn advance_processing_time(&mut self, now: EventTime) -> Result<()> {
        self.clock.set(now);
        stage(&mut self.stage).advance_processing_time(now, &mut self.outbox)?;
        self.after_step()
    }

    /// Snapshots the operator, throws it away, and restores another one from the snapshot, group by group.
    ///
    /// # Errors
    /// If the state can't be written or read.
    pub fn restore(&mut self) -> Result<()> {
        self.snapshots += 1;
        let barrier = Barrier { snapshot: SnapshotId(self.snapshots), kind: BarrierKind::Periodic };
        let part = stage(&mut self.stage).snapshot(barrier, StageSnapshot::new(true), &mut self.outbox)?;
        self.kept.entries = part.entries;
        loop {
            if let Work::Frozen(frozen) = stage(&mut self.stage).work()? {
                self.kept.add(&frozen)?;
                break;
            }
        }
        let mut successor = self.head.build(Gather(Rc::clone(&self.output)));
        successor.open(context(&self.clock))?;
        let kept: Arc<dyn RestoredState> = Arc::new(self.kept.clone());
        successor.restore(&kept)?;
        self.stage = Some(successor);
        Ok(())
    }

    /// How many rows a snapshot has of the operator: one for every key with state, every timer, and every entry of a map or
    /// list. Takes one, and restores from it.
    ///
    /// # Errors
    /// If the state can't be written or read.
    pub fn rows(&mut self) -> Result<usize> {
        self.restore()?;
        Ok(self.kept.rows.len())
    }

    /// What has been emitted since the last time it was asked for.
    pub fn take_output(&mut self) -> Vec<O::Out> {
        self.output.take().into_iter().map(|(value, _)| value).collect()
    }

    /// [`take_output`](Harness::take_output), each with the event time it carries.
    pub fn take_timed_output(&mut self) -> Vec<(O::Out, EventTime)> {
        self.output.take()
    }

    /// What has been emitted on the side since the last time it was asked for.
    pub fn take_side_output(&mut self) -> Vec<O::Side> {
        std::mem::take(&mut self.side).into_iter().map(|(value, _)| value).collect()
    }

    fn after_step(&mut self) -> Result<()> {
        stage(&mut self.stage).flush(Fill::Any, &mut self.outbox)?;
        self.take_side();
        if self.restores {
            self.restore()?;
            self.take_side();
        }
        Ok(())
    }

    fn take_side(&mut self) {
        take_side(&mut self.outbox, &mut self.side);
    }
}

/// Takes what has left on the side.
pub(super) fn take_side<T: 'static>(outbox: &mut Outbox, side: &mut Vec<(T, EventTime)>) {
    for (_, _, element) in outbox.drain() {
        if let Element::Batch(batch) = element {
            let records: Box<dyn Any> = batch.records;
            let records = records.downcast::<Vec<Timed<T>>>().expect("the side output is all that leaves");
            side.extend(records.into_iter().map(|record| (record.value, record.at)));
        }
    }
}

fn stage(stage: &mut Option<Box<dyn Stage>>) -> &mut dyn Stage {
    &mut **stage.as_mut().expect("a harness whose operator could not be restored is not used any more")
}

pub(super) fn context(clock: &Clock) -> StageContext {
    let max_parallelism = MaxParallelism::DEFAULT;
    StageContext {
        job: "harness".to_string(),
        mode: Mode::Streaming,
        stage: "operator under test".to_string(),
        subtask: SubtaskIndex(0),
        parallelism: Parallelism::ONE,
        max_parallelism,
        groups: max_parallelism.all(),
        state: Arc::new(StateBackend::heap()),
        snapshots: true,
        restored: None,
        splits: Vec::new(),
        throttle: Arc::new(Throttle::unlimited()),
        event_time: Arc::default(),
        source_metrics: Arc::new(SourceMetrics::default()),
        clock: clock.clone(),
        waker: Waker::noop().clone(),
    }
}

/// The snapshots of the operator under test, in memory: the layers are laid over each other as they come.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub entries: Vec<Entry>,
    pub rows: BTreeMap<(KeyGroup, Section, Vec<u8>), Vec<u8>>,
}

impl Kept {
    /// Takes in the next layer.
    pub fn add(&mut self, frozen: &FrozenState) -> Result<()> {
        if frozen.complete {
            self.rows.retain(|(group, ..), _| !frozen.groups.contains(*group));
        }
        frozen.rows.visit(&mut |row| {
            let place = (row.group, row.section, row.key.to_vec());
            match row.change {
                RowChange::Put(value) => drop(self.rows.insert(place, value.to_vec())),
                RowChange::Remove => drop(self.rows.remove(&place)),
                RowChange::RemovePrefix => self.rows.retain(|(group, section, key), _| {
                    (*group, *section) != (row.group, row.section) || !key.starts_with(row.key)
                }),
            }
            Ok(())
        })
    }
}

impl RestoredState for Kept {
    fn entries(&self, owner: &str) -> Vec<&Entry> {
        self.entries.iter().filter(|entry| entry.owner == owner).collect()
    }

    fn rows(
        &self,
        _operator: &str,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let rows = self.rows.iter().filter(|((group, ..), _)| groups.contains(*group));
        for ((group, section, key), value) in rows {
            each(StateRow::put(*group, *section, key, value))?;
        }
        Ok(())
    }
}
