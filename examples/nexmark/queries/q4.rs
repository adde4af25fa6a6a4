//! q4, average price of a category: over the winning bids of its auctions.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::winning_bids::{Asked, Won, winning_bids};

#[derive(Serialize)]
pub struct Row {
    pub category: u64,
    #[serde(rename = "EXPR$1")]
    pub average: u64,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = winning_bids(events, Asked::Numbers)
        .key_by(|won| won.lot.category)
        .window(Global)
        .aggregate("averages", (Count, Sum::of(|won: &Won| won.bid.price)))
        .map(|Windowed { key: category, value: (count, sum), .. }| Row { category, average: sum / count });
    out.rows("q4", rows);
}
