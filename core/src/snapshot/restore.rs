//! Restoring: which snapshot, whether it is whole, whether it fits the program, and its rows.
//!
//! A [`Snapshot`] has been read to the last byte before anything is restored from it: a broken one is refused as a whole, by
//! name. Only who asks for the latest gets an older one in its place, the newest that is whole, and is told which were
//! skipped and why. Nothing is migrated: state that the program declares otherwise is refused too, field by field.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rayon::prelude::*;

use super::channel_file::read_channel;
use super::fault::{broken, cannot};
use super::file::crc_of;
use super::layers::{Layers, open_file};
use super::layout::{MANIFEST_FILE, SnapshotDirectory, Standing, parse_directory_name, scan};
use super::manifest::{Manifest, StateFile, StateFiles, checksum_text};
use super::merge::Removals;
use super::pool::POOL_DIRECTORY;
use super::remote::{Mirror, snapshot_in, url_in};
use crate::error::{Error, Result};
use crate::evolution::{OperatorProgram, Report};
use crate::exchange::backlog::Backlog;
use crate::exchange::codec::Payload;
use crate::key::KeyGroupRange;
use crate::record::SnapshotId;
use crate::snapshot::part::{Entry, RestoredState, StateRow};

/// What `--restore` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RestoreTarget {
    /// The newest complete snapshot that is whole; if there is none at all, the job begins at the beginning.
    Latest,
    /// A snapshot of the job's own snapshot directory, and no other.
    Id(SnapshotId),
    /// A snapshot that lies somewhere else, and no other.
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
    /// If there is no such snapshot, or it is broken; for the latest, if there are snapshots and none of them is whole.
    pub fn resolve(&self, target: &RestoreTarget) -> Result<Option<Snapshot>> {
        let ids = self.list()?;
        match target {
            RestoreTarget::Latest => self.open_newest(&ids),
            RestoreTarget::Id(id) if ids.contains(id) => self.open_own(*id).map(Some).map_err(|error| {
                error.further_hint("--restore latest goes on from the newest snapshot that is whole")
            }),
            RestoreTarget::Id(id) => Err(self.without(&format!("there is no snapshot {id}"), &ids)),
            RestoreTarget::Path(path) if self.own(path).is_some_and(|id| ids.contains(&id)) => {
                self.own(path).map(|id| self.open_own(id)).transpose()
            }
            RestoreTarget::Path(path) if !path.exists() => {
                Err(self.without(&format!("there is no snapshot at {}", path.display()), &ids))
            }
            RestoreTarget::Path(path) => Snapshot::open(path).map(Some),
        }
    }

    /// The number of the snapshot that lies at a URL, if it is one of these.
    pub(crate) fn own(&self, path: &Path) -> Option<SnapshotId> {
        let (_, id) = snapshot_in(url_in(path)?)?;
        (self.name(id) == path).then_some(id)
    }

    fn open_own(&self, id: SnapshotId) -> Result<Snapshot> {
        let path = self.snapshot_path(id);
        if let Some(remote) = self.pool().remote() {
            remote.fetch(&read_manifest(&path)?, self.pool().path())?;
        }
        Ok(Snapshot { path: self.name(id), ..Snapshot::open(&path)? })
    }

    /// The newest that is whole, of those that are there.
    fn open_newest(&self, ids: &[SnapshotId]) -> Result<Option<Snapshot>> {
        let mut skipped: Vec<Skipped> = Vec::new();
        for &id in ids.iter().rev() {
            match self.open_own(id) {
                Ok(snapshot) => return Ok(Some(Snapshot { skipped, ..snapshot })),
                Err(error) => {
                    let one = Skipped { id, reason: error.to_string() };
                    tracing::warn!("{one}");
                    skipped.push(one);
                }
            }
        }
        if skipped.is_empty() {
            return Ok(None);
        }
        let reasons: Vec<String> = skipped.iter().map(Skipped::to_string).collect();
        let what = format!("no snapshot in {} is whole", self.path().display());
        Err(Error::failure(what).caused_by(reasons.join("; ")).hint(
            "bring the files back from a copy, or give --restore the path of a savepoint; without --restore the job begins at \
             the beginning",
        ))
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

/// A snapshot that was passed over on the way to an older one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its number.
    pub id: SnapshotId,
    /// Why it can't be restored from.
    pub reason: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "snapshot {} was skipped: {}", self.id, self.reason)
    }
}

/// A complete snapshot, verified to the last byte.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    state_path: PathBuf,
    manifest: Manifest,
    operators: BTreeMap<String, Layers>,
    skipped: Vec<Skipped>,
}

impl Snapshot {
    /// Opens the snapshot in the directory `path` and verifies all of it, several files at a time.
    ///
    /// # Errors
    /// If there is no complete snapshot, a file is missing, or anything in it has changed since it was written.
    pub fn open(path: &Path) -> Result<Snapshot> {
        let manifest = read_manifest(path)?;
        let state_path = state_path(path, &manifest);
        let files: Vec<&StateFile> = manifest.operators.iter().flat_map(|operator| &operator.files).collect();
        let in_flight = |channel| read_channel(&state_path, channel).map(drop);
        let verified = files.par_iter().try_for_each(|file| verify(&state_path, file));
        let verified = verified.and_then(|()| manifest.channels.par_iter().try_for_each(in_flight));
        verified.map_err(|error| match manifest.files {
            StateFiles::Own => error,
            StateFiles::Shared if state_path.is_dir() => error,
            StateFiles::Shared => error.hint(
                "the files of a snapshot lie in the directory state beside it; what is to be taken elsewhere is a savepoint",
            ),
        })?;
        Snapshot::of(path, state_path, manifest)
    }

    /// Opens the snapshot at a URL, by a copy of it below `directory`.
    ///
    /// # Errors
    /// If there is no complete snapshot at the URL, or it is broken.
    pub(crate) fn open_url(url: &str, directory: &Path) -> Result<Snapshot> {
        let Some((place, id)) = snapshot_in(url) else {
            return Err(Error::failure(format!("{url} is not the URL of a snapshot"))
                .hint("it is that of --snapshot-dir, with the name of the snapshot behind it: URL/snapshot-0000000041"));
        };
        let mirror = Mirror::open(place, directory)?;
        let path = mirror.path_of(id);
        if !path.exists() {
            return Err(Error::failure(format!("there is no snapshot at {url}")));
        }
        mirror.fetch(&read_manifest(&path)?)?;
        Ok(Snapshot { path: PathBuf::from(url), ..Snapshot::open(&path)? })
    }

    /// Opens the snapshot in the directory `path` to look at some of it: its files are there, and every block of them is
    /// verified when it is read.
    ///
    /// # Errors
    /// If there is no complete snapshot, or a file is missing or is not what it is said to be.
    pub(super) fn peek(path: &Path) -> Result<Snapshot> {
        let manifest = read_manifest(path)?;
        Snapshot::of(path, state_path(path, &manifest), manifest)
    }

    fn of(path: &Path, state_path: PathBuf, manifest: Manifest) -> Result<Snapshot> {
        let mut operators = BTreeMap::new();
        for operator in &manifest.operators {
            operators.insert(operator.name.clone(), Layers::open(&state_path, &operator.files)?);
        }
        Ok(Snapshot { path: path.to_path_buf(), state_path, manifest, operators, skipped: Vec::new() })
    }

    /// Its number.
    pub fn id(&self) -> SnapshotId {
        self.manifest.snapshot
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The directory of its state files.
    pub fn state_path(&self) -> &Path {
        &self.state_path
    }

    /// The newer ones that were asked for with it and are not whole, newest first.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// What is in it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What becomes of the snapshot's state in a job that is called `job` and has these stateful operators.
    ///
    /// # Errors
    /// If the snapshot is of another job, or state of an operator that both have can't be taken over; the error names every
    /// difference that stands in the way. Operators that only one of the two has are in the report.
    pub fn check(&self, job: &str, operators: &[(String, OperatorProgram)]) -> Result<Report> {
        if self.manifest.job != job {
            return Err(Error::failure(format!(
                "snapshot {} in {} is of job \"{}\", this is job \"{job}\"",
                self.id(),
                self.path.display(),
                self.manifest.job
            ))
            .hint("restore from a snapshot of this job, or start without --restore"));
        }
        let report = Report::of_snapshot(&self.manifest, operators);
        report.check()?;
        Ok(report)
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
        match self.operators.get(operator) {
            Some(layers) => layers.visit(groups, Removals::Drop, &|_| true, each),
            None => Ok(()),
        }
    }

    fn in_flight(&self, operator: &str, groups: KeyGroupRange) -> Result<Vec<Backlog<Payload>>> {
        let of_operator = || self.manifest.channels.iter().filter(|channel| channel.operator == operator);
        let overlapping = of_operator().filter(|channel| channel.groups.overlaps(groups));
        let mut backlogs: Vec<_> =
            overlapping.map(|channel| read_channel(&self.state_path, channel)).collect::<Result<_>>()?;
        // A subtask without a file had nothing in flight: it stood already where the others come to.
        let reached = of_operator().map(|channel| channel.watermark).min();
        backlogs.extend(reached.map(Backlog::new));
        Ok(backlogs)
    }
}

pub(super) fn read_manifest(directory: &Path) -> Result<Manifest> {
    let standing = directory.file_name().and_then(|name| name.to_str()).and_then(parse_directory_name);
    if let Some((id, standing @ (Standing::Pending | Standing::Deleting))) = standing {
        let what = if standing == Standing::Pending { "was never completed" } else { "has been deleted" };
        return Err(Error::failure(format!("snapshot {id} in {} {what}", directory.display()))
            .hint("restore from a snapshot whose directory has no suffix, or use --restore latest"));
    }
    let path = directory.join(MANIFEST_FILE);
    let text = std::fs::read(&path).map_err(|error| match (error.kind(), standing) {
        (ErrorKind::NotFound, Some(_)) => broken(directory, format!("its {MANIFEST_FILE} is missing")),
        (ErrorKind::NotFound | ErrorKind::NotADirectory, None) => no_snapshot(directory),
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

/// Why what the user named is no snapshot.
pub(super) fn no_snapshot(path: &Path) -> Error {
    let shown = path.display();
    if !path.exists() {
        return Error::failure(format!("there is no snapshot at {shown}: nothing is there"))
            .hint("a snapshot is `latest`, its number, or the path of its directory");
    }
    let error = Error::failure(format!("{shown} is no snapshot: it has no {MANIFEST_FILE}"));
    match scan(path).is_ok_and(|found| !found.is_empty()) {
        true => {
            error.hint(format!("there are snapshots in it: add --snapshot-dir {shown}, and say which one"))
        }
        false => error.hint("a snapshot is `latest`, its number, or the path of its directory"),
    }
}

/// Where the files of the snapshot in `directory` lie.
pub(super) fn state_path(directory: &Path, manifest: &Manifest) -> PathBuf {
    match manifest.files {
        StateFiles::Own => directory.to_path_buf(),
        StateFiles::Shared => pool_beside(directory),
    }
}

/// The pool to which the snapshot in `directory` refers.
fn pool_beside(directory: &Path) -> PathBuf {
    match (directory.parent(), directory.file_name()) {
        (Some(parent), Some(_)) if !directory.is_symlink() => parent.join(POOL_DIRECTORY),
        _ => directory.join("..").join(POOL_DIRECTORY),
    }
}

/// Reads a file to its last byte; it must be the one that the manifest describes.
pub(super) fn verify(directory: &Path, expected: &StateFile) -> Result<()> {
    open_file(directory, expected)?;
    let path = directory.join(&expected.name);
    let checksum = checksum_text(crc_of(&path)?);
    if checksum != expected.checksum {
        let what = format!("its checksum is {checksum} instead of {}: it was changed", expected.checksum);
        return Err(broken(&path, what));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorKind::Failure;
    use crate::key::KeyGroup;
    use crate::snapshot::chain::Chains;
    use crate::snapshot::fixture::OwnedChange::{Remove, RemovePrefix};
    use crate::snapshot::fixture::{self, OwnedRow, Rows, groups, removal, row};
    use crate::snapshot::part::FrozenState;
    use crate::snapshot::part::Section::{Entry, EventTimer, ProcessingTimer, State};
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
            self.open(fixture::write(&self.directory, whole()))
        }

        /// The same, over which there are two layers more of `count`: one of other subtasks, one with removals.
        fn layered(&self) -> Snapshot {
            let mut chains = Chains::default();
            fixture::write_next(&self.directory, &mut chains, whole());
            let all = Rows(vec![row(0, State, b"a", b"3"), row(70, State, b"d", b"new")]);
            fixture::write_next(
                &self.directory,
                &mut chains,
                vec![fixture::changed("count", groups(0, 127), all)],
            );
            let low =
                Rows(vec![removal(0, EventTimer, b"", RemovePrefix), row(0, EventTimer, b"b", b"at one")]);
            let high = Rows(vec![removal(70, State, b"d", Remove), row(100, Entry, b"e", b"x")]);
            let deltas = vec![
                fixture::changed("count", groups(0, 42), low),
                fixture::changed("count", groups(43, 85), Rows(vec![])),
                fixture::changed("count", groups(43, 127), high),
            ];
            self.open(fixture::write_next(&self.directory, &mut chains, deltas))
        }

        fn open(&self, id: SnapshotId) -> Snapshot {
            Snapshot::open(&self.directory.snapshot_path(id)).unwrap()
        }

        fn resolve(&self, target: &str) -> Result<Option<Snapshot>> {
            self.directory.resolve(&target.parse().unwrap())
        }
    }

    /// All rows, of all subtasks.
    fn whole() -> Vec<FrozenState> {
        let low = Rows(vec![
            row(0, State, b"a", b"1"),
            row(0, EventTimer, b"a", b"at noon"),
            row(63, State, b"", b""),
        ]);
        let high = Rows(vec![row(64, State, b"b", b"2"), row(100, ProcessingTimer, b"c", &[7; 100_000])]);
        vec![
            fixture::frozen("count", groups(0, 63), low),
            fixture::frozen("count", groups(64, 127), high),
            fixture::frozen("sum", groups(0, 127), Rows(vec![])),
        ]
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
    fn of_several_layers_the_newest_counts_whatever_their_key_groups() {
        let scene = Scene::new();
        let snapshot = scene.layered();
        let big = [7; 100_000];
        let expected = [
            row(0, State, b"a", b"3"),
            row(0, EventTimer, b"b", b"at one"),
            row(63, State, b"", b""),
            row(64, State, b"b", b"2"),
            row(100, ProcessingTimer, b"c", &big),
            row(100, Entry, b"e", b"x"),
        ];
        assert_eq!(rows(&snapshot, "count", groups(0, 127)), expected);
        let one_by_one: Vec<_> = groups(0, 127)
            .iter()
            .flat_map(|group| rows(&snapshot, "count", KeyGroupRange::one(group)))
            .collect();
        assert_eq!(one_by_one, expected);
        assert_eq!(
            rows(&scene.open(SnapshotId(1)), "count", groups(64, 127)),
            rows(&scene.snapshot(), "count", groups(64, 127))
        );
    }

    #[test]
    fn several_threads_read_a_snapshot_at_once() {
        let scene = Scene::new();
        let snapshot = scene.layered();
        let expected = rows(&snapshot, "count", groups(0, 127));
        let read: Vec<Vec<OwnedRow>> =
            (0..128u16).into_par_iter().map(|group| rows(&snapshot, "count", groups(group, group))).collect();
        assert_eq!(read.concat(), expected);
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
    fn the_latest_is_the_newest_that_is_whole_and_those_that_were_skipped_are_told_with_the_reason() {
        let scene = Scene::new();
        let (_first, second, third, fourth) =
            (scene.snapshot(), scene.snapshot(), scene.snapshot(), scene.snapshot());
        fs::write(third.state_path().join("sum.0.3.state"), "not a state file").unwrap();
        fs::remove_file(fourth.state_path().join("count.1.4.state")).unwrap();
        let latest = scene.resolve("latest").unwrap().unwrap();
        assert_eq!(latest.id(), second.id());
        let told: Vec<String> = latest.skipped().iter().map(Skipped::to_string).collect();
        assert_eq!(told.len(), 2);
        assert!(told[0].starts_with("snapshot 4 was skipped: "), "{}", told[0]);
        assert!(told[0].ends_with("its file count.1.4.state is missing"), "{}", told[0]);
        assert!(told[1].contains("snapshot 3") && told[1].contains("sum.0.3.state is broken"), "{}", told[1]);
        assert_eq!(scene.resolve("2").unwrap().unwrap().skipped(), []);
    }

    #[test]
    fn who_asks_for_one_snapshot_gets_no_other() {
        let scene = Scene::new();
        let (_first, second) = (scene.snapshot(), scene.snapshot());
        fs::remove_file(second.state_path().join("count.1.2.state")).unwrap();
        for target in ["2", second.path().to_str().unwrap()] {
            let error = scene.resolve(target).unwrap_err();
            assert!(error.to_string().contains("count.1.2.state is missing"), "{error:#}");
        }
    }

    #[test]
    fn with_snapshots_of_which_none_is_whole_there_is_an_error_and_no_new_beginning() {
        let scene = Scene::new();
        fs::remove_file(scene.snapshot().path().join(MANIFEST_FILE)).unwrap();
        fs::remove_file(scene.snapshot().state_path().join("count.1.2.state")).unwrap();
        let error = scene.resolve("latest").unwrap_err();
        assert_eq!(error.kind(), Failure);
        for part in
            ["is whole", "snapshot 1", "manifest.json is missing", "snapshot 2", "count.1.2.state is missing"]
        {
            assert!(text(&error).contains(part), "{error:#}");
        }
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_of_every_file_of_every_layer_is_detected_and_the_file_named() {
        let scene = Scene::new();
        let snapshot = scene.layered();
        let manifest = snapshot.path().join(MANIFEST_FILE);
        let layers = fs::read_dir(snapshot.state_path()).unwrap().map(|entry| entry.unwrap().path());
        let paths: Vec<PathBuf> = layers.chain([manifest]).collect();
        assert_eq!(paths.len(), 3 + 1 + 2 + 1, "{paths:?}");
        for path in paths {
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
        let pool = second.state_path();
        fs::copy(pool.join("count.0.1.state"), pool.join("count.0.2.state")).unwrap();
        let error = Snapshot::open(second.path()).unwrap_err();
        assert!(error.to_string().contains("count.0.2.state is broken"), "{error}");
        fs::copy(first.path().join(MANIFEST_FILE), second.path().join(MANIFEST_FILE)).unwrap();
        let error = Snapshot::open(second.path()).unwrap_err();
        assert!(error.to_string().contains("it is that of snapshot 1"), "{error}");
    }

    #[test]
    fn a_snapshot_without_its_pool_is_refused_with_what_to_take_elsewhere() {
        let scene = Scene::new();
        let elsewhere = tempfile::tempdir().unwrap();
        let copy = elsewhere.path().join("copy");
        fs::create_dir(&copy).unwrap();
        fs::copy(scene.snapshot().path().join(MANIFEST_FILE), copy.join(MANIFEST_FILE)).unwrap();
        let error = Snapshot::open(&copy).unwrap_err();
        assert!(text(&error).contains("is missing") && text(&error).contains("savepoint"), "{error:#}");
    }

    fn program() -> Vec<(String, OperatorProgram)> {
        ["count", "sum"].map(|operator| (operator.to_string(), fixture::program("Account"))).into()
    }

    #[test]
    fn the_same_program_fits_and_so_does_one_with_a_new_operator() {
        let scene = Scene::new();
        let snapshot = scene.snapshot();
        let mut program = program();
        snapshot.check("web-visits", &program).unwrap();
        program.push(("new".to_string(), fixture::program("New")));
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
    fn state_that_can_not_be_taken_over_is_refused_with_every_difference_and_what_to_write() {
        let scene = Scene::new();
        let mut program = program();
        program[0].1.state.schema.fields = vec![Field::of::<u8>("flag")];
        program[1].1.timer = bool::schema();
        let error = scene.snapshot().check("web-visits", &program).unwrap_err();
        let told = error.to_string();
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "state \"Account\" of operator \"count\" in snapshot 1 has field \"flag: bool\", this program has \"flag: u8\": \
                 refused, it is another type",
                "state \"Account\" of operator \"sum\" in snapshot 1 has timer \"()\", this program has \"bool\": \
                 refused, it is another type",
            ]
        );
        assert!(text(&error).contains("version = 2, from = OldAccount"), "{error:#}");
    }

    #[test]
    fn what_is_carried_is_reported() {
        let scene = Scene::new();
        let mut program = program();
        program[0].1.state.schema.fields = Vec::new();
        program[0].1.state.initial = || Ok(Vec::new());
        let report = scene.snapshot().check("web-visits", &program).unwrap();
        let dropped = "state \"Account\" of operator \"count\" in snapshot 1 has field \"flag: bool\", this program has none: \
                       carried, without it";
        assert_eq!(report.sentences(), [dropped]);
    }
}
