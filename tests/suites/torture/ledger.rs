//! The [ledger](../jobs/ledger.rs), whose state has maps, lists, values that expire and timers, is killed a hundred times: at
//! random moments, and between two steps of snapshots, compaction and retention. Every life has another parallelism and
//! another store. Its bookings say what it remembered; a plain loop over the payments must say the same.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};
use tidegate::testing::crash;

use crate::support::{Program, Random, reader};

use super::{MODES, SIGABRT, SIGKILL};

const ACCOUNTS: u64 = 150;
const PAYMENTS: usize = 9_000;
const KILLS: usize = 100;
/// In no life can the job come further than this part of its way.
const LIFE_PART: f64 = 1.0 / 120.0;
/// No watermark is beyond this but the one at the end of the input.
const END: i64 = i64::MAX;

#[derive(Clone, Copy)]
struct Payment {
    at: i64,
    payee: u64,
    cents: i64,
}

/// What the payments are, and what the job has said of them so far.
pub struct Scene {
    dir: tempfile::TempDir,
    input: Vec<PathBuf>,
    payments: BTreeMap<u64, Vec<Payment>>,
    /// The bookings by the files in which a reader has seen them.
    seen: BTreeMap<PathBuf, Vec<Value>>,
    /// What is not asked for.
    unasked: &'static [&'static str],
}

impl Scene {
    /// One in whose directory payments, bookings and snapshots lie already: of a job that was killed long ago.
    pub fn found(dir: tempfile::TempDir) -> Scene {
        let input = ["a", "b", "c"].map(PathBuf::from);
        let mut payments = BTreeMap::<u64, Vec<Payment>>::new();
        for path in &input {
            for line in std::fs::read_to_string(dir.path().join(path)).unwrap().lines() {
                let numbers: Vec<i64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
                let [account, _, at, payee, cents] = numbers[..] else { panic!("{line:?} is no payment") };
                let payment = Payment { at, payee: payee as u64, cents };
                payments.entry(account as u64).or_default().push(payment);
            }
        }
        // It is kept for seven days of the clock on the wall.
        Scene { dir, input: input.into(), payments, seen: BTreeMap::new(), unasked: &["since"] }
    }

    fn new(random: &mut Random) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let mut payments = BTreeMap::<u64, Vec<Payment>>::new();
        let mut lines = vec![String::new(); 3];
        for n in 0..PAYMENTS as i64 {
            // Some accounts are asked for all the time, some hardly ever.
            let account = random.below(ACCOUNTS).min(random.below(ACCOUNTS));
            let at = n * 40 + random.below(1_500) as i64;
            let payment = Payment { at, payee: random.below(12), cents: random.below(40) as i64 };
            let of_account = payments.entry(account).or_default();
            of_account.push(payment);
            let place = of_account.len();
            lines[account as usize % 3] +=
                &format!("{account} {place} {at} {} {}\n", payment.payee, payment.cents);
        }
        let paths = ["a", "b", "c"].map(|name| dir.path().join(name));
        paths.iter().zip(lines).for_each(|(path, lines)| std::fs::write(path, lines).unwrap());
        Scene { dir, input: Vec::from(paths), payments, seen: BTreeMap::new(), unasked: &[] }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job, going on from where the last process came to, with another parallelism and another store.
    pub fn job(&self, random: &mut Random) -> Program {
        let stores = ["--state heap", "--state-memory 1KiB", "--state-memory 24KiB", "--state fjall"];
        let (store, parallelism) = (*random.one_of(&stores), 1 + random.below(3));
        let mode = random.one_of(&MODES);
        let program = Program::ledger()
            .in_dir(self.dir.path())
            .path("--output", &self.path("out"))
            .path("--snapshot-dir", &self.path("snapshots"))
            .args(&format!(
                "{store} {mode} --restore latest --parallelism {parallelism} --retain 2 --quiet --input"
            ));
        self.input.iter().fold(program, Program::arg)
    }

    /// What a reader sees while no process runs: nothing is gone.
    pub fn look(&mut self, after: &str) {
        let out = self.path("out");
        let paths: BTreeSet<PathBuf> = match out.read_dir() {
            Ok(entries) => entries.map(|entry| entry.unwrap().path()).collect(),
            Err(_) => BTreeSet::new(),
        };
        for path in self.seen.keys() {
            assert!(paths.contains(path), "{} is gone after {after}", path.display());
        }
        for path in paths {
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                self.seen
                    .entry(path)
                    .or_insert_with_key(|path| reader::lines(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }

    /// All bookings are there, none twice, and each says what a loop over the payments says.
    pub fn check(&self) {
        let number = |booking: &Value, name: &str| booking[name].as_i64().unwrap();
        let mut by_account = BTreeMap::<u64, BTreeMap<(bool, usize), &Value>>::new();
        for booking in self.seen.values().flatten() {
            let name = (booking["settled"].as_bool().unwrap(), number(booking, "place") as usize);
            let of_account = by_account.entry(number(booking, "account") as u64).or_default();
            assert!(of_account.insert(name, booking).is_none(), "booked twice: {booking}");
        }
        for (account, payments) in &self.payments {
            let bookings = by_account.remove(account).unwrap_or_default();
            assert_eq!(bookings.len(), 2 * payments.len(), "of account {account}");
            // When the payments were written, by the job's own word of how far event time had come.
            let watermark = |place: usize| number(bookings[&(false, place)], "watermark");
            let written: Vec<i64> =
                (1..).zip(payments).map(|(place, payment)| payment.at.max(watermark(place))).collect();
            for booking in bookings.values() {
                let (place, last) = (number(booking, "place"), number(booking, "last_place") as usize);
                let now = number(booking, "watermark");
                if booking["settled"] == false {
                    assert_eq!(place, last as i64, "{booking}");
                } else {
                    assert!(now >= payments[place as usize - 1].at + 10_000, "too early: {booking}");
                }
                let expected = remembered(&payments[..last], &written, now);
                let asked = |(name, _): &(&String, &Value)| !self.unasked.contains(&name.as_str());
                for (name, value) in expected.as_object().unwrap().iter().filter(asked) {
                    assert_eq!(&booking[name], value, "{name} in {booking}");
                }
            }
        }
        assert!(by_account.is_empty(), "accounts without payments: {by_account:?}");
    }
}

/// What the job remembers after these payments, when event time has come to `now`.
fn remembered(payments: &[Payment], written: &[i64], now: i64) -> Value {
    let mut by_payee = BTreeMap::new();
    let mut lately = BTreeMap::new();
    for ((place, payment), written) in (1..).zip(payments).zip(written) {
        match payment.cents {
            0 => by_payee.clear(),
            1 => drop(by_payee.remove(&payment.payee)),
            cents => *by_payee.entry(payment.payee).or_insert(0) += cents,
        }
        // A refresh never shortens a life: a payment that came late keeps the time of one that was ahead.
        let life =
            lately.get(&payment.payee).map_or(*written, |(_, before): &(i32, i64)| *written.max(before));
        lately.insert(payment.payee, (place, life));
    }
    let recent: Vec<i64> = payments.iter().map(|payment| payment.cents).collect();
    lately.retain(|_, (_, life)| *life + 20_000 > now);
    let open: Vec<usize> = (1..=payments.len()).filter(|place| written[place - 1] + 30_000 > now).collect();
    let lately: Vec<(u64, i32)> = lately.into_iter().map(|(payee, (place, _))| (payee, place)).collect();
    json!({
        "balance": payments.iter().map(|payment| payment.cents).sum::<i64>(),
        "by_payee": by_payee.into_iter().collect::<Vec<(u64, i64)>>(),
        "recent": recent[recent.len().saturating_sub(5)..],
        "since": payments[0].at,
        "lately": (now < END).then_some(lately),
        "open": (now < END).then_some(open),
    })
}

#[test]
fn a_ledger_killed_at_a_hundred_moments_remembers_what_a_loop_does() {
    let mut random = Random::of_test("a_ledger_killed_at_a_hundred_moments");
    let mut scene = Scene::new(&mut random);
    let mut crashed = BTreeMap::new();
    for kill in 1..=KILLS {
        // Every third life is to end between two steps, the points taken in turn; it lasts until it comes there.
        let point = (kill % 3 == 0).then(|| crash::POINTS[kill / 3 % crash::POINTS.len()]);
        let life = if point.is_some() { Duration::from_millis(1_000) } else { random.millis(20, 260) };
        let rate = (PAYMENTS as f64 * LIFE_PART / life.as_secs_f64()).max(1.0) as usize;
        let job = scene.job(&mut random).args(&format!("--max-rate {rate} --snapshot-interval 20ms"));
        let outcome = match point {
            None => {
                let running = job.spawn();
                sleep(life);
                running.kill()
            }
            Some(point) => {
                let armed = format!("{point}:{}", 1 + random.below(3));
                // A process that aborts may leave a core dump, which takes longer than all the rest.
                let mut running = job.env(crash::VARIABLE, &armed).within("ulimit -c 0; exec \"$@\"").spawn();
                running.wait_at_most(life);
                running.kill()
            }
        };
        if outcome.signal() == Some(SIGABRT) {
            *crashed.entry(point.unwrap_or_default()).or_insert(0) += 1;
        } else {
            assert_eq!(outcome.signal(), Some(SIGKILL), "it ended before kill {kill}: {outcome}");
        }
        scene.look(&format!("kill {kill}"));
    }
    eprintln!("{} files of bookings were seen; the job died at {crashed:?}", scene.seen.len());
    for point in [crash::DURING_RETENTION, crash::AFTER_RENAME] {
        assert!(crashed.contains_key(point), "it never died at {point}");
    }
    scene.job(&mut random).run().success();
    scene.look("the end");
    scene.check();
}
