//! Any sequence of what an operator can do with its state, and of what can happen to a job meanwhile, shows the operator what
//! the definitions say: held against a [model] in plain collections.
//!
//! Most sequences drive the [subtasks](tidegate::testing::Subtasks) of one operator by hand: that takes a millisecond. Some
//! run a [whole job](jobs), with files, chains and compaction.
//!
//! A sequence is decided by a seed. One that fails is made as short as it gets, and printed with the command that reruns it.

mod jobs;
mod model;
mod operator;
mod sequence;

use std::cell::RefCell;
use std::fmt::Debug;
use std::sync::{Arc, LazyLock};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use tidegate::state::backend::StateBackend;
use tidegate::state::fjall::StateDirectory;
use tidegate::state::memory::StateMemory;
use tidegate::testing::Subtasks;
use tidegate::time::EventTime;
use tidegate::{Error, Result};

use model::Model;
use operator::{Everything, KEYS, Op, Seen, Visit};
use sequence::{Happening, sequences};

/// Runs `body` on a sequence under every seed of `seeds`, or only under the one that `TIDEGATE_SEED` names. `TIDEGATE_SEEDS=100`
/// makes it a hundred times as many seeds, for a night.
pub fn under_seeds<T: Debug>(
    test: &str,
    seeds: u64,
    strategy: &impl Strategy<Value = T>,
    body: impl Fn(&T) -> Result<()>,
) {
    let number = |variable| std::env::var(variable).ok().map(|text| text.parse::<u64>().expect(variable));
    let (named, seeds) = (number("TIDEGATE_SEED"), seeds * number("TIDEGATE_SEEDS").unwrap_or(1));
    for seed in named.map_or(0..seeds, |seed| seed..seed + 1) {
        let config =
            Config { cases: 1, failure_persistence: None, max_shrink_iters: 4_000, ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let failed = TestRunner::new_with_rng(config, random).run(strategy, |sequence| {
            body(&sequence).map_err(|error| TestCaseError::fail(format!("{error:#}")))
        });
        if let Err(failed) = failed {
            println!("rerun with: TIDEGATE_SEED={seed} cargo test -p tidegate-tests --test suites {test}");
            panic!("{failed}");
        }
    }
}

static DIRECTORY: LazyLock<Arc<StateDirectory>> =
    LazyLock::new(|| Arc::new(StateDirectory::temporary().unwrap()));

fn fjall(bytes: u64) -> StateBackend {
    StateBackend::fjall(Arc::clone(&DIRECTORY), StateMemory::of(bytes))
}

/// Every operation of the sequence on subtasks whose state lies in `store`, and on the model.
fn hold(happenings: &[Happening], store: &Arc<StateBackend>) -> Result<()> {
    let mut model = Model::default();
    let mut subtasks = Subtasks::new(Everything, |visit: &Visit| visit.key, 2, store)?;
    // What the model was at the last barrier, and in the last complete snapshot.
    let (mut frozen, mut complete): (Option<Model>, Model) = (None, Model::default());
    let mut expected = Vec::new();
    for happening in happenings {
        match happening {
            Happening::Visits(visits) => {
                let records: Vec<_> = visits.iter().map(|visit| model.timed(visit)).collect();
                for (visit, at) in &records {
                    expected.push(model.visit(visit, *at));
                }
                subtasks.push(
                    records.into_iter().map(|(visit, at)| (visit, EventTime::from_millis(at))).collect(),
                )?;
            }
            Happening::Watermark(by) => {
                let to = model.watermark_after(*by);
                model.advance_watermark(to, &mut expected);
                subtasks.advance_watermark(EventTime::from_millis(to))?;
            }
            Happening::Processing(by) => {
                let to = model.times.processing + i64::from(*by);
                model.advance_processing_time(to, &mut expected);
                subtasks.advance_processing_time(EventTime::from_millis(to))?;
            }
            Happening::Barrier => {
                subtasks.begin_snapshot()?;
                frozen = Some(model.clone());
            }
            Happening::Slice { fails } => {
                if subtasks.encode_slice()?
                    && let Some(model) = frozen.take()
                {
                    match fails {
                        true => subtasks.fail_snapshot(),
                        false => {
                            subtasks.complete_snapshot()?;
                            complete = model;
                        }
                    }
                }
            }
            Happening::Landed => while store.do_deferred() {},
            Happening::Landing => drop(store.do_deferred()),
            Happening::Killed { parallelism } => {
                subtasks.kill_and_restore(*parallelism, store)?;
                frozen = None;
                model = complete.clone().restored_at(model.times.processing);
            }
        }
        compare(subtasks.take_output(), &mut expected, happening)?;
    }
    // All that is there, and that a last snapshot has it.
    subtasks.begin_snapshot()?;
    while !subtasks.encode_slice()? {}
    subtasks.complete_snapshot()?;
    subtasks.kill_and_restore(3, store)?;
    for key in 0..KEYS {
        let visit = Visit { key, at: 0, ops: Op::all() };
        let (visit, at) = model.timed(&visit);
        expected.push(model.visit(&visit, at));
        subtasks.push(vec![(visit, EventTime::from_millis(at))])?;
    }
    while store.do_deferred() {}
    compare(subtasks.take_output(), &mut expected, &"the end")
}

/// What was seen is what was expected, for each key in its order.
fn compare(mut seen: Vec<Seen>, expected: &mut Vec<Seen>, after: &dyn Debug) -> Result<()> {
    let mut expected = std::mem::take(expected);
    seen.sort_by_key(|seen| seen.key);
    expected.sort_by_key(|seen| seen.key);
    let longest = seen.len().max(expected.len());
    match (0..longest).find(|&place| seen.get(place) != expected.get(place)) {
        None => Ok(()),
        Some(place) => {
            let (seen, expected) = (seen.get(place), expected.get(place));
            Err(Error::failure(format!(
                "after {after:?} the operator saw\n{seen:?}, and should have seen\n{expected:?}"
            )))
        }
    }
}

#[test]
fn any_sequence_shows_what_the_model_says_with_all_state_on_the_heap() {
    under_seeds("any_sequence_shows_what_the_model_says_with_all", 6_000, &sequences(60), |happenings| {
        hold(happenings, &Arc::new(StateBackend::heap()))
    });
}

#[test]
fn any_sequence_shows_what_the_model_says_with_ample_memory() {
    let store = Arc::new(fjall(u64::MAX).inline());
    under_seeds("any_sequence_shows_what_the_model_says_with_ample", 3_600, &sequences(60), |happenings| {
        hold(happenings, &store)
    });
}

/// A store for every few sequences: to make one takes a while, and so do many operators in one.
fn shared(make: impl Fn() -> StateBackend) -> impl Fn() -> Arc<StateBackend> {
    let current = RefCell::new((0, Arc::new(make())));
    move || {
        let (uses, store) = &mut *current.borrow_mut();
        *uses += 1;
        if *uses % 8 == 0 {
            *store = Arc::new(make());
        }
        Arc::clone(store)
    }
}

#[test]
fn any_sequence_shows_what_the_model_says_when_everything_is_spilled_all_the_time() {
    let store = shared(|| fjall(0).inline());
    under_seeds("any_sequence_shows_what_the_model_says_when_ev", 200, &sequences(60), |happenings| {
        hold(happenings, &store())
    });
}

#[test]
fn any_sequence_shows_what_the_model_says_when_what_is_spilled_lands_late() {
    let store = shared(|| fjall(0).deferred());
    under_seeds("any_sequence_shows_what_the_model_says_when_wh", 200, &sequences(60), |happenings| {
        hold(happenings, &store())
    });
}
