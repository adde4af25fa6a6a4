//! `snapshots`, the tools in a job's own executable: what they say of a job that was killed, and that it goes on from what they
//! have made of its state.

use std::fs::File;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Log, Outcome, Program, Session, reader};

/// A job that was killed.
struct Scene {
    dir: TempDir,
    log: Log,
}

impl Scene {
    fn new() -> Scene {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web_visits/access.log");
        let scene = Scene { dir: TempDir::new().unwrap(), log: Log::shipped(&shipped) };
        let mut running =
            scene.job("--snapshot-interval 50ms --retain 100 --max-rate 5 --parallelism 2").spawn();
        let snapshots = || scene.snapshots().map_or(0, Iterator::count);
        running.until("third snapshot with sessions", || {
            snapshots() >= 3 && !scene.tool("dump").success().stdout.is_empty()
        });
        running.kill();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn snapshots(&self) -> Option<impl Iterator<Item = PathBuf> + use<>> {
        let entries = self.path("snapshots").read_dir().ok()?;
        let is_complete = |path: &PathBuf| {
            path.file_name().is_some_and(|name| {
                let name = name.to_string_lossy();
                name.starts_with("snapshot-") && !name.contains('.')
            })
        };
        Some(entries.map(|entry| entry.unwrap().path()).filter(is_complete))
    }

    fn job(&self, flags: &str) -> Program {
        Program::example("web_visits")
            .path("--output", &self.path("sessions"))
            .path("--rejects", &self.path("rejects"))
            .path("--snapshot-dir", &self.path("snapshots"))
            .args(flags)
    }

    /// The tools, behind the flags of the job.
    fn tool(&self, words: &str) -> Outcome {
        self.job("snapshots").args(words).run()
    }

    fn lines(&self, words: &str) -> Vec<Value> {
        reader::lines(&self.tool(words).success().stdout)
    }

    /// Edits a snapshot into a savepoint that is called `name`.
    fn edit(&self, snapshot: &str, lines: &[Value], name: &str) -> Outcome {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(self.path("lines"), text).unwrap();
        self.job("snapshots edit")
            .arg(snapshot)
            .path("--out", &self.path(name))
            .stdin(File::open(self.path("lines")).unwrap())
            .run()
    }

    /// Goes on to the end; the sessions that are found then.
    fn restored(&self, from: &str) -> Vec<Session> {
        self.job("--parallelism 3").arg("--restore").arg(from).run().success();
        reader::sessions(&reader::results(&self.path("sessions")))
    }
}

/// The state of somebody whose session is open, as a line.
fn open_session(dump: &[Value]) -> Value {
    let is_open = |line: &&Value| line["section"] == "state" && line["value"]["open"][0]["visits"].is_u64();
    dump.iter().find(is_open).expect("no session is open").clone()
}

#[test]
fn a_job_goes_on_from_the_state_that_an_edit_has_given_it() {
    let scene = Scene::new();
    let dump = scene.lines("dump latest");
    let mut line = open_session(&dump);
    let key = line["key"].as_str().unwrap().to_string();
    let got = scene.lines(&format!("get {key}"));
    let of_key: Vec<_> = dump.iter().filter(|line| line["key"] == *key).cloned().collect();
    assert_eq!(got, of_key);

    let visits = line["value"]["open"][0]["visits"].as_u64().unwrap();
    line["value"]["open"][0]["visits"] = json!(visits + 1000);
    scene.edit("latest", &[line.clone()], "edited").success();
    let edited = scene.path("edited").display().to_string();
    scene.tool(&format!("verify {edited}")).success();
    let changed = scene.lines(&format!("diff latest {edited}"));
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert_eq!(changed[0]["change"], "changed");
    assert_eq!(changed[0]["was"]["open"][0]["visits"], json!(visits));
    assert_eq!(changed[0]["value"], line["value"]);

    let mut found = scene.restored(&edited);
    let more = found.iter_mut().find(|session| session.visits > 1000).expect("what was edited is lost");
    assert_eq!(more.user, key);
    more.visits -= 1000;
    assert_eq!(found, scene.log.sessions);
}

#[test]
fn an_export_and_a_dump_that_is_edited_in_again_are_the_same_state() {
    let scene = Scene::new();
    let dump = scene.lines("dump");
    scene.edit("latest", &dump, "again").success();
    let (again, exported) = (scene.path("again"), scene.path("exported"));
    scene.job("snapshots export").path("--out", &exported).run().success();
    assert_eq!(scene.lines("export --format jsonl"), dump);
    for savepoint in [&again, &exported] {
        assert_eq!(scene.lines(&format!("dump {}", savepoint.display())), dump);
        assert_eq!(scene.lines(&format!("diff {} latest", savepoint.display())), [] as [Value; 0]);
    }
    assert_eq!(scene.restored(&again.display().to_string()), scene.log.sessions);
}

#[test]
fn snapshots_are_listed_shown_and_verified_and_what_is_broken_is_named() {
    let scene = Scene::new();
    let listed = scene.lines("list --json");
    let complete = listed.iter().filter(|one| one["standing"] == "complete").count();
    assert_eq!(complete, scene.snapshots().unwrap().count());
    let last = listed.iter().rfind(|one| one["standing"] == "complete").unwrap();
    let shown = scene.tool("show").success().stdout;
    for part in [
        &format!("snapshot {} of job \"web-visits\"", last["snapshot"]),
        "operator \"sessions\"",
        "state Sessions, key String",
        "open: Vec<OpenSession>",
        "timers carry Close",
        "source access-log",
    ] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    assert_eq!(reader_of(&scene.tool("show --json"))["snapshot"], last["snapshot"]);
    let whole = scene.tool("verify --all").success().stdout;
    assert_eq!(whole.lines().filter(|line| line.contains(" is whole: ")).count(), complete, "{whole}");

    let newest = scene.snapshots().unwrap().max().unwrap();
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(newest.join("manifest.json")).unwrap()).unwrap();
    let file =
        manifest["operators"][0]["files"].as_array().unwrap().last().unwrap()["name"].as_str().unwrap();
    let path = scene.path("snapshots").join("state").join(file);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let broken = scene.tool("verify --all").refused(1, &["snapshots are broken"]);
    assert!(broken.stdout.contains(&format!("{file} is broken")), "{}", broken.stdout);
    scene.tool("dump").refused(1, &[file, "is broken"]);
    let absent =
        scene.tool("verify 999999").refused(1, &["there is no snapshot 999999 in", "hint: `snapshots list`"]);
    assert!(!format!("{absent}").contains("is broken"), "{absent}");
    assert!(scene.tool("list").success().stdout.contains("broken: "));
}

fn reader_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_mistake_is_told_with_its_line_and_exit_code() {
    let scene = Scene::new();
    let mut line = open_session(&scene.lines("dump"));
    line["value"]["open"][0]["visits"] = json!("many");
    scene
        .edit("latest", &[json!({ "key": "nobody", "state": null })], "no")
        .refused(1, &["line 1", "nothing of this key"]);
    scene.edit("latest", &[line], "no").refused(1, &["line 1", "value.open.0.visits", "is no u64"]);
    assert!(!scene.path("no").exists());
    scene.tool("get nobody").refused(1, &["nothing of the key nobody"]);
    scene.tool("dump 4711").refused(1, &["no snapshot 4711"]);
    scene.tool("export").refused(2, &["--out DIR is missing"]);
    scene.tool("diff 1").refused(2, &["<B>"]);
    Program::example("web_visits").args("snapshots list").run().refused(2, &["--snapshot-dir is not given"]);
}

#[test]
fn what_a_run_requires_the_tools_do_not() {
    let empty = TempDir::new().unwrap();
    Program::evolving().run().refused(2, &["--input", "--output", "--program"]);
    let listed = Program::evolving().args("snapshots list").path("--snapshot-dir", empty.path()).run();
    assert!(listed.success().stdout.starts_with("no snapshot in "));
}
