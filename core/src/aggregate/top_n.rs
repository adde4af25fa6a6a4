//! [`TopN`].

use std::cmp::Ordering;
use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::state::Data;

/// The n greatest records by some order, the greatest first. Of equal ones, the one that came first stands before.
///
/// ```
/// use tidegate::aggregate::{Aggregate, TopN};
///
/// let longest = TopN::by(2, |word: &String| word.len());
/// let mut acc = longest.create();
/// for word in ["lock", "tide", "breakwater"] {
///     longest.add(&mut acc, word.to_string());
/// }
/// assert_eq!(longest.result(&acc), ["breakwater", "lock"]);
/// ```
pub struct TopN<T, O, P> {
    n: usize,
    order: P,
    of: PhantomData<fn(&T) -> O>,
}

impl<T: Data + Clone, O: PartialOrd, P: Fn(&T) -> O> TopN<T, O, P> {
    /// The `n` greatest by `order`.
    pub fn by(n: usize, order: P) -> Self {
        TopN { n, order, of: PhantomData }
    }

    /// Whether a value is among the greatest: it can be inserted then, for the least has gone if there were enough.
    fn has_room(&self, best: &mut Vec<T>, value: &T) -> bool {
        if best.len() < self.n {
            return true;
        }
        let is_greater = best.last().is_some_and(|least| {
            (self.order)(least).partial_cmp(&(self.order)(value)) == Some(Ordering::Less)
        });
        if is_greater {
            best.pop();
        }
        is_greater
    }

    /// Where a value belongs: behind all that are not smaller.
    fn place(&self, best: &[T], value: &T) -> usize {
        let order = (self.order)(value);
        best.partition_point(|other| {
            (self.order)(other).partial_cmp(&order).unwrap_or(Ordering::Equal) != Ordering::Less
        })
    }
}

impl<T: Data + Clone, O: PartialOrd + 'static, P: Fn(&T) -> O + 'static> Aggregate for TopN<T, O, P> {
    type In = T;
    type Acc = Vec<T>;
    type Out = Vec<T>;

    fn create(&self) -> Vec<T> {
        Vec::new()
    }

    fn add(&self, best: &mut Vec<T>, value: T) {
        if self.has_room(best, &value) {
            let place = self.place(best, &value);
            best.insert(place, value);
        }
    }

    fn add_ref(&self, best: &mut Vec<T>, value: &T) {
        if self.has_room(best, value) {
            let place = self.place(best, value);
            best.insert(place, value.clone());
        }
    }

    fn merge(&self, best: &mut Vec<T>, other: Vec<T>) {
        other.into_iter().for_each(|value| self.add(best, value));
    }

    fn result(&self, best: &Vec<T>) -> Vec<T> {
        best.clone()
    }

    fn finish(&self, best: Vec<T>) -> Vec<T> {
        best
    }
}
