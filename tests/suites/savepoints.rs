//! Savepoints: asked for while the job runs, or left when it ends. They stand on their own, wherever they are moved.

use std::fs;
use std::path::{Path, PathBuf};

use crate::faults::{Scene, shown};
use crate::support::{Outcome, Program, Running, reader};

/// A job at work that has taken a snapshot.
fn at_work(scene: &Scene, flags: &str) -> Running {
    let mut running = scene.safe_job().args("--max-rate 1000").args(flags).spawn();
    running.until("a snapshot", || !scene.complete_snapshots().is_empty());
    running
}

/// Where the job says that it has written a savepoint.
fn told(outcome: &Outcome) -> PathBuf {
    let line = outcome.stderr.lines().find_map(|line| line.split_once("savepoint of snapshot "));
    PathBuf::from(line.expect("a savepoint is told").1.split_once(": ").unwrap().1)
}

/// Moves a savepoint, removes everything else that the job has kept, and lets the job go on from there.
fn go_on_from(scene: &Scene, savepoint: &Path, out: &str) {
    let moved = scene.path("moved");
    fs::rename(savepoint, &moved).unwrap();
    fs::remove_dir_all(scene.snapshots()).unwrap();
    let job = Program::faulty().path("--input", &scene.path("words.txt")).path("--output", &scene.path(out));
    job.path("--restore", &moved).args("--parallelism 3").run().success();
}

#[test]
fn a_signal_asks_for_a_savepoint_and_the_job_goes_on() {
    let scene = Scene::new();
    let mut running = at_work(&scene, "--retain 1");
    running.signal("USR1");
    running.until_said("savepoint of snapshot ");
    let latest = scene.latest();
    running.until("more snapshots", || scene.complete_snapshots().last() > Some(&latest));
    let outcome = running.wait().success();
    scene.assert_exact();
    assert_eq!(scene.complete_snapshots().len(), 1, "a savepoint keeps snapshots only while it is written");
    let savepoint = told(&outcome);
    let name = savepoint.file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("savepoint-faulty-0000"), "{outcome}");
    assert_eq!(savepoint.parent().unwrap(), scene.snapshots().join("savepoints"));
    go_on_from(&scene, &savepoint, "rest");
    let (all, rest) = (reader::results(&scene.path("out")), reader::results(&scene.path("rest")));
    assert!(!rest.is_empty() && rest.len() < all.len(), "{} of {}", rest.len(), all.len());
    assert!(rest.iter().all(|result| all.contains(result)), "the counts go on where they were");
}

#[test]
fn two_signals_are_two_savepoints_in_the_directory_that_is_named() {
    let scene = Scene::new();
    let savepoints = scene.path("savepoints");
    let mut running = at_work(&scene, &format!("--savepoint-dir {}", shown(&savepoints)));
    let complete = || {
        let paths = savepoints.read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_none()).count()
    };
    for asked in 1..=2 {
        running.signal("USR1");
        running.until("a savepoint", || complete() == asked);
    }
    running.kill();
    assert!(!scene.snapshots().join("savepoints").exists());
    scene.assert_restorable();
}

#[test]
fn a_job_without_snapshots_says_what_a_savepoint_needs_and_does_not_die() {
    let scene = Scene::new();
    let mut running = scene.job().args("--max-rate 2000").spawn();
    // Whoever has opened a sink has long begun to listen.
    running.until("some work", || scene.path("out").exists());
    running.signal("USR1");
    running.until_said("a savepoint was asked for, and no snapshots are kept: that needs --snapshot-dir");
    running.wait().success();
    scene.assert_exact();
}

#[test]
fn a_job_that_is_stopped_with_a_savepoint_goes_on_from_it_alone() {
    let scene = Scene::new();
    let savepoint = scene.path("there/savepoint");
    let running = at_work(&scene, &format!("--stop-with-savepoint {}", shown(&savepoint)));
    let outcome = running.terminate().success();
    let names = ["stopped; ".to_string(), format!("to go on from there: --restore {}", shown(&savepoint))];
    assert!(names.iter().all(|name| outcome.stderr.contains(name)), "{outcome}");
    go_on_from(&scene, &savepoint, "out");
    scene.assert_exact();
}

#[test]
fn at_the_end_of_the_input_a_savepoint_is_left_too() {
    let scene = Scene::new();
    let savepoint = scene.path("savepoint");
    scene.safe_job().path("--stop-with-savepoint", &savepoint).run().success();
    scene.assert_exact();
    // Nothing is left to do, and nothing is done twice.
    go_on_from(&scene, &savepoint, "out");
    scene.assert_exact();
}

#[test]
fn a_savepoint_takes_nobodys_place() {
    let scene = Scene::new();
    let taken = scene.path("taken");
    fs::create_dir(&taken).unwrap();
    for flags in ["", "--check"] {
        let job = scene.safe_job().path("--stop-with-savepoint", &taken).args(flags);
        job.run().refused(1, &["there is something at", shown(&taken), "hint: "]);
    }
    assert!(!scene.path("out").exists());
}

#[test]
fn a_job_that_ends_without_the_savepoint_it_was_to_leave_fails_and_nothing_is_lost() {
    let scene = Scene::new();
    let file = scene.path("file");
    let savepoint = file.join("savepoint");
    let running = at_work(&scene, &format!("--stop-with-savepoint {}", shown(&savepoint)));
    fs::write(&file, "in the way").unwrap();
    let names = ["the job has stopped, and left no savepoint", shown(&savepoint), "is intact"];
    let outcome = running.terminate().refused(1, &names);
    assert!(outcome.stderr.contains(shown(&scene.latest())), "{outcome}");
    scene.assert_restorable();
}
