//! q3, local item suggestion: who sells something in category 10, and lives in OR, ID or CA.
//!
//! A join of people and auctions without a bound in time: both are kept for ever.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
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
    let sellers = people.filter(|person| ["OR", "ID", "CA"].contains(&person.state.as_str()));
    let auctions = auctions.filter(|auction| auction.category == 10);
    let rows = sellers.key_by(|seller| seller.id).join(auctions.key_by(|auction| auction.seller)).inner(
        "sellers",
        |seller, auction| Row {
            name: seller.name.clone(),
            city: seller.city.clone(),
            state: seller.state.clone(),
            id: auction.id,
        },
    );
    out.rows("q3", rows);
}
