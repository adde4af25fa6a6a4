//! q13, bounded side input: every bid, with what a table says of its auction.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

const KEYS: u64 = 10_000;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub date_time: EventTime,
    pub value: String,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let table: Arc<HashMap<u64, String>> = Arc::new((0..KEYS).map(|key| (key, key.to_string())).collect());
    let rows = bids(events).filter_map(move |bid| {
        let value = table.get(&(bid.auction % KEYS))?.clone();
        Some(Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            date_time: bid.date_time,
            value,
        })
    });
    out.rows("q13", rows);
}
