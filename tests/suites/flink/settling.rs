//! When sinks do away with what an earlier run has left unfinished: when a job begins, and at no other time.

use std::fs;
use std::path::{Path, PathBuf};

use super::Visits;
use crate::support::cluster::Cluster;
use crate::support::{Log, Program, reader};

/// What a run that was killed has left of its ninth checkpoint.
fn left(dir: &Path, sink: &str) -> PathBuf {
    fs::create_dir_all(dir).unwrap();
    let left = dir.join(format!(".{sink}-s0000000009-0.pending"));
    fs::write(&left, "{\"left\":true}\n").unwrap();
    left
}

/// To look at the plan did it, too: then an earlier run could not be gone on with any more.
#[test]
fn what_an_earlier_run_has_left_goes_when_a_job_begins_and_not_when_its_plan_is_looked_at() {
    let Some(cluster) = Cluster::start(100) else { return };
    let log = Log::any();
    let visits = Visits::of(&log);
    // One of its sinks is behind the source, the other behind the exchange.
    let left = [left(&visits.sessions(), "sessions"), left(&visits.rejects(), "rejects")];
    let there = || left.each_ref().map(|left| left.exists());
    let program = Program::example("web_visits");
    let plan = cluster.plan(&program, &visits.words()).to_string();
    assert!(plan.contains("access-log") && plan.contains("sessions"), "{plan}");
    assert_eq!(there(), [true, true]);

    let mut running = visits.slow_job(cluster.submits(Program::example("web_visits"), 4), 15).spawn();
    running.until("what was left to go", || there() == [false, false]);
    // From here on what is unfinished is its own.
    for _ in 0..2 {
        let seen = visits.committed();
        running.until("new results", || visits.committed() > seen);
        cluster.plan(&program, &visits.words());
    }
    cluster.kill_taskmanager(1);
    let outcome = running.wait().success();
    assert!(outcome.stderr.contains("failed: "), "it has not noticed: {outcome}");
    visits.assert_exact();

    // Once more would be to show all again. It has restarts left, and none would help.
    let again = visits.job(cluster.submits(Program::example("web_visits"), 4)).run();
    again.refused(1, &["shows results of sink", "already", "starts afresh"]);
    visits.assert_exact();
    cluster.end();
}

/// A job without an exchange has its sinks settled, too.
pub fn check_without_exchange(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let answer = |program: Program, name: &str| {
        let out = dir.path().join(name);
        let left = left(&out, "q0");
        program.args("q0 --events 20000 --output").arg(&out).run().success();
        assert!(!left.exists());
        let mut rows: Vec<String> = reader::results(&out).iter().map(ToString::to_string).collect();
        rows.sort();
        rows
    };
    let expected = answer(Program::example("nexmark"), "embedded");
    assert!(expected.len() > 10_000, "{}", expected.len());
    assert!(answer(cluster.submits(Program::example("nexmark"), 2), "flink") == expected, "rows differ");
}
