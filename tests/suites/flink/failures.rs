//! What goes wrong is said where people look for it, in words that tell what to do; and it is nobody else's: the
//! TaskManagers live on.

use std::fs;
use std::path::{Path, PathBuf};

use super::Visits;
use crate::faults::Scene;
use crate::support::cluster::Cluster;
use crate::support::{Log, Outcome, Program, skip};

/// A job on a cluster, which is to fail.
struct Failing<'a> {
    cluster: &'a Cluster,
    scene: Scene,
}

impl Failing<'_> {
    fn job(&self, submitted: Program, out: &Path) -> Program {
        submitted.path("--input", &self.scene.path("words.txt")).path("--output", out)
    }

    /// With flags of `flink run`, and of the job.
    fn run(&self, flags: &str, args: &str) -> Outcome {
        let submitted = self.cluster.submits_with(flags, Program::faulty(), 2);
        // One that fails late has committed something, which the next may not show again.
        let out = tempfile::tempdir().unwrap();
        self.job(submitted, out.path()).args(args).run()
    }

    /// It has failed, for a reason that who follows it is told and Flink shows.
    #[track_caller]
    fn shows(&self, outcome: Outcome, words: &[&str]) {
        outcome.refused(1, words);
        let shown = self.cluster.exceptions();
        for word in words {
            assert!(shown.contains(word), "{word:?} is not shown: {shown}");
        }
    }
}

#[test]
fn what_goes_wrong_in_a_job_is_shown_by_flink_in_its_words_and_the_taskmanagers_live_on() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SmallDisk::of(dir.path());
    let script = disk.as_ref().map_or("exec \"$@\"".to_string(), SmallDisk::script);
    let Some(cluster) = Cluster::start_within(&script, "") else { return };
    let taskmanagers = cluster.taskmanagers();
    let failing = Failing { cluster: &cluster, scene: Scene::new() };
    let panicked = ["operator \"count\"", "key group", "panicked: \"can't stand seiche\"", "faulty.rs"];
    failing.shows(failing.run("", "--panic-at seiche"), &panicked);
    failing.shows(failing.run("", "--abort-at seiche"), &["the process of the job was ended by signal 6"]);
    if let Some(disk) = disk {
        let submitted = cluster.submits(Program::faulty(), 2);
        let full = failing.job(submitted, &disk.path.join("out")).run();
        failing.shows(full, &["can't write", &disk.path.display().to_string(), "No space left on device"]);
        // It is full now: so is what checkpoints would go to.
        let checkpoints = disk.path.join("checkpoints");
        let flags = format!("--set execution.checkpointing.dir=file://{}", checkpoints.display());
        let full = failing.run(&flags, "--max-rate 500");
        full.refused(1, &["checkpoint", "is there room where execution.checkpointing.dir is?"]);
    }
    foreign_savepoints(&failing);
    jars_that_do_not_fit(&failing);
    let refused = failing.run("--set execution.checkpointing.unaligned=true", "");
    refused.refused(1, &["execution.checkpointing.unaligned is true", "aligned checkpoints only", "--set"]);

    assert_eq!(cluster.taskmanagers(), taskmanagers);
    let log = Log::any();
    let visits = Visits::of(&log);
    visits.job(cluster.submits(Program::example("web_visits"), 4)).run().success();
    visits.assert_exact();
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}

/// Of another job, and of one that has another operator, or another state, where there was one.
fn foreign_savepoints(failing: &Failing<'_>) {
    let cluster = failing.cluster;
    let scene = Scene::new();
    let out = scene.path("out");
    // One subtask reads all: another one, with nothing to read, might end at the very moment, and then Flink takes no savepoint.
    let submitted = cluster.submits(Program::faulty(), 1).path("--input", &scene.path("words.txt"));
    let mut running = submitted.path("--output", &out).args("--max-rate 500").spawn();
    running.until("results", || !crate::support::reader::results(&out).is_empty());
    let savepoint = cluster.stop_with_savepoint(&running, &cluster.path("savepoints"));
    running.wait().success();

    let from = format!("--from-savepoint {}", savepoint.display());
    let log = Log::any();
    let visits = Visits::of(&log);
    let other = visits.job(cluster.submits_with(&from, Program::example("web_visits"), 2)).run();
    failing.shows(other, &["savepoint", "operator", "not available in the new program"]);
    assert_eq!(visits.committed(), 0);
    let renamed = failing.run(&from, "--operator tally");
    failing.shows(renamed, &["savepoint", "operator", "not available in the new program"]);
    let narrower = failing.job(cluster.submits_with(&from, Program::faulty(), 2), &out);
    failing.shows(
        narrower.args("--narrower-state").run(),
        &["operator \"count\"", "is not what it was when the checkpoint was taken"],
    );
}

/// The JobManager asks the executable what the job is: it is refused before there is a job.
fn jars_that_do_not_fit(failing: &Failing<'_>) {
    let submit = |jar: &Path| {
        let submitted = failing.cluster.submits_jar(jar, Program::faulty(), 2, "");
        failing.job(submitted, &failing.scene.path("out")).run()
    };
    let content = Content::of(&failing.cluster.jar(&Program::faulty()));
    let mut job = fs::read(content.job(std::env::consts::ARCH)).unwrap();
    // What the machine is that an ELF file is for: 8 is MIPS.
    job[18] = 8;
    fs::write(content.job(std::env::consts::ARCH), &job).unwrap();
    submit(&content.packed()).refused(1, &["is for another machine", "build the job there"]);
    fs::remove_file(content.job(std::env::consts::ARCH)).unwrap();
    submit(&content.packed())
        .refused(1, &["the jar has no executable of the job for", "build the job there"]);
}

/// TaskManagers that take themselves for another kind of machine than the JobManager's.
#[test]
fn an_executable_that_a_taskmanager_has_none_of_or_for_another_cpu_is_a_readable_failure() {
    let (own, other) = match std::env::consts::ARCH {
        "x86_64" => ("x86_64", "aarch64"),
        _ => ("aarch64", "x86_64"),
    };
    let flags = format!(
        "--set env.java.opts.taskmanager=-Dos.arch={other} --set execution.checkpointing.unaligned=true"
    );
    let Some(cluster) = Cluster::start_within("exec \"$@\"", &flags) else { return };
    let taskmanagers = cluster.taskmanagers();
    let failing = Failing { cluster: &cluster, scene: Scene::new() };
    failing.run("", "").refused(1, &["execution.checkpointing.unaligned is true"]);

    const ALIGNED: &str = "--set execution.checkpointing.unaligned=false";
    let missing = format!("the jar has no executable of the job for linux-{other}");
    failing.shows(failing.run(ALIGNED, ""), &[&missing, "build the job there"]);
    let content = Content::of(&cluster.jar(&Program::faulty()));
    fs::create_dir_all(content.job(other).parent().unwrap()).unwrap();
    fs::copy(content.job(own), content.job(other)).unwrap();
    let submitted = cluster.submits_jar(&content.packed(), Program::faulty(), 2, ALIGNED);
    let wrong = failing.job(submitted, &failing.scene.path("out")).run();
    let is_for = format!("is for linux-{own}, and this machine is linux-{other}");
    failing.shows(wrong, &[&format!("native/linux-{other}/job, {is_for}"), "build the job there"]);

    assert_eq!(cluster.taskmanagers(), taskmanagers);
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}

/// What is in a jar, to be changed.
struct Content {
    dir: tempfile::TempDir,
}

impl Content {
    fn of(jar: &Path) -> Content {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("content")).unwrap();
        let content = dir.path().join("content");
        Program::at(Path::new("jar")).args("--extract").path("--file", jar).in_dir(&content).run().success();
        Content { dir }
    }

    fn job(&self, arch: &str) -> PathBuf {
        self.dir.path().join(format!("content/native/{}-{arch}/job", std::env::consts::OS))
    }

    fn packed(&self) -> PathBuf {
        let jar = self.dir.path().join("job.jar");
        let packed = Program::at(Path::new("jar")).args("--create --main-class io.tidegate.flink.Main");
        packed.path("--file", &jar).path("-C", &self.dir.path().join("content")).arg(".").run().success();
        jar
    }
}

/// A disk of 16 KiB in memory, which only a cluster sees.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    /// None if it can't be had here.
    fn of(dir: &Path) -> Option<SmallDisk> {
        let disk = SmallDisk { path: dir.join("disk") };
        fs::create_dir(&disk.path).unwrap();
        let is_there = Program::at(Path::new("true")).within(&disk.script()).run().succeeded();
        if !is_there {
            skip("a small file system can't be mounted here");
        }
        is_there.then_some(disk)
    }

    fn script(&self) -> String {
        let mount = format!("mount -t tmpfs -o size=16k tmpfs {} || exit 98", self.path.display());
        format!("exec unshare --map-root-user --mount sh -c '{mount}; exec \"$@\"' sh \"$@\"")
    }
}
