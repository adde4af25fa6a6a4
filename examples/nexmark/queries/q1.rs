//! q1, currency conversion: every bid, its price in euros.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::decimal::Decimal;
use super::super::event::Event;
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    auction: u64,
    bidder: u64,
    price: Decimal,
    date_time: EventTime,
    extra: String,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).map(|bid| Row {
        auction: bid.auction,
        bidder: bid.bidder,
        price: Decimal::euros(bid.price),
        date_time: bid.date_time,
        extra: bid.extra,
    });
    out.rows("q1", rows);
}
