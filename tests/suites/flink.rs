//! Jobs on a real Flink cluster: a JobManager and two TaskManagers that the test starts. They commit what they do without Flink,
//! whoever is killed; and when they fail, Flink says why, in the job's words.
//!
//! `FLINK_HOME` names the distribution; without it the tests have nothing to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use crate::faults::Scene;
use crate::support::cluster::Cluster;
use crate::support::{Log, Outcome, Program, Random, reader};

/// The sessions in a log, found by the cluster.
fn web_visits(cluster: &Cluster, log: &Log, dir: &Path, parallelism: u32, more: &str) -> Program {
    let paths = log.write(dir);
    let program = cluster.submits(Program::example("web_visits"), parallelism).arg("--input");
    let program = paths.iter().fold(program, Program::arg);
    program.path("--output", &dir.join("sessions")).path("--rejects", &dir.join("rejects")).args(more)
}

fn check(log: &Log, dir: &Path) {
    assert_eq!(reader::sessions(&reader::results(&dir.join("sessions"))), log.sessions);
    let mut rejects: Vec<String> = reader::results(&dir.join("rejects"))
        .iter()
        .map(|reject| reject["text"].as_str().unwrap().to_string())
        .collect();
    rejects.sort();
    assert_eq!(rejects, log.bad_lines());
}

#[test]
fn web_visits_commits_the_same_sessions_at_any_parallelism_and_leaves_nothing_behind() {
    let Some(cluster) = Cluster::start(0) else { return };
    let log = Log::any();
    for parallelism in [1, 2, 4] {
        let dir = tempfile::tempdir().unwrap();
        let outcome = web_visits(&cluster, &log, dir.path(), parallelism, "").run().success();
        assert!(outcome.stderr.contains("finished"), "{outcome}");
        check(&log, dir.path());
    }
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}

#[test]
fn web_visits_commits_the_same_sessions_when_taskmanagers_are_killed() {
    let Some(cluster) = Cluster::start(20) else { return };
    let mut random = Random::seeded(6);
    let log = Log::any();
    let dir = tempfile::tempdir().unwrap();
    let rate = (log.lines.len() / 12).to_string();
    let mut running = web_visits(&cluster, &log, dir.path(), 2, "--max-rate").arg(rate).spawn();
    for _ in 0..2 {
        let seen = reader_files(&dir.path().join("sessions"));
        running.until("new results", || reader_files(&dir.path().join("sessions")) > seen);
        sleep(Duration::from_millis(random.below(1_000)));
        cluster.kill_taskmanager(1 + random.below(2));
    }
    let outcome = running.wait().success();
    assert!(outcome.stderr.contains("failed: "), "it has not noticed: {outcome}");
    check(&log, dir.path());
    cluster.end();
}

/// How many files readers see.
fn reader_files(dir: &Path) -> usize {
    let visible =
        |entry: std::io::Result<fs::DirEntry>| !entry.unwrap().file_name().to_string_lossy().starts_with('.');
    fs::read_dir(dir).map_or(0, |entries| entries.map(visible).filter(|is| *is).count())
}

#[test]
fn what_goes_wrong_in_a_job_is_said_in_its_words_and_the_taskmanagers_live_on() {
    let Some(cluster) = Cluster::start(1) else { return };
    let taskmanagers = cluster.taskmanagers();
    let scene = Scene::new();
    let job = |args: &str| -> Outcome {
        cluster
            .submits(Program::faulty(), 2)
            .path("--input", &scene.path("words.txt"))
            .path("--output", &scene.path("out"))
            .args(args)
            .run()
    };
    let outcome = job("--panic-at seiche");
    outcome.refused(1, &["operator \"count\"", "key group", "panicked: \"can't stand seiche\"", "faulty.rs"]);
    assert_eq!(cluster.taskmanagers(), taskmanagers);
    cluster.end();
}
