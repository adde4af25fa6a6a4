//! q3, local item suggestion: who sells something in category 10, and lives in OR, ID or CA.
//!
//! A join of people and auctions without a bound in time: both are kept for ever.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Event, Person};
use super::super::output::Answer;
use super::people_and_auctions;

#[derive(Serialize)]
pub struct Row {
    pub name: String,
    pub city: String,
    pub state: String,
    pub id: u64,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let (people, auctions) = people_and_auctions(events);
    let sellers = people
        .filter(|person| ["OR", "ID", "CA"].contains(&person.state.as_str()))
        .map(|Person { id, name, city, state, .. }| (id, (name, city, state)));
    let auctions =
        auctions.filter(|auction| auction.category == 10).map(|auction| (auction.seller, auction.id));
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
