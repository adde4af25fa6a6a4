//! q15, bidding statistics of a day: bids, bidders and auctions, in all and by price rank.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::Day;
use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::ranks::{Ranked, Ranks};
use super::{Final, bids};

/// What the figures need of a bid.
#[event]
pub struct Figure {
    pub bidder: u64,
    pub auction: u64,
    pub price: u64,
    pub at: EventTime,
}

impl Figure {
    pub fn of(bid: &Bid) -> Figure {
        Figure { bidder: bid.bidder, auction: bid.auction, price: bid.price, at: bid.date_time }
    }
}

#[state(key = Day)]
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
    fn on_event(&self, figure: Figure, figures: &mut Figures, cx: &mut Context<Self>) {
        if figures.bids.total == 0 {
            cx.set_timer(EventTime::MAX, Final);
        }
        let ranks = Ranks::of(figure.price);
        figures.bids.add(ranks);
        figures.bidders.add(figures.seen_bidders.get_or_default(figure.bidder).insert(ranks));
        figures.auctions.add(figures.seen_auctions.get_or_default(figure.auction).insert(ranks));
    }

    fn on_timer(&self, _: Final, figures: &mut Figures, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let Figures { bids, bidders, auctions, .. } = figures;
        out.emit(Row {
            day: cx.key().to_string(),
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
    let rows = bids(events)
        .map(|bid| Figure::of(&bid))
        .key_by(|figure| Day::of(figure.at))
        .process("figures", Count);
    out.rows("q15", rows);
}
