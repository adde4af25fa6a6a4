//! Whole jobs that go on from the snapshot of another version: real executables, with everything in between.

use std::fs;
use std::path::PathBuf;

use crate::support::{Program, reader};

/// A job that has counted its words to the end, and left a snapshot.
struct Scene {
    dir: tempfile::TempDir,
}

const WORDS: [&str; 3] = ["ebb", "flood", "neap"];
/// How often every word is in either file.
const TIMES: u64 = 400;

impl Scene {
    fn new() -> Scene {
        let scene = Scene { dir: tempfile::tempdir().unwrap() };
        let words = format!("{}\n", WORDS.join("\n")).repeat(TIMES as usize);
        for file in ["first.txt", "second.txt"] {
            fs::write(scene.path(file), &words).unwrap();
        }
        scene.job("first", &["first.txt"]).run().success();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn job(&self, version: &str, inputs: &[&str]) -> Program {
        let inputs =
            inputs.iter().fold(Program::evolving().arg("--input"), |job, input| job.arg(self.path(input)));
        let job = inputs.path("--output", &self.path("out")).path("--snapshot-dir", &self.path("snapshots"));
        job.args("--parallelism 2 --program").arg(version)
    }

    /// The job goes on with more input.
    fn restored(&self, version: &str) -> Program {
        self.job(version, &["first.txt", "second.txt"]).args("--restore latest")
    }

    /// Every word was counted on from where the first version stood, with this note.
    fn assert_counted_on(&self, note: impl Fn(&str) -> &'static str) {
        let results = reader::results(&self.path("out"));
        for word in WORDS {
            let of_word = results.iter().filter(|result| result[0] == word);
            let mut counts: Vec<_> = of_word
                .map(|result| (result[1].as_u64().unwrap(), result[2].as_str().unwrap().to_string()))
                .collect();
            counts.sort();
            let expected = (1..=2 * TIMES)
                .map(|count| (count, if count <= TIMES { "" } else { note(word) }.to_string()));
            assert_eq!(counts, expected.collect::<Vec<_>>(), "{word}");
        }
    }
}

#[test]
fn a_job_goes_on_from_the_snapshot_of_another_version_and_says_what_was_carried() {
    let scene = Scene::new();
    let outcome = scene.restored("carried").run().success();
    for told in ["calls it \"count\"", "\"count: u64\"", "\"short: bool\"", "it begins as"] {
        assert!(outcome.stderr.contains(told), "{told}: {outcome}");
    }
    scene.assert_counted_on(|_| "from the first version, or new");
    // Its own snapshots are its own: nothing is left to be carried.
    let outcome = scene.restored("carried").run().success();
    assert!(!outcome.stderr.contains("carried, "), "{outcome}");
    scene.assert_counted_on(|_| "from the first version, or new");
}

#[test]
fn a_job_takes_state_and_keys_over_by_code_of_its_own() {
    let scene = Scene::new();
    let outcome = scene.restored("migrated").run().success();
    assert!(outcome.stderr.contains("migrated, by the program"), "{outcome}");
    scene.assert_counted_on(|word| if word.len() < 5 { "short" } else { "long" });
    let outcome = scene.restored("migrated").run().success();
    assert!(!outcome.stderr.contains("migrated, "), "{outcome}");
}

#[test]
fn state_that_can_not_be_taken_over_is_refused_and_the_first_version_goes_on() {
    let scene = Scene::new();
    let names = ["\"times: u32\"", "\"times: u16\"", "refused, ", "hint: ", "from = OldSeen"];
    scene.restored("refused").run().refused(1, &names);
    scene.restored("first").run().success();
    scene.assert_counted_on(|_| "");
}

#[test]
fn check_says_what_would_be_carried_and_changes_nothing() {
    let scene = Scene::new();
    let outcome = scene.restored("carried").args("--check").run().success();
    assert!(outcome.stdout.contains("calls it \"count\": carried"), "{}", outcome.stdout);
    scene.restored("first").run().success();
    scene.assert_counted_on(|_| "");
}

#[test]
fn a_plan_against_a_snapshot_says_what_would_become_of_it() {
    let scene = Scene::new();
    let against = |version| scene.job(version, &["first.txt"]).args("--against latest");
    let outcome = against("first").arg("--plan").run().success();
    assert_eq!(outcome.stdout, "operator \"count\", state \"Seen\": as it was\n");
    let outcome = against("carried").arg("--plan").run().success();
    let lines: Vec<&str> = outcome.stdout.lines().collect();
    assert_eq!(lines[0], "operator \"count\", state \"Seen\": carried");
    assert_eq!(lines.len(), 5, "{}", outcome.stdout);
    let outcome = against("migrated").args("--plan json").run().success();
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(json["operators"][0]["verdict"], "migrated");
    let outcome =
        against("refused").arg("--plan").run().refused(1, &["could not be restored", "from = OldSeen"]);
    assert!(outcome.stdout.contains("operator \"count\", state \"Seen\": refused"), "{}", outcome.stdout);
    against("first").args("--plan dot").run().refused(2, &["--against"]);
    scene.job("first", &["first.txt"]).args("--against latest").run().refused(2, &["--plan"]);
    let elsewhere = scene.job("first", &["first.txt"]).args("--plan --against").arg(scene.path("nowhere"));
    elsewhere.run().refused(1, &["nowhere"]);
}

#[test]
fn a_lock_file_holds_the_state_of_the_program_that_wrote_it() {
    let scene = Scene::new();
    let lock = |version, action| {
        let job = scene.job(version, &["first.txt"]).in_dir(scene.dir.path());
        job.args(&format!("--lock {action}"))
    };
    lock("first", "check").run().refused(1, &["there is no state.lock", "--lock update"]);
    let outcome = lock("first", "update").run().success();
    assert_eq!(outcome.stdout, "state.lock is written; check it in\n");
    let text = fs::read_to_string(scene.path("state.lock")).unwrap();
    assert!(
        text.contains("    state Seen version 1 {\n        times: u32,\n        short: bool,\n    }\n"),
        "{text}"
    );
    lock("first", "check").run().success();
    let outcome = lock("first", "update").run().success();
    assert_eq!(outcome.stdout, "state.lock is as it was\n");

    let carried = ["could take that over", "calls it \"count\": carried", "--lock update"];
    lock("carried", "check").run().refused(1, &carried);
    lock("refused", "check").run().refused(1, &["could not take over", "times: u16", "from = OldSeen"]);
    assert_eq!(fs::read_to_string(scene.path("state.lock")).unwrap(), text, "a check changes nothing");

    let outcome = lock("migrated", "update").run().success();
    assert!(outcome.stdout.starts_with("state.lock is written anew\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("migrated"), "{}", outcome.stdout);
    lock("migrated", "check").run().success();
    lock("first", "check").run().refused(1, &["older than the one that took it"]);

    fs::write(scene.path("other.lock"), text.replace("times: u32,", "times u32,")).unwrap();
    let broken = lock("first", "check").args("--lock-file other.lock");
    broken.run().refused(1, &["other.lock", "line 10", "`:` should be here"]);
}
