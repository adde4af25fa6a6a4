//! q11, user sessions: how often somebody bids until more than ten seconds pass without.

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
        .window(Session::gap(secs(10)))
        .aggregate("sessions", Count)
        .map(|Windowed { key: bidder, window: TimeWindow { start, end }, value: bids }| Row {
            bidder,
            bids,
            start,
            end,
        });
    out.rows("q11", rows);
}
