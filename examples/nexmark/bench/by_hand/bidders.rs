//! q11 and q12: bids by session, and by ten seconds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use foldhash::HashMap;
use tidegate::prelude::*;

use super::super::super::event::Event;
use super::super::super::queries::{q11, q12};
use super::panes::Panes;
use super::{Kept, Loop, bid};

const GAP: i64 = 10_000;
const WINDOW: i64 = 10_000;

/// From the first bid to the end of the gap behind the last.
#[derive(Clone, Copy)]
struct Session {
    start: i64,
    end: i64,
    bids: u64,
}

/// The open sessions of a bidder. There is nearly always one.
struct Bidder {
    latest: Session,
    others: Vec<Session>,
}

/// q11: sessions.
#[derive(Default)]
pub struct Sessions {
    bidders: HashMap<u64, Bidder>,
    /// When to look at a bidder again: one for each bidder with an open session.
    due: BinaryHeap<Reverse<(i64, u64)>>,
}

impl Session {
    #[inline]
    fn touches(&self, other: &Session) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    #[inline]
    fn add(&mut self, other: &Session) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.bids += other.bids;
    }
}

impl Bidder {
    #[inline]
    fn add(&mut self, bid: Session) {
        if self.latest.touches(&bid) {
            self.latest.add(&bid);
        } else {
            self.others.push(bid);
        }
        if !self.others.is_empty() {
            self.merge();
        }
    }

    fn merge(&mut self) {
        let mut all = std::mem::take(&mut self.others);
        all.push(self.latest);
        all.sort_unstable_by_key(|session| session.start);
        let mut merged: Vec<Session> = Vec::with_capacity(all.len());
        for session in all {
            match merged.last_mut() {
                Some(last) if last.touches(&session) => last.add(&session),
                _ => merged.push(session),
            }
        }
        self.latest = merged.pop().unwrap_or(self.latest);
        self.others = merged;
    }
}

impl Loop for Sessions {
    #[inline]
    fn pick(event: Event) -> Option<(u64, EventTime)> {
        bid(event).map(|bid| (bid.bidder, bid.date_time))
    }
}

impl Kept for Sessions {
    type In = (u64, EventTime);
    type Out = q11::Row;

    #[inline]
    fn take(&mut self, (bidder, at): (u64, EventTime), _: &mut impl FnMut(q11::Row)) {
        let at = at.as_millis();
        let bid = Session { start: at, end: at + GAP, bids: 1 };
        match self.bidders.get_mut(&bidder) {
            Some(bidder) => bidder.add(bid),
            None => {
                self.bidders.insert(bidder, Bidder { latest: bid, others: Vec::new() });
                self.due.push(Reverse((bid.end - 1, bidder)));
            }
        }
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q11::Row)) {
        while let Some(&Reverse((due, bidder))) = self.due.peek()
            && due <= watermark.as_millis()
        {
            self.due.pop();
            self.close(bidder, watermark.as_millis(), out);
        }
    }
}

impl Sessions {
    fn close(&mut self, bidder: u64, watermark: i64, out: &mut impl FnMut(q11::Row)) {
        let Some(kept) = self.bidders.get_mut(&bidder) else { return };
        let mut emit = |session: &Session| {
            let (start, end) = (EventTime::from_millis(session.start), EventTime::from_millis(session.end));
            out(q11::Row { bidder, bids: session.bids, start, end });
        };
        kept.others.extract_if(.., |session| session.end - 1 <= watermark).for_each(|session| emit(&session));
        if kept.latest.end - 1 <= watermark {
            emit(&kept.latest);
            self.bidders.remove(&bidder);
            return;
        }
        let next = kept.others.iter().map(|session| session.end).min().unwrap_or(kept.latest.end);
        self.due.push(Reverse((next - 1, bidder)));
    }
}

/// q12: bids in each ten seconds.
#[derive(Default)]
pub struct PerWindow {
    windows: Panes<WINDOW, HashMap<u64, u64>>,
}

impl Loop for PerWindow {
    #[inline]
    fn pick(event: Event) -> Option<(u64, EventTime)> {
        bid(event).map(|bid| (bid.bidder, bid.date_time))
    }
}

impl Kept for PerWindow {
    type In = (u64, EventTime);
    type Out = q12::Row;

    #[inline]
    fn take(&mut self, (bidder, at): (u64, EventTime), _: &mut impl FnMut(q12::Row)) {
        *self.windows.of(at).entry(bidder).or_default() += 1;
    }

    #[inline]
    fn advance(&mut self, watermark: EventTime, out: &mut impl FnMut(q12::Row)) {
        while let Some((start, bidders)) = self.windows.close(watermark) {
            let (start, end) = (EventTime::from_millis(start), EventTime::from_millis(start + WINDOW));
            for (bidder, bids) in bidders {
                out(q12::Row { bidder, bids, start, end });
            }
        }
    }
}
