//! q12: how often somebody bids, in every ten seconds.
//!
//! The official query counts in processing time; this one in event time, so that it has one answer.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::{Over, bids, window_start};

#[state(key = (u64, EventTime))]
#[derive(Default)]
struct Count {
    bids: u64,
}

#[derive(Serialize)]
struct Row {
    bidder: u64,
    #[serde(rename = "bid_count")]
    bids: u64,
    #[serde(rename = "starttime")]
    start: EventTime,
    #[serde(rename = "endtime")]
    end: EventTime,
}

struct CountBids;

#[operator]
impl CountBids {
    fn on_event(&self, (_, start): (u64, EventTime), count: &mut Count, cx: &mut Context<Self>) {
        if count.bids == 0 {
            cx.set_timer(start + secs(10) - millis(1), Over);
        }
        count.bids += 1;
    }

    fn on_timer(&self, _: Over, count: &mut Count, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let &(bidder, start) = cx.key();
        out.emit(Row { bidder, bids: count.bids, start, end: start + secs(10) });
        cx.clear_state();
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events)
        .map(|bid| (bid.bidder, window_start(bid.date_time, secs(10))))
        .key_by(|&in_window| in_window)
        .process("bids-of-bidders", CountBids);
    out.rows("q12", rows);
}
