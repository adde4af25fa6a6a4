//! Every example gives on its input what a plain loop over all of it gives, at every parallelism.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::log::shared;
use crate::support::{Log, Outcome, Program, reader, skip};

const PARALLELISMS: [u32; 3] = [1, 2, 4];

/// A file that is shipped with the examples.
fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(path)
}

/// Runs an example without any argument but these.
fn run(example: &str, parallelism: u32, args: &str) -> Outcome {
    Program::example(example).args(args).arg("--parallelism").arg(parallelism.to_string()).run().success()
}

/// JSON values in an order that does not depend on the order in which they came.
fn sorted(values: impl IntoIterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<_> = values.into_iter().collect();
    values.sort_by_cached_key(Value::to_string);
    values
}

/// The records among the lines on the standard error, which holds the job's own words too.
fn records(stderr: &str) -> Vec<Value> {
    stderr
        .lines()
        .filter(|line| line.starts_with('{'))
        .flat_map(|line| reader::lines(&format!("{line}\n")))
        .collect()
}

/// The records in a file of JSON lines, and the number of the one line that is none.
fn parsed(path: &Path) -> (Vec<Value>, u64) {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        match serde_json::from_str::<Value>(line) {
            // JSON, but no amount of money.
            Ok(value) if value["cents"].as_i64().is_some_and(|cents| cents < 0) => bad.push(number),
            Ok(value) => good.push(value),
            Err(_) => bad.push(number),
        }
    }
    assert_eq!(bad.len(), 1, "{}", path.display());
    (good, bad[0])
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

#[test]
fn web_visits_prints_the_sessions_in_the_shipped_log_and_what_is_no_log_entry() {
    let path = shipped("web_visits/access.log");
    let log = Log::shipped(&path);
    assert_eq!(log.lines.len(), 60);
    for parallelism in PARALLELISMS {
        let outcome = run("web_visits", parallelism, "");
        assert_eq!(reader::sessions(&reader::lines(&outcome.stdout)), log.sessions);
        let rejects = records(&outcome.stderr);
        assert_eq!(rejects.len(), 1, "{outcome}");
        assert_eq!(rejects[0]["text"], json!(log.bad_lines()[0]));
        assert_eq!(rejects[0]["reason"], "the user agent has no closing quote");
    }
}

#[test]
fn fraud_prints_an_alert_for_every_small_charge_that_a_large_one_follows() {
    let (charges, bad_line) = parsed(&shipped("fraud/charges.jsonl"));
    let mut expected = Vec::new();
    let mut by_card = BTreeMap::<&str, Vec<&Value>>::new();
    for charge in &charges {
        by_card.entry(text(&charge["card"])).or_default().push(charge);
    }
    for (card, charges) in by_card {
        // From every large charge back to the last small one, unless another large one has answered that.
        for (place, large) in
            charges.iter().enumerate().filter(|(_, charge)| number(&charge["cents"]) > 50_000)
        {
            let is_small = |charge: &&&Value| number(&charge["cents"]) < 100;
            let Some(small) = charges[..place].iter().rev().find(is_small) else { continue };
            let in_time = |charge: &Value| number(&charge["at"]) - number(&small["at"]) <= 60_000;
            let answered = charges[..place].iter().any(|charge| {
                number(&charge["cents"]) > 50_000
                    && number(&charge["at"]) > number(&small["at"])
                    && in_time(charge)
            });
            if in_time(large) && !answered {
                expected.push(json!({
                    "card": card,
                    "small_cents": small["cents"],
                    "small_at": small["at"],
                    "large_cents": large["cents"],
                    "large_at": large["at"],
                }));
            }
        }
    }
    let expected = sorted(expected);
    assert!(expected.len() >= 3, "{expected:?}");
    for parallelism in PARALLELISMS {
        let outcome = run("fraud", parallelism, "");
        assert_eq!(sorted(reader::lines(&outcome.stdout)), expected);
        let rejects = records(&outcome.stderr);
        assert_eq!(rejects.iter().map(|reject| &reject["line"]).collect::<Vec<_>>(), [bad_line]);
    }
}

#[test]
fn traffic_prints_the_sum_of_every_link_and_ten_seconds_and_alerts_beside() {
    let (transfers, bad_line) = parsed(&shipped("traffic/transfers.jsonl"));
    let mut bytes = BTreeMap::<(&str, i64), i64>::new();
    for transfer in &transfers {
        let from = number(&transfer["at"]) / 10_000 * 10_000;
        *bytes.entry((text(&transfer["link"]), from)).or_default() += number(&transfer["bytes"]);
    }
    let sums = sorted(
        bytes.iter().map(|(&(link, from), bytes)| json!({"link": link, "from": from, "bytes": bytes})),
    );
    for (args, threshold) in [("", 1_000_000), ("--threshold 100000", 100_000)] {
        let above = bytes.iter().filter(|(_, bytes)| **bytes > threshold);
        let alerts = above.map(|(&(link, from), bytes)| {
            json!({"link": link, "from": from, "bytes": bytes, "threshold": threshold})
        });
        let alerts = sorted(alerts);
        assert!(!alerts.is_empty() && alerts.len() < sums.len());
        for parallelism in PARALLELISMS {
            let outcome = run("traffic", parallelism, args);
            assert_eq!(sorted(reader::lines(&outcome.stdout)), sums);
            let (rejected, alerted): (Vec<_>, Vec<_>) =
                records(&outcome.stderr).into_iter().partition(|record| record.get("reason").is_some());
            assert_eq!(sorted(alerted), alerts);
            assert_eq!(rejected.iter().map(|reject| &reject["line"]).collect::<Vec<_>>(), [bad_line]);
        }
    }
}

#[test]
fn examples_write_the_same_into_directories_as_they_print() {
    let dir = tempfile::tempdir().unwrap();
    let examples = [("web_visits", "sessions"), ("fraud", "alerts"), ("traffic", "sums")];
    let modes = ["aligned", "unaligned"];
    for ((example, sink), mode) in examples.into_iter().flat_map(|example| modes.map(|mode| (example, mode)))
    {
        let dir = dir.path().join(format!("{example}-{mode}"));
        let (out, snapshots) = (dir.join("out"), dir.join("snapshots"));
        let printed = run(example, 1, "--quiet").stdout;
        let flags = format!("--quiet --snapshot-interval 1ms --snapshot-mode {mode}");
        let program = Program::example(example).args(&flags).path("--output", &out);
        let program = match example {
            "traffic" => program,
            _ => program.path("--rejects", &dir.join("rejects")),
        };
        let outcome = program.path("--snapshot-dir", &snapshots).run().success();
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "--quiet is quiet");
        assert_eq!(written(&out, sink), sorted(reader::lines(&printed)), "{example}");
    }
}

/// What a sink has written into a directory, in an order of its own.
fn written(out: &Path, sink: &str) -> Vec<Value> {
    let files = out.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let of_sink = files.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with(sink));
    sorted(of_sink.flat_map(|path| reader::lines(&std::fs::read_to_string(path).unwrap())))
}

/// The number of the newest complete snapshot in a directory.
fn newest(snapshots: &Path) -> u64 {
    let names = snapshots.read_dir().into_iter().flatten().map(|entry| entry.unwrap().file_name());
    let numbers = names.filter_map(|name| name.to_str()?.strip_prefix("snapshot-")?.parse().ok());
    numbers.max().unwrap_or(0)
}

/// Every store and every kind of snapshot.
fn stores_and_modes() -> impl Iterator<Item = (&'static str, &'static str)> {
    ["heap", "fjall"].into_iter().flat_map(|store| ["aligned", "unaligned"].map(|mode| (store, mode)))
}

/// Runs a job with one worker and then three, each killed behind some snapshots, and to its end with two.
fn killed_and_rescaled(dir: &Path, flags: &str, program: impl Fn() -> Program) {
    let snapshots = dir.join("snapshots");
    for (workers, paced) in [(1, true), (3, true), (2, false)] {
        let program = program().path("--output", &dir.join("out")).path("--snapshot-dir", &snapshots);
        let program =
            program.args(&format!("--quiet --restore latest --retain 2 --parallelism {workers} {flags}"));
        if !paced {
            program.run().success();
            continue;
        }
        let enough = newest(&snapshots) + 3;
        let mut running = program.spawn();
        while running.is_running() && newest(&snapshots) < enough {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        running.kill();
    }
}

#[test]
fn examples_give_their_answer_from_either_store_and_either_kind_of_snapshot_killed_and_rescaled() {
    for (example, sink) in [("fraud", "alerts"), ("traffic", "sums")] {
        let expected = sorted(reader::lines(&run(example, 1, "--quiet").stdout));
        for (store, mode) in stores_and_modes() {
            let dir = tempfile::tempdir().unwrap();
            let flags =
                format!("--state {store} --snapshot-mode {mode} --snapshot-interval 60ms --max-rate 100");
            killed_and_rescaled(dir.path(), &flags, || match example {
                "traffic" => Program::example(example),
                _ => Program::example(example).path("--rejects", &dir.path().join("rejects")),
            });
            assert_eq!(written(&dir.path().join("out"), sink), expected, "{example}, {store}, {mode}");
        }
    }
}

#[test]
fn web_visits_finds_the_sessions_of_a_large_log_from_either_store_and_either_kind_of_snapshot() {
    let input = tempfile::tempdir().unwrap();
    let log = Log::synthetic();
    log.write(input.path());
    for (store, mode) in stores_and_modes() {
        let dir = tempfile::tempdir().unwrap();
        // As fast as it can: between the workers something is always in flight.
        killed_and_rescaled(
            dir.path(),
            &format!("--state {store} --snapshot-mode {mode} --snapshot-interval 5ms"),
            || {
                let program = Program::example("web_visits").path("--input", &input.path().join("*.log*"));
                program.path("--rejects", &dir.path().join("rejects"))
            },
        );
        let sessions = reader::sessions(&reader::results(&dir.path().join("out")));
        assert!(sessions == log.sessions, "{store}, {mode}");
        let rejects = reader::results(&dir.path().join("rejects"));
        let mut bad: Vec<_> = rejects.iter().map(|reject| text(&reject["text"]).to_string()).collect();
        bad.sort();
        assert_eq!(bad, log.bad_lines(), "{store}, {mode}");
    }
}

#[test]
fn web_visits_finds_exactly_the_known_sessions_in_a_large_log_of_three_files() {
    let dir = tempfile::tempdir().unwrap();
    let log = Log::synthetic();
    log.write(dir.path());
    for parallelism in PARALLELISMS {
        let (out, rejects) = (dir.path().join(format!("out-{parallelism}")), dir.path().join("rejects"));
        let outcome = Program::example("web_visits")
            .path("--input", &dir.path().join("*.log*"))
            .path("--output", &out)
            .path("--rejects", &rejects.join(parallelism.to_string()))
            .args(&format!("--parallelism {parallelism}"))
            .run()
            .success();
        assert!(reader::sessions(&reader::results(&out)) == log.sessions, "{outcome}");
        let mut bad: Vec<_> = reader::results(&rejects.join(parallelism.to_string()))
            .iter()
            .map(|reject| text(&reject["text"]).to_string())
            .collect();
        bad.sort();
        assert_eq!(bad, log.bad_lines());
    }
}

/// A real web server's log, and the sessions in it as somebody else has computed them.
#[test]
fn web_visits_finds_the_3052_sessions_of_the_real_log_and_its_one_bad_line() {
    let Some(shared) = shared() else { return skip("TIDEGATE_SHARED is not set, so there is no real log") };
    let log = Log::real(&shared);
    assert_eq!(log.sessions.len(), 3052);
    let input = shared.join("data/access.log.gz");
    for (parallelism, mode) in PARALLELISMS.into_iter().zip(["unaligned", "aligned", "unaligned"]) {
        let dir = tempfile::tempdir().unwrap();
        let (out, rejects) = (dir.path().join("out"), dir.path().join("rejects"));
        Program::example("web_visits")
            .path("--input", &input)
            .path("--output", &out)
            .path("--rejects", &rejects)
            .path("--snapshot-dir", &dir.path().join("snapshots"))
            .args(&format!("--parallelism {parallelism} --snapshot-mode {mode} --snapshot-interval 5ms"))
            .run()
            .success();
        assert!(reader::sessions(&reader::results(&out)) == log.sessions, "at parallelism {parallelism}");
        let bad = json!({
            "file": input.to_str().unwrap(),
            "line": 8899,
            "reason": "the user agent has no closing quote",
            "text": log.bad_lines()[0],
        });
        assert_eq!(reader::results(&rejects), [bad]);
    }
}

#[test]
fn a_wrong_command_line_ends_with_exit_code_2_and_says_what_is_wrong() {
    for example in ["web_visits", "fraud", "traffic"] {
        Program::example(example).args("--no-such-flag").run().refused(2, &["--no-such-flag"]);
        Program::example(example).args("--parallelism none").run().refused(2, &["--parallelism"]);
        Program::example(example).args("--parallelism 0").run().refused(2, &["--parallelism 0", "hint: "]);
        Program::example(example).args("--restart always").run().refused(2, &["always"]);
    }
    Program::example("traffic").args("--threshold many").run().refused(2, &["--threshold"]);
}

#[test]
fn help_names_the_examples_own_flags_and_those_of_every_job() {
    for (example, own) in [("web_visits", "--rejects"), ("fraud", "--input"), ("traffic", "--threshold")] {
        let help = Program::example(example).args("--help").run().success().stdout;
        for flag in [own, "--snapshot-dir", "--restore", "--max-rate"] {
            assert!(help.contains(flag), "{flag}: {help}");
        }
        assert!(!help.contains(env!("CARGO_MANIFEST_DIR")), "no path of the machine it was built on: {help}");
    }
}
