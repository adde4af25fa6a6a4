//! q19, auction top 10: the ten highest bids of every auction. Of several at one price the one that arrived first is higher.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub channel: String,
    pub url: String,
    pub date_time: EventTime,
    pub extra: String,
    #[serde(rename = "rank_number")]
    pub rank: usize,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events)
        .key_by(|bid| bid.auction)
        .window(Global)
        .aggregate("top-10", TopN::by(10, |bid: &Bid| bid.price))
        .flat_map(|top| (1..).zip(top.value))
        .map(|(rank, bid)| Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            channel: bid.channel,
            url: bid.url,
            date_time: bid.date_time,
            extra: bid.extra,
            rank,
        });
    out.rows("q19", rows);
}
