//! q3, local item suggestion: who sells something in category 10, and lives in OR, ID or CA.
//!
//! A join of people and auctions without a bound in time: both are kept for ever.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Auction, Event, Person};
use super::super::output::Answer;

#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub city: String,
    pub state: String,
    pub id: u64,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let asked = events.filter_map(|event| match event {
        Event::Person(Person { id, name, city, state, .. }) => {
            ["OR", "ID", "CA"].contains(&state.as_str()).then_some(Either::Right((id, (name, city, state))))
        }
        Event::Auction(Auction { seller, id, category: 10, .. }) => Some(Either::Left((seller, id))),
        Event::Auction(_) | Event::Bid(_) => None,
    });
    let (auctions, sellers) = asked.split(|asked| asked);
    let rows = sellers.key_by(|(id, _)| *id).join(auctions.key_by(|(seller, _)| *seller)).inner(
        "sellers",
        |(_, (name, city, state)), (_, auction)| Row {
            name: name.clone(),
            city: city.clone(),
            state: state.clone(),
            id: *auction,
        },
    );
    out.rows("q3", rows);
}
