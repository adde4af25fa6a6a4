//! q8, monitor new users: people who opened an auction in the same ten seconds in which they joined.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;
use super::people_and_auctions;

#[derive(Serialize)]
pub struct Row {
    pub id: u64,
    pub name: String,
    #[serde(rename = "starttime")]
    pub start: EventTime,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let (people, auctions) = people_and_auctions(events);
    let people = people.map(|person| (person.id, person.name));
    let sellers = auctions.map(|auction| auction.seller);
    let rows = people
        .key_by(|(id, _)| *id)
        .connect(sellers.key_by(|seller| *seller))
        .window(Tumbling::of(secs(10)))
        .co_group("new-sellers", |firing, people, auctions| {
            let (id, name) = people.first().filter(|_| !auctions.is_empty())?;
            Some(Row { id: *id, name: name.clone(), start: firing.window().start })
        });
    out.rows("q8", rows);
}
