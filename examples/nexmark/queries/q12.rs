//! q12: how often somebody bids, in every ten seconds.
//!
//! The official query counts in processing time; this one in event time, so that it has one answer.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
struct Row {
    bidder: u64,
    #[serde(rename = "bid_count")]
    bids: u64,
    #[serde(rename = "starttime")]
    start: EventTime,
    #[serde(rename = "endtime")]
    end: EventTime,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
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
