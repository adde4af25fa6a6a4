//! q20, expand bids with their auction: where its category is 10.
//!
//! A join of bids and auctions without a bound in time: both are kept for ever.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Auction, Bid, Event};
use super::super::output::Answer;

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
    pub item_name: String,
    pub description: String,
    pub initial_bid: u64,
    pub reserve: u64,
    #[serde(rename = "dateTime0")]
    pub auction_date_time: EventTime,
    pub expires: EventTime,
    pub seller: u64,
    pub category: u64,
    #[serde(rename = "extra0")]
    pub auction_extra: String,
}

impl Row {
    pub fn of(bid: &Bid, auction: &Auction) -> Row {
        Row {
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            channel: bid.channel.clone(),
            url: bid.url.clone(),
            date_time: bid.date_time,
            extra: bid.extra.clone(),
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

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let bids_and_auctions = events.filter_map(|event| match event {
        Event::Bid(bid) => Some(Either::Left(bid)),
        Event::Auction(auction) => (auction.category == 10).then_some(Either::Right(auction)),
        Event::Person(_) => None,
    });
    let (bids, auctions) = bids_and_auctions.split(|event| event);
    let rows =
        bids.key_by(|bid| bid.auction).join(auctions.key_by(|auction| auction.id)).inner("auctions", Row::of);
    out.rows("q20", rows);
}
