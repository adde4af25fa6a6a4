//! q9, winning bids: every auction that has one, with its winning bid.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::winning_bids::{Asked, Won, winning_bids};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub id: u64,
    pub item_name: String,
    pub description: String,
    pub initial_bid: u64,
    pub reserve: u64,
    pub date_time: EventTime,
    pub expires: EventTime,
    pub seller: u64,
    pub category: u64,
    pub extra: String,
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    #[serde(rename = "bid_dateTime")]
    pub bid_date_time: EventTime,
    #[serde(rename = "bid_extra")]
    pub bid_extra: String,
}

impl Row {
    /// The row of an auction of which texts were asked for.
    pub fn of(Won { lot, bid }: Won) -> Option<Row> {
        let rest = *lot.rest?;
        Some(Row {
            id: lot.id,
            item_name: rest.item_name,
            description: rest.description,
            initial_bid: rest.initial_bid,
            reserve: rest.reserve,
            date_time: lot.date_time,
            expires: lot.expires,
            seller: lot.seller,
            category: lot.category,
            extra: rest.extra,
            auction: bid.auction,
            bidder: bid.bidder,
            price: bid.price,
            bid_date_time: bid.date_time,
            bid_extra: bid.extra,
        })
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q9", winning_bids(events, Asked::Texts).filter_map(Row::of));
}
