//! q4, average price of a category: over the winning bids of its auctions.

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
    count: u64,
    sum: u64,
}

#[derive(Serialize)]
struct Row {
    category: u64,
    #[serde(rename = "EXPR$1")]
    average: u64,
}

struct Average;

#[operator]
impl Average {
    fn on_event(&self, won: Won, sales: &mut Sales, cx: &mut Context<Self>) {
        if sales.count == 0 {
            cx.set_timer(EventTime::MAX, Final);
        }
        sales.count += 1;
        sales.sum += won.bid.price;
    }

    fn on_timer(&self, _: Final, sales: &mut Sales, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        out.emit(Row { category: *cx.key(), average: sales.sum / sales.count });
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = winning_bids(events).key_by(|won| won.auction.category).process("averages", Average);
    out.rows("q4", rows);
}
