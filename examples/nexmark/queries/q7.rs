//! q7, highest bid: of every ten seconds, with all bids of the same price.
//!
//! The official query finds those by a join on the price in `[end - 10 s, end]`. So a bid at the very end of a window, which
//! belongs to the next one, is found too if it is as high.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Output;
use super::{Over, bids, window_start};

/// A bid that is of the window that ends at `end`, or at its very end.
#[event]
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct InWindow {
    auction: u64,
    price: u64,
    bidder: u64,
    date_time: EventTime,
    extra: String,
    #[serde(skip)]
    end: EventTime,
}

fn windows(bid: Bid) -> impl Iterator<Item = InWindow> {
    let Bid { auction, price, bidder, date_time, extra, .. } = bid;
    let start = window_start(date_time, secs(10));
    let before = (date_time == start).then_some(start);
    before.into_iter().chain([start + secs(10)]).map(move |end| InWindow {
        auction,
        price,
        bidder,
        date_time,
        extra: extra.clone(),
        end,
    })
}

#[state(key = EventTime)]
#[derive(Default)]
struct Window {
    /// The highest price in the window.
    highest: Option<u64>,
    /// Bids at that price, and those at the end whatever their price.
    bids: Vec<InWindow>,
}

struct FindHighest;

#[operator]
impl FindHighest {
    fn on_event(&self, bid: InWindow, window: &mut Window, cx: &mut Context<Self>) {
        if window.bids.is_empty() {
            cx.set_timer(bid.end, Over);
        }
        if bid.date_time < bid.end && window.highest.is_none_or(|highest| highest < bid.price) {
            window.highest = Some(bid.price);
            window.bids.retain(|other| other.date_time == other.end);
        }
        if bid.date_time == bid.end || window.highest == Some(bid.price) {
            window.bids.push(bid);
        }
    }

    fn on_timer(&self, _: Over, window: &mut Window, cx: &mut Context<Self>, out: &mut impl Emit<InWindow>) {
        let is_highest = |bid: &InWindow| window.highest == Some(bid.price);
        window.bids.drain(..).filter(is_highest).for_each(|bid| out.emit(bid));
        cx.clear_state();
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events).flat_map(windows).key_by(|bid| bid.end).process("highest", FindHighest);
    out.rows("q7", rows);
}

#[cfg(test)]
mod tests {
    use tidegate::testing::Harness;

    use super::*;

    /// The bidders whose bids, `(bidder, price, millisecond)`, are the highest of a window.
    fn highest(bids: &[(u64, u64, i64)]) -> Vec<u64> {
        let mut harness = Harness::new(FindHighest, |bid: &InWindow| bid.end).unwrap();
        for &(bidder, price, millis) in bids {
            let at = EventTime::from_millis(millis);
            let (channel, url, extra) = (String::new(), String::new(), String::new());
            let bid = Bid { auction: 1, bidder, price, channel, url, date_time: at, extra };
            windows(bid).for_each(|bid| harness.push(bid, at).unwrap());
        }
        harness.restore().unwrap();
        harness.advance_watermark(EventTime::MAX).unwrap();
        harness.take_output().into_iter().map(|bid| bid.bidder).collect()
    }

    #[test]
    fn all_bids_of_the_highest_price_of_a_window_are_found() {
        assert_eq!(highest(&[(1, 5, 0), (2, 7, 9_999), (3, 7, 1), (4, 6, 2), (5, 1, 10_001)]), [2, 3, 5]);
    }

    #[test]
    fn a_bid_at_the_very_end_is_found_if_it_is_as_high_and_does_not_count_if_it_is_higher() {
        assert_eq!(highest(&[(1, 5, 9_999), (2, 5, 10_000), (3, 9, 10_001)]), [1, 2, 3]);
        assert_eq!(highest(&[(2, 5, 10_000), (1, 5, 9_999), (3, 9, 10_001)]), [2, 1, 3]);
        assert_eq!(highest(&[(1, 5, 9_999), (2, 6, 10_000)]), [1, 2], "each in its own window");
        assert_eq!(highest(&[(2, 6, 10_000)]), [2], "there is no window before it");
    }
}
