//! q18, last bid: of every bidder for every auction. Of several at one time it is the one that arrived last.

use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Output;
use super::{Final, bids};

#[state(key = (u64, u64))]
#[derive(Default)]
struct Last {
    bid: Option<Bid>,
}

struct KeepLast;

#[operator]
impl KeepLast {
    fn on_event(&self, bid: Bid, last: &mut Last, cx: &mut Context<Self>) {
        match &last.bid {
            None => _ = cx.set_timer(EventTime::MAX, Final),
            Some(last) if bid.date_time < last.date_time => return,
            Some(_) => (),
        }
        last.bid = Some(bid);
    }

    fn on_timer(&self, _: Final, last: &mut Last, out: &mut impl Emit<Bid>) {
        last.bid.take().into_iter().for_each(|bid| out.emit(bid));
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).key_by(|bid| (bid.bidder, bid.auction)).process("last-bids", KeepLast);
    out.rows("q18", rows);
}
