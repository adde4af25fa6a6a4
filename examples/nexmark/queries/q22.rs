//! q22, directories of URLs: the three behind the host.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::bids;

#[derive(Serialize)]
struct Row {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    dir1: Option<String>,
    dir2: Option<String>,
    dir3: Option<String>,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).map(|bid| {
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
    });
    out.rows("q22", rows);
}
