//! What happens at the auction house: people join, sellers open auctions, people bid.

use tidegate::prelude::*;

/// An event; as JSON an object whose `type` is `person`, `auction` or `bid`.
#[event]
#[derive(Clone, Debug, PartialEq)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum Event {
    Person(Person),
    Auction(Auction),
    Bid(Bid),
}

/// Somebody joins.
#[event]
#[derive(Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Person {
    pub id: u64,
    pub name: String,
    pub email_address: String,
    pub credit_card: String,
    pub city: String,
    pub state: String,
    pub date_time: EventTime,
    pub extra: String,
}

/// A seller opens an auction. Bids count from `date_time` to `expires`, both included.
#[event]
#[derive(Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Auction {
    pub id: u64,
    pub item_name: String,
    pub description: String,
    pub initial_bid: u64,
    pub reserve: u64,
    pub date_time: EventTime,
    pub expires: EventTime,
    pub seller: u64,
    pub category: u64,
    pub extra: String,
}

/// Somebody offers `price` dollars for an auction's item, by way of a `channel`.
#[event]
#[derive(Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Bid {
    pub auction: u64,
    pub bidder: u64,
    pub price: u64,
    pub channel: String,
    pub url: String,
    pub date_time: EventTime,
    pub extra: String,
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> EventTime {
        match self {
            Event::Person(person) => person.date_time,
            Event::Auction(auction) => auction.date_time,
            Event::Bid(bid) => bid.date_time,
        }
    }
}
