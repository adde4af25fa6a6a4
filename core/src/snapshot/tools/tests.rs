//! What the tools answer, on small snapshots.

use std::collections::BTreeSet;
use std::fs;

use proptest::prelude::*;
use serde_json::Value as Json;

use super::fixture::{Scene, Session, ann_and_bob, bytes, group_of, owned, sessions, text};
use crate::key::KeyGroup;
use crate::record::SnapshotId;
use crate::snapshot::Snapshot;
use crate::snapshot::fixture::{OwnedChange, OwnedRow, removal};
use crate::snapshot::part::{RestoredState, Section};

fn scene() -> Scene {
    let mut scene = Scene::new();
    scene.of(&ann_and_bob());
    scene
}

fn json_lines(text: &str) -> Vec<Json> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines that hold all of these words.
fn with<'a>(dump: &'a str, words: &[&str]) -> Vec<&'a str> {
    dump.lines().filter(|line| words.iter().all(|word| line.contains(word))).collect()
}

const ANN: &str = "\"key\":[\"ann\",7]";

#[test]
fn a_row_is_a_line_that_says_whose_it_is() {
    let scene = scene();
    let dump = scene.answer(&["dump"]);
    let group = group_of(&("ann".to_string(), 7));
    let begins = format!("{{\"operator\":\"sessions\",\"group\":{group},\"section\"");
    let ann = with(&dump, &[ANN]);
    assert!(ann.iter().all(|line| line.starts_with(&begins)), "{dump}");
    let expected = [
        ":\"state\",\"key\":[\"ann\",7],\"value\":{\"all\":null,\"last\":{\"refreshed\":\"1970-01-01T00:00:00.005Z\",\
         \"value\":\"/a\"},\"letters\":{\"entries\":3,\"first\":4,\"may_have_gone\":false},\
         \"pages\":{\"entries\":2,\"may_have_gone\":false},\"seen\":{\"entries\":0,\"may_have_gone\":false},\"visits\":3}}",
        ":\"event-timer\",\"key\":[\"ann\",7],\"at\":\"1970-01-01T00:01:00.000Z\",\"number\":1,\"value\":\"close\"}",
        ":\"entry\",\"key\":[\"ann\",7],\"field\":\"pages\",\"at\":\"/\",\"refreshed\":null,\"value\":2}",
        ":\"entry\",\"key\":[\"ann\",7],\"field\":\"pages\",\"at\":\"/a\",\"refreshed\":null,\"value\":1}",
        ":\"entry\",\"key\":[\"ann\",7],\"field\":\"letters\",\"at\":4,\"refreshed\":null,\"value\":\"A\"}",
        ":\"entry\",\"key\":[\"ann\",7],\"field\":\"letters\",\"at\":5,\"refreshed\":null,\"value\":null}",
        ":\"entry\",\"key\":[\"ann\",7],\"field\":\"letters\",\"at\":6,\"refreshed\":null,\"value\":{\"B\":9}}",
    ];
    assert_eq!(ann.iter().map(|line| &line[begins.len()..]).collect::<Vec<_>>(), expected);
}

#[test]
fn a_dump_is_of_all_operators_or_one_and_of_all_key_groups_or_one() {
    let scene = scene();
    let all = scene.answer(&["dump", "2"]);
    assert_eq!(all.lines().count(), 8);
    assert_eq!(scene.answer(&["dump", "--operator", "sessions"]), all);
    let group = group_of(&("bob".to_string(), 0)).to_string();
    let bobs = scene.answer(&["dump", "--key-group", &group]);
    assert_eq!(bobs.lines().collect::<Vec<_>>(), with(&all, &["bob"]));
    let path = scene.directory.snapshot_path(SnapshotId(2));
    assert_eq!(scene.answer(&["dump", text(&path)]), all);
    assert_eq!(scene.answer(&["export", "--format", "jsonl"]), all);
    let refusal = scene.refusal(&["dump", "--operator", "session"], "");
    assert!(refusal.contains("no state of an operator \"session\"\n  hint: it has state of \"sessions\""));
    assert!(scene.refusal(&["dump", "--key-group", "128"], "").contains("no key group 128"));
    assert!(scene.refusal(&["dump", "3"], "").contains("no snapshot 3"));
}

#[test]
fn all_rows_of_a_key_are_got_however_it_is_written() {
    let scene = scene();
    let all = scene.answer(&["dump"]);
    let got = scene.answer(&["get", "[\"ann\", 7]"]);
    assert_eq!(got.lines().collect::<Vec<_>>(), with(&all, &[ANN]));
    assert_eq!(scene.answer(&["get", "[\"ann\", 7]", "2", "--operator", "sessions"]), got);
    assert!(scene.refusal(&["get", "[\"ann\", 8]"], "").contains("has nothing of the key [\"ann\", 8]"));
    let refusal = scene.refusal(&["get", "ann"], "");
    assert!(refusal.contains("operator \"sessions\": this is no key of the state"), "{refusal}");
}

#[test]
fn a_broken_pipe_ends_the_answer_and_is_no_failure() {
    struct Closed;
    impl std::io::Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut closed = Closed;
    let mut out = super::output::Output::new(&mut closed);
    let done = (0..).try_for_each(|line| out.line(line));
    out.finish(done).unwrap();
}

#[test]
fn the_list_says_what_every_snapshot_is_and_costs() {
    let mut scene = scene();
    scene.snapshot(Vec::new());
    let _pending = scene.directory.begin(scene.directory.next_id()).unwrap();
    let listed = json_lines(&scene.answer(&["list", "--json"]));
    let standing: Vec<_> = listed.iter().map(|one| one["standing"].as_str().unwrap()).collect();
    assert_eq!(standing, ["complete", "complete", "complete", "pending"]);
    let file = |name: &str| fs::metadata(scene.directory.pool().path().join(name)).unwrap().len();
    let (base, delta) = (file("sessions.0.1.state"), file("sessions.0.2.state"));
    let bytes: Vec<_> = listed[..3]
        .iter()
        .map(|one| (one["own_bytes"].as_u64().unwrap(), one["shared_bytes"].as_u64().unwrap()))
        .collect();
    assert_eq!(bytes, [(0, base), (0, base + delta), (0, base + delta)]);
    assert_eq!((&listed[0]["rows"], &listed[0]["rows_are_exact"]), (&7.into(), &true.into()));
    assert_eq!((&listed[1]["rows"], &listed[1]["rows_are_exact"]), (&8.into(), &false.into()));
    let table = scene.answer(&["list"]);
    assert_eq!(table.lines().count(), 5, "{table}");
    assert!(table.contains("<= 8"), "{table}");
    fs::remove_file(scene.directory.pool().path().join("sessions.0.2.state")).unwrap();
    let table = scene.answer(&["list"]);
    let broken = with(&table, &["broken: ", "sessions.0.2.state is missing"]);
    assert_eq!(broken.len(), 2, "{table}");
    assert!(with(&table, &["complete"])[0].starts_with("1 "), "{table}");
}

#[test]
fn a_snapshot_is_shown_in_words_or_as_its_manifest() {
    let scene = scene();
    let shown = scene.answer(&["show"]);
    for part in [
        "snapshot 2 of job \"web-visits\" in ",
        "periodic, taken at 2015-05-17T10:05:03.000Z, parallelism 2 of 128",
        "operator \"sessions\"\n  state Session, key (String, u8)\n    visits: u64\n",
        "    seen: Map<u8, ()>, kept 1m\n",
        "  timers carry String\n",
        "  base  sessions.0.1.state: key groups 0 to 127, 7 rows, 0 removed, ",
        "  delta sessions.0.2.state: key groups 0 to 127, 1 rows, 0 removed, ",
        "source access-log\n  access.log: 7\n",
    ] {
        assert!(shown.contains(part), "{part:?} in\n{shown}");
    }
    let manifest = fs::read_to_string(scene.directory.snapshot_path(SnapshotId(2)).join("manifest.json"));
    assert_eq!(scene.answer(&["show", "--json"]), manifest.unwrap());
}

#[test]
fn what_is_whole_is_said_to_be_and_what_is_broken_is_named_all_of_it() {
    let scene = scene();
    let all = scene.answer(&["verify", "--all"]);
    assert_eq!(all, "snapshot 1 is whole: 1 files, 7 rows\nsnapshot 2 is whole: 2 files, 8 rows\n");
    for name in ["sessions.0.1.state", "sessions.0.2.state"] {
        let path = scene.directory.pool().path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[50] ^= 1;
        fs::write(path, bytes).unwrap();
    }
    let (said, done) = scene.answers(&["verify", "latest", "1"], "");
    assert_eq!(done.unwrap_err().to_string(), "2 of 2 snapshots are broken");
    assert_eq!(with(&said, &["snapshot 2 is broken"]).len(), 1, "{said}");
    assert_eq!(with(&said, &["sessions.0.1.state is broken: "]).len(), 2, "{said}");
    assert_eq!(with(&said, &["sessions.0.2.state is broken: "]).len(), 1, "{said}");
}

/// A scene whose one snapshot has these rows besides those of `ann` and `bob`.
fn spoilt(rows: Vec<OwnedRow>) -> String {
    let mut scene = scene();
    scene.snapshot(rows);
    let (said, done) = scene.answers(&["verify", "latest"], "");
    assert_eq!(done.unwrap_err().to_string(), "the snapshot is broken");
    said
}

#[test]
fn a_row_that_is_whole_and_yet_wrong_is_found() {
    let id = ("cyd".to_string(), 1);
    let cyd = Session { letters: [(3, None)].into(), ..Session::default() };
    let mut strayed = owned(&id, &cyd);
    strayed.iter_mut().for_each(|row| row.group = KeyGroup((row.group.0 + 1) % 128));
    let said = spoilt(strayed);
    let belongs = format!("and belongs into {}", group_of(&id));
    assert_eq!(with(&said, &["[\"cyd\",1]: it lies in key group", &belongs]).len(), 2, "{said}");

    let garbled =
        OwnedRow { change: OwnedChange::Put(vec![0xff]), ..owned(&id, &Session::default()).remove(0) };
    assert!(spoilt(vec![garbled]).contains("is not of the schema that the snapshot says it is of"));

    let without_state = owned(&id, &cyd).into_iter().filter(|row| row.section == Section::Entry).collect();
    assert!(spoilt(without_state).contains("field \"letters\" has an entry, and there is no state"));

    let mut too_few = Session { pages: [("/".to_string(), 1)].into(), ..cyd.clone() };
    too_few.letters.insert(5, None);
    let gone = |row: &OwnedRow| row.section == Section::Entry && row.key[0] == 0;
    let rows = owned(&id, &too_few).into_iter().filter(|row| !gone(row)).collect();
    assert!(spoilt(rows).contains("field pages is said to have 1 entries, and 0 are there"));

    let beyond = Session { letters: [(3, None), (9, None)].into(), ..cyd.clone() };
    let state = |session: &Session| owned(&id, session).into_iter().find(|row| row.section == Section::State);
    let mut rows: Vec<_> =
        owned(&id, &beyond).into_iter().filter(|row| row.section != Section::State).collect();
    rows.extend(state(&cyd));
    assert!(spoilt(rows).contains("field letters has an entry at 9, beyond its ends"));
}

#[test]
fn a_difference_is_told_with_both_values() {
    let mut scene = scene();
    let mut ann = ann_and_bob().remove(&("ann".to_string(), 7)).unwrap();
    ann.visits = 4;
    ann.pages.insert("/b".to_string(), 1);
    let id = ("ann".to_string(), 7);
    let mut rows = owned(&id, &ann);
    let timer = rows.iter().position(|row| row.section == Section::EventTimer).unwrap();
    rows[timer].change = OwnedChange::Remove;
    let bob = ("bob".to_string(), 0);
    rows.push(removal(group_of(&bob).0, Section::State, &bytes(&bob), OwnedChange::Remove));
    scene.snapshot(rows);
    let lines = json_lines(&scene.answer(&["diff", "2", "latest"]));
    let told: BTreeSet<String> = lines
        .iter()
        .map(|line| {
            let visits = |value: &Json| value.get("visits").cloned().unwrap_or(value.clone());
            format!(
                "{} {} {}: {} to {}",
                line["change"].as_str().unwrap(),
                line["section"].as_str().unwrap(),
                line["key"][0],
                visits(&line["was"]),
                visits(&line["value"])
            )
        })
        .collect();
    let expected = [
        "added entry \"ann\": null to 1",
        "changed state \"ann\": 3 to 4",
        "removed event-timer \"ann\": \"close\" to null",
        "removed state \"bob\": 1 to null",
    ];
    assert_eq!(told, expected.map(str::to_string).into());
    assert_eq!(
        scene.answer(&["diff", "2", "3", "--summary"]),
        "operator \"sessions\": 1 rows added, 2 removed, 1 changed, 5 the same\n"
    );
    assert_eq!(scene.answer(&["diff", "2", "2"]), "");
}

#[test]
fn an_edit_puts_and_removes_rows_and_counts_entries_anew() {
    let scene = scene();
    let before = scene.answer(&["dump"]);
    let lines = r#"
        {"section":"entry","key":["ann",7],"field":"pages","at":"/new","refreshed":null,"value":5}
        {"operator":"sessions","group":3,"section":"entry","key":["ann",7],"field":"letters","at":4,"refreshed":null,"removed":true,"value":"A"}
        {"section":"entry","key":["ann",7],"field":"letters","at":9,"refreshed":null,"value":"A"}
        {"section":"entry","key":["bob",0],"field":"seen","at":1,"refreshed":"1970-01-01T00:00:00.001Z","value":null}
        {"section":"event-timer","key":["ann",7],"at":"1970-01-01T00:01:00.000Z","number":1,"removed":true}
        {"section":"processing-timer","key":["cyd",0],"at":5,"number":1,"value":"x"}
    "#;
    let after = scene.edited(lines, "edited");
    assert_eq!(with(&after, &["\"pages\":{\"entries\":3,\"may_have_gone\":false}", ANN]).len(), 1, "{after}");
    // Indices 5 to 9, of which 7 and 8 have no entry.
    assert_eq!(
        with(&after, &["\"letters\":{\"entries\":5,\"first\":5,\"may_have_gone\":true}", ANN]).len(),
        1
    );
    assert_eq!(with(&after, &["\"seen\":{\"entries\":1,\"may_have_gone\":true}", "[\"bob\",0]"]).len(), 1);
    assert_eq!(with(&after, &["event-timer"]).len(), 0, "{after}");
    assert_eq!(with(&after, &["processing-timer", "[\"cyd\",0]"]).len(), 1);
    assert_eq!(after.lines().count(), before.lines().count() + 2);
    let path = scene.path("edited");
    assert_eq!(
        scene.answer(&["diff", "latest", text(&path), "--summary"]),
        "operator \"sessions\": 4 rows added, 2 removed, 2 changed, 4 the same\n"
    );
    assert_eq!(scene.answer(&["dump"]), before, "what was edited is as it was");
}

#[test]
fn a_key_is_removed_with_all_that_belongs_to_it_and_can_be_put_anew() {
    let scene = scene();
    let removed = scene.edited(r#"{"key":["ann",7],"state":null}"#, "removed");
    assert_eq!((removed.lines().count(), with(&removed, &["bob"]).len()), (1, 1), "{removed}");
    let bob = with(&scene.answer(&["dump"]), &["bob"])[0].replace("[\"bob\",0]", "[\"ann\",7]");
    let again = scene.edited(&format!("{bob}\n{{\"key\":[\"ann\",7],\"state\":null}}"), "again");
    assert_eq!((again.lines().count(), with(&again, &[ANN]).len()), (2, 1), "{again}");
}

#[test]
fn a_line_that_can_not_be_is_refused_by_number_and_field_and_nothing_is_written() {
    let scene = scene();
    let refused = |lines: &str, expected: &str| {
        let path = scene.path("refused");
        let refusal = scene.refusal(&["edit", "latest", "--out", text(&path)], lines);
        assert!(refusal.contains(expected), "{refusal}");
        assert!(!path.exists() && !scene.path("refused.pending").exists());
    };
    refused("\n{", "line 2: this is no JSON");
    refused("7", "line 1: this is no object");
    refused(
        r#"{"operator":"sums","key":["ann",7]}"#,
        "line 1: snapshot 2 has no state of an operator \"sums\"",
    );
    refused(r#"{"key":["ann",7]}"#, "line 1: this is no row: it has no known section");
    refused(r#"{"key":["ann",300],"state":null}"#, "line 1: this is no key of the state: 1: 300 is no u8");
    refused(
        r#"{"key":["ann",7],"state":{"visits":3}}"#,
        "is not null\n  hint: \"state\": null removes a key",
    );
    refused(r#"{"key":["cyd",7],"state":null}"#, "line 1: there is nothing of this key to remove");
    refused(
        r#"{"section":"event-timer","key":["ann",7],"at":1,"number":1,"removed":true}"#,
        "line 1: there is no such row to remove",
    );
    refused(r#"{"section":"state","key":["ann",7],"removed":true}"#, "write {\"key\": .., \"state\": null}");
    let bob = with(&scene.answer(&["dump"]), &["bob"])[0].to_string();
    refused(
        &bob.replace("\"visits\":1", "\"visits\":-1"),
        "line 1: this is no row of the operator: value.visits: -1 is no u64",
    );
    refused(&bob.replace("\"visits\"", "\"visit\""), "value.visit: there is no such field");
    refused(&format!("{bob}\n{bob}"), "line 2: line 1 has this row already");
    refused(
        &bob.replace("\"pages\":{\"entries\":0", "\"pages\":{\"entries\":2"),
        "line 1: field pages is said to have 2 entries, and 0 are there",
    );
    refused(
        r#"{"section":"entry","key":["cyd",7],"field":"pages","at":"/","refreshed":null,"value":5}"#,
        "line 1: field pages would have entries, and there is no state of their key",
    );
}

#[test]
fn records_in_flight_are_shown_verified_and_taken_along() {
    let scene = scene();
    let all = crate::snapshot::fixture::groups(0, 127);
    let id = scene.in_flight(&["ann", "bob"], all);
    let shown = scene.answer(&["show"]);
    let name = format!("sessions.0.{id}.channel");
    let line =
        format!("in flight to operator \"sessions\": String\n  {name}: key groups 0 to 127, 2 records, ");
    assert!(shown.contains(&line), "{shown}");
    assert_eq!(scene.answer(&["verify", "latest"]), format!("snapshot {id} is whole: 1 files, 0 rows\n"));

    for (command, out) in [("export", scene.path("exported")), ("edit", scene.path("edited"))] {
        scene.answer(&[command, "latest", "--out", text(&out)]);
        let (copy, was) =
            (Snapshot::open(&out).unwrap(), Snapshot::open(&scene.directory.snapshot_path(id)).unwrap());
        assert_eq!(copy.manifest().channels, was.manifest().channels);
        assert_eq!(copy.in_flight("sessions", all).unwrap(), was.in_flight("sessions", all).unwrap());
    }

    let file = scene.directory.pool().path().join(&name);
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    fs::write(&file, bytes).unwrap();
    for command in [&["verify", "latest"][..], &["list"]] {
        let (said, _) = scene.answers(command, "");
        assert!(said.contains(&name) && said.contains("does not match its checksum"), "{command:?}: {said}");
    }
    let refusal = scene.refusal(&["export", "--out", text(&scene.path("other"))], "");
    assert!(refusal.contains(&name), "{refusal}");
}

#[test]
fn a_record_in_flight_to_a_subtask_that_does_not_own_its_key_is_found() {
    let scene = scene();
    let group = crate::key::Key::hash(&"ann".to_string()).group(crate::key::MaxParallelism::DEFAULT).0;
    scene.in_flight(&["ann"], crate::snapshot::fixture::groups(group + 1, 127));
    let (said, done) = scene.answers(&["verify", "latest"], "");
    assert!(done.is_err() && said.contains(&format!("belongs into key group {group}")), "{said}");
}

#[test]
fn an_export_is_a_savepoint_that_stands_on_its_own() {
    let scene = scene();
    let path = scene.path("exported");
    let said = scene.answer(&["export", "--out", text(&path)]);
    assert_eq!(said, format!("snapshot 2 is a savepoint in {}\n", path.display()));
    let dump = scene.answer(&["dump"]);
    let elsewhere = scene.path("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    assert_eq!(scene.answer(&["dump", text(&elsewhere)]), dump);
    Snapshot::open(&elsewhere).unwrap();
    assert!(scene.refusal(&["export"], "").starts_with("--out DIR is missing"));
    let refusal = scene.refusal(&["export", "--out", text(&elsewhere)], "");
    assert!(refusal.contains("a snapshot is there"), "{refusal}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_dump_that_is_edited_in_again_changes_nothing(sessions in sessions(3)) {
        let mut scene = Scene::new();
        scene.of(&sessions);
        let dump = scene.answer(&["dump"]);
        let rows: usize = sessions.iter().map(|(id, session)| session.rows(id).len()).sum();
        prop_assert_eq!(dump.lines().count(), rows);
        prop_assert_eq!(scene.edited(&dump, "edited"), dump);
        let path = scene.path("edited");
        prop_assert_eq!(scene.answer(&["diff", "latest", text(&path)]), "");
    }

    #[test]
    fn a_dump_is_all_there_is_to_know(sessions in sessions(0)) {
        let mut full = Scene::new();
        full.of(&sessions);
        let dump = full.answer(&["dump"]);
        let mut empty = Scene::new();
        empty.snapshot(Vec::new());
        prop_assert_eq!(empty.edited(&dump, "edited"), dump.as_str());
        let removals: String = json_lines(&dump)
            .iter()
            .filter(|line| line["section"] == "state")
            .map(|line| format!("{{\"key\":{},\"state\":null}}\n", line["key"]))
            .collect();
        prop_assert_eq!(full.edited(&removals, "emptied"), "");
        prop_assert_eq!(full.edited(&(removals + &dump), "replaced"), dump);
    }
}
