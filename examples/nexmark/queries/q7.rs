//! q7, highest bid: of every ten seconds, with all bids of the same price.
//!
//! The official query finds those by a join on the price in `[end - 10 s, end]`. So a bid at the very end of a window, which
//! belongs to the next one, is found too if it is as high. A join keeps every bid for ten seconds; here most of them go no
//! further than a comparison with the highest one so far.

use std::collections::VecDeque;

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::bids;

const WINDOW_MILLIS: i64 = 10_000;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub price: u64,
    pub bidder: u64,
    pub date_time: EventTime,
    pub extra: String,
}

impl Row {
    fn of(bid: Bid) -> Row {
        let Bid { auction, price, bidder, date_time, extra, .. } = bid;
        Row { auction, price, bidder, date_time, extra }
    }
}

/// The number of the window that a bid is in.
fn window(bid: &Bid) -> i64 {
    bid.date_time.as_millis().div_euclid(WINDOW_MILLIS)
}

/// Whether a bid happened just when a window ended and the next one began.
fn is_between(bid: &Bid) -> bool {
    bid.date_time.as_millis().rem_euclid(WINDOW_MILLIS) == 0
}

#[state(unkeyed)]
#[derive(Default)]
struct Seen {
    /// The windows that are not over, and the highest price that this subtask has seen of each. If a restart forgets them, more
    /// bids pass, and the answer is the same.
    #[serde(skip)]
    highest: VecDeque<(i64, u64)>,
}

/// Lets those bids pass that may be among the highest.
struct Contenders;

#[operator(unkeyed)]
impl Contenders {
    fn on_event(&self, bid: Bid, seen: &mut Seen) -> Option<Bid> {
        let window = window(&bid);
        match seen.highest.iter_mut().rev().find(|(of, _)| *of == window) {
            Some((_, highest)) if bid.price < *highest => return is_between(&bid).then_some(bid),
            Some((_, highest)) => *highest = bid.price,
            None => seen.highest.push_back((window, bid.price)),
        }
        Some(bid)
    }

    fn on_watermark(&self, seen: &mut Seen, cx: &UnkeyedContext) -> Option<Bid> {
        let over = cx.watermark().as_millis().div_euclid(WINDOW_MILLIS);
        seen.highest.retain(|(window, _)| *window >= over);
        None
    }
}

/// The highest bids of a window, and those at its beginning, which may be as high as the highest of the window before.
#[event]
#[derive(Clone, Default)]
struct Highest {
    price: u64,
    bids: Vec<Bid>,
    at_start: Vec<Bid>,
}

struct KeepHighest;

impl Aggregate for KeepHighest {
    type In = Bid;
    type Acc = Highest;
    type Out = Highest;

    fn create(&self) -> Highest {
        Highest::default()
    }

    fn add(&self, highest: &mut Highest, bid: Bid) {
        if is_between(&bid) {
            highest.at_start.push(bid.clone());
        }
        if bid.price > highest.price {
            highest.bids.clear();
        }
        if bid.price >= highest.price {
            highest.price = bid.price;
            highest.bids.push(bid);
        }
    }

    fn merge(&self, highest: &mut Highest, later: Highest) {
        highest.at_start.extend(later.at_start);
        if later.price > highest.price {
            highest.bids.clear();
        }
        if later.price >= highest.price {
            highest.price = later.price;
            highest.bids.extend(later.bids);
        }
    }

    fn result(&self, highest: &Highest) -> Highest {
        highest.clone()
    }
}

/// The window before.
#[state(key = u8)]
#[derive(Default)]
struct Before {
    end: Option<EventTime>,
    price: u64,
}

/// Adds the bids at the end of a window to its highest ones.
struct AddThoseAtTheEnd;

#[operator]
impl AddThoseAtTheEnd {
    fn on_event(&self, highest: Windowed<u8, Highest>, before: &mut Before, out: &mut impl Emit<Row>) {
        let Windowed { window, value: Highest { price, bids, at_start }, .. } = highest;
        let at_end =
            at_start.into_iter().filter(|bid| before.end == Some(window.start) && bid.price == before.price);
        at_end.chain(bids).for_each(|bid| out.emit(Row::of(bid)));
        *before = Before { end: Some(window.end), price };
    }
}

fn highest<'j>(bids: Stream<'j, Bid, impl Head<Out = Bid>>) -> Stream<'j, Row, impl Head<Out = Row>> {
    bids.process("contenders", Contenders)
        .key_by(|_| 0u8)
        .window(Tumbling::of(millis(WINDOW_MILLIS as u64)))
        .aggregate("highest-bids", KeepHighest)
        .key_by(|highest| highest.key)
        .process("bids-at-the-end", AddThoseAtTheEnd)
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &impl Answer) {
    out.rows("q7", highest(bids(events)));
}

#[cfg(test)]
mod tests {
    use tidegate::testing::TestJob;

    use super::*;

    /// The bidders whose bids, `(bidder, price, millisecond)`, are the highest of a window.
    fn bidders(bids: &[(u64, u64, i64)]) -> Vec<u64> {
        let bids = bids.iter().map(|&(bidder, price, millis)| {
            let (channel, url, extra) = (String::new(), String::new(), String::new());
            Bid { auction: 1, bidder, price, channel, url, date_time: EventTime::from_millis(millis), extra }
        });
        let (bids, bidders) = (bids.collect::<Vec<_>>(), Collect::new());
        TestJob::new("highest", |job| {
            let bids = job.source("bids", Memory::of(bids.clone()));
            let bids = bids.event_time(|bid| bid.date_time, Watermarks::bounded(secs(4)));
            highest(bids).map(|row| row.bidder).sink("bidders", bidders.clone());
            Ok(())
        })
        .unwrap()
        .run()
        .unwrap();
        let mut bidders = bidders.take();
        bidders.sort_unstable();
        bidders
    }

    #[test]
    fn all_bids_of_the_highest_price_of_a_window_are_found() {
        assert_eq!(bidders(&[(1, 5, 0), (2, 7, 9_999), (3, 7, 1), (4, 6, 2), (5, 1, 10_001)]), [2, 3, 5]);
    }

    #[test]
    fn a_bid_at_the_very_end_is_found_if_it_is_as_high_and_does_not_count_if_it_is_higher() {
        assert_eq!(bidders(&[(1, 5, 9_999), (2, 5, 10_000), (3, 9, 10_001)]), [1, 2, 3]);
        assert_eq!(bidders(&[(2, 5, 10_000), (1, 5, 9_999), (3, 9, 10_001)]), [1, 2, 3]);
        assert_eq!(bidders(&[(1, 5, 9_999), (2, 6, 10_000)]), [1, 2], "each in its own window");
        assert_eq!(bidders(&[(2, 6, 10_000)]), [2], "there is no window before it");
    }
}
