//! Watermarks: splits that fall silent, sources that run ahead of others, watermarks that records carry, and times that no
//! record can have.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tidegate::prelude::*;

use super::dribble::READ_MAX;
use super::{Dribble, Random, Scenario, assert_same, under_seeds, under_seeds_all_aligned};

#[event(time = at)]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Click {
    user: u32,
    at: EventTime,
}

fn click(user: u64, at: u64) -> Click {
    Click { user: user as u32, at: EventTime::from_millis(at as i64) }
}

/// The clicks of a user in 100 ms.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    user: u32,
    from: EventTime,
    clicks: u64,
}

fn window(at: EventTime) -> EventTime {
    EventTime::from_millis(at.as_millis().div_euclid(100) * 100)
}

fn counts(clicks: impl IntoIterator<Item = Click>) -> Vec<Count> {
    let mut counts = BTreeMap::new();
    for click in clicks {
        *counts.entry((click.user, window(click.at))).or_insert(0) += 1;
    }
    counts.into_iter().map(|((user, from), clicks)| Count { user, from, clicks }).collect()
}

#[state(key = u32)]
#[derive(Default)]
struct Windows {
    clicks: BTreeMap<EventTime, u64>,
}

/// Gives every count, and whether it had to wait for the end of the input.
struct CountClicks;

#[operator]
impl CountClicks {
    fn on_event(&self, click: Click, windows: &mut Windows, cx: &mut Context<Self>) {
        assert!(window(click.at) + millis(99) > cx.watermark(), "no window is closed too early");
        *windows.clicks.entry(window(click.at)).or_insert_with(|| {
            cx.set_timer(window(click.at) + millis(99), window(click.at));
            0
        }) += 1;
    }

    fn on_timer(
        &self,
        from: EventTime,
        windows: &mut Windows,
        cx: &mut Context<Self>,
        out: &mut impl Emit<(Count, bool)>,
    ) {
        let clicks = windows.clicks.remove(&from).expect("a window closes once");
        out.emit((Count { user: *cx.key(), from, clicks }, cx.watermark() == EventTime::MAX));
    }
}

#[test]
fn a_split_that_falls_silent_holds_no_window_open_until_the_end() {
    let (on_time, in_the_end) = (Cell::new(0), Cell::new(0));
    let count_windows = |idle_after: Option<u64>, random: &mut Random, scenario: &Scenario| {
        // One split gives one record and then nothing, for longer than the other takes. They are in one subtask, or in two:
        // then a whole subtask is idle; or they are of two sources, which are merged without an exchange.
        let silent = vec![click(99, 0)];
        let steady: Vec<Click> =
            (0..500 + random.below(400)).map(|place| click(random.below(20), 3 * place)).collect();
        let results = Collect::new();
        let watermarks = Watermarks::monotonous();
        let watermarks =
            idle_after.map_or(watermarks, |idle_after| watermarks.idle_after(millis(idle_after)));
        let run = scenario.run(|job| {
            let dribble = |splits| Dribble::of(splits, scenario.seed).idle_at_end(500).only_split(0);
            if scenario.seed.is_multiple_of(2) {
                job.source("clicks", dribble(vec![silent.clone(), steady.clone()]))
                    .watermarks(watermarks)
                    .key_by(|click| click.user)
                    .process("count-clicks", CountClicks)
                    .sink("counts", results.clone());
            } else {
                let silent = job.source("silent", dribble(vec![silent.clone()])).watermarks(watermarks);
                let steady = Dribble::of(vec![steady.clone()], scenario.seed);
                job.source("steady", steady)
                    .watermarks(watermarks)
                    .union(silent)
                    .key_by(|click| click.user)
                    .process("count-clicks", CountClicks)
                    .sink("counts", results.clone());
            }
            Ok(())
        });
        let results = results.take();
        let waited = results.iter().filter(|(_, in_the_end)| *in_the_end).count();
        on_time.set(on_time.get() + results.len() - waited);
        in_the_end.set(in_the_end.get() + waited);
        assert_same(
            results.into_iter().map(|(count, _)| count).collect(),
            counts(silent.into_iter().chain(steady)),
        );
        run
    };
    under_seeds("a_split_that_falls_silent", 16, |random, scenario| {
        count_windows(Some(25), random, scenario)
    });
    let (closed, waited) = (on_time.take(), in_the_end.take());
    assert!(closed > 4 * waited, "{waited} of {} windows waited for the end", closed + waited);
    under_seeds("a_split_that_falls_silent", 4, |random, scenario| count_windows(None, random, scenario));
    assert!(on_time.get() < in_the_end.get() / 10, "without an idle timeout they do wait");
}

/// Two sources of which one runs through event time five times as fast as the other. How often it was too far ahead.
fn race(aligned: bool, random: &mut Random, scenario: &Scenario) -> (u64, tidegate::testing::TestRun) {
    const DRIFT_MS: u64 = 100;
    let fast: Vec<Click> = (0..400 + random.below(600)).map(|place| click(1, 5 * place)).collect();
    let slow: Vec<Click> = (0..400 + random.below(600)).map(|place| click(2, place)).collect();
    // An empty split in front of it takes the slow one to another worker.
    let slow_splits = if random.below(2) == 0 { vec![slow.clone()] } else { vec![vec![], slow.clone()] };
    let slow_has_come_to = Arc::new(AtomicI64::new(i64::MAX));
    let too_far = Arc::new(AtomicU64::new(0));
    let watermarks = Watermarks::monotonous().idle_after(millis(40));
    let watermarks = if aligned { watermarks.aligned("race", millis(DRIFT_MS)) } else { watermarks };
    let results = Collect::new();
    let run = scenario.run(|job| {
        let (slow_is_at, too_far) = (Arc::clone(&slow_has_come_to), Arc::clone(&too_far));
        let fast = job
            .source("fast", Dribble::of(vec![fast.clone()], scenario.seed))
            .watermarks(watermarks)
            .map(move |click| {
                // Let to read when it is 100 ms ahead, it reads on by a batch. After a restore the slow one reads what it has
                // read before, and is further behind than is known here.
                let allowed = (DRIFT_MS + 5 * READ_MAX + 2) as i64;
                let slow = slow_is_at.load(Ordering::Relaxed);
                if click.at.as_millis() > slow.saturating_add(allowed) {
                    too_far.fetch_add(1, Ordering::Relaxed);
                }
                click
            });
        let (slow_is_at, last) = (Arc::clone(&slow_has_come_to), slow.len() as i64 - 1);
        let slow = job
            .source("slow", Dribble::of(slow_splits.clone(), scenario.seed + 1).idle_at_end(150))
            .watermarks(watermarks)
            .map(move |click| {
                let at = click.at.as_millis();
                // Behind its last record it falls silent, and nobody waits for it.
                slow_is_at.store(if at == last { i64::MAX } else { at }, Ordering::Relaxed);
                click
            });
        fast.union(slow).sink("clicks", results.clone());
        Ok(())
    });
    assert_same(results.take(), fast.into_iter().chain(slow).collect());
    (too_far.load(Ordering::Relaxed), run)
}

#[test]
fn a_fast_source_waits_for_a_slow_one_and_does_not_wait_for_a_silent_one() {
    under_seeds_all_aligned("a_fast_source_waits", 24, |random, scenario| {
        let (too_far, run) = race(true, random, scenario);
        assert_eq!(too_far, 0, "records came too far ahead of the slow source");
        run
    });
    let unaligned = Cell::new(0);
    under_seeds_all_aligned("a_fast_source_waits", 4, |random, scenario| {
        let (too_far, run) = race(false, random, scenario);
        unaligned.set(unaligned.get() + too_far);
        run
    });
    assert!(unaligned.get() > 100, "it does run ahead if it is let");
}

#[test]
fn more_splits_than_are_open_at_a_time_are_all_read_however_far_apart_they_are() {
    under_seeds_all_aligned("more_splits_than_are_open", 6, |random, scenario| {
        // Those that are not open yet are behind all that are: whoever waited for them would wait for ever.
        let splits: Vec<Vec<Click>> = (0..150)
            .map(|split| {
                let from = random.below(1_000_000);
                (0..1 + random.below(20)).map(|place| click(split, from + 50 * place)).collect()
            })
            .collect();
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("clicks", Dribble::of(splits.clone(), scenario.seed))
                .watermarks(Watermarks::monotonous().aligned("clicks", millis(10)))
                .sink("clicks", results.clone());
            Ok(())
        });
        assert_same(results.take(), splits.into_iter().flatten().collect());
        run
    });
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick {
    user: u32,
    at: i64,
    /// Promises that what follows is younger.
    watermark: Option<i64>,
}

#[state(key = u32)]
#[derive(Default)]
struct Nothing {
    _nothing: (),
}

struct TellLate;

#[operator]
impl TellLate {
    fn on_event(&self, tick: Tick, _nothing: &mut Nothing, cx: &mut Context<Self>) -> (Tick, bool) {
        let late = cx.is_late();
        (tick, late)
    }
}

#[test]
fn what_is_behind_the_watermark_that_the_record_before_it_carries_is_late() {
    under_seeds("what_is_behind_the_watermark", 32, |random, scenario| {
        // What is late is certain where the records have a single channel to go through: with others beside it, it is seen to
        // be late only when these have spoken, too.
        let alone = scenario.seed.is_multiple_of(2);
        let workers = if alone { vec![1] } else { scenario.workers.clone() };
        let scenario = Scenario { workers, ..scenario.clone() };
        let mut watermark = i64::MIN;
        let mut expected = Vec::new();
        let ticks: Vec<Tick> = (0..600 + random.below(600))
            .map(|place| {
                let at = (10 * place + random.below(60)) as i64;
                let carried = match random.below(12) {
                    0 => Some(i64::MAX),
                    1..4 => Some(at - 30),
                    _ => None,
                };
                let tick = Tick { user: random.below(9) as u32, at, watermark: carried };
                expected.push((tick.clone(), at <= watermark));
                watermark = watermark.max(carried.filter(|carried| *carried < i64::MAX).unwrap_or(watermark));
                tick
            })
            .collect();
        let results = Collect::new();
        let run = scenario.run(|job| {
            job.source("ticks", Dribble::of(vec![ticks.clone()], scenario.seed))
                .event_time(
                    |tick| EventTime::from_millis(tick.at),
                    Watermarks::punctuated(|tick: &Tick| tick.watermark.map(EventTime::from_millis)),
                )
                .key_by(|tick| tick.user)
                .process("tell-late", TellLate)
                .sink("ticks", results.clone());
            Ok(())
        });
        let mut results: Vec<(Tick, bool)> = results.take();
        if !alone {
            let on_time = |results: &[(Tick, bool)]| {
                results.iter().filter(|(_, late)| !late).map(|(tick, _)| tick.clone()).collect::<Vec<_>>()
            };
            let mut seen_on_time = on_time(&results);
            for tick in on_time(&expected) {
                let place = seen_on_time.iter().position(|seen| *seen == tick);
                seen_on_time.swap_remove(place.expect("what is on time is never called late"));
            }
            results.iter_mut().chain(&mut expected).for_each(|(_, late)| *late = false);
        }
        assert_same(results, expected);
        run
    });
}

#[test]
fn records_of_times_that_cannot_be_are_rejected_and_make_no_other_late() {
    under_seeds("records_of_times_that_cannot_be", 24, |random, scenario| {
        let wrong =
            [i64::MIN, i64::MAX, i64::MAX - 1, 253_402_300_799_999, 1_700_000_000_000_000, 4_000_000_000];
        let (mut clicks, mut good, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        for place in 0..600 + random.below(600) {
            let user = random.below(20);
            if random.below(10) == 0 {
                let at = EventTime::from_millis(wrong[random.below(wrong.len() as u64) as usize]);
                clicks.push(Click { user: user as u32, at });
                bad.extend(clicks.last().cloned());
            } else {
                // Before 1970 as after: the first half of the stream has negative times.
                let at = EventTime::from_millis(3 * (place as i64 - 300));
                clicks.push(Click { user: user as u32, at });
                good.extend(clicks.last().cloned());
            }
        }
        let (counted, rejected) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let (clicks, rejects) = job
                .source("clicks", Dribble::of(vec![clicks.clone()], scenario.seed))
                .event_time_with_rejects(
                    |click| click.at,
                    // The clock of the simulation begins at 0.
                    Watermarks::monotonous().max_ahead(minutes(60)),
                );
            clicks
                .key_by(|click| click.user)
                .process("count-clicks", CountClicks)
                .map(|(count, _)| count)
                .sink("counts", counted.clone());
            rejects.sink("rejects", rejected.clone());
            Ok(())
        });
        assert_same(rejected.take(), bad);
        assert_same(counted.take(), counts(good));
        run
    });
}

/// Clicks of which some have times that cannot be: none at all, or one of the year 9999 and later. Their places are their users.
fn clicks_of_any_time(random: &mut Random) -> Vec<Click> {
    let wrong = [i64::MIN, i64::MAX, i64::MAX - 1, 253_402_300_799_999, 1_700_000_000_000_000];
    let mut click = |place: u64| {
        // Before 1970 as after.
        let time = 3 * (place as i64 - 300);
        let at = if random.below(10) == 0 { wrong[random.below(wrong.len() as u64) as usize] } else { time };
        Click { user: place as u32, at: EventTime::from_millis(at) }
    };
    (0..600).map(&mut click).collect()
}

#[test]
fn records_of_times_that_cannot_be_hold_no_window_join_or_pattern_up_and_are_all_accounted_for() {
    under_seeds("records_of_times_that_cannot_be_hold", 16, |random, scenario| {
        let clicks = clicks_of_any_time(random);
        let (timeless, timed): (Vec<_>, Vec<_>) =
            clicks.iter().map(|click| (click.user, click.at)).partition(|(_, at)| *at == EventTime::MIN);
        let (counts, pairs, found) = (Collect::new(), Collect::new(), Collect::new());
        let late = [Collect::new(), Collect::new(), Collect::new(), Collect::new()];
        let run = scenario.run(|job| {
            let source = |name: &str| {
                job.source(name, Dribble::of(vec![clicks.clone()], scenario.seed))
                    .watermarks(Watermarks::monotonous())
                    .key_by(|click| click.user % 4)
            };
            let (counted, of_windows) = source("of windows")
                .window(Tumbling::of(millis(30)))
                .side_output_late()
                .aggregate_then("counts", Count, |window, count| {
                    Some((window.window().start, window.watermark() == EventTime::MAX, count))
                });
            counted.sink("counts", counts.clone());
            let (paired, of_join) = source("of the left")
                .interval_join(source("of the right"), TimeOffset::NONE, TimeOffset::NONE)
                .side_output_late()
                .inner("pairs", |left, right| (left.user, right.user));
            paired.sink("pairs", pairs.clone());
            let (matched, of_pattern) =
                source("of the pattern").pattern(Pattern::begin("any")).side_output_late().matches("found");
            matched.flat_map(|found| found.first("any").map(|click| click.user)).sink("found", found.clone());
            let (left, right) = of_join.try_map(|click| match click {
                Either::Left(click) => Ok(click),
                Either::Right(click) => Err(click),
            });
            of_windows.map(|click| click.user).sink("late of windows", late[0].clone());
            of_pattern.map(|click| click.user).sink("late of the pattern", late[1].clone());
            left.map(|click| click.user).sink("late of the left", late[2].clone());
            right.map(|click| click.user).sink("late of the right", late[3].clone());
            Ok(())
        });
        // What has no time is late everywhere, and what is far ahead has made nothing late.
        let timeless: Vec<u32> = timeless.into_iter().map(|(user, _)| user).collect();
        late.iter().for_each(|late| assert_same(late.take(), timeless.clone()));
        assert_same(found.take(), timed.iter().map(|(user, _)| *user).collect());
        let same = |(user, at): &(u32, EventTime)| {
            let others = timed.iter().filter(|other| other.0 % 4 == user % 4 && other.1 == *at);
            others.map(|other| (*user, other.0)).collect::<Vec<_>>()
        };
        assert_same(pairs.take(), timed.iter().flat_map(same).collect());
        let counts = counts.take();
        assert_eq!(counts.iter().map(|(_, _, count)| *count as usize).sum::<usize>(), timed.len());
        // A window fires when it is over, unless it is one of the last, or far ahead.
        let last = 3 * (600 - 300 - 4 * READ_MAX as i64);
        let held = counts.iter().filter(|(start, at_the_end, _)| *at_the_end && start.as_millis() < last);
        assert_eq!(held.count(), 0);
        run
    });
}
