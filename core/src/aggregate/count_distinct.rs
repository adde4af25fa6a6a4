//! [`CountDistinct`].

use std::collections::BTreeSet;
use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::state::Data;

/// How many different values a field has: SQL's `COUNT(DISTINCT ..)`. Exact, so every different value is kept.
///
/// ```
/// use tidegate::aggregate::{Aggregate, CountDistinct};
///
/// let users = CountDistinct::of(|(user, _url): &(u64, &str)| *user);
/// let mut acc = users.create();
/// for visit in [(7, "/"), (8, "/"), (7, "/about")] {
///     users.add(&mut acc, visit);
/// }
/// assert_eq!(users.result(&acc), 2);
/// ```
pub struct CountDistinct<T, V, F> {
    field: F,
    of: PhantomData<fn(&T) -> V>,
}

impl<T, V: Data + Clone + Ord, F: Fn(&T) -> V> CountDistinct<T, V, F> {
    /// The number of different values that `field` finds.
    pub fn of(field: F) -> Self {
        CountDistinct { field, of: PhantomData }
    }
}

impl<T: 'static, V: Data + Clone + Ord, F: Fn(&T) -> V + 'static> Aggregate for CountDistinct<T, V, F> {
    type In = T;
    type Acc = BTreeSet<V>;
    type Out = u64;

    fn create(&self) -> BTreeSet<V> {
        BTreeSet::new()
    }

    #[inline]
    fn add(&self, acc: &mut BTreeSet<V>, value: T) {
        acc.insert((self.field)(&value));
    }

    #[inline]
    fn add_ref(&self, acc: &mut BTreeSet<V>, value: &T) {
        acc.insert((self.field)(value));
    }

    fn merge(&self, acc: &mut BTreeSet<V>, mut other: BTreeSet<V>) {
        // The smaller into the larger.
        if acc.len() < other.len() {
            std::mem::swap(acc, &mut other);
        }
        acc.extend(other);
    }

    fn result(&self, acc: &BTreeSet<V>) -> u64 {
        acc.len() as u64
    }
}
