//! The events of a measurement: made before the clock starts and given away from memory, or made while it runs.
//!
//! Every split's events are made by a thread of its own, as if its reader had allocated them; those of a loop by its own
//! thread, where an allocator frees them fastest. Who reads takes them by value.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::vec::IntoIter;

use serde::Serialize;
use tidegate::prelude::*;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};

use super::super::event::Event;
use super::super::generator::Generator;
use super::clock::{Lap, Stopwatch};

/// When events are made.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Generation {
    /// Before the clock starts.
    Before,
    /// While it runs.
    Within,
}

/// A split's events, in their order.
pub enum Events {
    Made(IntoIter<Event>),
    ToMake { generator: Generator, numbers: std::iter::StepBy<std::ops::Range<u64>> },
}

impl Iterator for Events {
    type Item = Event;

    #[inline]
    fn next(&mut self) -> Option<Event> {
        match self {
            Events::Made(events) => events.next(),
            Events::ToMake { generator, numbers } => numbers.next().map(|number| generator.event(number)),
        }
    }
}

/// The events of one run.
#[derive(Clone, Copy)]
pub struct Script {
    pub generator: Generator,
    pub count: u64,
    pub generation: Generation,
}

impl Script {
    /// Deals the events to `splits` splits in turn.
    pub fn deal(self, splits: u32) -> Vec<Events> {
        let make = |split: u32| self.split(split, splits);
        std::thread::scope(|scope| {
            let makers: Vec<_> = (0..splits).map(|split| scope.spawn(move || make(split))).collect();
            makers.into_iter().map(|maker| maker.join().expect("making events does not panic")).collect()
        })
    }

    /// One split, made by this thread.
    pub fn split(self, split: u32, splits: u32) -> Events {
        let events = self.events_of(split, splits, 0);
        match self.generation {
            Generation::Before => Events::Made(events.collect::<Vec<_>>().into_iter()),
            Generation::Within => events,
        }
    }

    fn events_of(self, split: u32, splits: u32, from: u64) -> Events {
        let first = u64::from(split) + from * u64::from(splits);
        let numbers = (first..self.count).step_by(splits as usize);
        Events::ToMake { generator: self.generator, numbers }
    }

    fn length(self, split: u32, splits: u32) -> u64 {
        let (split, splits) = (u64::from(split), u64::from(splits));
        self.count / splits + u64::from(self.count % splits > split)
    }
}

/// The events as a source. They are given away once; whoever wants them again has them made again.
pub struct ReplaySource {
    script: Script,
    splits: Mutex<Vec<Option<Events>>>,
    began: Arc<Began>,
}

/// When the first event was read.
pub struct Began {
    stopwatch: Stopwatch,
    at: OnceLock<Lap>,
}

impl Began {
    pub fn new(stopwatch: Stopwatch) -> Began {
        Began { stopwatch, at: OnceLock::new() }
    }

    pub fn note(&self) {
        self.at.get_or_init(|| self.stopwatch.lap());
    }

    pub fn at(&self) -> Option<Lap> {
        self.at.get().copied()
    }
}

impl ReplaySource {
    pub fn new(script: Script, splits: u32, began: Arc<Began>) -> ReplaySource {
        let splits = script.deal(splits).into_iter().map(Some).collect();
        ReplaySource { script, splits: Mutex::new(splits), began }
    }
}

impl Source for ReplaySource {
    type Item = Event;
    type Reader = ReplayReader;

    fn describe(&self) -> String {
        format!("{} events from memory", self.script.count)
    }

    fn replay(&self) -> Replay {
        Replay::FromOffset
    }

    fn splits(&self) -> Result<Vec<Split>> {
        let splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner).len();
        Ok((0..splits).map(|split| Split { id: SplitId(split.to_string()), bytes: None }).collect())
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<ReplayReader> {
        let mut splits = self.splits.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, number) = (splits.len() as u32, split.0.parse::<u32>());
        let (Ok(number), Some(slot)) =
            (number, split.0.parse::<usize>().ok().and_then(|n| splits.get_mut(n)))
        else {
            return Err(Error::failure(format!("there is no split {:?}", split.0)));
        };
        let prepared = if from.records == 0 { slot.take() } else { None };
        let events = prepared.unwrap_or_else(|| self.script.events_of(number, count, from.records));
        let (given, length) = (from.records, self.script.length(number, count));
        Ok(ReplayReader { events, given, length, began: Arc::clone(&self.began) })
    }
}

/// Reads a split.
pub struct ReplayReader {
    events: Events,
    given: u64,
    length: u64,
    began: Arc<Began>,
}

impl SplitReader for ReplayReader {
    type Item = Event;

    fn read(&mut self, max: usize, each: &mut impl FnMut(Event)) -> Result<ReadStatus> {
        self.began.note();
        match &mut self.events {
            Events::Made(events) => events.by_ref().take(max).for_each(&mut *each),
            Events::ToMake { generator, numbers } => {
                numbers.by_ref().take(max).for_each(|number| each(generator.event(number)));
            }
        }
        self.given = self.length.min(self.given + max as u64);
        Ok(if self.given == self.length { ReadStatus::End } else { ReadStatus::More })
    }

    fn offset(&self) -> Offset {
        Offset { position: self.given, records: self.given }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_have_the_same_events_made_before_or_within_and_once_more_from_an_offset() {
        let generator = Generator { seed: 3, rate: 10_000 };
        let script = |generation| Script { generator, count: 1001, generation };
        for splits in [1, 2, 3] {
            let before: Vec<Vec<Event>> =
                script(Generation::Before).deal(splits).into_iter().map(Iterator::collect).collect();
            let within: Vec<Vec<Event>> =
                script(Generation::Within).deal(splits).into_iter().map(Iterator::collect).collect();
            assert_eq!(before, within);
            assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 1001);
            let began = Arc::new(Began::new(Stopwatch::start()));
            let source = ReplaySource::new(script(Generation::Before), splits, began);
            for (split, events) in Source::splits(&source).unwrap().iter().zip(&before) {
                for from in [0, 17] {
                    let mut reader =
                        source.open(&split.id, Offset { position: from, records: from }).unwrap();
                    let mut read = Vec::new();
                    while reader.read(100, &mut |event| read.push(event)).unwrap() == ReadStatus::More {}
                    assert_eq!(read, events[from as usize..]);
                }
            }
        }
    }
}
