//! A job that is killed, again and again, at random moments and between any two steps of the snapshot protocol, shows a
//! reader every session, and none twice, at every moment.

pub mod ledger;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread::sleep;

use tidegate::testing::crash::{self, POINTS};

use crate::support::{Log, Outcome, Program, Random, Session, reader};

const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

/// What becomes of records in flight.
const MODES: [&str; 3] =
    ["--snapshot-mode aligned", "--snapshot-mode unaligned", "--snapshot-mode auto --alignment-timeout 1ms"];

/// A job whose input and results survive its processes.
struct Scene<'a> {
    log: &'a Log,
    expected: BTreeSet<&'a Session>,
    dir: tempfile::TempDir,
    input: Vec<PathBuf>,
    /// How many sessions a reader has seen.
    seen: usize,
}

impl<'a> Scene<'a> {
    fn new(log: &'a Log) -> Scene<'a> {
        let dir = tempfile::tempdir().unwrap();
        let input = log.write(dir.path()).to_vec();
        Scene { log, expected: log.sessions.iter().collect(), dir, input, seen: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job, going on from where the last process came to.
    fn job(&self, parallelism: u64) -> Program {
        let program = Program::example("web_visits")
            .in_dir(self.dir.path())
            .path("--output", &self.path("out"))
            .path("--rejects", &self.path("rejects"))
            .path("--snapshot-dir", &self.path("snapshots"))
            .args(&format!("--restore latest --parallelism {parallelism} --quiet --input"));
        self.input.iter().fold(program, Program::arg)
    }

    /// What a reader sees while no process runs: true sessions, none twice, and none that was there is gone.
    fn look(&mut self, after: &str) {
        let sessions = reader::sessions(&reader::results(&self.path("out")));
        for pair in sessions.windows(2) {
            assert_ne!(pair[0], pair[1], "seen twice after {after}");
        }
        for session in &sessions {
            assert!(self.expected.contains(session), "never happened, but seen after {after}: {session:?}");
        }
        assert!(
            sessions.len() >= self.seen,
            "{} sessions are gone after {after}",
            self.seen - sessions.len()
        );
        self.seen = sessions.len();
    }

    /// Lets the job come to its end; everything must be there.
    fn finish(mut self, parallelism: u64) {
        let outcome = self.job(parallelism).run().success();
        self.look("the end");
        assert_eq!(self.seen, self.expected.len(), "sessions are missing\n{outcome}");
        let rejects = reader::results(&self.path("rejects"));
        let mut texts: Vec<_> = rejects.iter().map(|reject| reject["text"].as_str().unwrap()).collect();
        texts.sort_unstable();
        assert_eq!(texts, self.log.bad_lines());
    }

    fn has_snapshot(&self) -> bool {
        let Ok(entries) = self.path("snapshots").read_dir() else { return false };
        let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.any(|name| name.starts_with("snapshot-") && !name.contains('.'))
    }
}

#[test]
fn a_job_killed_at_thirty_random_moments_shows_every_session_once() {
    let mut random = Random::of_test("a_job_killed_at_thirty_random_moments_shows_every_session_once");
    let log = Log::any();
    let mut scene = Scene::new(&log);
    for kill in 1..=30 {
        let parallelism = 1 + random.below(3);
        // In no life can it come further than a fortieth, so that there is work left to be killed at.
        let life = random.millis(40, 500);
        let rate = (log.lines.len() as f64 / 40.0 / life.as_secs_f64()) as usize;
        let mode = random.one_of(&MODES);
        let job = scene.job(parallelism).args(&format!("--max-rate {rate} --snapshot-interval 60ms {mode}"));
        let running = job.spawn();
        sleep(life);
        let outcome = running.kill();
        assert_eq!(outcome.signal(), Some(SIGKILL), "it ended before kill {kill}: {outcome}");
        scene.look(&format!("kill {kill}"));
    }
    assert!(scene.has_snapshot() && scene.seen > 0, "the job never came far enough to show anything");
    scene.finish(1 + random.below(3));
}

/// Dies at `point`, going on from where it was; dies there again if it comes there again; and then goes on to the end.
fn crash_at(log: &Log, point: &str, random: &mut Random) {
    // How many snapshots fit into the time that the input takes, and whether a chain is compacted and files can go, is the
    // machine's matter. On a busy one the input has to take longer.
    let came_there = [2, 10, 50].into_iter().any(|seconds| crash_at_within(seconds, log, point, random));
    assert!(came_there, "it did not come to {point}");
}

/// The same, of an input that takes so long. Whether it came to `point`.
fn crash_at_within(seconds: usize, log: &Log, point: &str, random: &mut Random) -> bool {
    let mut scene = Scene::new(log);
    let mode = random.one_of(&MODES);
    let pace = format!("--max-rate {} --snapshot-interval 25ms {mode}", log.lines.len() / seconds);
    if point.starts_with(crash::DURING_RESTORE) {
        let mut running = scene.job(2).args(&pace).spawn();
        running.until("a complete snapshot", || scene.has_snapshot());
        running.kill();
        scene.look("the first snapshot");
    }
    let armed = |scene: &Scene<'_>, parallelism| -> Outcome {
        // A process that aborts may leave a core dump, which takes longer than all the rest.
        let job = scene.job(parallelism).args(&pace).env(crash::VARIABLE, point);
        job.within("ulimit -c 0; exec \"$@\"").run()
    };
    let outcome = armed(&scene, 3);
    if outcome.succeeded() {
        return false;
    }
    assert_eq!(outcome.signal(), Some(SIGABRT), "it did not die at {point}: {outcome}");
    scene.look(point);
    let outcome = armed(&scene, 1 + random.below(3));
    assert!(outcome.succeeded() || outcome.signal() == Some(SIGABRT), "{outcome}");
    scene.look(&format!("{point}, twice"));
    scene.finish(1 + random.below(3));
    true
}

#[test]
fn a_job_that_dies_between_any_two_steps_of_the_snapshot_protocol_shows_every_session_once() {
    let mut random = Random::of_test("a_job_that_dies_between_any_two_steps");
    let log = Log::any();
    // No chain grows long enough to be compacted, as long as operators freeze all their rows every time.
    let later = [crash::DURING_COMPACTION, crash::AFTER_COMPACTION];
    for point in POINTS.into_iter().filter(|point| !later.contains(point)) {
        for time in 1..=3 {
            crash_at(&log, &format!("{point}:{time}"), &mut random);
        }
    }
}
