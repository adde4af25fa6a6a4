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

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let counts = bids(events)
        .map(|bid| bid.auction)
        .key_by(|auction| *auction)
        .window(Sliding::of(secs(10)).every(secs(2)))
        .aggregate("bids-of-auctions", Count);
    // A count happens at the end of its window: those of one window in the same two seconds.
    let hottest =
        counts.key_by(|count| count.window).window(Tumbling::of(secs(2))).process("hottest", |_, counts| {
            let most = counts.iter().map(|count| count.value).max();
            let hottest = counts.into_iter().filter(|count| Some(count.value) == most);
            hottest.map(|count| Row { auction: count.key, bids: count.value }).collect::<Vec<_>>()
        });
    out.rows("q5", hottest);
}
