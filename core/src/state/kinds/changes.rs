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
#[derive(Default)]
pub(super) struct Changes {
    consumers: Consumers,
    /// Only while there is something to tell.
    logs: Option<Box<[Log; 2]>>,
}

/// What a consumer must hear.
#[derive(Default)]
pub(super) struct Log {
    /// Whether all that it was told before is void.
    pub reset: bool,
    /// The tokens of every entry of which it must hear; also of some of which it need not, and some twice.
    pub touched: Vec<u64>,
}

impl Log {
    fn is_empty(&self) -> bool {
        !self.reset && self.touched.is_empty()
    }
}

impl Changes {
    pub fn for_consumers(consumers: Consumers) -> Changes {
        Changes { consumers, logs: None }
    }

    pub fn is_wanted_by(&self, consumer: Consumer) -> bool {
        match consumer {
            Consumer::Snapshots => self.consumers.snapshots,
            Consumer::Store => self.consumers.store,
        }
    }

    fn wanted(&self) -> impl Iterator<Item = Consumer> + use<> {
        let Consumers { snapshots, store } = self.consumers;
        let wanted = [snapshots, store];
        BOTH.into_iter().filter(move |consumer| wanted[*consumer as usize])
    }

    fn log(&mut self, consumer: Consumer) -> &mut Log {
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
    pub fn snapshots_know(&mut self, token: u64) -> Known {
        let mut known = self.all_know();
        if self.consumers.store {
            known.set(Consumer::Store, Knows::Nothing);
            self.log(Consumer::Store).touched.push(token);
        }
        known
    }

    /// Whether everyone knows the entry as it is.
    pub fn is_told(&self, known: Known) -> bool {
        self.wanted().all(|consumer| known.to(consumer) == Knows::This)
    }

    /// The entry has come into being.
    pub fn came(&mut self, known: Known, token: u64) {
        for consumer in self.wanted() {
            match known.to(consumer) {
                // It came back before the consumer heard that it was gone: it is in the log.
                Knows::Older => {}
                Knows::Nothing | Knows::This => self.log(consumer).touched.push(token),
            }
        }
    }

    /// The entry has another value or another time, or is gone.
    #[inline]
    pub fn touched(&mut self, known: &mut Known, token: impl Fn() -> u64) {
        for consumer in self.wanted() {
            if known.to(consumer) == Knows::This {
                known.set(consumer, Knows::Older);
                self.log(consumer).touched.push(token());
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
    pub fn take(&mut self, consumer: Consumer) -> Log {
        let Some(logs) = &mut self.logs else { return Log::default() };
        let log = std::mem::take(&mut logs[consumer as usize]);
        if logs.iter().all(Log::is_empty) {
            self.logs = None;
        }
        log
    }

    /// Forgets what the logs have for nothing, once that is more than `entries`, the number of entries in memory, explain.
    /// `is_due` says whether the consumer must hear of any entry with that token.
    #[inline]
    pub fn tidy(&mut self, entries: usize, is_due: impl Fn(Consumer, u64) -> bool) {
        const SLACK: usize = 32;
        if let Some(logs) = &mut self.logs {
            for (log, consumer) in logs.iter_mut().zip(BOTH) {
                if log.touched.len() > 2 * entries + SLACK {
                    log.touched.retain(|token| is_due(consumer, *token));
                    log.touched.sort_unstable();
                    log.touched.dedup();
                }
            }
        }
    }

    /// How many bytes were allocated for the logs.
    pub fn bytes(&self) -> usize {
        let logs = self.logs.iter().flat_map(|logs| logs.iter());
        logs.map(|log| size_of::<Log>() + log.touched.capacity() * size_of::<u64>()).sum()
    }
}
