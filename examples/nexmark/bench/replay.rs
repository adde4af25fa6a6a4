//! The events of a measurement: made before the clock starts and given away from memory, or made while it runs.
//!
//! Every split's events are made by the thread that reads them, as a reader makes its records: that is where an allocator frees
//! them fastest, for a loop and for all others alike. Who reads takes them by value, and none begins before all are ready.
//!
//! The texts of events that were made long ago are in no cache, and who frees them writes to them. A reader has the texts that
//! it has just made in its cache; here they are asked for a few events ahead, for a loop and for all others alike.

use std::sync::{Arc, Barrier, OnceLock};
use std::vec::IntoIter;

use serde::Serialize;
use tidegate::key::Key;
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

/// How many events ahead texts are asked for.
const AHEAD: usize = 6;

/// Events from memory, in their order.
pub struct Made(IntoIter<Event>);

impl Iterator for Made {
    type Item = Event;

    // Or else every event is copied, twice.
    #[inline(always)]
    fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.0.as_slice().get(AHEAD) {
            ask_for_texts(event);
        }
        self.0.next()
    }
}

#[inline]
fn ask_for_texts(event: &Event) {
    let ask_for = |texts: &[&String]| texts.iter().for_each(|text| text.prefetch());
    match event {
        Event::Bid(bid) => ask_for(&[&bid.channel, &bid.url, &bid.extra]),
        Event::Auction(auction) => ask_for(&[&auction.item_name, &auction.description, &auction.extra]),
        Event::Person(person) => {
            ask_for(&[&person.name, &person.email_address, &person.credit_card]);
            ask_for(&[&person.city, &person.state, &person.extra]);
        }
    }
}

fn made(events: impl Iterator<Item = Event>) -> Made {
    Made(events.collect::<Vec<_>>().into_iter())
}

/// A split's events, in their order.
pub enum Events {
    Made(Made),
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
    /// One split, made by this thread.
    pub fn split(self, split: u32, splits: u32) -> Events {
        let events = self.events_of(split, splits, 0);
        match self.generation {
            Generation::Before => Events::Made(made(events)),
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

/// The events as a source.
pub struct ReplaySource {
    script: Script,
    splits: u32,
    began: Arc<Began>,
}

/// When the first event was read: after all readers had their events.
pub struct Began {
    stopwatch: Stopwatch,
    ready: Barrier,
    at: OnceLock<Lap>,
}

impl Began {
    pub fn new(stopwatch: Stopwatch, readers: u32) -> Began {
        Began { stopwatch, ready: Barrier::new(readers as usize), at: OnceLock::new() }
    }

    /// A reader has its events, and waits for the others.
    pub fn wait(&self) {
        self.ready.wait();
        self.at.get_or_init(|| self.stopwatch.lap());
    }

    pub fn at(&self) -> Option<Lap> {
        self.at.get().copied()
    }
}

impl ReplaySource {
    pub fn new(script: Script, splits: u32, began: Arc<Began>) -> ReplaySource {
        ReplaySource { script, splits, began }
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
        Ok((0..self.splits).map(|split| Split { id: SplitId(split.to_string()), bytes: None }).collect())
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<ReplayReader> {
        let number = split.0.parse().ok().filter(|number| *number < self.splits);
        let number = number.ok_or_else(|| Error::failure(format!("there is no split {:?}", split.0)))?;
        let is_first = from.records == 0;
        let events = match is_first {
            true => self.script.split(number, self.splits),
            false => self.script.events_of(number, self.splits, from.records),
        };
        let length = self.script.length(number, self.splits);
        let waits_for = is_first.then(|| Arc::clone(&self.began));
        let (ready, to_make) = match events {
            Events::Made(events) => (events, None),
            events @ Events::ToMake { .. } => (made(std::iter::empty()), Some(events)),
        };
        Ok(ReplayReader { ready, to_make, given: from.records, length, waits_for })
    }
}

/// Reads a split.
pub struct ReplayReader {
    ready: Made,
    /// Those that are made a batch at a time.
    to_make: Option<Events>,
    given: u64,
    length: u64,
    /// The others, before the first event.
    waits_for: Option<Arc<Began>>,
}

impl SplitReader for ReplayReader {
    type Item = Event;

    fn read(&mut self, max: usize, each: &mut impl FnMut(Event)) -> Result<ReadStatus> {
        if let Some(began) = self.waits_for.take() {
            began.wait();
        }
        if let Some(to_make) = &mut self.to_make {
            self.ready = made(to_make.take(max));
        }
        // From one place only: so the chain becomes a part of this loop, as a hand-written one is, and no event is copied.
        for event in self.ready.by_ref().take(max) {
            each(event);
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
            let made = |generation| -> Vec<Vec<Event>> {
                (0..splits).map(|split| script(generation).split(split, splits).collect()).collect()
            };
            let (before, within) = (made(Generation::Before), made(Generation::Within));
            assert_eq!(before, within);
            assert_eq!(before.iter().map(Vec::len).sum::<usize>(), 1001);
            let began = Arc::new(Began::new(Stopwatch::start(), 1));
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
