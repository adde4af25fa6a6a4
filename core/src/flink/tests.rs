//! Jobs cut into fragments, their subtasks joined by a few lines that do what Flink does: frames go where they are addressed,
//! watermarks are merged by the minimum, barriers come when they are aligned, checkpoints are dealt anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_macros::{operator, state};

use super::checkpoint::Restoring;
use super::fragment::{FragmentKind, Fragments};
use super::message::GivenSplit;
use super::subtask::{Beginning, Next, Output, Subtask};
use crate::aggregate::Sum;
use crate::job::Job;
use crate::job::graph::{Graph, StageRole};
use crate::key::{KeyGroup, MaxParallelism, Parallelism, SubtaskIndex};
use crate::operator::Context;
use crate::record::{SnapshotId, SplitNumber};
use crate::sink::Collect;
use crate::snapshot::part::Entry;
use crate::source::{AssignedSplit, Offset, Split, SplitPosition, Throttle};
use crate::source::{Memory, Watermarks};
use crate::state::DealtList;
use crate::state::backend::StateBackend;
use crate::testing::TestJob;
use crate::time::{Clock, EventTime, millis, secs};
use crate::window::Tumbling;

const MAX: MaxParallelism = MaxParallelism::DEFAULT;

/// A cluster that runs a job.
struct Cluster {
    graph: Arc<Graph>,
    cut: Fragments,
    parallelism: Parallelism,
    subtasks: Vec<Vec<Subtask>>,
    /// How far every subtask of every fragment has said that event time is.
    said: Vec<Vec<EventTime>>,
    state: tempfile::TempDir,
}

/// A checkpoint that is complete.
#[derive(Clone)]
struct Checkpoint {
    id: u64,
    kept: Vec<Vec<Entry>>,
    blocks: Vec<Vec<(KeyGroup, Vec<u8>)>>,
}

impl Cluster {
    fn start(graph: &Arc<Graph>, parallelism: u32, from: Option<&Checkpoint>) -> Cluster {
        let cut = Fragments::of(graph).unwrap();
        let parallelism = Parallelism::new(parallelism, MAX).unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut cluster = Cluster {
            graph: Arc::clone(graph),
            said: cut.fragments.iter().map(|_| vec![EventTime::MIN; parallelism.get() as usize]).collect(),
            cut,
            parallelism,
            subtasks: Vec::new(),
            state,
        };
        for fragment in 0..cluster.cut.fragments.len() {
            let subtasks =
                parallelism.subtasks().map(|subtask| cluster.open(fragment, subtask, from)).collect();
            cluster.subtasks.push(subtasks);
        }
        cluster
    }

    fn open(&self, index: usize, subtask: SubtaskIndex, from: Option<&Checkpoint>) -> Subtask {
        let directory = self.state.path().join(format!("{index}-{subtask}"));
        let fragment = self.cut.fragments[index].clone();
        let kept = from.map_or(Vec::new(), |from| from.kept[index].clone());
        let restored = from.map(|from| {
            let groups = subtask.groups(self.parallelism, MAX);
            let mut restoring =
                Restoring::begin(&directory, groups, SnapshotId(from.id), kept.clone()).unwrap();
            let own = from.blocks[index].iter().filter(|(group, _)| groups.contains(*group));
            own.for_each(|(group, block)| restoring.block(*group, block).unwrap());
            restoring.finish().unwrap()
        });
        let mut splits = BTreeMap::new();
        for stage in fragment.stages.iter().map(|stage| &self.graph.stages[*stage]) {
            let StageRole::Source(source) = &stage.role else { continue };
            let position = |split: &Split| {
                let found = kept.iter().find(|entry| {
                    entry.owner == crate::source::stage::owner(&stage.name) && entry.item == split.id.0
                });
                found.map(|entry| serde_json::from_value(entry.value.clone()).unwrap())
            };
            let all = source.splits().unwrap();
            let given = all.iter().map(|split| GivenSplit { id: split.id.clone(), from: position(split) });
            let own =
                given.enumerate().filter(|(number, _)| *number as u32 % self.parallelism.get() == subtask.0);
            let assign = |(_, split): (usize, GivenSplit)| AssignedSplit {
                split: Split { id: split.id, bytes: None },
                from: split.from.unwrap_or(SplitPosition::At(Offset::default())),
                number: SplitNumber(0),
            };
            splits.insert(stage.name.clone(), own.map(assign).collect());
        }
        Subtask::open(Beginning {
            graph: Arc::clone(&self.graph),
            fragment,
            subtask,
            parallelism: self.parallelism,
            max_parallelism: MAX,
            state: Arc::new(StateBackend::heap().inline()),
            throttle: Throttle::unlimited(),
            splits,
            restored,
            directory,
            clock: Clock::virtual_at(EventTime::from_millis(0)),
        })
        .unwrap()
    }

    /// Reads a batch of every source. Whether there may be more.
    fn turn(&mut self) -> bool {
        let mut more = false;
        for fragment in 0..self.cut.fragments.len() {
            for subtask in self.parallelism.subtasks() {
                let one = &mut self.subtasks[fragment][subtask.index()];
                match self.cut.fragments[fragment].kind {
                    FragmentKind::Source => one.poll().unwrap(),
                    FragmentKind::Keyed => one.flush().unwrap(),
                }
                more |= self.cut.fragments[fragment].kind == FragmentKind::Source
                    && one.next() != Next::Exhausted;
                self.ship(fragment, subtask);
            }
        }
        more
    }

    /// Brings what a subtask has put out to where it goes.
    fn ship(&mut self, fragment: usize, subtask: SubtaskIndex) {
        for output in self.subtasks[fragment][subtask.index()].take_output().unwrap() {
            match output {
                Output::Records { edge, to, payload } => {
                    let next = self.cut.crossings.iter().find(|crossing| crossing.edge == edge.0).unwrap().to;
                    self.subtasks[next][to.index()].records(edge, &payload).unwrap();
                    self.ship(next, to);
                }
                Output::Watermark(watermark) => {
                    self.said[fragment][subtask.index()] = watermark;
                    let next: Vec<_> =
                        self.cut.crossings.iter().filter(|crossing| crossing.from == fragment).collect();
                    for next in next.into_iter().map(|crossing| crossing.to).collect::<Vec<_>>() {
                        let before = self.cut.crossings.iter().filter(|crossing| crossing.to == next);
                        let merged = before.flat_map(|crossing| &self.said[crossing.from]).min().copied();
                        for subtask in self.parallelism.subtasks() {
                            self.subtasks[next][subtask.index()].watermark(merged.unwrap()).unwrap();
                            self.ship(next, subtask);
                        }
                    }
                }
                Output::Status(_) => {}
            }
        }
    }

    fn checkpoint(&mut self, id: u64) -> Checkpoint {
        let mut checkpoint = Checkpoint { id, kept: Vec::new(), blocks: Vec::new() };
        for fragment in 0..self.cut.fragments.len() {
            let (mut kept, mut blocks) = (Vec::new(), Vec::new());
            for subtask in self.parallelism.subtasks() {
                let one = &mut self.subtasks[fragment][subtask.index()];
                kept.extend(one.barrier(SnapshotId(id)).unwrap());
                if self.cut.fragments[fragment].kind == FragmentKind::Source {
                    assert_eq!(one.take_output().unwrap(), [], "a reader of Flink can't emit anything here");
                }
                self.ship(fragment, subtask);
            }
            for subtask in self.parallelism.subtasks() {
                let one = &mut self.subtasks[fragment][subtask.index()];
                let snapshot = loop {
                    match one.take_state() {
                        Some((taken, snapshot)) if taken == SnapshotId(id) => break snapshot.unwrap(),
                        _ => one.turn().unwrap(),
                    }
                };
                let groups = subtask.groups(self.parallelism, MAX);
                snapshot
                    .blocks(groups, &mut |group, block| {
                        blocks.push((group, block.to_vec()));
                        Ok(())
                    })
                    .unwrap();
            }
            checkpoint.kept.push(kept);
            checkpoint.blocks.push(blocks);
        }
        checkpoint
    }

    fn commit(&mut self, checkpoint: &Checkpoint) {
        let all = self.subtasks.iter_mut().flatten();
        all.for_each(|subtask| subtask.commit(SnapshotId(checkpoint.id)).unwrap());
    }
}

type Results = Vec<(u64, u64)>;

/// Sums by key and second, and of these, sums of sums by another key and five seconds.
fn wire(job: &Job, sums: &Collect<(u64, u64)>, again: &Collect<(u64, u64)>) {
    let (first, second) = job
        .source("numbers", Memory::of((0..30_000u64).collect()).splits(3))
        .event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(millis(100)))
        .key_by(|n| n % 97)
        .window(Tumbling::of(secs(1)))
        .aggregate("sums", Sum::of(|n: &u64| *n))
        .map(|sum| (sum.key, sum.value))
        .tee();
    first.sink("sums", sums.clone());
    second
        .key_by(|(key, _)| key % 5)
        .window(Tumbling::of(secs(5)))
        .aggregate("again", Sum::of(|(_, sum): &(u64, u64)| *sum))
        .map(|sum| (sum.key, sum.value))
        .sink("again", again.clone());
}

fn sorted(results: &Collect<(u64, u64)>) -> Results {
    let mut taken = results.take();
    taken.sort_unstable();
    taken
}

/// What the job gives without Flink.
fn expected() -> (Results, Results) {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = TestJob::new("sums", |job| {
        wire(job, &sums, &again);
        Ok(())
    });
    job.unwrap().run().unwrap();
    (sorted(&sums), sorted(&again))
}

/// Runs a job through failures, each time at another parallelism.
fn through_failures(graph: &Arc<Graph>) {
    let mut from: Option<Checkpoint> = None;
    let mut id = 0;
    for (parallelism, turns) in [(2, 3), (1, 2), (4, 2), (3, usize::MAX)] {
        let mut cluster = Cluster::start(graph, parallelism, from.as_ref());
        let mut more = true;
        for _ in 0..turns {
            more = cluster.turn();
            id += 1;
            let checkpoint = cluster.checkpoint(id);
            cluster.commit(&checkpoint);
            from = Some(checkpoint);
            if !more {
                break;
            }
        }
        // What comes behind the last checkpoint is lost, and comes again.
        if more {
            cluster.turn();
        }
    }
}

#[test]
fn a_job_of_many_fragments_gives_the_same_over_failures_and_at_any_parallelism() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let graph = Arc::new(job.finish().unwrap());
    assert_eq!(
        Fragments::of(&graph)
            .unwrap()
            .fragments
            .iter()
            .map(|fragment| fragment.name.as_str())
            .collect::<Vec<_>>(),
        ["numbers", "sums", "again"]
    );
    through_failures(&graph);
    let (expected_sums, expected_again) = expected();
    assert!(sorted(&sums) == expected_sums, "sums differ");
    assert!(sorted(&again) == expected_again, "sums of sums differ");
    assert_eq!((expected_sums.len(), expected_again.len()), (30 * 97, 6 * 5));
}

fn cut(wire: impl FnOnce(&Job)) -> crate::error::Result<Fragments> {
    let job = Job::new("numbers");
    wire(&job);
    Fragments::of(&job.finish().unwrap())
}

#[test]
fn what_local_edges_join_is_one_fragment() {
    let cut = cut(|job| {
        let even = job.source("even", Memory::of(vec![2u64, 4]));
        let (all, copies) = job.source("odd", Memory::of(vec![1u64, 3])).union(even).tee();
        copies.discard();
        let counted = all.key_by(|n| *n).window(Tumbling::count(2)).aggregate("sums", Sum::of(|n: &u64| *n));
        counted.map(|sum| sum.value).sink("sums", Collect::new());
    });
    let Fragments { fragments, crossings } = cut.unwrap();
    let of_one =
        |fragment: &super::fragment::Fragment| (fragment.name.clone(), fragment.kind, fragment.stages.len());
    assert_eq!(
        fragments.iter().map(of_one).collect::<Vec<_>>(),
        [("even + odd".to_string(), FragmentKind::Source, 4), ("sums".to_string(), FragmentKind::Keyed, 1)]
    );
    assert_eq!(crossings.iter().map(|crossing| (crossing.from, crossing.to)).collect::<Vec<_>>(), [(0, 1)]);
}

#[test]
fn what_does_not_run_on_flink_is_refused_and_named() {
    let refused = cut(|job| {
        let counted = job.source("numbers", Memory::of(vec![1u64])).key_by(|n| *n);
        let sums = counted.window(Tumbling::count(2)).aggregate("sums", Sum::of(|n: &u64| *n));
        let others = job.source("others", Memory::of(vec![1u64]));
        sums.map(|sum| sum.value).union(others).discard();
    });
    let refused = refused.unwrap_err();
    assert_eq!(refused.exit_code(), 2);
    assert!(
        refused.to_string().starts_with("source \"others\" and what operator \"sums\" emits come together"),
        "{refused}"
    );
}

#[state(unkeyed, crate = crate)]
#[derive(Default)]
struct Held {
    numbers: DealtList<u64>,
}

/// Holds numbers back until there are three.
struct Hold;

#[operator(unkeyed, crate = crate)]
impl Hold {
    fn on_event(&self, number: u64, held: &mut Held) -> Option<Vec<u64>> {
        held.numbers.push(number);
        (held.numbers.len() == 3).then(|| held.numbers.split_off(0))
    }

    fn on_end(&self, held: &mut Held) -> Option<Vec<u64>> {
        (!held.numbers.is_empty()).then(|| held.numbers.split_off(0))
    }
}

#[test]
fn state_outside_of_keys_in_front_of_the_first_exchange_and_what_waits_for_answers_are_refused() {
    for (wire, words) in [
        (
            (&|job: &Job| {
                job.source("numbers", Memory::of(vec![1u64])).process("hold", Hold).discard();
            }) as &dyn Fn(&Job),
            "operator \"hold\" has state that belongs to no key, in front of the first exchange by key",
        ),
        (
            &|job| {
                let sums = job.source("numbers", Memory::of(vec![1u64])).key_by(|n| *n);
                let sums = sums.window(Tumbling::count(2)).aggregate("sums", Sum::of(|n: &u64| *n));
                sums.async_map("double", async |sum| Ok::<_, String>(sum.value * 2)).or_fail().discard();
            },
            "async_map \"double\" waits for answers",
        ),
    ] {
        let refused = cut(wire).unwrap_err();
        assert_eq!(refused.exit_code(), 2);
        assert!(refused.to_string().starts_with(words), "{refused}");
    }
}

#[test]
fn state_outside_of_keys_behind_an_exchange_is_dealt_anew_over_failures_and_at_any_parallelism() {
    let held = Collect::new();
    let job = Job::new("held");
    job.source("numbers", Memory::of((0..10_000u64).collect()).splits(3))
        .key_by(|n| n % 97)
        .window(Tumbling::count(1))
        .aggregate("sums", Sum::of(|n: &u64| *n))
        .map(|sum| sum.value)
        .process("hold", Hold)
        .sink("held", held.clone());
    let graph = Arc::new(job.finish().unwrap());
    through_failures(&graph);
    let mut numbers: Vec<u64> = held.take().into_iter().flatten().collect();
    numbers.sort_unstable();
    assert!(numbers == (0..10_000).collect::<Vec<_>>(), "{} numbers", numbers.len());
}

#[state(broadcast, crate = crate)]
#[derive(Default)]
struct Told {
    records: u64,
    sum: u64,
}

#[state(key = u64, crate = crate)]
#[derive(Default)]
struct Seen {
    records: u64,
    sum: u64,
}

/// Says of every key in the end what was seen of it and told to it.
struct SeenAndTold;

#[operator(crate = crate)]
impl SeenAndTold {
    fn on_event(&self, number: u64, seen: &mut Seen, _told: &Told, cx: &mut Context<Self>) {
        if seen.records == 0 {
            cx.set_timer(EventTime::MAX, ());
        }
        seen.records += 1;
        seen.sum += number;
    }

    fn on_broadcast(&self, number: u64, told: &mut Told) {
        told.records += 1;
        told.sum += number;
    }

    fn on_timer(&self, _: (), seen: &mut Seen, told: &Told) -> (u64, u64, u64, u64) {
        (seen.records, seen.sum, told.records, told.sum)
    }
}

#[test]
fn a_union_of_sources_and_what_is_broadcast_are_whole_over_failures_and_at_any_parallelism() {
    let seen = Collect::new();
    let job = Job::new("seen");
    // Their splits have the same names.
    let even = job.source("even", Memory::of((0..4_000u64).map(|n| 2 * n).collect()).splits(3));
    let odd = job.source("odd", Memory::of((0..9_000u64).map(|n| 2 * n + 1).collect()).splits(2));
    let told = job.source("told", Memory::of((0..7_000u64).collect()).splits(2));
    odd.union(even)
        .key_by(|n| n % 7)
        .connect_broadcast(told.filter(|n| n % 2 == 0))
        .process("seen", SeenAndTold)
        .sink("seen", seen.clone());
    let graph = Arc::new(job.finish().unwrap());
    let cut = Fragments::of(&graph).unwrap();
    assert_eq!((cut.fragments.len(), cut.crossings.len()), (3, 2));
    through_failures(&graph);
    let numbers = || (0..4_000u64).map(|n| 2 * n).chain((0..9_000).map(|n| 2 * n + 1));
    let expected = (0..7).map(|key| {
        let own = numbers().filter(|n| n % 7 == key);
        (own.clone().count() as u64, own.sum(), 3_500, (0..7_000).filter(|n| n % 2 == 0).sum())
    });
    let (mut seen, mut expected) = (seen.take(), expected.collect::<Vec<_>>());
    seen.sort_unstable();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

#[test]
fn what_comes_in_and_goes_out_of_each_stage_is_counted_with_what_was_late() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let mut cluster = Cluster::start(&Arc::new(job.finish().unwrap()), 2, None);
    while cluster.turn() {}
    let mut all = BTreeMap::new();
    let mut read = 0;
    for figures in cluster.subtasks.iter().flatten().map(Subtask::figures) {
        read += figures.read;
        for figure in figures.figures.into_iter().filter(|figure| figure.counts) {
            let of = [figure.stage, figure.output, Some(figure.name.to_string())];
            *all.entry(of.into_iter().flatten().collect::<Vec<_>>().join(".")).or_insert(0) += figure.value;
        }
    }
    assert_eq!(read, 30_000);
    let mut expect = |name: &str, value: i64| assert_eq!(all.remove(name), Some(value), "{name} {all:?}");
    expect("numbers.recordsIn", 30_000);
    expect("numbers.recordsOut", 30_000);
    expect("sums.recordsIn", 30_000);
    expect("sums.lateRecords", 0);
    expect("sums.copies.recordsOut", 30 * 97);
}

#[test]
fn a_block_in_which_a_bit_has_flipped_is_refused() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let mut cluster = Cluster::start(&Arc::new(job.finish().unwrap()), 1, None);
    cluster.turn();
    let checkpoint = cluster.checkpoint(1);
    let (group, mut block) = checkpoint.blocks[1][0].clone();
    let directory = tempfile::tempdir().unwrap();
    for place in 0..block.len() {
        block[place] ^= 1;
        let mut restoring = Restoring::begin(directory.path(), MAX.all(), SnapshotId(1), Vec::new()).unwrap();
        let error = restoring.block(group, &block).unwrap_err();
        assert!(error.to_string().contains("damaged in key group"), "{error}");
        block[place] ^= 1;
    }
}

#[test]
fn records_of_another_subtask_are_refused() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let mut cluster = Cluster::start(&Arc::new(job.finish().unwrap()), 2, None);
    let one = &mut cluster.subtasks[0][0];
    one.poll().unwrap();
    let outputs = one.take_output().unwrap();
    let astray = outputs.into_iter().find_map(|output| match output {
        Output::Records { edge, to: SubtaskIndex(1), payload } => Some((edge, payload)),
        _ => None,
    });
    let (edge, payload) = astray.unwrap();
    let error = cluster.subtasks[1][0].records(edge, &payload).unwrap_err();
    assert!(
        error.to_string().contains("have come to subtask 0, which does not own their key groups"),
        "{error}"
    );
}

/// They were merged by the subtask itself, which did nothing else meanwhile.
#[test]
fn the_layers_of_many_checkpoints_become_few_beside_the_subtask_and_nothing_is_lost() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let graph = Arc::new(job.finish().unwrap());
    let mut cluster = Cluster::start(&graph, 1, None);
    let layers = |cluster: &Cluster| {
        let files = std::fs::read_dir(cluster.state.path().join("1-0")).unwrap();
        files.filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|it| it == "state")).count()
    };
    let (mut id, mut most, mut from) = (0, 0, None);
    // A layer each; and then none, until those are merged.
    while id < 20 || layers(&cluster) > 8 {
        id += 1;
        assert!(id < 10_000, "{} layers are left", layers(&cluster));
        match id {
            ..=20 => assert!(cluster.turn()),
            _ => std::thread::park_timeout(millis(1)),
        }
        let checkpoint = cluster.checkpoint(id);
        cluster.commit(&checkpoint);
        most = most.max(layers(&cluster));
        from = Some(checkpoint);
    }
    assert!(most > 8, "no checkpoint waits for them to be merged");
    let mut cluster = Cluster::start(&graph, 2, from.as_ref());
    while cluster.turn() {}
    let checkpoint = cluster.checkpoint(id + 1);
    cluster.commit(&checkpoint);
    assert!((sorted(&sums), sorted(&again)) == expected(), "results differ");
}

/// An export deals what a snapshot keeps to fragments by its owners.
#[test]
fn all_that_a_fragment_keeps_has_an_owner_in_it_and_in_no_other() {
    let job = Job::new("held");
    let numbers = job.source("numbers", Memory::of((0..10_000u64).collect()).splits(3));
    let timed = numbers.event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(millis(100)));
    // Again, behind another one.
    let timed = timed.event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(millis(10)));
    let (read, summed) = timed.tee();
    read.sink("read", Collect::new());
    let sums =
        summed.key_by(|n| n % 97).window(Tumbling::of(secs(1))).aggregate("sums", Sum::of(|n: &u64| *n));
    sums.map(|sum| sum.value).process("hold", Hold).sink("held", Collect::new());
    let graph = Arc::new(job.finish().unwrap());
    let mut cluster = Cluster::start(&graph, 2, None);
    cluster.turn();
    let checkpoint = cluster.checkpoint(1);
    let owners: Vec<_> = cluster.cut.fragments.iter().map(|fragment| fragment.owners(&graph)).collect();
    assert!(owners[0].is_disjoint(&owners[1]), "{owners:?}");
    for (kept, owners) in checkpoint.kept.iter().zip(&owners) {
        let found: std::collections::BTreeSet<_> = kept.iter().map(|entry| entry.owner.clone()).collect();
        // A sink has kept something if anything came to it.
        let quiet = |owner: &&String| owner.starts_with("sink ") && !found.contains(*owner);
        let expected: Vec<_> = owners.iter().filter(|owner| !quiet(owner)).collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    }
}

/// The state of a checkpoint was lost when the barrier of a savepoint came before anybody had taken it.
#[test]
fn a_barrier_that_comes_before_the_state_of_the_last_one_is_taken_loses_neither() {
    let (sums, again) = (Collect::new(), Collect::new());
    let job = Job::new("sums");
    wire(&job, &sums, &again);
    let mut cluster = Cluster::start(&Arc::new(job.finish().unwrap()), 1, None);
    cluster.turn();
    let keyed = cluster.cut.fragments.iter().position(|fragment| fragment.kind == FragmentKind::Keyed);
    let subtask = &mut cluster.subtasks[keyed.unwrap()][0];
    for checkpoint in [1, 2] {
        subtask.barrier(SnapshotId(checkpoint)).unwrap();
    }
    while subtask.is_encoding() {
        subtask.turn().unwrap();
    }
    let taken = std::iter::from_fn(|| subtask.take_state()).map(|(id, state)| (id, state.is_ok()));
    assert_eq!(taken.collect::<Vec<_>>(), [(SnapshotId(1), true), (SnapshotId(2), true)]);
}
