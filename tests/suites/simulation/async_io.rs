//! Asking something outside of the job: answers that come late, out of order, after some attempts, or never.
//!
//! How a server behaves about a record is decided by the seed and the record alone, so a plain loop knows what must come of it,
//! however often the job is killed and asks again.

use std::collections::HashMap;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tidegate::async_io::{Asking, Failure, LookupCache, Retry, blocking};
use tidegate::prelude::*;
use tidegate::testing::TestJob;

use super::{Dribble, Random, Scenario, assert_same, under_seeds, under_seeds_all_aligned};

#[event(time = at)]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    number: u64,
    at: EventTime,
}

/// Orders with numbers of their own, up to 10 ms out of order.
fn orders(random: &mut Random, most: u64) -> Vec<Vec<Order>> {
    let splits = 1 + random.below(4);
    let mut split = |split: u64| {
        let count = random.below(most);
        let mut order = |place: u64| {
            let at = EventTime::from_millis((3 * place + random.below(10)) as i64);
            Order { number: split + splits * place, at }
        };
        (0..count).map(&mut order).collect()
    };
    (0..splits).map(&mut split).collect()
}

/// What a server says about orders.
#[derive(Clone)]
struct Server {
    seed: u64,
    /// How often it has been asked about each.
    asked: Arc<Mutex<HashMap<u64, u32>>>,
}

/// How it behaves about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    /// It answers.
    Answers,
    /// It answers when it has failed so often.
    AnswersAfter(u32),
    Fails,
    Hangs,
}

const RETRIES: u32 = 3;
const TIMEOUT_MS: u64 = 150;

/// An order, and what was said of it.
type Said = (u64, String);

impl Server {
    fn of(seed: u64) -> Server {
        Server { seed, asked: Arc::default() }
    }

    fn random(&self, number: u64) -> Random {
        Random::seeded(self.seed ^ (number << 20))
    }

    fn behaviour(&self, number: u64) -> Behaviour {
        match self.random(number).below(150) {
            0 => Behaviour::Hangs,
            1..5 => Behaviour::Fails,
            5..30 => Behaviour::AnswersAfter(1 + number as u32 % RETRIES),
            _ => Behaviour::Answers,
        }
    }

    /// Answers after some polls, or as it behaves.
    async fn ask(self, order: Order) -> Result<Said, String> {
        let number = order.number;
        let attempt = {
            let mut asked = self.asked.lock().unwrap();
            let asked = asked.entry(number).or_insert(0);
            *asked += 1;
            *asked
        };
        let mut left = self.random(number ^ (u64::from(attempt) << 40)).below(7);
        poll_fn(|cx| {
            left = left.saturating_sub(1);
            cx.waker().wake_by_ref();
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        match self.behaviour(number) {
            Behaviour::Hangs => pending().await,
            Behaviour::Fails => Err("no".to_string()),
            Behaviour::AnswersAfter(failures) if attempt <= failures => Err("not yet".to_string()),
            Behaviour::AnswersAfter(_) | Behaviour::Answers => Ok((number, "yes".to_string())),
        }
    }

    fn asks(&self) -> impl Fn(Order) -> Ask + Clone + Send + Sync + use<> {
        let server = self.clone();
        move |order| Box::pin(server.clone().ask(order))
    }

    fn says(&self, order: &Order) -> Said {
        let said = match self.behaviour(order.number) {
            Behaviour::Answers | Behaviour::AnswersAfter(_) => "yes".to_string(),
            Behaviour::Fails => failed(),
            // It hangs at every attempt: the first never comes to an end.
            Behaviour::Hangs => timed_out(),
        };
        (order.number, said)
    }
}

type Ask = Pin<Box<dyn Future<Output = Result<Said, String>>>>;
type AskNumber = Pin<Box<dyn Future<Output = Result<u64, &'static str>>>>;

fn failed() -> String {
    format!("no ({} attempts)", RETRIES + 1)
}

fn timed_out() -> String {
    format!("no answer in {TIMEOUT_MS}ms")
}

/// Asks as the seed wants it.
macro_rules! settled {
    ($asking:expr, $seed:expr) => {{
        let seed: u64 = $seed;
        let asking: Asking<_, _, _> = $asking;
        let asking = if seed.is_multiple_of(2) { asking.ordered() } else { asking.unordered() };
        let retry = if seed.is_multiple_of(3) {
            Retry::fixed(RETRIES, millis(2))
        } else {
            Retry::exponential(RETRIES, millis(1))
        };
        asking.capacity([1, 2, 7, 40][(seed / 2 % 4) as usize]).timeout(millis(TIMEOUT_MS)).retry(retry)
    }};
}

#[state(key = u64)]
#[derive(Default)]
struct Seen {
    times: u64,
}

/// Passes on what was said; nothing comes behind the watermark that its order came before.
#[operator]
fn pass(said: Said, seen: &mut Seen, cx: &mut Context<Pass>) -> Said {
    assert!(!cx.is_late(), "what was said of {} comes behind {}", said.0, cx.watermark());
    seen.times += 1;
    assert_eq!(seen.times, 1, "what was said of {} came twice", said.0);
    said
}

#[test]
fn what_a_server_says_comes_once_and_no_watermark_passes_it_however_the_job_is_killed_and_rescaled() {
    under_seeds("what_a_server_says_comes_once", 24, |random, scenario| {
        let (splits, server, results) = (orders(random, 200), Server::of(scenario.seed), Collect::new());
        let run = scenario.run(|job| {
            let orders = job
                .source("orders", Dribble::of(splits.clone(), scenario.seed))
                .watermarks(Watermarks::bounded(millis(10)));
            settled!(orders.async_map("ask", server.asks()), scenario.seed)
                .or_else(|order, failure| (order.number, failure.to_string()))
                .key_by(|said| said.0)
                .process("pass", Pass)
                .sink("said", results.clone());
            Ok(())
        });
        assert_same(results.take(), splits.concat().iter().map(|order| server.says(order)).collect());
        run
    });
}

#[operator]
fn echo(order: Order, seen: &mut Seen) -> Order {
    seen.times += 1;
    order
}

#[test]
fn two_servers_in_the_chain_of_a_keyed_stage_are_asked_about_everything_and_what_they_do_not_know_is_rejected()
 {
    under_seeds("two_servers_in_the_chain", 24, |random, scenario| {
        let splits = orders(random, 200);
        let (first, second) = (Server::of(scenario.seed), Server::of(!scenario.seed));
        let (results, failures) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let orders = job
                .source("orders", Dribble::of(splits.clone(), scenario.seed))
                .watermarks(Watermarks::bounded(millis(10)))
                .key_by(|order| order.number)
                .process("echo", Echo);
            let ask = first.asks();
            let known = move |order: Order| {
                let answer = ask(order.clone());
                async move { answer.await.map(|_| order) }
            };
            let (known, unknown) = settled!(orders.async_map("first", known), scenario.seed).or_reject();
            settled!(known.async_map("second", second.asks()), scenario.seed / 5)
                .or_else(|order, failure| (order.number, failure.to_string()))
                .sink("said", results.clone());
            unknown
                .map(|(order, failure): (Order, Failure<String>)| (order.number, failure.to_string()))
                .sink("unknown", failures.clone());
            Ok(())
        });
        let knows = |order: &&Order| {
            matches!(first.behaviour(order.number), Behaviour::Answers | Behaviour::AnswersAfter(_))
        };
        let orders = splits.concat();
        let (known, unknown): (Vec<&Order>, Vec<&Order>) = orders.iter().partition(knows);
        assert_same(results.take(), known.into_iter().map(|order| second.says(order)).collect());
        assert_same(failures.take(), unknown.into_iter().map(|order| first.says(order)).collect());
        run
    });
}

#[test]
fn in_order_answers_are_in_the_order_of_their_records_also_after_a_restore() {
    under_seeds_all_aligned("in_order_answers_are_in_the_order", 16, |random, scenario| {
        let orders = orders(random, 500).swap_remove(0);
        let (server, results) = (Server::of(scenario.seed), Collect::new());
        let scenario = Scenario { workers: vec![1], ..scenario.clone() };
        let run = scenario.run(|job| {
            let orders = job.source("orders", Dribble::of(vec![orders.clone()], scenario.seed));
            settled!(orders.async_map("ask", server.asks()), scenario.seed)
                .ordered()
                .or_else(|order, failure| (order.number, failure.to_string()))
                .sink("said", results.clone());
            Ok(())
        });
        let expected: Vec<Said> = orders.iter().map(|order| server.says(order)).collect();
        assert!(results.take() == expected, "in another order, or others");
        run
    });
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick {
    at: i64,
    /// Promises that what follows is younger.
    watermark: Option<i64>,
}

#[state(key = u8)]
#[derive(Default)]
struct Nothing {
    _nothing: (),
}

#[operator]
fn tell_late(tick: Tick, _nothing: &mut Nothing, cx: &mut Context<TellLate>) -> (Tick, bool) {
    let late = cx.is_late();
    (tick, late)
}

#[test]
fn what_was_late_when_it_came_is_late_when_it_has_been_asked_about_and_nothing_else_is() {
    under_seeds("what_was_late_when_it_came", 16, |random, scenario| {
        // Where there is a single channel it is certain what is late.
        let scenario = Scenario { workers: vec![1], ..scenario.clone() };
        let mut watermark = i64::MIN;
        let mut expected = Vec::new();
        let ticks: Vec<Tick> = (0..200 + random.below(300))
            .map(|place| {
                let at = (10 * place + random.below(60)) as i64;
                let carried = (random.below(4) == 0).then_some(at - 8);
                let tick = Tick { at, watermark: carried };
                expected.push((tick.clone(), at <= watermark));
                watermark = watermark.max(carried.unwrap_or(watermark));
                tick
            })
            .collect();
        let (server, results) = (Server::of(scenario.seed), Collect::new());
        let run = scenario.run(|job| {
            let ticks = job.source("ticks", Dribble::of(vec![ticks.clone()], scenario.seed)).event_time(
                |tick| EventTime::from_millis(tick.at),
                Watermarks::punctuated(|tick: &Tick| tick.watermark.map(EventTime::from_millis)),
            );
            let ask = server.asks();
            let known = move |tick: Tick| {
                let answer = ask(Order { number: tick.at as u64, at: EventTime::MIN });
                async move { answer.await.map(|_| tick) }
            };
            settled!(ticks.async_map("ask", known), scenario.seed)
                .or_else(|tick, _| tick)
                .key_by(|_| 0u8)
                .process("tell-late", TellLate)
                .sink("ticks", results.clone());
            Ok(())
        });
        assert!(expected.iter().filter(|(_, late)| *late).count() > 5);
        assert_same(results.take(), expected);
        run
    });
}

#[test]
fn calls_that_wait_are_made_one_after_another_under_virtual_time() {
    under_seeds_all_aligned("calls_that_wait_are_made", 8, |random, scenario| {
        let (splits, results) = (orders(random, 300), Collect::new());
        let run = scenario.run(|job| {
            let call = blocking(
                4,
                |order: &Order| if order.number.is_multiple_of(3) { Err("no") } else { Ok(order.number) },
            );
            job.source("orders", Dribble::of(splits.clone(), scenario.seed))
                .async_map("call", call)
                .or_else(|order, _| order.number + 1_000_000)
                .sink("numbers", results.clone());
            Ok(())
        });
        let expected = splits.concat().into_iter().map(|order| order.number);
        assert_same(results.take(), expected.map(|n| if n % 3 > 0 { n } else { n + 1_000_000 }).collect());
        run
    });
}

/// What a table has of a key: nothing, one value, or several.
fn found(key: u32) -> Vec<String> {
    (0..key % 4).map(|row| format!("{key}.{row}")).collect()
}

#[test]
fn every_order_is_joined_with_all_that_a_table_has_of_its_key_whatever_is_remembered() {
    under_seeds_all_aligned("every_order_is_joined", 16, |random, scenario| {
        let (splits, joined, lone) = (orders(random, 300), Collect::new(), Collect::new());
        let key = |order: &Order| (order.number % 50) as u32;
        let seed = scenario.seed;
        let run = scenario.run(|job| {
            let server = Server::of(seed);
            let lookup = move |key: u32| {
                let answer = server.clone().ask(Order { number: key.into(), at: EventTime::MIN });
                async move { answer.await.map(|_| found(key)) }
            };
            let declared = match seed % 3 {
                0 => LookupCache::of(20),
                1 => LookupCache::of(1000).expire_after_write(millis(30)),
                _ => LookupCache::of(1000).expire_after_access(millis(5)).found_only(),
            };
            let orders = job.source("orders", Dribble::of(splits.clone(), seed));
            let (orders, copies) = orders.tee();
            settled!(orders.lookup_join("inner", key, lookup.clone()).cache(declared).inner(), seed)
                .or_else(|order, _| (order, "?".to_string()))
                .sink("joined", joined.clone());
            settled!(copies.lookup_join("outer", key, lookup).cache(declared).left_outer(), seed / 3)
                .or_else(|order, _| (order, Some("?".to_string())))
                .sink("lone", lone.clone());
            Ok(())
        });
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        for order in splits.concat() {
            let key = key(&order);
            let known =
                !matches!(Server::of(seed).behaviour(key.into()), Behaviour::Fails | Behaviour::Hangs);
            let found = if known { found(key) } else { vec!["?".to_string()] };
            if found.is_empty() {
                outer.push((order.clone(), None));
            }
            outer.extend(found.iter().map(|value| (order.clone(), Some(value.clone()))));
            inner.extend(found.into_iter().map(|value| (order.clone(), value)));
        }
        assert_same(joined.take(), inner);
        assert_same(lone.take(), outer);
        run
    });
}

/// The error of a job that asks about one record.
fn error_of(ask: impl Fn(u64) -> AskNumber + Clone + Send + Sync + 'static) -> String {
    let job = TestJob::new("failing", |job| {
        job.source("numbers", Memory::of(vec![1, 2, 3]))
            .async_map("ask", ask)
            .timeout(millis(50))
            .retry(Retry::fixed(1, millis(1)))
            .or_fail()
            .discard();
        Ok(())
    });
    format!("{:#}", job.unwrap().run().unwrap_err())
}

#[test]
fn a_job_without_an_answer_fails_and_says_which_operator_and_which_record() {
    let fails = error_of(|n| Box::pin(async move { if n == 2 { Err("404") } else { Ok(n) } }));
    let begins = "operator \"ask\" has no answer about the record 2: 404 (2 attempts)\n  hint: ask again, `.retry(..)`";
    assert!(fails.starts_with(begins), "{fails}");
    let hangs = error_of(|n| Box::pin(async move { if n == 3 { pending().await } else { Ok(n) } }));
    let begins =
        "operator \"ask\" has no answer about the record 3: no answer in 50ms\n  hint: give it more time";
    assert!(hangs.starts_with(begins), "{hangs}");
    let panics = error_of(|n| Box::pin(async move { if n == 2 { panic!("boom") } else { Ok(n) } }));
    let begins = "operator \"ask\", asking about the record 2, panicked: \"boom\"";
    assert!(panics.starts_with(begins), "{panics}");
}
