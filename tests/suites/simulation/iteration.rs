//! Loops: what goes round is neither lost nor doubled, and the job ends when nothing does any more.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use tidegate::prelude::*;
use tidegate::testing::TestJob;

use super::{Dribble, Random, assert_same, under_seeds};

/// How many places there are.
const PLACES: u32 = 30;

/// Somebody who goes from place to place, and back to where the steps are counted.
#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Walker {
    number: u64,
    place: u32,
    steps_left: u32,
}

impl Walker {
    /// Where the next step leads.
    fn step(self) -> Walker {
        let place = (self.place * 7 + self.number as u32 % 5 + 1) % PLACES;
        Walker { place, steps_left: self.steps_left - 1, ..self }
    }
}

#[event]
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Seen {
    /// A walker has no steps left.
    Arrived(Walker),
    /// So many walkers have come to the place, when nobody walked any more.
    Visits(u32, u64),
}

#[state(key = u32)]
#[derive(Default)]
struct Place {
    visits: u64,
}

/// Counts who comes, and lets those go on who have steps left.
struct Visit;

#[operator]
impl Visit {
    fn on_event(
        &self,
        walker: Walker,
        place: &mut Place,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Walker>,
        side: &mut impl Emit<Seen>,
    ) {
        if place.visits == 0 {
            cx.set_timer(EventTime::MAX, walker.place);
        }
        place.visits += 1;
        match walker.steps_left {
            0 => side.emit(Seen::Arrived(walker)),
            _ => out.emit(walker.step()),
        }
    }

    fn on_timer(
        &self,
        name: u32,
        place: &mut Place,
        _out: &mut impl Emit<Walker>,
        side: &mut impl Emit<Seen>,
    ) {
        side.emit(Seen::Visits(name, place.visits));
    }
}

#[state(key = u64)]
#[derive(Default)]
struct Pace {
    steps: u64,
}

/// Everyone's steps are counted by number, too: another exchange inside of the loop.
#[operator]
fn keep_pace(walker: Walker, pace: &mut Pace) -> (Walker, u64) {
    pace.steps += 1;
    (walker, pace.steps)
}

fn walkers(random: &mut Random) -> Vec<Vec<Walker>> {
    let splits = 1 + random.below(4);
    let split = |split: u64| {
        let walker = |place: u64| Walker {
            number: split + splits * place,
            place: random.below(u64::from(PLACES)) as u32,
            steps_left: random.below(12) as u32,
        };
        (0..60).map(walker).collect()
    };
    (0..splits).map(split).collect()
}

/// What is seen, by a plain loop.
fn walk(walkers: impl Iterator<Item = Walker>) -> Vec<Seen> {
    let (mut visits, mut seen) = (BTreeMap::<u32, u64>::new(), Vec::new());
    for mut walker in walkers {
        *visits.entry(walker.place).or_default() += 1;
        while walker.steps_left > 0 {
            walker = walker.step();
            *visits.entry(walker.place).or_default() += 1;
        }
        seen.push(Seen::Arrived(walker));
    }
    seen.extend(visits.into_iter().map(|(place, visits)| Seen::Visits(place, visits)));
    seen
}

#[test]
fn what_goes_round_in_a_loop_of_one_operator_is_counted_once_at_every_place() {
    under_seeds("what_goes_round_in_a_loop_of_one_operator", 30, |random, scenario| {
        let splits = walkers(random);
        let seen = Collect::new();
        let run = scenario.run(|job| {
            job.source("walkers", Dribble::of(splits.clone(), scenario.seed))
                .key_by(|walker| walker.place)
                .iterate(|walkers| walkers.process_with_side("visit", Visit))
                .sink("seen", seen.clone());
            Ok(())
        });
        assert_same(seen.take(), walk(splits.into_iter().flatten()));
        run
    });
}

/// Says after some polls that the walker may go on.
async fn ask_the_way(walker: Walker) -> std::result::Result<Walker, String> {
    let mut left = (walker.number + u64::from(walker.place)) % 9;
    poll_fn(|cx| {
        left = left.saturating_sub(1);
        cx.waker().wake_by_ref();
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    Ok(walker)
}

#[test]
fn a_loop_does_not_end_while_an_answer_is_awaited_in_it() {
    under_seeds("a_loop_in_which_something_is_asked", 30, |random, scenario| {
        let splits = walkers(random);
        let seen = Collect::new();
        let run = scenario.run(|job| {
            job.source("walkers", Dribble::of(splits.clone(), scenario.seed))
                .key_by(|walker| walker.place)
                .iterate(|walkers| {
                    let (walkers, seen) = walkers.process_with_side("visit", Visit);
                    (walkers.async_map("way", ask_the_way).or_fail(), seen)
                })
                .sink("seen", seen.clone());
            Ok(())
        });
        assert_same(seen.take(), walk(splits.into_iter().flatten()));
        run
    });
}

#[test]
fn what_goes_round_through_another_exchange_keeps_its_count_there_too() {
    under_seeds("what_goes_round_through_another_exchange", 30, |random, scenario| {
        let splits = walkers(random);
        let (seen, paced) = (Collect::new(), Collect::new());
        let run = scenario.run(|job| {
            let (places, paces) = job
                .source("walkers", Dribble::of(splits.clone(), scenario.seed))
                .key_by_ref(|walker| &walker.place)
                .iterate(|walkers| {
                    let (walkers, seen) = walkers.process_with_side("visit", Visit);
                    let walkers = walkers.key_by(|walker| walker.number).process("pace", KeepPace);
                    let (walkers, paces) = walkers.tee();
                    (walkers.map(|(walker, _)| walker), (seen, paces))
                });
            places.sink("seen", seen.clone());
            paces
                .map(|(walker, steps)| (walker.number, walker.steps_left, steps))
                .sink("paced", paced.clone());
            Ok(())
        });
        let expected = splits.iter().flatten().flat_map(|walker| {
            (1..=walker.steps_left).map(|step| (walker.number, walker.steps_left - step, u64::from(step)))
        });
        assert_same(paced.take(), expected.collect());
        assert_same(seen.take(), walk(splits.into_iter().flatten()));
        run
    });
}

/// What is wrong with a job that `wire` wires.
fn mistake(wire: impl FnOnce(&Job) -> Result<()>) -> String {
    let error = TestJob::new("mistaken", wire).err().expect("it is refused");
    assert_eq!(error.exit_code(), 2);
    error.to_string()
}

#[test]
fn a_loop_whose_body_leaves_its_stream_alone_and_one_that_is_none_are_refused() {
    let walkers = || Memory::of(vec![Walker { number: 0, place: 0, steps_left: 1 }]);
    let message = mistake(|job| {
        let others = job.source("others", walkers());
        job.source("walkers", walkers()).key_by(|walker| walker.place).iterate(|_| (others, ()));
        Ok(())
    });
    assert!(message.contains("does not work on the stream"), "{message}");
    let message = mistake(|job| {
        let others = job.source("others", walkers());
        job.source("walkers", walkers())
            .key_by(|walker| walker.place)
            .iterate(|walkers| {
                let (walkers, seen) = walkers.process_with_side("visit", Visit);
                walkers.discard();
                (others, seen)
            })
            .discard();
        Ok(())
    });
    assert!(message.contains("fed back to operator \"visit\" does not come from it"), "{message}");
}

/// A loop in a loop: whoever has no steps left in the inner one, which goes by place, goes on in the outer, by number.
#[test]
fn what_goes_round_in_a_loop_within_a_loop_ends_too() {
    under_seeds("what_goes_round_in_a_loop_within_a_loop", 30, |random, scenario| {
        let splits = walkers(random);
        let paces = Collect::new();
        let run = scenario.run(|job| {
            job.source("walkers", Dribble::of(splits.clone(), scenario.seed))
                .key_by(|walker| walker.number)
                .iterate(|walkers| {
                    let paced = walkers.process("pace", KeepPace);
                    let arrived = paced
                        .map(|(walker, _)| walker)
                        .key_by(|walker| walker.place)
                        .iterate(|walkers| walkers.process_with_side("visit", Visit));
                    let (arrived, visits) = arrived.tee();
                    // Whoever has walked comes again, until the number is that of a place; with as many steps, at most, as that.
                    let again = arrived.flat_map(|seen| match seen {
                        Seen::Arrived(walker) if walker.number >= 30 => {
                            let number = walker.number - 30;
                            Some(Walker { number, steps_left: number as u32 % 4, ..walker })
                        }
                        Seen::Arrived(_) | Seen::Visits(..) => None,
                    });
                    (again, visits)
                })
                .sink("seen", paces.clone());
            Ok(())
        });
        let mut visits = BTreeMap::<u32, u64>::new();
        let mut expected = Vec::new();
        for mut walker in splits.into_iter().flatten() {
            loop {
                *visits.entry(walker.place).or_default() += 1;
                while walker.steps_left > 0 {
                    walker = walker.step();
                    *visits.entry(walker.place).or_default() += 1;
                }
                expected.push(Seen::Arrived(walker.clone()));
                if walker.number < 30 {
                    break;
                }
                walker.number -= 30;
                walker.steps_left = walker.number as u32 % 4;
            }
        }
        expected.extend(visits.into_iter().map(|(place, visits)| Seen::Visits(place, visits)));
        assert_same(paces.take(), expected);
        run
    });
}
