//! Event time: windows with late records, sessions with timers that are cancelled, and what leaves a chain sideways.

use std::collections::BTreeMap;

use tidegate::prelude::*;

use super::dribble::READ_MAX;
use super::{Dribble, Random, assert_same, under_seeds};

/// What comes in: a line that is to be parsed.
#[event]
#[derive(Clone, Debug)]
struct Text {
    line: String,
}

#[event(time = at)]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Click {
    user: u32,
    at: EventTime,
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Bad {
    line: String,
}

fn parse(text: Text) -> Result<Click, Bad> {
    let parsed = text.line.split_once('@').and_then(|(user, at)| {
        Some(Click { user: user.parse().ok()?, at: EventTime::from_millis(at.parse().ok()?) })
    });
    parsed.ok_or(Bad { line: text.line })
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    user: u32,
    from: EventTime,
    clicks: u64,
}

const WINDOW_MS: i64 = 100;
const BOUND_MS: i64 = 60;

fn window(at: EventTime) -> EventTime {
    EventTime::from_millis(at.as_millis().div_euclid(WINDOW_MS) * WINDOW_MS)
}

#[state(key = u32)]
#[derive(Default)]
struct Windows {
    clicks: BTreeMap<EventTime, u64>,
}

struct CountClicks;

#[operator]
impl CountClicks {
    fn on_event(
        &self,
        click: Click,
        windows: &mut Windows,
        cx: &mut Context<Self>,
        _out: &mut impl Emit<Count>,
        late: &mut impl Emit<Click>,
    ) {
        assert_eq!(cx.event_time(), click.at);
        let end = window(click.at) + millis(WINDOW_MS as u64 - 1);
        if end <= cx.watermark() {
            assert!(cx.is_late());
            return late.emit(click);
        }
        let clicks = windows.clicks.entry(window(click.at)).or_insert_with(|| {
            cx.set_timer(end, window(click.at));
            0
        });
        *clicks += 1;
    }

    fn on_timer(
        &self,
        from: EventTime,
        windows: &mut Windows,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Count>,
    ) {
        assert!(cx.event_time() <= cx.watermark(), "a timer fires when the watermark has reached it");
        let clicks = windows.clicks.remove(&from).expect("a window closes once");
        out.emit(Count { user: *cx.key(), from, clicks });
        if windows.clicks.is_empty() {
            cx.clear_state();
        }
    }
}

/// A click of one of `users` whose time goes with its place, out of order by less than the bound.
fn click(random: &mut Random, place: u64, users: u64) -> Click {
    let at = 5 * place as i64 + random.below(BOUND_MS as u64) as i64;
    Click { user: random.below(users) as u32, at: EventTime::from_millis(at) }
}

fn text(click: &Click) -> Text {
    Text { line: format!("{}@{}", click.user, click.at.as_millis()) }
}

fn counts(clicks: impl IntoIterator<Item = Click>) -> Vec<Count> {
    let mut counts = BTreeMap::new();
    for click in clicks {
        *counts.entry((click.user, window(click.at))).or_insert(0) += 1;
    }
    counts.into_iter().map(|((user, from), clicks)| Count { user, from, clicks }).collect()
}

/// Copies of what came in, and what could not be read: as one stream.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Audit {
    what: String,
}

fn audit_click(click: Click) -> Audit {
    Audit { what: format!("click {} {}", click.user, click.at.as_millis()) }
}

fn audit_bad(bad: Bad) -> Audit {
    Audit { what: format!("bad {}", bad.line) }
}

#[test]
fn windows_close_once_and_late_records_rejects_and_copies_are_complete() {
    under_seeds("windows_close_once", 40, |random, scenario| {
        // One split, so that what is late is late under every interleaving: by more than a read can hide.
        let users = 1 + random.below(30);
        let (mut lines, mut on_time, mut late, mut audits) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for place in 0..400 + random.below(1200) {
            match random.below(12) {
                0 => {
                    let line = format!("line {place}");
                    lines.push(Text { line: line.clone() });
                    audits.push(audit_bad(Bad { line }));
                }
                1 if place > 300 => {
                    let far = place - 3 * READ_MAX - 100 - random.below(100);
                    let behind = click(random, far, users);
                    lines.push(text(&behind));
                    audits.push(audit_click(behind.clone()));
                    late.push(behind);
                }
                _ => {
                    let click = click(random, place, users);
                    lines.push(text(&click));
                    audits.push(audit_click(click.clone()));
                    on_time.push(click);
                }
            }
        }
        let (counted, too_late, audited) = (Collect::new(), Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let (clicks, bad) =
                job.source("lines", Dribble::of(vec![lines.clone()], scenario.seed)).try_map(parse);
            let (clicks, copies) = clicks.watermarks(Watermarks::bounded(millis(BOUND_MS as u64))).tee();
            let (counts, late) =
                clicks.key_by(|click| click.user).process_with_side("count-clicks", CountClicks);
            counts.sink("counts", counted.clone());
            late.sink("late", too_late.clone());
            copies.map(audit_click).union(bad.map(audit_bad)).sink("audit", audited.clone());
            Ok(())
        });
        assert_same(counted.take(), counts(on_time));
        assert_same(too_late.take(), late);
        assert_same(audited.take(), audits);
        run
    });
}

#[test]
fn the_slowest_of_several_splits_and_sources_holds_the_windows_open() {
    under_seeds("the_slowest_of_several_splits", 32, |random, scenario| {
        let mut splits = |count: u64| -> Vec<Vec<Click>> {
            (0..count)
                .map(|_| {
                    let (first, pace) = (random.below(300), 1 + random.below(3));
                    (0..random.below(900)).map(|place| click(random, first + pace * place, 20)).collect()
                })
                .collect()
        };
        let (left, right) = (splits(3), splits(2));
        let (counted, too_late) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let bound = Watermarks::bounded(millis(BOUND_MS as u64));
            let left = job.source("left", Dribble::of(left.clone(), scenario.seed)).watermarks(bound);
            let right = job.source("right", Dribble::of(right.clone(), scenario.seed + 1)).watermarks(bound);
            let (counts, late) = left
                .union(right)
                .key_by_ref(|click| &click.user)
                .process_with_side("count-clicks", CountClicks);
            counts.sink("counts", counted.clone());
            late.sink("late", too_late.clone());
            Ok(())
        });
        assert_same(too_late.take(), Vec::new());
        assert_same(counted.take(), counts(left.into_iter().chain(right).flatten()));
        run
    });
}

#[test]
fn a_split_with_nothing_more_to_give_holds_event_time_where_it_was_also_after_a_restore() {
    under_seeds("a_split_with_nothing_more_to_give", 16, |random, scenario| {
        // The first split gives one record, of a time that the second never reaches, and then keeps silent. If a restore
        // forgot that time, the silent split would hold event time back, and what is late would be counted.
        let silent = Click { user: 99, at: EventTime::from_millis(1_000_000) };
        let (mut clicks, mut on_time, mut late) = (Vec::new(), vec![silent.clone()], Vec::new());
        for place in 0..1_500 + random.below(1_000) {
            if place > 1_000 && random.below(6) == 0 {
                let far = place - 800 - random.below(100);
                late.push(click(random, far, 20));
                clicks.extend(late.last().cloned());
            } else {
                on_time.push(click(random, place, 20));
                clicks.extend(on_time.last().cloned());
            }
        }
        let (counted, too_late) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let splits = Dribble::of(vec![vec![silent.clone()], clicks.clone()], scenario.seed);
            let (counts, late) = job
                .source("clicks", splits.idle_at_end(600))
                .watermarks(Watermarks::bounded(millis(BOUND_MS as u64)))
                .key_by(|click| click.user)
                .process_with_side("count-clicks", CountClicks);
            counts.sink("counts", counted.clone());
            late.sink("late", too_late.clone());
            Ok(())
        });
        assert_same(too_late.take(), late);
        assert_same(counted.take(), counts(on_time));
        run
    });
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Session {
    user: u32,
    first: EventTime,
    last: EventTime,
    clicks: u64,
}

const GAP_MS: u64 = 400;

/// The session of a user, which stays open as long as clicks come.
#[state(key = u32)]
#[derive(Default)]
struct Open {
    session: Option<Session>,
    closes: Option<TimerId>,
}

#[event]
struct Close;

struct Sessions;

#[operator]
impl Sessions {
    fn on_event(&self, click: Click, open: &mut Open, cx: &mut Context<Self>, out: &mut impl Emit<Session>) {
        assert!(!cx.is_late(), "no record comes behind the watermark");
        if let Some(closes) = open.closes.take() {
            // The timer waits for the watermark, and may not have fired although the gap is over.
            assert!(cx.cancel_timer(closes), "a timer that has not fired can be cancelled");
            assert!(!cx.cancel_timer(closes), "and only once");
            open.session = match open.session.take() {
                Some(session) if click.at >= session.last + millis(GAP_MS) => {
                    out.emit(session);
                    None
                }
                session => session,
            };
        }
        let session = open.session.get_or_insert(Session {
            user: click.user,
            first: click.at,
            last: click.at,
            clicks: 0,
        });
        session.last = click.at;
        session.clicks += 1;
        open.closes = Some(cx.set_timer(click.at + millis(GAP_MS), Close));
    }

    fn on_timer(&self, _: Close, open: &mut Open, cx: &mut Context<Self>, out: &mut impl Emit<Session>) {
        let session = open.session.take().expect("a timer that was cancelled does not fire");
        assert_eq!(cx.event_time(), session.last + millis(GAP_MS));
        out.emit(session);
        cx.clear_state();
    }
}

#[test]
fn a_session_closes_once_however_often_its_timer_was_cancelled() {
    under_seeds("a_session_closes_once", 40, |random, scenario| {
        // The clicks of a user are in one split, in order: what is random is the gaps.
        let splits = 1 + random.below(4);
        let clicks: Vec<Vec<Click>> = (0..splits)
            .map(|split| {
                let mut now = 0;
                (0..random.below(1200))
                    .map(|_| {
                        now += random.below(60) as i64;
                        let user = (split + splits * random.below(12)) as u32;
                        Click { user, at: EventTime::from_millis(now) }
                    })
                    .collect()
            })
            .collect();
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("clicks", Dribble::of(clicks.clone(), scenario.seed))
                .watermarks(Watermarks::monotonous())
                .key_by(|click| click.user)
                .process("sessions", Sessions)
                .sink("sessions", results.clone());
            Ok(())
        });
        let mut open: BTreeMap<u32, Session> = BTreeMap::new();
        let mut expected = Vec::new();
        for Click { user, at } in clicks.into_iter().flatten() {
            match open.get_mut(&user) {
                Some(session) if at < session.last + millis(GAP_MS) => {
                    session.last = at;
                    session.clicks += 1;
                }
                _ => expected.extend(open.insert(user, Session { user, first: at, last: at, clicks: 1 })),
            }
        }
        expected.extend(open.into_values());
        assert_same(results.take(), expected);
        run
    });
}
