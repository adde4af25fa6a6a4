//! Carrying out what the chains ask for: files of the pool are merged into new ones, and files from elsewhere are copied in.
//!
//! What enters is never changed, and what leaves is durable and [held](Hold) before anybody refers to it. So a failure or a
//! crash on the way changes nothing: it leaves files to which nobody refers, which are swept some day.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;

use rayon::prelude::*;

use super::chain::{Chains, Compacted, Compaction};
use super::fault::cannot;
use super::file::StateFileHeader;
use super::layers::{Keep, Layers};
use super::manifest::{OperatorState, StateFile};
use super::pool::{Hold, StatePool};
use crate::error::Result;
use crate::testing::crash;

impl Compaction {
    /// Merges the files, several ranges of key groups at a time; of what is there, only rows that `keep` wants. Holds
    /// what was made.
    ///
    /// # Errors
    /// If a file can't be read, has changed since it was written, or can't be written.
    pub fn run(&self, pool: &StatePool, keep: &Keep<'_>) -> Result<(Compacted, Vec<Hold>)> {
        let layers = Layers::open(pool.path(), &self.inputs)?.uncached();
        let outputs = self.outputs.par_iter().map(|&groups| {
            let (name, hold) = pool.name(&self.operator, groups, self.written_by);
            let header = StateFileHeader { layer: self.layer, groups, written_by: self.written_by };
            let file = layers.merge_into(pool.path(), name, header, keep)?;
            crash::point(crash::DURING_COMPACTION);
            pool.publish(&file)?;
            Ok(file.map(|file| (file, hold)))
        });
        let outputs: Vec<_> = outputs.collect::<Result<_>>()?;
        pool.sync()?;
        let (outputs, holds) = outputs.into_iter().flatten().unzip();
        let compacted = Compacted { operator: self.operator.clone(), inputs: self.inputs.clone(), outputs };
        Ok((compacted, holds))
    }
}

/// Files that were copied into the pool: the new name of each.
pub struct Adopted {
    names: BTreeMap<String, String>,
    /// Keeps the copies.
    pub holds: Vec<Hold>,
}

/// Copies files that lie outside of the pool, in the directory `from`, into it. Their owner may do with them what they like
/// from then on.
///
/// # Errors
/// If a file can't be read or written.
pub fn adopt(operators: &[OperatorState], from: &Path, pool: &StatePool) -> Result<Adopted> {
    let mut adopted = Adopted { names: BTreeMap::new(), holds: Vec::new() };
    let mut copies = Vec::new();
    for operator in operators {
        for file in &operator.files {
            let (name, hold) = pool.name(&operator.name, file.groups, file.written_by);
            let (source, copy) = (from.join(&file.name), pool.path().join(&name));
            fs::copy(&source, &copy).map_err(|error| cannot("copy", &source, error))?;
            File::open(&copy)
                .and_then(|copy| copy.sync_all())
                .map_err(|error| cannot("write", &copy, error))?;
            copies.push(StateFile { name: name.clone(), ..file.clone() });
            adopted.names.insert(file.name.clone(), name);
            adopted.holds.push(hold);
        }
    }
    pool.sync()?;
    pool.publish(&copies)?;
    Ok(adopted)
}

impl Chains {
    /// Refers to the copies from now on.
    pub fn adopt(&mut self, adopted: &Adopted) {
        self.rename(&adopted.names);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::key::{KeyGroupRange, MaxParallelism, Parallelism};
    use crate::record::SnapshotId;
    use crate::snapshot::SnapshotDirectory;
    use crate::snapshot::fixture::OwnedChange::{self, Put, Remove, RemovePrefix};
    use crate::snapshot::fixture::{self, OwnedRow, Rows, groups, removal, row};
    use crate::snapshot::part::Section::{Entry, State};
    use crate::snapshot::part::{FrozenState, LayerKind, RestoredState, Section, StateRow};
    use crate::snapshot::restore::Snapshot;

    const ALL: KeyGroupRange =
        KeyGroupRange { first: crate::key::KeyGroup(0), last: crate::key::KeyGroup(127) };

    fn all(_: &StateRow<'_>) -> bool {
        true
    }

    fn parallelism(workers: u32) -> Parallelism {
        Parallelism::new(workers, MaxParallelism::DEFAULT).unwrap()
    }

    fn shown(snapshot: &Snapshot) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        let mut each = |row: StateRow<'_>| {
            rows.push(OwnedRow::from(row));
            Ok(())
        };
        snapshot.rows("count", ALL, &mut each).unwrap();
        rows
    }

    /// A job's snapshots, taken one after another.
    struct Scene {
        directory: SnapshotDirectory,
        chains: Chains,
        _hold: Option<Hold>,
        _temporary: Option<tempfile::TempDir>,
    }

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            Scene::at(&temporary.path().join("snapshots"), Some(temporary))
        }

        fn at(path: &Path, temporary: Option<tempfile::TempDir>) -> Scene {
            let directory = SnapshotDirectory::open(path).unwrap();
            Scene { directory, chains: Chains::default(), _hold: None, _temporary: temporary }
        }

        fn snapshot(&mut self, parts: Vec<FrozenState>) -> Snapshot {
            let id = fixture::write_next(&self.directory, &mut self.chains, parts);
            self.hold();
            Snapshot::open(&self.directory.snapshot_path(id)).unwrap()
        }

        /// As a job does, holds the files of its chains.
        fn hold(&mut self) {
            self._hold = Some(self.directory.pool().hold(self.chains.files()));
        }

        /// A base and nine deltas over it.
        fn with_due_compaction() -> (Scene, Compaction) {
            Scene::new().make_compaction_due()
        }

        fn make_compaction_due(mut self) -> (Scene, Compaction) {
            let scene = &mut self;
            let rows = (0..128).map(|group| row(group, State, b"key", &[1; 50])).collect();
            scene.snapshot(vec![fixture::frozen("count", ALL, Rows(rows))]);
            for group in 0..9 {
                let rows = vec![row(group, State, b"key", b"new"), removal(group + 1, State, b"key", Remove)];
                scene.snapshot(vec![fixture::changed("count", ALL, Rows(rows))]);
            }
            let due = scene.chains.due(parallelism(2), MaxParallelism::DEFAULT).unwrap();
            (self, due)
        }

        fn names(&self) -> BTreeSet<String> {
            let entries = fs::read_dir(self.directory.pool().path()).unwrap();
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    #[test]
    fn a_compaction_shows_the_same_rows_in_fewer_files_and_old_snapshots_keep_theirs() {
        let (mut scene, due) = Scene::with_due_compaction();
        let before = Snapshot::open(&scene.directory.snapshot_path(SnapshotId(10))).unwrap();
        let expected = shown(&before);
        let (compacted, holds) = due.run(scene.directory.pool(), &all).unwrap();
        assert_eq!(
            compacted.outputs.iter().map(|file| file.groups).collect::<Vec<_>>(),
            [groups(0, 63), groups(64, 127)]
        );
        assert_eq!(compacted.outputs[0].layer, LayerKind::Base);
        assert!(scene.chains.compacted(compacted));
        let after = scene.snapshot(vec![]);
        assert_eq!(after.manifest().operators[0].files.len(), 2);
        assert_eq!(shown(&after), expected);
        drop(holds);
        scene.directory.retain(2).unwrap();
        assert_eq!(shown(&Snapshot::open(before.path()).unwrap()), expected);
        scene.directory.retain(1).unwrap();
        assert_eq!(scene.names().len(), 2);
        assert_eq!(shown(&Snapshot::open(after.path()).unwrap()), expected);
    }

    #[test]
    fn what_is_not_to_be_kept_is_not_in_the_new_files() {
        let (mut scene, due) = Scene::with_due_compaction();
        let (compacted, _holds) =
            due.run(scene.directory.pool(), &|row| row.value() != Some(&[1; 50])).unwrap();
        assert!(scene.chains.compacted(compacted));
        let new: Vec<OwnedRow> = (0..9).map(|group| row(group, State, b"key", b"new")).collect();
        assert_eq!(shown(&scene.snapshot(vec![])), new);
    }

    #[test]
    fn a_compaction_that_fails_leaves_everything_as_it_was() {
        let (scene, due) = Scene::with_due_compaction();
        let before = scene.names();
        let broken = scene.directory.pool().path().join(&due.inputs[3].name);
        let bytes = fs::read(&broken).unwrap();
        let mut flipped = bytes.clone();
        flipped[40] ^= 1;
        fs::write(&broken, flipped).unwrap();
        let error = due.run(scene.directory.pool(), &all).unwrap_err();
        assert!(error.to_string().contains(&due.inputs[3].name), "{error}");
        fs::write(&broken, bytes).unwrap();
        scene.directory.retain(99).unwrap();
        assert_eq!(scene.names(), before);
    }

    #[test]
    fn what_is_being_merged_and_what_came_of_it_stays_as_long_as_it_is_held() {
        let (scene, due) = Scene::with_due_compaction();
        let before = scene.names();
        let (compacted, holds) = due.run(scene.directory.pool(), &all).unwrap();
        scene.directory.retain(99).unwrap();
        assert_eq!(scene.names().len(), before.len() + compacted.outputs.len());
        drop(holds);
        scene.directory.retain(99).unwrap();
        assert_eq!(scene.names(), before);
    }

    #[test]
    fn files_from_elsewhere_are_copied_before_a_snapshot_refers_to_them() {
        let (elsewhere, _) = Scene::with_due_compaction();
        let foreign = Snapshot::open(&elsewhere.directory.snapshot_path(SnapshotId(10))).unwrap();
        let expected = shown(&foreign);
        let mut scene = Scene::new();
        scene.chains = Chains::restored(foreign.manifest());
        let pool = scene.directory.pool().clone();
        let adopted = adopt(&scene.chains.operators(), foreign.state_path(), &pool).unwrap();
        scene.chains.adopt(&adopted);
        scene.directory.retain(1).unwrap();
        drop(elsewhere);
        let snapshot = scene.snapshot(vec![]);
        assert_eq!(shown(&snapshot), expected);
    }

    #[test]
    fn files_that_can_not_be_copied_are_named() {
        let (mut scene, _) = Scene::with_due_compaction();
        let nowhere = scene.directory.path().join("nowhere");
        let error = adopt(&scene.chains.operators(), &nowhere, scene.directory.pool()).err().unwrap();
        assert!(error.to_string().contains("nowhere/count.0.1.state"), "{error}");
        scene.snapshot(vec![]);
    }

    /// Dies when a part of a compaction is written, and looks at what is left.
    #[test]
    fn a_crash_during_a_compaction_leaves_nothing_but_the_snapshots() {
        for point in ["during-compaction:1", "during-compaction:2"] {
            let temporary = tempfile::tempdir().unwrap();
            fixture::die(COMPACTS, temporary.path(), point);
            let written = fs::read_dir(temporary.path().join("state")).unwrap().count();
            assert!(written > 10, "it was to die with a merged file written, not with {written} files");
            let scene = Scene::at(temporary.path(), None);
            assert_eq!(scene.names().len(), 10);
            let snapshot = Snapshot::open(&scene.directory.snapshot_path(SnapshotId(10))).unwrap();
            let chains = Chains::restored(snapshot.manifest());
            let due = chains.due(parallelism(2), MaxParallelism::DEFAULT).unwrap();
            due.run(scene.directory.pool(), &all).unwrap();
        }
    }

    const COMPACTS: &str = "snapshot::compaction::tests::compacts_in_a_process_of_its_own";

    #[test]
    #[ignore = "dies; run by the test above"]
    fn compacts_in_a_process_of_its_own() {
        let Some(path) = fixture::directory_to_die_in() else { return };
        let (scene, due) = Scene::at(&path, None).make_compaction_due();
        due.run(scene.directory.pool(), &all).unwrap();
    }

    /// What happens to a job: a snapshot at some parallelism with these changes, in between the end of a compaction.
    #[derive(Clone, Debug)]
    struct Turn {
        workers: u32,
        /// A subtask that gives all its rows, as after it came from nowhere.
        complete: Option<u32>,
        changes: Vec<(u16, Section, Vec<u8>, OwnedChange)>,
        /// Whether a compaction that is due begins now, and whether one that has begun ends.
        begins: bool,
        ends: bool,
    }

    fn any_turn() -> impl Strategy<Value = Turn> {
        let section = prop::sample::select(vec![State, Entry]);
        let key = prop::collection::vec(0u8..3, 0..4);
        let change = prop_oneof![
            8 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Put),
            2 => Just(Remove),
            1 => Just(RemovePrefix),
        ];
        let changes = prop::collection::vec((0u16..128, section, key, change), 0..20);
        (1u32..4, prop::option::weighted(0.04, 0u32..4), changes, any::<bool>(), prop::bool::weighted(0.4))
            .prop_map(|(workers, complete, changes, begins, ends)| Turn {
                workers,
                complete,
                changes,
                begins,
                ends,
            })
    }

    type Model = BTreeMap<(u16, u8, Vec<u8>), OwnedRow>;

    /// Applies the changes to the model; the rows that a subtask gives for its snapshot.
    fn change(model: &mut Model, turn: &Turn) -> Vec<OwnedRow> {
        let mut delta: BTreeMap<(u16, u8, Vec<u8>, bool), OwnedRow> = BTreeMap::new();
        for (group, section, key, change) in &turn.changes {
            let row = removal(*group, *section, key, change.clone());
            let place = (*group, *section as u8, key.clone());
            match change {
                Put(_) => drop(model.insert(place, row.clone())),
                Remove => drop(model.remove(&place)),
                RemovePrefix => {
                    let under = |(group, section, other): (u16, u8, &[u8])| {
                        (group, section) == (place.0, place.1) && other.starts_with(key)
                    };
                    model.retain(|(group, section, other), _| !under((*group, *section, other)));
                    delta.retain(|(group, section, other, _), _| !under((*group, *section, other)));
                }
            }
            delta.insert((*group, *section as u8, key.clone(), *change != RemovePrefix), row);
        }
        delta.into_values().collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_compacted_and_retained_every_snapshot_shows_what_it_showed(
            large in any::<bool>(), turns in prop::collection::vec(any_turn(), 12..50),
        ) {
            let mut scene = Scene::new();
            let pool = scene.directory.pool().clone();
            let mut model = Model::new();
            for (key, group) in (0u32..).zip((0..128u16).cycle()).take(if large { 2_000 } else { 0 }) {
                let key = key.wrapping_mul(2_654_435_761).to_be_bytes();
                model.insert((group, 0, key.to_vec()), row(group, State, &key, &key));
            }
            let mut first = true;
            let mut running = None;
            let mut shown_by: Vec<(SnapshotId, Vec<OwnedRow>)> = Vec::new();
            for turn in &turns {
                if turn.begins && running.is_none() {
                    running = scene.chains.due(parallelism(turn.workers), MaxParallelism::DEFAULT).map(|due| due.run(&pool, &all).unwrap());
                }
                let delta = change(&mut model, turn);
                let mut parts = Vec::new();
                for subtask in parallelism(turn.workers).subtasks() {
                    let groups = subtask.groups(parallelism(turn.workers), MaxParallelism::DEFAULT);
                    let complete = first || turn.complete == Some(subtask.0);
                    let rows = if complete { model.values().cloned().collect() } else { delta.clone() };
                    let rows = Rows(rows.into_iter().filter(|row| groups.contains(row.group)).collect());
                    parts.push(FrozenState { complete, ..fixture::frozen("count", groups, rows) });
                }
                first = false;
                let snapshot = scene.snapshot(parts);
                let rows: Vec<OwnedRow> = model.values().cloned().collect();
                prop_assert_eq!(shown(&snapshot), rows.clone());
                shown_by.push((snapshot.id(), rows));
                if turn.ends && let Some((compacted, _made)) = running.take() {
                    scene.chains.compacted(compacted);
                    scene.hold();
                }
                scene.directory.retain(3).unwrap();
                for (id, rows) in shown_by.iter().rev().take(3) {
                    prop_assert_eq!(&shown(&Snapshot::open(&scene.directory.snapshot_path(*id)).unwrap()), rows);
                }
            }
        }
    }
}
