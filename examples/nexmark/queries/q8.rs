//! q8, monitor new users: people who opened an auction in the same ten seconds in which they joined.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Answer;

#[derive(Serialize)]
pub struct Row {
    pub id: u64,
    pub name: String,
    #[serde(rename = "starttime")]
    pub start: EventTime,
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    let asked = events.filter_map(|event| match event {
        Event::Person(person) => Some(Either::Right((person.id, person.name))),
        Event::Auction(auction) => Some(Either::Left(auction.seller)),
        Event::Bid(_) => None,
    });
    let (sellers, people) = asked.split(|asked| asked);
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
