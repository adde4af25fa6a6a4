//! q10, log to files: every bid, with its day and minute.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::{Day, Minute};
use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub date_time: EventTime,
    pub extra: String,
    #[serde(rename = "EXPR$5")]
    pub day: String,
    #[serde(rename = "EXPR$6")]
    pub minute: String,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events).map(|bid| Row {
        auction: bid.auction,
        bidder: bid.bidder,
        price: bid.price,
        date_time: bid.date_time,
        extra: bid.extra,
        day: Day::of(bid.date_time).to_string(),
        minute: Minute::of(bid.date_time).to_string(),
    });
    out.rows("q10", rows);
}
