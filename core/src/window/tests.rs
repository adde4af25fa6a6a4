//! The operator, driven by hand. What comes of any windows whatever is held against a model in the package of whole-job tests.

use std::sync::Arc;

use super::*;
use crate::aggregate::{Count, Sum};
use crate::operator::Operator;
use crate::state::State;
use crate::state::backend::StateBackend;
use crate::testing::{Harness, Subtasks};
use crate::time::{EventTime, millis, secs};

fn at(millis: i64) -> EventTime {
    EventTime::from_millis(millis)
}

/// A record is its key; the time comes beside it.
fn key(record: &u8) -> u8 {
    *record
}

type Counted = (i64, i64, u64);

/// A harness that counts the records of windows.
macro_rules! counting {
    ($windows:expr) => {
        Harness::new($windows.side_output_late().aggregate(Count), key as fn(&u8) -> u8).unwrap()
    };
}

fn counted<O, A>(harness: &mut Harness<O, A>) -> Vec<Counted>
where
    O: Operator<Out = Windowed<u8, u64>, Side: Send>,
    A: crate::exchange::partition::KeyAccess<O::In, Key = <O::State as State>::Key>,
{
    let windows = harness.take_output().into_iter();
    windows.map(|w| (w.window.start.as_millis(), w.window.end.as_millis(), w.value)).collect()
}

#[test]
fn a_window_fires_when_the_watermark_reaches_its_last_millisecond_and_not_before() {
    let mut harness = counting!(Windowing::of(Tumbling::of(secs(1)))).restore_after_every_step();
    harness.push(1, at(0)).unwrap();
    harness.push(1, at(999)).unwrap();
    harness.advance_watermark(at(998)).unwrap();
    assert_eq!(counted(&mut harness), []);
    harness.advance_watermark(at(999)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 1000, 2)]);
}

#[test]
fn windows_with_an_offset_begin_later() {
    let mut harness = counting!(Windowing::of(Tumbling::of(secs(1)).offset(millis(300))));
    harness.push(1, at(-701)).unwrap();
    harness.push(1, at(-700)).unwrap();
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), [(-1_700, -700, 1), (-700, 300, 1)]);
}

#[test]
fn late_record_within_allowed_lateness_makes_its_window_fire_again_and_later_ones_go_to_the_side() {
    let mut harness = counting!(Windowing::of(Tumbling::of(millis(10))).allowed_lateness(millis(5)));
    harness.push(1, at(3)).unwrap();
    harness.advance_watermark(at(9)).unwrap();
    harness.push(1, at(4)).unwrap();
    harness.advance_watermark(at(13)).unwrap();
    harness.push(1, at(5)).unwrap();
    harness.push(1, at(-1)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 1), (0, 10, 2), (0, 10, 3)]);
    assert_eq!(harness.take_side_output(), [1]);
    harness.advance_watermark(at(14)).unwrap();
    harness.push(1, at(6)).unwrap();
    assert_eq!(counted(&mut harness), []);
    assert_eq!(harness.take_side_output(), [1]);
}

#[test]
fn a_record_that_is_late_for_some_of_its_windows_is_in_the_others() {
    let mut harness = counting!(Windowing::of(Sliding::of(millis(10)).every(millis(5))));
    harness.push(1, at(7)).unwrap();
    harness.advance_watermark(at(9)).unwrap();
    harness.push(1, at(8)).unwrap();
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 1), (5, 15, 2)]);
    assert_eq!(harness.take_side_output(), [0; 0]);
}

#[test]
fn a_record_between_hopping_windows_is_in_none() {
    let mut harness = counting!(Windowing::of(Sliding::of(millis(2)).every(millis(10))));
    harness.push(1, at(1)).unwrap();
    harness.push(1, at(5)).unwrap();
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), [(0, 2, 1)]);
    assert_eq!(harness.take_side_output(), [0; 0]);
}

#[test]
fn a_record_that_comes_between_two_sessions_makes_them_one() {
    let mut harness = counting!(Windowing::of(Session::gap(millis(10)))).restore_after_every_step();
    for time in [0, 18, 40, 9] {
        harness.push(1, at(time)).unwrap();
    }
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), [(0, 28, 3), (40, 50, 1)]);
}

#[test]
fn windows_of_the_clock_fire_when_it_has_passed_them() {
    let mut harness = counting!(Windowing::of(Tumbling::of(millis(10)).processing_time()));
    harness.advance_processing_time(at(3)).unwrap();
    harness.push(1, EventTime::MIN).unwrap();
    harness.advance_processing_time(at(9)).unwrap();
    harness.push(1, at(1_000_000)).unwrap();
    assert_eq!(counted(&mut harness), []);
    harness.advance_processing_time(at(10)).unwrap();
    harness.push(1, EventTime::MIN).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 2)]);
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), [], "what is not due when the input ends does not fire");
}

#[test]
fn sessions_of_the_clock_last_until_it_has_been_quiet() {
    let mut harness = counting!(Windowing::of(Session::gap(millis(10)).processing_time()));
    for time in [0, 8, 16] {
        harness.advance_processing_time(at(time)).unwrap();
        harness.push(1, EventTime::MIN).unwrap();
    }
    harness.advance_processing_time(at(25)).unwrap();
    assert_eq!(counted(&mut harness), []);
    harness.advance_processing_time(at(26)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 26, 3)]);
}

#[test]
fn a_record_without_event_time_is_late_where_there_are_times_and_not_where_there_are_none() {
    let mut harness = counting!(Windowing::of(Tumbling::of(secs(1))));
    harness.push(7, EventTime::MIN).unwrap();
    assert_eq!(harness.take_side_output(), [7]);
    let mut harness = Harness::new(Windowing::of(Tumbling::count(1)).aggregate(Count), key).unwrap();
    harness.push(7, EventTime::MIN).unwrap();
    assert_eq!(harness.take_output().len(), 1);
}

#[test]
fn times_at_the_ends_of_time_are_in_windows_that_wait_for_their_watermark() {
    let year_9999 = 253_402_300_799_999;
    let times = [i64::MIN + 1, -year_9999, -1, year_9999, i64::MAX - 1, i64::MAX];
    let push_all = |harness: &mut dyn FnMut(EventTime)| times.map(at).into_iter().for_each(harness);
    macro_rules! hold {
        ($windows:expr, $expected:expr) => {
            let mut harness =
                counting!($windows.allowed_lateness(std::time::Duration::MAX)).restore_after_every_step();
            push_all(&mut |time| harness.push(1, time).unwrap());
            harness.advance_watermark(at(0)).unwrap();
            push_all(&mut |time| harness.push(1, time).unwrap());
            harness.advance_watermark(EventTime::MAX).unwrap();
            let windows = counted(&mut harness);
            assert!(windows.len() >= $expected, "{windows:?}");
            assert!(windows.iter().all(|(start, end, _)| start < end), "{windows:?}");
            assert_eq!(harness.take_side_output(), [0; 0]);
        };
    }
    hold!(Windowing::of(Tumbling::of(secs(10))), 5);
    hold!(Windowing::of(Sliding::of(secs(10)).every(millis(3_333))), 10);
    hold!(Windowing::of(Cumulating::of(secs(10)).step(secs(3))), 10);
    hold!(Windowing::of(Session::gap(secs(10))), 5);
    hold!(Windowing::of(Tumbling::of(std::time::Duration::MAX)), 1);
    hold!(Windowing::of(Tumbling::of(secs(10))).trigger(AtEnd::new().early_every(secs(1))), 5);
    // The year 9999 is as it should be.
    let mut harness = counting!(Windowing::of(Tumbling::of(secs(10))));
    harness.push(1, at(year_9999)).unwrap();
    harness.advance_watermark(at(year_9999)).unwrap();
    assert_eq!(counted(&mut harness), [(year_9999 - 9_999, year_9999 + 1, 1)]);
}

#[test]
fn a_trigger_fires_windows_early_and_late_only_if_there_is_something_new() {
    let trigger = AtEnd::new().early_every(secs(1)).late_every(secs(2));
    let windows = Windowing::of(Tumbling::of(millis(10))).allowed_lateness(millis(100)).trigger(trigger);
    let mut harness = counting!(windows).restore_after_every_step();
    harness.push(1, at(1)).unwrap();
    harness.push(1, at(2)).unwrap();
    harness.advance_processing_time(at(999)).unwrap();
    assert_eq!(counted(&mut harness), []);
    harness.advance_processing_time(at(1_000)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 2)]);
    harness.advance_processing_time(at(5_000)).unwrap();
    assert_eq!(counted(&mut harness), [], "nothing is new");
    harness.advance_watermark(at(9)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 2)], "on time it fires in any case");
    harness.push(1, at(3)).unwrap();
    harness.push(1, at(4)).unwrap();
    assert_eq!(counted(&mut harness), []);
    harness.advance_processing_time(at(7_000)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 4)]);
    harness.push(1, at(5)).unwrap();
    harness.advance_watermark(at(109)).unwrap();
    assert_eq!(counted(&mut harness), [(0, 10, 5)], "before it is dropped it tells what is new");
}

#[test]
fn nothing_is_left_of_a_key_when_its_last_window_is_gone() {
    let store = Arc::new(StateBackend::heap());
    macro_rules! rows {
        ($windows:expr, $while_open:expr) => {
            let operator = $windows.allowed_lateness(millis(50)).aggregate(Sum::of(|n: &u8| u64::from(*n)));
            let mut subtasks = Subtasks::new(operator, key as fn(&u8) -> u8, 2, &store).unwrap();
            let rows = |subtasks: &mut Subtasks<_, _>| {
                subtasks.begin_snapshot().unwrap();
                while !subtasks.encode_slice().unwrap() {}
                subtasks.complete_snapshot().unwrap();
                subtasks.rows_kept()
            };
            let records = (0..1000).map(|n| (1 + (n % 2) as u8, at(n)));
            subtasks.push(records.collect()).unwrap();
            // A row of each key, which says itself when it is due.
            assert_eq!(rows(&mut subtasks), $while_open);
            subtasks.advance_watermark(at(5_000)).unwrap();
            assert_eq!(rows(&mut subtasks), 0);
            subtasks.push(vec![(3, at(5))]).unwrap();
            assert_eq!(rows(&mut subtasks), 0, "what is late leaves no trace");
        };
    }
    rows!(Windowing::of(Tumbling::of(secs(2))), 2);
    rows!(Windowing::of(Sliding::of(secs(2)).every(millis(100))), 2);
    rows!(Windowing::of(Session::gap(secs(2))), 2);
    rows!(Windowing::of(Tumbling::of(secs(2))).trigger(AtEnd::new().early_count(7)), 2);
    rows!(Windowing::of(Tumbling::of(secs(2))).evictor(KeepLast::of(3)), 2);
}

#[test]
fn count_windows_begin_anew_where_they_are_complete() {
    let mut harness = Harness::new(
        Windowing::of(Sliding::count(2).every(5)).aggregate(Sum::of(|n: &u8| u64::from(*n))),
        |_: &u8| 0u8,
    )
    .unwrap()
    .restore_after_every_step();
    (1..=12).for_each(|n| harness.push(n, EventTime::MIN).unwrap());
    let sums: Vec<_> = harness.take_output().iter().map(|summed| summed.value).collect();
    assert_eq!(sums, [4 + 5, 9 + 10]);
}

#[test]
fn a_function_is_shown_the_records_of_overlapping_windows_in_the_order_in_which_they_came() {
    let windows = Windowing::of(Sliding::of(millis(20)).every(millis(10)));
    let operator = windows.process(|window, records: Vec<&u8>| {
        Some((window.window().start.as_millis(), records.into_iter().copied().collect::<Vec<_>>()))
    });
    let mut harness = Harness::new(operator, |_: &u8| 0u8).unwrap().restore_after_every_step();
    for (record, time) in [(1, 15), (2, 3), (3, 12), (4, 8)] {
        harness.push(record, at(time)).unwrap();
    }
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(harness.take_output(), [(-10, vec![2, 4]), (0, vec![1, 2, 3, 4]), (10, vec![1, 3])]);
}

#[test]
fn an_aggregate_of_windows_that_an_evictor_has_emptied_gives_no_result() {
    let windows = Windowing::of(Tumbling::of(millis(10))).evictor(KeepLast::of(0));
    let mut harness = counting!(windows);
    harness.push(1, at(0)).unwrap();
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(counted(&mut harness), []);
}

#[test]
fn a_session_that_has_become_longer_fires_an_interval_after_the_end_that_it_was_to_have() {
    let windows = Windowing::of(Session::gap(millis(5))).trigger(EveryEventTime::of(millis(10)));
    let mut harness = counting!(windows);
    harness.push(1, at(3)).unwrap();
    harness.push(1, at(6)).unwrap();
    harness.push(1, at(11)).unwrap();
    harness.push(1, at(15)).unwrap();
    // It was to end at 7, before the first multiple of the interval. Flink's trigger goes on from there: 17, not 10.
    let mut fired = Vec::new();
    for time in 0..25 {
        harness.advance_watermark(at(time)).unwrap();
        fired.extend(counted(&mut harness).into_iter().map(|window| (time, window)));
    }
    assert_eq!(fired, [(7, (3, 20, 4)), (17, (3, 20, 4)), (19, (3, 20, 4))]);
}

#[test]
fn windows_by_count_fire_by_another_trigger_that_is_asked_for() {
    let windows = Windowing::of(Tumbling::count(2)).trigger(AtEnd::new());
    let mut harness = Harness::new(windows.aggregate(Count), key).unwrap();
    (0..5).for_each(|_| harness.push(1, at(0)).unwrap());
    assert_eq!(harness.take_output(), []);
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(harness.take_output().iter().map(|counted| counted.value).collect::<Vec<_>>(), [5]);
}

#[test]
fn a_window_of_all_time_that_fires_at_intervals_ends_with_the_input() {
    let windows = Windowing::of(Global).trigger(EveryEventTime::of(millis(10)));
    let mut harness = Harness::new(windows.aggregate(Count), key).unwrap();
    harness.push(1, at(3)).unwrap();
    harness.advance_watermark(at(25)).unwrap();
    assert_eq!(harness.take_output().len(), 2, "at 10 and at 20");
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(harness.take_output().len(), 2, "at 30, and at the end");
}

#[test]
fn a_window_of_everything_goes_on_behind_the_end_of_the_input_that_made_it_fire() {
    let mut harness = Harness::new(Windowing::of(Global).aggregate(Count), key as fn(&u8) -> u8)
        .unwrap()
        .restore_after_every_step();
    let mut counts = Vec::new();
    for records in [2, 1] {
        for _ in 0..records {
            harness.push(1, EventTime::MIN).unwrap();
        }
        harness.advance_watermark(EventTime::MAX).unwrap();
        counts.extend(harness.take_output().into_iter().map(|counted| counted.value));
    }
    assert_eq!(counts, [2, 3]);
}
