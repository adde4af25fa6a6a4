//! [`Reducer`]: a function of two values as an aggregate.

use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::aggregate::extremes::SEEN;
use crate::state::Data;

/// Folds values of one type into one of that type: a [`Reduce`](crate::aggregate::Reduce), or any function like it.
///
/// ```
/// use tidegate::aggregate::{Aggregate, Reducer};
///
/// let product = Reducer::of(|product: &mut u64, next| *product *= next);
/// let mut acc = product.create();
/// (1..=5).for_each(|n| product.add(&mut acc, n));
/// assert_eq!(product.result(&acc), 120);
/// ```
pub struct Reducer<T, F> {
    reduce: F,
    of: PhantomData<fn(T)>,
}

impl<T: Data + Clone, F: Fn(&mut T, T)> Reducer<T, F> {
    /// Folds by `reduce` what came later into what came before.
    pub fn of(reduce: F) -> Self {
        Reducer { reduce, of: PhantomData }
    }
}

impl<T: Data + Clone, F: Fn(&mut T, T) + 'static> Aggregate for Reducer<T, F> {
    type In = T;
    type Acc = Option<T>;
    type Out = T;

    fn create(&self) -> Option<T> {
        None
    }

    fn add(&self, acc: &mut Option<T>, value: T) {
        match acc {
            Some(acc) => (self.reduce)(acc, value),
            None => *acc = Some(value),
        }
    }

    fn merge(&self, acc: &mut Option<T>, other: Option<T>) {
        if let Some(other) = other {
            self.add(acc, other);
        }
    }

    fn result(&self, acc: &Option<T>) -> T {
        acc.clone().expect(SEEN)
    }

    fn finish(&self, acc: Option<T>) -> T {
        acc.expect(SEEN)
    }
}
