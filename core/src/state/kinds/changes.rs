//! Which entries of a field have changed, for each of those who want to know. Knows of no values.
//!
//! Of every entry in memory it is known what each consumer [knows](Knows) of it. An entry of which a consumer must hear is in
//! that consumer's log: when the consumer asks, only the log is looked through. An entry that came and went between two
//! questions is told to nobody.

use crate::state::kinds::Consumers;

/// Who is told of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Consumer {
    Snapshots,
    Store,
}

const BOTH: [Consumer; 2] = [Consumer::Snapshots, Consumer::Store];

/// What a consumer knows of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knows {
    /// That there is none.
    Nothing,
    /// An older version: it must hear of what has become of it.
    Older,
    /// This version.
    This,
}

/// What both consumers know of an entry. Who wants to hear nothing knows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known([Knows; 2]);

impl Known {
    pub const NOTHING: Known = Known([Knows::Nothing; 2]);

    pub fn to(self, consumer: Consumer) -> Knows {
        self.0[consumer as usize]
    }

    pub fn set(&mut self, consumer: Consumer, knows: Knows) {
        self.0[consumer as usize] = knows;
    }

    /// Whether someone must be told if the entry is gone.
    pub fn is_known(self) -> bool {
        self.0.iter().any(|knows| *knows != Knows::Nothing)
    }
}

/// The logs of both consumers.
pub(super) struct Changes<S> {
    consumers: Consumers,
    /// Only while there is something to tell.
    logs: Option<Box<[Log<S>; 2]>>,
}

/// What a consumer must hear.
pub(super) struct Log<S> {
    /// Whether all that it was told before is void.
    pub reset: bool,
    /// Every entry of which it must hear; also some of which it need not, and some twice.
    pub touched: Vec<S>,
}

impl<S> Default for Log<S> {
    fn default() -> Log<S> {
        Log { reset: false, touched: Vec::new() }
    }
}

impl<S> Log<S> {
    fn is_empty(&self) -> bool {
        !self.reset && self.touched.is_empty()
    }
}

impl<S> Default for Changes<S> {
    /// For nobody.
    fn default() -> Changes<S> {
        Changes { consumers: Consumers { snapshots: false, store: false }, logs: None }
    }
}

impl<S> Changes<S> {
    pub fn for_consumers(consumers: Consumers) -> Changes<S> {
        Changes { consumers, logs: None }
    }

    pub fn is_wanted_by(&self, consumer: Consumer) -> bool {
        match consumer {
            Consumer::Snapshots => self.consumers.snapshots,
            Consumer::Store => self.consumers.store,
        }
    }

    fn wanted(&self) -> impl Iterator<Item = Consumer> + use<S> {
        let Consumers { snapshots, store } = self.consumers;
        let wanted = [snapshots, store];
        BOTH.into_iter().filter(move |consumer| wanted[*consumer as usize])
    }

    fn log(&mut self, consumer: Consumer) -> &mut Log<S> {
        let logs = self.logs.get_or_insert_with(Default::default);
        &mut logs[consumer as usize]
    }

    /// What everyone knows of an entry that was read from where they know it from.
    pub fn all_know(&self) -> Known {
        let mut known = Known::NOTHING;
        self.wanted().for_each(|consumer| known.set(consumer, Knows::This));
        known
    }

    /// What is known of an entry that was read from a snapshot: the store has not heard of it.
    pub fn snapshots_know(&mut self, at: impl Fn() -> S) -> Known {
        let mut known = self.all_know();
        if self.consumers.store {
            known.set(Consumer::Store, Knows::Nothing);
            self.log(Consumer::Store).touched.push(at());
        }
        known
    }

    /// Whether everyone knows the entry as it is.
    pub fn is_told(&self, known: Known) -> bool {
        self.wanted().all(|consumer| known.to(consumer) == Knows::This)
    }

    /// The entry has come into being.
    pub fn came(&mut self, known: Known, at: impl Fn() -> S) {
        for consumer in self.wanted() {
            match known.to(consumer) {
                // It came back before the consumer heard that it was gone: it is in the log.
                Knows::Older => {}
                Knows::Nothing | Knows::This => self.log(consumer).touched.push(at()),
            }
        }
    }

    /// The entry has another value or another time, or is gone.
    #[inline]
    pub fn touched(&mut self, known: &mut Known, at: impl Fn() -> S) {
        for consumer in self.wanted() {
            if known.to(consumer) == Knows::This {
                known.set(consumer, Knows::Older);
                self.log(consumer).touched.push(at());
            }
        }
    }

    /// A consumer that knows anything of the field must forget it; what the logs have is void.
    pub fn reset(&mut self, knows: impl Fn(Consumer) -> bool) {
        let before = self.logs.take();
        for consumer in self.wanted() {
            let pending = before.as_ref().is_some_and(|logs| logs[consumer as usize].reset);
            if pending || knows(consumer) {
                self.log(consumer).reset = true;
            }
        }
    }

    /// What `consumer` must hear.
    pub fn take(&mut self, consumer: Consumer) -> Log<S> {
        let Some(logs) = &mut self.logs else { return Log::default() };
        let log = std::mem::take(&mut logs[consumer as usize]);
        if logs.iter().all(Log::is_empty) {
            self.logs = None;
        }
        log
    }

    /// About how many bytes the logs take.
    pub fn bytes(&self) -> usize {
        let logs = self.logs.iter().flat_map(|logs| logs.iter());
        logs.map(|log| size_of::<Log<S>>() + log.touched.capacity() * size_of::<S>()).sum()
    }
}

impl<S: Ord> Changes<S> {
    /// Forgets what the logs have for nothing, once that is more than `entries`, the number of entries in memory, explain.
    #[inline]
    pub fn tidy(&mut self, entries: usize, known: impl Fn(&S) -> Option<Known>) {
        const SLACK: usize = 32;
        if let Some(logs) = &mut self.logs {
            for (log, consumer) in logs.iter_mut().zip(BOTH) {
                if log.touched.len() > 2 * entries + SLACK {
                    log.touched.retain(|at| known(at).is_some_and(|known| known.to(consumer) != Knows::This));
                    log.touched.sort_unstable();
                    log.touched.dedup();
                }
            }
        }
    }
}
