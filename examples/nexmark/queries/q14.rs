//! q14, calculation: bids of a middling price in euros, by time of day, with the number of `c` in their extra.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::hour;
use super::super::decimal::Decimal;
use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub bidder: u64,
    pub price: Decimal,
    pub bid_time_type: &'static str,
    pub date_time: EventTime,
    pub extra: String,
    #[serde(rename = "c_counts")]
    pub c_count: usize,
}

impl Row {
    pub fn of(bid: Bid) -> Option<Row> {
        let price = Decimal::euros(bid.price);
        let is_middling = Decimal::whole(1_000_000) < price && price < Decimal::whole(50_000_000);
        is_middling.then(|| Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price,
            bid_time_type: match hour(bid.date_time) {
                8..=18 => "dayTime",
                ..=6 | 20.. => "nightTime",
                _ => "otherTime",
            },
            date_time: bid.date_time,
            c_count: bid.extra.matches('c').count(),
            extra: bid.extra,
        })
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q14", bids(events).filter_map(Row::of));
}
