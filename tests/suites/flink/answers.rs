//! Whatever the parallelism, jobs give on Flink what they give without it, and what Flink itself gave, where that is known.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Visits;
use crate::nexmark::{Answer, made_up, unzstd};
use crate::support::cluster::Cluster;
use crate::support::log::shared;
use crate::support::{Log, Program, reader};

const PARALLELISMS: [u32; 3] = [1, 2, 4];

#[test]
fn jobs_give_on_flink_what_they_give_without_it_at_any_parallelism_and_leave_nothing_behind() {
    let Some(cluster) = Cluster::start(0) else { return };
    web_visits(&cluster);
    fraud(&cluster);
    nexmark(&cluster);
    super::billed::check(&cluster);
    super::settling::check_without_exchange(&cluster);
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}

fn web_visits(cluster: &Cluster) {
    let log = Log::any();
    for parallelism in PARALLELISMS {
        let visits = Visits::of(&log);
        let outcome =
            visits.job(cluster.submits(Program::example("web_visits"), parallelism)).run().success();
        assert!(outcome.stderr.contains("finished"), "{outcome}");
        visits.assert_exact();
    }
}

fn fraud(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let to = |program: Program, name: &str| {
        let charges = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/fraud/charges.jsonl");
        let program = program.path("--input", &charges).path("--output", &dir.path().join(name));
        program.path("--rejects", &dir.path().join(format!("{name}-rejects"))).run().success();
        let results = |name: &str| {
            let mut results: Vec<String> =
                reader::results(&dir.path().join(name)).iter().map(Value::to_string).collect();
            results.sort();
            results
        };
        (results(name), results(&format!("{name}-rejects")))
    };
    let expected = to(Program::example("fraud"), "embedded");
    assert!(expected.0.len() >= 3 && expected.1.len() == 1, "{expected:?}");
    for parallelism in PARALLELISMS {
        let submitted = cluster.submits(Program::example("fraud"), parallelism);
        assert_eq!(to(submitted, &format!("flink-{parallelism}")), expected);
    }
}

/// A join, sliding windows with state outside of keys behind them, a co-group, sessions, and the last of each key.
const QUERIES: [&str; 5] = ["q3", "q5", "q8", "q11", "q18"];

fn nexmark(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let reference = shared().map(|shared| shared.join("reference/nexmark"));
    let events = match &reference {
        Some(reference) => reference.join("events.jsonl.zst"),
        None => {
            let events = dir.path().join("events.jsonl");
            fs::write(&events, made_up("--events 20000 --seed 7").join("\n") + "\n").unwrap();
            events
        }
    };
    for query in QUERIES {
        let answer = |program: Program, name: &str| {
            let out = dir.path().join(format!("{query}-{name}"));
            let job = program.arg(query).path("--input", &events).path("--output", &out);
            job.args("--format csv").run().success();
            Answer::written(&out)
        };
        let expected = match &reference {
            Some(reference) => Answer::of(&unzstd(&reference.join(format!("results/{query}.csv.zst")))),
            None => answer(Program::example("nexmark"), "embedded"),
        };
        for parallelism in PARALLELISMS {
            let found =
                answer(cluster.submits(Program::example("nexmark"), parallelism), &format!("{parallelism}"));
            found.must_be(&expected, &format!("{query} at parallelism {parallelism}"));
        }
    }
}
