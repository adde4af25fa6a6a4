//! A job of several sources, one of which is broadcast: what it gives, also over failures and at another parallelism, and what Flink shows of it
//! while it runs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::Value;

use crate::support::cluster::{Cluster, job_of};
use crate::support::{Program, reader};

const ITEMS: [&str; 5] = ["ebb", "flood", "neap", "spring", "slack"];
const ORDERS: usize = 6_000;
const PRICES: usize = 6_000;

/// Two files of orders, which are the returns, too, but for those of a third; and prices.
struct Orders {
    dir: tempfile::TempDir,
}

impl Orders {
    fn new() -> Orders {
        let orders = Orders { dir: tempfile::tempdir().unwrap() };
        for (file, lines) in [("first", ORDERS), ("second", ORDERS), ("third", 100)] {
            let line = |n: usize| match n {
                // To be read when there is a checkpoint, and long before the end.
                _ if n == lines / 4 && file == "first" => "customer-0 storm 1\n".to_string(),
                _ if n % 50 == 7 => format!("customer-{n}, no order\n"),
                _ => format!("customer-{} {} {}\n", n % 83, ITEMS[(n * lines + n / 7) % 5], n % 11),
            };
            fs::write(orders.path(file), (0..lines).map(line).collect::<String>()).unwrap();
        }
        let price = |n: usize| format!("{} {}\n", ITEMS[n % 5], n * 7 % 1_000);
        fs::write(orders.path("prices"), (0..PRICES).map(price).collect::<String>()).unwrap();
        orders
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job, with results of its own directory.
    fn job(&self, program: Program, out: &str) -> Program {
        let program = program.arg("--orders").arg(self.path("first")).arg(self.path("second"));
        let program = program.arg("--returns").arg(self.path("third")).arg(self.path("second"));
        let rejects = self.path(&format!("{out}-rejects"));
        program
            .path("--prices", &self.path("prices"))
            .path("--output", &self.path(out))
            .path("--rejects", &rejects)
    }

    /// All bills, and how many lines were rejected.
    fn results(&self, out: &str) -> (Vec<String>, usize) {
        let mut bills: Vec<String> = reader::results(&self.path(out)).iter().map(Value::to_string).collect();
        bills.sort();
        (bills, reader::results(&self.path(&format!("{out}-rejects"))).len())
    }
}

/// On a cluster of which nothing else is asked meanwhile.
pub fn check(cluster: &Cluster) {
    let orders = Orders::new();
    orders.job(Program::billed(), "embedded").run().success();
    let expected = orders.results("embedded");
    assert!(expected.0.len() == 83 && expected.0[0].ends_with(&format!(",{PRICES}]")), "{expected:?}");
    for parallelism in [1, 4] {
        let out = format!("flink-{parallelism}");
        orders.job(cluster.submits(Program::billed(), parallelism), &out).run().success();
        assert_eq!(orders.results(&out), expected);
    }
    shown_while_it_runs(cluster, &orders);
    assert_eq!(orders.results("shown"), expected);
    over_a_failure_and_a_savepoint(cluster, &orders);
    assert_eq!(orders.results("legs"), expected);
}

/// At parallelism 2: Flink's own metrics count records and not frames, and ours are beside them.
fn shown_while_it_runs(cluster: &Cluster, orders: &Orders) {
    let until = orders.path("all-has-been-looked-at");
    let job = orders.job(cluster.submits(Program::billed(), 2), "shown").path("--until", &until);
    let mut running = job.spawn();
    let text = |file: &str| fs::read_to_string(orders.path(file)).unwrap();
    let rejected = |file: &str| text(file).lines().filter(|line| line.ends_with("no order")).count() as i64;
    let files = ["first", "second", "third", "second"];
    let lines: i64 = files.map(|file| text(file).lines().count() as i64).iter().sum();
    let rejects: i64 = files.map(rejected).iter().sum();
    let bytes = |file: &str| text(file).len() as i64;
    // Every price goes to both subtasks.
    let (orders_in, prices_out) = (lines - rejects, 2 * PRICES as i64);
    let expected = [
        ("Source: orders", "waiting.numRecordsIn", lines),
        ("Source: orders", "waiting.numRecordsOut", orders_in),
        ("Source: orders", "tidegate.stage.orders.recordsIn", 2 * ORDERS as i64),
        ("Source: orders", "tidegate.stage.returns.recordsIn", ORDERS as i64 + 100),
        ("Source: orders", "tidegate.stage.waiting.recordsIn", 0),
        ("Source: orders", "tidegate.stage.returns.bytesRead", bytes("third") + bytes("second")),
        ("bill", "bill.numRecordsIn", orders_in + prices_out),
        ("bill", "tidegate.stage.bill.recordsIn", orders_in + prices_out),
        ("bill", "tidegate.stage.bill.lateRecords", 0),
        ("Source: orders", "tidegate.stage.orders.output.rejects.recordsOut", 2 * rejected("first")),
    ];
    running.until_said("is submitted");
    let job = job_of(&running);
    let name = |vertex: &Value| vertex["name"].as_str().unwrap().to_string();
    let mut shown = Vec::new();
    let shows = |shown: &[(String, BTreeMap<String, i64>)], (vertex, metric, value): &(&str, &str, i64)| {
        let metrics =
            shown.iter().filter(|(name, _)| name.starts_with(vertex)).flat_map(|(_, metrics)| metrics);
        metrics.filter(|(id, _)| id.ends_with(metric)).map(|(_, shown)| *shown).collect::<Vec<_>>()
            == [*value]
    };
    let mut left = 400;
    running.until("its figures", || {
        let vertices = cluster.vertices(&job);
        shown = vertices.iter().map(|vertex| (name(vertex), cluster.metrics(&job, vertex))).collect();
        left -= 1;
        left == 0 || expected.iter().all(|expected| shows(&shown, expected))
    });
    for expected in &expected {
        assert!(shows(&shown, expected), "{expected:?} is not in {shown:#?}");
    }
    File::create(&until).unwrap();
    running.wait().success();
    // What is kept of a job that has ended.
    for vertex in cluster.vertices(&job) {
        let (read, sent) = match name(&vertex) {
            name if name.starts_with("Source: orders") => (lines, orders_in),
            name if name.starts_with("Source: prices") => (PRICES as i64, prices_out),
            _ => (orders_in + prices_out, 0),
        };
        let metrics = &vertex["metrics"];
        assert_eq!(
            (&metrics["read-records"], &metrics["write-records"]),
            (&read.into(), &sent.into()),
            "{vertex}"
        );
    }
}

/// At parallelism 2 a subtask panics in the middle and the job goes on from its last checkpoint; then it is stopped, and goes on at 1.
fn over_a_failure_and_a_savepoint(cluster: &Cluster, orders: &Orders) {
    let crashed = orders.path("crashed");
    let (restarts, rate) = ("--set restart-strategy.fixed-delay.attempts=1", ORDERS / 6);
    let job = orders.job(cluster.submits_with(restarts, Program::billed(), 2), "legs");
    let mut running = job.path("--crash-once", &crashed).args(&format!("--max-rate {rate}")).spawn();
    running.until_said("a storm has come");
    assert!(crashed.exists());
    let job = job_of(&running);
    running.until("a checkpoint behind the one that it goes on from", || {
        let latest = cluster.ask(&format!("GET /jobs/{job}/checkpoints"), "")["latest"].clone();
        let id = |of: &str| latest[of]["id"].as_i64();
        id("restored").is_some_and(|restored| id("completed") > Some(restored))
    });
    let savepoint = cluster.stop_with_savepoint(&running, &cluster.path("savepoints"));
    running.wait().success();
    assert_eq!(orders.results("legs").0, Vec::<String>::new());
    orders.job(cluster.resumes(Program::billed(), 1, &savepoint), "legs").run().success();
}
