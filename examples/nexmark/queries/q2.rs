//! q2, selection: the bids for every 123rd auction.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
pub struct Row {
    pub auction: u64,
    pub price: u64,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let selected = bids(events).filter(|bid| bid.auction.is_multiple_of(123));
    out.rows("q2", selected.map(|bid| Row { auction: bid.auction, price: bid.price }));
}
