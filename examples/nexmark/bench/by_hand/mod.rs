//! The queries as loops: what somebody would write who needs one answer, fast, on one thread, and no more.
//!
//! Enter: events in the order of their times. Leave: the rows of the answer, the same as the job's. Always: plain structs and
//! hash maps with a fast hash (foldhash; the engine has xxh3), nothing is allocated that need not be, and an event is taken
//! by value, as every other system has it. Windows close when an event has come that is four seconds younger than their end,
//! because that is the question that the job answers, too. Absent: threads, recovery, a second input, everything of Tidegate
//! but the types of the records.
//!
//! What is kept between two records is a [`Kept`]. Its two methods are called by the `for` of [`drive`], into which they are
//! inlined; the same structs are the insides of the operators of the timely dataflows, where routing is timely's.

pub mod auctions;
pub mod bidders;
pub mod hot_items;
pub mod join;
pub mod panes;
pub mod statistics;

use serde::Serialize;

use auctions::{Averages, LastBids, TopTen, WinningBids};
use bidders::{PerWindow, Sessions};
use hot_items::{HighestBids, Hot, HotItems};
use join::{ExpandedBids, NewSellers, Sellers};
use statistics::{OfAuctions, OfChannels, OfDays};
use tidegate::prelude::EventTime;

use super::super::event::{Bid, Event};
use super::super::queries::{Query, q0, q1, q2, q4, q5, q9, q14, q21, q22};
use super::tally::Tally;

/// How much older than the youngest event an event can be, in milliseconds.
pub const LATENESS: i64 = 4_000;

/// What a query keeps between two records.
pub trait Kept: Default + 'static {
    type In;
    type Out;

    fn take(&mut self, record: Self::In, out: &mut impl FnMut(Self::Out));

    /// No record of `watermark` or before will follow; the last one is [`EventTime::MAX`].
    #[inline]
    fn advance(&mut self, _watermark: EventTime, _out: &mut impl FnMut(Self::Out)) {}
}

/// A query over events.
pub trait Loop: Kept {
    /// What it needs of this event, if anything.
    fn pick(event: Event) -> Option<Self::In>;
}

/// The loop.
fn drive<L: Loop>(events: impl Iterator<Item = Event>, mut out: impl FnMut(L::Out)) {
    let mut kept = L::default();
    for event in events {
        let watermark = EventTime::from_millis(event.at().as_millis() - LATENESS - 1);
        if let Some(record) = L::pick(event) {
            kept.take(record, &mut out);
        }
        kept.advance(watermark, &mut out);
    }
    kept.advance(EventTime::MAX, &mut out);
    // The answer is there, and the clock stops: what is kept goes with the process, as others' does.
    std::mem::forget(kept);
}

/// The loop of a query that keeps nothing.
fn each<R: Serialize>(events: impl Iterator<Item = Event>, row: impl Fn(Bid) -> Option<R>, rows: &mut Tally) {
    for event in events {
        if let Event::Bid(bid) = event
            && let Some(row) = row(bid)
        {
            rows.count(&row);
        }
    }
}

/// The bid, if the event is one.
#[inline]
pub fn bid(event: Event) -> Option<Bid> {
    match event {
        Event::Bid(bid) => Some(bid),
        Event::Person(_) | Event::Auction(_) => None,
    }
}

/// The row of a bid that q2 selects.
#[inline]
pub fn selected(bid: Bid) -> Option<q2::Row> {
    bid.auction.is_multiple_of(123).then_some(q2::Row { auction: bid.auction, price: bid.price })
}

/// The row of a hot item.
#[inline]
pub fn hot(hot: Hot) -> q5::Row {
    q5::Row { auction: hot.auction, bids: hot.bids }
}

/// Whether there is a loop for the query.
pub fn answers(query: Query) -> bool {
    !matches!(query, Query::Events | Query::Q6 | Query::Q10 | Query::Q13)
}

/// Answers a query.
///
/// # Panics
/// If there is no loop for it.
pub fn answer(query: Query, events: impl Iterator<Item = Event>, rows: &mut Tally) {
    match query {
        Query::Q0 => each(events, |bid| Some(q0::Row::of(bid)), rows),
        Query::Q1 => each(events, |bid| Some(q1::Row::of(bid)), rows),
        Query::Q2 => each(events, selected, rows),
        Query::Q3 => drive::<Sellers>(events, |row| rows.count(&row)),
        Query::Q4 => {
            let mut averages = Averages::default();
            drive::<WinningBids<false>>(events, |closed| averages.add(&closed.into()));
            averages.rows().for_each(|(category, average)| rows.count(&q4::Row { category, average }));
        }
        Query::Q5 => drive::<HotItems>(events, |found| rows.count(&hot(found))),
        Query::Q7 => drive::<HighestBids>(events, |found| {
            let most = found.most;
            if let Some(row) = found.row(most) {
                rows.count(&row);
            }
        }),
        Query::Q8 => drive::<NewSellers>(events, |row| rows.count(&row)),
        Query::Q9 => drive::<WinningBids<true>>(events, |won| {
            if let Some(row) = q9::Row::of(won) {
                rows.count(&row);
            }
        }),
        Query::Q11 => drive::<Sessions>(events, |row| rows.count(&row)),
        Query::Q12 => drive::<PerWindow>(events, |row| rows.count(&row)),
        Query::Q14 => each(events, q14::Row::of, rows),
        Query::Q15 => drive::<OfDays>(events, |row| rows.count(&row)),
        Query::Q16 => drive::<OfChannels>(events, |row| rows.count(&row)),
        Query::Q17 => drive::<OfAuctions>(events, |row| rows.count(&row)),
        Query::Q18 => drive::<LastBids>(events, |row| rows.count(&row)),
        Query::Q19 => drive::<TopTen>(events, |row| rows.count(&row)),
        Query::Q20 => drive::<ExpandedBids>(events, |row| rows.count(&row)),
        Query::Q21 => each(events, q21::Row::of, rows),
        Query::Q22 => each(events, |bid| Some(q22::Row::of(bid)), rows),
        Query::Events | Query::Q6 | Query::Q10 | Query::Q13 => unreachable!("asked for without a loop"),
    }
}
