//! [`Min`] and [`Max`].

use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::state::Data;

/// What [`result`](Aggregate::result) promises.
pub(super) const SEEN: &str = "a result is asked for what has seen one value at least";

macro_rules! extremes {
    ($(#[doc = $doc:literal] $name:ident, $better:tt;)*) => {$(
        #[doc = $doc]
        ///
        /// Of values that can't be compared (a float that is not a number) the one that came first stays.
        ///
        /// ```
        /// use tidegate::aggregate::{Aggregate, Max, Min};
        ///
        /// let (shortest, longest) = (Min::of(|word: &&str| word.len()), Max::of(|word: &&str| word.len()));
        /// let (mut low, mut high) = (shortest.create(), longest.create());
        /// for word in ["tide", "gate", "lock"].into_iter().chain(["breakwater"]) {
        ///     shortest.add(&mut low, word);
        ///     longest.add(&mut high, word);
        /// }
        /// assert_eq!((shortest.result(&low), longest.result(&high)), (4, 10));
        /// ```
        pub struct $name<T, V, F> {
            field: F,
            of: PhantomData<fn(&T) -> V>,
        }

        impl<T, V: Data + Clone + PartialOrd, F: Fn(&T) -> V> $name<T, V, F> {
            /// That of what `field` finds in each value.
            pub fn of(field: F) -> Self {
                $name { field, of: PhantomData }
            }
        }

        impl<T: 'static, V: Data + Clone + PartialOrd, F: Fn(&T) -> V + 'static> Aggregate for $name<T, V, F> {
            type In = T;
            type Acc = Option<V>;
            type Out = V;

            fn create(&self) -> Option<V> {
                None
            }

            #[inline]
            fn add(&self, acc: &mut Option<V>, value: T) {
                self.merge(acc, Some((self.field)(&value)));
            }

            #[inline]
            fn add_ref(&self, acc: &mut Option<V>, value: &T) {
                self.merge(acc, Some((self.field)(value)));
            }

            #[inline]
            fn merge(&self, acc: &mut Option<V>, other: Option<V>) {
                if let Some(other) = other
                    && acc.as_ref().is_none_or(|best| other $better *best)
                {
                    *acc = Some(other);
                }
            }

            fn result(&self, acc: &Option<V>) -> V {
                acc.clone().expect(SEEN)
            }

            fn finish(&self, acc: Option<V>) -> V {
                acc.expect(SEEN)
            }
        }
    )*};
}

extremes! {
    #[doc = "The smallest value of a field."]
    Min, <;
    #[doc = "The greatest value of a field."]
    Max, >;
}
