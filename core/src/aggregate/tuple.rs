//! Tuples of aggregates: all at once, each with its accumulator.

use crate::aggregate::Aggregate;

macro_rules! tuples {
    ($(($($part:ident $place:tt),+))*) => {$(
        /// All results, side by side. A part that has to own its values is given copies.
        impl<T: Clone, $($part: Aggregate<In = T>),+> Aggregate for ($($part,)+) {
            type In = T;
            type Acc = ($($part::Acc,)+);
            type Out = ($($part::Out,)+);

            fn create(&self) -> Self::Acc {
                ($(self.$place.create(),)+)
            }

            #[inline]
            fn add(&self, acc: &mut Self::Acc, value: T) {
                self.add_ref(acc, &value);
            }

            #[inline]
            fn add_ref(&self, acc: &mut Self::Acc, value: &T) {
                $(self.$place.add_ref(&mut acc.$place, value);)+
            }

            fn merge(&self, acc: &mut Self::Acc, other: Self::Acc) {
                $(self.$place.merge(&mut acc.$place, other.$place);)+
            }

            fn result(&self, acc: &Self::Acc) -> Self::Out {
                ($(self.$place.result(&acc.$place),)+)
            }

            fn finish(&self, acc: Self::Acc) -> Self::Out {
                ($(self.$place.finish(acc.$place),)+)
            }
        }
    )*};
}

tuples! {
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Avg, Count, First, Max, Sum};

    #[test]
    fn every_part_of_a_tuple_sees_every_value_and_merges_with_its_like() {
        let all = (
            Count,
            Sum::of(|n: &i32| *n),
            Max::of(|n: &i32| *n),
            Avg::of(|n: &i32| *n),
            First::by(|_: &i32| 0u8, |n| *n),
        );
        let (mut acc, mut other) = (all.create(), all.create());
        [3, -5].into_iter().for_each(|n| all.add(&mut acc, n));
        [7, 1].into_iter().for_each(|n| all.add(&mut other, n));
        all.merge(&mut acc, other);
        assert_eq!(all.result(&acc), (4, 6, 7, 1.5, 3));
        assert_eq!(all.finish(acc), (4, 6, 7, 1.5, 3));
    }
}
