//! A table in a file, kept by a stream of changes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tidegate::prelude::*;

use super::keyed::{Entry, entries};
use super::{Dribble, under_seeds};

/// What a word's row is.
type Row = (u32, u64);

#[state(key = u32)]
#[derive(Default)]
struct Account {
    sum: u64,
}

/// An account has a row while its sum is odd.
struct Keep;

#[operator]
impl Keep {
    fn on_event(&self, entry: Entry, account: &mut Account, out: &mut impl Emit<Change<Row>>) {
        let before = (entry.key, account.sum);
        account.sum += entry.amount;
        let now = (entry.key, account.sum);
        match (before.1 % 2 == 1, now.1 % 2 == 1) {
            (false, false) => {}
            (false, true) => out.emit(Change::Insert(now)),
            (true, false) => out.emit(Change::Delete(before)),
            (true, true) => {
                out.emit(Change::UpdateBefore(before));
                out.emit(Change::UpdateAfter(now));
            }
        }
    }
}

/// The rows of the one table that is visible, each beside its key.
fn visible(dir: &Path) -> Option<Vec<(u32, Row)>> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut tables = paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let table = tables.next()?;
    assert_eq!(tables.next(), None, "an older table is left");
    let row = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        (
            serde_json::from_value(line["key"].clone()).unwrap(),
            serde_json::from_value(line["row"].clone()).unwrap(),
        )
    };
    Some(fs::read_to_string(table).unwrap().lines().map(row).collect())
}

#[test]
fn a_table_is_what_its_changes_make_however_the_job_is_killed_and_rescaled() {
    under_seeds("a_table_is_what_its_changes_make", 16, |random, scenario| {
        let entries = entries(random);
        let dir = tempfile::tempdir().unwrap();
        let run = scenario.run(|job| {
            job.source("entries", Dribble::of(entries.clone(), scenario.seed))
                .key_by(|entry| entry.key)
                .process("accounts", Keep)
                .sink("table", Table::write(dir.path(), |row: &Row| row.0));
            Ok(())
        });
        let mut sums = BTreeMap::<u32, u64>::new();
        entries.iter().flatten().for_each(|entry| *sums.entry(entry.key).or_default() += entry.amount);
        let odd = sums.into_iter().filter(|(_, sum)| sum % 2 == 1);
        let mut expected: Vec<_> = odd.map(|(key, sum)| (key, (key, sum))).collect();
        expected.sort_by_key(|(key, _)| key.to_string());
        assert_eq!(visible(dir.path()).unwrap_or_default(), expected);
        run
    });
}
