//! Jobs that are killed, or stopped and gone on with, commit what they would have committed at one go.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use super::Visits;
use crate::support::cluster::Cluster;
use crate::support::{Log, Program, Random};

/// All slots of both TaskManagers are taken: whichever is killed, a part of the job is.
#[test]
fn taskmanagers_that_are_killed_five_times_cost_no_session_and_double_none() {
    let Some(cluster) = Cluster::start(100) else { return };
    let mut random = Random::seeded(6);
    let log = Log::any();
    let visits = Visits::of(&log);
    let mut running = visits.slow_job(cluster.submits(Program::example("web_visits"), 4), 20).spawn();
    for _ in 0..5 {
        let seen = visits.committed();
        running.until("new results", || visits.committed() > seen);
        sleep(Duration::from_millis(random.below(1_000)));
        cluster.kill_taskmanager(1 + random.below(2));
    }
    let outcome = running.wait().success();
    assert!(outcome.stderr.contains("failed: "), "it has not noticed: {outcome}");
    visits.assert_exact();
    // What one that was killed had left in its temporary directory is gone since another one needed the like.
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}

#[test]
fn a_job_that_is_stopped_with_a_savepoint_at_2_goes_on_at_1_and_at_4_and_commits_the_same() {
    let Some(cluster) = Cluster::start(0) else { return };
    let log = Log::any();
    let visits = Visits::of(&log);
    let mut from = String::new();
    for parallelism in [2, 1] {
        let submitted = cluster.submits_with(&from, Program::example("web_visits"), parallelism);
        let mut running = visits.slow_job(submitted, 12).spawn();
        let seen = visits.committed();
        running.until("new results", || visits.committed() > seen);
        let savepoint = cluster.stop_with_savepoint(&running, &cluster.path("savepoints"));
        running.wait().success();
        from = format!("--from-savepoint {}", savepoint.display());
    }
    assert!(visits.committed_sessions() < log.sessions.len(), "there is something left to do");
    visits.job(cluster.submits_with(&from, Program::example("web_visits"), 4)).run().success();
    visits.assert_exact();
    a_lost_jobmanager(cluster, &log);
}

/// `flink local` has no other one. Who follows the job is told what it can go on from.
fn a_lost_jobmanager(cluster: Cluster, log: &Log) {
    let visits = Visits::of(log);
    let flags = "--jobmanager-timeout 1s";
    let submitted = cluster.submits_with(flags, Program::example("web_visits"), 2);
    let mut running = visits.slow_job(submitted, 12).spawn();
    running.until("results", || visits.committed() > 0);
    // Who follows it looks twice a second.
    sleep(Duration::from_secs(2));
    let left = cluster.kill_jobmanager();
    let lost = running.wait().refused(1, &["does not answer", "without high availability"]);
    let (_, named) = lost.stderr.rsplit_once("--from-savepoint file:").unwrap_or_else(|| panic!("{lost}"));
    let (named, _) = named.split_once(", or from a later checkpoint beside it").unwrap();
    // Another one may have been completed since it was looked at.
    let beside = Path::new(named).parent().unwrap().read_dir().unwrap().map(|entry| entry.unwrap().path());
    let number = |checkpoint: &PathBuf| {
        let name = checkpoint.file_name().unwrap().to_string_lossy().into_owned();
        name.strip_prefix("chk-").and_then(|number| number.parse::<u64>().ok())
    };
    let complete = beside.filter(|checkpoint| checkpoint.join("_metadata").exists());
    let checkpoint = complete.max_by_key(number).unwrap_or_else(|| panic!("{named}"));
    assert!(number(&checkpoint) >= number(&PathBuf::from(named)), "{}", checkpoint.display());
    assert!(visits.committed_sessions() < log.sessions.len(), "there is something left to do");

    let Some(cluster) = Cluster::start(0) else { return };
    let job = cluster.resumes(Program::example("web_visits"), 2, &checkpoint);
    visits.job(job).run().success();
    visits.assert_exact();
    cluster.end();
    left.close().unwrap();
}
