//! [`Count`].

use std::convert::Infallible;
use std::marker::PhantomData;

use crate::aggregate::Aggregate;

/// How many values there are: SQL's `COUNT(*)`.
///
/// It is written without its type, which follows from the stream: `.aggregate("bids", Count)`.
///
/// ```
/// use tidegate::aggregate::{Aggregate, Count};
///
/// let count = Count;
/// let mut acc = count.create();
/// count.add(&mut acc, "a bid");
/// count.add(&mut acc, "another one");
/// assert_eq!(count.result(&acc), 2);
/// ```
// An enum, because its variant `Count` is a value of whatever type `T` is asked for; a unit struct can't be generic.
#[derive(Clone, Copy, Debug, Default)]
pub enum Count<T> {
    /// The aggregate.
    #[default]
    Count,
    #[doc(hidden)]
    __Of(Infallible, PhantomData<fn(T)>),
}

#[doc(hidden)]
pub mod value {
    pub use super::Count::Count;
}

// A glob gives way to the enum above where a type is meant.
#[doc(hidden)]
pub use value::*;

impl<T: 'static> Aggregate for Count<T> {
    type In = T;
    type Acc = u64;
    type Out = u64;

    fn create(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, acc: &mut u64, _: T) {
        *acc += 1;
    }

    #[inline]
    fn add_ref(&self, acc: &mut u64, _: &T) {
        *acc += 1;
    }

    fn merge(&self, acc: &mut u64, other: u64) {
        *acc += other;
    }

    fn result(&self, acc: &u64) -> u64 {
        *acc
    }
}
