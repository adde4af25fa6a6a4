//! The process of one subtask: Flink's task starts it, and it ends with the task.
//!
//! It is the job's own executable. A process and not a library in the TaskManager's: a panic, an abort, a stack that overflows, a
//! leak or a thread that stays harm nobody else's tasks, and the end of it frees all that it had.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use super::checkpoint::{Restoring, Snapshot, schemas};
use super::figures::Telling;
use super::fragment::{FragmentKind, Fragments};
use super::message::{Answer, Beginning, Heard, Request, Wire};
use super::sinks;
use super::subtask::{self, Next, Subtask};
use crate::error::{Error, Result};
use crate::job::RunOptions;
use crate::job::graph::Graph;
use crate::key::{KeyGroupRange, Parallelism, SubtaskIndex};
use crate::record::{SnapshotId, SplitNumber};
use crate::snapshot::part::Entry;
use crate::source::{AssignedSplit, Offset, Split, SplitPosition, Throttle};
use crate::state::backend::{StateBackend, StoreKind};
use crate::state::fjall::StateDirectory;
use crate::state::memory::StateMemory;
use crate::task::thread;
use crate::time::{Clock, EventTime};

/// The state of so many checkpoints is kept for who asks late.
const WAITING_MAX: usize = 4;

/// Wires the job, given the command line that it would have by itself.
pub(crate) type Wiring<'a> = &'a dyn Fn(&[String]) -> Result<(Graph, RunOptions)>;

/// Serves Flink's task, which listens at `socket`, until it is gone.
///
/// # Errors
/// If the connection fails. What fails in the job is told to the task.
pub(crate) fn serve(socket: &Path, wiring: Wiring<'_>) -> Result<()> {
    let stream = UnixStream::connect(socket).map_err(|error| {
        Error::failure(format!("can't connect to Flink's task at {}", socket.display())).caused_by(error)
    })?;
    let mut wire = Wire::new(stream);
    let mut guest = Guest::Waiting;
    let mut answers = Vec::new();
    let mut directory = None;
    loop {
        let may_wait = match &guest {
            Guest::Working(working) => !working.subtask.is_encoding() && !working.subtask.is_writing(),
            Guest::Waiting | Guest::Restoring(..) => true,
        };
        let request = match wire.hear(may_wait)? {
            Heard::Request(request) => request,
            Heard::Nothing => {
                if let Guest::Working(working) = &mut guest {
                    working.encode()?;
                }
                continue;
            }
            Heard::End => {
                // The task may have been killed: then nobody else does away with it.
                if let Some(directory) = directory {
                    let _ = std::fs::remove_dir_all(directory);
                }
                return Ok(());
            }
        };
        if let Request::Begin(beginning) = &request {
            directory = Some(beginning.directory.clone());
        }
        answers.clear();
        let expects_answer = !matches!(request, Request::Begin(_) | Request::Block(..));
        let answered = crate::task::panic::catch(|| guest.answer(request, wiring, &mut answers));
        let answered = answered.unwrap_or_else(|caught| Err(caught.into_error("the job")));
        match answered {
            Ok(()) if !expects_answer => {}
            Ok(()) => wire.say(&answers)?,
            Err(error) => {
                answers.clear();
                Answer::Failed(&error).write(&mut answers)?;
                wire.say(&answers)?;
                // What it worked on is not to be used any more; the task reads the reason and goes.
                return Ok(());
            }
        }
    }
}

/// How far it is.
enum Guest {
    /// It does not know what it is.
    Waiting,
    /// It is being given the state that it goes on from.
    Restoring(Box<Beginning>, Box<(Graph, RunOptions, Fragments)>, Option<Restoring>),
    /// It works.
    Working(Box<Working>),
}

struct Working {
    subtask: Subtask,
    schemas: Vec<Entry>,
    telling: Telling,
    clock: Clock,
    snapshots: mpsc::Sender<(SnapshotId, Result<Snapshot>)>,
}

impl Guest {
    fn answer(&mut self, request: Request, wiring: Wiring<'_>, answers: &mut Vec<u8>) -> Result<()> {
        match request {
            Request::Begin(mut beginning) => {
                let (graph, options) = wiring(&beginning.args)?;
                let fragments = Fragments::of(&graph)?;
                // Who takes which share of it goes by the order, and that of Flink's lists is nobody's promise.
                beginning.kept.sort_by_cached_key(|kept| {
                    kept.iter()
                        .map(|entry| format!("{} {} {}", entry.owner, entry.item, entry.value))
                        .collect::<Vec<_>>()
                });
                let entries = beginning.kept.iter().flatten().cloned().collect();
                let restoring = beginning.restored.map(|checkpoint| {
                    let groups = place(&beginning, &options)?.groups(options.max_parallelism);
                    Restoring::begin(
                        &beginning.directory.join("layers"),
                        groups,
                        SnapshotId(checkpoint),
                        entries,
                    )
                });
                *self = Guest::Restoring(
                    beginning,
                    Box::new((graph, options, fragments)),
                    restoring.transpose()?,
                );
                Ok(())
            }
            Request::Block(group, block) => match self {
                Guest::Restoring(_, _, Some(restoring)) => restoring.block(group, &block),
                _ => Err(out_of_turn()),
            },
            Request::Open => {
                let Guest::Restoring(beginning, job, restoring) = std::mem::replace(self, Guest::Waiting)
                else {
                    return Err(out_of_turn());
                };
                let mut working = Working::open(*beginning, *job, restoring)?;
                working.answer(answers)?;
                *self = Guest::Working(Box::new(working));
                Ok(())
            }
            request => match self {
                Guest::Working(working) => working.work(request, answers),
                Guest::Waiting | Guest::Restoring(..) => Err(out_of_turn()),
            },
        }
    }
}

fn out_of_turn() -> Error {
    Error::failure("Flink's task has asked out of turn; this is a defect of Tidegate")
}

/// Which subtask of how many.
#[derive(Clone, Copy)]
struct Place(SubtaskIndex, Parallelism);

impl Place {
    fn groups(self, max_parallelism: crate::key::MaxParallelism) -> KeyGroupRange {
        self.0.groups(self.1, max_parallelism)
    }
}

fn place(beginning: &Beginning, options: &RunOptions) -> Result<Place> {
    let parallelism = Parallelism::new(beginning.parallelism, options.max_parallelism).ok_or_else(|| {
        Error::failure(format!("parallelism {} is more than the job has key groups", beginning.parallelism))
            .hint("run it with a smaller one, or from the beginning with a larger --max-parallelism")
    })?;
    Ok(Place(SubtaskIndex(beginning.subtask), parallelism))
}

impl Working {
    fn open(
        beginning: Beginning,
        (graph, options, fragments): (Graph, RunOptions, Fragments),
        restoring: Option<Restoring>,
    ) -> Result<Working> {
        let here = place(&beginning, &options)?;
        let Place(subtask, parallelism) = here;
        let fragment = fragments.fragments.get(beginning.fragment).ok_or_else(|| {
            Error::failure("the job in the TaskManager is not the one that was submitted")
                .hint("was the executable replaced, or does its wiring depend on the machine?")
        })?;
        let graph = Arc::new(graph);
        let restored = restoring.map(Restoring::finish).transpose()?;
        if let Some((id, restored)) = &restored {
            // What may be refused is looked at before anything is committed; and so does every other subtask, of what all have.
            restored.check(&graph)?;
            sinks::check(&graph, *id)?;
            sinks::commit(&graph, fragment, (subtask, parallelism), *id, restored.entries())?;
        }
        let mut numbers = (0..).map(SplitNumber);
        let mut assigned = BTreeMap::new();
        for (source, splits) in beginning.splits {
            let assign = |split: super::message::GivenSplit| AssignedSplit {
                split: Split { id: split.id, bytes: None },
                from: split.from.unwrap_or(SplitPosition::At(Offset::default())),
                number: numbers.next().expect("there is no end of numbers"),
            };
            assigned.insert(source, splits.into_iter().map(assign).collect());
        }
        let state = Arc::new(match options.store {
            StoreKind::Heap => StateBackend::heap(),
            StoreKind::Fjall => {
                let directory = StateDirectory::open(&beginning.directory.join("rows"))?;
                StateBackend::fjall(Arc::new(directory), StateMemory::of(options.state_memory_bytes))
            }
        });
        let groups = here.groups(options.max_parallelism);
        let listener = UnixListener::bind(beginning.directory.join("state.socket")).map_err(|error| {
            Error::failure("can't listen for who reads the state of checkpoints").caused_by(error)
        })?;
        let (snapshots, taken) = mpsc::channel();
        thread::spawn("checkpoints", move || give_snapshots(&listener, &taken, groups))
            .map_err(|error| Error::failure("can't start a thread").caused_by(error))?;
        let clock = Clock::system();
        // A subtask of a source is not given what others kept: what it has pending travels with the schemas.
        let schemas = match (fragment.kind, subtask) {
            (FragmentKind::Source, _) | (FragmentKind::Keyed, SubtaskIndex(0)) => schemas(&graph)?,
            (FragmentKind::Keyed, _) => Vec::new(),
        };
        let subtask = Subtask::open(subtask::Beginning {
            graph,
            fragment: fragment.clone(),
            subtask,
            parallelism,
            max_parallelism: options.max_parallelism,
            state,
            throttle: match options.max_rate {
                // Nobody knows of the others: each takes its share.
                Some(rate) => {
                    Throttle::per_second(rate.get() as f64 / f64::from(parallelism.get()), Clock::system())
                }
                None => Throttle::unlimited(),
            },
            splits: assigned,
            restored,
            directory: beginning.directory.join("layers"),
            clock: clock.clone(),
        })?;
        Ok(Working { subtask, schemas, telling: Telling::default(), clock, snapshots })
    }

    fn work(&mut self, request: Request, answers: &mut Vec<u8>) -> Result<()> {
        if !matches!(request, Request::Flush | Request::Commit(_)) {
            self.telling.change();
        }
        if let Request::Watermark(EventTime::MAX) = request {
            self.telling.end();
        }
        match request {
            Request::Records(edge, payload) => self.subtask.records(edge, &payload)?,
            Request::Watermark(watermark) => self.subtask.watermark(watermark)?,
            Request::Status(status) => self.subtask.status(status)?,
            Request::Flush => self.subtask.flush()?,
            Request::Poll => self.subtask.poll()?,
            Request::Barrier(checkpoint) => {
                let mut kept = self.subtask.barrier(checkpoint)?;
                kept.extend(self.schemas.iter().cloned());
                Answer::Kept(&kept).write(answers)?;
            }
            Request::Commit(checkpoint) => self.subtask.commit(checkpoint)?,
            Request::Begin(_) | Request::Block(..) | Request::Open => return Err(out_of_turn()),
        }
        self.answer(answers)
    }

    fn answer(&mut self, answers: &mut Vec<u8>) -> Result<()> {
        for output in self.subtask.take_output()? {
            self.telling.change();
            Answer::Output(&output).write(answers)?;
        }
        self.hand_on();
        let (next, now) = (self.subtask.next(), self.clock.monotonic());
        if next == Next::Exhausted {
            self.telling.end();
        }
        if self.telling.is_due(now) {
            Answer::Figures(&self.subtask.figures()).write(answers)?;
        }
        Answer::Done(self.telling.next(next, now)).write(answers)
    }

    /// Does a slice of what is to be done between two requests while state is being encoded.
    fn encode(&mut self) -> Result<()> {
        if self.subtask.is_encoding() {
            self.subtask.turn()?;
        } else {
            std::thread::park_timeout(crate::time::millis(1));
        }
        self.hand_on();
        Ok(())
    }

    fn hand_on(&mut self) {
        while let Some(snapshot) = self.subtask.take_state() {
            // Who would give it on is gone only if the process ends.
            let _ = self.snapshots.send(snapshot);
        }
    }
}

/// Gives the state of checkpoints to whoever asks for it: the number of one comes in, its blocks go out.
///
/// A block is its key group (4), its length (4) and its bytes. Behind the last there is the key group `u32::MAX`; if something
/// failed, `u32::MAX - 1`, and the reason as if it was a block.
fn give_snapshots(
    listener: &UnixListener,
    taken: &mpsc::Receiver<(SnapshotId, Result<Snapshot>)>,
    groups: KeyGroupRange,
) {
    // What nobody has asked for yet. Flink may never ask for a checkpoint that it has given up.
    let mut waiting = VecDeque::<(SnapshotId, Result<Snapshot>)>::new();
    while let Ok((mut stream, _)) = listener.accept() {
        let mut wanted = [0; 8];
        // Who asks may have changed its mind.
        let Ok(()) = stream.read_exact(&mut wanted) else { continue };
        let wanted = SnapshotId(u64::from_le_bytes(wanted));
        let snapshot = loop {
            if let Some(place) = waiting.iter().position(|(id, _)| *id == wanted) {
                break waiting.remove(place).expect("it was found there").1;
            }
            if waiting.back().is_some_and(|(id, _)| *id > wanted) {
                break Err(Error::failure(format!(
                    "the state of checkpoint {wanted} was given up for a later one"
                )));
            }
            match taken.recv() {
                Ok(snapshot) => waiting.push_back(snapshot),
                Err(_) => return,
            }
            if waiting.len() > WAITING_MAX {
                waiting.pop_front();
            }
        };
        let given = snapshot.and_then(|snapshot| {
            let mut buffered = std::io::BufWriter::with_capacity(256 << 10, &stream);
            snapshot.blocks(groups, &mut |group, block| {
                buffered
                    .write_all(&u32::from(group.0).to_le_bytes())
                    .and_then(|()| buffered.write_all(&(block.len() as u32).to_le_bytes()))
                    .and_then(|()| buffered.write_all(block))
                    .map_err(|error| Error::failure("nobody takes the state").caused_by(error))
            })?;
            buffered.flush().map_err(|error| Error::failure("nobody takes the state").caused_by(error))
        });
        let (end, message) = match given {
            Ok(()) => (u32::MAX, String::new()),
            Err(error) => (u32::MAX - 1, format!("{error:#}")),
        };
        let mut last = end.to_le_bytes().to_vec();
        last.extend_from_slice(&(message.len() as u32).to_le_bytes());
        last.extend_from_slice(message.as_bytes());
        let _ = stream.write_all(&last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::Sum;
    use crate::job::Job;
    use crate::sink::{JsonLines, Pending};
    use crate::source::Memory;
    use crate::window::Tumbling;

    /// Writes down what it reads and what it sums up by keys of type `K`.
    fn graph<K: crate::key::Key + From<u8>>(out: &Path) -> Graph {
        let job = Job::new("sums");
        let (read, summed) = job.source("numbers", Memory::of(vec![1u64])).tee();
        read.sink("read", JsonLines::write(out));
        let sums = summed.key_by(|_: &u64| K::from(1)).window(Tumbling::count(2));
        sums.aggregate("sums", Sum::of(|n: &u64| *n))
            .map(|sum| sum.value)
            .sink("sums", JsonLines::write(out));
        job.finish().unwrap()
    }

    /// A subtask that goes on from checkpoint 7, which has something pending of each sink.
    fn restored(fragment: usize, wiring: Wiring<'_>, directory: &Path) -> Result<()> {
        let mut kept = schemas(&wiring(&[])?.0)?;
        for sink in ["read", "sums"] {
            let transaction = format!("{sink}-s0000000007-0.jsonl");
            let value = serde_json::to_value(Pending { transaction: transaction.clone() })?;
            kept.push(Entry { owner: crate::sink::step::owner(sink), item: transaction, value });
        }
        let beginning = Beginning {
            args: vec!["restored".to_string()],
            fragment,
            subtask: 0,
            parallelism: 1,
            directory: directory.to_path_buf(),
            restored: Some(7),
            kept: vec![kept],
            splits: BTreeMap::new(),
        };
        let mut guest = Guest::Waiting;
        guest.answer(Request::Begin(Box::new(beginning)), wiring, &mut Vec::new())?;
        guest.answer(Request::Open, wiring, &mut Vec::new())
    }

    /// What was pending became visible before anybody looked whether the state was of this program.
    #[test]
    fn a_checkpoint_that_is_refused_has_nothing_committed_whichever_fragment_it_does_not_fit() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let sinks = ["read", "sums"];
        for sink in sinks {
            std::fs::write(out.join(format!(".{sink}-s0000000007-0.pending")), "1\n").unwrap();
        }
        let visible = || sinks.map(|sink| out.join(format!("{sink}-s0000000007-0.jsonl")).exists());
        // The job that took the checkpoint has the first type of keys, the one that is to go on the second.
        let another = |args: &[String]| match args {
            [] => Ok((graph::<u64>(&out), RunOptions::default())),
            _ => Ok((graph::<u32>(&out), RunOptions::default())),
        };
        for fragment in [0, 1] {
            let directory = dir.path().join(format!("refused-{fragment}"));
            std::fs::create_dir(&directory).unwrap();
            let error = restored(fragment, &another, &directory).unwrap_err().to_string();
            assert!(error.contains("state of operator \"sums\" is not what it was"), "{error}");
            assert_eq!(visible(), [false, false]);
        }
        let same = |_: &[String]| Ok((graph::<u64>(&out), RunOptions::default()));
        for (fragment, expected) in [(0, [true, false]), (1, [true, true])] {
            let directory = dir.path().join(format!("taken-{fragment}"));
            std::fs::create_dir(&directory).unwrap();
            restored(fragment, &same, &directory).unwrap();
            assert_eq!(visible(), expected);
        }
    }

    #[test]
    fn a_checkpoint_behind_which_another_sink_shows_results_is_refused_and_nothing_is_committed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join(".read-s0000000007-0.pending"), "1\n").unwrap();
        std::fs::write(out.join("sums-s0000000008-0.jsonl"), "1\n").unwrap();
        let wiring = |_: &[String]| Ok((graph::<u64>(&out), RunOptions::default()));
        let error = restored(0, &wiring, dir.path()).unwrap_err().to_string();
        assert!(error.contains("shows results of sink \"sums\" up to snapshot 8"), "{error}");
        assert!(!out.join("read-s0000000007-0.jsonl").exists());
    }
}
