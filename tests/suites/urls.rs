//! Snapshots at a URL: what a job has kept there is all that the next one needs, and of two that write there one ends.

use std::fs;
use std::path::PathBuf;

use tidegate::testing::crash::{DURING_RESTORE, POINTS, VARIABLE};

use crate::faults::Scene;
use crate::support::{Outcome, Program, Running};

/// The signal of a process that aborts.
const SIGABRT: i32 = 6;

/// A place at a URL, beside the words of a [`Scene`].
struct Store {
    scene: Scene,
}

impl Store {
    fn new() -> Store {
        Store { scene: Scene::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scene.path("store/visits").join(name)
    }

    fn url(&self) -> String {
        format!("file://{}", self.scene.path("store/visits").display())
    }

    /// The job, with snapshots at the URL.
    fn job(&self, flags: &str) -> Program {
        let job =
            self.scene.job().args("--snapshot-interval 20ms").path("--state-dir", &self.scene.path("local"));
        job.args(&format!("--snapshot-dir {}", self.url())).args(flags)
    }

    fn tool(&self, words: &str) -> Outcome {
        Program::faulty().args(&format!("snapshots --snapshot-dir {}", self.url())).args(words).run()
    }

    /// The manifests of complete snapshots.
    fn manifests(&self) -> Vec<PathBuf> {
        let entries = self.path("manifests").read_dir().into_iter().flatten();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| {
            path.extension().is_some_and(|extension| extension == "json")
                && fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
        });
        paths.sort();
        paths
    }

    /// A job in the midst of its work.
    fn at_work(&self) -> Running {
        let mut running = self.job("--max-rate 1000").spawn();
        running.until("some snapshots", || self.manifests().len() >= 3);
        running
    }

    /// The same, killed on a machine that is gone.
    fn interrupted() -> Store {
        let store = Store::new();
        store.at_work().kill();
        fs::remove_dir_all(store.scene.path("local")).unwrap();
        store
    }

    fn names_of_files(&self) -> usize {
        self.path("state").read_dir().unwrap().count()
    }
}

#[test]
fn a_job_whose_machine_is_gone_goes_on_elsewhere_from_what_lies_at_the_url() {
    let store = Store::interrupted();
    store.job("--restore latest").run().success();
    store.scene.assert_exact();
    assert_eq!(store.manifests().len(), 3, "no more are kept than --retain says");
    let text = fs::read(store.manifests().pop().unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(manifest["kind"], "last");
    let before = store.names_of_files();
    fs::remove_dir_all(store.scene.path("local")).unwrap();
    store.job("--restore latest").run().success();
    store.scene.assert_exact();
    assert!(store.names_of_files() <= before + 2, "nothing is left that nobody needs");
}

/// The machine dies at every step of the protocol in turn, and its disk with it.
#[test]
fn wherever_in_the_protocol_a_machine_dies_the_url_has_all_that_counts() {
    for point in POINTS.into_iter().filter(|point| *point != DURING_RESTORE) {
        // On a machine that is busy with other things, a job may be over before it comes there: then it is given more time.
        let dies = |rate: &u32| {
            let store = Store::new();
            let job =
                store.job(&format!("--max-rate {rate} --retain 2")).env(VARIABLE, &format!("{point}:2"));
            (job.run().signal() == Some(SIGABRT)).then_some(store)
        };
        let store = [8_000, 2_000, 500].iter().find_map(dies);
        let store = store.unwrap_or_else(|| panic!("it was to die at {point}"));
        fs::remove_dir_all(store.scene.path("local")).unwrap();
        store.job("--restore latest").run().success();
        store.scene.assert_exact();
        store.tool("verify --all").success();
    }
}

#[test]
fn what_is_there_is_listed_shown_verified_and_dumped_and_stays_as_it_is() {
    let store = Store::interrupted();
    let listed = store.tool("list --json").success().stdout;
    assert!(listed.lines().count() >= 3 && !listed.contains("broken"), "{listed}");
    let shown = store.tool("show").success().stdout;
    assert!(shown.contains(&format!("of job \"faulty\" in {}/snapshot-", store.url())), "{shown}");
    store.tool("verify --all").success();
    assert!(store.tool("dump").success().stdout.contains("\"key\":\"neap\""));
    let checked = store.job("--check --restore latest").run().success().stdout;
    assert!(checked.contains(&format!("({}/snapshot-", store.url())), "{checked}");
    assert!(!store.scene.path("local").exists(), "who looks leaves nothing");
    store.job("--restore latest").run().success();
    store.scene.assert_exact();

    let file = store.path("state").read_dir().unwrap().next().unwrap().unwrap().path();
    fs::remove_file(file).unwrap();
    assert!(store.tool("list").success().stdout.contains("broken: file://"));
    store.tool("verify --all").refused(1, &["snapshots are broken"]);
}

#[test]
fn a_snapshot_at_a_url_is_restored_into_a_directory() {
    let store = Store::interrupted();
    let shown = store.tool("show").success().stdout;
    let (_, url) = shown.lines().next().unwrap().split_once(" in ").unwrap();
    let job = || store.scene.safe_job().args(&format!("--restore {url}"));
    job().args("--check").run().success();
    job().run().success();
    store.scene.assert_exact();
    let gone = format!("--restore {}/snapshot-0000009999", store.url());
    store.scene.safe_job().args(&gone).run().refused(1, &["there is no snapshot at file://"]);
}

#[test]
fn a_job_from_which_another_has_taken_over_ends_and_does_not_start_again() {
    let store = Store::new();
    let first = store.at_work();
    let second = Program::faulty().path("--input", &store.scene.path("words.txt"));
    let second = second.path("--output", &store.scene.path("other")).args("--snapshot-interval 20ms");
    second.args(&format!("--snapshot-dir {}", store.url())).run().success();
    let outcome = first.wait().refused(1, &["has taken over from this one", "hint: "]);
    assert!(!outcome.stderr.contains("starts again"), "{outcome}");
    assert!(!outcome.stderr.contains("is intact"), "{outcome}");
    store.tool("verify --all").success();
}

#[test]
fn what_can_not_be_uploaded_fails_the_snapshot_and_not_the_job() {
    let store = Store::new();
    let mut running = store.at_work();
    fs::rename(store.path("state"), store.path("away")).unwrap();
    fs::write(store.path("state"), "in the way").unwrap();
    running.until_said("failed, and the job goes on; the last complete one is ");
    fs::remove_file(store.path("state")).unwrap();
    fs::rename(store.path("away"), store.path("state")).unwrap();
    let outcome = running.wait().success();
    assert!(outcome.stderr.contains("can't write file://"), "{outcome}");
    store.scene.assert_exact();
    store.tool("verify --all").success();
}

#[test]
fn with_no_failed_snapshot_tolerated_a_job_restarts_until_the_store_is_there_again() {
    let store = Store::new();
    let mut running =
        store.job("--max-rate 1000 --tolerated-snapshot-failures 0 --restart fixed:100,50ms").spawn();
    running.until("a snapshot", || !store.manifests().is_empty());
    fs::rename(store.path("state"), store.path("away")).unwrap();
    fs::write(store.path("state"), "in the way").unwrap();
    running.until_said("the job starts again");
    fs::remove_file(store.path("state")).unwrap();
    fs::rename(store.path("away"), store.path("state")).unwrap();
    running.wait().success();
    store.scene.assert_exact();
}

#[test]
fn a_url_that_was_not_built_in_is_refused_and_the_feature_named() {
    let scene = Scene::new();
    for words in ["", "--check", "snapshots list"] {
        let job = scene.job().args("--snapshot-dir s3://bucket/visits").args(words);
        job.run().refused(2, &["without the feature s3 of tidegate", "hint: build it with"]);
    }
    scene.job().args("--snapshot-dir ftp://there").run().refused(2, &["of the kind ftp", "hint: "]);
    assert!(!scene.path("out").exists());
}

#[test]
fn a_savepoint_goes_to_a_directory() {
    let store = Store::new();
    let url = format!("--savepoint-dir {}", store.url());
    store.job(&url).run().refused(2, &["--savepoint-dir file://", "a local directory", "hint: "]);
    let running = store.at_work();
    running.signal("USR1");
    let savepoint = store.scene.path("savepoint");
    let outcome = running.wait().success();
    assert!(
        outcome.stderr.contains("snapshots are kept at a URL: that needs --savepoint-dir DIR"),
        "{outcome}"
    );
    let leave = format!("--restore latest --stop-with-savepoint {}", savepoint.display());
    store.job(&leave).run().success();
    assert!(savepoint.join("manifest.json").exists());
}
