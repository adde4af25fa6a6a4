//! q3, local item suggestion: who sells something in category 10, and lives in OR, ID or CA.
//!
//! A join of people and auctions without a bound in time: whichever comes first waits for the other.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;

/// One side of the join or the other, by the seller.
#[event]
enum Side {
    Seller { id: u64, seller: Seller },
    Auction { id: u64, seller: u64 },
}

#[event]
struct Seller {
    name: String,
    city: String,
    state: String,
}

/// What has come of a seller.
#[state(key = u64)]
#[derive(Default)]
struct Known {
    seller: Option<Seller>,
    /// Auctions that wait for their seller.
    auctions: Vec<u64>,
}

#[derive(Serialize)]
struct Row {
    name: String,
    city: String,
    state: String,
    id: u64,
}

struct Join;

#[operator]
impl Join {
    fn on_event(&self, side: Side, known: &mut Known, out: &mut impl Emit<Row>) {
        match side {
            Side::Seller { seller, .. } => known.seller = Some(seller),
            Side::Auction { id, .. } => known.auctions.push(id),
        }
        if let Some(Seller { name, city, state }) = &known.seller {
            for id in known.auctions.drain(..) {
                out.emit(Row { name: name.clone(), city: city.clone(), state: state.clone(), id });
            }
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let sides = events.flat_map(|event| match event {
        Event::Person(person) if ["OR", "ID", "CA"].contains(&person.state.as_str()) => {
            let seller = Seller { name: person.name, city: person.city, state: person.state };
            Some(Side::Seller { id: person.id, seller })
        }
        Event::Auction(auction) if auction.category == 10 => {
            Some(Side::Auction { id: auction.id, seller: auction.seller })
        }
        _ => None,
    });
    let seller = |side: &Side| match side {
        Side::Seller { id, .. } => *id,
        Side::Auction { seller, .. } => *seller,
    };
    out.rows("q3", sides.key_by(seller).process("sellers", Join));
}
