//! q11, user sessions: how often somebody bids until more than ten seconds pass without.

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
