//! q5 and q7: the most bids of ten seconds, the highest bid of ten seconds.

use foldhash::{HashMap, HashMapExt};
use serde::{Deserialize, Serialize};
use tidegate::prelude::EventTime;

use super::super::super::event::{Bid, Event};
use super::super::super::queries::q7;
use super::panes::Panes;
use super::{Kept, Loop, bid};

const SIZE: i64 = 10_000;
const SLIDE: i64 = 2_000;

/// An auction that no other had more bids than, in the window that ends at `end`.
#[cfg_attr(not(feature = "timely"), allow(dead_code))] // Only several workers are asked of which window it is.
#[derive(Serialize, Deserialize)]
pub struct Hot {
    pub end: i64,
    pub auction: u64,
    pub bids: u64,
}

/// q5: counts by slide; five of them are a window.
#[derive(Default)]
pub struct HotItems {
    slides: Panes<SLIDE, HashMap<u64, u64>>,
    /// The end of the next window.
    next: Option<i64>,
}

impl Loop for HotItems {
    #[inline]
    fn pick(event: Event) -> Option<(u64, EventTime)> {
        bid(event).map(|bid| (bid.auction, bid.date_time))
    }
}

impl Kept for HotItems {
    type In = (u64, EventTime);
    type Out = Hot;

    #[inline]
    fn take(&mut self, (auction, at): (u64, EventTime), _: &mut impl FnMut(Hot)) {
        *self.slides.of(at).entry(auction).or_default() += 1;
        // The first ones need not come in order, if several workers send them.
        if self.next.is_none_or(|next| at.as_millis() < next - SLIDE) {
            self.next = self.slides.oldest().map(|start| start + SLIDE);
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Hot)) {
        while let Some(end) = self.next
            && end - 1 <= watermark.as_millis()
        {
            self.fire(end, out);
        }
    }
}

impl HotItems {
    fn fire(&mut self, end: i64, out: &mut impl FnMut(Hot)) {
        let mut counts = HashMap::<u64, u64>::new();
        for (_, slide) in self.slides.iter().filter(|(start, _)| *start < end) {
            slide.iter().for_each(|(auction, bids)| *counts.entry(*auction).or_default() += bids);
        }
        let most = counts.values().copied().max();
        for (auction, bids) in counts {
            if Some(bids) == most {
                out(Hot { end, auction, bids });
            }
        }
        self.slides.forget_before(end + SLIDE - SIZE);
        self.next = self.slides.oldest().map(|oldest| (end + SLIDE).max(oldest + SLIDE));
    }
}

/// What is known of ten seconds.
#[derive(Default)]
struct Window {
    most: u64,
    bids: Vec<Bid>,
    /// Bids at the very end, which would be of the next window: see the query.
    at_end: Vec<Bid>,
}

/// A bid that may be the highest of a window: of those that were looked at none in the window is higher than `most`.
#[cfg_attr(not(feature = "timely"), allow(dead_code))]
#[derive(Serialize, Deserialize)]
pub struct Highest {
    pub start: i64,
    pub most: u64,
    pub bid: Bid,
}

impl Highest {
    /// Its row, if `most` is the highest price of the window.
    pub fn row(self, most: u64) -> Option<q7::Row> {
        let Bid { auction, bidder, price, date_time, extra, .. } = self.bid;
        (price == most).then_some(q7::Row { auction, price, bidder, date_time, extra })
    }
}

/// q7: the highest bids of each window.
#[derive(Default)]
pub struct HighestBids {
    windows: Panes<SIZE, Window>,
}

impl Loop for HighestBids {
    #[inline]
    fn pick(event: Event) -> Option<Bid> {
        bid(event)
    }
}

impl Kept for HighestBids {
    type In = Bid;
    type Out = Highest;

    #[inline]
    fn take(&mut self, bid: Bid, _: &mut impl FnMut(Highest)) {
        let at = bid.date_time.as_millis();
        if at % SIZE == 0 {
            self.windows.of(EventTime::from_millis(at - 1)).at_end.push(bid.clone());
        }
        let window = self.windows.of(bid.date_time);
        if bid.price > window.most {
            window.most = bid.price;
            window.bids.clear();
        }
        if bid.price == window.most {
            window.bids.push(bid);
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(Highest)) {
        while let Some((start, window)) = self.windows.close(watermark) {
            let Window { most, bids, at_end } = window;
            let at_end = at_end.into_iter().filter(|bid| bid.price >= most);
            bids.into_iter().chain(at_end).for_each(|bid| out(Highest { start, most, bid }));
        }
    }
}
