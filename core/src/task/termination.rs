//! When a job with loops has come to its end: nothing more is read, and nothing is in flight. Pure.
//!
//! Without a loop the end of the input is the end, behind which the last barrier goes. In a loop records go round that no
//! source sends, and a worker that has nothing to do may be given something yet. The rule is Mattern's (*Algorithms for
//! distributed termination detection*, 1987), with four counters: every worker is asked how much it has sent and received,
//! over all its channels, and answers when it has nothing to do; when all have answered, all are asked again. If as much had
//! been received at the end of the first wave as was sent by the end of the second, then nothing was in flight between the
//! two, and nobody had anything to do: nor ever will have.
//!
//! Barriers are not counted: no record comes of one, and where snapshots follow close upon each other there is always one
//! under way.
//!
//! That is found out twice. The first time nothing is in flight but the end of time, which the heads of loops hold; they are
//! told to let it pass, so that what it makes fire sees the loop's last word. Timers may put records into a loop again: the
//! second time it is the end.

use std::collections::BTreeSet;

/// How many elements have been sent and received, but for barriers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Traffic {
    pub sent: u64,
    pub received: u64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Ask every worker for its traffic: the wave with this number.
    Ask(u64),
    /// Have the heads of loops let the end of time pass, and processing time stand still; and then ask, in the wave with this number.
    Release(u64),
    /// Nothing is in flight, and nothing ever will be.
    End,
}

/// Finds out when a job with loops has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Termination {
    workers: usize,
    sources: usize,
    exhausted: BTreeSet<usize>,
    wave: u64,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State {
    /// Some source may give more.
    Reading,
    /// A wave is on its way. `before` is what the wave before it came to.
    Asking { end: EndOfTime, before: Option<Traffic>, answers: Vec<Option<Traffic>> },
    /// It is known that this is the end.
    Ended,
}

/// Whether the end of time has been let into the loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum EndOfTime {
    Held,
    Released,
}

impl Termination {
    /// Of a job with so many workers and source subtasks.
    pub fn new(workers: usize, sources: usize) -> Termination {
        Termination { workers, sources, exhausted: BTreeSet::new(), wave: 0, state: State::Reading }
    }

    /// The source subtask with this number has ended.
    pub fn exhausted(&mut self, source: usize) -> Option<Decision> {
        self.exhausted.insert(source);
        let has_ended = self.exhausted.len() >= self.sources && self.state == State::Reading;
        has_ended.then(|| Decision::Ask(self.ask(EndOfTime::Held, None)))
    }

    /// A worker has nothing to do, and tells its traffic: the answer to the wave with this number.
    pub fn answered(&mut self, worker: usize, wave: u64, traffic: Traffic) -> Option<Decision> {
        let State::Asking { end, before, answers } = &mut self.state else { return None };
        if wave != self.wave {
            return None;
        }
        answers[worker] = Some(traffic);
        let sum = answers.iter().copied().try_fold(Traffic::default(), |sum, answer| {
            let answer = answer?;
            Some(Traffic { sent: sum.sent + answer.sent, received: sum.received + answer.received })
        })?;
        let is_quiet = before.is_some_and(|before| before.received == sum.sent);
        Some(match (is_quiet, *end) {
            (false, end) => Decision::Ask(self.ask(end, Some(sum))),
            (true, EndOfTime::Held) => Decision::Release(self.ask(EndOfTime::Released, None)),
            (true, EndOfTime::Released) => {
                self.state = State::Ended;
                Decision::End
            }
        })
    }

    /// Begins a wave. Its number.
    fn ask(&mut self, end: EndOfTime, before: Option<Traffic>) -> u64 {
        self.wave += 1;
        self.state = State::Asking { end, before, answers: vec![None; self.workers] };
        self.wave
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const WORKERS: usize = 2;

    /// Two workers that send each other records, as long as there is something to send.
    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        termination: Termination,
        in_flight: [u64; WORKERS],
        traffic: [Traffic; WORKERS],
        asked: [Option<u64>; WORKERS],
        /// How many records more will be sent, before and behind the end of time.
        to_send: [u64; 2],
        released: bool,
        ended: bool,
    }

    impl World {
        fn send(&mut self, from: usize, to: usize) {
            self.in_flight[to] += 1;
            self.traffic[from].sent += 1;
        }

        fn act(&mut self, decision: Option<Decision>) {
            match decision {
                None => {}
                Some(Decision::Ask(wave)) => self.asked = [Some(wave); WORKERS],
                Some(Decision::Release(wave)) => {
                    assert_eq!(self.in_flight, [0; WORKERS], "{self:#?}");
                    self.released = true;
                    // The end of time goes from everyone to everyone.
                    for from in 0..WORKERS {
                        self.send(from, 1 - from);
                    }
                    self.asked = [Some(wave); WORKERS];
                }
                Some(Decision::End) => {
                    assert!(self.released);
                    assert_eq!(self.in_flight, [0; WORKERS], "{self:#?}");
                    self.ended = true;
                }
            }
        }

        /// Every world that can come next.
        fn next(&self) -> Vec<World> {
            let mut worlds = Vec::new();
            for worker in 0..WORKERS {
                if self.in_flight[worker] > 0 {
                    for to in [None, Some(0), Some(1)] {
                        let mut world = self.clone();
                        world.in_flight[worker] -= 1;
                        world.traffic[worker].received += 1;
                        let left = &mut world.to_send[usize::from(self.released)];
                        match to {
                            Some(to) if *left > 0 => {
                                *left -= 1;
                                world.send(worker, to);
                            }
                            Some(_) => continue,
                            None => {}
                        }
                        worlds.push(world);
                    }
                }
                if let Some(wave) = self.asked[worker] {
                    let mut world = self.clone();
                    world.asked[worker] = None;
                    let decision = world.termination.answered(worker, wave, self.traffic[worker]);
                    world.act(decision);
                    worlds.push(world);
                }
            }
            worlds
        }
    }

    #[test]
    fn whatever_is_sent_meanwhile_it_is_the_end_when_nothing_is_in_flight_and_not_before() {
        let mut first = World {
            termination: Termination::new(WORKERS, 2),
            in_flight: [1, 0],
            traffic: [Traffic::default(), Traffic { sent: 1, received: 0 }],
            asked: [None; WORKERS],
            to_send: [3, 1],
            released: false,
            ended: false,
        };
        assert_eq!(first.termination.exhausted(0), None, "there is another source");
        let decision = first.termination.exhausted(1);
        first.act(decision);
        // Waves are asked for as long as something is in flight, without end; worlds are told apart by all but the number.
        let without_number = |world: &World| {
            let mut world = world.clone();
            let wave = std::mem::take(&mut world.termination.wave);
            for asked in world.asked.iter_mut().flatten() {
                *asked = wave - *asked;
            }
            world
        };
        let mut seen = HashSet::from([without_number(&first)]);
        let (mut open, mut ended) = (vec![first], 0);
        while let Some(world) = open.pop() {
            let next = world.next();
            assert!(world.ended || !next.is_empty(), "nothing can happen, and nobody knows: {world:#?}");
            ended += usize::from(next.is_empty());
            open.extend(next.into_iter().filter(|next| seen.insert(without_number(next))));
        }
        assert!(seen.len() > 1_000 && ended > 1, "only {} worlds, {ended} ends", seen.len());
    }

    #[test]
    fn an_answer_to_an_older_wave_counts_for_nothing() {
        let mut termination = Termination::new(1, 1);
        let quiet = Traffic { sent: 1, received: 1 };
        assert_eq!(termination.exhausted(0), Some(Decision::Ask(1)));
        assert_eq!(termination.answered(0, 1, quiet), Some(Decision::Ask(2)));
        assert_eq!(termination.answered(0, 1, quiet), None);
        assert_eq!(termination.answered(0, 2, quiet), Some(Decision::Release(3)));
        assert_eq!(termination.answered(0, 3, quiet), Some(Decision::Ask(4)));
        assert_eq!(termination.answered(0, 4, quiet), Some(Decision::End));
        assert_eq!(termination.answered(0, 4, quiet), None);
    }
}
