//! q3, q8 and q20: two kinds of events that belong together.

use foldhash::HashMap;
use serde::{Deserialize, Serialize};
use tidegate::prelude::EventTime;

use super::super::super::event::{Auction, Bid, Event, Person};
use super::super::super::queries::{q3, q8, q20};
use super::panes::Panes;
use super::{Kept, Loop};

/// What of an event is about a seller.
#[derive(Serialize, Deserialize)]
pub enum Selling {
    Person(Person),
    /// An auction of this seller, with its id and its time.
    Auction {
        seller: u64,
        id: u64,
        at: EventTime,
    },
}

impl Selling {
    /// Whom it is about.
    pub fn seller(&self) -> u64 {
        match self {
            Selling::Person(person) => person.id,
            Selling::Auction { seller, .. } => *seller,
        }
    }
}

/// A seller with name, city and state.
struct Seller {
    name: String,
    city: String,
    state: String,
}

#[derive(Default)]
struct Both {
    sellers: Vec<Seller>,
    auctions: Vec<u64>,
}

/// q3: sellers of three states with their auctions of category 10, whenever they come.
#[derive(Default)]
pub struct Sellers {
    by_seller: HashMap<u64, Both>,
}

fn row(seller: &Seller, id: u64) -> q3::Row {
    let Seller { name, city, state } = seller;
    q3::Row { name: name.clone(), city: city.clone(), state: state.clone(), id }
}

impl Loop for Sellers {
    #[inline]
    fn pick(event: Event) -> Option<Selling> {
        match event {
            Event::Person(person) if ["OR", "ID", "CA"].contains(&person.state.as_str()) => {
                Some(Selling::Person(person))
            }
            Event::Auction(Auction { seller, id, category: 10, date_time: at, .. }) => {
                Some(Selling::Auction { seller, id, at })
            }
            _ => None,
        }
    }
}

impl Kept for Sellers {
    type In = Selling;
    type Out = q3::Row;

    #[inline]
    fn take(&mut self, record: Selling, out: &mut impl FnMut(q3::Row)) {
        let both = self.by_seller.entry(record.seller()).or_default();
        match record {
            Selling::Person(Person { name, city, state, .. }) => {
                let seller = Seller { name, city, state };
                both.auctions.iter().for_each(|id| out(row(&seller, *id)));
                both.sellers.push(seller);
            }
            Selling::Auction { id, .. } => {
                both.sellers.iter().for_each(|seller| out(row(seller, id)));
                both.auctions.push(id);
            }
        }
    }
}

const WINDOW: i64 = 10_000;

/// Somebody in ten seconds.
#[derive(Default)]
struct Newcomer {
    name: Option<String>,
    sells: bool,
}

/// q8: people who sell in the ten seconds in which they joined.
#[derive(Default)]
pub struct NewSellers {
    windows: Panes<WINDOW, HashMap<u64, Newcomer>>,
}

impl Loop for NewSellers {
    #[inline]
    fn pick(event: Event) -> Option<Selling> {
        match event {
            Event::Person(person) => Some(Selling::Person(person)),
            Event::Auction(Auction { seller, id, date_time: at, .. }) => {
                Some(Selling::Auction { seller, id, at })
            }
            Event::Bid(_) => None,
        }
    }
}

impl Kept for NewSellers {
    type In = Selling;
    type Out = q8::Row;

    #[inline]
    fn take(&mut self, record: Selling, _: &mut impl FnMut(q8::Row)) {
        match record {
            Selling::Person(person) => {
                let newcomer = self.windows.of(person.date_time).entry(person.id).or_default();
                newcomer.name.get_or_insert(person.name);
            }
            Selling::Auction { seller, at, .. } => {
                self.windows.of(at).entry(seller).or_default().sells = true
            }
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q8::Row)) {
        while let Some((start, people)) = self.windows.close(watermark) {
            for (id, newcomer) in people {
                if let Newcomer { name: Some(name), sells: true } = newcomer {
                    out(q8::Row { id, name, start: EventTime::from_millis(start) });
                }
            }
        }
    }
}

/// What of an event is about an auction, whole.
#[derive(Serialize, Deserialize)]
pub enum Offer {
    Auction(Auction),
    Bid(Bid),
}

impl Offer {
    /// Which auction it is about.
    pub fn auction(&self) -> u64 {
        match self {
            Offer::Auction(auction) => auction.id,
            Offer::Bid(bid) => bid.auction,
        }
    }
}

#[derive(Default)]
struct Expanded {
    auctions: Vec<Auction>,
    bids: Vec<Bid>,
}

/// q20: bids with their auction of category 10, whenever they come. A bid's auction may still be to come, so all are kept.
#[derive(Default)]
pub struct ExpandedBids {
    by_auction: HashMap<u64, Expanded>,
}

impl Loop for ExpandedBids {
    #[inline]
    fn pick(event: Event) -> Option<Offer> {
        match event {
            Event::Auction(auction) if auction.category == 10 => Some(Offer::Auction(auction)),
            Event::Bid(bid) => Some(Offer::Bid(bid)),
            Event::Auction(_) | Event::Person(_) => None,
        }
    }
}

impl Kept for ExpandedBids {
    type In = Offer;
    type Out = q20::Row;

    #[inline]
    fn take(&mut self, record: Offer, out: &mut impl FnMut(q20::Row)) {
        let kept = self.by_auction.entry(record.auction()).or_default();
        match record {
            Offer::Auction(auction) => {
                kept.bids.iter().for_each(|bid| out(q20::Row::of(bid, &auction)));
                kept.auctions.push(auction);
            }
            Offer::Bid(bid) => {
                kept.auctions.iter().for_each(|auction| out(q20::Row::of(&bid, auction)));
                kept.bids.push(bid);
            }
        }
    }
}
