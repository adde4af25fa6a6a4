//! q6, average selling price by seller: over the winning bids of an auction and the ten before it, by the time of the bid.
//!
//! Where a winning bid stands among its seller's is certain at the end of the input only. Flink takes the query in batch mode
//! alone.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::winning_bids::{Asked, winning_bids};

/// When the winning bid was, for which auction, and its price.
type Sale = (EventTime, u64, u64);

#[derive(Serialize)]
pub struct Row {
    pub seller: u64,
    pub avg_price: u64,
}

/// A seller's averages, from the first winning bid on.
fn averages(seller: u64, mut won: Vec<Sale>) -> impl Iterator<Item = Row> {
    won.sort_unstable();
    (0..won.len()).map(move |last| {
        let eleven = &won[last.saturating_sub(10)..=last];
        let sum: u64 = eleven.iter().map(|(_, _, price)| price).sum();
        Row { seller, avg_price: sum / eleven.len() as u64 }
    })
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = winning_bids(events, Asked::Numbers)
        .map(|won| (won.lot.seller, (won.bid.date_time, won.lot.id, won.bid.price)))
        .key_by(|(seller, _)| *seller)
        .window(Global)
        .process("averages", |window, won| {
            averages(*window.key(), won.into_iter().map(|(_, sale)| *sale).collect())
        });
    out.rows("q6", rows);
}
