//! q22, directories of URLs: the three behind the host.

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
    pub dir1: Option<String>,
    pub dir2: Option<String>,
    pub dir3: Option<String>,
}

impl Row {
    pub fn of(bid: Bid) -> Row {
        let mut dirs = bid.url.split('/').skip(3).map(str::to_string);
        Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            channel: bid.channel,
            dir1: dirs.next(),
            dir2: dirs.next(),
            dir3: dirs.next(),
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q22", bids(events).map(Row::of));
}
