//! Chains: the files that make up the state of every operator from one snapshot to the next. Pure.
//!
//! A chain begins with the files of the snapshot that was restored, or with nothing. Every snapshot adds its deltas; a
//! compaction puts one file in the place of many. Each manifest is written from the chains. What always holds: the files
//! of a chain, oldest first, are the operator's whole state; of two files that overlap in key groups, the one of the later
//! snapshot is the newer layer.
//!
//! # When files are compacted
//!
//! Files whose key groups overlap are looked at together: those of one subtask, as long as nobody rescales. They are the
//! *bottom*, up to the newest base, and the deltas above it, one for each snapshot.
//!
//! - Everything becomes a new base when there are at least 4 deltas and they have more than half of the bytes of the bottom,
//!   because then a restore reads much that does not count any more. For a byte that changed three are so rewritten, at most,
//!   and one and a quarter where every delta has as much as the base. With fewer deltas a state that grows, of which nothing
//!   that was written is obsolete, or one that changes as a whole, would be rewritten at every snapshot. (Deltas of less than
//!   1 MiB wait until they are too many: less is not worth the fsync.) Or when the bottom itself has more than 8 layers, as a
//!   restore that had to rewrite state can leave it.
//! - Otherwise, when there are more than 8 deltas, the newest of them become one: the two newest, and on to older ones as long
//!   as the next has no more than twice the bytes of all that are newer. So deltas of one size are rewritten about as often
//!   as the logarithm of how many they are, and not every time. The base is not touched: what a job with a large state
//!   writes stays near to what changes.

use std::collections::BTreeMap;

use super::manifest::{Manifest, OperatorState, StateFile};
use super::stack::{overlap, pieces, stacks};
use crate::key::{KeyGroupRange, MaxParallelism, Parallelism};
use crate::record::SnapshotId;
use crate::snapshot::part::{LayerKind, OperatorSchema};

/// Fewer deltas than this over a bottom are not merged, however large they are.
const DELTAS_MIN: usize = 4;
/// More deltas than this over a bottom are merged.
const DELTAS_MAX: usize = 8;
/// Deltas of fewer bytes are merged only when they are too many.
const SMALL_BYTES: u64 = 1 << 20;

/// The files of every operator of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chains {
    operators: BTreeMap<String, Chain>,
}

/// The files of one operator, oldest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    schema: OperatorSchema,
    files: Vec<StateFile>,
}

/// Which files of an operator are to be merged into which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compaction {
    /// The operator.
    pub operator: String,
    /// The files, oldest first.
    pub inputs: Vec<StateFile>,
    /// What comes of it: a base, if all that there is of these key groups goes in; otherwise a delta.
    pub layer: LayerKind,
    /// The key groups of the files to write, which can be written side by side.
    pub outputs: Vec<KeyGroupRange>,
    /// The snapshot up to which the inputs go.
    pub written_by: SnapshotId,
}

/// What came of a compaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The operator.
    pub operator: String,
    /// The files that were merged.
    pub inputs: Vec<StateFile>,
    /// The files that take their place.
    pub outputs: Vec<StateFile>,
}

impl Chains {
    /// The chains of a job that starts from this snapshot.
    pub fn restored(manifest: &Manifest) -> Chains {
        let chain = |operator: &OperatorState| {
            let OperatorState { name, schema, files } = operator.clone();
            (name, Chain { schema, files })
        };
        Chains { operators: manifest.operators.iter().map(chain).collect() }
    }

    /// The same without an operator, if it is there.
    pub fn forget(&mut self, operator: &str) {
        self.operators.remove(operator);
    }

    /// Adds what subtasks wrote of an operator for one snapshot: nothing, where nothing changed. What was written for one
    /// that failed is left out: subtasks write it again, for the next.
    pub fn append(
        &mut self,
        operator: &str,
        schema: &OperatorSchema,
        files: impl IntoIterator<Item = StateFile>,
    ) {
        let chain = match self.operators.get_mut(operator) {
            Some(chain) => chain,
            None => {
                let empty = Chain { schema: schema.clone(), files: Vec::new() };
                self.operators.entry(operator.to_string()).or_insert(empty)
            }
        };
        chain.schema.clone_from(schema);
        chain.files.extend(files);
        chain.tidy();
    }

    /// The operators, as a manifest lists them.
    pub fn operators(&self) -> Vec<OperatorState> {
        let state = |(name, chain): (&String, &Chain)| OperatorState {
            name: name.clone(),
            schema: chain.schema.clone(),
            files: chain.files.clone(),
        };
        self.operators.iter().map(state).collect()
    }

    /// The names of all files.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.operators.values().flat_map(|chain| &chain.files).map(|file| file.name.as_str())
    }

    /// The compaction that is most needed, if one is; its files are cut where the key groups of the subtasks are.
    pub fn due(&self, parallelism: Parallelism, max_parallelism: MaxParallelism) -> Option<Compaction> {
        let subtasks: Vec<KeyGroupRange> =
            parallelism.subtasks().map(|subtask| subtask.groups(parallelism, max_parallelism)).collect();
        let due = self.operators.iter().flat_map(|(operator, chain)| {
            let due = components(&chain.files).into_iter().filter_map(|files| Due::of(&files));
            due.map(move |due| (due, operator))
        });
        let (due, operator) = due.max_by_key(|(due, _)| due.layers)?;
        Some(due.compaction(operator, &subtasks))
    }

    /// Puts the files that came of a compaction in the place of those that went in. If these are not all there any more,
    /// because newer ones made them obsolete, nothing changes. Whether it did.
    pub fn compacted(&mut self, compacted: Compacted) -> bool {
        let Some(chain) = self.operators.get_mut(&compacted.operator) else { return false };
        if !compacted.inputs.iter().all(|input| chain.files.contains(input)) {
            return false;
        }
        chain.files.retain(|file| !compacted.inputs.contains(file));
        chain.files.extend(compacted.outputs);
        chain.tidy();
        true
    }

    /// Files have new names: copies in another place.
    pub(super) fn rename(&mut self, names: &BTreeMap<String, String>) {
        for file in self.operators.values_mut().flat_map(|chain| &mut chain.files) {
            if let Some(name) = names.get(&file.name) {
                file.name.clone_from(name);
            }
        }
    }
}

impl Chain {
    /// Brings the files into the order of their age, and lets go of those of which nothing counts any more.
    fn tidy(&mut self) {
        self.files.sort_by_key(|file| file.written_by);
        let mut counts = vec![false; self.files.len()];
        for stack in stacks(&self.files) {
            stack.files.iter().for_each(|&file| counts[file] = true);
        }
        let mut counts = counts.into_iter();
        self.files.retain(|_| counts.next() == Some(true));
    }
}

/// Parts the files of a chain into those that overlap, directly or by way of others. Each part keeps the order.
fn components(files: &[StateFile]) -> Vec<Vec<&StateFile>> {
    let mut ranges: Vec<KeyGroupRange> = files.iter().map(|file| file.groups).collect();
    ranges.sort_unstable_by_key(|range| range.first);
    let mut spans: Vec<KeyGroupRange> = Vec::new();
    for range in ranges {
        match spans.last_mut() {
            Some(span) if span.overlaps(range) => span.last = span.last.max(range.last),
            _ => spans.push(range),
        }
    }
    let part = |span: KeyGroupRange| files.iter().filter(|file| span.overlaps(file.groups)).collect();
    spans.into_iter().map(part).collect()
}

/// A compaction that is due.
struct Due<'a> {
    inputs: Vec<&'a StateFile>,
    layer: LayerKind,
    /// How many layers there are to read.
    layers: usize,
}

/// All files of one snapshot.
struct Generation {
    written_by: SnapshotId,
    bytes: u64,
    has_base: bool,
}

impl<'a> Due<'a> {
    /// Decides by the rule above. The files overlap and come oldest first.
    fn of(files: &[&'a StateFile]) -> Option<Due<'a>> {
        let mut generations: Vec<Generation> = Vec::new();
        for file in files {
            let has_base = file.layer == LayerKind::Base;
            match generations.last_mut() {
                Some(last) if last.written_by == file.written_by => {
                    last.bytes += file.bytes;
                    last.has_base |= has_base;
                }
                _ => {
                    generations.push(Generation { written_by: file.written_by, bytes: file.bytes, has_base })
                }
            }
        }
        let newest_base = generations.iter().rposition(|generation| generation.has_base).unwrap_or(0);
        let (bottom, deltas) = generations.split_at((newest_base + 1).min(generations.len()));
        let bytes =
            |generations: &[Generation]| generations.iter().map(|generation| generation.bytes).sum::<u64>();
        let (bottom_bytes, delta_bytes) = (bytes(bottom), bytes(deltas));
        let (much, many) = (delta_bytes > bottom_bytes / 2, deltas.len() > DELTAS_MAX);
        let enough = deltas.len() >= DELTAS_MIN && delta_bytes > SMALL_BYTES;
        let above = deltas.first().map(|delta| delta.written_by);
        let below: Vec<&StateFile> =
            files.iter().copied().filter(|file| above.is_none_or(|above| file.written_by < above)).collect();
        let bottom_layers = layers_max(&below);
        let layers = bottom_layers + deltas.len();
        if much && (many || enough) || bottom_layers > DELTAS_MAX {
            return Some(Due { inputs: files.to_vec(), layer: LayerKind::Base, layers });
        }
        if !many {
            return None;
        }
        let mut oldest = deltas.len() - 2;
        while oldest > 0 && deltas[oldest - 1].bytes <= 2 * bytes(&deltas[oldest..]) {
            oldest -= 1;
        }
        let oldest = deltas[oldest].written_by;
        let inputs = files.iter().copied().filter(|file| file.written_by >= oldest).collect();
        Some(Due { inputs, layer: LayerKind::Delta, layers })
    }

    fn compaction(self, operator: &str, subtasks: &[KeyGroupRange]) -> Compaction {
        let span = |files: &[&StateFile]| {
            let (first, last) =
                (files.iter().map(|file| file.groups.first), files.iter().map(|file| file.groups.last));
            Some(KeyGroupRange { first: first.min()?, last: last.max()? })
        };
        let span = span(&self.inputs);
        let bytes: u64 = self.inputs.iter().map(|file| file.bytes).sum();
        let outputs = span.into_iter().flat_map(|span| {
            let parts = subtasks.iter().filter_map(move |&subtask| overlap(span, subtask));
            parts.flat_map(move |part| pieces(part, share(bytes, part, span)))
        });
        Compaction {
            operator: operator.to_string(),
            outputs: outputs.collect(),
            layer: self.layer,
            written_by: self.inputs.iter().map(|file| file.written_by).max().unwrap_or(SnapshotId(0)),
            inputs: self.inputs.into_iter().cloned().collect(),
        }
    }
}

/// The most layers that any key group has.
fn layers_max(files: &[&StateFile]) -> usize {
    stacks(files).iter().map(|stack| stack.files.len()).max().unwrap_or(0)
}

/// The part of `bytes` that falls upon `part` of `whole`, if keys are spread evenly.
fn share(bytes: u64, part: KeyGroupRange, whole: KeyGroupRange) -> u64 {
    (u128::from(bytes) * part.iter().count() as u128 / whole.iter().count() as u128) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::{self, groups, schema};
    use crate::snapshot::part::LayerKind::{Base, Delta};

    const MIB: u64 = 1 << 20;

    fn file(written_by: u64, layer: LayerKind, groups: KeyGroupRange, bytes: u64) -> StateFile {
        StateFile { bytes, ..fixture::file(written_by, layer, groups) }
    }

    fn chains(files: impl IntoIterator<Item = StateFile>) -> Chains {
        let mut chains = Chains::default();
        chains.append("count", &schema("Count"), files);
        chains
    }

    fn ages(files: &[StateFile]) -> Vec<u64> {
        files.iter().map(|file| file.written_by.0).collect()
    }

    fn files(chains: &Chains) -> Vec<StateFile> {
        chains.operators().remove(0).files
    }

    fn due(chains: &Chains, parallelism: u32) -> Option<Compaction> {
        let max = MaxParallelism::DEFAULT;
        chains.due(Parallelism::new(parallelism, max).unwrap(), max)
    }

    /// What running it would give, if nothing fell away.
    fn run(compaction: &Compaction) -> Compacted {
        let bytes: u64 = compaction.inputs.iter().map(|file| file.bytes).sum();
        let count = compaction.outputs.len() as u64;
        let outputs = compaction.outputs.iter().map(|&groups| StateFile {
            name: format!("merged.{groups}.{}", compaction.written_by),
            ..file(compaction.written_by.0, compaction.layer, groups, bytes / count)
        });
        Compacted {
            operator: compaction.operator.clone(),
            inputs: compaction.inputs.clone(),
            outputs: outputs.collect(),
        }
    }

    const ALL: KeyGroupRange =
        KeyGroupRange { first: crate::key::KeyGroup(0), last: crate::key::KeyGroup(127) };

    #[test]
    fn a_chain_goes_on_from_the_snapshot_that_was_restored() {
        let mut manifest = fixture::manifest(SnapshotId(7));
        let before = chains([file(3, Base, ALL, 10), file(7, Delta, ALL, 1)]);
        manifest.operators = before.operators();
        let mut chains = Chains::restored(&manifest);
        assert_eq!(chains, before);
        chains.append("count", &schema("Count"), [file(8, Delta, ALL, 1)]);
        chains.append("new", &schema("New"), []);
        assert_eq!(ages(&files(&chains)), [3, 7, 8]);
        assert_eq!(chains.operators()[1].files, []);
        assert_eq!(chains.files().count(), 3);
    }

    #[test]
    fn what_a_base_makes_obsolete_leaves_the_chain_and_what_it_covers_in_part_stays() {
        let (low, high) = (groups(0, 63), groups(64, 127));
        let mut chains = chains([
            file(1, Base, ALL, 1),
            file(2, Delta, low, 1),
            file(2, Delta, high, 1),
            file(3, Base, low, 1),
        ]);
        assert_eq!(ages(&files(&chains)), [1, 2, 3]);
        chains.append("count", &schema("Count"), [file(4, Base, high, 1)]);
        assert_eq!(ages(&files(&chains)), [3, 4]);
    }

    #[test]
    fn what_a_subtask_wrote_for_a_snapshot_that_failed_has_its_place_whenever_it_comes() {
        let mut chains = chains([file(1, Base, ALL, 1), file(3, Delta, ALL, 1)]);
        chains.append(
            "count",
            &schema("Count"),
            [StateFile { name: "late".to_string(), ..file(2, Delta, ALL, 1) }],
        );
        assert_eq!(ages(&files(&chains)), [1, 2, 3]);
    }

    #[test]
    fn deltas_of_more_than_half_of_the_base_become_a_new_base_with_it() {
        let deltas = |last: u64| {
            let deltas = [2 * MIB, MIB, 2 * MIB, last];
            (2..).zip(deltas).map(|(age, bytes)| file(age, Delta, ALL, bytes))
        };
        let little = chains([file(1, Base, ALL, 10 * MIB)].into_iter().chain(deltas(0)));
        assert_eq!(due(&little, 1), None);
        let much = chains([file(1, Base, ALL, 10 * MIB)].into_iter().chain(deltas(1)));
        let compaction = due(&much, 1).unwrap();
        assert_eq!((compaction.layer, compaction.written_by), (Base, SnapshotId(5)));
        assert_eq!(ages(&compaction.inputs), [1, 2, 3, 4, 5]);
        assert_eq!(compaction.outputs, [ALL]);
    }

    #[test]
    fn few_deltas_wait_however_large_they_are() {
        let mut chains = chains([file(1, Base, ALL, MIB)]);
        for age in 2..5 {
            chains.append("count", &schema("Count"), [file(age, Delta, ALL, 100 * MIB)]);
            assert_eq!(due(&chains, 1), None, "{age}");
        }
        chains.append("count", &schema("Count"), [file(5, Delta, ALL, 100 * MIB)]);
        assert_eq!(due(&chains, 1).map(|due| due.layer), Some(Base));
    }

    #[test]
    fn small_deltas_wait_until_they_are_too_many() {
        let mut chains = chains([file(1, Base, ALL, 100)]);
        for age in 2..10 {
            chains.append("count", &schema("Count"), [file(age, Delta, ALL, 90)]);
            assert_eq!(due(&chains, 1), None, "{age}");
        }
        chains.append("count", &schema("Count"), [file(10, Delta, ALL, 90)]);
        assert_eq!(due(&chains, 1).map(|due| due.layer), Some(Base));
    }

    #[test]
    fn the_first_files_of_a_chain_are_its_bottom_even_if_they_are_deltas() {
        let mut chains = chains([file(1, Delta, ALL, 100 * MIB)]);
        for age in 2..11 {
            assert_eq!(due(&chains, 1), None, "{age}");
            chains.append("count", &schema("Count"), [file(age, Delta, ALL, 10)]);
        }
        let compaction = due(&chains, 1).unwrap();
        assert_eq!((compaction.layer, ages(&compaction.inputs)), (Delta, (2..11).collect()));
    }

    #[test]
    fn of_too_many_deltas_the_newest_are_merged_and_the_base_is_not_touched() {
        let sizes = [60, 9, 8, 2, 1, 1, 1, 1, 1];
        let deltas = (2..).zip(sizes).map(|(age, mib)| file(age, Delta, ALL, mib * MIB));
        let chains = chains([file(1, Base, ALL, 1000 * MIB)].into_iter().chain(deltas));
        let compaction = due(&chains, 1).unwrap();
        assert_eq!((compaction.layer, compaction.written_by), (Delta, SnapshotId(10)));
        // 9 and 8 are not more than twice what is newer, 60 is.
        assert_eq!(ages(&compaction.inputs), [3, 4, 5, 6, 7, 8, 9, 10]);
    }

    #[test]
    fn of_deltas_that_shrink_fast_the_two_newest_are_merged() {
        let deltas = (2..11).map(|age| file(age, Delta, ALL, 1 << (40 - 2 * age)));
        let chains = chains([file(1, Base, ALL, 1 << 40)].into_iter().chain(deltas));
        assert_eq!(ages(&due(&chains, 1).unwrap().inputs), [9, 10]);
    }

    #[test]
    fn a_base_among_deltas_is_never_merged_into_a_delta() {
        let (low, high) = (groups(0, 63), groups(64, 127));
        let mut all = vec![file(1, Base, ALL, 1000 * MIB), file(2, Delta, ALL, 1)];
        all.extend([file(3, Base, low, 10), file(3, Delta, high, 1)]);
        all.extend((4..13).map(|age| file(age, Delta, ALL, 1)));
        let compaction = due(&chains(all), 1).unwrap();
        assert_eq!((compaction.layer, ages(&compaction.inputs)), (Delta, (4..13).collect()));
    }

    #[test]
    fn a_bottom_of_too_many_layers_becomes_a_base() {
        let runs = (0..9).map(|run| StateFile { name: format!("run {run}"), ..file(5, Delta, ALL, 10) });
        let compaction = due(&chains(runs), 1).unwrap();
        assert_eq!((compaction.layer, compaction.inputs.len()), (Base, 9));
        let apart = (0..9).map(|run| file(5, Delta, groups(run, run), 10));
        assert_eq!(due(&chains(apart), 1), None);
    }

    #[test]
    fn subtasks_are_looked_at_apart_until_a_rescale_joins_them_and_then_are_cut_apart_again() {
        let (low, high) = (groups(0, 63), groups(64, 127));
        let mut chains = chains([file(1, Base, low, 10 * MIB), file(1, Base, high, 10 * MIB)]);
        for age in 2..6 {
            let deltas = [file(age, Delta, low, 2 * MIB), file(age, Delta, high, MIB)];
            chains.append("count", &schema("Count"), deltas);
        }
        let compaction = due(&chains, 2).unwrap();
        assert_eq!(compaction.outputs, [low]);
        assert!(chains.compacted(run(&compaction)));
        assert_eq!(due(&chains, 2), None);
        let thirds = [groups(0, 42), groups(43, 85), groups(86, 127)];
        for age in 6..10 {
            let deltas = thirds.map(|third| file(age, Delta, third, 2 * MIB));
            chains.append("count", &schema("Count"), deltas);
        }
        let compaction = due(&chains, 3).unwrap();
        assert_eq!((compaction.inputs.len(), &compaction.outputs[..]), (18, &thirds[..]));
        assert!(chains.compacted(run(&compaction)));
        assert_eq!(components(&files(&chains)).len(), 3);
    }

    #[test]
    fn a_large_state_is_cut_into_files_that_can_be_written_side_by_side() {
        let deltas = (2..6).map(|age| file(age, Delta, ALL, 100 * MIB));
        let chains = chains([file(1, Base, ALL, 600 * MIB)].into_iter().chain(deltas));
        let outputs = due(&chains, 2).unwrap().outputs;
        assert_eq!(outputs.len(), 8);
        assert_eq!(outputs[3].last.0 + 1, 64, "the subtasks' border is a border");
        assert!(outputs.iter().flat_map(|range| range.iter()).eq(ALL.iter()));
    }

    #[test]
    fn the_operator_with_the_most_layers_comes_first() {
        let deltas = (2..6).map(|age| file(age, Delta, ALL, MIB));
        let mut chains = chains([file(1, Base, ALL, MIB)].into_iter().chain(deltas));
        assert_eq!(due(&chains, 1).unwrap().operator, "count");
        let deltas = (2..20).map(|age| file(age, Delta, ALL, 1));
        chains.append("sum", &schema("Sum"), [file(1, Base, ALL, 1)].into_iter().chain(deltas));
        assert_eq!(due(&chains, 1).unwrap().operator, "sum");
    }

    #[test]
    fn what_came_of_a_compaction_takes_the_place_of_what_went_in_below_what_came_since() {
        let deltas = (2..6).map(|age| file(age, Delta, ALL, 2 * MIB));
        let mut chains = chains([file(1, Base, ALL, 10 * MIB)].into_iter().chain(deltas));
        let compaction = due(&chains, 1).unwrap();
        chains.append("count", &schema("Count"), [file(6, Delta, ALL, 1)]);
        assert!(chains.compacted(run(&compaction)));
        let after = files(&chains);
        assert_eq!((ages(&after), after[0].layer, after[1].layer), (vec![5, 6], Base, Delta));
    }

    #[test]
    fn what_came_of_a_compaction_is_dropped_if_its_files_are_gone_meanwhile() {
        let deltas = (2..6).map(|age| file(age, Delta, ALL, 2 * MIB));
        let mut chains = chains([file(1, Base, ALL, 10 * MIB)].into_iter().chain(deltas));
        let compaction = due(&chains, 1).unwrap();
        chains.append("count", &schema("Count"), [file(6, Base, ALL, 5)]);
        assert!(!chains.compacted(run(&compaction)));
        assert_eq!(ages(&files(&chains)), [6]);
    }

    #[test]
    fn a_state_of_which_a_hundredth_changes_is_written_a_few_hundredths_at_a_time() {
        let base = 1000 * MIB;
        let mut chains = chains([file(1, Base, ALL, base)]);
        let (mut written, mut layers) = (0, 0);
        let snapshots = 500;
        for age in 2..2 + snapshots {
            chains.append("count", &schema("Count"), [file(age, Delta, ALL, base / 100)]);
            written += base / 100;
            while let Some(compaction) = due(&chains, 1) {
                let mut compacted = run(&compaction);
                if compaction.layer == Base {
                    // What changed was there before.
                    let count = compacted.outputs.len() as u64;
                    compacted.outputs.iter_mut().for_each(|file| file.bytes = base / count);
                }
                written += compacted.outputs.iter().map(|file| file.bytes).sum::<u64>();
                assert!(chains.compacted(compacted));
            }
            layers = layers.max(stacks(&files(&chains))[0].files.len());
        }
        let percent = written * 100 / base / snapshots;
        assert!(percent < 6, "{percent} % of the state for every snapshot");
        assert_eq!(layers, 1 + DELTAS_MAX);
    }
}
