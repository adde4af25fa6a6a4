//! Folding many values into one: [`Aggregate`] into an accumulator of its own type, [`Reduce`] into a value of the same type.
//!
//! Pure: what is folded, where the accumulator is kept and for how long is the business of whoever uses it, such as the
//! [`Aggregating`](crate::state::Aggregating) and [`Reducing`](crate::state::Reducing) fields of a state.

use crate::state::Data;

/// Folds values into an accumulator, and makes a result of it: Flink's `AggregateFunction`.
///
/// The function itself is configuration; what it has seen is in the accumulator, which rests in state and in snapshots.
/// Accumulators of parts of the input can be merged: the result is that of the whole.
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
    type Acc: Data;
    /// What comes out.
    type Out;

    /// The accumulator of no values.
    fn create(&self) -> Self::Acc;

    /// Folds `value` into `acc`.
    fn add(&self, acc: &mut Self::Acc, value: Self::In);

    /// Folds what `other` has seen into `acc`.
    fn merge(&self, acc: &mut Self::Acc, other: Self::Acc);

    /// The result for what `acc` has seen.
    fn result(&self, acc: &Self::Acc) -> Self::Out;
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
