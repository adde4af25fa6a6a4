//! q20, expand bids with their auction: where its category is 10.
//!
//! A join of bids and auctions without a bound in time: what bids wait for comes, or they wait for ever.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Auction, Bid, Event};
use super::super::output::Output;

#[event]
enum Side {
    Auction(Auction),
    Bid(Bid),
}

/// What has come of an auction. Those of other categories are remembered too, so that bids need not wait for them.
#[state(key = u64)]
#[derive(Default)]
struct Known {
    auction: Option<Auction>,
    /// Bids that wait for their auction.
    bids: Vec<Bid>,
}

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
    item_name: String,
    description: String,
    initial_bid: u64,
    reserve: u64,
    #[serde(rename = "dateTime0")]
    auction_date_time: EventTime,
    expires: EventTime,
    seller: u64,
    category: u64,
    #[serde(rename = "extra0")]
    auction_extra: String,
}

impl Row {
    fn of(bid: Bid, auction: &Auction) -> Row {
        Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            channel: bid.channel,
            url: bid.url,
            date_time: bid.date_time,
            extra: bid.extra,
            item_name: auction.item_name.clone(),
            description: auction.description.clone(),
            initial_bid: auction.initial_bid,
            reserve: auction.reserve,
            auction_date_time: auction.date_time,
            expires: auction.expires,
            seller: auction.seller,
            category: auction.category,
            auction_extra: auction.extra.clone(),
        }
    }
}

struct Join;

#[operator]
impl Join {
    fn on_event(&self, side: Side, known: &mut Known, out: &mut impl Emit<Row>) {
        match side {
            Side::Auction(auction) => known.auction = Some(auction),
            Side::Bid(bid) => known.bids.push(bid),
        }
        if let Some(auction) = &known.auction {
            let bids = known.bids.drain(..).filter(|_| auction.category == 10);
            bids.for_each(|bid| out.emit(Row::of(bid, auction)));
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = events
        .flat_map(|event| match event {
            Event::Auction(auction) => Some(Side::Auction(auction)),
            Event::Bid(bid) => Some(Side::Bid(bid)),
            Event::Person(_) => None,
        })
        .key_by(|side| match side {
            Side::Auction(auction) => auction.id,
            Side::Bid(bid) => bid.auction,
        })
        .process("auctions", Join);
    out.rows("q20", rows);
}
