//! q11, user sessions: how often somebody bids until ten seconds pass without.

use std::time::Duration;

use serde::Serialize;
use tidegate::chain::Head;
use tidegate::prelude::*;

use super::super::event::Event;
use super::super::output::Output;
use super::bids;

const GAP: Duration = secs(10);

/// The sessions of a bidder that may go on. There are several only as long as bids between them have not arrived.
#[state(key = u64)]
#[derive(Default)]
struct Sessions {
    open: Vec<Session>,
}

/// Bids that are each less than the gap after another. The session ends a gap after the last one.
#[event]
struct Session {
    bids: u64,
    start: EventTime,
    end: EventTime,
}

#[derive(Debug, PartialEq, Serialize)]
struct Row {
    bidder: u64,
    #[serde(rename = "bid_count")]
    bids: u64,
    #[serde(rename = "starttime")]
    start: EventTime,
    #[serde(rename = "endtime")]
    end: EventTime,
}

/// Looks which sessions are over.
#[event]
struct Look;

struct CountBids;

#[operator]
impl CountBids {
    fn on_event(&self, (_, at): (u64, EventTime), sessions: &mut Sessions, cx: &mut Context<Self>) {
        let mut session = Session { bids: 1, start: at, end: at + GAP };
        for other in sessions.open.extract_if(.., |open| open.start < at + GAP && at < open.end) {
            session.bids += other.bids;
            session.start = session.start.min(other.start);
            session.end = session.end.max(other.end);
        }
        // A session that grows into the future needs a timer for its new end; one that grows into the past has one.
        if session.end == at + GAP {
            cx.set_timer(session.end - millis(1), Look);
        }
        sessions.open.push(session);
    }

    fn on_timer(&self, _: Look, sessions: &mut Sessions, cx: &mut Context<Self>, out: &mut impl Emit<Row>) {
        let (bidder, now) = (*cx.key(), cx.event_time());
        for Session { bids, start, end } in sessions.open.extract_if(.., |open| open.end - millis(1) <= now) {
            out.emit(Row { bidder, bids, start, end });
        }
        if sessions.open.is_empty() {
            cx.clear_state();
        }
    }
}

pub fn wire(events: Stream<'_, Event, impl Head<Out = Event>>, out: &Output) {
    let rows = bids(events)
        .map(|bid| (bid.bidder, bid.date_time))
        .key_by(|&(bidder, _)| bidder)
        .process("sessions", CountBids);
    out.rows("q11", rows);
}

#[cfg(test)]
mod tests {
    use tidegate::testing::Harness;

    use super::*;

    /// The sessions of bids at these seconds: each how many bids, from when to when.
    fn sessions(bids: &[i64]) -> Vec<(u64, i64, i64)> {
        let at = |second: i64| EventTime::from_millis(1000 * second);
        let mut harness = Harness::new(CountBids, |&(bidder, _): &(u64, EventTime)| bidder)
            .unwrap()
            .restore_after_every_step();
        for &second in bids {
            harness.push((7, at(second)), at(second)).unwrap();
        }
        harness.advance_watermark(EventTime::MAX).unwrap();
        let rows = harness.take_output().into_iter();
        rows.map(|row| (row.bids, row.start.as_millis() / 1000, row.end.as_millis() / 1000)).collect()
    }

    #[test]
    fn a_session_ends_ten_seconds_after_its_last_bid() {
        assert_eq!(sessions(&[0, 9, 18]), [(3, 0, 28)]);
        assert_eq!(sessions(&[0, 10, 19]), [(1, 0, 10), (2, 10, 29)]);
    }

    #[test]
    fn the_order_in_which_bids_arrive_does_not_matter() {
        assert_eq!(sessions(&[18, 0, 9]), [(3, 0, 28)]);
        assert_eq!(sessions(&[9, 40, 0, 45]), [(2, 0, 19), (2, 40, 55)]);
    }
}
