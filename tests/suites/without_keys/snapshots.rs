//! State that belongs to no key, in the snapshots and savepoints of a real executable: seen, changed, and gone on from.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Outcome, Program, reader};

const WORDS: [&str; 5] = ["ebb", "flood", "neap", "spring", "slack"];

/// Four files of words, a file of prices, and the savepoints of a job that reads them.
struct Scene {
    dir: TempDir,
}

impl Scene {
    /// File `number` has 10 + `number` words.
    fn new() -> Scene {
        let scene = Scene { dir: TempDir::new().unwrap() };
        for number in 0..4 {
            let words: String = scene.words(number).iter().map(|word| format!("{word}\n")).collect();
            fs::write(scene.path(&format!("words-{number}")), words).unwrap();
        }
        let prices: String = (1..).zip(WORDS).map(|(cents, word)| format!("{word} {cents}\n")).collect();
        fs::write(scene.path("prices"), prices).unwrap();
        scene
    }

    fn words(&self, file: usize) -> Vec<String> {
        (0..10 + file).map(|place| WORDS[(3 * place + file) % 5].to_string()).collect()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job on the first `files` files, with results of its own directory.
    fn job(&self, files: usize, out: &str) -> Program {
        let job = Program::priced().path("--prices", &self.path("prices")).path("--output", &self.path(out));
        let job =
            job.path("--snapshot-dir", &self.path("snapshots")).args("--snapshot-interval 10ms --quiet");
        (0..files).fold(job.arg("--input"), |job, file| job.arg(self.path(&format!("words-{file}"))))
    }

    /// Goes on from savepoint `from` to the end of the input, and leaves savepoint `to`. The words it gives, and their prices.
    fn run(&self, files: usize, workers: u32, from: Option<&str>, to: &str) -> Vec<(String, Value)> {
        let out = format!("out-of-{to}");
        let job = self.job(files, &out).args(&format!("--parallelism {workers}"));
        let job = job.path("--stop-with-savepoint", &self.path(to));
        let job = from.into_iter().fold(job, |job, from| job.path("--restore", &self.path(from)));
        job.run().success();
        self.results(&out)
    }

    fn results(&self, out: &str) -> Vec<(String, Value)> {
        let results = reader::results(&self.path(out)).into_iter();
        results.map(|result| (text(&result[0]), result[2].clone())).collect()
    }

    /// What the tools say.
    fn tool(&self, words: &str) -> Outcome {
        Program::priced().arg("snapshots").args(words).in_dir(self.dir.path()).run()
    }

    fn lines(&self, words: &str) -> Vec<Value> {
        reader::lines(&self.tool(words).success().stdout)
    }

    fn edit(&self, lines: &[Value], to: &str) -> Outcome {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(self.path("lines"), text).unwrap();
        let input = File::open(self.path("lines")).unwrap();
        Program::priced().args("snapshots edit one --out").arg(to).in_dir(self.dir.path()).stdin(input).run()
    }

    /// The first savepoint: two of ten words are held, and all prices are known.
    fn begun() -> Scene {
        let scene = Scene::new();
        assert_eq!(scene.run(1, 1, None, "one").len(), 8);
        scene
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_string()
}

fn of_section(dump: &[Value], section: &str) -> Vec<Value> {
    dump.iter().filter(|line| line["section"] == *section).cloned().collect()
}

/// The words that all subtasks hold, in their order.
fn held(dump: &[Value]) -> Vec<String> {
    let states = of_section(dump, "unkeyed");
    states.iter().flat_map(|line| line["value"]["words"].as_array().unwrap()).map(text).collect()
}

fn counted(words: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    words.into_iter().for_each(|word| *counted.entry(word).or_default() += 1);
    counted
}

fn all_prices() -> Value {
    json!({ "cents": (1..).zip(WORDS).map(|(cents, word)| (word.to_string(), json!(cents))).collect::<serde_json::Map<_, _>>() })
}

#[test]
fn it_goes_through_savepoints_from_one_subtask_to_three_to_two_and_is_in_each_dump() {
    let scene = Scene::new();
    let mut given = scene.run(1, 1, None, "one");
    let mut all = scene.words(0);
    // Nothing is left but the savepoint.
    fs::remove_dir_all(scene.path("snapshots")).unwrap();
    for (files, workers, from, to) in [(3, 3, "one", "two"), (4, 2, "two", "three")] {
        let before = held(&scene.lines(&format!("dump {from}")));
        let results = scene.run(files, workers, Some(from), to);
        assert!(!results.is_empty());
        for (word, cents) in &results {
            let place = WORDS.iter().position(|known| known == word).unwrap();
            assert_eq!(*cents, json!(place + 1), "every subtask knows the price of {word}");
        }
        given.extend(results);
        all.extend((all_files(from)..files).flat_map(|file| scene.words(file)));
        let dump = scene.lines(&format!("dump {to}"));
        let subtasks: Vec<_> =
            of_section(&dump, "unkeyed").iter().map(|line| line["subtask"].clone()).collect();
        assert_eq!(subtasks, (0..workers).map(Value::from).collect::<Vec<_>>());
        let rest = held(&dump);
        let words = given.iter().map(|(word, _)| word.clone()).chain(rest.iter().cloned());
        assert_eq!(counted(words), counted(all.clone()), "held before: {before:?}, and now: {rest:?}");
        let broadcast = json!({ "operator": "price", "section": "broadcast", "value": all_prices() });
        assert_eq!(of_section(&dump, "broadcast"), [broadcast]);
        fs::remove_dir_all(scene.path("snapshots")).unwrap();
    }
}

/// How many files the run before savepoint `name` has read.
fn all_files(name: &str) -> usize {
    if name == "one" { 1 } else { 3 }
}

#[test]
fn the_tools_say_whose_it_is_and_what_differs() {
    let scene = Scene::begun();
    scene.run(3, 3, Some("one"), "two");
    let dump = scene.lines("dump one");
    let words = &scene.words(0)[8..];
    let fours =
        json!({ "operator": "fours", "section": "unkeyed", "subtask": 0, "value": { "words": words } });
    assert_eq!(dump.last(), Some(&fours), "it comes behind the rows");
    assert_eq!(scene.lines("dump one --operator fours"), [fours]);
    assert_eq!(scene.lines("export one --format jsonl"), dump);
    let keyed = scene.lines("dump one --operator price");
    assert_eq!((of_section(&keyed, "state").len(), of_section(&keyed, "broadcast").len()), (5, 1));
    let of_groups: usize =
        (0..128).map(|group| scene.lines(&format!("dump one --key-group {group}")).len()).sum();
    assert_eq!(of_groups, 5, "it is in no key group");

    let shown = scene.tool("show two").success().stdout;
    for part in [
        "operator \"fours\"\n  state Held, of each subtask\n    words: DealtList<String>\n  subtask 0: ",
        "\n  subtask 2: ",
        "operator \"price\"\n  state Prices, broadcast to all subtasks\n    cents: BTreeMap<String, u32>\n  34 B\n",
        "unkeyed fours\n  watermark: ",
    ] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    assert!(!shown.contains("0x"), "{shown}");
    scene.tool("verify one two").success();
    let list = scene.lines("list --json --snapshot-dir snapshots");
    assert!(list.iter().all(|one| one["operators"] == 2), "{list:?}");

    let differ = scene.lines("diff one two");
    let added = of_section(&differ, "unkeyed").iter().filter(|line| line["change"] == "added").count();
    assert_eq!((added, of_section(&differ, "broadcast")), (2, vec![]), "{differ:?}");
    let summary = scene.tool("diff two one --summary").success().stdout;
    assert!(summary.contains("operator \"fours (unkeyed)\": 0 states added, 2 removed, "), "{summary}");
    let same = "operator \"price (broadcast)\": 0 states added, 0 removed, 0 changed, 1 the same\n";
    assert!(summary.contains(same), "{summary}");
    scene
        .tool("get ebb one --operator fours")
        .refused(1, &["what that keeps belongs to no key", "dump prints it"]);
    scene.tool("dump one --operator threes").refused(1, &["no state of an operator \"threes\""]);
}

#[test]
fn what_is_edited_is_what_a_job_goes_on_from() {
    let scene = Scene::begun();
    let mut prices = all_prices();
    prices["cents"]["ebb"] = json!(1000);
    let lines = [
        json!({ "section": "unkeyed", "subtask": 0, "value": { "words": ["ebb", "ebb", "ebb", "ebb", "neap"] } }),
        json!({ "operator": "price", "section": "broadcast", "value": prices }),
        json!({ "section": "state", "operator": "price", "key": "surge", "value": { "times": 7 } }),
    ];
    let said = scene.edit(&lines, "edited").success().stdout;
    assert!(said.contains("with 3 rows put and 0 removed"), "{said}");
    scene.tool("verify edited").success();
    let differ = scene.lines("diff one edited");
    assert_eq!(differ.len(), 3, "{differ:?}");
    assert_eq!((&differ[2]["was"], &differ[2]["value"]), (&all_prices(), &prices));
    let results = scene.run(2, 1, Some("edited"), "two");
    assert_eq!(results[..4], vec![("ebb".to_string(), json!(1000)); 4]);

    let dump = scene.lines("dump one");
    scene.edit(&dump, "same").success();
    assert_eq!(scene.lines("diff one same"), [] as [Value; 0]);
}

#[test]
fn a_line_that_can_not_be_is_refused_by_number() {
    let scene = Scene::begun();
    let held = |subtask: u64| json!({ "section": "unkeyed", "subtask": subtask, "value": { "words": [] } });
    let with = |member: &str, value: Value| {
        let mut line = held(0);
        line[member] = value;
        vec![line]
    };
    let prices = json!({ "section": "broadcast", "subtask": 0, "value": all_prices() });
    for (lines, message) in [
        (vec![held(0), held(0)], "line 2: line 1 has this state already"),
        (vec![held(3)], "subtask 3 has kept no state of \"fours (unkeyed)\""),
        (with("operator", json!("price")), "operator \"price\" has no state that is \"unkeyed\""),
        (with("subtask", json!("0")), "it says no \"subtask\", which is a number"),
        (with("removed", json!(true)), "removed: there is no such member of this section"),
        (with("value", json!({ "words": [7] })), "value.words.0: 7 is no String"),
        (with("value", json!({})), "value.words"),
        (vec![prices], "subtask: what is broadcast is the same in all of them"),
        (
            vec![json!({ "section": "unkeyed", "subtask": 0, "removed": true })],
            "can be put, and not be removed",
        ),
    ] {
        scene.edit(&lines, "no").refused(1, &["line ", message]);
        assert!(!scene.path("no").exists());
    }
}

#[test]
fn another_version_and_another_number_of_key_groups_take_it_over() {
    let scene = Scene::begun();
    let (one, next) =
        (scene.path("one"), |program: &str, out: &str| scene.job(2, out).args("--program").arg(program));
    let against = |program: &str| next(program, "none").arg("--plan").path("--against", &one).run();
    let same = against("first").success().stdout;
    for state in ["\"fours (unkeyed)\", state \"Held\"", "\"price (broadcast)\", state \"Prices\""] {
        assert!(same.contains(&format!("operator {state}: as it was\n")), "{same}");
    }
    let carried = against("carried").success().stdout;
    for state in ["\"fours (unkeyed)\", state \"Held\"", "\"price (broadcast)\", state \"Prices\""] {
        assert!(carried.contains(&format!("operator {state}: carried\n")), "{carried}");
    }
    against("refused").refused(1, &["could not be restored"]);

    let restored = |program: &str, to: &str, groups: &str| {
        let job = next(program, &format!("out-of-{to}")).path("--restore", &one).args("--parallelism 3");
        job.path("--stop-with-savepoint", &scene.path(to)).args(groups)
    };
    for (to, groups) in [("carried", ""), ("dealt", "--max-parallelism 16")] {
        let outcome = restored("carried", to, groups).run().success();
        assert!(outcome.stderr.contains("calls it \"rest\": carried"), "{outcome}");
        let results = scene.results(&format!("out-of-{to}"));
        assert!(!results.is_empty() && results.iter().all(|(_, cents)| cents.is_u64()), "{results:?}");
        let dump = scene.lines(&format!("dump {to}"));
        let rest = of_section(&dump, "unkeyed").into_iter();
        let rest: usize = rest.map(|line| line["value"]["rest"].as_array().unwrap().len()).sum();
        assert_eq!(results.len() + rest, 2 + 11);
        let prices = &of_section(&dump, "broadcast")[0]["value"];
        assert_eq!((&prices["cents"], &prices["currency"]), (&all_prices()["cents"], &Value::Null));
    }

    restored("refused", "refused", "").run().refused(1, &["\"fours (unkeyed)\"", "DealtList<u64>"]);
    let gone = restored("plain", "plain", "").run();
    gone.refused(1, &["\"fours (unkeyed)\"", "has no place to go", "--allow-dropped-state"]);
    let dropped = restored("plain", "plain", "").args("--allow-dropped-state").run().success();
    for operator in ["fours (unkeyed)", "price (broadcast)"] {
        assert!(dropped.stderr.contains(&format!("of operator \"{operator}\" is dropped")), "{dropped}");
    }
    let dump = scene.lines("dump plain");
    assert_eq!(of_section(&dump, "state").len(), dump.len(), "{dump:?}");
}

#[test]
fn a_lock_file_has_it() {
    let scene = Scene::new();
    let lock = |program: &str, action: &str| {
        let job = scene.job(1, "out").in_dir(scene.dir.path()).args("--program").arg(program);
        job.args("--lock").arg(action).run()
    };
    lock("first", "update").success();
    let text = fs::read_to_string(scene.path("state.lock")).unwrap();
    for part in
        ["fours (unkeyed)", "words: DealtList<String>", "price (broadcast)", "cents: BTreeMap<String, u32>"]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    lock("first", "check").success();
    lock("carried", "check").refused(1, &["could take that over", "calls it \"rest\": carried"]);
    lock("refused", "check").refused(1, &["could not take over"]);
    lock("plain", "check").refused(1, &["has no place for state"]);
}

#[test]
fn it_is_in_every_snapshot_that_is_retained_and_none_of_its_bytes_are_in_the_pool() {
    let scene = Scene::new();
    let job = scene.job(4, "out").args("--retain 2 --max-rate 400 --parallelism 2");
    job.run().success();
    let there = |path: &Path| path.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let snapshots: Vec<_> = there(&scene.path("snapshots"))
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("snapshot-"))
        .collect();
    assert!((1..=2).contains(&snapshots.len()), "{snapshots:?}");
    for snapshot in &snapshots {
        let dump = scene.lines(&format!("dump {}", snapshot.display()));
        assert_eq!((of_section(&dump, "unkeyed").len(), of_section(&dump, "broadcast").len()), (2, 1));
    }
    let mut pool = there(&scene.path("snapshots/state"));
    assert!(pool.all(|path| path.file_name().unwrap().to_string_lossy().starts_with("price.")));
}
