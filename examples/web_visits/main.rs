//! Visits to a web site, per visitor and session.
//!
//! Reads access logs in the combined format of Apache and nginx, and writes one record for every session: who came, when
//! first, when last, and how many visits it were. A session of a client address closes after 30 minutes of event time
//! without a visit. Lines that are no log entries go to the rejects, with their place and the reason.
//!
//! ```text
//! cargo run --release --example web_visits
//! cargo run --release --example web_visits -- --input 'logs/*.gz' --output sessions --rejects rejects \
//!     --snapshot-dir snapshots --restore latest
//! ```

mod combined_log;

use std::path::PathBuf;
use std::time::Duration;

use tidegate::prelude::*;

/// Counts the visits to a web site, session by session
#[job]
fn web_visits(job: &Job, args: Args) -> Result<()> {
    let (visits, bad_lines) = job.source("access-log", Lines::open(args.input)).try_map(parse);
    let sessions = visits
        .event_time(|visit| visit.at, Watermarks::bounded(secs(60))) // A request is logged when it is done, not when it came.
        .key_by_ref(|visit| &visit.user)
        .process("sessions", FindSessions { gap: minutes(30) });
    match args.output {
        Some(dir) => sessions.sink("sessions", JsonLines::write(dir)),
        None => sessions.sink("sessions", Stdout::json()),
    }
    match args.rejects {
        Some(dir) => bad_lines.sink("rejects", JsonLines::write(dir)),
        None => bad_lines.sink("rejects", Stderr::json()),
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Access logs: files, patterns, .gz, or - for the standard input [default: the log beside this example]
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = SAMPLE, hide_default_value = true)]
    input: Vec<PathBuf>,
    /// Directory for the sessions, as JSON lines [default: the standard output]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Directory for the lines that are no log entries, as JSON lines [default: the standard error]
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web_visits/access.log");

/// A request to the web site.
#[event]
#[derive(Debug)]
struct Visit {
    user: String,
    at: EventTime,
}

#[operator]
fn parse(line: Line) -> Result<Visit, BadLine> {
    let entry = line.parse(combined_log::parse)?;
    Ok(Visit { user: entry.client.to_string(), at: entry.at })
}

/// A session that has closed.
#[event]
#[derive(Debug, PartialEq)]
struct Session {
    user: String,
    first: EventTime,
    last: EventTime,
    visits: u64,
}

/// What is remembered of a user: the sessions that have not closed. They are at least the gap apart. Most often there is
/// one; there are more while visits arrive out of order.
#[state(key = String)]
#[derive(Default)]
struct Sessions {
    open: Vec<OpenSession>,
}

#[event]
struct OpenSession {
    first: EventTime,
    last: EventTime,
    visits: u64,
}

/// Looks whether the session in which there was a visit at this time has closed.
#[event]
struct Close {
    visit: EventTime,
}

/// Gathers visits into sessions, exactly, in whatever order they arrive. A visit that is later than the watermark allows,
/// and whose session has been emitted, is not lost either: it begins a session of its own.
struct FindSessions {
    /// A session closes when it has had no visit for this long.
    gap: Duration,
}

#[operator]
impl FindSessions {
    fn on_event(&self, visit: Visit, sessions: &mut Sessions, cx: &mut Context<Self>) {
        let mut session = OpenSession { first: visit.at, last: visit.at, visits: 1 };
        let before = sessions.open.len();
        // A visit between two sessions, less than the gap from both, makes one of them.
        sessions.open.retain(|open| {
            let joins = visit.at < open.last + self.gap && open.first < visit.at + self.gap;
            if joins {
                session.first = session.first.min(open.first);
                session.last = session.last.max(open.last);
                session.visits += open.visits;
            }
            !joins
        });
        if sessions.open.len() == before {
            cx.set_timer(visit.at + self.gap, Close { visit: visit.at });
        }
        sessions.open.push(session);
    }

    /// Every open session has a timer that is due when it closes, or earlier. So a visit that only prolongs a session need
    /// not touch the timer, which sees for itself that it is too early and is set again.
    fn on_timer(
        &self,
        close: Close,
        sessions: &mut Sessions,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Session>,
    ) {
        let holds = |open: &OpenSession| open.first <= close.visit && close.visit <= open.last;
        match sessions.open.iter().position(holds) {
            Some(found) if sessions.open[found].last + self.gap > cx.event_time() => {
                cx.set_timer(sessions.open[found].last + self.gap, close);
            }
            Some(found) => {
                let OpenSession { first, last, visits } = sessions.open.swap_remove(found);
                out.emit(Session { user: cx.key().clone(), first, last, visits });
            }
            None => {} // It was joined to another session, whose own timer came first.
        }
        if sessions.open.is_empty() {
            cx.clear_state();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate::testing::Harness;

    use super::*;

    fn at(minute: i64) -> EventTime {
        EventTime::from_millis(minute * 60_000)
    }

    fn visit(user: &str, minute: i64) -> (Visit, EventTime) {
        (Visit { user: user.to_string(), at: at(minute) }, at(minute))
    }

    /// The sessions of every user that come of visits, `(user, minute)`, in this order: each `(first, last, visits)`.
    fn sessions<'a>(
        visits: impl IntoIterator<Item = (&'a str, i64)>,
    ) -> BTreeMap<String, Vec<(i64, i64, u64)>> {
        let operator = FindSessions { gap: minutes(30) };
        let mut harness = Harness::new(operator, |visit: &Visit| visit.user.clone()).unwrap();
        for (user, minute) in visits {
            let (visit, at) = visit(user, minute);
            harness.push(visit, at).unwrap();
        }
        harness.advance_watermark(EventTime::MAX).unwrap();
        let minute = |time: EventTime| time.as_millis() / 60_000;
        let mut sessions = BTreeMap::<_, Vec<_>>::new();
        for Session { user, first, last, visits } in harness.take_output() {
            sessions.entry(user).or_default().push((minute(first), minute(last), visits));
        }
        sessions
    }

    fn of_one_user(minutes: &[i64]) -> Vec<(i64, i64, u64)> {
        sessions(minutes.iter().map(|&minute| ("192.0.2.7", minute))).remove("192.0.2.7").unwrap()
    }

    #[test]
    fn a_session_closes_after_thirty_minutes_without_a_visit() {
        assert_eq!(of_one_user(&[0, 29, 58]), [(0, 58, 3)]);
        assert_eq!(of_one_user(&[0, 30, 59]), [(0, 0, 1), (30, 59, 2)]);
    }

    #[test]
    fn a_visit_that_bridges_two_sessions_and_comes_after_them_makes_them_one() {
        assert_eq!(of_one_user(&[0, 40, 20]), [(0, 40, 3)]);
        assert_eq!(of_one_user(&[0, 80, 40, 20, 60]), [(0, 80, 5)]);
    }

    #[test]
    fn sessions_are_the_same_in_whatever_order_the_visits_arrive() {
        let minutes_of_visits = [0, 10, 39, 70, 99, 128];
        let mut orders = vec![Vec::new()];
        for minute in minutes_of_visits {
            let insert = |order: &Vec<i64>| -> Vec<Vec<i64>> {
                (0..=order.len())
                    .map(|place| [&order[..place], &[minute], &order[place..]].concat())
                    .collect()
            };
            orders = orders.iter().flat_map(insert).collect();
        }
        assert_eq!(orders.len(), 720);
        let users: Vec<String> = (0..orders.len()).map(|order| format!("user {order}")).collect();
        let visits =
            users.iter().zip(&orders).flat_map(|(user, order)| order.iter().map(|&minute| (&**user, minute)));
        let found = sessions(visits);
        for (user, order) in users.iter().zip(&orders) {
            let mut sessions = found[user].clone();
            sessions.sort_unstable();
            assert_eq!(sessions, [(0, 39, 3), (70, 128, 3)], "{order:?}");
        }
    }

    #[test]
    fn a_session_is_emitted_as_soon_as_no_visit_can_join_it_and_then_its_state_is_gone() {
        let operator = FindSessions { gap: minutes(30) };
        let key = |visit: &Visit| visit.user.clone();
        let mut harness = Harness::new(operator, key).unwrap().restore_after_every_step();
        for (visit, at) in [visit("192.0.2.7", 0), visit("192.0.2.7", 20)] {
            harness.push(visit, at).unwrap();
        }
        harness.advance_watermark(at(49)).unwrap();
        assert_eq!(harness.take_output(), []);
        harness.advance_watermark(at(50)).unwrap();
        let session = Session { user: "192.0.2.7".to_string(), first: at(0), last: at(20), visits: 2 };
        assert_eq!(harness.take_output(), [session]);
    }

    #[test]
    fn a_line_that_is_no_log_entry_is_rejected_with_its_place_and_the_reason() {
        let bad =
            parse(Line::new("access.log", 7, "192.0.2.7 - - [tomorrow] \"GET / HTTP/1.1\"")).unwrap_err();
        assert_eq!(bad.to_string(), "access.log:7: the time is not like 17/May/2015:10:05:03 +0000");
        let bad = parse(Line::new("access.log", 8, &b"\xff"[..])).unwrap_err();
        assert_eq!(bad.reason, "invalid utf-8 sequence of 1 bytes from index 0");
    }
}
