//! Partitioning by key group: the end of a chain in front of a keyed stage.
//!
//! What enters: records. What leaves: batches of [`Routed`] records per target subtask, each with the hash of its key. The
//! hash is computed here, once. [`KeyAccess`] says how the key is found: computed by the user's function and carried along,
//! or borrowed from the record at both ends.

use std::marker::PhantomData;

use crate::chain::{Gather, Signal, Step};
use crate::error::Result;
use crate::key::{Key, KeyGroup, KeyHash, MaxParallelism};
use crate::outbox::{EdgeIndex, Outbox, Target};
use crate::record::{Batch, Element, Fill, Origin, Routed, batch_size};
use crate::task::stage::StageContext;
use crate::time::EventTime;

/// How the key of a record is found, on both sides of an exchange.
pub trait KeyAccess<T>: Clone + Send + Sync + 'static {
    /// The type of the key.
    type Key: Key;
    /// What crosses the exchange beside the record.
    type Carried: Send + 'static;

    /// The hash of the record's key, and what to carry.
    fn route(&self, record: &T) -> (KeyHash, Self::Carried);

    /// The key itself.
    fn key<'a>(&self, record: &'a T, carried: &'a Self::Carried) -> &'a Self::Key;

    /// Appends what is carried as bytes, for a record that is written down in flight.
    fn pack(carried: &Self::Carried, bytes: &mut Vec<u8>);

    /// What was carried beside the record; from the record, if it was packed to nothing. `None` if the bytes are no key.
    fn unpack(&self, record: &T, packed: &[u8]) -> Option<Self::Carried>;
}

/// `key_by`: the key is computed once and carried along.
#[derive(Clone)]
pub struct Computed<F>(pub(crate) F);

impl<T, K: Key, F: Fn(&T) -> K + Clone + Send + Sync + 'static> KeyAccess<T> for Computed<F> {
    type Key = K;
    type Carried = K;

    #[inline]
    fn route(&self, record: &T) -> (KeyHash, K) {
        let key = (self.0)(record);
        (key.hash(), key)
    }

    #[inline]
    fn key<'a>(&self, _record: &'a T, carried: &'a K) -> &'a K {
        carried
    }

    fn pack(carried: &K, bytes: &mut Vec<u8>) {
        carried.encode(bytes);
    }

    fn unpack(&self, record: &T, mut packed: &[u8]) -> Option<K> {
        if packed.is_empty() {
            return Some((self.0)(record));
        }
        K::decode(&mut packed).filter(|_| packed.is_empty())
    }
}

/// `key_by_ref`: the key is a part of the record, and is only looked at.
pub struct Borrowed<F, K>(pub(crate) F, pub(crate) PhantomData<fn() -> K>);

impl<F: Clone, K> Clone for Borrowed<F, K> {
    fn clone(&self) -> Self {
        Borrowed(self.0.clone(), PhantomData)
    }
}

impl<T, K: Key, F: Fn(&T) -> &K + Clone + Send + Sync + 'static> KeyAccess<T> for Borrowed<F, K> {
    type Key = K;
    type Carried = ();

    #[inline]
    fn route(&self, record: &T) -> (KeyHash, ()) {
        ((self.0)(record).hash(), ())
    }

    #[inline]
    fn key<'a>(&self, record: &'a T, _carried: &'a ()) -> &'a K {
        (self.0)(record)
    }

    fn pack(_carried: &(), _bytes: &mut Vec<u8>) {}

    fn unpack(&self, _record: &T, _packed: &[u8]) -> Option<()> {
        Some(())
    }
}

/// Ends a chain: gathers records per target subtask.
pub(crate) struct Partition<A: KeyAccess<T>, T> {
    edge: EdgeIndex,
    access: A,
    max_parallelism: MaxParallelism,
    /// The owner of every key group; empty as long as there is only one subtask.
    owners: Vec<u32>,
    gathered: Vec<Vec<Routed<A::Carried, T>>>,
    origin: Origin,
}

impl<A: KeyAccess<T>, T: Send + 'static> Partition<A, T> {
    pub fn new(edge: EdgeIndex, access: A) -> Partition<A, T> {
        let gathered = vec![Vec::new()];
        let max_parallelism = MaxParallelism::DEFAULT;
        Partition { edge, access, max_parallelism, owners: Vec::new(), gathered, origin: Origin::default() }
    }

    const BATCH: usize = batch_size::<Routed<A::Carried, T>>();

    fn open(&mut self, cx: &StageContext) {
        self.max_parallelism = cx.max_parallelism;
        self.gathered = cx.parallelism.subtasks().map(|_| Vec::with_capacity(Self::BATCH)).collect();
        if self.gathered.len() > 1 {
            let owner = |group: KeyGroup| group.owner(cx.parallelism, cx.max_parallelism).0;
            self.owners = cx.max_parallelism.all().iter().map(owner).collect();
        }
    }
}

impl<A: KeyAccess<T>, T: Send + 'static> Gather for Partition<A, T> {
    fn edge(&self) -> EdgeIndex {
        self.edge
    }

    fn hand_on(&mut self, fill: Fill, out: &mut Outbox) {
        self.origin = self.origin.merge(out.origin);
        for (gathered, subtask) in self.gathered.iter_mut().zip(0..) {
            if gathered.is_empty() || (fill == Fill::Full && gathered.len() < Self::BATCH) {
                continue;
            }
            let records = std::mem::replace(gathered, out.spares.take());
            let batch = Batch { len: records.len(), records: Box::new(records), origin: self.origin };
            out.put(self.edge, Target::Subtask(crate::key::SubtaskIndex(subtask)), Element::Batch(batch));
        }
        if self.gathered.iter().all(Vec::is_empty) {
            self.origin = Origin::default();
        }
    }
}

impl<A: KeyAccess<T>, T: Send + 'static> Step<T> for Partition<A, T> {
    #[inline]
    fn push(&mut self, value: T, at: EventTime) {
        let (hash, carried) = self.access.route(&value);
        let owner = if self.owners.is_empty() {
            0
        } else {
            self.owners[usize::from(hash.group(self.max_parallelism).0)] as usize
        };
        self.gathered[owner].push(Routed { hash, carried, value, at });
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        if let Signal::Open(cx) = signal {
            self.open(cx);
        }
        self.pass_on(signal, out);
        Ok(())
    }
}
