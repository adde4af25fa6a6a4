//! Restoring: which snapshot, whether it is whole, whether it fits the program, and its rows.
//!
//! A [`Snapshot`] has been read to the last byte before anything is restored from it: a broken one is refused as a whole, by
//! name. Nothing falls back to an older one in silence, and nothing is migrated: state that the program declares otherwise
//! is refused too, field by field.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use super::channel_file::read_channel;
use super::compare::changes;
use super::fault::{broken, cannot};
use super::file::{StateFileReader, crc_of};
use super::layout::{MANIFEST_FILE, SnapshotDirectory, Standing, parse_directory_name};
use super::manifest::{Manifest, OperatorState, StateFile, checksum_text};
use crate::error::{Error, Result};
use crate::exchange::backlog::Backlog;
use crate::exchange::codec::Payload;
use crate::key::{KeyGroupRange, MaxParallelism};
use crate::record::SnapshotId;
use crate::snapshot::part::{Entry, OperatorSchema, RestoredState, StateRow};

/// What `--restore` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreTarget {
    /// The newest complete snapshot; if there is none, the job begins at the beginning.
    Latest,
    /// A snapshot of the job's own snapshot directory.
    Id(SnapshotId),
    /// A snapshot that lies somewhere else.
    Path(PathBuf),
}

impl FromStr for RestoreTarget {
    type Err = Infallible;

    /// `latest`, a number, or else a path (write `./7` for a directory that is called `7`).
    fn from_str(text: &str) -> Result<RestoreTarget, Infallible> {
        Ok(match text.parse() {
            _ if text == "latest" => RestoreTarget::Latest,
            Ok(id) => RestoreTarget::Id(SnapshotId(id)),
            Err(_) => RestoreTarget::Path(PathBuf::from(text)),
        })
    }
}

impl fmt::Display for RestoreTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestoreTarget::Latest => f.write_str("latest"),
            RestoreTarget::Id(id) => id.fmt(f),
            RestoreTarget::Path(path) => path.display().fmt(f),
        }
    }
}

impl SnapshotDirectory {
    /// Finds and opens the snapshot that `target` asks for. `None` if it asks for the latest and there is none yet.
    ///
    /// # Errors
    /// If there is no such snapshot, or it is broken. The latest being broken is an error, too: whether to lose what came
    /// after the one before is not ours to decide.
    pub fn resolve(&self, target: &RestoreTarget) -> Result<Option<Snapshot>> {
        let ids = self.list()?;
        match target {
            RestoreTarget::Latest => match ids.split_last() {
                Some((&newest, older)) => self.open_newest(newest, older).map(Some),
                None => Ok(None),
            },
            RestoreTarget::Id(id) if ids.contains(id) => Snapshot::open(&self.snapshot_path(*id)).map(Some),
            RestoreTarget::Id(id) => Err(self.without(&format!("there is no snapshot {id}"), &ids)),
            RestoreTarget::Path(path) if !path.exists() => {
                Err(self.without(&format!("there is no snapshot at {}", path.display()), &ids))
            }
            RestoreTarget::Path(path) => Snapshot::open(path).map(Some),
        }
    }

    fn open_newest(&self, newest: SnapshotId, older: &[SnapshotId]) -> Result<Snapshot> {
        Snapshot::open(&self.snapshot_path(newest)).map_err(|error| {
            let whole = older.iter().rev().find(|&&id| Snapshot::open(&self.snapshot_path(id)).is_ok());
            let hint = match whole {
                Some(id) => format!("to go back to the newest one that is whole, use --restore {id}"),
                None => {
                    "no older one is whole; without --restore the job begins at the beginning".to_string()
                }
            };
            Error::failure(format!("the newest snapshot, {newest}, can't be restored from"))
                .caused_by(error.to_string())
                .hint(hint)
        })
    }

    fn without(&self, what: &str, ids: &[SnapshotId]) -> Error {
        let there: Vec<String> = ids.iter().map(SnapshotId::to_string).collect();
        let there = match &there[..] {
            [] => "no complete snapshot".to_string(),
            [one] => format!("snapshot {one}"),
            many => format!("snapshots {}", many.join(", ")),
        };
        Error::failure(what).hint(format!("{} holds {there}", self.path().display()))
    }
}

/// A complete snapshot, verified to the last byte.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    manifest: Manifest,
    /// Every operator's files, in order of their key groups, which do not overlap.
    files: BTreeMap<String, Vec<StateFileReader>>,
}

impl Snapshot {
    /// Opens the snapshot in the directory `path` and verifies all of it, several files at a time.
    ///
    /// # Errors
    /// If there is no complete snapshot, a file is missing, or anything in it has changed since it was written.
    pub fn open(path: &Path) -> Result<Snapshot> {
        let manifest = read_manifest(path)?;
        let manifest_broken = |what: String| broken(&path.join(MANIFEST_FILE), what);
        let mut files = BTreeMap::new();
        for operator in &manifest.operators {
            check_files(operator).map_err(manifest_broken)?;
            let readers: Result<Vec<_>> =
                operator.files.par_iter().map(|file| open_verified(path, file)).collect();
            if files.insert(operator.name.clone(), readers?).is_some() {
                return Err(manifest_broken(format!("it has operator \"{}\" twice", operator.name)));
            }
        }
        manifest.channels.par_iter().try_for_each(|channel| {
            check_name(&channel.name).map_err(manifest_broken)?;
            read_channel(path, channel).map(drop)
        })?;
        Ok(Snapshot { path: path.to_path_buf(), manifest, files })
    }

    /// Its number.
    pub fn id(&self) -> SnapshotId {
        self.manifest.snapshot
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Whether a job that is called `job` and has these stateful operators can be restored from it. An operator that the
    /// snapshot does not know starts empty.
    ///
    /// # Errors
    /// If the snapshot is of another job, has state of an operator that is not there, or state of another schema; the
    /// error names every difference.
    pub fn check(&self, job: &str, operators: &[(String, OperatorSchema)]) -> Result<()> {
        let snapshot = self.id();
        if self.manifest.job != job {
            return Err(Error::failure(format!(
                "snapshot {snapshot} in {} is of job \"{}\", this is job \"{job}\"",
                self.path.display(),
                self.manifest.job
            ))
            .hint("restore from a snapshot of this job, or start without --restore"));
        }
        let mut faults = Vec::new();
        for OperatorState { name, schema: was, .. } in &self.manifest.operators {
            let state = format!("state \"{}\" of operator \"{name}\" in snapshot {snapshot}", was.state.name);
            match operators.iter().find(|(operator, _)| operator == name) {
                Some((_, is)) => {
                    faults.extend(changes(was, is).into_iter().map(|change| format!("{state} {change}")));
                }
                None => faults
                    .push(format!("{state} has no place to go: this program has no operator \"{name}\"")),
            }
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Error::failure(faults.join("\n")).hint(
            "put the program's state back as it was, or start without --restore; state can't be migrated yet",
        ))
    }
}

impl RestoredState for Snapshot {
    fn entries(&self, owner: &str) -> Vec<&Entry> {
        self.manifest.entries.iter().filter(|entry| entry.owner == owner).collect()
    }

    fn rows(
        &self,
        operator: &str,
        groups: KeyGroupRange,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<()> {
        let files = self.files.get(operator).into_iter().flatten();
        files.filter(|file| file.groups().overlaps(groups)).try_for_each(|file| file.visit(groups, each))
    }

    fn in_flight(
        &self,
        operator: &str,
        groups: KeyGroupRange,
        max_parallelism: MaxParallelism,
    ) -> Result<Vec<Backlog<Payload>>> {
        let of_operator = || self.manifest.channels.iter().filter(|channel| channel.operator == operator);
        // With another number of groups, every file may have records of these.
        let regrouped = self.manifest.max_parallelism != max_parallelism;
        let overlapping = of_operator().filter(|channel| regrouped || channel.groups.overlaps(groups));
        let mut backlogs: Vec<_> =
            overlapping.map(|channel| read_channel(&self.path, channel)).collect::<Result<_>>()?;
        // A subtask without a file had nothing in flight: it stood already where the others come to.
        let reached = of_operator().map(|channel| channel.watermark).min();
        backlogs.extend(reached.map(Backlog::new));
        Ok(backlogs)
    }
}

fn read_manifest(directory: &Path) -> Result<Manifest> {
    let standing = directory.file_name().and_then(|name| name.to_str()).and_then(parse_directory_name);
    if let Some((id, standing @ (Standing::Pending | Standing::Deleting))) = standing {
        let what = if standing == Standing::Pending { "was never completed" } else { "has been deleted" };
        return Err(Error::failure(format!("snapshot {id} in {} {what}", directory.display()))
            .hint("restore from a snapshot whose directory has no suffix, or use --restore latest"));
    }
    let path = directory.join(MANIFEST_FILE);
    let text = std::fs::read(&path).map_err(|error| match (error.kind(), standing) {
        (ErrorKind::NotFound, Some(_)) => broken(directory, format!("its {MANIFEST_FILE} is missing")),
        (ErrorKind::NotFound | ErrorKind::NotADirectory, None) => {
            Error::failure(format!("{} is no snapshot: it has no {MANIFEST_FILE}", directory.display())).hint(
                "--restore takes `latest`, the number of a snapshot, or the path of a snapshot's directory",
            )
        }
        _ => cannot("read", &path, error),
    })?;
    let manifest = Manifest::from_text(&text).map_err(|what| broken(&path, what))?;
    match standing {
        Some((id, _)) if id != manifest.snapshot => {
            Err(broken(&path, format!("it is that of snapshot {}", manifest.snapshot)))
        }
        _ => Ok(manifest),
    }
}

/// What the rows' order and safety rest on: plain names, and key groups that follow one another.
fn check_files(operator: &OperatorState) -> Result<(), String> {
    operator.files.iter().try_for_each(|file| check_name(&file.name))?;
    for pair in operator.files.windows(2) {
        if pair[0].groups.last >= pair[1].groups.first {
            return Err(format!("the key groups of {} and {} overlap", pair[0].name, pair[1].name));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
    if plain { Ok(()) } else { Err(format!("\"{name}\" is not the name of a file beside it")) }
}

fn open_verified(directory: &Path, expected: &StateFile) -> Result<StateFileReader> {
    let path = directory.join(&expected.name);
    let bytes = match path.metadata() {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(broken(directory, format!("its file {} is missing", expected.name)));
        }
        Err(error) => return Err(cannot("read", &path, error)),
    };
    if bytes != expected.bytes {
        return Err(broken(&path, format!("it has {bytes} bytes instead of {}", expected.bytes)));
    }
    let file = StateFileReader::open(&path)?;
    let checksum = checksum_text(crc_of(&path)?);
    if checksum != expected.checksum {
        let what = format!("its checksum is {checksum} instead of {}: it was changed", expected.checksum);
        return Err(broken(&path, what));
    }
    if file.rows() != expected.rows || file.groups() != expected.groups {
        return Err(broken(&path, "it is not the file that the manifest describes"));
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorKind::Failure;
    use crate::key::KeyGroup;
    use crate::snapshot::fixture::{self, OwnedRow, Rows, groups, row, schema};
    use crate::snapshot::part::Section::{EventTimer, ProcessingTimer, State};
    use crate::state::{Describe, Field};

    struct Scene {
        _temporary: tempfile::TempDir,
        directory: SnapshotDirectory,
    }

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let directory = SnapshotDirectory::open(temporary.path()).unwrap();
            Scene { _temporary: temporary, directory }
        }

        /// Two subtasks of `count`, one of `sum` without a row.
        fn snapshot(&self) -> Snapshot {
            let low = Rows(vec![
                row(0, State, b"a", b"1"),
                row(0, EventTimer, b"a", b"at noon"),
                row(63, State, b"", b""),
            ]);
            let high = Rows(vec![row(64, State, b"b", b"2"), row(100, ProcessingTimer, b"c", &[7; 100_000])]);
            let id = fixture::write(
                &self.directory,
                vec![
                    fixture::frozen("count", groups(64, 127), high),
                    fixture::frozen("count", groups(0, 63), low),
                    fixture::frozen("sum", groups(0, 127), Rows(vec![])),
                ],
            );
            Snapshot::open(&self.directory.snapshot_path(id)).unwrap()
        }

        fn resolve(&self, target: &str) -> Result<Option<Snapshot>> {
            self.directory.resolve(&target.parse().unwrap())
        }
    }

    fn rows(snapshot: &Snapshot, operator: &str, groups: KeyGroupRange) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        snapshot
            .rows(operator, groups, &mut |row| {
                rows.push(OwnedRow::from(row));
                Ok(())
            })
            .unwrap();
        rows
    }

    fn text(error: &Error) -> String {
        format!("{error:#}")
    }

    #[test]
    fn a_target_is_latest_or_a_number_or_a_path() {
        let parse = |text: &str| text.parse::<RestoreTarget>().unwrap();
        assert_eq!(parse("latest"), RestoreTarget::Latest);
        assert_eq!(parse("41"), RestoreTarget::Id(SnapshotId(41)));
        for path in ["./41", "Latest", "/backup/snapshot-0000000041", "-1"] {
            assert_eq!(parse(path), RestoreTarget::Path(PathBuf::from(path)));
            assert_eq!(parse(path).to_string(), path);
        }
    }

    #[test]
    fn rows_of_a_range_of_key_groups_come_in_order_from_all_files_that_have_some() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let keys = |range| -> Vec<_> {
            rows(&snapshot, "count", range).into_iter().map(|row| (row.group.0, row.section)).collect()
        };
        assert_eq!(
            keys(groups(0, 127)),
            [(0, State), (0, EventTimer), (63, State), (64, State), (100, ProcessingTimer)]
        );
        assert_eq!(keys(groups(1, 64)), [(63, State), (64, State)]);
        assert_eq!(keys(KeyGroupRange::one(KeyGroup(100))), [(100, ProcessingTimer)]);
        assert_eq!(keys(groups(1, 62)), []);
        assert_eq!(rows(&snapshot, "sum", groups(0, 127)), []);
        assert_eq!(rows(&snapshot, "unheard-of", groups(0, 127)), []);
    }

    #[test]
    fn entries_are_given_to_their_owner() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        assert_eq!(snapshot.entries("source access-log").len(), 1);
        assert_eq!(snapshot.entries("source access").len(), 0);
    }

    #[test]
    fn latest_of_an_empty_directory_is_none() {
        let scene = Scene::new();
        assert!(scene.resolve("latest").unwrap().is_none());
        let _pending = scene.directory.begin(SnapshotId(1)).unwrap();
        assert!(scene.resolve("latest").unwrap().is_none());
    }

    #[test]
    fn a_snapshot_is_found_as_the_latest_by_number_and_by_path() {
        let scene = Scene::new();
        let (first, second) = (scene.snapshot(), scene.snapshot());
        assert_eq!(scene.resolve("latest").unwrap().unwrap().id(), second.id());
        assert_eq!(scene.resolve("1").unwrap().unwrap().id(), first.id());
        assert_eq!(scene.resolve(first.path().to_str().unwrap()).unwrap().unwrap().id(), first.id());
    }

    #[test]
    fn what_is_not_there_is_refused_with_what_is() {
        let scene = Scene::new();
        let error = scene.resolve("3").unwrap_err();
        assert!(
            text(&error).contains("no snapshot 3") && text(&error).contains("no complete snapshot"),
            "{error:#}"
        );
        scene.snapshot();
        scene.snapshot();
        for target in ["3", "/no/such/place"] {
            let error = scene.resolve(target).unwrap_err();
            assert_eq!(error.kind(), Failure);
            assert!(text(&error).contains(target) && text(&error).contains("snapshots 1, 2"), "{error:#}");
        }
    }

    #[test]
    fn what_was_never_completed_is_refused() {
        let scene = Scene::new();
        let pending = scene.directory.begin(SnapshotId(1)).unwrap();
        let error = scene.resolve(pending.path().to_str().unwrap()).unwrap_err();
        assert!(
            text(&error).contains("snapshot 1") && text(&error).contains("was never completed"),
            "{error:#}"
        );
    }

    #[test]
    fn a_directory_that_is_no_snapshot_is_refused() {
        let scene = Scene::new();
        let error = scene.resolve(scene.directory.path().to_str().unwrap()).unwrap_err();
        assert_eq!(error.kind(), Failure);
        assert!(text(&error).contains("is no snapshot"), "{error:#}");
    }

    #[test]
    fn a_broken_newest_snapshot_is_refused_and_the_newest_whole_one_named() {
        let scene = Scene::new();
        let _oldest = scene.snapshot();
        let (_second, third, fourth) = (scene.snapshot(), scene.snapshot(), scene.snapshot());
        fs::write(third.path().join("sum.0.state"), "not a state file").unwrap();
        fs::remove_file(fourth.path().join("count.1.state")).unwrap();
        let error = scene.resolve("latest").unwrap_err();
        assert_eq!(error.kind(), Failure);
        for part in ["newest snapshot, 4,", "count.1.state is missing", "--restore 2"] {
            assert!(text(&error).contains(part), "{error:#}");
        }
    }

    #[test]
    fn with_no_whole_snapshot_left_the_error_says_so() {
        let scene = Scene::new();
        fs::remove_file(scene.snapshot().path().join(MANIFEST_FILE)).unwrap();
        let error = scene.resolve("latest").unwrap_err();
        assert!(text(&error).contains("manifest.json is missing"), "{error:#}");
        assert!(text(&error).contains("no older one is whole"), "{error:#}");
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_of_every_file_is_detected_and_the_file_named() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        for entry in fs::read_dir(snapshot.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let whole = fs::read(&path).unwrap();
            let refused = |bytes: &[u8], what: String| {
                fs::write(&path, bytes).unwrap();
                let error = Snapshot::open(snapshot.path()).expect_err(&what);
                assert!(error.to_string().contains(name), "{what}: {error}");
            };
            for bit in 0..whole.len() * 8 {
                let mut flipped = whole.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                refused(&flipped, format!("bit {bit} of {name}"));
            }
            for length in 0..whole.len() {
                refused(&whole[..length], format!("{name} cut to {length} bytes"));
            }
            fs::write(&path, &whole).unwrap();
        }
        Snapshot::open(snapshot.path()).unwrap();
    }

    #[test]
    fn a_whole_file_of_another_snapshot_is_detected() {
        let scene = Scene::new();
        let (first, second) = (scene.snapshot(), scene.snapshot());
        fs::copy(first.path().join(MANIFEST_FILE), second.path().join(MANIFEST_FILE)).unwrap();
        let error = Snapshot::open(second.path()).unwrap_err();
        assert!(error.to_string().contains("it is that of snapshot 1"), "{error}");
        fs::copy(first.path().join("sum.0.state"), first.path().join("count.0.state")).unwrap();
        assert!(Snapshot::open(first.path()).is_err());
    }

    fn program() -> Vec<(String, OperatorSchema)> {
        vec![("count".to_string(), schema("Account")), ("sum".to_string(), schema("Account"))]
    }

    #[test]
    fn the_same_program_fits_and_so_does_one_with_a_new_operator() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let mut program = program();
        snapshot.check("web-visits", &program).unwrap();
        program.push(("new".to_string(), schema("New")));
        snapshot.check("web-visits", &program).unwrap();
    }

    #[test]
    fn a_foreign_job_is_refused() {
        let scene = Scene::new();
        let error = scene.snapshot().check("fraud", &program()).unwrap_err();
        assert_eq!(error.kind(), Failure);
        assert!(error.to_string().contains("is of job \"web-visits\", this is job \"fraud\""), "{error}");
    }

    #[test]
    fn state_without_an_operator_is_refused() {
        let scene = Scene::new();
        let error = scene.snapshot().check("web-visits", &program()[..1]).unwrap_err();
        assert!(error.to_string().contains("this program has no operator \"sum\""), "{error}");
    }

    #[test]
    fn every_change_of_schema_is_refused_and_told() {
        let scene = Scene::new();
        let mut program = program();
        program[0].1.state.fields = vec![Field::of::<u8>("flag")];
        program[1].1.timer = bool::schema();
        let error = scene.snapshot().check("web-visits", &program).unwrap_err();
        let told = error.to_string();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "state \"Account\" of operator \"count\" in snapshot 1 has field \"flag: bool\", this program has \"flag: u8\"",
                "state \"Account\" of operator \"sum\" in snapshot 1 has timer \"()\", this program has \"bool\"",
            ]
        );
        assert!(text(&error).contains("start without --restore"), "{error:#}");
    }
}
