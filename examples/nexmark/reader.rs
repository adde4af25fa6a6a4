//! The events as a source: from files, or made up.

use tidegate::prelude::*;
use tidegate::source::{Offset, ReadStatus, Replay, Source, Split, SplitId, SplitReader};

use super::event::Event;
use super::generator::Generator;

/// How many splits made-up events are dealt to: the most workers that can make them side by side.
const SPLITS: u32 = 8;

/// Events as they are read: a line of a file may be none.
type Read = Result<Event, BadLine>;
type Make = Box<dyn Fn(u64) -> Event + Send + Sync>;

/// Where events come from.
pub enum Events {
    /// Files of JSON lines.
    Files(Lines),
    /// Event number `i` is a function of `i`.
    Generated(Generate<Make>),
}

impl Events {
    /// The first `count` events of a generator.
    pub fn generated(count: u64, generator: Generator) -> Events {
        let make: Make = Box::new(move |number| generator.event(number));
        Events::Generated(Generate::new(count, make).splits(SPLITS))
    }
}

impl Source for Events {
    type Item = Read;
    type Reader = EventReader;

    fn describe(&self) -> String {
        match self {
            Events::Files(lines) => lines.describe(),
            Events::Generated(events) => events.describe(),
        }
    }

    fn replay(&self) -> Replay {
        match self {
            Events::Files(lines) => lines.replay(),
            Events::Generated(events) => events.replay(),
        }
    }

    fn splits(&self) -> Result<Vec<Split>> {
        match self {
            Events::Files(lines) => lines.splits(),
            Events::Generated(events) => Source::splits(events),
        }
    }

    fn open(&self, split: &SplitId, from: Offset) -> Result<EventReader> {
        Ok(match self {
            Events::Files(lines) => EventReader::File(Source::open(lines, split, from)?),
            Events::Generated(events) => EventReader::Generated(events.open(split, from)?),
        })
    }
}

/// Reads the events of one split.
pub enum EventReader {
    File(<Lines as Source>::Reader),
    Generated(<Generate<Make> as Source>::Reader),
}

impl SplitReader for EventReader {
    type Item = Read;

    fn read(&mut self, max: usize, each: &mut impl FnMut(Read)) -> Result<ReadStatus> {
        match self {
            EventReader::File(lines) => lines.read(max, &mut |line| each(from_json(line))),
            EventReader::Generated(events) => events.read(max, &mut |event| each(Ok(event))),
        }
    }

    fn offset(&self) -> Offset {
        match self {
            EventReader::File(lines) => lines.offset(),
            EventReader::Generated(events) => events.offset(),
        }
    }

    fn bytes_read(&self) -> u64 {
        match self {
            EventReader::File(lines) => lines.bytes_read(),
            EventReader::Generated(events) => events.bytes_read(),
        }
    }
}
