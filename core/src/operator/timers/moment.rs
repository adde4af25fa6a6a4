//! The timers of one time.
//!
//! Windows set very many for the same time, and nobody looks at one before that has come. So they are only gathered until then,
//! and put into their order when the first of them fires. One that is looked for, because it is set twice or cancelled, is found
//! by an index that is made when it is needed first; among few there is none.

use std::cmp::Reverse;

use hashbrown::HashTable;

use crate::key::KeyHash;

/// Among so many timers one is looked for by going through them.
const FEW: usize = 16;

/// A timer that has not fired.
pub(super) struct Waiting<K, P> {
    pub hash: KeyHash,
    pub number: u64,
    pub key: K,
    pub payload: P,
    /// The epoch in which it was set until it is encoded; 0 then.
    pub set_in: u32,
    pub is_cancelled: bool,
}

/// The timers that are due at one time.
pub(super) struct Moment<K, P> {
    timers: Vec<Waiting<K, P>>,
    order: Order,
    /// The epoch in which it was last noted that it has changed.
    pub noted_in: u32,
}

/// How the timers lie.
enum Order {
    /// As they were set, those that were cancelled among them if there is an index.
    OfSetting { index: Option<Box<HashTable<u32>>>, cancelled: usize },
    /// As they fire, by hash and number, the next one last.
    OfFiring,
}

impl<K, P> Waiting<K, P> {
    fn rank(&self) -> (u64, u64) {
        (self.hash.bits(), self.number)
    }
}

impl<K, P> Moment<K, P> {
    pub fn new() -> Moment<K, P> {
        let order = Order::OfSetting { index: None, cancelled: 0 };
        Moment { timers: Vec::with_capacity(1), order, noted_in: 0 }
    }

    /// Whether no timer waits.
    pub fn is_empty(&self) -> bool {
        match self.order {
            Order::OfSetting { cancelled, .. } => self.timers.len() == cancelled,
            Order::OfFiring => self.timers.is_empty(),
        }
    }

    #[inline]
    pub fn add(&mut self, waiting: Waiting<K, P>) {
        match &mut self.order {
            Order::OfSetting { index, .. } => {
                if let Some(index) = index {
                    let timers = &self.timers;
                    let place = timers.len() as u32;
                    index.insert_unique(waiting.hash.bits(), place, |&place| {
                        timers[place as usize].hash.bits()
                    });
                }
                self.timers.push(waiting);
            }
            // A timer that fires sets others of its key: they are near the end.
            Order::OfFiring => {
                let place = self.timers.partition_point(|other| other.rank() > waiting.rank());
                self.timers.insert(place, waiting);
            }
        }
    }

    /// Where the first one of this hash is that `is_it` is true of.
    pub fn find(&mut self, hash: KeyHash, is_it: impl Fn(&Waiting<K, P>) -> bool) -> Option<usize> {
        let timers = &self.timers;
        let is_it = |waiting: &Waiting<K, P>| waiting.hash == hash && !waiting.is_cancelled && is_it(waiting);
        match &mut self.order {
            Order::OfSetting { .. } if timers.len() <= FEW => timers.iter().position(is_it),
            Order::OfSetting { index, .. } => {
                let index = index.get_or_insert_with(|| Box::new(index_of(timers)));
                index.find(hash.bits(), |&place| is_it(&timers[place as usize])).map(|&place| place as usize)
            }
            Order::OfFiring => {
                let first = timers.partition_point(|other| other.hash.bits() > hash.bits());
                timers[first..]
                    .iter()
                    .take_while(|other| other.hash == hash)
                    .position(is_it)
                    .map(|place| first + place)
            }
        }
    }

    pub fn get_mut(&mut self, place: usize) -> &mut Waiting<K, P> {
        &mut self.timers[place]
    }

    /// Takes a timer away.
    pub fn cancel(&mut self, place: usize) {
        let Order::OfSetting { index: Some(index), cancelled } = &mut self.order else {
            self.timers.remove(place);
            return;
        };
        let gone = &mut self.timers[place];
        gone.is_cancelled = true;
        if let Ok(entry) = index.find_entry(gone.hash.bits(), |&other| other as usize == place) {
            entry.remove();
        }
        *cancelled += 1;
        if *cancelled * 2 > self.timers.len() {
            self.timers.retain(|waiting| !waiting.is_cancelled);
            self.order = Order::OfSetting { index: None, cancelled: 0 };
        }
    }

    /// Takes the one away that fires next.
    #[inline]
    pub fn pop(&mut self) -> Option<Waiting<K, P>> {
        if let Order::OfSetting { cancelled, .. } = self.order {
            self.put_in_order(cancelled);
        }
        self.timers.pop()
    }

    fn put_in_order(&mut self, cancelled: usize) {
        if cancelled > 0 {
            self.timers.retain(|waiting| !waiting.is_cancelled);
        }
        self.timers.sort_unstable_by_key(|waiting| Reverse(waiting.rank()));
        self.order = Order::OfFiring;
    }

    /// The hashes of those that fire next, if one has fired; before that, those of all in any order.
    pub fn hashes(&self) -> impl Iterator<Item = KeyHash> {
        self.timers.iter().rev().map(|waiting| waiting.hash)
    }

    /// Shows up to `max` of the timers that were set in `epoch`, each once. How many there were.
    pub fn of_epoch(&mut self, epoch: u32, max: usize, mut show: impl FnMut(&Waiting<K, P>)) -> usize {
        // What was set before lies in front, what was set later behind.
        let first = match self.order {
            Order::OfSetting { .. } => self.timers.partition_point(|waiting| waiting.set_in < epoch),
            Order::OfFiring => 0,
        };
        let of_epoch = self.timers[first..].iter_mut().filter(|waiting| waiting.set_in == epoch).take(max);
        of_epoch.fold(0, |shown, waiting| {
            waiting.set_in = 0;
            if !waiting.is_cancelled {
                show(waiting);
            }
            shown + 1
        })
    }
}

/// Where the timers are that were not cancelled, by hash.
fn index_of<K, P>(timers: &[Waiting<K, P>]) -> HashTable<u32> {
    let mut index = HashTable::with_capacity(timers.len());
    let hash_at = |&place: &u32| timers[place as usize].hash.bits();
    for (place, waiting) in (0..).zip(timers).filter(|(_, waiting)| !waiting.is_cancelled) {
        index.insert_unique(waiting.hash.bits(), place, hash_at);
    }
    index
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(hash: u64, number: u64) -> Waiting<u64, ()> {
        let hash = KeyHash::from_bits(hash);
        Waiting { hash, number, key: hash.bits(), payload: (), set_in: 1, is_cancelled: false }
    }

    #[derive(Clone, Debug)]
    enum Act {
        Add(u64),
        Cancel(u64),
        Pop,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            8 => (0..40u64).prop_map(Act::Add),
            6 => (0..200u64).prop_map(Act::Cancel),
            1 => Just(Act::Pop),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn timers_fire_by_hash_and_number_whatever_was_added_and_cancelled(
            few in prop::bool::ANY,
            acts in prop::collection::vec(act(), 1..200),
        ) {
            let mut moment = Moment::new();
            let mut expected = std::collections::BTreeSet::new();
            for (number, act) in (0..).zip(acts) {
                match act {
                    Act::Add(_) if few && expected.len() >= FEW => {}
                    Act::Add(hash) => {
                        moment.add(waiting(hash, number));
                        expected.insert((hash, number));
                    }
                    Act::Cancel(of) => {
                        let waits = expected.iter().copied().find(|(_, number)| *number == of);
                        for hash in 0..40 {
                            let found = moment.find(KeyHash::from_bits(hash), |waiting| waiting.number == of);
                            prop_assert_eq!(found.is_some(), waits == Some((hash, of)));
                            found.into_iter().for_each(|place| moment.cancel(place));
                        }
                        if let Some(waits) = waits {
                            expected.remove(&waits);
                        }
                    }
                    // Nobody pops one of none.
                    Act::Pop if expected.is_empty() => {}
                    Act::Pop => prop_assert_eq!(moment.pop().map(|fires| fires.rank()), expected.pop_first()),
                }
                prop_assert_eq!(moment.is_empty(), expected.is_empty());
            }
            let rest: Vec<_> = std::iter::from_fn(|| moment.pop()).map(|fires| fires.rank()).collect();
            prop_assert_eq!(rest, expected.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn timers_of_an_epoch_are_shown_once_and_those_of_others_not() {
        let mut moment = Moment::new();
        for number in 0..60 {
            moment.add(Waiting { set_in: (number / 20) as u32, ..waiting(number % 7, number) });
        }
        for number in (0..60).step_by(3) {
            let place =
                moment.find(KeyHash::from_bits(number % 7), |waiting| waiting.number == number).unwrap();
            moment.cancel(place);
        }
        let mut shown = Vec::new();
        while moment.of_epoch(1, 4, |waiting| shown.push(waiting.number)) > 0 {}
        assert_eq!(shown, (20..40).filter(|number| number % 3 != 0).collect::<Vec<_>>());
    }

    #[test]
    fn timers_of_one_moment_that_come_and_go_leave_no_trace() {
        let mut moment = Moment::new();
        (0..100).for_each(|number| moment.add(waiting(number, number)));
        for number in 100..10_000 {
            moment.add(waiting(7, number));
            let place = moment.find(KeyHash::from_bits(7), |waiting| waiting.number == number).unwrap();
            moment.cancel(place);
        }
        assert!(moment.timers.len() <= 202, "{}", moment.timers.len());
    }
}
