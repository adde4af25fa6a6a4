//! [`Sum`].

use std::marker::PhantomData;

use crate::aggregate::{Aggregate, Number};

/// The sum of a field.
///
/// A sum of integers stays at the end of their type when it would pass it: where that can happen, sum up in a wider one,
/// `Sum::of(|bid: &Bid| i128::from(bid.price))`.
///
/// ```
/// use tidegate::aggregate::{Aggregate, Sum};
///
/// let length = Sum::of(|word: &&str| word.len());
/// let mut acc = length.create();
/// length.add(&mut acc, "tide");
/// length.add(&mut acc, "gate");
/// assert_eq!(length.result(&acc), 8);
/// ```
pub struct Sum<T, V, F> {
    field: F,
    of: PhantomData<fn(&T) -> V>,
}

impl<T, V: Number, F: Fn(&T) -> V> Sum<T, V, F> {
    /// The sum of what `field` finds in each value.
    pub fn of(field: F) -> Self {
        Sum { field, of: PhantomData }
    }
}

impl<T: 'static, V: Number, F: Fn(&T) -> V + 'static> Aggregate for Sum<T, V, F> {
    type In = T;
    type Acc = V;
    type Out = V;

    fn create(&self) -> V {
        V::ZERO
    }

    #[inline]
    fn add(&self, acc: &mut V, value: T) {
        *acc = acc.plus((self.field)(&value));
    }

    #[inline]
    fn add_ref(&self, acc: &mut V, value: &T) {
        *acc = acc.plus((self.field)(value));
    }

    fn merge(&self, acc: &mut V, other: V) {
        *acc = acc.plus(other);
    }

    fn result(&self, acc: &V) -> V {
        *acc
    }
}
