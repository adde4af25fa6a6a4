//! Nexmark gives what Apache Flink gave, row by row, whatever the parallelism and the store, and whatever happened on the way.
//!
//! With `TIDEGATE_SHARED` set, every query is held against `reference/nexmark` there: at parallelism 1, 2 and 4 with each of
//! both stores it is run straight through, and killed half way and restored at another parallelism and with the other store;
//! always with a snapshot every 50 ms. What is said of made-up events needs no reference.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use ruzstd::decoding::StreamingDecoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::support::log::shared;
use crate::support::{Program, reader, skip};

const SIGKILL: i32 = 9;
/// How many events the reference has.
const EVENTS: u64 = 100_000;

/// A query's answer: its header, and its rows in an order that does not depend on the order in which they came.
#[derive(PartialEq)]
pub struct Answer {
    header: String,
    rows: Vec<String>,
}

impl Answer {
    /// What is visible in the CSV files of `dir`: every file has a header, and all have the same.
    pub fn written(dir: &Path) -> Answer {
        let files = files(dir, "csv");
        let mut answers = files.iter().map(|path| Answer::of(&fs::read_to_string(path).unwrap()));
        let Answer { header, mut rows } =
            answers.next().unwrap_or_else(|| panic!("no file in {}", dir.display()));
        for mut answer in answers {
            assert_eq!(answer.header, header);
            rows.append(&mut answer.rows);
        }
        rows.sort_unstable();
        Answer { header, rows }
    }

    pub fn of(csv: &str) -> Answer {
        assert!(csv.ends_with('\n'), "the last line is not whole");
        let mut lines = csv.split_terminator('\n').map(str::to_string);
        let header = lines.next().unwrap();
        let mut rows: Vec<_> = lines.collect();
        rows.sort_unstable();
        Answer { header, rows }
    }

    /// They are the same as multisets. Rows are compared byte by byte.
    #[track_caller]
    pub fn must_be(&self, expected: &Answer, what: &str) {
        assert_eq!(self.header, expected.header, "{what}");
        if self.rows != expected.rows {
            let differs = self.rows.iter().zip(&expected.rows).find(|(found, expected)| found != expected);
            panic!(
                "{what}: {} rows, not {}; the first to differ: {differs:?}",
                self.rows.len(),
                expected.rows.len()
            );
        }
    }
}

/// The files in a directory that are called so and not hidden.
fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|there| there == extension));
    files.sort();
    files
}

/// A query, and a directory for what it leaves.
struct Scene {
    query: &'static str,
    input: PathBuf,
    dir: tempfile::TempDir,
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn job(&self, out: &str, flags: &str) -> Program {
        Program::example("nexmark")
            .arg(self.query)
            .path("--input", &self.input)
            .path("--output", &self.path(out))
            .path("--snapshot-dir", &self.path(&format!("{out}-snapshots")))
            .args("--format csv --quiet --snapshot-interval 50ms")
            .args(flags)
    }

    /// Kills the job when about half of the events are in a snapshot. How many are.
    fn kill_half_way(&self, flags: &str) -> u64 {
        // At the first rate it takes more than a second. On a busy machine it may be over before anybody looks.
        for rate in [80_000, 25_000, 8_000] {
            let mut running = self.job("killed", flags).args(&format!("--max-rate {rate}")).spawn();
            running.until("half of the events", || self.events_in_snapshot("killed") >= EVENTS * 2 / 5);
            let was_killed = running.kill().signal() == Some(SIGKILL);
            let events = self.events_in_snapshot("killed");
            if was_killed && events < EVENTS {
                return events;
            }
            fs::remove_dir_all(self.path("killed")).unwrap();
            fs::remove_dir_all(self.path("killed-snapshots")).unwrap();
        }
        panic!("{} {flags} is over before it can be killed", self.query);
    }

    /// How many events came before the newest complete snapshot.
    fn events_in_snapshot(&self, out: &str) -> u64 {
        let Ok(entries) = self.path(&format!("{out}-snapshots")).read_dir() else { return 0 };
        // One that is being written has a dot in its name.
        let complete = |name: &String| name.starts_with("snapshot-") && !name.contains('.');
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let newest = names.filter(complete).max();
        let newest = newest.map(|name| self.path(&format!("{out}-snapshots/{name}/manifest.json")));
        // The newest may be removed before it is read, as another is complete.
        let Some(manifest) = newest.and_then(|path| fs::read(path).ok()) else { return 0 };
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        let offset =
            manifest["entries"].as_array().unwrap().iter().find(|entry| entry["owner"] == "source events");
        offset.map_or(0, |offset| offset["value"]["at"]["records"].as_u64().unwrap_or(EVENTS))
    }
}

/// How a job is run: at every parallelism, with every store. One that was killed goes on as the next in line says, or, of
/// every other query, the one before: at another parallelism and with the other store.
const WAYS: [&str; 6] = [
    "--parallelism 1 --state heap",
    "--parallelism 2 --state fjall",
    "--parallelism 4 --state heap",
    "--parallelism 1 --state fjall",
    "--parallelism 2 --state heap",
    "--parallelism 4 --state fjall",
];

#[derive(Clone, Copy)]
enum Rescaled {
    Up,
    Down,
}

fn equals_the_reference(query: &'static str, rescaled: Rescaled) {
    let Some(shared) = shared() else { return skip("TIDEGATE_SHARED is not set, so there is no reference") };
    let reference = shared.join("reference/nexmark");
    let expected = Answer::of(&unzstd(&reference.join(format!("results/{query}.csv.zst"))));
    for (way, straight) in WAYS.into_iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let scene = Scene { query, input: reference.join("events.jsonl.zst"), dir };
        scene.job("straight", straight).run().success();
        Answer::written(&scene.path("straight")).must_be(&expected, &format!("{query} {straight}"));
        assert_eq!(files(&scene.path("straight"), "jsonl"), [] as [PathBuf; 0], "no line is rejected");

        let next = match rescaled {
            Rescaled::Up => way + 1,
            Rescaled::Down => way + WAYS.len() - 1,
        };
        let (killed, restored) = (straight, WAYS[next % WAYS.len()]);
        let events = scene.kill_half_way(killed);
        scene.job("killed", restored).args("--restore latest").run().success();
        let what = format!("{query} {killed}, killed at {events} events, {restored}");
        Answer::written(&scene.path("killed")).must_be(&expected, &what);
    }
}

macro_rules! queries {
    ($($name:ident $query:literal $rescaled:ident,)*) => {
        $(
            #[test]
            fn $name() {
                equals_the_reference($query, Rescaled::$rescaled);
            }
        )*
    };
}

queries! {
    q0_equals_the_reference "q0" Up,
    q1_equals_the_reference "q1" Down,
    q2_equals_the_reference "q2" Up,
    q3_equals_the_reference "q3" Down,
    q4_equals_the_reference "q4" Up,
    q5_equals_the_reference "q5" Down,
    q6_equals_the_reference "q6" Up,
    q7_equals_the_reference "q7" Down,
    q8_equals_the_reference "q8" Up,
    q9_equals_the_reference "q9" Down,
    q10_equals_the_reference "q10" Up,
    q11_equals_the_reference "q11" Down,
    q12_equals_the_reference "q12" Up,
    q13_equals_the_reference "q13" Down,
    q14_equals_the_reference "q14" Up,
    q15_equals_the_reference "q15" Down,
    q16_equals_the_reference "q16" Up,
    q17_equals_the_reference "q17" Down,
    q18_equals_the_reference "q18" Up,
    q19_equals_the_reference "q19" Down,
    q20_equals_the_reference "q20" Up,
    q21_equals_the_reference "q21" Down,
    q22_equals_the_reference "q22" Up,
}

pub fn unzstd(path: &Path) -> String {
    let mut text = String::new();
    let file = fs::read(path).unwrap_or_else(|error| panic!("can't read {}: {error}", path.display()));
    StreamingDecoder::new(file.as_slice()).unwrap().read_to_string(&mut text).unwrap();
    text
}

/// Made-up events, sorted.
pub fn made_up(flags: &str) -> Vec<String> {
    let outcome = Program::example("nexmark").args("events --quiet").args(flags).run().success();
    let mut lines: Vec<_> = outcome.stdout.lines().map(str::to_string).collect();
    lines.sort_unstable();
    lines
}

#[test]
fn made_up_events_have_the_official_proportions_and_are_the_same_for_the_same_seed() {
    let events = made_up("--events 5000 --seed 7 --parallelism 1");
    let count =
        |kind: &str| events.iter().filter(|event| event.contains(&format!("{{\"type\":\"{kind}\""))).count();
    assert_eq!((count("person"), count("auction"), count("bid")), (100, 300, 4600));
    for parallelism in [2, 4] {
        assert!(made_up(&format!("--events 5000 --seed 7 --parallelism {parallelism}")) == events);
    }
    let other = made_up("--events 5000 --seed 8 --parallelism 1");
    assert!(
        other.iter().all(|event| events.binary_search(event).is_err()),
        "another seed makes other events"
    );
}

/// Those whose answer depends on the order in which events arrive (q18, q19) may differ.
#[test]
fn an_answer_on_made_up_events_is_that_on_the_same_events_in_a_file_however_it_is_compressed() {
    let dir = tempfile::tempdir().unwrap();
    let text = made_up("--events 20000 --seed 7").join("\n") + "\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    fs::write(dir.path().join("events.jsonl"), &text).unwrap();
    fs::write(dir.path().join("events.jsonl.gz"), gzip.finish().unwrap()).unwrap();
    let zstd = compress_to_vec(text.as_bytes(), CompressionLevel::Fastest);
    fs::write(dir.path().join("events.jsonl.zst"), zstd).unwrap();
    for (query, file, parallelism) in [
        ("q3", "events.jsonl", 2),
        ("q4", "events.jsonl.gz", 4),
        ("q6", "events.jsonl.zst", 1),
        ("q7", "events.jsonl", 4),
        ("q8", "events.jsonl.gz", 1),
        ("q11", "events.jsonl.zst", 2),
        ("q20", "events.jsonl", 2),
    ] {
        let answer = |flags: &str, file: Option<&Path>| {
            let job = Program::example("nexmark").arg(query).args("--quiet").args(flags);
            let job = file.into_iter().fold(job, |job, file| job.path("--input", file));
            let mut rows: Vec<_> = job.run().success().stdout.lines().map(str::to_string).collect();
            rows.sort_unstable();
            rows
        };
        let made_up = answer(&format!("--events 20000 --seed 7 --parallelism {parallelism}"), None);
        assert!(!made_up.is_empty());
        assert!(answer("--parallelism 2", Some(&dir.path().join(file))) == made_up, "{query} of {file}");
    }
}

#[test]
fn a_line_that_is_no_event_is_rejected_and_the_others_count() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("events.jsonl");
    let events = made_up("--events 100 --seed 7");
    fs::write(&input, format!("{}\n{{\"type\":\"sale\"}}\n", events.join("\n"))).unwrap();
    let out = dir.path().join("out");
    let job = Program::example("nexmark").arg("q0").path("--input", &input).path("--output", &out);
    job.args("--format csv --quiet").run().success();
    assert_eq!(Answer::written(&out).rows.len(), 92);
    let rejects = reader::results(&out);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["line"], json!(101));
    assert!(rejects[0]["reason"].as_str().unwrap().contains("unknown variant `sale`"), "{}", rejects[0]);
}

#[test]
fn a_wrong_command_line_ends_with_exit_code_2_and_says_what_is_wrong() {
    for (line, names) in [
        ("q1", ["--input"].as_slice()),
        ("q23 --events 1", &["q23"]),
        ("--events 1", &["<QUERY>"]),
        ("q1 --events 1 --input a", &["--input"]),
        ("q1 --input a --seed 1", &["--seed"]),
        ("q1 --events 1 --rate 0", &["--rate"]),
        ("q1 --events 1 --format csv", &["--output", "hint: "]),
        ("events --events 1 --format csv --output out", &["of three", "hint: "]),
    ] {
        Program::example("nexmark").args(line).run().refused(2, names);
    }
}
