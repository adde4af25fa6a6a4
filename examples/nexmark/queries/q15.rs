//! q15, bidding statistics of a day: bids, bidders and auctions, in all and by price rank.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::day;
use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::ranks::{Ranked, Ranks};
use super::{Final, bids};

#[state(key = String)]
#[derive(Default)]
struct Figures {
    bids: Ranked,
    bidders: Ranked,
    auctions: Ranked,
    /// In which ranks each bidder and each auction has been counted.
    #[state(unbounded)]
    seen_bidders: Map<u64, Ranks>,
    #[state(unbounded)]
    seen_auctions: Map<u64, Ranks>,
}

#[derive(Serialize)]
pub struct Row {
    pub day: String,
    pub total_bids: u64,
    pub rank1_bids: u64,
    pub rank2_bids: u64,
    pub rank3_bids: u64,
    pub total_bidders: u64,
    pub rank1_bidders: u64,
    pub rank2_bidders: u64,
    pub rank3_bidders: u64,
    pub total_auctions: u64,
    pub rank1_auctions: u64,
    pub rank2_auctions: u64,
    pub rank3_auctions: u64,
}

struct Count;

#[operator]
impl Count {
    fn on_event(&self, bid: Bid, figures: &mut Figures, cx: &mut Context<Self>) {
        if figures.bids.total == 0 {
            cx.set_timer(EventTime::MAX, Final);
        }
        let ranks = Ranks::of(bid.price);
        figures.bids.add(ranks);
        figures.bidders.add(figures.seen_bidders.get_or_default(bid.bidder).insert(ranks));
        figures.auctions.add(figures.seen_auctions.get_or_default(bid.auction).insert(ranks));
    }

    fn on_timer(&self, _: Final, figures: &mut Figures, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let Figures { bids, bidders, auctions, .. } = figures;
        out.emit(Row {
            day: cx.key().clone(),
            total_bids: bids.total,
            rank1_bids: bids.rank1,
            rank2_bids: bids.rank2,
            rank3_bids: bids.rank3,
            total_bidders: bidders.total,
            rank1_bidders: bidders.rank1,
            rank2_bidders: bidders.rank2,
            rank3_bidders: bidders.rank3,
            total_auctions: auctions.total,
            rank1_auctions: auctions.rank1,
            rank2_auctions: auctions.rank2,
            rank3_auctions: auctions.rank3,
        });
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events).key_by(|bid| day(bid.date_time)).process("figures", Count);
    out.rows("q15", rows);
}
