//! q19, auction top 10: the ten highest bids of every auction. Of several at one price the one that arrived first is higher.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Output;
use super::{Final, bids};

#[state(key = u64)]
#[derive(Default)]
struct Top {
    /// The highest first.
    bids: Vec<Bid>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    auction: u64,
    bidder: u64,
    price: u64,
    channel: String,
    url: String,
    date_time: EventTime,
    extra: String,
    #[serde(rename = "rank_number")]
    rank: usize,
}

struct KeepTop;

#[operator]
impl KeepTop {
    fn on_event(&self, bid: Bid, top: &mut Top, cx: &mut Context<Self>) {
        if top.bids.is_empty() {
            cx.set_timer(EventTime::MAX, Final);
        }
        let place = top.bids.partition_point(|other| other.price >= bid.price);
        top.bids.insert(place, bid);
        top.bids.truncate(10);
    }

    fn on_timer(&self, _: Final, top: &mut Top, out: &mut impl Emit<Row>) {
        for (place, bid) in top.bids.drain(..).enumerate() {
            out.emit(Row {
                auction: bid.auction,
                bidder: bid.bidder,
                price: bid.price,
                channel: bid.channel,
                url: bid.url,
                date_time: bid.date_time,
                extra: bid.extra,
                rank: place + 1,
            });
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    out.rows("q19", bids(events).key_by(|bid| bid.auction).process("top-10", KeepTop));
}
