//! The compactor: keeps the chains of a running job, and has them merged beside it.
//!
//! Enters what the subtasks wrote for a snapshot; leave the chains of its manifest. In between, one compaction at a time
//! runs in a thread of its own kind, so that the writing of snapshots never waits for one; what came of it is in the next
//! manifest. A compaction that fails changes nothing, and is tried again after the next snapshot.
//!
//! What always holds: every file of the chains is held in the pool, and lies there, when a manifest refers to it. Files of
//! a snapshot that was restored from somewhere else are first copied.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvError, TryRecvError, channel};

use crate::error::{Error, Result};
use crate::evolution::living::Living;
use crate::job::RunOptions;
use crate::job::attempt::Restored;
use crate::key::{MaxParallelism, Parallelism};
use crate::snapshot::chain::{Chains, Compacted};
use crate::snapshot::compaction::{Adopted, adopt};
use crate::snapshot::manifest::{Manifest, OperatorState, StateFile};
use crate::snapshot::part::OperatorSchema;
use crate::snapshot::pool::{Hold, StatePool};
use crate::task::{panic, thread};
use crate::testing::crash;

/// Keeps a job's chains.
pub(crate) struct Compactor {
    pool: StatePool,
    chains: Chains,
    /// What has not expired in them.
    living: Living,
    /// Keeps the files of the chains.
    _hold: Hold,
    parallelism: Parallelism,
    max_parallelism: MaxParallelism,
    /// Whether everything is done here and now: under virtual time.
    inline: bool,
    work: Work,
}

/// What is being done beside the job.
enum Work {
    /// Nothing, but something may be due.
    Idle,
    /// Nothing until the next snapshot: nothing is due, or the last compaction failed.
    Resting,
    /// The files that these operators had when the job started lie elsewhere; they are being copied into the pool, or that
    /// failed and is tried again with the next snapshot.
    Adopting { operators: Vec<OperatorState>, from: PathBuf, copies: Option<Receiver<Result<Adopted>>> },
    /// Files are merged.
    Merging(Receiver<Result<(Compacted, Vec<Hold>)>>),
}

impl Compactor {
    /// The chains of a job that starts from this snapshot, or from the beginning.
    pub fn new(
        pool: &StatePool,
        restored: Option<&Restored>,
        options: &RunOptions,
        inline: bool,
    ) -> Compactor {
        let mut compactor = Compactor {
            pool: pool.clone(),
            chains: restored.map_or_else(Chains::default, |restored| restored.chains.clone()),
            living: Living::default(),
            _hold: pool.hold([]),
            parallelism: options.parallelism,
            max_parallelism: options.max_parallelism,
            inline,
            work: Work::Idle,
        };
        match restored {
            Some(restored) if !is_same(&restored.state_path, pool) => {
                let (operators, from) = (compactor.chains.operators(), restored.state_path.clone());
                let copies = Some(compactor.adopt(&operators, &from));
                compactor.work = Work::Adopting { operators, from, copies };
            }
            _ => compactor.hold(),
        }
        compactor
    }

    /// The chains of the manifest that is written now: with what subtasks wrote for it. Waits until files from elsewhere are
    /// in the pool.
    ///
    /// # Errors
    /// If they could not be copied.
    pub fn with(
        &mut self,
        parts: impl IntoIterator<Item = (String, OperatorSchema, Option<StateFile>)>,
    ) -> Result<Chains> {
        self.take_over()?;
        let mut chains = self.chains.clone();
        for (operator, schema, file) in parts {
            chains.append(&operator, &schema, file);
        }
        Ok(chains)
    }

    /// The snapshot with these chains and this manifest is complete: the next is laid over it. Of one that is not, nothing is needed, because
    /// subtasks write again what they wrote for it.
    pub fn completed(&mut self, chains: Chains, manifest: &Manifest) {
        self.chains = chains;
        self.living = Living::at(manifest);
        self.hold();
        if matches!(self.work, Work::Resting) {
            self.work = Work::Idle;
        }
    }

    fn take_over(&mut self) -> Result<()> {
        let Work::Adopting { operators, from, copies } = &mut self.work else { return Ok(()) };
        let copies = match copies.take() {
            Some(copies) => copies,
            None => {
                let (operators, from) = (operators.clone(), from.clone());
                self.adopt(&operators, &from)
            }
        };
        let adopted = copies.recv().unwrap_or_else(|RecvError| Err(defect()))?;
        self.chains.adopt(&adopted);
        self.hold();
        self.work = Work::Idle;
        Ok(())
    }

    /// Takes in what is done, and begins what is due.
    pub fn turn(&mut self) {
        loop {
            match &self.work {
                Work::Resting | Work::Adopting { .. } => return,
                Work::Merging(result) => {
                    let result = match result.try_recv() {
                        Ok(result) => result,
                        Err(TryRecvError::Empty) => return,
                        Err(TryRecvError::Disconnected) => Err(defect()),
                    };
                    self.work = self.take_in(result);
                }
                Work::Idle => {
                    let Some(compaction) = self.chains.due(self.parallelism, self.max_parallelism) else {
                        self.work = Work::Resting;
                        return;
                    };
                    tracing::debug!(
                        operator = compaction.operator,
                        files = compaction.inputs.len(),
                        "compaction begins"
                    );
                    let (pool, living) = (self.pool.clone(), self.living.clone());
                    let inputs = pool.hold(compaction.inputs.iter().map(|file| file.name.as_str()));
                    self.work = Work::Merging(self.start(move || {
                        let _inputs = inputs;
                        compaction.run(&pool, &|row| living.has(&compaction.operator, row))
                    }));
                }
            }
        }
    }

    fn take_in(&mut self, result: Result<(Compacted, Vec<Hold>)>) -> Work {
        match result {
            Ok((compacted, _made)) => {
                tracing::debug!(
                    operator = compacted.operator,
                    files = compacted.outputs.len(),
                    "compaction is done"
                );
                self.chains.compacted(compacted);
                self.hold();
                crash::point(crash::AFTER_COMPACTION);
                Work::Idle
            }
            Err(error) => {
                tracing::warn!(
                    "files of older snapshots could not be merged; the job goes on with all of them: {error:#}"
                );
                Work::Resting
            }
        }
    }

    /// Holds the files of the chains as they are now, and no others.
    fn hold(&mut self) {
        self._hold = self.pool.hold(self.chains.files());
    }

    fn adopt(&self, operators: &[OperatorState], from: &Path) -> Receiver<Result<Adopted>> {
        let (operators, from, pool) = (operators.to_vec(), from.to_path_buf(), self.pool.clone());
        self.start(move || adopt(&operators, &from, &pool))
    }

    fn start<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Receiver<Result<T>> {
        let (sender, receiver) = channel();
        let work = move || {
            // Nobody waits for it any more if the attempt is over.
            let result =
                panic::catch(work).unwrap_or_else(|caught| Err(caught.into_error("a merge of state files")));
            let _ = sender.send(result);
        };
        if self.inline {
            work();
        } else {
            thread::spawn_patient(work);
        }
        receiver
    }
}

/// Whether the files lie in the pool, whatever way the path takes there.
fn is_same(path: &Path, pool: &StatePool) -> bool {
    match (path.canonicalize(), pool.path().canonicalize()) {
        (Ok(path), Ok(pool)) => path == pool,
        _ => false,
    }
}

fn defect() -> Error {
    Error::failure("a compaction ended without a word; this is a defect of Tidegate")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::record::SnapshotId;
    use crate::snapshot::fixture::{self, Rows, groups, row, schema};
    use crate::snapshot::part::{RestoredState, Section};
    use crate::snapshot::{Snapshot, SnapshotDirectory, write_state};
    use crate::state::TtlTime;
    use crate::time::EventTime;

    struct Scene {
        directory: SnapshotDirectory,
        compactor: Compactor,
    }

    impl Scene {
        fn begin(path: &Path, restored: Option<Snapshot>, inline: bool) -> Scene {
            let directory = SnapshotDirectory::open(path).unwrap();
            let restored = restored.map(Restored::from);
            let compactor =
                Compactor::new(directory.pool(), restored.as_ref(), &RunOptions::default(), inline);
            Scene { directory, compactor }
        }

        /// Takes a snapshot in which each key group that is given has a row with this value.
        fn snapshot(&mut self, changed: std::ops::Range<u16>, value: &[u8]) -> Snapshot {
            let rows = changed.map(|group| row(group, Section::State, b"key", value)).collect();
            self.snapshot_of(Rows(rows), schema("Count"))
        }

        fn snapshot_of(&mut self, rows: Rows, schema: OperatorSchema) -> Snapshot {
            let id = self.directory.next_id();
            let pending = self.directory.begin(id).unwrap();
            let part = fixture::changed("count", groups(0, 127), rows);
            let file = write_state(pending.state_path(), id, crate::key::SubtaskIndex(0), &part).unwrap();
            let chains = self.compactor.with([("count".to_string(), schema, file)]).unwrap();
            let mut manifest = fixture::manifest(id);
            manifest.operators = chains.operators();
            pending.complete(&manifest).unwrap();
            self.compactor.completed(chains, &manifest);
            self.directory.retain(2).unwrap();
            Snapshot::open(&self.directory.snapshot_path(id)).unwrap()
        }

        /// Waits until nothing is done any more.
        fn rest(&mut self) {
            while let Work::Merging(_) = &self.compactor.work {
                self.compactor.turn();
                std::thread::yield_now();
            }
        }
    }

    fn values(snapshot: &Snapshot) -> Vec<Vec<u8>> {
        let mut values = Vec::new();
        let mut each = |row: crate::snapshot::part::StateRow<'_>| {
            values.push(row.value().unwrap().to_vec());
            Ok(())
        };
        snapshot.rows("count", groups(0, 127), &mut each).unwrap();
        values
    }

    fn files(snapshot: &Snapshot) -> usize {
        snapshot.manifest().operators[0].files.len()
    }

    #[test]
    fn what_has_expired_leaves_the_files_when_they_are_merged() {
        let temporary = tempfile::tempdir().unwrap();
        let mut scene = Scene::begin(temporary.path(), None, true);
        // The snapshots of the fixture were taken in 2015.
        let entry = |group, refreshed| {
            let value = postcard::to_stdvec(&EventTime::from_millis(refreshed)).unwrap();
            row(group, Section::Entry, b"\0key", &value)
        };
        let mut last = None;
        for group in 0..10 {
            let rows = Rows(vec![entry(group, if group == 3 { i64::MAX / 2 } else { 0 })]);
            last = Some(scene.snapshot_of(rows, fixture::expiring("Count", TtlTime::Processing)));
            scene.compactor.turn();
        }
        assert_eq!(values(&last.unwrap()).len(), 10);
        let merged =
            scene.snapshot_of(Rows(vec![entry(10, 0)]), fixture::expiring("Count", TtlTime::Processing));
        assert_eq!(values(&merged).len(), 2, "one that is not over, and one that is not merged yet");
    }

    #[test]
    fn a_job_that_goes_on_for_long_has_few_files_and_the_newest_values() {
        for inline in [true, false] {
            let temporary = tempfile::tempdir().unwrap();
            let mut scene = Scene::begin(temporary.path(), None, inline);
            scene.snapshot(0..128, b"first");
            let mut most = 0;
            for turn in 0..40u16 {
                let snapshot = scene.snapshot(turn..turn + 2, &turn.to_be_bytes());
                scene.compactor.turn();
                scene.rest();
                most = most.max(files(&snapshot));
            }
            assert!((9..=10).contains(&most), "{most} files");
            let last = scene.snapshot(127..128, b"last");
            let mut expected: Vec<Vec<u8>> = (0..40u16).map(|turn| turn.to_be_bytes().to_vec()).collect();
            expected.push(39u16.to_be_bytes().to_vec());
            expected.resize(127, b"first".to_vec());
            expected.push(b"last".to_vec());
            assert_eq!(values(&last), expected);
            let in_pool = fs::read_dir(scene.directory.pool().path()).unwrap().count();
            assert!(in_pool <= 20, "{in_pool} files for two snapshots");
        }
    }

    #[test]
    fn a_failed_compaction_is_tried_again_after_the_next_snapshot_and_the_job_goes_on() {
        let temporary = tempfile::tempdir().unwrap();
        let mut scene = Scene::begin(temporary.path(), None, true);
        let mut last = scene.snapshot(0..128, b"first");
        for turn in 0..9 {
            last = scene.snapshot(turn..turn + 1, b"new");
        }
        let base = last.state_path().join("count.0.1.state");
        let whole = fs::read(&base).unwrap();
        let mut broken = whole.clone();
        broken[40] ^= 1;
        fs::write(&base, broken).unwrap();
        scene.compactor.turn();
        scene.compactor.turn();
        assert!(matches!(scene.compactor.work, Work::Resting));
        fs::write(&base, whole).unwrap();
        assert_eq!(files(&scene.snapshot(20..21, b"new")), 11);
        scene.compactor.turn();
        scene.compactor.turn();
        let after = scene.snapshot(21..22, b"new");
        assert_eq!(files(&after), 2);
        assert_eq!(values(&after).iter().filter(|value| **value == b"new").count(), 11);
    }

    #[test]
    fn what_was_written_for_a_snapshot_that_is_not_complete_is_in_no_other_and_goes() {
        let temporary = tempfile::tempdir().unwrap();
        let mut scene = Scene::begin(temporary.path(), None, true);
        scene.snapshot(0..128, b"first");
        let pending = scene.directory.begin(SnapshotId(2)).unwrap();
        let rows = Rows(vec![row(0, Section::State, b"key", b"lost")]);
        let part = fixture::changed("count", groups(0, 127), rows);
        let file = write_state(pending.state_path(), SnapshotId(2), crate::key::SubtaskIndex(0), &part);
        let chains = scene.compactor.with([("count".to_string(), schema("Count"), file.unwrap())]).unwrap();
        assert_eq!(chains.files().collect::<Vec<_>>(), ["count.0.1.state", "count.0.2.state"]);
        pending.abandon().unwrap();
        scene.directory.sweep().unwrap();
        assert!(!scene.directory.pool().path().join("count.0.2.state").exists());
        let next = scene.snapshot(1..2, b"new");
        assert_eq!((next.id(), files(&next)), (SnapshotId(3), 2));
        assert_eq!(values(&next)[..2], [b"first".to_vec(), b"new".to_vec()]);
    }

    #[test]
    fn a_snapshot_from_elsewhere_is_copied_before_the_first_of_the_job_is_complete() {
        let temporary = tempfile::tempdir().unwrap();
        let elsewhere =
            Scene::begin(&temporary.path().join("elsewhere"), None, true).snapshot(0..128, b"first");
        for inline in [true, false] {
            let foreign = Snapshot::open(elsewhere.path()).unwrap();
            let path = temporary.path().join(format!("here-{inline}"));
            let mut scene = Scene::begin(&path, Some(foreign), inline);
            scene.directory.begin(SnapshotId(1)).unwrap().abandon().unwrap();
            scene.compactor.turn();
            let own = scene.snapshot(0..1, b"new");
            assert_eq!((files(&own), own.id()), (2, SnapshotId(2)));
            assert_eq!(values(&own)[..2], [b"new".to_vec(), b"first".to_vec()]);
        }
    }

    #[test]
    fn one_that_can_not_be_copied_fails_the_first_snapshot_and_not_the_start_and_is_tried_again() {
        let temporary = tempfile::tempdir().unwrap();
        let elsewhere =
            Scene::begin(&temporary.path().join("elsewhere"), None, true).snapshot(0..128, b"first");
        let (pool, hidden) = (elsewhere.state_path().to_path_buf(), temporary.path().join("hidden"));
        fs::rename(&pool, &hidden).unwrap();
        let mut scene = Scene::begin(&temporary.path().join("here"), Some(elsewhere), false);
        for _ in 0..2 {
            let error = scene.compactor.with([]).unwrap_err();
            assert!(error.to_string().contains("count.0.1.state"), "{error}");
        }
        fs::rename(&hidden, &pool).unwrap();
        scene.directory.begin(SnapshotId(1)).unwrap().abandon().unwrap();
        assert_eq!(values(&scene.snapshot(0..1, b"new")).len(), 128);
    }

    #[test]
    fn a_snapshot_of_the_own_directory_is_not_copied_whatever_way_its_path_takes() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("snapshots");
        let first = Scene::begin(&path, None, true).snapshot(0..128, b"first");
        let detour = temporary.path().join("snapshots/../snapshots/snapshot-0000000001");
        let restored = Snapshot::open(&detour).unwrap();
        let mut scene = Scene::begin(&path, Some(restored), true);
        let own = scene.snapshot(0..1, b"new");
        assert_eq!(own.manifest().operators[0].files[0], first.manifest().operators[0].files[0]);
    }

    /// Dies when a compaction has been taken into account and no snapshot refers to what came of it.
    #[test]
    fn a_crash_after_a_compaction_leaves_nothing_but_the_snapshots() {
        let temporary = tempfile::tempdir().unwrap();
        fixture::die(COMPACTS, temporary.path(), crash::AFTER_COMPACTION);
        let directory = SnapshotDirectory::open(temporary.path()).unwrap();
        let last = directory.list().unwrap().pop().unwrap();
        let snapshot = Snapshot::open(&directory.snapshot_path(last)).unwrap();
        assert_eq!((last, files(&snapshot)), (SnapshotId(10), 10));
        let in_pool = fs::read_dir(directory.pool().path()).unwrap().count();
        assert_eq!(in_pool, 10);
        assert_eq!(values(&snapshot).iter().filter(|value| **value == b"new").count(), 9);
    }

    const COMPACTS: &str = "job::compactor::tests::compacts_in_a_process_of_its_own";

    #[test]
    #[ignore = "dies; run by the test above"]
    fn compacts_in_a_process_of_its_own() {
        let Some(path) = fixture::directory_to_die_in() else { return };
        let mut scene = Scene::begin(&path, None, true);
        scene.snapshot(0..128, b"first");
        for turn in 0..20 {
            scene.snapshot(turn..turn + 1, b"new");
            scene.compactor.turn();
        }
    }
}
