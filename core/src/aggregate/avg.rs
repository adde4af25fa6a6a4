//! [`Avg`].

use std::marker::PhantomData;

use crate::aggregate::{Aggregate, Number};

/// The mean of a field, as a float.
///
/// Where it must be exact, take the pair `(Sum::of(..), Count)` and divide as you need.
///
/// ```
/// use tidegate::aggregate::{Aggregate, Avg};
///
/// let length = Avg::of(|word: &&str| word.len());
/// let mut acc = length.create();
/// length.add(&mut acc, "tide");
/// length.add(&mut acc, "water");
/// assert_eq!(length.result(&acc), 4.5);
/// ```
pub struct Avg<T, V, F> {
    field: F,
    of: PhantomData<fn(&T) -> V>,
}

impl<T, V: Number, F: Fn(&T) -> V> Avg<T, V, F> {
    /// The mean of what `field` finds in each value.
    pub fn of(field: F) -> Self {
        Avg { field, of: PhantomData }
    }
}

impl<T: 'static, V: Number, F: Fn(&T) -> V + 'static> Aggregate for Avg<T, V, F> {
    type In = T;
    type Acc = (V::Wide, u64);
    type Out = f64;

    fn create(&self) -> (V::Wide, u64) {
        (V::Wide::ZERO, 0)
    }

    #[inline]
    fn add(&self, (sum, count): &mut (V::Wide, u64), value: T) {
        *sum = sum.plus((self.field)(&value).widen());
        *count += 1;
    }

    #[inline]
    fn add_ref(&self, (sum, count): &mut (V::Wide, u64), value: &T) {
        *sum = sum.plus((self.field)(value).widen());
        *count += 1;
    }

    fn merge(&self, (sum, count): &mut (V::Wide, u64), other: (V::Wide, u64)) {
        *sum = sum.plus(other.0);
        *count += other.1;
    }

    fn result(&self, (sum, count): &(V::Wide, u64)) -> f64 {
        sum.to_f64() / *count as f64
    }
}
