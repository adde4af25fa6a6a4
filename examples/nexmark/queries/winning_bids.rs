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
    pub auction: Auction,
    pub bid: Bid,
}

/// What happens in one auction.
#[event]
enum Move {
    Opened(Auction),
    Bid(Bid),
}

#[state(key = u64)]
#[derive(Default)]
struct Sale {
    auction: Option<Auction>,
    best: Option<Bid>,
    /// Bids that arrived before their auction.
    early: Vec<Bid>,
}

impl Sale {
    fn offer(&mut self, bid: Bid) {
        let Some(auction) = &self.auction else { return self.early.push(bid) };
        let valid = auction.date_time <= bid.date_time && bid.date_time <= auction.expires;
        let merit = |bid: &Bid| (bid.price, Reverse(bid.date_time));
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
            Move::Opened(auction) => {
                cx.set_timer(auction.expires, Look);
                sale.auction = Some(auction);
                std::mem::take(&mut sale.early).into_iter().for_each(|bid| sale.offer(bid));
            }
            Move::Bid(bid) => {
                if sale.auction.is_none() && sale.early.is_empty() {
                    cx.set_timer(bid.date_time, Look);
                }
                sale.offer(bid);
            }
        }
    }

    fn on_timer(&self, _: Look, sale: &mut Sale, cx: &mut Context<Self>, out: &mut impl Emit<Won>) {
        let now = cx.event_time();
        if let Some(auction) = sale.auction.take_if(|auction| auction.expires <= now)
            && let Some(bid) = sale.best.take()
        {
            out.emit(Won { auction, bid });
        }
        // An auction that opened before one of these would have arrived by now.
        sale.early.retain(|bid| bid.date_time > now);
        match sale.early.iter().map(|bid| bid.date_time).min() {
            Some(next) => {
                cx.set_timer(next, Look);
            }
            None if sale.auction.is_none() => cx.clear_state(),
            None => {}
        }
    }
}

/// Looks whether the auction is over, or bids can't be of it.
#[event]
struct Look;

pub fn winning_bids<'j>(
    events: Stream<'j, Event, impl Head<Out = Event>>,
) -> Stream<'j, Won, impl Head<Out = Won>> {
    events
        .flat_map(|event| match event {
            Event::Auction(auction) => Some(Move::Opened(auction)),
            Event::Bid(bid) => Some(Move::Bid(bid)),
            Event::Person(_) => None,
        })
        .key_by(|event| match event {
            Move::Opened(auction) => auction.id,
            Move::Bid(bid) => bid.auction,
        })
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
        Move::Opened(Auction {
            id: 1,
            item_name: String::new(),
            description: String::new(),
            initial_bid: 0,
            reserve: 0,
            date_time: at(OPENED),
            expires: at(EXPIRES),
            seller: 0,
            category: 10,
            extra: String::new(),
        })
    }

    fn bid(bidder: u64, price: u64, millis: i64) -> Move {
        let (channel, url, extra) = (String::new(), String::new(), String::new());
        Move::Bid(Bid { auction: 1, bidder, price, channel, url, date_time: at(millis), extra })
    }

    /// Who wins, if these come in this order; and that nothing is left.
    fn winner(moves: Vec<Move>) -> Option<u64> {
        let mut harness = Harness::new(FindWinner, |_: &Move| 1u64).unwrap().restore_after_every_step();
        for event in moves {
            let time = match &event {
                Move::Opened(auction) => auction.date_time,
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
