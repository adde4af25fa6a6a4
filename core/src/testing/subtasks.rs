//! Drives the subtasks of one keyed operator by hand, a step at a time: through barriers, slices of encoding, snapshots that
//! fail, kills and restores at another parallelism.
//!
//! *Enters:* batches, times, and when what happens. *Leaves:* what the operator emits. *Always:* the stages are those of a
//! running job, over the store that the test has chosen; nothing happens but what was asked for. *Absent:* files. What
//! snapshots keep lies in memory, one layer laid over the other as each row says.

use std::cell::RefCell;
use std::mem::take;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::chain::Head;
use crate::error::{Error, Result};
use crate::exchange::partition::{Computed, KeyAccess};
use crate::key::{MaxParallelism, Parallelism, SubtaskIndex};
use crate::operator::keyed::KeyedHead;
use crate::operator::{KeyOf, Operator};
use crate::outbox::Outbox;
use crate::record::{Barrier, BarrierKind, Batch, Origin, Routed, SnapshotId};
use crate::snapshot::part::{FrozenState, RestoredState, StageSnapshot};
use crate::state::backend::StateBackend;
use crate::task::stage::{Stage, StageContext, Work};
use crate::testing::harness::{Gather, Kept, Output, context};
use crate::time::{Clock, EventTime};

/// The subtasks of one keyed operator.
///
/// ```
/// use std::sync::Arc;
/// use tidegate::prelude::*;
/// use tidegate::state::backend::StateBackend;
/// use tidegate::testing::Subtasks;
///
/// #[state(key = u64)]
/// #[derive(Default)]
/// struct Seen { times: u64 }
///
/// #[operator]
/// fn count(number: u64, seen: &mut Seen) -> (u64, u64) {
///     seen.times += 1;
///     (number, seen.times)
/// }
///
/// # fn main() -> Result<()> {
/// let store = Arc::new(StateBackend::heap());
/// let mut subtasks = Subtasks::new(Count, |number: &u64| *number, 3, &store)?;
/// subtasks.push(vec![(7, EventTime::MIN)])?;
/// subtasks.begin_snapshot()?;
/// subtasks.push(vec![(7, EventTime::MIN)])?;
/// while !subtasks.encode_slice()? {}
/// subtasks.complete_snapshot()?;
/// subtasks.kill_and_restore(2, &store)?;
/// subtasks.push(vec![(7, EventTime::MIN)])?;
/// assert_eq!(subtasks.take_output(), [(7, 1), (7, 2), (7, 2)]);
/// # Ok(())
/// # }
/// ```
pub struct Subtasks<O: Operator, F> {
    head: KeyedHead<O, Computed<F>>,
    access: Computed<F>,
    parallelism: Parallelism,
    stages: Vec<Box<dyn Stage>>,
    output: Output<O::Out>,
    clock: Clock,
    snapshots: u64,
    snapshot: Snapshot,
    complete: Kept,
}

/// How far the snapshot is.
enum Snapshot {
    /// There is none.
    None,
    /// The barrier has passed; what each subtask has encoded, and what goes into the manifest.
    Encoding { frozen: Vec<Option<FrozenState>>, kept: Kept },
}

const MAX: MaxParallelism = MaxParallelism::DEFAULT;

impl<O, F> Subtasks<O, F>
where
    O: Operator<Side: Send>,
    F: Fn(&O::In) -> KeyOf<O> + Clone + Send + Sync + 'static,
{
    /// So many subtasks of `operator` on a stream that is keyed by `key`, with their state in `store`. Processing time stands
    /// at the epoch.
    ///
    /// # Errors
    /// If `parallelism` is not from 1 to 128, or the operator can't be opened.
    pub fn new(operator: O, key: F, parallelism: u32, store: &Arc<StateBackend>) -> Result<Subtasks<O, F>> {
        let access = Computed(key);
        let name = "operator under test".to_string();
        let head = KeyedHead { name, operator: Arc::new(operator), access: access.clone(), side: None };
        let mut subtasks = Subtasks {
            head,
            access,
            parallelism: Parallelism::ONE,
            stages: Vec::new(),
            output: Rc::new(RefCell::new(Vec::new())),
            clock: Clock::virtual_at(EventTime::from_millis(0)),
            snapshots: 0,
            snapshot: Snapshot::None,
            complete: Kept::default(),
        };
        subtasks.open(parallelism, store)?;
        Ok(subtasks)
    }

    fn open(&mut self, parallelism: u32, store: &Arc<StateBackend>) -> Result<()> {
        // Subtasks of one store may share a database with those that were killed: none may find what another has left there.
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let parallelism = Parallelism::new(parallelism, MAX)
            .ok_or_else(|| Error::failure(format!("there can't be {parallelism} subtasks")))?;
        self.parallelism = parallelism;
        self.stages.clear();
        for subtask in parallelism.subtasks() {
            let mut stage = self.head.build(Gather(Rc::clone(&self.output)));
            stage.open(StageContext {
                subtask: SubtaskIndex(OPENED.fetch_add(1, Ordering::Relaxed)),
                parallelism,
                groups: subtask.groups(parallelism, MAX),
                state: Arc::clone(store),
                ..context(&self.clock)
            })?;
            self.stages.push(stage);
        }
        Ok(())
    }

    /// Records arrive, each with its event time; those of one subtask in one batch.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn push(&mut self, records: Vec<(O::In, EventTime)>) -> Result<()> {
        let mut batches: Vec<Vec<_>> = self.stages.iter().map(|_| Vec::new()).collect();
        for (value, at) in records {
            let (hash, carried) = self.access.route(&value);
            let owner = hash.group(MAX).owner(self.parallelism, MAX);
            batches[owner.index()].push(Routed { hash, carried, value, at });
        }
        for (stage, records) in self.stages.iter_mut().zip(batches) {
            if !records.is_empty() {
                let batch =
                    Batch { len: records.len(), records: Box::new(records), origin: Origin::default() };
                stage.process(batch, &mut Outbox::default())?;
            }
        }
        Ok(())
    }

    /// Event time advances to `watermark`: timers fire.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn advance_watermark(&mut self, watermark: EventTime) -> Result<()> {
        self.stages
            .iter_mut()
            .try_for_each(|stage| stage.advance_watermark(watermark, &mut Outbox::default()))
    }

    /// Processing time advances to `now`: timers fire.
    ///
    /// # Errors
    /// If the state can't be read or written.
    pub fn advance_processing_time(&mut self, now: EventTime) -> Result<()> {
        self.clock.set(now);
        self.stages
            .iter_mut()
            .try_for_each(|stage| stage.advance_processing_time(now, &mut Outbox::default()))
    }

    /// A barrier arrives at every subtask. A snapshot that was not complete is given up.
    ///
    /// # Errors
    /// If the state can't be frozen.
    pub fn begin_snapshot(&mut self) -> Result<()> {
        self.snapshots += 1;
        let barrier = Barrier { snapshot: SnapshotId(self.snapshots), kind: BarrierKind::Periodic };
        let mut kept = Kept::default();
        for stage in &mut self.stages {
            let part = stage.snapshot(barrier, StageSnapshot::new(true), &mut Outbox::default())?;
            kept.entries.extend(part.entries);
        }
        let frozen = self.stages.iter().map(|_| None).collect();
        self.snapshot = Snapshot::Encoding { frozen, kept };
        Ok(())
    }

    /// Every subtask does a slice of what there is to do: encodes what it froze, or loads what was restored. Whether there
    /// is a snapshot of which all is encoded.
    ///
    /// # Errors
    /// If state can't be encoded or loaded.
    pub fn encode_slice(&mut self) -> Result<bool> {
        for (index, stage) in self.stages.iter_mut().enumerate() {
            if let Work::Frozen(part) = stage.work()?
                && let Snapshot::Encoding { frozen, .. } = &mut self.snapshot
            {
                frozen[index] = Some(*part);
            }
        }
        let is_encoded = |frozen: &[Option<FrozenState>]| frozen.iter().all(Option::is_some);
        Ok(matches!(&self.snapshot, Snapshot::Encoding { frozen, .. } if is_encoded(frozen)))
    }

    /// The snapshot becomes complete, if there is one and all of it is encoded.
    ///
    /// # Errors
    /// If its rows can't be read.
    pub fn complete_snapshot(&mut self) -> Result<()> {
        let Snapshot::Encoding { frozen, kept } = std::mem::replace(&mut self.snapshot, Snapshot::None)
        else {
            return Ok(());
        };
        let Some(frozen) = frozen.into_iter().collect::<Option<Vec<_>>>() else {
            return Err(Error::failure("the snapshot is not encoded yet"));
        };
        self.complete.entries = kept.entries;
        frozen.iter().try_for_each(|part| self.complete.add(part))?;
        let id = SnapshotId(self.snapshots);
        self.stages.iter_mut().try_for_each(|stage| stage.commit(id, &mut Outbox::default()))
    }

    /// The snapshot fails, if there is one.
    pub fn fail_snapshot(&mut self) {
        self.snapshot = Snapshot::None;
    }

    /// All subtasks are killed. Others, `parallelism` of them, go on from the last complete snapshot.
    ///
    /// # Errors
    /// If `parallelism` is not from 1 to 128, or the snapshot can't be restored.
    pub fn kill_and_restore(&mut self, parallelism: u32, store: &Arc<StateBackend>) -> Result<()> {
        self.snapshot = Snapshot::None;
        self.open(parallelism, store)?;
        if !self.complete.entries.is_empty() {
            let kept: Arc<dyn RestoredState> = Arc::new(self.complete.clone());
            self.stages.iter_mut().try_for_each(|stage| stage.restore(&kept))?;
        }
        Ok(())
    }

    /// How many rows the last complete snapshot has: of state, of timers and of entries.
    pub fn rows_kept(&self) -> usize {
        self.complete.rows.len()
    }

    /// What has been emitted since the last time it was asked for: in order for each key.
    pub fn take_output(&mut self) -> Vec<O::Out> {
        take(&mut *self.output.borrow_mut()).into_iter().map(|(value, _)| value).collect()
    }
}
