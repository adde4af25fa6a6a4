//! q17, auction statistics of a day: bids in all and by price rank; least, greatest, average and sum of their prices.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::calendar::Day;
use super::super::event::Event;
use super::super::output::Answer;
use super::ranks::{Ranked, Ranks};
use super::{Final, bids};

/// An auction, and a day.
type Of = (u64, Day);

#[state(key = Of)]
#[derive(Default)]
struct Figures {
    bids: Ranked,
    min: u64,
    max: u64,
    sum: u64,
}

#[derive(Serialize)]
pub struct Row {
    pub auction: u64,
    pub day: String,
    pub total_bids: u64,
    pub rank1_bids: u64,
    pub rank2_bids: u64,
    pub rank3_bids: u64,
    pub min_price: u64,
    pub max_price: u64,
    pub avg_price: u64,
    pub sum_price: u64,
}

struct Count;

#[operator]
impl Count {
    fn on_event(&self, (_, price): (Of, u64), figures: &mut Figures, cx: &mut Context<Self>) {
        if figures.bids.total == 0 {
            cx.set_timer(EventTime::MAX, Final);
            figures.min = price;
        }
        figures.bids.add(Ranks::of(price));
        figures.min = figures.min.min(price);
        figures.max = figures.max.max(price);
        figures.sum += price;
    }

    fn on_timer(&self, _: Final, figures: &mut Figures, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let (auction, day) = *cx.key();
        let Figures { bids, min, max, sum } = figures;
        out.emit(Row {
            auction,
            day: day.to_string(),
            total_bids: bids.total,
            rank1_bids: bids.rank1,
            rank2_bids: bids.rank2,
            rank3_bids: bids.rank3,
            min_price: *min,
            max_price: *max,
            avg_price: *sum / bids.total,
            sum_price: *sum,
        });
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let rows = bids(events)
        .map(|bid| ((bid.auction, Day::of(bid.date_time)), bid.price))
        .key_by_ref(|(of, _)| of)
        .process("figures", Count);
    out.rows("q17", rows);
}
