//! q19, auction top 10: the ten highest bids of every auction. Of several at one price the one that arrived first is higher.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    url: String,
    date_time: EventTime,
    extra: String,
    #[serde(rename = "rank_number")]
    rank: usize,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
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
