//! q12: how often somebody bids, in every ten seconds.
//!
//! The official query counts in processing time; this one in event time, so that it has one answer.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
pub struct Row {
    pub bidder: u64,
    #[serde(rename = "bid_count")]
    pub bids: u64,
    #[serde(rename = "starttime")]
    pub start: EventTime,
    #[serde(rename = "endtime")]
    pub end: EventTime,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events)
        .map(|bid| bid.bidder)
        .key_by(|bidder| *bidder)
        .window(Tumbling::of(secs(10)))
        .aggregate("bids-of-bidders", Count)
        .map(|Windowed { key: bidder, window: TimeWindow { start, end }, value: bids }| Row {
            bidder,
            bids,
            start,
            end,
        });
    out.rows("q12", rows);
}
