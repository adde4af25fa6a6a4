//! q1, currency conversion: every bid, its price in euros.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

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
    pub date_time: EventTime,
    pub extra: String,
}

impl Row {
    pub fn of(bid: Bid) -> Row {
        let Bid { auction, bidder, price, date_time, extra, .. } = bid;
        Row { auction, bidder, price: Decimal::euros(price), date_time, extra }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q1", bids(events).map(Row::of));
}
