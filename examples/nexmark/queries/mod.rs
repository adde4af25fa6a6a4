//! The queries, a file each, and what several of them share.

mod q0;
mod q1;
mod q10;
mod q11;
mod q12;
mod q13;
mod q14;
mod q15;
mod q16;
mod q17;
mod q18;
mod q19;
mod q2;
mod q20;
mod q21;
mod q22;
mod q3;
mod q4;
mod q5;
mod q6;
mod q7;
mod q8;
mod q9;
mod ranks;
mod winning_bids;

use tidegate::chain::Head;
use tidegate::prelude::*;

use super::event::{Auction, Bid, Event, Person};
use super::output::Output;

/// A question, or the events as they are.
#[derive(clap::ValueEnum, Clone, Copy, Debug)]
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
    pub fn wire(self, events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) -> Result<()> {
        match self {
            Query::Events => wire_events(events, out)?,
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
        Ok(())
    }
}

fn wire_events(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) -> Result<()> {
    if matches!(out, Output::Csv(_)) {
        return Err(Error::usage("--format csv is for rows of one kind, and events are of three")
            .hint("leave --format out for JSON lines"));
    }
    out.rows("events", events);
    Ok(())
}

/// The bids among the events: what most queries are about.
fn bids<'j>(events: Stream<'j, Event, impl Head<Out = Event>>) -> Stream<'j, Bid, impl Head<Out = Bid>> {
    events.flat_map(|event| match event {
        Event::Bid(bid) => Some(bid),
        Event::Person(_) | Event::Auction(_) => None,
    })
}

/// The auctions among the events.
fn auctions<'j>(
    events: Stream<'j, Event, impl Head<Out = Event>>,
) -> Stream<'j, Auction, impl Head<Out = Auction>> {
    events.flat_map(|event| match event {
        Event::Auction(auction) => Some(auction),
        Event::Person(_) | Event::Bid(_) => None,
    })
}

/// The people among the events, and the auctions.
fn people_and_auctions<'j>(
    events: Stream<'j, Event, impl Head<Out = Event>>,
) -> (Stream<'j, Person, impl Head<Out = Person>>, Stream<'j, Auction, impl Head<Out = Auction>>) {
    let (events, same_events) = events.filter(|event| !matches!(event, Event::Bid(_))).tee();
    let people = events.flat_map(|event| match event {
        Event::Person(person) => Some(person),
        Event::Auction(_) | Event::Bid(_) => None,
    });
    (people, auctions(same_events))
}

/// A timer for the end of the input: an answer that any event may change is final then.
#[event]
struct Final;
