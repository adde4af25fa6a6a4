//! Folding many values into one: [`Aggregate`] into an accumulator of its own type, [`Reduce`] into a value of the same type.
//!
//! Pure: what is folded, where the accumulator is kept and for how long is the business of whoever uses it, such as a
//! [window](crate::window), or the [`Aggregating`](crate::state::Aggregating) and [`Reducing`](crate::state::Reducing) fields of
//! a state.
//!
//! The usual ones are here. What of a record goes in is said by a closure: `Sum::of(|bid: &Bid| bid.price)`. A tuple of
//! aggregates is one, too: `(Count, Max::of(|bid: &Bid| bid.price))`.

mod avg;
mod count;
mod count_distinct;
mod extremes;
mod first_last;
mod number;
mod percentiles;
mod reducing;
mod sum;
mod top_n;
mod tuple;

pub use avg::Avg;
pub use count::Count;
pub use count_distinct::CountDistinct;
pub use extremes::{Max, Min};
pub use first_last::{First, Last};
pub use number::Number;
pub use percentiles::Percentiles;
pub use reducing::Reducer;
pub use sum::Sum;
pub use top_n::TopN;

use crate::state::Data;

/// Folds values into an accumulator, and makes a result of it: Flink's `AggregateFunction`.
///
/// The function itself is configuration; what it has seen is in the accumulator, which rests in state and in snapshots.
/// Accumulators of parts of the input can be merged: the result is that of the whole. Windows rely on it: those that overlap
/// share the accumulators of the parts they have in common, and sessions that grow together become one. Values of a part are
/// added in the order in which they came, and parts are merged in the order of time.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[derive(Default)]
/// struct Average;
///
/// impl Aggregate for Average {
///     type In = u32;
///     type Acc = (u64, u64);
///     type Out = f64;
///
///     fn create(&self) -> (u64, u64) {
///         (0, 0)
///     }
///
///     fn add(&self, (sum, count): &mut (u64, u64), value: u32) {
///         *sum += u64::from(value);
///         *count += 1;
///     }
///
///     fn merge(&self, (sum, count): &mut (u64, u64), other: (u64, u64)) {
///         *sum += other.0;
///         *count += other.1;
///     }
///
///     fn result(&self, (sum, count): &(u64, u64)) -> f64 {
///         *sum as f64 / *count as f64
///     }
/// }
///
/// let mut acc = Average.create();
/// Average.add(&mut acc, 3);
/// Average.add(&mut acc, 4);
/// assert_eq!(Average.result(&acc), 3.5);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an aggregate function",
    label = "does not implement `Aggregate`",
    note = "implement `tidegate::aggregate::Aggregate` for it: what goes in, the accumulator, and what comes out"
)]
pub trait Aggregate: 'static {
    /// What is folded in.
    type In;
    /// What has been seen so far.
    type Acc: Data + Clone;
    /// What comes out.
    type Out;

    /// The accumulator of no values.
    fn create(&self) -> Self::Acc;

    /// Folds `value` into `acc`.
    fn add(&self, acc: &mut Self::Acc, value: Self::In);

    /// Folds in a value that others need, too. Worth writing if it can be done without a copy of the whole value.
    fn add_ref(&self, acc: &mut Self::Acc, value: &Self::In)
    where
        Self::In: Clone,
    {
        self.add(acc, value.clone());
    }

    /// Folds what `other` has seen, which is of a later time, into `acc`.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);

    /// The result for what `acc` has seen, which is one value at least.
    fn result(&self, acc: &Self::Acc) -> Self::Out;

    /// The result for what `acc` has seen, which nobody needs any more. Worth writing if it can be made without a copy.
    fn finish(&self, acc: Self::Acc) -> Self::Out {
        self.result(&acc)
    }
}

/// Folds values of one type into one of that type: Flink's `ReduceFunction`.
///
/// ```
/// use tidegate::prelude::*;
///
/// #[event]
/// struct Highest(u32);
///
/// impl Reduce for Highest {
///     fn reduce(&mut self, other: Highest) {
///         self.0 = self.0.max(other.0);
///     }
/// }
///
/// let mut highest = Highest(3);
/// highest.reduce(Highest(7));
/// assert_eq!(highest.0, 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be reduced: nothing says how two of them become one",
    label = "does not implement `Reduce`",
    note = "wrap it in a type of your own, marked `#[event]`, and write `impl Reduce for` it: a sum, a maximum, ..",
    note = "if what comes out is of another type than what goes in, use `Aggregating`"
)]
pub trait Reduce {
    /// Folds `other`, which came later, into this.
    fn reduce(&mut self, other: Self);
}
