//! `--mode batch`: the same results as streaming, all of them or none, and what it refuses.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::{Log, Outcome, Program, reader};

/// The results that an example leaves in `out`, in an order that does not depend on the order in which they came.
fn results(example: &str, args: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    Program::example(example)
        .in_dir(dir.path())
        .args(&format!("--output out --quiet {args}"))
        .run()
        .success();
    let mut rows: Vec<String> =
        reader::results(&dir.path().join("out")).iter().map(Value::to_string).collect();
    rows.sort_unstable();
    rows
}

#[track_caller]
fn assert_same_in_both_modes(example: &str, args: &str, parallelisms: &[u32]) {
    let streaming = results(example, &format!("{args} --parallelism 1"));
    assert!(!streaming.is_empty(), "{example} {args} has no results to compare");
    for parallelism in parallelisms {
        let batch = results(example, &format!("{args} --parallelism {parallelism} --mode batch"));
        assert_eq!(batch, streaming, "{example} {args} at parallelism {parallelism}");
    }
}

#[test]
fn the_examples_have_the_same_results_in_both_modes() {
    assert_same_in_both_modes("web_visits", "--rejects rejects", &[1, 3]);
    assert_same_in_both_modes("fraud", "--rejects rejects", &[1, 3]);
    assert_same_in_both_modes("components", "--rejects rejects", &[1, 3]);
}

#[test]
fn every_nexmark_query_has_the_same_results_in_both_modes() {
    for query in 0..=22 {
        // Of bids of one moment it is the order in which they come that decides which is the last.
        let parallelisms: &[u32] = if query == 18 { &[1] } else { &[3] };
        assert_same_in_both_modes("nexmark", &format!("q{query} --events 3000"), parallelisms);
    }
}

/// A batch of the access log that is still at work.
fn batch(dir: &Path, log: &Log, args: &str) -> Program {
    let input = log.write(dir).to_vec();
    let program = Program::example("web_visits")
        .in_dir(dir)
        .args(&format!("--output out --rejects rejects --mode batch {args} --input"));
    input.iter().fold(program, Program::arg)
}

#[test]
fn a_batch_that_is_stopped_or_killed_has_no_results_and_begins_anew() {
    let log = Log::any();
    let dir = tempfile::tempdir().unwrap();
    let nothing = |outcome: &Outcome| {
        assert!(reader::results(&dir.path().join("out")).is_empty(), "{outcome}");
        assert!(reader::results(&dir.path().join("rejects")).is_empty(), "{outcome}");
    };
    let slow = format!("--max-rate {}", log.lines.len() / 20);
    let running = batch(dir.path(), &log, &slow).spawn();
    std::thread::sleep(Duration::from_millis(1500));
    let outcome = running.terminate().refused(1, &["stopped before its input had ended", "hint: "]);
    nothing(&outcome);
    let running = batch(dir.path(), &log, &slow).spawn();
    std::thread::sleep(Duration::from_millis(700));
    nothing(&running.kill());
    batch(dir.path(), &log, "--quiet --parallelism 2").run().success();
    assert_eq!(reader::sessions(&reader::results(&dir.path().join("out"))), log.sessions);
}

#[test]
fn a_batch_refuses_snapshots_and_to_begin_anew_with_results_that_can_not_be_taken_back() {
    let web_visits = |args: &str| Program::example("web_visits").args(args).run();
    web_visits("--mode batch --snapshot-dir snapshots").refused(2, &["--snapshot-dir", "--mode batch"]);
    web_visits("--mode batch --restart fixed:3,1s").refused(2, &["the standard", "--restart", "hint: "]);
}
