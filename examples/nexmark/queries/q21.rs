//! q21, channel ids: four channels have a fixed one, others say it in their URL; bids with neither are left out.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
struct Row {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    channel_id: String,
}

fn channel_id(bid: &Bid) -> Option<&str> {
    match bid.channel.to_lowercase().as_str() {
        "apple" => Some("0"),
        "google" => Some("1"),
        "facebook" => Some("2"),
        "baidu" => Some("3"),
        _ => bid.url.split('&').find_map(|part| part.strip_prefix("channel_id=")),
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).flat_map(|bid| {
        let channel_id = channel_id(&bid)?.to_string();
        let Bid { auction, bidder, price, channel, .. } = bid;
        Some(Row { auction, bidder, price, channel, channel_id })
    });
    out.rows("q21", rows);
}
