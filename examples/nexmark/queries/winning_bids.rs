//! The winning bid of every auction that has one, when the auction is over: what q4, q6 and q9 begin with.
//!
//! The highest bid wins; of several the earliest; of those the one that arrived first.

use std::cmp::Reverse;

use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Auction, Bid, Event};

/// An auction and the bid that won it.
#[event]
#[derive(Clone, Debug, PartialEq)]
pub struct Won {
    pub lot: Lot,
    pub bid: Offer,
}

/// What is asked of an auction.
#[event]
#[derive(Clone, Debug, PartialEq)]
pub struct Lot {
    pub id: u64,
    pub seller: u64,
    pub category: u64,
    pub date_time: EventTime,
    pub expires: EventTime,
    /// The rest of it, if that is asked for.
    pub rest: Option<Box<Rest>>,
}

/// The rest of an auction.
#[event]
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    pub item_name: String,
    pub description: String,
    pub initial_bid: u64,
    pub reserve: u64,
    pub extra: String,
}

/// What is asked of a bid: nobody wants to know its channel.
#[event]
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub date_time: EventTime,
    /// Empty, if it is not asked for.
    pub extra: String,
}

/// How much is asked of the auctions and the bids that won them. What is not asked for stays with the worker that has read it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Who, when, and how much.
    Numbers,
    /// Texts, too.
    Texts,
}

/// What happens in one auction.
#[event]
pub enum Move {
    Opened(Lot),
    Bid(Offer),
}

impl Move {
    /// What an event is to an auction, if anything.
    #[inline]
    pub fn of(event: Event, asked: Asked) -> Option<Move> {
        let texts = asked == Asked::Texts;
        match event {
            Event::Auction(auction) => Some(Move::Opened(Lot::of(auction, texts))),
            Event::Bid(bid) => Some(Move::Bid(Offer::of(bid, texts))),
            Event::Person(_) => None,
        }
    }

    /// Which auction it is about.
    #[inline]
    pub fn auction(&self) -> u64 {
        match self {
            Move::Opened(lot) => lot.id,
            Move::Bid(bid) => bid.auction,
        }
    }
}

impl Lot {
    fn of(auction: Auction, texts: bool) -> Lot {
        let Auction { id, seller, category, date_time, expires, .. } = auction;
        let Auction { item_name, description, initial_bid, reserve, extra, .. } = auction;
        let rest = texts.then(|| Box::new(Rest { item_name, description, initial_bid, reserve, extra }));
        Lot { id, seller, category, date_time, expires, rest }
    }
}

impl Offer {
    fn of(bid: Bid, texts: bool) -> Offer {
        let Bid { auction, bidder, price, date_time, extra, .. } = bid;
        Offer { auction, bidder, price, date_time, extra: if texts { extra } else { String::new() } }
    }
}

#[state(key = u64)]
#[derive(Default)]
struct Sale {
    lot: Option<Lot>,
    best: Option<Offer>,
    /// Bids that arrived before their auction.
    early: Vec<Offer>,
}

impl Sale {
    fn offer(&mut self, bid: Offer) {
        let Some(lot) = &self.lot else { return self.early.push(bid) };
        let valid = lot.date_time <= bid.date_time && bid.date_time <= lot.expires;
        let merit = |bid: &Offer| (bid.price, Reverse(bid.date_time));
        if valid && self.best.as_ref().is_none_or(|best| merit(best) < merit(&bid)) {
            self.best = Some(bid);
        }
    }
}

struct FindWinner;

#[operator]
impl FindWinner {
    fn on_event(&self, event: Move, sale: &mut Sale, cx: &mut Context<Self>) {
        match event {
            Move::Opened(lot) => {
                cx.set_timer(lot.expires, Look);
                sale.lot = Some(lot);
                std::mem::take(&mut sale.early).into_iter().for_each(|bid| sale.offer(bid));
            }
            Move::Bid(bid) => {
                if sale.lot.is_none() && sale.early.is_empty() {
                    cx.set_timer(bid.date_time, Look);
                }
                sale.offer(bid);
            }
        }
    }

    fn on_timer(&self, _: Look, sale: &mut Sale, cx: &mut Context<Self>, out: &mut impl Emit<Won>) {
        let now = cx.event_time();
        if let Some(lot) = sale.lot.take_if(|lot| lot.expires <= now)
            && let Some(bid) = sale.best.take()
        {
            out.emit(Won { lot, bid });
        }
        // An auction that opened before one of these would have arrived by now.
        sale.early.retain(|bid| bid.date_time > now);
        match sale.early.iter().map(|bid| bid.date_time).min() {
            Some(next) => {
                cx.set_timer(next, Look);
            }
            None if sale.lot.is_none() => cx.clear_state(),
            None => {}
        }
    }
}

/// Looks whether the auction is over, or bids can't be of it.
#[event]
struct Look;

pub fn winning_bids<'j>(
    events: Stream<'j, Event, impl Head<Out = Event>>,
    asked: Asked,
) -> Stream<'j, Won, impl Head<Out = Won>> {
    events
        .filter_map(move |event| Move::of(event, asked))
        .key_by(Move::auction)
        .process("winning-bids", FindWinner)
}

#[cfg(test)]
mod tests {
    use tidegate::testing::Harness;

    use super::*;

    const OPENED: i64 = 1000;
    const EXPIRES: i64 = 2000;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    fn opened() -> Move {
        let (date_time, expires) = (at(OPENED), at(EXPIRES));
        Move::Opened(Lot { id: 1, seller: 0, category: 10, date_time, expires, rest: None })
    }

    fn bid(bidder: u64, price: u64, millis: i64) -> Move {
        Move::Bid(Offer { auction: 1, bidder, price, date_time: at(millis), extra: String::new() })
    }

    /// Who wins, if these come in this order; and that nothing is left.
    fn winner(moves: Vec<Move>) -> Option<u64> {
        let mut harness = Harness::new(FindWinner, |_: &Move| 1u64).unwrap().restore_after_every_step();
        for event in moves {
            let time = match &event {
                Move::Opened(lot) => lot.date_time,
                Move::Bid(bid) => bid.date_time,
            };
            harness.push(event, time).unwrap();
        }
        harness.advance_watermark(at(EXPIRES - 1)).unwrap();
        assert_eq!(harness.take_output(), [], "a bid could still come");
        harness.advance_watermark(at(EXPIRES + 1)).unwrap();
        let won: Vec<u64> = harness.take_output().into_iter().map(|won| won.bid.bidder).collect();
        assert!(won.len() <= 1);
        won.first().copied()
    }

    #[test]
    fn the_highest_bid_wins_and_of_several_the_earliest_and_then_the_first_to_arrive() {
        assert_eq!(winner(vec![opened(), bid(1, 5, 1100), bid(2, 7, 1200), bid(3, 6, 1300)]), Some(2));
        assert_eq!(winner(vec![opened(), bid(1, 7, 1300), bid(2, 7, 1200)]), Some(2));
        assert_eq!(winner(vec![opened(), bid(1, 7, 1200), bid(2, 7, 1200)]), Some(1));
    }

    #[test]
    fn a_bid_counts_from_the_opening_to_the_expiry_both_included() {
        assert_eq!(winner(vec![opened(), bid(1, 5, 999), bid(2, 5, 2001)]), None);
        assert_eq!(winner(vec![opened(), bid(1, 5, 1000)]), Some(1));
        assert_eq!(winner(vec![opened(), bid(1, 5, 2000)]), Some(1));
    }

    #[test]
    fn a_bid_may_arrive_before_its_auction() {
        assert_eq!(winner(vec![bid(1, 9, 999), bid(2, 5, 1500), opened(), bid(3, 4, 1600)]), Some(2));
    }

    #[test]
    fn a_bid_without_an_auction_is_forgotten_when_none_can_come() {
        let mut harness = Harness::new(FindWinner, |_: &Move| 1u64).unwrap();
        harness.push(bid(1, 5, 1500), at(1500)).unwrap();
        harness.advance_watermark(at(1500)).unwrap();
        harness.push(opened(), at(OPENED)).unwrap();
        harness.advance_watermark(EventTime::MAX).unwrap();
        assert_eq!(harness.take_output(), []);
    }
}
