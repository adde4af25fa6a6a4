//! q21, channel ids: four channels have a fixed one, others say it in their URL; bids with neither are left out.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
pub struct Row {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub channel: String,
    pub channel_id: String,
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

impl Row {
    pub fn of(bid: Bid) -> Option<Row> {
        let channel_id = channel_id(&bid)?.to_string();
        let Bid { auction, bidder, price, channel, .. } = bid;
        Some(Row { auction, bidder, price, channel, channel_id })
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q21", bids(events).filter_map(Row::of));
}
