//! The queries, a file each, and what several of them share.

pub mod q0;
pub mod q1;
pub mod q10;
pub mod q11;
pub mod q12;
pub mod q13;
pub mod q14;
pub mod q15;
pub mod q16;
pub mod q17;
pub mod q18;
pub mod q19;
pub mod q2;
pub mod q20;
pub mod q21;
pub mod q22;
pub mod q3;
pub mod q4;
pub mod q5;
pub mod q6;
pub mod q7;
pub mod q8;
pub mod q9;
pub mod ranks;
pub mod winning_bids;

use tidegate::chain::Head;
use tidegate::prelude::*;

use super::event::{Auction, Bid, Event, Person};
use super::output::Answer;

/// A question, or the events as they are.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// The events, unchanged
    Events,
    /// Pass through: every bid
    Q0,
    /// Currency conversion: every bid, in euros
    Q1,
    /// Selection: bids for every 123rd auction
    Q2,
    /// Local item suggestion: who sells in category 10, and in OR, ID or CA
    Q3,
    /// Average price of a category
    Q4,
    /// Hot items: the auctions with the most bids in ten seconds, every two seconds
    Q5,
    /// Average selling price by seller
    Q6,
    /// Highest bid of ten seconds
    Q7,
    /// Monitor new users: people who open an auction in the ten seconds in which they joined
    Q8,
    /// Winning bids
    Q9,
    /// Log to files: every bid, with its day and minute
    Q10,
    /// User sessions: bids of a bidder until ten seconds without
    Q11,
    /// Bids of a bidder in ten seconds
    Q12,
    /// Bounded side input: every bid with what a table says of its auction
    Q13,
    /// Calculation: bids of a middling price, by time of day
    Q14,
    /// Bidding statistics of a day
    Q15,
    /// Channel statistics of a day
    Q16,
    /// Auction statistics of a day
    Q17,
    /// Last bid of a bidder for an auction
    Q18,
    /// Ten highest bids of an auction
    Q19,
    /// Bids with their auction, in category 10
    Q20,
    /// Channel ids
    Q21,
    /// Directories of URLs
    Q22,
}

impl Query {
    /// Wires the job that answers the question.
    pub fn wire(self, events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
        match self {
            Query::Events => out.rows("events", events),
            Query::Q0 => q0::wire(events, out),
            Query::Q1 => q1::wire(events, out),
            Query::Q2 => q2::wire(events, out),
            Query::Q3 => q3::wire(events, out),
            Query::Q4 => q4::wire(events, out),
            Query::Q5 => q5::wire(events, out),
            Query::Q6 => q6::wire(events, out),
            Query::Q7 => q7::wire(events, out),
            Query::Q8 => q8::wire(events, out),
            Query::Q9 => q9::wire(events, out),
            Query::Q10 => q10::wire(events, out),
            Query::Q11 => q11::wire(events, out),
            Query::Q12 => q12::wire(events, out),
            Query::Q13 => q13::wire(events, out),
            Query::Q14 => q14::wire(events, out),
            Query::Q15 => q15::wire(events, out),
            Query::Q16 => q16::wire(events, out),
            Query::Q17 => q17::wire(events, out),
            Query::Q18 => q18::wire(events, out),
            Query::Q19 => q19::wire(events, out),
            Query::Q20 => q20::wire(events, out),
            Query::Q21 => q21::wire(events, out),
            Query::Q22 => q22::wire(events, out),
        }
    }
}

/// The bids among the events: what most queries are about.
fn bids<'j>(events: Stream<'j, Event, impl Head<Out = Event>>) -> Stream<'j, Bid, impl Head<Out = Bid>> {
    events.filter_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        Event::Person(_) | Event::Auction(_) => None,
    })
}

/// The people among the events, and the auctions.
fn people_and_auctions<'j>(
    events: Stream<'j, Event, impl Head<Out = Event>>,
) -> (Stream<'j, Person, impl Head<Out = Person>>, Stream<'j, Auction, impl Head<Out = Auction>>) {
    let both = events.filter_map(|event| match event {
        Event::Person(person) => Some(Either::Right(person)),
        Event::Auction(auction) => Some(Either::Left(auction)),
        Event::Bid(_) => None,
    });
    let (auctions, people) = both.split(|event| event);
    (people, auctions)
}

/// A timer for the end of the input: an answer that any event may change is final then.
#[event]
struct Final;
