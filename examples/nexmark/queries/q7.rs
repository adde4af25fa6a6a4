//! q7, highest bid: of every ten seconds, with all bids of the same price.
//!
//! The official query finds those by a join on the price in `[end - 10 s, end]`. So a bid at the very end of a window, which
//! belongs to the next one, is found too if it is as high.

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::{Bid, Event};
use super::super::output::Answer;
use super::bids;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    pub auction: u64,
    pub price: u64,
    pub bidder: u64,
    pub date_time: EventTime,
    pub extra: String,
}

fn highest<'j>(bids: Stream<'j, Bid, impl Head<Out = Bid>>) -> Stream<'j, Row, impl Head<Out = Row>> {
    let (bids, same_bids) = bids.tee();
    let highest = same_bids
        .map(|bid| bid.price)
        .key_by(|_| 0u8)
        .window(Tumbling::of(secs(10)))
        .aggregate("highest-prices", Max::of(|price: &u64| *price));
    // The highest price of a window is known 1 ms before its end.
    let (lower, upper) = (TimeOffset::before(millis(1)), TimeOffset::after(secs(10) - millis(1)));
    bids.key_by(|bid| bid.price).interval_join(highest.key_by(|highest| highest.value), lower, upper).inner(
        "highest-bids",
        |bid, _| Row {
            auction: bid.auction,
            price: bid.price,
            bidder: bid.bidder,
            date_time: bid.date_time,
            extra: bid.extra.clone(),
        },
    )
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
