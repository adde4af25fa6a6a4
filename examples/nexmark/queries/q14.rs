//! q14, calculation: bids of a middling price in euros, by time of day, with the number of `c` in their extra.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::hour;
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
    bid_time_type: &'static str,
    date_time: EventTime,
    extra: String,
    #[serde(rename = "c_counts")]
    c_count: usize,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events)
        .map(|bid| Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: Decimal::euros(bid.price),
            bid_time_type: match hour(bid.date_time) {
                8..=18 => "dayTime",
                ..=6 | 20.. => "nightTime",
                _ => "otherTime",
            },
            date_time: bid.date_time,
            c_count: bid.extra.matches('c').count(),
            extra: bid.extra,
        })
        .filter(|row| Decimal::whole(1_000_000) < row.price && row.price < Decimal::whole(50_000_000));
    out.rows("q14", rows);
}
