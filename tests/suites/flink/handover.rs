//! A job that moves to a Flink cluster and back, and takes its state along: what all its legs commit together is what one run
//! commits that nobody has interrupted.
//!
//! `FLINK_HOME` names the distribution; without it the tests of a cluster have nothing to do.

use std::fs;
use std::path::{Path, PathBuf};

use super::uncommit;
use crate::faults::Scene;
use crate::support::cluster::Cluster;
use crate::support::{Log, Program, Running, reader, skip};

/// A job that finds sessions in a log, leg by leg, and its directories.
struct Journey {
    log: Log,
    input: Vec<PathBuf>,
    dir: tempfile::TempDir,
}

impl Journey {
    fn new() -> Journey {
        let (log, dir) = (Log::any(), tempfile::tempdir().unwrap());
        let input = log.write(dir.path()).to_vec();
        Journey { log, input, dir }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job's own arguments, behind those of `program`.
    fn job(&self, program: Program) -> Program {
        let program = self.input.iter().fold(program.arg("--input"), Program::arg);
        program.path("--output", &self.path("sessions")).path("--rejects", &self.path("rejects"))
    }

    /// Slow enough to be stopped on the way: the whole log takes so many seconds.
    fn slowly(&self, seconds: usize, program: Program) -> Program {
        self.job(program).arg("--max-rate").arg((self.log.lines.len() / seconds).to_string())
    }

    /// Waits until readers see results that they have not seen before.
    fn until_new_results(&self, running: &mut Running) {
        let seen = reader_files(&self.path("sessions"));
        running.until("new results", || reader_files(&self.path("sessions")) > seen);
    }

    /// What a leg on Flink that was stopped with `savepoint` goes on from without it.
    fn import(&self, savepoint: &Path, name: &str) -> PathBuf {
        let out = self.path(name);
        let program = Program::example("web_visits").args("flink import-savepoint").arg(savepoint);
        let outcome = self.job(program.path("--out", &out).arg("--")).run().success();
        assert!(outcome.stdout.contains("go on with --restore"), "{outcome}");
        out
    }

    /// What a leg on Flink goes on from, of the newest snapshot that a leg without it has left.
    fn export(&self, name: &str) -> PathBuf {
        let savepoint = self.path(name);
        let program = Program::example("web_visits").args("snapshots export latest");
        let program = program.path("--snapshot-dir", &self.path("snapshots")).path("--flink", &savepoint);
        let outcome = self.job(program.arg("--")).run().success();
        assert!(outcome.stdout.contains("--from-savepoint"), "{outcome}");
        savepoint
    }

    /// A leg without Flink.
    fn embedded(&self, program: Program, parallelism: u32) -> Program {
        let program = program.path("--snapshot-dir", &self.path("snapshots"));
        program.args(&format!("--snapshot-interval 500ms --parallelism {parallelism}"))
    }

    /// A last leg without Flink.
    fn end_embedded(&self, parallelism: u32, restored: &Path) {
        let program = self.job(Program::example("web_visits")).path("--restore", restored);
        self.embedded(program, parallelism).run().success();
    }

    /// A leg on Flink, which is stopped on the way and loses a commit, and a last one without it.
    fn ends_without_flink(&self, cluster: &Cluster, submitted: Program) {
        let mut running = self.slowly(12, submitted).spawn();
        self.until_new_results(&mut running);
        let savepoint = cluster.stop_with_savepoint(&running, &self.path("flink-savepoints"));
        let number = cluster.number_of_savepoint(&running);
        running.wait().success();
        let seen = reader::results(&self.path("sessions")).len();
        assert!(0 < seen && seen < self.log.sessions.len(), "{seen} of {}", self.log.sessions.len());
        uncommit(&self.path("sessions"), number);
        self.end_embedded(3, &self.import(&savepoint, "imported"));
        self.check();
    }

    /// All legs together have committed what one run does, once.
    fn check(&self) {
        assert_eq!(reader::sessions(&reader::results(&self.path("sessions"))), self.log.sessions);
        let rejects = reader::results(&self.path("rejects"));
        let mut rejects: Vec<&str> = rejects.iter().map(|reject| reject["text"].as_str().unwrap()).collect();
        rejects.sort_unstable();
        assert_eq!(rejects, self.log.bad_lines());
    }
}

/// How many files readers see.
fn reader_files(dir: &Path) -> usize {
    let visible =
        |entry: std::io::Result<fs::DirEntry>| !entry.unwrap().file_name().to_string_lossy().starts_with('.');
    fs::read_dir(dir).map_or(0, |entries| entries.map(visible).filter(|is| *is).count())
}

#[test]
fn a_job_goes_on_without_flink_from_a_savepoint_of_flinks() {
    let Some(cluster) = Cluster::start(0) else { return };
    let journey = Journey::new();
    journey.ends_without_flink(&cluster, cluster.submits(Program::example("web_visits"), 2));
    cluster.end();
}

#[test]
fn a_job_that_moves_to_flink_and_back_commits_what_one_run_does() {
    let Some(cluster) = Cluster::start(0) else { return };
    let journey = Journey::new();
    let program =
        journey.slowly(8, Program::example("web_visits")).env("TIDEGATE_CRASH_AT", "during-commit:4");
    let crashed = journey.embedded(program, 2).run();
    assert!(crashed.signal().is_some(), "it was to die with one of its sinks committed: {crashed}");
    let exported = journey.export("exported");
    journey.ends_without_flink(&cluster, cluster.resumes(Program::example("web_visits"), 2, &exported));
    cluster.end();
}

/// A job that counts words, and has snapshots.
fn counting(program: Program, scene: &Scene) -> Program {
    program.path("--input", &scene.path("words.txt")).path("--output", &scene.path("out"))
}

/// Exports the newest snapshot, or the one of this name.
fn exports(scene: &Scene, snapshot: &str, to: &Path) -> Program {
    let program = Program::faulty().args("snapshots export").arg(snapshot);
    let program = program.path("--snapshot-dir", &scene.snapshots()).path("--flink", to).arg("--");
    counting(program, scene)
}

/// Has `program` take over a savepoint of Flink's.
fn imports(program: Program, savepoint: &Path, to: &Path) -> Program {
    program.args("flink import-savepoint").arg(savepoint).path("--out", to).arg("--")
}

fn without_flink(program: Program) -> Program {
    program.within("unset FLINK_HOME; exec \"$@\"")
}

#[test]
fn what_goes_to_a_savepoint_of_flinks_and_back_is_as_it_was() {
    if std::env::var_os("FLINK_HOME").is_none() {
        skip("FLINK_HOME names no Flink distribution");
        return;
    }
    let scene = Scene::interrupted(2);
    let (savepoint, back) = (scene.path("exported"), scene.path("back"));
    // Other key groups, too: every row is dealt anew on the way.
    let outcome = exports(&scene, "latest", &savepoint).args("--max-parallelism 16").run().success();
    assert!(outcome.stdout.contains(&format!("--from-savepoint {}", savepoint.display())), "{outcome}");
    counting(imports(Program::faulty(), &savepoint, &back), &scene).run().success();
    Program::faulty().args("snapshots verify").arg(&back).run().success();
    let manifest = |snapshot: &Path| {
        let show = Program::faulty().args("snapshots show --json").arg(snapshot);
        let shown = show.path("--snapshot-dir", &scene.snapshots()).run().success().stdout;
        serde_json::from_str::<serde_json::Value>(&shown).unwrap()
    };
    let (was, is) = (manifest(Path::new("latest")), manifest(&back));
    assert_eq!((&is["snapshot"], &is["job"]), (&was["snapshot"], &was["job"]));
    assert_eq!((&was["max_parallelism"], &is["max_parallelism"]), (&128.into(), &16.into()));
    let entries = |manifest: &serde_json::Value| {
        let mut entries: Vec<String> =
            manifest["entries"].as_array().unwrap().iter().map(ToString::to_string).collect();
        entries.sort();
        // What two subtasks say alike is said once.
        entries.dedup();
        entries
    };
    assert_eq!(entries(&is), entries(&was));
    let rows = |snapshot: &Path| {
        let dump = Program::faulty().args("snapshots dump").arg(snapshot);
        let dumped = dump.path("--snapshot-dir", &scene.snapshots()).run().success().stdout;
        let mut rows = reader::lines(&dumped);
        rows.iter_mut().for_each(|row| row["group"] = 0.into());
        let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
        rows.sort();
        rows
    };
    assert!(!rows(&back).is_empty());
    assert_eq!(rows(&back), rows(Path::new("latest")));

    // What does not fit is refused by name, and nothing is written.
    let refused = scene.path("refused");
    let import = || imports(Program::faulty(), &savepoint, &refused);
    let foreign = imports(Program::example("web_visits"), &savepoint, &refused).run();
    foreign.refused(1, &["it is not of job \"web-visits\"", "count", "hint"]);
    let narrower = counting(import(), &scene).arg("--narrower-state").run();
    narrower.refused(1, &["state", "\"count\"", "u16", "hint"]);
    counting(import(), &scene)
        .args("--operator other")
        .run()
        .refused(1, &["\"operator count\"", "no such operator", "--allow-dropped-state"]);
    counting(import(), &scene)
        .args("--parallelism 17")
        .run()
        .refused(1, &["--parallelism 17", "16 key groups"]);
    let metadata = fs::read(savepoint.join("_metadata")).unwrap();
    fs::write(savepoint.join("_metadata"), &metadata[..metadata.len() / 2]).unwrap();
    counting(import(), &scene).run().refused(1, &["can't be taken over", savepoint.to_str().unwrap()]);
    assert!(!refused.exists());
}

#[test]
fn what_can_not_be_handed_over_is_refused_before_java_is_asked() {
    let scene = Scene::interrupted(1);
    let (savepoint, out) = (scene.path("exported"), scene.path("imported"));
    without_flink(exports(&scene, "latest", &savepoint)).run().refused(2, &["FLINK_HOME", "--flink-home"]);
    let import = |program: Program| counting(imports(program, &savepoint, &out), &scene);
    without_flink(import(Program::faulty())).run().refused(2, &["--flink-home"]);
    let elsewhere = |program: Program| program.env("FLINK_HOME", "/nowhere");
    elsewhere(import(Program::faulty()))
        .run()
        .refused(1, &["no Flink savepoint", savepoint.to_str().unwrap(), "nothing is there"]);
    fs::create_dir(&savepoint).unwrap();
    elsewhere(import(Program::faulty())).run().refused(1, &["no file _metadata"]);
    elsewhere(exports(&scene, "latest", &savepoint))
        .run()
        .refused(1, &["there is something at", savepoint.to_str().unwrap()]);
    fs::write(savepoint.join("_metadata"), "").unwrap();
    elsewhere(import(Program::faulty())).run().refused(2, &["/nowhere is no Flink distribution"]);
    fs::create_dir(&out).unwrap();
    elsewhere(import(Program::faulty())).run().refused(1, &["there is something at", out.to_str().unwrap()]);

    let free = scene.path("free");
    let export = |snapshot: &str| elsewhere(exports(&scene, snapshot, &free));
    export("77").run().refused(1, &["there is no snapshot 77"]);
    export("latest").run().refused(2, &["/nowhere is no Flink distribution"]);
    export("latest").arg("--narrower-state").run().refused(1, &["state", "\"count\"", "u16"]);
    export("latest").args("--operator other").run().refused(1, &["operator \"count\"", "has no place to go"]);
    // A later snapshot's results are seen already.
    let later = scene.path("out").join("counts-s0000009999-0.jsonl");
    fs::write(&later, "").unwrap();
    export("latest").run().refused(1, &["shows results of sink \"counts\" up to snapshot 9999", "twice"]);
    assert!(!free.exists());
    let both = Program::faulty().args("snapshots export --out a --flink b").run();
    both.refused(2, &["--out", "--flink"]);
}
