//! What lookups have brought: the answers about so many keys, for so long.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::key::Key;

/// How many answers of a lookup are remembered, and for how long: Flink's `lookup.cache` `PARTIAL`. The workers of a process
/// share one cache, and no snapshot has it.
///
/// ```
/// use tidegate::async_io::LookupCache;
/// use tidegate::time::minutes;
///
/// let cache = LookupCache::of(100_000).expire_after_write(minutes(10)).found_only();
/// # let _ = cache;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupCache {
    keys_max: usize,
    after_write: Option<Duration>,
    after_access: Option<Duration>,
    keeps_missing: bool,
}

impl LookupCache {
    /// The answers about so many keys. When there are more, those go that are asked for least (S3-FIFO, a relative of LRU).
    pub const fn of(keys_max: usize) -> LookupCache {
        LookupCache { keys_max, after_write: None, after_access: None, keeps_missing: true }
    }

    /// An answer that is so old is asked for anew.
    #[must_use]
    pub const fn expire_after_write(self, age: Duration) -> LookupCache {
        LookupCache { after_write: Some(age), ..self }
    }

    /// An answer that was not needed for so long is asked for anew.
    #[must_use]
    pub const fn expire_after_access(self, age: Duration) -> LookupCache {
        LookupCache { after_access: Some(age), ..self }
    }

    /// That there is nothing of a key is not remembered. It is if nothing is said.
    #[must_use]
    pub const fn found_only(self) -> LookupCache {
        LookupCache { keeps_missing: false, ..self }
    }
}

/// Into how many parts a large cache is cut, so that workers seldom wait for each other.
const SHARDS: usize = 16;

/// Answers by key.
pub(super) struct Remembered<K, V> {
    declared: LookupCache,
    answers: Cache<Hashed<K>, Arc<Answer<V>>, UnitWeighter, BuildHasherDefault<AsItIs>>,
}

/// A key that gives its own stable hash, so that a simulation is the same each time.
#[derive(Clone, PartialEq, Eq)]
struct Hashed<K>(K);

impl<K: Key> Hash for Hashed<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(Key::hash(&self.0).bits());
    }
}

/// Takes a stable hash as it is.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _bytes: &[u8]) {
        unreachable!("a key gives its hash")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

struct Answer<V> {
    values: Arc<[V]>,
    written: Duration,
    /// When it was last needed, in milliseconds.
    accessed: AtomicU64,
}

impl<K: Key, V> Remembered<K, V> {
    pub fn new(declared: LookupCache) -> Remembered<K, V> {
        // Of equal parts, so that they are no more than declared.
        let shards = if declared.keys_max < 32 * SHARDS { 1 } else { SHARDS };
        let keys_max = (declared.keys_max - declared.keys_max % shards).max(1);
        let options = OptionsBuilder::new()
            .shards(shards)
            .estimated_items_capacity(keys_max)
            .weight_capacity(keys_max as u64)
            .build()
            .expect("how many there are to be is said");
        let answers = Cache::with_options(
            options,
            UnitWeighter,
            BuildHasherDefault::default(),
            DefaultLifecycle::default(),
        );
        Remembered { declared, answers }
    }

    /// What is remembered of a key.
    pub fn get(&self, key: &K, now: Duration) -> Option<Arc<[V]>> {
        let key = Hashed(key.clone());
        let answer = self.answers.get(&key)?;
        let (now_ms, age) = (now.as_millis() as u64, now.saturating_sub(answer.written));
        let unused = Duration::from_millis(now_ms.saturating_sub(answer.accessed.load(Ordering::Relaxed)));
        let expired = self.declared.after_write.is_some_and(|after| age >= after)
            || self.declared.after_access.is_some_and(|after| unused >= after);
        if expired {
            self.answers.remove(&key);
            return None;
        }
        answer.accessed.fetch_max(now_ms, Ordering::Relaxed);
        Some(Arc::clone(&answer.values))
    }

    pub fn put(&self, key: K, values: &Arc<[V]>, now: Duration) {
        let key = Hashed(key);
        if values.is_empty() && !self.declared.keeps_missing {
            // What was there is no more.
            self.answers.remove(&key);
            return;
        }
        let accessed = AtomicU64::new(now.as_millis() as u64);
        self.answers.insert(key, Arc::new(Answer { values: Arc::clone(values), written: now, accessed }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::millis;

    fn remembered(declared: LookupCache) -> Remembered<u64, char> {
        let remembered = Remembered::new(declared);
        remembered.put(1, &['a'].into(), millis(0));
        remembered.put(2, &[].into(), millis(0));
        remembered
    }

    #[test]
    fn an_answer_expires_so_long_after_it_came_however_often_it_is_needed() {
        let remembered = remembered(LookupCache::of(10).expire_after_write(millis(10)));
        for now in [1, 5, 9] {
            assert_eq!(remembered.get(&1, millis(now)).as_deref(), Some(&['a'][..]));
        }
        assert_eq!(remembered.get(&1, millis(10)), None);
        assert_eq!(remembered.get(&1, millis(5)), None, "it is gone");
    }

    #[test]
    fn an_answer_expires_so_long_after_it_was_last_needed() {
        let remembered = remembered(LookupCache::of(10).expire_after_access(millis(10)));
        for now in [9, 18, 27] {
            assert!(remembered.get(&1, millis(now)).is_some());
        }
        assert_eq!(remembered.get(&1, millis(37)), None);
        assert_eq!(remembered.get(&2, millis(37)), None);
    }

    #[test]
    fn that_there_is_nothing_is_remembered_unless_it_is_said_otherwise() {
        assert_eq!(remembered(LookupCache::of(10)).get(&2, millis(0)).as_deref(), Some(&[][..]));
        let found_only = remembered(LookupCache::of(10).found_only());
        assert_eq!(found_only.get(&2, millis(0)), None);
        found_only.put(1, &[].into(), millis(1));
        assert_eq!(found_only.get(&1, millis(1)), None, "it is there no more");
    }

    #[test]
    fn there_are_never_more_keys_than_declared_and_those_that_are_needed_stay() {
        for keys_max in [1, 20, 1000] {
            let remembered = Remembered::<u64, u64>::new(LookupCache::of(keys_max));
            for key in 0..20 * keys_max as u64 {
                remembered.put(key, &[key].into(), millis(0));
                if keys_max > 1 {
                    remembered.get(&3, millis(0));
                }
            }
            assert!(remembered.answers.len() <= keys_max, "{} of {keys_max}", remembered.answers.len());
            assert!(keys_max == 1 || remembered.get(&3, millis(0)).is_some());
        }
    }
}
