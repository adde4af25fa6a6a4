//! q4, q9, q18 and q19: what becomes of auctions and their bids.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use tidegate::prelude::EventTime;

use super::super::super::event::{Bid, Event};
use super::super::super::queries::q19;
use super::super::super::queries::winning_bids::{Asked, Lot, Move, Offer, Won};
use super::{Kept, Loop, bid};

#[derive(Default)]
struct Sale {
    lot: Option<Lot>,
    best: Option<Offer>,
    /// Bids that came before their auction.
    early: Vec<Offer>,
}

/// The winning bid of every auction that has one, when the auction is over: with `TEXTS` for q9, without for the first half
/// of q4.
#[derive(Default)]
pub struct WinningBids<const TEXTS: bool> {
    sales: HashMap<u64, Sale>,
    /// When to look at a sale: at an auction's end, and when the first early bid's auction must have come.
    due: BinaryHeap<Reverse<(EventTime, u64)>>,
}

/// Keeps the bid if it is valid and better than the best one.
#[inline]
fn offer(best: &mut Option<Offer>, lot: &Lot, bid: Offer) {
    let valid = lot.date_time <= bid.date_time && bid.date_time <= lot.expires;
    let merit = |bid: &Offer| (bid.price, Reverse(bid.date_time));
    if valid && best.as_ref().is_none_or(|best| merit(best) < merit(&bid)) {
        *best = Some(bid);
    }
}

impl<const TEXTS: bool> Loop for WinningBids<TEXTS> {
    #[inline]
    fn pick(event: Event) -> Option<Move> {
        Move::of(event, if TEXTS { Asked::Texts } else { Asked::Numbers })
    }
}

impl<const TEXTS: bool> Kept for WinningBids<TEXTS> {
    type In = Move;
    type Out = Won;

    #[inline]
    fn take(&mut self, record: Move, _: &mut impl FnMut(Won)) {
        let id = record.auction();
        let sale = self.sales.entry(id).or_default();
        match record {
            Move::Opened(lot) => {
                self.due.push(Reverse((lot.expires, id)));
                for bid in std::mem::take(&mut sale.early) {
                    offer(&mut sale.best, &lot, bid);
                }
                sale.lot = Some(lot);
            }
            Move::Bid(bid) => match &sale.lot {
                Some(lot) => offer(&mut sale.best, lot, bid),
                None => {
                    if sale.early.is_empty() {
                        self.due.push(Reverse((bid.date_time, id)));
                    }
                    sale.early.push(bid);
                }
            },
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Won)) {
        while let Some(&Reverse((due, id))) = self.due.peek()
            && due <= watermark
        {
            self.due.pop();
            self.look(id, watermark, out);
        }
    }
}

impl<const TEXTS: bool> WinningBids<TEXTS> {
    fn look(&mut self, id: u64, now: EventTime, out: &mut impl FnMut(Won)) {
        let Some(sale) = self.sales.get_mut(&id) else { return };
        if let Some(lot) = sale.lot.take_if(|lot| lot.expires <= now)
            && let Some(bid) = sale.best.take()
        {
            out(Won { lot, bid });
        }
        sale.early.retain(|bid| bid.date_time > now);
        match sale.early.iter().map(|bid| bid.date_time).min() {
            Some(next) => self.due.push(Reverse((next, id))),
            None if sale.lot.is_none() => {
                self.sales.remove(&id);
            }
            None => {}
        }
    }
}

/// The category of an auction that is over, and what it sold for.
#[derive(Serialize, Deserialize)]
pub struct Closed {
    pub category: u64,
    pub price: u64,
}

impl From<Won> for Closed {
    fn from(won: Won) -> Closed {
        Closed { category: won.lot.category, price: won.bid.price }
    }
}

/// The second half of q4.
#[derive(Default)]
pub struct Averages {
    of_categories: BTreeMap<u64, (u64, u64)>,
}

impl Averages {
    pub fn add(&mut self, closed: &Closed) {
        let (count, sum) = self.of_categories.entry(closed.category).or_default();
        *count += 1;
        *sum += closed.price;
    }

    /// Categories and their averages.
    pub fn rows(&self) -> impl Iterator<Item = (u64, u64)> {
        self.of_categories.iter().map(|(category, (count, sum))| (*category, sum / count))
    }
}

/// q18: the last bid of every bidder for every auction.
#[derive(Default)]
pub struct LastBids {
    last: HashMap<(u64, u64), Bid>,
}

impl Loop for LastBids {
    #[inline]
    fn pick(event: Event) -> Option<Bid> {
        bid(event)
    }
}

impl Kept for LastBids {
    type In = Bid;
    type Out = Bid;

    #[inline]
    fn take(&mut self, bid: Bid, _: &mut impl FnMut(Bid)) {
        use std::collections::hash_map::Entry;
        match self.last.entry((bid.bidder, bid.auction)) {
            Entry::Occupied(mut last) => {
                if bid.date_time >= last.get().date_time {
                    last.insert(bid);
                }
            }
            Entry::Vacant(none) => {
                none.insert(bid);
            }
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Bid)) {
        if watermark == EventTime::MAX {
            std::mem::take(&mut self.last).into_values().for_each(out);
        }
    }
}

/// q19: the ten highest bids of every auction, the highest first.
#[derive(Default)]
pub struct TopTen {
    of_auctions: HashMap<u64, Vec<Bid>>,
}

const TOP: usize = 10;

impl Loop for TopTen {
    #[inline]
    fn pick(event: Event) -> Option<Bid> {
        bid(event)
    }
}

impl Kept for TopTen {
    type In = Bid;
    type Out = q19::Row;

    #[inline]
    fn take(&mut self, bid: Bid, _: &mut impl FnMut(q19::Row)) {
        let top = self.of_auctions.entry(bid.auction).or_default();
        if top.len() == TOP {
            if top[TOP - 1].price >= bid.price {
                return;
            }
            top.pop();
        }
        let place = top.partition_point(|other| other.price >= bid.price);
        top.insert(place, bid);
    }

    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q19::Row)) {
        if watermark != EventTime::MAX {
            return;
        }
        for (rank, bid) in std::mem::take(&mut self.of_auctions).into_values().flat_map(|top| (1..).zip(top))
        {
            let Bid { auction, bidder, price, channel, url, date_time, extra } = bid;
            out(q19::Row { auction, bidder, price, channel, url, date_time, extra, rank });
        }
    }
}
