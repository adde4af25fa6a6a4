//! q10, log to files: every bid, with its day and minute.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::{day, minute};
use super::super::event::Event;
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    auction: u64,
    bidder: u64,
    price: u64,
    date_time: EventTime,
    extra: String,
    #[serde(rename = "EXPR$5")]
    day: String,
    #[serde(rename = "EXPR$6")]
    minute: String,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).map(|bid| Row {
        auction: bid.auction,
        bidder: bid.bidder,
        price: bid.price,
        date_time: bid.date_time,
        extra: bid.extra,
        day: day(bid.date_time),
        minute: minute(bid.date_time),
    });
    out.rows("q10", rows);
}
