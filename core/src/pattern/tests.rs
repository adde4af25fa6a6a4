//! What Flink's documentation and its tests say of patterns, case by case.

use super::{Aside, Match, Pattern, PatternMatch, Skip};
use crate::testing::Harness;
use crate::time::{EventTime, millis};

/// A letter and a number: `a1`.
type Event = (char, u32);

fn is(letter: char) -> impl Fn(&Event) -> bool + Send + Sync + 'static {
    move |event| event.0 == letter
}

/// `c a1 a2@7`: events, each a millisecond after the one before if it does not say when.
fn events(written: &str) -> Vec<(Event, EventTime)> {
    let mut at = 0;
    let event = |word: &str| {
        let (word, time) = word.split_once('@').unwrap_or((word, ""));
        at = time.parse().unwrap_or(at + 1);
        let letter = word.chars().next().unwrap();
        ((letter, word[1..].parse().unwrap_or(0)), EventTime::from_millis(at))
    };
    written.split_whitespace().map(event).collect()
}

fn spelled(found: &Match<Event>) -> String {
    let event = |event: &Event| match event {
        (letter, 0) => letter.to_string(),
        (letter, number) => format!("{letter}{number}"),
    };
    found.iter().map(|(_, of)| event(of)).collect::<Vec<_>>().join(" ")
}

fn looked_for(pattern: Pattern<Event>, input: &str) -> (Vec<String>, Vec<String>) {
    let mut harness =
        Harness::new(PatternMatch::of(pattern).unwrap(), |_: &Event| 0u8).unwrap().restore_after_every_step();
    for (event, at) in events(input) {
        harness.push(event, at).unwrap();
    }
    harness.advance_watermark(EventTime::MAX).unwrap();
    let timed_out = harness.take_side_output().into_iter().filter_map(|aside| match aside {
        Aside::TimedOut(partial) => Some(spelled(&partial)),
        Aside::Late(_) => None,
    });
    let timed_out = timed_out.collect();
    (harness.take_output().iter().map(spelled).collect(), timed_out)
}

#[track_caller]
fn finds(pattern: Pattern<Event>, input: &str, expected: &[&str]) {
    let (mut found, _) = looked_for(pattern, input);
    found.sort();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected, "in {input}");
}

fn c() -> Pattern<Event> {
    Pattern::begin("c").filter(is('c'))
}

fn a() -> Pattern<Event> {
    Pattern::begin("a").filter(is('a'))
}

#[test]
fn a_step_follows_directly_or_relaxed_or_any() {
    finds(a().next("b").filter(is('b')), "a c b1 b2", &[]);
    finds(a().followed_by("b").filter(is('b')), "a c b1 b2", &["a b1"]);
    finds(a().followed_by_any("b").filter(is('b')), "a c b1 b2", &["a b1", "a b2"]);
}

#[test]
fn a_loop_is_relaxed_or_consecutive_or_takes_any_combination() {
    let looped = || c().followed_by("a").filter(is('a')).one_or_more();
    let end = |pattern: Pattern<Event>| pattern.followed_by("b").filter(is('b'));
    let input = "c d a1 a2 a3 d a4 b";
    finds(end(looped().consecutive()), input, &["c a1 b", "c a1 a2 b", "c a1 a2 a3 b"]);
    finds(end(looped()), input, &["c a1 b", "c a1 a2 b", "c a1 a2 a3 b", "c a1 a2 a3 a4 b"]);
    let any = [
        "c a1 b",
        "c a1 a2 b",
        "c a1 a3 b",
        "c a1 a4 b",
        "c a1 a2 a3 b",
        "c a1 a2 a4 b",
        "c a1 a3 a4 b",
        "c a1 a2 a3 a4 b",
    ];
    finds(end(looped().allow_combinations()), input, &any);
}

#[test]
fn greedy_takes_as_many_as_there_are() {
    let some = || c().followed_by("a").filter(is('a')).one_or_more().greedy();
    let any = || some().optional();
    let d = |pattern: Pattern<Event>| pattern.followed_by("d").filter(is('d'));
    finds(d(any()), "c a1 a2 a3 d", &["c a1 a2 a3 d"]);
    finds(d(any()), "c x a1 x a2 x a3 d", &["c a1 a2 a3 d"]);
    finds(d(any()), "c x d", &["c d"]);
    finds(d(some()), "c x a1 x a2 x a3 d", &["c a1 a2 a3 d"]);
    finds(d(some()), "c x d", &[]);
    let optional = |pattern: Pattern<Event>| d(pattern).optional().followed_by("e").filter(is('e'));
    finds(optional(any()), "c a1 a2 x e", &["c a1 a2 e"]);
    finds(optional(any()), "c a1 a2 d e", &["c a1 a2 e", "c a1 a2 d e"]);
    finds(d(any().consecutive()).optional(), "c a1 a2 a3 d", &["c", "c a1 a2 a3 d"]);
    let range = || c().followed_by("a").filter(is('a')).times(2..=5).greedy();
    finds(d(range()), "c a1 a2 a3 a4 d", &["c a1 a2 a3 a4 d"]);
}

#[test]
fn at_the_end_greedy_changes_nothing() {
    let pattern = || c().followed_by("a").filter(is('a'));
    finds(pattern().times(0..).consecutive().greedy(), "c a1 a2 x a3", &["c", "c a1", "c a1 a2"]);
    let found = ["c a1 a2", "c a1 a2 a3", "c a1 a2 a3 a4"];
    finds(pattern().times(2..=5).greedy(), "c a1 a2 a3 a4 x", &found);
}

#[test]
fn until_ends_a_loop() {
    let looped = |times: std::ops::RangeFrom<u32>| {
        let looped = c().followed_by("a").filter(is('a')).times(times).greedy();
        looped.until(|event| event.1 >= 40).followed_by("d").filter(is('d'))
    };
    finds(looped(0..), "c a1 a2 a3 a44 d", &["c a1 a2 a3 d"]);
    finds(looped(0..), "c a44 a1 a2 a3 d", &["c d"]);
    finds(looped(1..), "c a1 a2 a3 a44 d", &["c a1 a2 a3 d"]);
    finds(looped(1..), "c a44 a1 a2 a3 d", &[]);
}

#[test]
fn what_must_not_come_next_ends_a_match() {
    let not_next = || a().not_next("not b").filter(is('b'));
    let c_d = |pattern: Pattern<Event>| pattern.filter(is('c')).followed_by("d").filter(is('d'));
    finds(c_d(not_next().followed_by_any("c")), "a c1 b c2 d", &["a c1 d", "a c2 d"]);
    finds(c_d(not_next().followed_by("c")), "a b c1 c2 d", &[]);
    let at_the_end = || c_d(a().followed_by_any("c")).not_next("not b").filter(is('b'));
    finds(at_the_end(), "a c1 c2 d b", &[]);
    finds(at_the_end(), "a c1 c2 d x", &["a c1 d", "a c2 d"]);
}

#[test]
fn what_must_not_come_in_between_ends_a_match() {
    let not_b = || a().not_followed_by("not b").filter(is('b'));
    let d = |pattern: Pattern<Event>| pattern.followed_by("d").filter(is('d'));
    let c = |pattern: Pattern<Event>| pattern.followed_by_any("c").filter(is('c'));
    finds(d(c(not_b())), "a c1 b c2 d", &["a c1 d"]);
    finds(d(c(not_b()).optional()), "a c1 b c2 d", &["a c1 d"]);
    finds(c(not_b()).optional(), "a c1 b c2", &["a", "a c1"]);
    finds(d(c(not_b()).times(2).optional()), "a d1 e b c1 c2 d2", &["a d1"]);
    let twice = || a().followed_by_any("b").filter(is('b')).times(2).not_followed_by("not c").filter(is('c'));
    finds(d(twice()), "a b1 c b2 d", &[]);
    finds(d(twice()), "a d1 e b1 b2 c d2", &[]);
    let b = |pattern: Pattern<Event>| pattern.filter(is('b')).times(0..);
    let not_c = || a().not_followed_by("not c").filter(is('c'));
    let input = "a b1 c b4 b5 b6 d";
    let relaxed = ["a b1 d", "a b1 b4 d", "a b1 b4 b5 d", "a b1 b4 b5 b6 d"];
    finds(d(b(not_c().followed_by("b"))), input, &relaxed);
    finds(d(b(not_c().followed_by_any("b"))), input, &relaxed);
    let any = [
        "a b1 d",
        "a b1 b4 d",
        "a b1 b4 b5 d",
        "a b1 b4 b5 b6 d",
        "a b1 b4 b6 d",
        "a b1 b5 d",
        "a b1 b5 b6 d",
        "a b1 b6 d",
    ];
    finds(d(b(not_c().followed_by("b")).allow_combinations()), input, &any);
    finds(d(b(not_c().followed_by_any("b")).allow_combinations()), input, &any);
}

#[test]
fn what_must_not_come_at_the_end_is_waited_for() {
    let not_b = || a().not_followed_by("not b").filter(is('b'));
    finds(not_b().within(millis(3)), "a1@1 b1@2 a2@4 c@5 b2@10 a3@11 b3@13", &["a2"]);
    let pattern = not_b().followed_by("c").filter(is('c')).times(0..=2).within(millis(3));
    let input = "a1@1 b1@2 a2@10 c1@11 c2@12 a3@20 c3@21 c4@24";
    finds(pattern, input, &["a1", "a2", "a2 c1", "a2 c1 c2", "a3", "a3 c3"]);
    let pattern = a().one_or_more().allow_combinations().followed_by("c").filter(is('c'));
    let pattern = pattern.not_followed_by("not b").filter(is('b')).within(millis(5)).skip(Skip::PastLast);
    finds(pattern, "a1@1 a2@2 a3@3 c1@4 c2@10", &["a1 a2 a3 c1"]);
}

#[test]
fn a_match_may_give_up_others() {
    let three = |skip| a().times(3).skip(skip);
    let input = "a1 a2 a3 a4 a5 a6";
    finds(three(Skip::None), input, &["a1 a2 a3", "a2 a3 a4", "a3 a4 a5", "a4 a5 a6"]);
    finds(three(Skip::PastLast), input, &["a1 a2 a3", "a4 a5 a6"]);
    let any = |skip| a().followed_by_any("b").filter(is('b')).skip(skip);
    finds(any(Skip::None), "a1 b1 a2 b2", &["a1 b1", "a1 b2", "a2 b2"]);
    finds(any(Skip::ToNext), "a1 b1 a2 b2", &["a1 b1", "a2 b2"]);
    let looped = a().next("b").filter(is('b')).one_or_more().skip(Skip::ToNext);
    finds(looped, "a1 b1 b2 b3", &["a1 b1"]);
    let twice = |skip| Pattern::begin("start").times(2).next("end").times(2).skip(skip);
    finds(twice(Skip::ToFirst("end")), "x1 x2 x3 x4 x5 x6", &["x1 x2 x3 x4", "x3 x4 x5 x6"]);
    finds(twice(Skip::ToLast("end")), "x1 x2 x3 x4 x5 x6 x7", &["x1 x2 x3 x4", "x4 x5 x6 x7"]);
    let four = a().followed_by_any("b").filter(is('b')).followed_by_any("c").filter(is('c'));
    let four = four.followed_by("d").filter(is('d')).skip(Skip::PastLast);
    finds(four, "a1 a2 b1 b2 c1 c2 d1 d2", &["a1 b1 c1 d1"]);
    finds(a().next("b").filter(is('b')).skip(Skip::PastLast), "a1 c a2 b2", &["a2 b2"]);
    let looped = |skip| a().next("b").filter(is('b')).one_or_more().consecutive().skip(skip);
    for skip in [Skip::ToFirst("b"), Skip::ToLast("b")] {
        finds(looped(skip), "a1 b1 a2 b2 b3 a3 b4", &["a1 b1", "a2 b2", "a3 b4"]);
    }
    let missed = a().next("b").filter(is('b')).times(0..).consecutive().next("c").filter(is('c'));
    finds(missed.skip(Skip::ToFirst("b")), "a c", &["a c"]);
}

#[test]
fn a_match_gives_up_others_from_where_the_strategy_says() {
    let looped = |skip| a().one_or_more().consecutive().greedy().next("b").filter(is('b')).skip(skip);
    let all = ["a1 a2 a3 b1", "a2 a3 b1", "a3 b1"];
    finds(looped(Skip::None), "a1 a2 a3 b1", &all);
    finds(looped(Skip::ToFirst("a")), "a1 a2 a3 b1", &all);
    finds(looped(Skip::ToLast("a")), "a1 a2 a3 b1", &[all[0], all[2]]);
    finds(looped(Skip::PastLast), "a1 a2 a3 b1", &[all[0]]);
    let or_c = |letter| move |event: &Event| event.0 == letter || event.0 == 'c';
    let pattern = Pattern::begin("a or c").filter(or_c('a')).followed_by("b or c").filter(or_c('b'));
    let pattern = pattern.followed_by("c").filter(is('c')).one_or_more().greedy();
    let pattern = pattern.followed_by("d").filter(is('d')).skip(Skip::ToFirst("c"));
    finds(pattern, "a b c1 c2 c3 d", &["a b c1 c2 c3 d", "c1 c2 c3 d"]);
}

#[test]
fn a_complete_match_waits_for_those_that_began_before() {
    let of_same = |event: &Event, so_far: &super::SoFar<'_, Event>| {
        event.0 == 'b' && so_far.first("a").is_some_and(|a| a.1 == event.1)
    };
    let pattern = a().followed_by("c").filter(is('c')).followed_by("b").filter_with(of_same);
    let (found, _) = looked_for(pattern.skip(Skip::ToFirst("c")), "a1 c1 a2 c2 b2 b1");
    assert_eq!(found, ["a1 c1 b1", "a2 c2 b2"]);
}

#[test]
fn a_partial_match_times_out_once_however_it_could_have_gone_on() {
    let pattern = a().followed_by("b").filter(is('b')).optional().followed_by("c").filter(is('c'));
    let (found, timed_out) = looked_for(pattern.within(millis(10)), "a1@1 x@2 a2@5 c@11 b@14");
    assert_eq!(found, ["a2 c"]);
    assert_eq!(timed_out, ["a1", "a2 b"]);
}

#[test]
fn runs_of_another_pattern_are_given_up_and_events_that_wait_are_not() {
    // Two operators on one row: as after a restore with a program whose pattern is another one.
    let machine = |pattern: Pattern<Event>| pattern.machine("pattern").unwrap();
    let (before, after) =
        (machine(a().next("b").filter(is('b'))), machine(a().followed_by("b").filter(is('b'))));
    let mut runs = <super::run::Runs<u8, Event> as crate::state::State>::initial();
    let at = EventTime::from_millis;
    assert!(!runs.fit(&before));
    runs.happen(&before, ('a', 1), at(1), &mut |_| {});
    runs.waiting.insert(at(2), vec![('b', 1)]);
    assert!(runs.fit(&after) && !runs.fit(&after));
    let mut found = 0;
    runs.happen(&after, ('b', 1), at(2), &mut |_| found += 1);
    assert_eq!((found, runs.waiting.len()), (0, 1));
}

#[test]
fn a_pattern_that_can_not_be_is_refused_by_the_name_of_its_step() {
    let refused = |pattern: Pattern<Event>, what: &str| {
        let error = pattern.machine("thefts").map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert_eq!(error.to_string(), format!("the pattern \"thefts\" {what}"));
    };
    refused(a().next("a"), "has two steps \"a\"");
    refused(a().optional().not_next("b"), "has \"b\", which must not come, behind the optional step \"a\"");
    refused(a().not_followed_by("b"), "ends with \"b\", which must never come, and so never ends");
    refused(
        a().not_followed_by("b").not_next("c").next("d"),
        "has `not_next(\"c\")` behind `not_followed_by(\"b\")`",
    );
    refused(
        a().not_next("b").one_or_more(),
        "has a step \"b\" that must not come and is taken several times",
    );
    refused(a().not_next("b").optional(), "has a step \"b\" that must not come and is optional");
    refused(a().times(2).one_or_more(), "says twice how often the step \"a\" is taken");
    refused(a().times(0), "has a step \"a\" that is taken no times");
    refused(a().times(3..3), "has a step \"a\" that is taken no times");
    refused(a().greedy(), "has a step \"a\" that is greedy and taken once");
    refused(a().consecutive(), "has a step \"a\" that is taken once and whose events are consecutive");
    refused(
        a().one_or_more().consecutive().allow_combinations(),
        "has a step \"a\" whose events are consecutive, and any of several",
    );
    for pattern in
        [a().one_or_more().greedy().allow_combinations(), a().one_or_more().allow_combinations().greedy()]
    {
        refused(pattern, "has a step \"a\" that is greedy, and may leave out any of its events");
    }
    refused(a().times(2).until(is('b')), "has a step \"a\" with an end and without a loop");
    refused(a().one_or_more().until(is('b')).until(is('c')), "has a step \"a\" whose loop has two ends");
    refused(a().skip(Skip::ToLast("b")), "skips to \"b\", and takes nothing so called");
    refused(a().within(millis(0)), "is over before it begins");
}

#[test]
fn events_at_the_ends_of_time_are_matched_and_one_without_a_time_is_late() {
    let year_9999 = 253_402_300_799_999;
    let pairs = a().next("b").filter(is('b')).within(millis(10));
    let mut harness =
        Harness::new(PatternMatch::of(pairs).unwrap(), |_: &Event| 0u8).unwrap().restore_after_every_step();
    let at = EventTime::from_millis;
    harness.push(('a', 0), EventTime::MIN).unwrap();
    for (number, time) in (1..).zip([i64::MIN + 1, -year_9999, -1, year_9999, i64::MAX - 9]) {
        harness.push(('b', number), at(time + 1)).unwrap();
        harness.push(('a', number), at(time)).unwrap();
    }
    // Its time would be up behind the end of time, and is up there.
    harness.push(('a', 6), EventTime::MAX).unwrap();
    harness.advance_watermark(at(0)).unwrap();
    let found = |matches: Vec<Match<Event>>| matches.iter().map(spelled).collect::<Vec<_>>();
    assert_eq!(
        found(harness.take_output()),
        ["a1 b1", "a2 b2", "a3 b3"],
        "what is far ahead holds nothing up"
    );
    harness.advance_watermark(EventTime::MAX).unwrap();
    assert_eq!(found(harness.take_output()), ["a4 b4", "a5 b5"]);
    let aside = harness.take_side_output().into_iter().map(|aside| match aside {
        Aside::Late(event) => format!("late {}{}", event.0, event.1),
        Aside::TimedOut(partial) => format!("timed out {}", spelled(&partial)),
    });
    assert_eq!(aside.collect::<Vec<_>>(), ["late a0", "timed out a6"]);
    assert_eq!(harness.rows().unwrap(), 0);
}

#[test]
fn a_stream_refuses_a_pattern_that_can_not_be() {
    let job = crate::job::Job::new("payments");
    let payments = job.source("payments", crate::source::Memory::of(vec![('a', 1)])).key_by(|event| event.1);
    payments.pattern(a().greedy()).matches("thefts").discard();
    let error = job.finish().map(drop).unwrap_err();
    assert_eq!(error.to_string(), "the pattern \"thefts\" has a step \"a\" that is greedy and taken once");
}

fn is_b(event: &Event) -> bool {
    event.0 == 'b'
}

/// Every mark at once.
#[crate::pattern(crate = crate, within = "9ms", skip = to_last(rising))]
fn written(
    #[begin(|start| start.0 == 's')] start: Event,
    #[next] any: Event,
    #[followed_by(|event| event.0 == 'a' && event.1 > start.1 && rising.last().is_none_or(|last| event.1 > last.1))]
    #[times(2..)]
    #[greedy]
    #[until(|event| rising.len() > 1 && event.1 > 7)]
    rising: Vec<Event>,
    #[not_next(|event| event.0 == 'c')] _: (),
    #[not_followed_by(|event| matches!(rising.last(), Some(last) if event.1 == last.1))] _: (),
    #[followed_by(is_b)] both: [Event; 2],
    #[followed_by_any(|event| event.0 == 'd' && event.1 == any.1)] end: Option<Event>,
) -> (u32, char, Vec<u32>, u32, Option<u32>) {
    let rising = rising.into_iter().map(|event| event.1).collect();
    (start.1, any.0, rising, both[1].1, end.map(|event| event.1))
}

#[test]
fn a_pattern_that_is_written_as_a_function_finds_what_its_parameters_say() {
    let found = |input: &str| {
        let mut harness = Harness::new(PatternMatch::of(Written).unwrap(), |_: &Event| 0u8).unwrap();
        for (event, at) in events(input) {
            harness.push(event, at).unwrap();
        }
        harness.advance_watermark(EventTime::MAX).unwrap();
        harness.take_output()
    };
    let rising = || vec![2, 3];
    assert_eq!(found("s1 x5 a2 a1 a3 y b1 b2"), [(1, 'x', rising(), 2, None)]);
    assert_eq!(
        found("s1 x5 a2 a3 b8 b9 d5"),
        [(1, 'x', rising(), 9, None)],
        "the match gives up the longer one"
    );
    assert_eq!(found("s1 x5 a2 a3 y3 b1 b2"), [], "y3 must not come");
    assert_eq!(found("s1 x5 a2 a3 c b1 b2"), [], "c must not come next");
    assert_eq!(found("s1 x5 a2 a3 b1 b2@12"), [], "it takes too long");
}
