//! q18, last bid: of every bidder for every auction. Of several at one time it is the one that arrived last.

use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::bids;

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events)
        .key_by(|bid| (bid.bidder, bid.auction))
        .window(Global)
        .reduce("last-bids", |last, bid| {
            if bid.date_time >= last.date_time {
                *last = bid;
            }
        })
        .map(|last| last.value);
    out.rows("q18", rows);
}
