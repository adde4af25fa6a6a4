//! q6, average selling price by seller: over the winning bids of an auction and the ten before it, by the time of the bid.
//!
//! Where a winning bid stands among its seller's is certain at the end of the input only. Flink takes the query in batch mode
//! alone.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::Final;
use super::winning_bids::{Won, winning_bids};

#[state(key = u64)]
#[derive(Default)]
struct Sales {
    /// When the winning bid was, for which auction, and its price.
    won: Vec<(EventTime, u64, u64)>,
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    seller: u64,
    avg_price: u64,
}

struct Average;

#[operator]
impl Average {
    fn on_event(&self, won: Won, sales: &mut Sales, cx: &mut Context<Self>) {
        if sales.won.is_empty() {
            cx.set_timer(EventTime::MAX, Final);
        }
        sales.won.push((won.bid.date_time, won.auction.id, won.bid.price));
    }

    fn on_timer(&self, _: Final, sales: &mut Sales, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        sales.won.sort_unstable();
        for last in 0..sales.won.len() {
            let eleven = &sales.won[last.saturating_sub(10)..=last];
            let sum: u64 = eleven.iter().map(|(_, _, price)| price).sum();
            out.emit(Row { seller: *cx.key(), avg_price: sum / eleven.len() as u64 });
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = winning_bids(events).key_by(|won| won.auction.seller).process("averages", Average);
    out.rows("q6", rows);
}
