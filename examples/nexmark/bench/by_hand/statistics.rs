//! q15, q16 and q17: figures of a day.

use foldhash::HashMap;
use tidegate::prelude::EventTime;

use super::super::super::calendar::{Day, Minute};
use super::super::super::event::Event;
use super::super::super::queries::q15::Figure;
use super::super::super::queries::ranks::{Ranked, Ranks};
use super::super::super::queries::{q15, q16, q17};
use super::{Kept, Loop, bid};

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// Bids, bidders and auctions, by rank.
#[derive(Default)]
struct Figures {
    bids: Ranked,
    bidders: Ranked,
    auctions: Ranked,
    seen_bidders: HashMap<u64, Ranks>,
    seen_auctions: HashMap<u64, Ranks>,
    /// The last bid's.
    minute: i64,
}

impl Figures {
    #[inline]
    fn add(&mut self, figure: &Figure) {
        let ranks = Ranks::of(figure.price);
        self.bids.add(ranks);
        self.bidders.add(self.seen_bidders.entry(figure.bidder).or_default().insert(ranks));
        self.auctions.add(self.seen_auctions.entry(figure.auction).or_default().insert(ranks));
        self.minute = self.minute.max(figure.at.as_millis() / MINUTE);
    }
}

/// The beginning of a day, as a text.
fn text_of(number: i64) -> String {
    Day::of(EventTime::from_millis(number * DAY)).to_string()
}

/// q15: of all bids of a day.
#[derive(Default)]
pub struct OfDays {
    days: HashMap<i64, Figures>,
}

impl Loop for OfDays {
    #[inline]
    fn pick(event: Event) -> Option<Figure> {
        bid(event).map(|bid| Figure::of(&bid))
    }
}

impl Kept for OfDays {
    type In = Figure;
    type Out = q15::Row;

    #[inline]
    fn take(&mut self, figure: Figure, _: &mut impl FnMut(q15::Row)) {
        self.days.entry(figure.at.as_millis() / DAY).or_default().add(&figure);
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q15::Row)) {
        if watermark != EventTime::MAX {
            return;
        }
        for (day, Figures { bids, bidders, auctions, .. }) in std::mem::take(&mut self.days) {
            out(q15::Row {
                day: text_of(day),
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
}

/// q16: of the bids of a day by way of a channel.
#[derive(Default)]
pub struct OfChannels {
    days: HashMap<i64, HashMap<String, Figures>>,
}

impl Loop for OfChannels {
    #[inline]
    fn pick(event: Event) -> Option<(String, Figure)> {
        bid(event).map(|bid| {
            let figure = Figure::of(&bid);
            (bid.channel, figure)
        })
    }
}

impl Kept for OfChannels {
    type In = (String, Figure);
    type Out = q16::Row;

    #[inline]
    fn take(&mut self, (channel, figure): (String, Figure), _: &mut impl FnMut(q16::Row)) {
        self.days.entry(figure.at.as_millis() / DAY).or_default().entry(channel).or_default().add(&figure);
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q16::Row)) {
        if watermark != EventTime::MAX {
            return;
        }
        for (day, channels) in std::mem::take(&mut self.days) {
            for (channel, Figures { bids, bidders, auctions, minute: last, .. }) in channels {
                out(q16::Row {
                    channel,
                    day: text_of(day),
                    minute: Minute::of(EventTime::from_millis(last * MINUTE)).to_string(),
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
    }
}

/// Of the bids of a day for an auction.
#[derive(Default)]
struct Prices {
    bids: Ranked,
    min: u64,
    max: u64,
    sum: u64,
}

/// q17: of the bids of a day for an auction.
#[derive(Default)]
pub struct OfAuctions {
    prices: HashMap<(u64, i64), Prices>,
}

impl Loop for OfAuctions {
    #[inline]
    fn pick(event: Event) -> Option<(u64, u64, EventTime)> {
        bid(event).map(|bid| (bid.auction, bid.price, bid.date_time))
    }
}

impl Kept for OfAuctions {
    type In = (u64, u64, EventTime);
    type Out = q17::Row;

    #[inline]
    fn take(&mut self, (auction, price, at): (u64, u64, EventTime), _: &mut impl FnMut(q17::Row)) {
        let prices = self.prices.entry((auction, at.as_millis() / DAY)).or_default();
        prices.min = if prices.bids.total == 0 { price } else { prices.min.min(price) };
        prices.bids.add(Ranks::of(price));
        prices.max = prices.max.max(price);
        prices.sum += price;
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q17::Row)) {
        if watermark != EventTime::MAX {
            return;
        }
        for ((auction, day), Prices { bids, min, max, sum }) in std::mem::take(&mut self.prices) {
            out(q17::Row {
                auction,
                day: text_of(day),
                total_bids: bids.total,
                rank1_bids: bids.rank1,
                rank2_bids: bids.rank2,
                rank3_bids: bids.rank3,
                min_price: min,
                max_price: max,
                avg_price: sum / bids.total,
                sum_price: sum,
            });
        }
    }
}
