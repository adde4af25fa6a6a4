//! A snapshot, rewritten for a program that has other schemas or another number of key groups.
//!
//! A whole snapshot and the [plans](crate::evolution::Plan) for its operators enter. What leaves is a snapshot in a directory of
//! its own, of the same number, with the same entries, in which every row is the program's: everything behind it sees one
//! schema. What entered is not changed, so that the program that took it can go on from it as before.
//!
//! Rows whose keys and key groups stay are rewritten in order, key group by key group, into new bases. Others are gathered up to
//! [`RUN_BYTES`], sorted, and written as one layer each; no two of these layers have the same row. State that does not change
//! is linked, or copied where it can't be.
//!
//! Records in flight come along in channel files of the same names. They carry the hash of their keys, so that nothing about
//! them changes with the number of key groups but this: whose they are can't be told by the file any more, and every subtask
//! looks for its own in all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::channel_file::{read_channel, write_as};
use super::fault::cannot;
use super::file::{StateFileHeader, StateFileWriter};
use super::layout::write_manifest;
use super::manifest::{ChannelState, FORMAT, Manifest, OperatorState, StateFile, StateFiles};
use super::pool::savepoint_name;
use super::restore::Snapshot;
use super::stack::pieces;
use crate::error::{Error, Result};
use crate::evolution::report::{Fate, OperatorReport};
use crate::evolution::{Plan, RecordPlan, Report};
use crate::exchange::backlog::Queued;
use crate::exchange::codec::CodecInput;
use crate::files::portable_name;
use crate::key::{KeyGroup, KeyGroupRange, MaxParallelism};
use crate::record::SnapshotId;
use crate::snapshot::part::{LayerKind, RestoredState, Section, StateRow};

/// How much memory rows may take that are sorted together.
const RUN_BYTES: usize = 64 << 20;

/// Writes `snapshot` into `directory`, which is empty or not there yet, as the program needs it, and opens that. `records` has
/// the plan for what is in flight to every operator. Operators that the program does not have are left out.
///
/// # Errors
/// If a row can't be taken over, two keys would become one, or a file can't be read or written.
pub fn rewrite(
    snapshot: &Snapshot,
    report: &Report,
    records: &BTreeMap<String, RecordPlan>,
    max_parallelism: MaxParallelism,
    directory: &Path,
) -> Result<Snapshot> {
    Rewriting { snapshot, max_parallelism, directory, run_bytes: RUN_BYTES }.run(report, records)
}

struct Rewriting<'a> {
    snapshot: &'a Snapshot,
    max_parallelism: MaxParallelism,
    directory: &'a Path,
    run_bytes: usize,
}

/// What becomes of the rows of an operator.
enum Way {
    /// They stay.
    Link,
    /// They change, each in its place.
    InOrder,
    /// They change their places.
    Sorted,
}

impl Rewriting<'_> {
    fn run(&self, report: &Report, records: &BTreeMap<String, RecordPlan>) -> Result<Snapshot> {
        fs::create_dir_all(self.directory).map_err(|error| cannot("create", self.directory, error))?;
        let was = self.snapshot.manifest();
        let mut operators = Vec::with_capacity(was.operators.len());
        let mut rekeyed = Vec::new();
        for OperatorReport { name, fate } in report.operators() {
            let (Fate::Kept { plan, .. }, Some(operator)) =
                (fate, was.operators.iter().find(|operator| operator.name == *name))
            else {
                continue;
            };
            let within =
                |error: Error| error.within(format!("the state of operator {name:?} can't be taken over"));
            let files = match self.way(plan) {
                Way::Link => self.link(&operator.files)?,
                Way::InOrder => self.in_order(operator, plan).map_err(within)?,
                Way::Sorted => self.sorted(name, plan).map_err(within)?,
            };
            tracing::info!(operator = name, files = files.len(), "state is taken over");
            if !plan.keeps_keys() {
                rekeyed.push((name.as_str(), files.iter().map(|file| file.rows).sum()));
            }
            operators.push(OperatorState { name: name.clone(), schema: plan.schema().clone(), files });
        }
        let manifest = Manifest {
            format: FORMAT,
            max_parallelism: self.max_parallelism,
            files: StateFiles::Own,
            operators,
            channels: self.channels(records)?,
            job: was.job.clone(),
            entries: was.entries.clone(),
            ..*was
        };
        write_manifest(self.directory, &manifest)?;
        let rewritten = Snapshot::open(self.directory)?;
        rekeyed.into_iter().try_for_each(|(name, rows)| check_keys(&rewritten, name, rows))?;
        Ok(rewritten)
    }

    /// Takes along what is in flight to the operators that have a plan.
    fn channels(&self, records: &BTreeMap<String, RecordPlan>) -> Result<Vec<ChannelState>> {
        let mut channels = Vec::new();
        for was in &self.snapshot.manifest().channels {
            let Some(plan) = records.get(&was.operator) else { continue };
            let groups = if self.keeps_groups() { was.groups } else { self.max_parallelism.all() };
            let within = |error: Error| {
                error.within(format!("records in flight to operator {:?} can't be taken over", was.operator))
            };
            channels.push(if plan.is_identity() {
                self.link_file(&was.name)?;
                ChannelState { groups, ..was.clone() }
            } else {
                self.convert(was, plan, groups).map_err(within)?
            });
        }
        Ok(channels)
    }

    fn convert(&self, was: &ChannelState, plan: &RecordPlan, groups: KeyGroupRange) -> Result<ChannelState> {
        let mut backlog = read_channel(self.snapshot.state_path(), was)?;
        for queued in &mut backlog.elements {
            if let Queued::Batch(payload) = queued {
                *payload = payload.convert(|record, out| plan.record(record, out))?;
            }
        }
        let input = CodecInput { operator: was.operator.clone(), record: plan.schema().clone(), groups };
        write_as(was.name.clone(), self.directory, input, &backlog)
    }

    fn keeps_groups(&self) -> bool {
        self.snapshot.manifest().max_parallelism == self.max_parallelism
    }

    fn way(&self, plan: &Plan) -> Way {
        match (self.keeps_groups(), plan.is_identity(), plan.keeps_order()) {
            (true, true, _) => Way::Link,
            (true, _, true) => Way::InOrder,
            _ => Way::Sorted,
        }
    }

    fn link(&self, files: &[StateFile]) -> Result<Vec<StateFile>> {
        files.iter().try_for_each(|file| self.link_file(&file.name))?;
        Ok(files.to_vec())
    }

    fn link_file(&self, name: &str) -> Result<()> {
        let (from, to) = (self.snapshot.state_path().join(name), self.directory.join(name));
        let linked = fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop));
        linked.map_err(|error| cannot("copy", &from, error))
    }

    fn header(&self, layer: LayerKind, groups: KeyGroupRange) -> StateFileHeader {
        StateFileHeader { layer, groups, written_by: self.snapshot.id() }
    }

    /// Several ranges of key groups at a time.
    fn in_order(&self, operator: &OperatorState, plan: &Plan) -> Result<Vec<StateFile>> {
        let bytes = operator.files.iter().map(|file| file.bytes).sum();
        let files = pieces(self.max_parallelism.all(), bytes).into_par_iter().map(|groups| {
            let (name, header) =
                (savepoint_name(&operator.name, groups), self.header(LayerKind::Base, groups));
            let mut writer = None;
            self.rows(&operator.name, plan, groups, &mut |row| {
                let writer = match &mut writer {
                    Some(writer) => writer,
                    None => writer.insert(StateFileWriter::create(&self.directory.join(&name), header)?),
                };
                writer.row(row)
            })?;
            let summary = writer.map(StateFileWriter::finish).transpose()?;
            Ok(summary.map(|summary| StateFile::new(name, header, summary)))
        });
        let files: Vec<_> = files.collect::<Result<_>>()?;
        Ok(files.into_iter().flatten().collect())
    }

    fn sorted(&self, operator: &str, plan: &Plan) -> Result<Vec<StateFile>> {
        let (mut files, mut run) = (Vec::new(), Run::default());
        let write = |run: &mut Run, files: &mut Vec<StateFile>| {
            let name = format!("{}.{}.state", portable_name(operator), files.len());
            files.push(run.write(self.directory, name, self.snapshot.id())?);
            Ok(())
        };
        let all = self.snapshot.manifest().max_parallelism.all();
        self.rows(operator, plan, all, &mut |row| {
            let group = plan.group(row.section, row.key, self.max_parallelism);
            let group =
                group.ok_or_else(|| Error::failure(format!("a row ({:?}) has no key", row.section)))?;
            run.push(StateRow { group, ..row });
            if run.bytes() < self.run_bytes { Ok(()) } else { write(&mut run, &mut files) }
        })?;
        if !run.rows.is_empty() {
            write(&mut run, &mut files)?;
        }
        Ok(files)
    }

    /// Gives every row of `groups` to `each` as the plan makes it, in the key group that it comes from.
    fn rows(
        &self,
        operator: &str,
        plan: &Plan,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        self.snapshot.rows(operator, groups, &mut |row| {
            let Some(value) = row.value() else { return Ok(()) };
            match plan.row(row.section, row.key, value)? {
                Some((key, value)) => each(StateRow::put(row.group, row.section, &key, &value)),
                None => Ok(()),
            }
        })
    }
}

/// Rows that are sorted together.
#[derive(Default)]
struct Run {
    /// Keys and values, one after another.
    bytes: Vec<u8>,
    rows: Vec<RunRow>,
}

#[derive(Clone, Copy)]
struct RunRow {
    group: KeyGroup,
    section: Section,
    start: usize,
    key_bytes: usize,
    value_bytes: usize,
}

impl Run {
    /// What it takes in memory, about.
    fn bytes(&self) -> usize {
        self.bytes.len() + self.rows.len() * size_of::<RunRow>()
    }

    /// Adds a row that has a value.
    fn push(&mut self, row: StateRow<'_>) {
        let (start, value) = (self.bytes.len(), row.value().unwrap_or_default());
        self.bytes.extend_from_slice(row.key);
        self.bytes.extend_from_slice(value);
        let StateRow { group, section, key, .. } = row;
        self.rows.push(RunRow { group, section, start, key_bytes: key.len(), value_bytes: value.len() });
    }

    /// Writes the rows, of which there is one at least, and forgets them.
    fn write(&mut self, directory: &Path, name: String, written_by: SnapshotId) -> Result<StateFile> {
        let bytes = &self.bytes;
        let place = |row: &RunRow| (row.group, row.section, &bytes[row.start..row.start + row.key_bytes]);
        self.rows.par_sort_unstable_by(|a, b| place(a).cmp(&place(b)));
        if self.rows.windows(2).any(|pair| place(&pair[0]) == place(&pair[1])) {
            return Err(keys_became_one());
        }
        let group = |row: Option<&RunRow>| row.map_or(KeyGroup(0), |row| row.group);
        let groups = KeyGroupRange { first: group(self.rows.first()), last: group(self.rows.last()) };
        let header = StateFileHeader { layer: LayerKind::Delta, groups, written_by };
        let mut writer = StateFileWriter::create(&directory.join(&name), header)?;
        for row in &self.rows {
            let (key, rest) = bytes[row.start..].split_at(row.key_bytes);
            writer.row(StateRow::put(row.group, row.section, key, &rest[..row.value_bytes]))?;
        }
        let summary = writer.finish()?;
        self.rows.clear();
        self.bytes.clear();
        Ok(StateFile::new(name, header, summary))
    }
}

/// Layers hide what is the same in older ones: if fewer rows are seen than were written, some are hidden.
fn check_keys(rewritten: &Snapshot, operator: &str, written: u64) -> Result<()> {
    let mut seen = 0;
    rewritten.rows(operator, rewritten.manifest().max_parallelism.all(), &mut |_| {
        seen += 1;
        Ok(())
    })?;
    if seen == written {
        return Ok(());
    }
    Err(keys_became_one().within(format!("the state of operator {operator:?} can't be taken over")))
}

fn keys_became_one() -> Error {
    Error::failure("two keys of the older version become the same key, and the state of one would be lost")
        .hint("the `From` of the keys must make different keys of different keys")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::OperatorProgram;
    use crate::exchange::backlog::Backlog;
    use crate::exchange::codec::Payload;
    use crate::key::{Key, SubtaskIndex};
    use crate::snapshot::SnapshotDirectory;
    use crate::snapshot::channel_file::write_channel;
    use crate::snapshot::fixture::{self, OwnedRow, Rows, groups, row};
    use crate::snapshot::part::Section::{EventTimer, State};
    use crate::state::{Describe, Field, Migration, Schema};
    use crate::time::EventTime;

    struct Scene {
        temporary: tempfile::TempDir,
        snapshot: Snapshot,
    }

    /// The keys of the snapshot.
    const KEYS: u32 = 2_000;

    fn encoded<K: Key>(key: &K) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.encode(&mut bytes);
        bytes
    }

    fn timer<K: Key>(at: i64, key: &K) -> Vec<u8> {
        [&at.to_be_bytes()[..], &7u64.to_be_bytes(), &encoded(key)].concat()
    }

    fn name(number: u32) -> String {
        format!("key {number}")
    }

    impl Scene {
        /// Every key has a flag and a timer; two layers, and an operator without changes.
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let directory = SnapshotDirectory::open(&temporary.path().join("snapshots")).unwrap();
            let max = MaxParallelism::DEFAULT;
            let mut rows = Vec::new();
            for number in 0..KEYS {
                let key = name(number);
                let group = key.hash().group(max).0;
                rows.push(row(group, State, &encoded(&key), &[u8::from(number % 3 == 0)]));
                rows.push(row(group, EventTimer, &timer(number.into(), &key), &[]));
            }
            rows.sort_by(|a, b| (a.group, a.section, &a.key).cmp(&(b.group, b.section, &b.key)));
            let other = || Rows(vec![row(5, State, &encoded(&name(0)), b"\x01")]);
            let all = groups(0, 127);
            fixture::write(
                &directory,
                vec![fixture::frozen("count", all, Rows(rows)), fixture::frozen("other", all, other())],
            );
            let latest = *directory.list().unwrap().last().unwrap();
            let snapshot = Snapshot::open(&directory.snapshot_path(latest)).unwrap();
            Scene { temporary, snapshot }
        }

        fn report(&self, count: OperatorProgram) -> Report {
            let programs = [("count".to_string(), count), ("other".to_string(), fixture::program("Account"))];
            Report::of_snapshot(self.snapshot.manifest(), &programs)
        }

        fn rewrite(&self, count: OperatorProgram, max_parallelism: MaxParallelism) -> Result<Snapshot> {
            let directory = self.temporary.path().join("rewritten");
            // So small that there are several runs.
            let run_bytes = 30_000;
            Rewriting { snapshot: &self.snapshot, max_parallelism, directory: &directory, run_bytes }
                .run(&self.report(count), &BTreeMap::new())
        }
    }

    fn rows(snapshot: &Snapshot, operator: &str) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        let mut each = |row: StateRow<'_>| {
            rows.push(OwnedRow::from(row));
            Ok(())
        };
        snapshot.rows(operator, snapshot.manifest().max_parallelism.all(), &mut each).unwrap();
        rows
    }

    fn kinds(snapshot: &Snapshot, operator: &str) -> Vec<LayerKind> {
        let operators = snapshot.manifest().operators.iter();
        let files = operators.filter(|other| other.name == operator).flat_map(|operator| &operator.files);
        files.map(|file| file.layer).collect()
    }

    fn in_order(mut rows: Vec<OwnedRow>) -> Vec<OwnedRow> {
        rows.sort_by(|a, b| (a.group, a.section, &a.key).cmp(&(b.group, b.section, &b.key)));
        rows
    }

    /// `flag: bool, limit: u8`, which begins as 9.
    fn with_limit() -> OperatorProgram {
        let mut program = fixture::program("Account");
        program.state.schema.fields.push(Field::of::<u8>("limit"));
        program.state.initial = || Ok(vec![0, 9]);
        program
    }

    #[test]
    fn rows_that_keep_their_keys_are_rewritten_in_place_and_others_are_linked() {
        let scene = Scene::new();
        let before = rows(&scene.snapshot, "count");
        let rewritten = scene.rewrite(with_limit(), MaxParallelism::DEFAULT).unwrap();
        let expected = before.iter().map(|was| match was.section {
            State => row(was.group.0, State, &was.key, &[was.borrow().value().unwrap(), &[9]].concat()),
            _ => was.clone(),
        });
        assert_eq!(rows(&rewritten, "count"), expected.collect::<Vec<_>>());
        assert!(kinds(&rewritten, "count").iter().all(|kind| *kind == LayerKind::Base));
        assert_eq!(rows(&rewritten, "other"), rows(&scene.snapshot, "other"));
        assert_eq!(rewritten.manifest().entries, scene.snapshot.manifest().entries);
        assert_eq!(rewritten.id(), scene.snapshot.id());
        assert_eq!(rewritten.manifest().operators[0].schema, with_limit().schema());
        assert_eq!(rows(&scene.snapshot, "count"), before, "what was rewritten is as it was");
    }

    /// A snapshot without rows, with a number in flight to each of two subtasks of `count`.
    fn with_numbers_in_flight(scene: &Scene) -> Snapshot {
        let directory = SnapshotDirectory::open(&scene.temporary.path().join("in-flight")).unwrap();
        let id = directory.next_id();
        let pending = directory.begin(id).unwrap();
        let channels = [(0, groups(0, 63), 7u8), (1, groups(64, 127), 9)].map(|(subtask, groups, number)| {
            let frame = [&u64::from(number).to_le_bytes()[..], &[0; 8], &[0; 4], &[1, 0, 0, 0], &[number]];
            let payload = Payload { records: 1, bytes: frame.concat() };
            let backlog = Backlog {
                watermark: EventTime::from_millis(number.into()),
                elements: [Queued::Batch(payload)].into(),
            };
            let input = CodecInput { operator: "count".to_string(), record: u8::schema(), groups };
            write_channel(pending.state_path(), id, SubtaskIndex(subtask), input, &backlog).unwrap().unwrap()
        });
        let manifest = Manifest { channels: channels.into(), ..fixture::manifest(id) };
        pending.complete(&manifest).unwrap();
        Snapshot::open(&directory.snapshot_path(id)).unwrap()
    }

    #[test]
    fn records_in_flight_come_along_as_the_program_has_them_and_belong_to_anyone_among_other_key_groups() {
        let scene = Scene::new();
        let snapshot = with_numbers_in_flight(&scene);
        let report = Report::of_snapshot(snapshot.manifest(), &[]);
        let rewritten = |name: &str, records: &BTreeMap<_, _>, max_parallelism| {
            rewrite(&snapshot, &report, records, max_parallelism, &scene.temporary.path().join(name)).unwrap()
        };
        let plan = |is: &Schema| BTreeMap::from([("count".to_string(), RecordPlan::of(&u8::schema(), is))]);
        let numbers = |snapshot: &Snapshot, groups| {
            let backlogs = snapshot.in_flight("count", groups).unwrap();
            let queued = backlogs.into_iter().flat_map(|backlog| backlog.elements);
            let payloads = queued.filter_map(|queued| match queued {
                Queued::Batch(payload) => Some(payload),
                Queued::Watermark(_) => None,
            });
            let frame = |payload: Payload| {
                let frame = payload.frames().next().unwrap().unwrap();
                (frame.hash.bits(), frame.record.to_vec())
            };
            payloads.map(frame).collect::<Vec<_>>()
        };
        let same = rewritten("same", &plan(&u8::schema()), MaxParallelism::DEFAULT);
        assert_eq!(same.manifest().channels, snapshot.manifest().channels);
        assert_eq!(numbers(&same, groups(0, 5)), [(7, vec![7])]);

        let thirty = MaxParallelism::new(30).unwrap();
        let regrouped = rewritten("regrouped", &plan(&Option::<u8>::schema()), thirty);
        assert_eq!(regrouped.manifest().channels[1].record, Option::<u8>::schema());
        assert_eq!(numbers(&regrouped, groups(29, 29)), [(7, vec![1, 7]), (9, vec![1, 9])]);

        // The program has no such operator.
        assert!(rewritten("dropped", &BTreeMap::new(), thirty).manifest().channels.is_empty());
    }

    #[test]
    fn another_number_of_key_groups_deals_every_row_anew() {
        let scene = Scene::new();
        let max = MaxParallelism::new(1000).unwrap();
        let mut expected = Vec::new();
        for number in 0..KEYS {
            let key = name(number);
            let group = key.hash().group(max).0;
            expected.push(row(group, State, &encoded(&key), &[u8::from(number % 3 == 0), 9]));
            expected.push(row(group, EventTimer, &timer(number.into(), &key), &[]));
        }
        let rewritten = scene.rewrite(with_limit(), max).unwrap();
        assert_eq!(rows(&rewritten, "count"), in_order(expected));
        assert!(kinds(&rewritten, "count").len() > 2, "several runs");
        assert_eq!(rewritten.manifest().max_parallelism, max);
        let group = rows(&rewritten, "other")[0].group;
        assert!(group.0 < 1000, "the operator that did not change is dealt anew, too");
    }

    fn number_of(bytes: &mut &[u8]) -> Option<u32> {
        String::decode(bytes)?.strip_prefix("key ")?.parse().ok()
    }

    /// Keyed by the number in the name.
    fn rekeyed(migrate: crate::state::migration::MigrateKey) -> OperatorProgram {
        let old = fixture::program("Account").state;
        let mut program = fixture::program("Account");
        program.state.schema.key = u32::schema();
        program.state.schema.version = 2;
        program.state.hash = |bytes| u32::decode(bytes).map(|key| key.hash());
        program.state.migration =
            Some(Box::new(Migration { from: old, state: |row| Ok(row.to_vec()), key: Some(migrate) }));
        program
    }

    #[test]
    fn rows_follow_their_new_keys_into_other_groups() {
        let scene = Scene::new();
        let program = rekeyed(|bytes, new| {
            number_of(bytes)?.encode(new);
            Some(())
        });
        let rewritten = scene.rewrite(program, MaxParallelism::DEFAULT).unwrap();
        let mut expected = Vec::new();
        for number in 0..KEYS {
            let group = number.hash().group(MaxParallelism::DEFAULT).0;
            expected.push(row(group, State, &encoded(&number), &[u8::from(number % 3 == 0)]));
            expected.push(row(group, EventTimer, &timer(number.into(), &number), &[]));
        }
        assert_eq!(rows(&rewritten, "count"), in_order(expected));
    }

    #[test]
    fn keys_that_become_one_are_refused_also_if_they_are_in_different_runs() {
        // The last key becomes the first: they are far apart, or in one run.
        let program = || {
            rekeyed(|bytes, new| {
                (number_of(bytes)? % (KEYS - 1)).encode(new);
                Some(())
            })
        };
        for run_bytes in [30_000, RUN_BYTES] {
            let scene = Scene::new();
            let directory = scene.temporary.path().join("rewritten");
            let max_parallelism = MaxParallelism::DEFAULT;
            let rewriting =
                Rewriting { snapshot: &scene.snapshot, max_parallelism, directory: &directory, run_bytes };
            let error = rewriting.run(&scene.report(program()), &BTreeMap::new()).unwrap_err();
            assert_eq!(
                error.to_string(),
                "the state of operator \"count\" can't be taken over: two keys of the older version become the same key, and \
                 the state of one would be lost"
            );
        }
    }

    #[test]
    fn a_row_that_can_not_be_taken_over_is_told_with_its_operator() {
        let scene = Scene::new();
        let error = scene.rewrite(rekeyed(|_, _| None), MaxParallelism::DEFAULT).unwrap_err();
        assert!(
            error.to_string().starts_with("the state of operator \"count\" can't be taken over: a row ("),
            "{error}"
        );
    }
}
