//! q5, hot items: which auctions had the most bids in the last ten seconds, every two seconds.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::{Over, bids, window_start};

/// The ends of the windows of ten seconds, one every two seconds, that hold `at`.
fn ends(at: EventTime) -> impl Iterator<Item = EventTime> {
    let first = window_start(at, secs(2)) + secs(2);
    (0..5).map(move |later| first + secs(2 * later))
}

/// How many bids an auction had in the window that ends at `end`.
#[event]
#[derive(Debug, PartialEq, Serialize)]
struct Counted {
    auction: u64,
    #[serde(rename = "num")]
    bids: u64,
    #[serde(skip)]
    end: EventTime,
}

#[state(key = (u64, EventTime))]
#[derive(Default)]
struct Count {
    bids: u64,
}

struct CountBids;

#[operator]
impl CountBids {
    fn on_event(&self, (_, end): (u64, EventTime), count: &mut Count, cx: &mut Context<Self>) {
        if count.bids == 0 {
            cx.set_timer(end - millis(1), Over);
        }
        count.bids += 1;
    }

    fn on_timer(&self, _: Over, count: &mut Count, cx: &mut Context<Self>, out: &mut impl Emit<Counted>) {
        let &(auction, end) = cx.key();
        out.emit(Counted { auction, bids: count.bids, end });
        cx.clear_state();
    }
}

/// The auctions with the most bids so far, in one window.
#[state(key = EventTime)]
#[derive(Default)]
struct Hottest {
    auctions: Vec<Counted>,
}

struct FindHottest;

#[operator]
impl FindHottest {
    fn on_event(&self, counted: Counted, hottest: &mut Hottest, cx: &mut Context<Self>) {
        let most = hottest.auctions.first().map_or(0, |hottest| hottest.bids);
        if hottest.auctions.is_empty() {
            cx.set_timer(counted.end - millis(1), Over);
        }
        if counted.bids > most {
            hottest.auctions.clear();
        }
        if counted.bids >= most {
            hottest.auctions.push(counted);
        }
    }

    fn on_timer(&self, _: Over, hottest: &mut Hottest, cx: &mut Context<Self>, out: &mut impl Emit<Counted>) {
        hottest.auctions.drain(..).for_each(|counted| out.emit(counted));
        cx.clear_state();
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let hottest = bids(events)
        .flat_map(|bid| ends(bid.date_time).map(move |end| (bid.auction, end)))
        .key_by(|&in_window| in_window)
        .process("bids-of-auctions", CountBids)
        .key_by(|counted| counted.end)
        .process("hottest", FindHottest);
    out.rows("q5", hottest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_every_two_seconds_and_ends_after_ten() {
        let ends = |at| ends(EventTime::from_millis(at)).map(EventTime::as_millis).collect::<Vec<_>>();
        assert_eq!(ends(10_000), [12_000, 14_000, 16_000, 18_000, 20_000]);
        assert_eq!(ends(11_999), [12_000, 14_000, 16_000, 18_000, 20_000]);
        assert_eq!(ends(-1), [0, 2000, 4000, 6000, 8000]);
    }
}
