//! A job that can't do what it is asked for says so, by name and with an exit code; and whatever goes wrong, what it had
//! achieved is still there.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::support::{Outcome, Program, Running, reader, skip};

/// Words to count, and room for what a job makes of them.
pub struct Scene {
    dir: tempfile::TempDir,
}

const WORDS: [&str; 7] = ["ebb", "flood", "neap", "spring", "slack", "surge", "swell"];
const LINES: usize = 5_000;

impl Scene {
    pub fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let words: String = (0..LINES).map(|line| format!("{}\n", WORDS[(line + line / 7) % 7])).collect();
        // The last line is a word of its own: what happens at it happens late.
        fs::write(dir.path().join("words.txt"), words + "seiche\n").unwrap();
        Scene { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn snapshots(&self) -> PathBuf {
        self.path("snapshots")
    }

    /// The job that counts the words.
    pub fn job(&self) -> Program {
        Program::faulty()
            .path("--input", &self.path("words.txt"))
            .path("--output", &self.path("out"))
            .args("--parallelism 2")
    }

    /// The same with snapshots.
    pub fn safe_job(&self) -> Program {
        self.job().path("--snapshot-dir", &self.snapshots()).args("--snapshot-interval 20ms")
    }

    /// Has the job take `count` snapshots, and kills it in the midst of its work.
    pub fn interrupted(count: usize) -> Scene {
        let scene = Scene::new();
        let mut running = scene.slow_job();
        running.until("enough snapshots", || scene.complete_snapshots().len() >= count);
        running.kill();
        scene
    }

    /// A job that will be at work for long.
    pub fn slow_job(&self) -> Running {
        self.safe_job().args("--max-rate 1000").spawn()
    }

    /// The complete snapshots, oldest first.
    pub fn complete_snapshots(&self) -> Vec<PathBuf> {
        let Ok(entries) = self.snapshots().read_dir() else { return Vec::new() };
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        let is_snapshot = |name: &str| name.starts_with("snapshot-") && !name.contains('.');
        paths.retain(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(is_snapshot));
        paths.sort();
        paths
    }

    pub fn latest(&self) -> PathBuf {
        self.complete_snapshots().pop().expect("there is a snapshot")
    }

    /// A file of state that only the latest snapshot has.
    fn state_file(&self) -> PathBuf {
        let names = |snapshot: &PathBuf| -> BTreeSet<String> {
            let text = fs::read(snapshot.join("manifest.json")).unwrap();
            let manifest: serde_json::Value = serde_json::from_slice(&text).unwrap();
            let operators = manifest["operators"].as_array().unwrap().iter();
            let files = operators.flat_map(|operator| operator["files"].as_array().unwrap());
            files.map(|file| file["name"].as_str().unwrap().to_string()).collect()
        };
        let mut snapshots = self.complete_snapshots();
        let latest = names(&snapshots.pop().expect("there is a snapshot"));
        let older: BTreeSet<String> = snapshots.iter().flat_map(names).collect();
        let own = latest.difference(&older).next().expect("the latest snapshot changed something");
        self.snapshots().join("state").join(own)
    }

    /// Every word was counted once, and the counts show every number once.
    pub fn assert_exact(&self) {
        let results = reader::results(&self.path("out"));
        assert_eq!(results.len(), LINES + 1);
        for word in WORDS.iter().chain(&["seiche"]) {
            let counts = results.iter().filter(|result| result[0] == *word);
            let mut counts: Vec<_> = counts.map(|result| result[1].as_u64().unwrap()).collect();
            counts.sort_unstable();
            assert!(counts.iter().copied().eq(1..=counts.len() as u64), "{word}: {counts:?}");
        }
    }

    /// Nothing is lost: from the latest snapshot the job comes to its exact end.
    pub fn assert_restorable(&self) {
        self.safe_job().args("--restore latest").run().success();
        self.assert_exact();
    }
}

/// What `flags` come to for a job that was interrupted.
fn refused(scene: &Scene, flags: &str, code: i32, names: &[&str]) -> Outcome {
    scene.safe_job().args(flags).run().refused(code, names)
}

pub fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

mod panics {
    use super::*;

    #[test]
    fn a_panic_is_reported_with_operator_key_group_and_source_position() {
        let scene = Scene::interrupted(2);
        let job = scene.safe_job().args("--restore latest --restart none --panic-at seiche --max-rate 5000");
        let input = scene.path("words.txt");
        let names = [
            "operator \"count\"",
            "key group ",
            "source \"words\"",
            shown(&input),
            "record",
            "can't stand seiche",
            "jobs/faulty.rs:",
            "is intact",
        ];
        let outcome = job.run().refused(1, &names);
        // The key group is a number, and the position that of a line: the last one, or the batch that ends there.
        let position = outcome.stderr.split("key group ").nth(1).unwrap();
        assert!(position.starts_with(|character: char| character.is_ascii_digit()), "{outcome}");
        assert!(position.contains(&format!("{}", LINES + 1)), "{outcome}");
        scene.assert_restorable();
    }

    #[test]
    fn a_job_without_snapshots_ends_at_the_first_panic_and_shows_nothing() {
        let scene = Scene::new();
        scene.job().args("--panic-at surge").run().refused(1, &["operator \"count\"", "can't stand surge"]);
        assert_eq!(reader::results(&scene.path("out")), [""; 0]);
        // What it left behind is in nobody's way.
        scene.job().run().success();
        scene.assert_exact();
    }

    #[test]
    fn a_job_that_panics_once_starts_again_from_the_last_snapshot_and_is_exact() {
        for strategy in ["fixed:3,10ms", "exponential:10ms,50ms"] {
            let scene = Scene::new();
            let panicked = scene.path("panicked");
            let outcome = scene
                .safe_job()
                .args(&format!("--restart {strategy} --panic-at seiche --max-rate 5000"))
                .path("--panicked", &panicked)
                .run()
                .success();
            assert!(panicked.exists(), "{outcome}");
            for name in ["operator \"count\"", "can't stand seiche", "starts again in 10ms, from snapshot"] {
                assert!(outcome.stderr.contains(name), "{name}: {outcome}");
            }
            assert!(!outcome.stderr.contains("panicked at"), "{outcome}");
            scene.assert_exact();
        }
    }

    #[test]
    fn a_job_that_panics_again_and_again_gives_up_after_the_restarts_it_has() {
        let scene = Scene::interrupted(1);
        let flags = "--restore latest --restart fixed:2,10ms --panic-at seiche --max-rate 5000";
        let outcome = refused(&scene, flags, 1, &["operator \"count\"", "can't stand seiche"]);
        assert_eq!(outcome.stderr.matches("starts again").count(), 2, "{outcome}");
        scene.assert_restorable();
    }

    #[test]
    fn an_exponential_delay_doubles_up_to_its_maximum() {
        let scene = Scene::interrupted(1);
        let flags = "--restore latest --restart exponential:10ms,40ms --panic-at seiche --max-rate 20000";
        let mut running = scene.safe_job().args(flags).spawn();
        running.until_said("in 40ms");
        let outcome = running.kill();
        assert!(outcome.stderr.contains("in 10ms") && outcome.stderr.contains("in 20ms"), "{outcome}");
        scene.assert_restorable();
    }
}

mod input {
    use super::*;

    #[test]
    fn input_that_can_not_be_read_is_refused_by_its_name() {
        let scene = Scene::new();
        let dir = scene.path("folder");
        fs::create_dir(&dir).unwrap();
        fs::write(scene.path("plain.gz"), "not compressed\n").unwrap();
        for (input, code, reason) in [
            (scene.path("missing.txt"), 1, "there is no such file"),
            (scene.path("missing*.txt"), 1, "no file matches"),
            (dir, 1, "it is a directory"),
            (scene.path("plain.gz"), 1, "not compressed by gzip"),
        ] {
            for snapshots in ["", "--restart none"] {
                let job = Program::faulty().path("--input", &input).path("--output", &scene.path("out"));
                let job = match snapshots {
                    "" => job,
                    flags => job.args(flags).path("--snapshot-dir", &scene.snapshots()),
                };
                job.run().refused(code, &[shown(&input), reason, "hint: "]);
            }
        }
        assert_eq!(reader::results(&scene.path("out")), [""; 0]);
    }

    #[test]
    fn a_file_or_directory_that_may_not_be_read_is_refused_by_its_name() {
        const NOBODY: &str = "exec setpriv --reuid 65534 --clear-groups -- \"$@\"";
        let scene = Scene::new();
        let closed = scene.path("closed");
        fs::create_dir(&closed).unwrap();
        fs::write(closed.join("words.txt"), "ebb\n").unwrap();
        let locked = scene.path("locked.txt");
        fs::write(&locked, "ebb\n").unwrap();
        for (path, mode) in [(&closed, 0o000), (&locked, 0o000), (&scene.dir.path().to_path_buf(), 0o777)] {
            fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        }
        // Nothing is closed to the superuser, who can become somebody else.
        let is_superuser = File::open(&locked).is_ok();
        let as_nobody = |program: Program| if is_superuser { program.within(NOBODY) } else { program };
        if !as_nobody(Program::faulty().arg("--version")).run().succeeded() {
            return skip("the superuser may read everything, and can't become somebody else here");
        }
        for (input, named) in
            [(locked.clone(), &locked), (closed.join("words.txt"), &closed), (closed.join("*.txt"), &closed)]
        {
            let job = Program::faulty().path("--input", &input).path("--output", &scene.path("out"));
            as_nobody(job).run().refused(1, &[shown(named)]);
        }
        let job = Program::faulty().path("--input", &scene.path("words.txt"));
        as_nobody(job.path("--output", &closed.join("out"))).run().refused(1, &[shown(&closed)]);
        fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    }

    #[test]
    fn input_that_breaks_off_fails_the_job_and_what_came_before_is_not_lost() {
        let scene = Scene::new();
        let input = scene.path("words.txt.gz");
        let gzip = |lines: usize| {
            let text: String = (0..lines).map(|line| format!("{}\n", WORDS[line % 7])).collect();
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
            std::io::Write::write_all(&mut encoder, text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        };
        let whole = gzip(LINES);
        fs::write(&input, &whole[..whole.len() / 2]).unwrap();
        let job = || {
            let job = Program::faulty().path("--input", &input).path("--output", &scene.path("out"));
            job.path("--snapshot-dir", &scene.snapshots()).args("--snapshot-interval 20ms --restart none")
        };
        job().args("--max-rate 5000").run().refused(1, &[shown(&input), "beyond line"]);
        fs::write(&input, whole).unwrap();
        job().args("--restore latest").run().success();
        assert_eq!(reader::results(&scene.path("out")).len(), LINES);
    }

    #[test]
    fn a_file_that_is_not_what_it_was_is_not_gone_on_with() {
        let scene = Scene::interrupted(2);
        let words = fs::read(scene.path("words.txt")).unwrap();
        fs::write(scene.path("words.txt"), "ebb\n").unwrap();
        refused(&scene, "--restore latest --restart none", 1, &[shown(&scene.path("words.txt")), "shorter"]);
        fs::remove_file(scene.path("words.txt")).unwrap();
        refused(
            &scene,
            "--restore latest --restart none",
            1,
            &[shown(&scene.path("words.txt")), "no such file"],
        );
        fs::write(scene.path("words.txt"), words).unwrap();
        scene.assert_restorable();
    }
}

mod promises {
    use super::*;

    #[test]
    fn a_promise_of_exactly_once_is_not_given_for_the_standard_input() {
        let scene = Scene::new();
        let words = File::open(scene.path("words.txt")).unwrap();
        let job = Program::faulty().args("--input -").path("--output", &scene.path("out"));
        let job = job.path("--snapshot-dir", &scene.snapshots()).stdin(words);
        job.run().refused(2, &["\"words\"", "the standard input", "hint: "]);
        // Without the promise it can be read.
        let words = File::open(scene.path("words.txt")).unwrap();
        let job = Program::faulty().args("--input -").path("--output", &scene.path("out"));
        job.stdin(words).run().success();
        scene.assert_exact();
    }

    #[test]
    fn a_promise_of_exactly_once_is_not_given_for_the_standard_output() {
        let dir = tempfile::tempdir().unwrap();
        for (flag, stream) in [("--rejects", "the standard output"), ("--output", "the standard error")] {
            let job = Program::example("web_visits").path("--snapshot-dir", &dir.path().join("snapshots"));
            let outcome = job.path(flag, &dir.path().join("out")).run().refused(2, &[stream, "hint: "]);
            assert_eq!(outcome.stdout, "");
        }
    }

    #[test]
    fn results_that_a_reader_has_seen_are_not_shown_again() {
        let scene = Scene::new();
        scene.job().run().success();
        scene.job().run().refused(1, &[shown(&scene.path("out")), "\"counts\"", "hint: "]);
        scene.assert_exact();
    }

    #[test]
    fn a_job_that_is_asked_to_stop_takes_a_snapshot_and_can_go_on() {
        let scene = Scene::new();
        let mut running =
            scene.job().path("--snapshot-dir", &scene.snapshots()).args("--max-rate 1000").spawn();
        running.until("some work", || scene.path("out").exists());
        std::thread::sleep(std::time::Duration::from_secs(1));
        let outcome = running.terminate().success();
        assert!(outcome.stderr.contains("stopped"), "{outcome}");
        assert_eq!(scene.complete_snapshots().len(), 1, "it has not been time for another one");
        assert!(!reader::results(&scene.path("out")).is_empty(), "what the snapshot holds is committed");
        scene.assert_restorable();
    }
}

mod directories {
    use super::*;

    #[test]
    fn two_processes_do_not_work_in_one_directory() {
        let scene = Scene::new();
        let mut running =
            scene.safe_job().path("--state-dir", &scene.path("state")).args("--max-rate 500").spawn();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        let other = |out: &str| {
            let job = Program::faulty().path("--input", &scene.path("words.txt"));
            job.path("--output", &scene.path(out))
        };
        let state = scene.path("state");
        other("other").path("--state-dir", &state).run().refused(1, &[shown(&state), "in use", "hint: "]);
        let snapshots = scene.snapshots();
        other("other")
            .path("--snapshot-dir", &snapshots)
            .run()
            .refused(1, &[shown(&snapshots), "in use", "hint: "]);
        let out = scene.path("out");
        other("out").run().refused(1, &[shown(&out), "hint: "]);
        assert!(running.is_running(), "the first one does not notice");
        running.kill();
        // A killed process holds nothing.
        scene.safe_job().path("--state-dir", &state).args("--restore latest").run().success();
        scene.assert_exact();
    }

    #[test]
    fn a_directory_that_holds_what_is_not_ours_or_is_none_is_refused() {
        let scene = Scene::new();
        let theirs = scene.path("theirs");
        fs::create_dir(&theirs).unwrap();
        fs::write(theirs.join("thesis.tex"), "everything").unwrap();
        scene.job().path("--state-dir", &theirs).run().refused(1, &[shown(&theirs), "hint: "]);
        assert_eq!(fs::read_to_string(theirs.join("thesis.tex")).unwrap(), "everything");
        let file = scene.path("words.txt");
        scene.job().path("--state-dir", &file).run().refused(1, &[shown(&file)]);
        scene.job().path("--snapshot-dir", &file).run().refused(1, &[shown(&file)]);
        let job = Program::faulty().path("--input", &file).path("--output", &file);
        job.run().refused(1, &[shown(&file), "not a directory"]);
    }

    /// A disk of 1 MiB in memory, which only the job and the script around it see.
    struct SmallDisk {
        path: PathBuf,
    }

    impl SmallDisk {
        /// None if it can't be had here.
        fn of(scene: &Scene) -> Option<SmallDisk> {
            let disk = SmallDisk { path: scene.path("disk") };
            fs::create_dir(&disk.path).unwrap();
            let is_there = disk.within("true").run().succeeded();
            if !is_there {
                skip("a small file system can't be mounted here");
            }
            is_there.then_some(disk)
        }

        /// A script with the disk as `$disk`, which `fill` fills to the last byte.
        fn within(&self, script: &str) -> Program {
            let disk = shown(&self.path);
            let script = format!(
                "disk={disk} && mount -t tmpfs -o size=1m tmpfs $disk || exit 98
                fill() {{ head -c 2M /dev/zero >$disk/filler 2>/dev/null; }}
                {script}"
            );
            Program::at(Path::new("unshare")).args("--map-root-user --mount sh -c").arg(script).arg("sh")
        }

        /// The job, which the script runs as `"$@"`, with its snapshots on the disk.
        fn job(&self, scene: &Scene, script: &str) -> Program {
            let job = self.within(script).arg(env!("CARGO_BIN_EXE_faulty"));
            job.path("--input", &scene.path("words.txt"))
                .path("--output", &scene.path("out"))
                .path("--snapshot-dir", &self.path)
                .args("--snapshot-interval 20ms --parallelism 2")
        }
    }

    #[test]
    fn on_a_full_disk_the_job_goes_on_and_snapshots_do_when_there_is_room_again() {
        let scene = Scene::new();
        let Some(disk) = SmallDisk::of(&scene) else { return };
        let script = format!(
            "\"$@\" --max-rate 1000 2>{log} & job=$!
            until ls -d $disk/snapshot-*[0-9]; do sleep 0.01; done >/dev/null 2>&1
            fill
            until grep -q 'No space left' {log}; do sleep 0.01; done
            rm $disk/filler
            before=$(ls $disk) && while [ \"$before\" = \"$(ls $disk)\" ]; do sleep 0.01; done
            wait $job; code=$?; cat {log} >&2; ls $disk >&2; exit $code",
            log = shown(&scene.path("log"))
        );
        let outcome = disk.job(&scene, &script).run().success();
        for name in
            ["failed, and the job goes on; the last complete one is ", "free some space", " that failed"]
        {
            assert!(outcome.stderr.contains(name), "{name}: {outcome}");
        }
        assert!(!outcome.stderr.contains("starts again"), "{outcome}");
        assert!(!outcome.stderr.contains(".pending\n"), "what was given up is removed: {outcome}");
        scene.assert_exact();
    }

    #[test]
    fn a_job_whose_last_snapshot_finds_no_room_fails_and_says_from_where_to_go_on() {
        let scene = Scene::interrupted(2);
        let Some(disk) = SmallDisk::of(&scene) else { return };
        // The interrupted job's snapshots move onto the disk, which is filled; the job fails; there is room again.
        let script = format!(
            "cp -r {}/. $disk && fill
            \"$@\" --restart none --max-rate 5000
            [ $? = 1 ] || exit 99
            rm $disk/filler
            exec \"$@\"",
            shown(&scene.snapshots())
        );
        let outcome = disk.job(&scene, &script).args("--restore latest").run().success();
        for name in ["was to be the last one, and failed", "No space left", "intact", "go on with --restore"]
        {
            assert!(outcome.stderr.contains(name), "{name}: {outcome}");
        }
        assert!(!outcome.stderr.contains("panicked at"), "{outcome}");
        scene.assert_exact();
    }

    #[test]
    fn while_the_snapshot_directory_is_gone_the_job_goes_on_and_snapshots_do_when_it_is_back() {
        let scene = Scene::new();
        let mut running = scene.slow_job();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        let away = scene.path("away");
        fs::rename(scene.snapshots(), &away).unwrap();
        fs::write(scene.snapshots(), "in the way").unwrap();
        running.until_said("failed, and the job goes on; the last complete one is ");
        fs::remove_file(scene.snapshots()).unwrap();
        fs::rename(&away, scene.snapshots()).unwrap();
        let before = scene.latest();
        running.until("another snapshot", || scene.complete_snapshots().last() > Some(&before));
        let outcome = running.wait().success();
        assert!(outcome.stderr.contains(shown(&scene.snapshots())), "{outcome}");
        assert!(outcome.stderr.contains(" that failed, the last is "), "{outcome}");
        assert!(!outcome.stderr.contains("starts again"), "{outcome}");
        scene.assert_exact();
    }

    #[test]
    fn a_job_that_is_stopped_while_the_snapshot_directory_is_gone_says_from_where_to_go_on() {
        let scene = Scene::new();
        let mut running = scene.slow_job();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        let away = scene.path("away");
        fs::rename(scene.snapshots(), &away).unwrap();
        running.until_said("failed, and the job goes on");
        // The directory is looked into in vain, too, and yet the job knows what it has.
        let snapshots = scene.snapshots();
        let names = ["was to be the last one, and failed", "go on with --restore", shown(&snapshots)];
        let outcome = running.terminate().refused(1, &names);
        assert!(!outcome.stderr.contains("starts again"), "{outcome}");
        fs::rename(&away, scene.snapshots()).unwrap();
        scene.assert_restorable();
    }

    #[test]
    fn a_job_in_which_no_more_snapshots_may_fail_starts_again_as_often_as_it_may() {
        let scene = Scene::new();
        let flags = "--tolerated-snapshot-failures 1 --restart fixed:1,10ms --max-rate 1000";
        let mut running = scene.safe_job().args(flags).spawn();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        let away = scene.path("away");
        fs::rename(scene.snapshots(), &away).unwrap();
        let outcome = running.wait().refused(
            1,
            &["failed, and the job goes on", "failed, and no more than 1 in a row are tolerated"],
        );
        assert_eq!(outcome.stderr.matches("starts again").count(), 1, "{outcome}");
        fs::rename(&away, scene.snapshots()).unwrap();
        scene.assert_restorable();
    }

    #[test]
    fn a_job_that_starts_again_waits_for_its_snapshots_to_be_there_again() {
        let scene = Scene::new();
        let flags = "--tolerated-snapshot-failures 0 --restart exponential:10ms,40ms --max-rate 1000";
        let mut running = scene.safe_job().args(flags).spawn();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        let away = scene.path("away");
        fs::rename(scene.snapshots(), &away).unwrap();
        running.until_said("starts again in 40ms, from snapshot ");
        fs::rename(&away, scene.snapshots()).unwrap();
        running.wait().success();
        scene.assert_exact();
    }

    #[test]
    fn check_creates_no_directory() {
        let scene = Scene::new();
        let (snapshots, state) = (scene.path("new/snapshots"), scene.path("new/state"));
        let check = |flags: &str| {
            let job = scene.job().path("--snapshot-dir", &snapshots).path("--state-dir", &state);
            job.args("--check").args(flags).run()
        };
        let outcome = check("").success();
        assert!(outcome.stdout.ends_with("starts from the beginning\n"), "{}", outcome.stdout);
        check("--restore latest").success();
        check("--restore 3").refused(1, &["there is no snapshot 3"]);
        assert!(!scene.path("new").exists() && !scene.path("out").exists());
        let file = scene.path("words.txt");
        let job = scene.job().path("--snapshot-dir", &file.join("below")).args("--check");
        job.run().refused(1, &[shown(&file), "is not a directory"]);
        let said = format!("{} is not a directory", shown(&file));
        for flag in ["--snapshot-dir", "--state-dir"] {
            scene.job().path(flag, &file).run().refused(1, &[&said, "hint: "]);
        }
        scene.safe_job().path("--savepoint-dir", &file).run().refused(1, &[&said, "hint: "]);
        // A directory that another job uses is refused, as it would be in a run.
        let mut running = scene.slow_job();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        scene.safe_job().args("--check").run().refused(1, &[shown(&scene.snapshots()), "in use"]);
        running.kill();
        scene.safe_job().args("--check").run().success();
    }
}

mod snapshots {
    use super::*;

    #[test]
    fn a_snapshot_that_is_not_there_is_refused_with_those_that_are() {
        let scene = Scene::interrupted(2);
        let latest = scene.latest();
        let number = shown(&latest).rsplit('-').next().unwrap().trim_start_matches('0').to_string();
        refused(&scene, "--restore 999999", 1, &["no snapshot 999999", &number]);
        let missing = scene.path("nowhere");
        refused(&scene, &format!("--restore {}", shown(&missing)), 1, &[shown(&missing)]);
        let elsewhere = |path: &Path, names: &[&str]| {
            scene.job().path("--restore", path).run().refused(1, &[&[shown(path)], names].concat());
        };
        elsewhere(&missing, &["nothing is there", "hint: a snapshot is `latest`"]);
        elsewhere(
            &scene.snapshots(),
            &["is no snapshot", "hint: there are snapshots in it: add --snapshot-dir"],
        );
        let empty = scene.path("empty");
        fs::create_dir(&empty).unwrap();
        refused(&scene, &format!("--restore {}", shown(&empty)), 1, &[shown(&empty), "is no snapshot"]);
        scene.job().args("--restore latest").run().refused(2, &["--restore latest", "--snapshot-dir"]);
        scene.assert_restorable();
    }

    #[test]
    fn a_half_written_snapshot_is_never_restored_from() {
        let scene = Scene::interrupted(2);
        let pending = scene.path("backup/snapshot-0000000099.pending");
        copy(&scene.latest(), &pending);
        refused(&scene, &format!("--restore {}", shown(&pending)), 1, &[shown(&pending), "never completed"]);
        // In the snapshot directory it is rubbish, whatever it holds.
        let pending = scene.snapshots().join("snapshot-0000000099.pending");
        copy(&scene.latest(), &pending);
        scene.assert_restorable();
        assert!(!pending.exists());
    }

    /// What the latest is, if this is broken: the one before, and the broken one is named with the reason. Who names the
    /// broken one gets no other.
    fn passed_over(scene: &Scene, reason: &[&str]) {
        let snapshots = scene.complete_snapshots();
        let [.., before, latest] = &snapshots[..] else {
            panic!("two snapshots at least, not {snapshots:?}")
        };
        let outcome = scene.safe_job().args("--restore latest --check").run().success();
        for told in reason.iter().chain(&["was skipped", &format!("({})", shown(before))]) {
            assert!(outcome.stdout.contains(told), "{told}: {outcome}");
        }
        assert!(outcome.stderr.contains("was skipped"), "a warning, too: {outcome}");
        refused(scene, &format!("--restore {}", shown(latest)), 1, reason);
        let number = shown(latest).rsplit('-').next().unwrap();
        let hinted =
            [reason, &["hint: --restore latest goes on from the newest snapshot that is whole"]].concat();
        refused(scene, &format!("--restore {number}"), 1, &hinted);
    }

    #[test]
    fn a_snapshot_that_lacks_a_file_or_a_part_of_one_is_passed_over_by_name_and_one_that_was_asked_for_refused()
     {
        let scene = Scene::interrupted(2);
        let file = scene.state_file();
        let bytes = fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        fs::write(&file, &bytes[..bytes.len() - 10]).unwrap();
        passed_over(&scene, &[shown(&file), &format!("{} bytes", bytes.len() - 10)]);
        fs::remove_file(&file).unwrap();
        passed_over(&scene, &[name, "missing"]);
        fs::write(&file, &bytes).unwrap();
        let manifest = scene.latest().join("manifest.json");
        let text = fs::read(&manifest).unwrap();
        fs::write(&manifest, &text[..text.len() / 2]).unwrap();
        passed_over(&scene, &[shown(&manifest)]);
        fs::write(&manifest, text).unwrap();
        scene.assert_restorable();
    }

    #[test]
    fn a_snapshot_with_a_flipped_bit_is_passed_over_by_name_and_one_that_was_asked_for_refused() {
        let scene = Scene::interrupted(2);
        for file in [scene.state_file(), scene.latest().join("manifest.json")] {
            let intact = fs::read(&file).unwrap();
            flip_a_bit(&file);
            passed_over(&scene, &[shown(&file), "broken"]);
            fs::write(file, intact).unwrap();
        }
        scene.assert_restorable();
    }

    #[test]
    fn with_no_whole_snapshot_left_latest_is_refused_with_every_reason() {
        let scene = Scene::interrupted(2);
        let manifests: Vec<_> =
            scene.complete_snapshots().iter().map(|snapshot| snapshot.join("manifest.json")).collect();
        manifests.iter().for_each(|manifest| flip_a_bit(manifest));
        let names: Vec<&str> = manifests.iter().map(|manifest| shown(manifest)).chain(["hint: "]).collect();
        refused(&scene, "--restore latest", 1, &names);
        manifests.iter().for_each(|manifest| flip_a_bit(manifest));
        scene.assert_restorable();
    }

    #[test]
    fn a_snapshot_of_another_job_is_refused_with_both_names() {
        let scene = Scene::interrupted(1);
        let job = Program::example("fraud").path("--output", &scene.path("alerts"));
        let job = job.path("--rejects", &scene.path("rejects")).path("--snapshot-dir", &scene.snapshots());
        job.args("--restore latest").run().refused(1, &["\"faulty\"", "\"fraud\"", "hint: "]);
        scene.assert_restorable();
    }

    /// It would take its own there, and with every one that is complete remove one of the other's.
    #[test]
    fn a_job_takes_no_snapshots_where_those_of_another_job_lie() {
        let scene = Scene::interrupted(1);
        let before = scene.complete_snapshots();
        for flags in ["", "--check"] {
            let names = [
                "of job \"faulty\", this is job \"fraud\"",
                "hint: give every job a --snapshot-dir of its own",
            ];
            let fraud = Program::example("fraud").path("--output", &scene.path("alerts")).args(flags);
            let fraud = fraud.path("--rejects", &scene.path("rejects"));
            fraud.path("--snapshot-dir", &scene.snapshots()).run().refused(1, &names);
        }
        assert_eq!(scene.complete_snapshots(), before);
        scene.assert_restorable();
    }

    #[test]
    fn a_job_that_begins_anew_beside_its_snapshots_says_that_they_will_go() {
        let said = "starts from the beginning, and its snapshots take the place of those that are in";
        let scene = Scene::interrupted(1);
        let outcome = scene.safe_job().args("--check").run().success();
        assert!(outcome.stderr.contains(said) && outcome.stderr.contains("--restore latest"), "{outcome}");
        let outcome = scene.safe_job().args("--restore latest").run().success();
        assert!(!outcome.stderr.contains(said), "{outcome}");
    }

    #[test]
    fn a_snapshot_whose_state_can_not_be_taken_over_is_refused_with_what_has_changed() {
        let scene = Scene::interrupted(1);
        let names = ["state \"Seen\"", "operator \"count\"", "times", "u32", "u16", "hint: "];
        refused(&scene, "--restore latest --narrower-state", 1, &names);
        scene.assert_restorable();
    }

    #[test]
    fn state_of_an_operator_that_is_no_more_goes_only_if_it_may_and_a_new_one_starts_empty() {
        let scene = Scene::interrupted(2);
        let names =
            ["state \"Seen\" of operator \"count\"", "no operator \"count\"", "--allow-dropped-state"];
        refused(&scene, "--restore latest --operator tally", 1, &names);
        let flags = "--restore latest --operator tally --allow-dropped-state";
        let said = [
            "state \"Seen\" of operator \"count\" is dropped",
            "operator \"tally\" starts empty: the snapshot does not know it",
        ];
        let checked = scene.safe_job().args(flags).arg("--check").run().success().stdout;
        let run = scene.safe_job().args(flags).args("--log info").run().success().stderr;
        for said in said {
            assert!(checked.contains(said) && run.contains(said), "{said}: {checked}\n{run}");
        }
        // The new operator has counted from 1 on.
        let results = reader::results(&scene.path("out"));
        assert_eq!(results.len(), LINES + 1);
        assert_eq!(results.iter().filter(|result| result[0] == "ebb" && result[1] == 1).count(), 2);
        // What was dropped is in no snapshot any more.
        scene.safe_job().args("--restore latest --operator tally --check").run().success();
    }

    #[test]
    fn the_number_of_key_groups_is_that_of_the_snapshot_unless_another_is_asked_for() {
        let scene = Scene::new();
        let mut running = scene.safe_job().args("--max-rate 1000 --max-parallelism 5").spawn();
        running.until("a snapshot", || !scene.complete_snapshots().is_empty());
        running.kill();
        let job = |flags: &str| {
            let job = Program::faulty().path("--input", &scene.path("words.txt"));
            let job = job.path("--output", &scene.path("out")).path("--snapshot-dir", &scene.snapshots());
            job.args("--restore latest").args(flags)
        };
        let groups = || {
            let manifest = fs::read_to_string(scene.latest().join("manifest.json")).unwrap();
            let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
            manifest["max_parallelism"].as_u64().unwrap()
        };
        job("--parallelism 6").run().refused(1, &["more than the 5 key groups of snapshot"]);
        // Taken back by another number of workers with another number of key groups, and then by as many as there may be.
        let before = scene.latest();
        let more = "--max-parallelism 300 --parallelism 4";
        let checked = job(more).args("--check").run().success();
        assert!(checked.stdout.contains("dealt anew, from 5 to 300 key groups"), "{checked}");
        let mut running = job(more).args("--snapshot-interval 20ms --max-rate 1000").spawn();
        running.until("another snapshot", || scene.complete_snapshots().last() > Some(&before));
        running.kill();
        assert_eq!(groups(), 300);
        job("").run().success();
        assert_eq!(groups(), 300);
        scene.assert_exact();
    }

    #[test]
    fn check_says_what_a_run_would_say_and_changes_nothing() {
        let scene = Scene::interrupted(2);
        let outcome = scene.safe_job().args("--restore latest --check").run().success();
        assert!(outcome.stdout.contains("operator \"count\""), "{}", outcome.stdout);
        let file = scene.state_file();
        let intact = fs::read(&file).unwrap();
        flip_a_bit(&file);
        refused(
            &scene,
            &format!("--restore {} --check", shown(&scene.latest())),
            1,
            &[shown(&file), "broken"],
        );
        fs::write(file, intact).unwrap();
        scene.assert_restorable();
    }
}
