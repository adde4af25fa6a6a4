//! A job that looks for a pattern is killed again and again, and goes on at another parallelism and with another store: every
//! match comes out once, and so does every partial match whose time is up, though most began in an earlier life.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::thread::sleep;

use tidegate::prelude::*;

use crate::support::{Program, Random, reader};

const SIGKILL: i32 = 9;

/// How far out of order payments are, at most.
pub const DISORDER: u64 = 200;

/// Of a theft: from the first payment to the last.
pub const WITHIN: u64 = 3_000;

/// A payment. No two of a card are of one time, so that their order is known.
#[event(time = at)]
#[derive(Clone, Debug)]
pub struct Payment {
    pub number: u64,
    pub card: u64,
    pub at: EventTime,
    pub kind: u64,
    pub amount: u64,
}

/// Payments one `step` ms after the other, by the splits in which they lie, each a little out of order.
pub fn payments(random: &mut Random, count: u64, cards: u64, step: u64, splits: usize) -> Vec<Vec<Payment>> {
    let mut placed: Vec<(u64, Payment)> = (0..count)
        .map(|number| {
            let at = number * step;
            let payment = Payment {
                number,
                card: random.below(cards),
                at: EventTime::from_millis(at as i64),
                // Few end an attempt.
                kind: [0, 0, 1, 1, 1, 2, 3, 3, 4, 4][random.below(10) as usize],
                amount: random.below(10),
            };
            (at + random.below(DISORDER), payment)
        })
        .collect();
    placed.sort_by_key(|(place, _)| *place);
    let mut dealt = vec![Vec::new(); splits];
    for (_, payment) in placed {
        dealt[random.below(splits as u64) as usize].push(payment);
    }
    dealt
}

/// What a loop over the payments finds: thefts, and attempts whose time was up, by the numbers of their payments.
///
/// A card is tried out; it is emptied by any larger payment, if none of kind 2 comes before that; and it is closed by the first
/// payment of kind 3 after that. An attempt waits for more until its time is up, also when it has been part of a theft.
pub fn expected(payments: &[Vec<Payment>]) -> (Vec<Vec<u64>>, Vec<Vec<u64>>) {
    let mut by_card = BTreeMap::<u64, Vec<&Payment>>::new();
    payments.iter().flatten().for_each(|payment| by_card.entry(payment.card).or_default().push(payment));
    let (mut thefts, mut attempts) = (Vec::new(), Vec::new());
    for mut of_card in by_card.into_values() {
        of_card.sort_by_key(|payment| payment.at);
        for (place, tried) in of_card.iter().enumerate().filter(|(_, tried)| tried.kind == 0) {
            let in_time = |payment: &&&Payment| payment.at < tried.at + millis(WITHIN);
            let after: Vec<_> = of_card[place + 1..].iter().take_while(in_time).collect();
            let refused = after.iter().position(|payment| payment.kind == 2);
            if refused.is_none() {
                attempts.push(vec![tried.number]);
            }
            for (place, emptied) in after[..refused.unwrap_or(after.len())].iter().enumerate() {
                if emptied.kind != 1 || emptied.amount <= tried.amount {
                    continue;
                }
                match after[place + 1..].iter().find(|payment| payment.kind == 3) {
                    Some(closed) => thefts.push(vec![tried.number, emptied.number, closed.number]),
                    None => attempts.push(vec![tried.number, emptied.number]),
                }
            }
        }
    }
    (thefts, attempts)
}

/// What is visible in a directory.
fn written(dir: &std::path::Path) -> Vec<Vec<u64>> {
    let lines = reader::results(dir);
    let numbers = |line: &serde_json::Value| serde_json::from_value(line["numbers"].clone()).unwrap();
    let mut written: Vec<Vec<u64>> = lines.iter().map(numbers).collect();
    written.sort();
    written
}

#[test]
fn a_pattern_job_killed_at_twenty_moments_gives_every_match_and_every_timeout_once() {
    let mut random = Random::of_test("a_pattern_job_killed_at_twenty_moments");
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // 40 s of event time, of which most lives come to one at most, and a partial match goes on for 3 s.
    let payments = payments(&mut random, 20_000, 100, 2, 3);
    let (mut thefts, mut attempts) = expected(&payments);
    thefts.sort();
    attempts.sort();
    assert!(thefts.len() > 1_000 && attempts.len() > 1_000);
    let input: Vec<PathBuf> = ["a", "b", "c"].iter().map(|name| path(name)).collect();
    for (path, payments) in input.iter().zip(&payments) {
        let line = |of: &Payment| {
            format!("{} {} {} {} {}\n", of.number, of.card, of.at.as_millis(), of.kind, of.amount)
        };
        std::fs::write(path, payments.iter().map(line).collect::<String>()).unwrap();
    }
    let job = |random: &mut Random, life: &str| {
        let stores = ["--state heap", "--state-memory 1KiB", "--state fjall"];
        let modes = ["aligned", "unaligned", "auto --alignment-timeout 1ms"]
            .map(|mode| format!("--snapshot-mode {mode}"));
        let flags = format!(
            "--restore latest --parallelism {} {} {} {life} --quiet --input",
            1 + random.below(4),
            random.one_of(&stores),
            random.one_of(&modes)
        );
        let job = Program::thefts()
            .in_dir(dir.path())
            .path("--output", &path("thefts"))
            .path("--attempts", &path("attempts"))
            .path("--snapshot-dir", &path("snapshots"))
            .args(&flags);
        input.iter().fold(job, Program::arg)
    };
    let mut seen = (0, 0);
    for kill in 1..=20 {
        let life = random.millis(60, 400);
        let rate = (20_000.0 / 40.0 / life.as_secs_f64()) as usize;
        let mut running = job(&mut random, &format!("--max-rate {rate} --snapshot-interval 20ms")).spawn();
        sleep(life);
        if kill % 4 == 0 {
            // On a busy machine no life might be long enough to come to anything.
            running.until("a timeout", || written(&path("attempts")).len() > seen.1);
        }
        let outcome = running.kill();
        assert_eq!(outcome.signal(), Some(SIGKILL), "it ended before kill {kill}: {outcome}");
        // What a reader sees is true, once, and never less than it was.
        for (name, expected, seen) in [("thefts", &thefts, &mut seen.0), ("attempts", &attempts, &mut seen.1)]
        {
            let written = written(&path(name));
            assert!(written.windows(2).all(|pair| pair[0] < pair[1]), "{name} twice after kill {kill}");
            let wrong = written.iter().find(|numbers| expected.binary_search(numbers).is_err());
            assert_eq!(wrong, None, "never happened, but among {name} after kill {kill}");
            assert!(written.len() >= *seen, "{name} are gone after kill {kill}");
            *seen = written.len();
        }
    }
    assert!(seen.0 > 0 && seen.1 > 0, "the job never came far enough to show anything: {seen:?}");
    job(&mut random, "").run().success();
    assert_eq!(written(&path("thefts")), thefts);
    assert_eq!(written(&path("attempts")), attempts);
}
