//! [`First`] and [`Last`].

use std::marker::PhantomData;

use crate::aggregate::Aggregate;
use crate::aggregate::extremes::SEEN;
use crate::state::Data;

macro_rules! ends {
    ($(#[doc = $doc:literal] #[doc = $ties:literal] $name:ident, $better:tt;)*) => {$(
        #[doc = $doc]
        ///
        /// Records come in another order than they happened in, so it must be said by what they are ordered: by their time, or by
        /// anything else (Flink's `minBy` and `maxBy`).
        #[doc = $ties]
        ///
        /// ```
        /// use tidegate::aggregate::{Aggregate, First, Last};
        ///
        /// let opening = First::by(|(at, _): &(u64, f64)| *at, |(_, price)| *price);
        /// let close = Last::by(|(at, _): &(u64, f64)| *at, |(_, price)| *price);
        /// let (mut open, mut end) = (opening.create(), close.create());
        /// for trade in [(3, 10.5), (1, 10.0), (2, 12.0)] {
        ///     opening.add(&mut open, trade);
        ///     close.add(&mut end, trade);
        /// }
        /// assert_eq!((opening.result(&open), close.result(&end)), (10.0, 10.5));
        /// ```
        pub struct $name<T, O, V, P, F> {
            order: P,
            field: F,
            of: PhantomData<fn(&T) -> (O, V)>,
        }

        impl<T, O: Data + Clone + PartialOrd, V: Data + Clone, P: Fn(&T) -> O, F: Fn(&T) -> V> $name<T, O, V, P, F> {
            /// What `field` finds in that value which is it by `order`.
            pub fn by(order: P, field: F) -> Self {
                $name { order, field, of: PhantomData }
            }
        }

        impl<T, O, V, P, F> Aggregate for $name<T, O, V, P, F>
        where
            T: 'static,
            O: Data + Clone + PartialOrd,
            V: Data + Clone,
            P: Fn(&T) -> O + 'static,
            F: Fn(&T) -> V + 'static,
        {
            type In = T;
            type Acc = Option<(O, V)>;
            type Out = V;

            fn create(&self) -> Option<(O, V)> {
                None
            }

            #[inline]
            fn add(&self, acc: &mut Option<(O, V)>, value: T) {
                self.add_to(acc, &value);
            }

            #[inline]
            fn add_ref(&self, acc: &mut Option<(O, V)>, value: &T) {
                self.add_to(acc, value);
            }

            fn merge(&self, acc: &mut Option<(O, V)>, other: Option<(O, V)>) {
                if let Some(other) = other
                    && acc.as_ref().is_none_or(|(order, _)| other.0 $better *order)
                {
                    *acc = Some(other);
                }
            }

            fn result(&self, acc: &Option<(O, V)>) -> V {
                acc.clone().expect(SEEN).1
            }

            fn finish(&self, acc: Option<(O, V)>) -> V {
                acc.expect(SEEN).1
            }
        }

        impl<T, O: PartialOrd, V, P: Fn(&T) -> O, F: Fn(&T) -> V> $name<T, O, V, P, F> {
            #[inline]
            fn add_to(&self, acc: &mut Option<(O, V)>, value: &T) {
                let at = (self.order)(value);
                if acc.as_ref().is_none_or(|(order, _)| at $better *order) {
                    *acc = Some((at, (self.field)(value)));
                }
            }
        }
    )*};
}

ends! {
    #[doc = "A field of the first record by some order."]
    #[doc = "Of several that are first, it is the one that came first."]
    First, <;
    #[doc = "A field of the last record by some order."]
    #[doc = "Of several that are last, it is the one that came last."]
    Last, >=;
}
