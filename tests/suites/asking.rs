//! Asking something outside of the job, in real processes: killed, stopped and rescaled, with requests on their way.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Program, Random, reader};

const NUMBERS: u64 = 6_000;
const FILES: u64 = 3;

/// Writes the numbers, in files.
fn write_numbers(dir: &Path) {
    for file in 0..FILES {
        let numbers = (0..NUMBERS).filter(|number| number % FILES == file);
        let text: String = numbers.map(|number| format!("{number}\n")).collect();
        std::fs::write(dir.join(format!("numbers-{file}.txt")), text).unwrap();
    }
}

fn asking(dir: &Path, workers: u64) -> Program {
    let inputs = (0..FILES).map(|file| dir.join(format!("numbers-{file}.txt")));
    inputs
        .fold(Program::asking().arg("--input"), Program::arg)
        .path("--output", &dir.join("squares"))
        .path("--odd", &dir.join("odd"))
        .path("--snapshot-dir", &dir.join("snapshots"))
        .args(&format!("--snapshot-interval 40ms --restore latest --parallelism {workers}"))
}

fn sorted(mut values: Vec<Value>) -> Vec<Value> {
    values.sort_by_key(|value| value[0].as_u64());
    values
}

/// What a loop over the numbers says.
fn check(dir: &Path) {
    let (mut squares, mut odd) = (Vec::new(), Vec::new());
    for number in 0..NUMBERS {
        let key = number % 1000;
        match key % 10 {
            8 => {}
            9 => odd.push(json!([number, "no such name"])),
            _ => squares.push(json!([number, number * number, format!("number {key}"), 1])),
        }
    }
    assert!(sorted(reader::results(&dir.join("squares"))) == squares, "some are missing, or there twice");
    assert!(sorted(reader::results(&dir.join("odd"))) == odd, "some are missing, or there twice");
}

/// How many results everybody can see.
fn visible(dir: &Path) -> usize {
    reader::results(&dir.join("squares")).len()
}

#[test]
fn every_answer_comes_once_though_the_job_is_killed_with_requests_on_their_way_and_restored_with_other_workers()
 {
    let mut random = Random::of_test("every_answer_comes_once_though");
    for ordered in ["", "--ordered"] {
        let dir = tempfile::tempdir().unwrap();
        write_numbers(dir.path());
        for _ in 0..4 {
            let before = visible(dir.path());
            let more = 1 + random.below(NUMBERS / 8) as usize;
            let workers = 1 + random.below(4);
            let mut running = asking(dir.path(), workers).args(ordered).spawn();
            running.until("more results", || visible(dir.path()) >= before + more);
            running.kill();
        }
        asking(dir.path(), 2).args(ordered).run().success();
        check(dir.path());
    }
}

#[test]
fn a_job_that_is_told_to_stop_keeps_what_it_is_asking_about_and_asks_again_when_it_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    write_numbers(dir.path());
    for workers in [2, 1, 3] {
        let before = visible(dir.path());
        let mut running = asking(dir.path(), workers).args("--snapshot-mode unaligned").spawn();
        running.until("more results", || visible(dir.path()) > before);
        assert!(running.is_running());
        running.terminate().success();
        assert!(visible(dir.path()) < NUMBERS as usize * 8 / 10, "it has ended before it was stopped");
    }
    asking(dir.path(), 1).run().success();
    check(dir.path());
}
