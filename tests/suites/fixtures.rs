//! Snapshots that earlier builds have left, in `tests/fixtures`: every later one goes on from them. They are never recorded
//! anew; a format that changes gets a fixture of its own beside those that are there.

use std::fs;
use std::path::Path;

use crate::support::Random;
use crate::torture::ledger::Scene;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// `ledger-1`: state file format 2, manifest format 2. The [ledger](../jobs/ledger.rs) on 600 payments at parallelism 2, killed
/// with SIGKILL behind its fourteenth snapshot: a base and deltas, of maps, lists, values that expire, and timers.
#[test]
fn a_ledger_that_was_killed_long_ago_goes_on_and_remembers_what_a_loop_does() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/snapshots/ledger-1");
    let mut random = Random::of_test("a_ledger_that_was_killed_long_ago");
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        copy(&fixture, dir.path());
        let mut scene = Scene::found(dir);
        scene.look("the kill");
        let outcome = scene.job(&mut random).run().success();
        assert!(!outcome.stderr.contains("passed over"), "{}", outcome.stderr);
        scene.look("the end");
        scene.check();
    }
}
