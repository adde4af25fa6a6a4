//! q5, hot items: which auctions had the most bids in the last ten seconds, every two seconds.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
pub struct Row {
    pub auction: u64,
    #[serde(rename = "num")]
    pub bids: u64,
}

/// How many bids an auction had in a window.
type Counted = Windowed<u64, u64>;

#[state(unkeyed)]
#[derive(Default)]
struct Seen {
    /// The window that this subtask has counts of just now, and the highest. If a restart forgets it, more counts pass, and the
    /// answer is the same.
    #[serde(skip)]
    highest: Option<(TimeWindow, u64)>,
}

/// Lets those counts pass that may be the highest of their window.
struct Contenders;

#[operator(unkeyed)]
impl Contenders {
    fn on_event(&self, count: Counted, seen: &mut Seen) -> Option<Counted> {
        let highest = seen.highest.filter(|(window, _)| *window == count.window);
        if highest.is_some_and(|(_, highest)| count.value < highest) {
            return None;
        }
        seen.highest = Some((count.window, count.value));
        Some(count)
    }
}

/// The auctions that have as many bids as any other.
struct Hottest;

impl Aggregate for Hottest {
    type In = Counted;
    type Acc = (u64, Vec<u64>);
    type Out = (u64, Vec<u64>);

    fn create(&self) -> (u64, Vec<u64>) {
        (0, Vec::new())
    }

    fn add(&self, hottest: &mut (u64, Vec<u64>), count: Counted) {
        self.merge(hottest, (count.value, vec![count.key]));
    }

    fn merge(&self, (bids, auctions): &mut (u64, Vec<u64>), (others_bids, others): (u64, Vec<u64>)) {
        if others_bids > *bids {
            (*bids, *auctions) = (others_bids, others);
        } else if others_bids == *bids {
            auctions.extend(others);
        }
    }

    fn result(&self, hottest: &(u64, Vec<u64>)) -> (u64, Vec<u64>) {
        hottest.clone()
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    // A count happens at the end of its window: those of one window in the same two seconds.
    let hottest = bids(events)
        .map(|bid| bid.auction)
        .key_by(|auction| *auction)
        .window(Sliding::of(secs(10)).every(secs(2)))
        .aggregate("bids-of-auctions", Count)
        .process("contenders", Contenders)
        .key_by(|count| count.window)
        .window(Tumbling::of(secs(2)))
        .aggregate("hottest", Hottest)
        .flat_map(|Windowed { value: (bids, auctions), .. }| {
            auctions.into_iter().map(move |auction| Row { auction, bids })
        });
    out.rows("q5", hottest);
}
