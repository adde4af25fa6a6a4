//! A state of one key with two fields of one kind, and around it what a table, a store and the snapshots of a job do with
//! them: for tests that hold a kind against a model.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::error::Result;
use crate::time::{EventTime, millis};

/// Every entry that a consumer was told of, by field and subkey.
pub type Told = [BTreeMap<Vec<u8>, Vec<u8>>; 2];

/// A store in memory. It counts how often it is read.
#[derive(Default)]
pub struct FakeStore {
    entries: Mutex<Told>,
    pub reads: Mutex<usize>,
}

impl EntryStore for FakeStore {
    fn get(&self, prefix: &[u8], subkey: &[u8]) -> Result<Option<Vec<u8>>> {
        *self.reads.lock().unwrap() += 1;
        Ok(self.entries.lock().unwrap()[usize::from(prefix[0])].get(subkey).cloned())
    }

    fn visit(&self, prefix: &[u8], each: &mut EachEntry<'_>) -> Result<()> {
        *self.reads.lock().unwrap() += 1;
        let entries = self.entries.lock().unwrap()[usize::from(prefix[0])].clone();
        entries.iter().try_for_each(|(subkey, value)| each(subkey, value))
    }
}

/// A kind of state and what it should hold.
pub trait Model: Clone + Default + Debug {
    type Field: Managed + Default + Serialize + DeserializeOwned + Clone;
    /// What a user does.
    type Act: Clone + Debug;

    /// Does it to the field and to the model, and compares what both say.
    fn act(&mut self, field: &mut Self::Field, act: &Self::Act, spec: &ManagedSpec, now: &Now);

    /// What has expired is gone.
    fn purge(&mut self, spec: &ManagedSpec, now: &Now);

    /// The user has put it where it is: all of it counts as written now.
    fn written(&mut self, spec: &ManagedSpec, now: &Now);

    /// Everything is forgotten.
    fn clear(&mut self);

    /// Compares what the field says of all that is in it.
    fn check(&mut self, field: &mut Self::Field, spec: &ManagedSpec, now: &Now);

    /// Compares what has not expired with entries that a consumer was told of, and with the field's bytes in the row.
    fn check_told(&self, told: &BTreeMap<Vec<u8>, Vec<u8>>, row: &[u8], spec: &ManagedSpec, now: &Now);
}

/// What happens to the state of a key.
#[derive(Clone, Debug)]
pub enum Op<A> {
    User(usize, A),
    /// Event time (the watermark, and how much later the record is) and processing time go on; the job may have been down.
    Time {
        watermark: u64,
        record: i64,
        processing: u64,
        down: bool,
    },
    /// `*field = Default::default()`, and then this.
    Replace(usize, Vec<A>),
    /// `*field = field.clone()`
    Copy(usize),
    Swap,
    /// `let taken = mem::take(field); *field = taken;`
    TakeAndPutBack(usize),
    /// `Context::clear_state`
    Clear(usize),
    Expire(usize),
    /// The delta of a snapshot is written.
    Barrier,
    /// The store is told.
    Store,
    /// .. and entries leave memory.
    Forget,
    /// The row leaves memory, and is read again.
    Evict,
    /// The job is restored from its last snapshot: with all entries, or with a store that has them.
    Restore {
        lazily: bool,
    },
    /// Someone who merges files leaves out what has expired.
    Clean,
}

pub fn ops<A: Clone + Debug + 'static>(
    act: impl Strategy<Value = A> + Clone + 'static,
) -> impl Strategy<Value = Vec<Op<A>>> {
    let several = proptest::collection::vec(act.clone(), 0..5);
    let time = (0..8u64, -6..6i64, 0..8u64, any::<bool>());
    let op = prop_oneof![
        24 => (0..2usize, act).prop_map(|(field, act)| Op::User(field, act)),
        4 => time.prop_map(|(watermark, record, processing, down)| Op::Time { watermark, record, processing, down }),
        1 => (0..2usize, several).prop_map(|(field, acts)| Op::Replace(field, acts)),
        1 => (0..2usize).prop_map(Op::Copy),
        1 => Just(Op::Swap),
        1 => (0..2usize).prop_map(Op::TakeAndPutBack),
        1 => (0..2usize).prop_map(Op::Clear),
        1 => (0..2usize).prop_map(Op::Expire),
        3 => Just(Op::Barrier),
        2 => Just(Op::Store),
        3 => Just(Op::Forget),
        2 => Just(Op::Evict),
        1 => any::<bool>().prop_map(|lazily| Op::Restore { lazily }),
        1 => Just(Op::Clean),
    ];
    proptest::collection::vec(op, 0..60)
}

pub fn consumers() -> impl Strategy<Value = Consumers> {
    (any::<bool>(), any::<bool>()).prop_map(|(snapshots, store)| Consumers { snapshots, store })
}

/// A TTL in every domain, of a few milliseconds, or none.
pub fn ttls() -> impl Strategy<Value = Option<Ttl>> {
    let time = prop_oneof![Just(TtlTime::Event), Just(TtlTime::Processing), Just(TtlTime::Uptime)];
    let refresh = prop_oneof![Just(Refresh::Write), Just(Refresh::ReadAndWrite)];
    let ttl = (1..20u64, time, refresh).prop_map(|(lasts, time, refresh)| Ttl {
        lasts: millis(lasts),
        time,
        refresh,
    });
    proptest::option::weighted(0.7, ttl)
}

pub fn spec(ttl: Option<Ttl>, max: Option<usize>) -> &'static ManagedSpec {
    Box::leak(Box::new(ManagedSpec { name: "field", ttl, max }))
}

pub fn at(millis: i64) -> EventTime {
    EventTime::from_millis(millis)
}

/// Nothing has happened yet.
pub const BEGINNING: Now = Now {
    event: EventTime::MIN,
    record: EventTime::from_millis(100),
    processing: EventTime::from_millis(1_000),
    uptime: EventTime::from_millis(0),
};

/// When something that is written now is refreshed; 0 without a TTL.
pub fn write_time(spec: &ManagedSpec, now: &Now) -> EventTime {
    match spec.ttl.map(|ttl| ttl.time) {
        None => at(0),
        Some(TtlTime::Event) => now.record.max(now.event),
        Some(TtlTime::Processing) => now.processing,
        Some(TtlTime::Uptime) => now.uptime,
    }
}

/// Whether something has expired.
pub fn is_over(refreshed: EventTime, spec: &ManagedSpec, now: &Now) -> bool {
    spec.ttl.is_some_and(|ttl| {
        let now = match ttl.time {
            TtlTime::Event => now.event,
            TtlTime::Processing => now.processing,
            TtlTime::Uptime => now.uptime,
        };
        refreshed + ttl.lasts <= now
    })
}

/// Whether reading refreshes.
pub fn reads_refresh(spec: &ManagedSpec) -> bool {
    spec.ttl.is_some_and(|ttl| ttl.refresh == Refresh::ReadAndWrite)
}

/// A state with two fields, its model, and all that is around it.
pub struct Rig<M: Model> {
    pub fields: [M::Field; 2],
    models: [M; 2],
    pub spec: &'static ManagedSpec,
    consumers: Consumers,
    pub now: Now,
    pub store: Arc<FakeStore>,
    /// What deltas said up to now.
    told: Told,
    /// The last snapshot: rows, entries, and the models.
    snapshot: Option<([Vec<u8>; 2], Told, [M; 2])>,
}

impl<M: Model> Rig<M> {
    pub fn new(spec: &'static ManagedSpec, consumers: Consumers) -> Rig<M> {
        let mut rig = Rig {
            fields: Default::default(),
            models: Default::default(),
            spec,
            consumers,
            now: BEGINNING,
            store: Arc::default(),
            told: Told::default(),
            snapshot: None,
        };
        rig.attach(Older::Valid, false);
        rig
    }

    fn place(&self, field: usize) -> Place {
        Place { index: field as u8, spec: self.spec, consumers: self.consumers }
    }

    fn backing(&self, field: usize) -> Backing {
        Backing { store: Arc::clone(&self.store) as Arc<dyn EntryStore>, prefix: Box::new([field as u8]) }
    }

    fn attach(&mut self, older: Older, with_store: bool) {
        for field in 0..2 {
            let (place, backing) = (self.place(field), with_store.then(|| self.backing(field)));
            self.fields[field].attach(place, older, backing, &self.now).unwrap();
        }
    }

    /// As a table visits a row.
    pub fn visit(&mut self, act: impl FnOnce(&mut [M::Field; 2], &mut [M; 2], &ManagedSpec, &Now)) {
        self.fields.iter_mut().for_each(|field| field.tell_time(&self.now));
        act(&mut self.fields, &mut self.models, self.spec, &self.now);
        for field in 0..2 {
            if !self.fields[field].is_attached_to(field as u8) {
                let place = self.place(field);
                self.fields[field].attach(place, Older::Void, None, &self.now).unwrap();
                self.models[field].written(self.spec, &self.now);
            }
        }
    }

    pub fn tell_snapshots(&mut self) {
        for (field, told) in self.fields.iter_mut().zip(&mut self.told) {
            tell(told, |each| field.take_changes(&mut |change| each(change)));
            field.take_changes(&mut |change| panic!("told twice: {change:?}")).unwrap();
        }
    }

    pub fn tell_store(&mut self) {
        for (field, told) in self.fields.iter_mut().zip(&mut *self.store.entries.lock().unwrap()) {
            tell(told, |each| field.take_unstored(&mut |change| each(change)));
            field.take_unstored(&mut |change| panic!("told twice: {change:?}")).unwrap();
        }
    }

    pub fn forget(&mut self) {
        self.tell_store();
        for field in 0..2 {
            let backing = self.backing(field);
            self.fields[field].forget(backing);
        }
    }

    fn rows(&self) -> [Vec<u8>; 2] {
        [0, 1].map(|field| postcard::to_stdvec(&self.fields[field]).unwrap())
    }

    fn read_rows(&mut self, rows: &[Vec<u8>; 2]) {
        self.fields = [0, 1].map(|field| postcard::from_bytes(&rows[field]).unwrap());
    }

    pub fn run(&mut self, op: &Op<M::Act>) {
        match op {
            Op::User(field, act) => self
                .visit(|fields, models, spec, now| models[*field].act(&mut fields[*field], act, spec, now)),
            Op::Time { watermark, record, processing, down } => {
                let start = if self.now.event == EventTime::MIN { at(95) } else { self.now.event };
                self.now.event = start + millis(*watermark);
                self.now.record = at(self.now.event.as_millis() + record);
                self.now.processing = self.now.processing + millis(*processing);
                self.now.uptime = self.now.uptime + millis(if *down { 0 } else { *processing });
            }
            Op::Replace(field, acts) => self.visit(|fields, models, _, now| {
                (fields[*field], models[*field]) = Default::default();
                let bare = ManagedSpec { name: "", ttl: None, max: None };
                acts.iter().for_each(|act| models[*field].act(&mut fields[*field], act, &bare, now));
            }),
            Op::Copy(field) => self.visit(|fields, models, spec, now| {
                fields[*field] = fields[*field].clone();
                models[*field].purge(spec, now);
            }),
            Op::Swap => self.visit(|fields, models, spec, now| {
                let [left, right] = fields;
                std::mem::swap(left, right);
                models.swap(0, 1);
                models.iter_mut().for_each(|model| model.purge(spec, now));
            }),
            Op::TakeAndPutBack(field) => self.visit(|fields, _, _, _| {
                let taken = std::mem::take(&mut fields[*field]);
                fields[*field] = taken;
            }),
            Op::Clear(field) => {
                self.fields[*field].clear();
                self.models[*field].clear();
            }
            Op::Expire(field) => {
                self.fields[*field].expire(&self.now);
            }
            Op::Barrier if self.consumers.snapshots => self.barrier(),
            Op::Store if self.consumers.store => self.tell_store(),
            Op::Forget if self.consumers.store => self.forget(),
            Op::Evict if self.consumers.store => {
                self.tell_store();
                self.tell_snapshots();
                let rows = self.rows();
                self.read_rows(&rows);
                self.attach(Older::Valid, true);
            }
            Op::Restore { lazily } if self.consumers.snapshots => self.restore(*lazily),
            Op::Clean => self.clean(),
            Op::Barrier | Op::Store | Op::Forget | Op::Evict | Op::Restore { .. } => {
                let nobody = &mut |change: EntryChange<'_>| panic!("nobody wants to know {change:?}");
                for field in &mut self.fields {
                    if !self.consumers.snapshots {
                        field.take_changes(nobody).unwrap();
                    }
                    if !self.consumers.store {
                        field.take_unstored(nobody).unwrap();
                        field.forget(Backing { store: Arc::clone(&self.store) as _, prefix: Box::new([0]) });
                    }
                }
            }
        }
    }

    fn barrier(&mut self) {
        self.tell_snapshots();
        let rows = self.rows();
        for (field, row) in rows.iter().enumerate() {
            self.models[field].check_told(&self.told[field], row, self.spec, &self.now);
        }
        self.snapshot = Some((rows, self.told.clone(), self.models.clone()));
    }

    fn restore(&mut self, lazily: bool) {
        let Some((rows, told, models)) = self.snapshot.clone() else { return };
        self.read_rows(&rows);
        (self.told, self.models) = (told, models);
        let lazily = lazily && self.consumers.store;
        // Lazily, the store was filled from the snapshot; otherwise it is new.
        *self.store.entries.lock().unwrap() = if lazily { self.told.clone() } else { Told::default() };
        self.attach(Older::Valid, lazily);
        for (field, told) in self.fields.iter_mut().zip(&self.told).filter(|_| !lazily) {
            told.iter().for_each(|(subkey, value)| field.load(subkey, value).unwrap());
        }
    }

    fn clean(&mut self) {
        let (spec, now) = (self.spec, self.now);
        let clean = |told: &mut Told| {
            told.iter_mut().for_each(|told| {
                told.retain(|_, value| {
                    let (refreshed, _): (EventTime, _) = postcard::take_from_bytes(value).unwrap();
                    !is_over(refreshed, spec, &now)
                });
            });
        };
        clean(&mut self.told);
        clean(&mut self.store.entries.lock().unwrap());
        if let Some((_, told, _)) = &mut self.snapshot {
            clean(told);
        }
    }

    /// Compares all that the state says with the models.
    pub fn check(&mut self) {
        self.visit(|fields, models, spec, now| {
            fields.iter_mut().zip(models).for_each(|(field, model)| model.check(field, spec, now));
        });
    }
}

/// Notes what a consumer is told.
fn tell(
    told: &mut BTreeMap<Vec<u8>, Vec<u8>>,
    take: impl FnOnce(&mut dyn FnMut(EntryChange<'_>) -> Result<()>) -> Result<()>,
) {
    let mut first = true;
    take(&mut |change| {
        match change {
            EntryChange::Reset => {
                assert!(first, "a reset comes first");
                told.clear();
            }
            EntryChange::Put(subkey, value) => drop(told.insert(subkey.to_vec(), value.to_vec())),
            EntryChange::Remove(subkey) => drop(told.remove(subkey)),
        }
        first = false;
        Ok(())
    })
    .unwrap();
}

/// Holds a kind against its model, in one sequence.
pub fn hold<M: Model>(spec: &'static ManagedSpec, consumers: Consumers, ops: &[Op<M::Act>]) {
    let mut rig = Rig::<M>::new(spec, consumers);
    ops.iter().for_each(|op| rig.run(op));
    rig.check();
    if consumers.snapshots {
        rig.run(&Op::Barrier);
        rig.run(&Op::Restore { lazily: true });
        rig.check();
    }
}
