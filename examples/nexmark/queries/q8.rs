//! q8, monitor new users: people who opened an auction in the same ten seconds in which they joined.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::{Over, window_start};

/// What somebody did in a window.
#[event]
enum Did {
    Join { name: String },
    OpenAuction,
}

#[state(key = (u64, EventTime))]
#[derive(Default)]
struct Window {
    joined_as: Option<String>,
    opened_auction: bool,
}

#[derive(Serialize)]
struct Row {
    id: u64,
    name: String,
    #[serde(rename = "starttime")]
    start: EventTime,
}

struct FindNewSellers;

#[operator]
impl FindNewSellers {
    fn on_event(&self, (_, did): ((u64, EventTime), Did), window: &mut Window, cx: &mut Context<Self>) {
        if window.joined_as.is_none() && !window.opened_auction {
            cx.set_timer(cx.key().1 + secs(10) - millis(1), Over);
        }
        match did {
            Did::Join { name } => window.joined_as = Some(name),
            Did::OpenAuction => window.opened_auction = true,
        }
    }

    fn on_timer(&self, _: Over, window: &mut Window, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let &(id, start) = cx.key();
        if let Some(name) = window.joined_as.take_if(|_| window.opened_auction) {
            out.emit(Row { id, name, start });
        }
        cx.clear_state();
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let in_window = |person: u64, at: EventTime| (person, window_start(at, secs(10)));
    let rows = events
        .flat_map(move |event| match event {
            Event::Person(person) => {
                Some((in_window(person.id, person.date_time), Did::Join { name: person.name }))
            }
            Event::Auction(auction) => Some((in_window(auction.seller, auction.date_time), Did::OpenAuction)),
            Event::Bid(_) => None,
        })
        .key_by_ref(|(person_and_window, _)| person_and_window)
        .process("new-sellers", FindNewSellers);
    out.rows("q8", rows);
}
